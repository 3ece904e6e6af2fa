//! Ballast: a horizontal autoscaler for Kubernetes.

pub mod core;
pub mod source;
