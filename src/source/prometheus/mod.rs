//! Prometheus-compatible servers: queries by HTTP.

mod address;
mod answer;
mod bounds;
mod client;
mod decode;
mod enforce;
mod limits;
mod substitute;
mod targets;
mod turns;
mod window;

pub use address::Reach;
pub use answer::reading;
pub use bounds::check_bounds;
pub use client::{Login, Material, Server, Trust};
pub use decode::{Answer, Number, Run, Series, decode};
pub use enforce::enforce;
pub use limits::{LiveLimits, SourceLimits};
pub use substitute::{is_plain, substitute, substitute_all, substitute_ever};
pub use targets::ByPod;
pub use turns::{Budget, Turn};
pub use window::{steps, window};
