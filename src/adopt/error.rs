//! Why a step of an adoption is not made.

use crate::trial::TrialError;

/// Why a step is not made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The API server refuses, or does not answer.
    #[error("cannot {doing}: {why}")]
    Api {
        /// What was tried.
        doing: String,
        /// What it says.
        why: String,
    },
    /// Things are not as this step needs them; nothing was written.
    #[error("{0}")]
    Refused(String),
    /// What should follow a write has not followed yet; the step can be made again.
    #[error("{what}: not within {seconds} s; last seen: {seen}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What was there instead.
        seen: String,
    },
    /// The HPA cannot be a policy.
    #[error(transparent)]
    Convert(#[from] TrialError),
}

impl AdoptError {
    /// A precondition that does not hold.
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}
