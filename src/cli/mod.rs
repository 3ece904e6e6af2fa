//! Commands.

pub mod crds;
pub mod reference;
