//! Ballast: a horizontal autoscaler for Kubernetes.

pub mod api;
pub mod cli;
pub mod core;
pub mod source;
