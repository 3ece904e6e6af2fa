//! Rights one by one, and what of Ballast each of them carries.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod feature;
mod grant;
mod stage;

pub use feature::Feature;
pub use grant::{Grant, grants, without};
pub use stage::Stage;
