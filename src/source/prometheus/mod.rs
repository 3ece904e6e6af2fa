//! Prometheus-compatible servers: queries by HTTP.

mod address;
mod answer;
mod client;
mod decode;
mod enforce;
mod substitute;
mod window;

pub use address::Reach;
pub use answer::reading;
pub use client::{Login, Material, Server, Trust};
pub use decode::{Answer, Number, Run, Series, decode};
pub use enforce::enforce;
pub use substitute::{substitute, substitute_ever};
pub use window::{steps, window};
