//! Where a reading comes from, of signals whose pods are asked themselves.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::reason::short;

/// Who gave a reading. Only of signals whose pods are to be asked themselves: all others have one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Origin {
    /// The target's pods.
    Pods(Poll),
    /// The metric's source, in place of the pods.
    Source {
        /// Why not the pods.
        why: Arc<str>,
    },
}

/// How many pods a reading was made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// Pods with a value.
    pub answered: u32,
    /// Pods that were asked.
    pub asked: u32,
    /// Pods for which the reading stands.
    pub of: u32,
    /// Standard error of the total by sampling, as a share of it; `None` where all were asked.
    pub error: Option<f64>,
}

impl Origin {
    /// `Pods` or `Source`, as status and record show it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pods(_) => "Pods",
            Self::Source { .. } => "Source",
        }
    }

    /// All there is to say: how many pods, or why a source was asked.
    pub fn message(&self) -> String {
        match self {
            Self::Pods(poll) => poll.to_string(),
            Self::Source { why } => why.to_string(),
        }
    }
}

/// In a few words; why a source was asked is told at length elsewhere.
impl Display for Origin {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods(poll) => poll.fmt(f),
            Self::Source { .. } => f.write_str("asked the source in place of the pods"),
        }
    }
}

impl Display for Poll {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { answered, asked, of, error } = *self;
        if asked < of {
            write!(f, "asked {asked} of {of} pods")?;
        } else {
            write!(f, "asked its {of} pods")?;
        }
        if answered < asked {
            write!(f, ", {answered} have a value")?;
        }
        error.map_or(Ok(()), |error| write!(f, ", standard error {}%", short(100.0 * error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_many_were_asked_and_how_far_it_may_be_off() {
        let text = |answered, asked, of, error| Origin::Pods(Poll { answered, asked, of, error }).to_string();
        assert_eq!(text(4, 4, 4, None), "asked its 4 pods");
        assert_eq!(text(3, 4, 4, None), "asked its 4 pods, 3 have a value");
        assert_eq!(text(100, 102, 500, Some(0.0213)), "asked 102 of 500 pods, 100 have a value, standard error 2.13%");
        assert_eq!(Origin::Source { why: "no answer".into() }.to_string(), "asked the source in place of the pods");
    }
}
