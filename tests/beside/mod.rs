//! Stories that the stock autoscaler and Ballast live through side by side, and the table of what both did.

#![allow(clippy::unwrap_used, clippy::panic)]

pub mod empty;
mod pair;
pub mod restart;
mod stock;
pub mod surge;
mod table;

pub use pair::Stage;
pub use table::{document, print};
