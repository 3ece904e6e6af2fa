//! Faults of what people wrote, each with the field's path, the value and what is allowed.

use std::fmt;

/// One fault in a written object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FieldError {
    /// Where, e.g. `spec.metrics[1].prometheus.query`.
    pub path: String,
    /// What stands there; empty when nothing does.
    pub value: String,
    /// What is allowed.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, value, message } = self;
        if value.is_empty() { write!(f, "{path}: {message}") } else { write!(f, "{path}: {value}: {message}") }
    }
}

/// Several faults as one line, for conditions and Events.
pub fn join(errors: &[FieldError]) -> String {
    errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ")
}

/// Faults and warnings in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub errors: Vec<FieldError>,
    pub warnings: Vec<FieldError>,
}

/// Longest part of a value that an error repeats.
const SHOWN: usize = 80;

impl Problems {
    pub fn add(&mut self, path: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) {
        self.errors.push(fault(path, value, message));
    }

    pub fn warn(&mut self, path: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) {
        self.warnings.push(fault(path, value, message));
    }
}

fn fault(path: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) -> FieldError {
    let mut value = value.to_string();
    if let Some((end, _)) = value.char_indices().nth(SHOWN) {
        value.truncate(end);
        value.push('…');
    }
    FieldError { path: path.into(), value, message: message.into() }
}
