//! What is wrong with a cluster or a workload that was asked for.

/// A value that cannot be simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Problem {
    /// Where it stands, e.g. `signals.cpu.request`.
    pub path: String,
    /// The value, and what is allowed.
    pub message: String,
}

impl Problem {
    /// A problem of the value at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}
