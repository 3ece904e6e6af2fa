//! Ballast: a horizontal autoscaler for Kubernetes.

pub mod api;
pub mod core;
pub mod source;
