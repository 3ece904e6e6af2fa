//! What a reader should know of a converted field.

use std::fmt;

use crate::api::FieldError;

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is carried over, in other words or with a difference.
    Note,
    /// It has no place in the policy.
    Lost,
}

/// One remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The file, and the object in it.
    pub place: String,
    /// How much it matters.
    pub level: Level,
    /// Path and value in the input, and what becomes of it.
    pub field: FieldError,
}

/// A comment line of YAML, so that it may stand beside the output.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, level, field } = self;
        let level = match level {
            Level::Note => "",
            Level::Lost => "not supported: ",
        };
        let text = format!("{place}: {level}{field}");
        write!(f, "# {}", text.replace('\n', " "))
    }
}

/// Remarks on one object.
#[derive(Debug)]
pub struct Remarks {
    place: String,
    list: Vec<Remark>,
}

// === impl Remarks ===

impl Remarks {
    /// None yet.
    pub fn new(place: &str) -> Self {
        Self { place: place.to_owned(), list: Vec::new() }
    }

    /// Something is carried over with a difference, or in other words.
    pub fn note(&mut self, path: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) {
        self.add(Level::Note, FieldError::new(path, value, message));
    }

    /// Something is not carried over.
    pub fn lost(&mut self, path: impl Into<String>, value: impl fmt::Display, message: impl Into<String>) {
        self.add(Level::Lost, FieldError::new(path, value, message));
    }

    fn add(&mut self, level: Level, field: FieldError) {
        self.list.push(Remark { place: self.place.clone(), level, field });
    }

    /// All of them.
    pub fn into_inner(self) -> Vec<Remark> {
        self.list
    }
}
