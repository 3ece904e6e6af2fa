//! What a condition says: numbers, put into words when they are read.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::forecast::Outlook;
use super::reason::{Direction, Hold, Reason};

/// The text of a condition. `Display` renders it when it is read, since most looks only confirm what was said before.
#[derive(Clone, Debug)]
pub enum Message {
    /// The target's size was read.
    ScaleRead(u32),
    /// No past proposal holds back a move to this size.
    Unhindered(u32),
    /// A past proposal holds back a move.
    Stabilized(Hold),
    /// Neither bound nor rate cuts this size.
    WithinRange(u32),
    /// A bound or a rate cuts the size.
    Limited(Reason),
    /// A guard or brake stands against a move.
    Watched {
        /// Its name; `None`: a guard did until lately.
        by: Option<Arc<str>>,
        /// The size wanted.
        wanted: u32,
        /// The size kept.
        size: u32,
    },
    /// The size follows from signals.
    Computed {
        /// Name of the signal that asks for most.
        driver: Arc<str>,
        /// Signals that could be used.
        used: usize,
        /// Signals in all.
        of: usize,
    },
    /// What the forecast of a signal may do.
    Forecast(Arc<str>, Outlook),
    /// Anything that is said too rarely to be worth a form of its own.
    Text(Cow<'static, str>),
}

impl Display for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScaleRead(replicas) => write!(f, "the target's scale was read: {replicas} replicas"),
            Self::Unhindered(wanted) => write!(f, "no recent proposal stands against {wanted} replicas"),
            Self::Stabilized(Hold { direction, wanted, size, past, window, .. }) => {
                let extreme = match direction {
                    Direction::Up => "lowest",
                    Direction::Down => "highest",
                };
                let window = window.as_secs();
                write!(f, "wants {wanted}, stays at {size} because of the {extreme} proposal of the last {window}s ({past})")
            }
            Self::WithinRange(wanted) => write!(f, "{wanted} replicas are within bounds and rates"),
            Self::Limited(limit) => limit.fmt(f),
            Self::Watched { by: Some(by), wanted, size } => write!(f, "wants {wanted}, stays at {size} because {by} is above its target"),
            Self::Watched { by: None, wanted, size } => {
                write!(f, "wants {wanted}, stays at {size} because a guard has been above its target lately")
            }
            Self::Computed { driver, of: 1, .. } => write!(f, "the size was computed from {driver}"),
            Self::Computed { driver, used, of } => write!(f, "the size was computed from {used} of {of} signals; {driver} decides"),
            Self::Forecast(signal, outlook) => write!(f, "{signal}: {outlook}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Two messages are the same when a reader cannot tell them apart.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}
