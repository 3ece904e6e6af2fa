//! Commands.

pub mod crds;
