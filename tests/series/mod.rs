//! The simulated stock rule against the real stock autoscaler, look by look: the model cluster stands behind real APIs, and the real
//! autoscaler takes the place of the simulated one.

#![allow(clippy::unwrap_used, clippy::panic)]

mod api;
mod clock;
mod controls;
mod list;
mod pods;
mod real;
mod simulated;
mod table;

pub use api::Calls;
pub use controls::controls;
pub use list::all;
pub use real::compare;
pub use table::{document, print};
