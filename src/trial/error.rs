//! What is wrong with the files and options of a trial.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::api::FieldError;
use crate::config::ConfigError;
use crate::sim::{Problem, TraceError};

/// Why nothing can be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// A file cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file is no YAML or JSON, or not of the form expected.
    #[error("{place}: {message}")]
    Form {
        /// The file, and the object in it.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A trace cannot be used.
    #[error("{}: {error}", .path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: TraceError,
    },
    /// Fields of an object hold what is not allowed.
    #[error("{}", lines(.place, .errors))]
    Fields {
        /// The file, and the object in it.
        place: String,
        /// Every fault.
        errors: Vec<FieldError>,
    },
    /// A cluster or workload cannot be simulated.
    #[error("{}", lines(.place, .problems))]
    Cluster {
        /// Where they come from.
        place: String,
        /// Every fault.
        problems: Vec<Problem>,
    },
    /// An option is wrong, or missing.
    #[error("{option}: {message}")]
    Option {
        /// The option.
        option: String,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// A default of policies is out of its range.
    #[error(transparent)]
    Defaults(#[from] ConfigError),
}

impl TrialError {
    /// A file or object of the wrong form.
    pub(crate) fn form(place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self::Form { place: place.to_string(), message: message.to_string() }
    }

    /// A wrong or missing option.
    pub(crate) fn option(option: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Option { option: option.into(), message: message.into() }
    }
}

/// One fault a line, each with its place: they are often read in the log of a build.
fn lines<T: fmt::Display>(place: &str, faults: &[T]) -> String {
    faults.iter().map(|fault| format!("{place}: {fault}")).collect::<Vec<_>>().join("\n")
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, TrialError> {
    std::fs::read_to_string(path).map_err(|error| TrialError::Read { path: path.to_owned(), error })
}
