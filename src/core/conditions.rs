//! Conditions of the policy's status, by the HPA's types and reasons.
//!
//! Messages carry sizes but no ages or countdowns: a text that changes every second would be written to the API server every time.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::reason::{Bound, Direction, Hold, Reason};
use super::{Condition, ConditionKind};

/// The text of a condition, rendered by `Display` when it is read: most looks only confirm what was said before.
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
    /// The size follows from signals.
    Computed {
        /// Name of the signal that asks for most.
        driver: Arc<str>,
        /// Signals that could be used.
        used: usize,
        /// Signals in all.
        of: usize,
    },
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
            Self::Computed { driver, of: 1, .. } => write!(f, "the size was computed from {driver}"),
            Self::Computed { driver, used, of } => write!(f, "the size was computed from {used} of {of} signals; {driver} decides"),
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

impl Condition {
    /// A condition with its text.
    pub fn new(kind: ConditionKind, status: bool, reason: &'static str, message: impl Into<Message>) -> Self {
        Self { kind, status, reason, message: message.into() }
    }
}

/// The scale was read; more is not known.
pub(super) fn scale_read(replicas: u32) -> Condition {
    Condition::new(ConditionKind::AbleToScale, true, "SucceededGetScale", Message::ScaleRead(replicas))
}

/// Whether a past proposal replaced the wanted size.
pub(super) fn stabilized(hold: Option<&Reason>, wanted: u32) -> Condition {
    let (reason, message) = match hold {
        Some(Reason::Stabilized(hold)) => {
            let reason = match hold.direction {
                Direction::Up => "ScaleUpStabilized",
                Direction::Down => "ScaleDownStabilized",
            };
            (reason, Message::Stabilized(*hold))
        }
        _ => ("ReadyForNewScale", Message::Unhindered(wanted)),
    };
    Condition::new(ConditionKind::AbleToScale, true, reason, message)
}

/// Whether a rate or a bound cut the stabilized size.
pub(super) fn limited(limit: Option<&Reason>, wanted: u32) -> Condition {
    let (status, reason) = match limit {
        Some(Reason::RateLimited { direction: Direction::Up, .. }) => (true, "ScaleUpLimit"),
        Some(Reason::RateLimited { direction: Direction::Down, .. }) => (true, "ScaleDownLimit"),
        Some(Reason::Bounded { bound: Bound::Maximum, .. }) => (true, "TooManyReplicas"),
        Some(Reason::Bounded { bound: Bound::Minimum, .. }) => (true, "TooFewReplicas"),
        _ => (false, "DesiredWithinRange"),
    };
    let message = limit.map_or(Message::WithinRange(wanted), |limit| Message::Limited(limit.clone()));
    Condition::new(ConditionKind::ScalingLimited, status, reason, message)
}

/// A size was computed.
pub(super) fn active(driver: &Arc<str>, failed: usize, of: usize) -> Condition {
    let message = Message::Computed { driver: Arc::clone(driver), used: of - failed, of };
    Condition::new(ConditionKind::ScalingActive, true, "ValidMetricFound", message)
}

/// No size could be computed.
pub(super) fn inactive(reason: &'static str, message: impl Into<Message>) -> Condition {
    Condition::new(ConditionKind::ScalingActive, false, reason, message)
}

/// A size was written.
pub(super) fn rescaled(from: u32, to: u32) -> Condition {
    let message = format!("the target was scaled from {from} to {to} replicas");
    Condition::new(ConditionKind::AbleToScale, true, "SucceededRescale", message)
}

/// A size could not be written.
pub(super) fn not_rescaled(to: u32, error: &str) -> Condition {
    let message = format!("the target could not be scaled to {to} replicas: {error}");
    Condition::new(ConditionKind::AbleToScale, false, "FailedUpdateScale", message)
}
