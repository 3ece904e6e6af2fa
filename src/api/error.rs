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

impl FieldError {
    /// A fault; of a long value only the beginning is repeated.
    pub(crate) fn new(path: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) -> Self {
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(SHOWN) {
            value.truncate(end);
            value.push('…');
        }
        Self { path: path.into(), value, message: message.into() }
    }
}

/// Several faults as one line, for conditions and Events; when there are too many to read, the first ones and how many more there are.
pub fn join(errors: &[FieldError]) -> String {
    let mut line = String::new();
    for (index, error) in errors.iter().enumerate() {
        let error = error.to_string();
        if index > 0 {
            if line.len() + error.len() > LONGEST {
                return format!("{line}; and {} more", errors.len() - index);
            }
            line.push_str("; ");
        }
        line.push_str(&error);
    }
    line
}

/// Faults and warnings in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub errors: Vec<FieldError>,
    pub warnings: Vec<FieldError>,
}

/// Longest part of a value that an error repeats.
pub(crate) const SHOWN: usize = 80;

/// Bytes of a line of faults, so that it fits into an Event, of which the API server takes 1024.
const LONGEST: usize = 960;

impl Problems {
    pub fn add(&mut self, path: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) {
        self.errors.push(FieldError::new(path, value, message));
    }

    pub fn warn(&mut self, path: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) {
        self.warnings.push(FieldError::new(path, value, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_faults_are_cut_with_their_number() {
        let errors: Vec<FieldError> = (0..500).map(|i| FieldError::new(format!("spec.metrics[{i}]"), "x".repeat(500), "is bad")).collect();
        let line = join(&errors);
        assert!(line.len() < 1024 && line.starts_with("spec.metrics[0]: x"), "{line}");
        let shown = line.matches("is bad").count();
        assert!(shown > 3 && line.ends_with(&format!("; and {} more", 500 - shown)), "{line}");
        assert_eq!(join(&errors[..2]).matches("is bad").count(), 2);
    }
}
