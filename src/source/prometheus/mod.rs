//! Prometheus-compatible servers: queries by HTTP.

mod address;
mod answer;
mod bounds;
mod broken;
mod client;
mod decode;
mod enforce;
mod limits;
mod material;
mod substitute;
mod targets;
mod turns;
mod window;

pub use address::{Reach, is_reserved};
pub use answer::reading;
pub use bounds::check_bounds;
pub use client::Server;
pub use decode::{Answer, Number, Run, Series, decode};
pub use enforce::enforce;
pub use limits::{LiveLimits, SourceLimits};
pub use material::{Login, Material, Trust};
pub use substitute::{is_plain, substitute, substitute_all, substitute_ever};
pub use targets::ByName;
pub use turns::{Budget, Turn};
pub use window::{steps, window};
