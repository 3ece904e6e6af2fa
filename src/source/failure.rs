//! How failures of sources are worded.

use crate::core::{Failure, FailureKind, Reading};

/// Longest part of a server's own words that is repeated.
const QUOTE_LIMIT: usize = 300;

impl Failure {
    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unreachable, message: message.into() }
    }

    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, message: message.into() }
    }

    pub(super) fn empty(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Empty, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Invalid, message: message.into() }
    }

    /// The same with `what: ` in front.
    pub(super) fn of(&self, what: &str) -> Self {
        Self { kind: self.kind, message: format!("{what}: {}", self.message) }
    }
}

impl From<Failure> for Reading {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A server's words made fit for one line of a condition: short, without control characters.
pub(super) fn quote(text: &str) -> String {
    let mut out: String = text.trim().chars().take(QUOTE_LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if out.len() < text.trim().len() {
        out.push('…');
    }
    out
}

/// An error with its causes, without repeating what a cause's text is already part of.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !out.contains(&text) {
            out = format!("{out}: {text}");
        }
        next = cause.source();
    }
    out
}
