//! Conditions of the policy's status, by the HPA's types and reasons.
//!
//! Messages carry sizes but no ages or countdowns: a text that changes every second would be written to the API server every time.

use std::sync::Arc;

use super::reason::{Bound, Direction, Reason};
use super::{Condition, ConditionKind, Message, SignalReport, Writer};

impl Condition {
    /// A condition with its text.
    pub fn new(kind: ConditionKind, status: bool, reason: &'static str, message: impl Into<Message>) -> Self {
        Self { kind, status, reason, message: message.into() }
    }

    /// The spec cannot be used: there is no size, and tools that wait by kstatus need not wait.
    pub fn invalid_spec(message: &str) -> Vec<Self> {
        [(ConditionKind::ScalingActive, false), (ConditionKind::Stalled, true)]
            .map(|(kind, status)| Self::new(kind, status, "InvalidSpec", message.to_owned()))
            .into()
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

/// A fall of demand is not believed.
pub(super) fn frozen(signal: &str, wanted: u32, size: u32) -> Condition {
    let message = format!("wants {wanted}, stays at {size} because {signal} fell too fast to be believed");
    Condition::new(ConditionKind::AbleToScale, true, "ScaleDownFrozen", message)
}

/// A guard or brake stands against a move to `wanted`; `None` where `hold` is something else.
pub(super) fn watched(hold: Option<&Reason>, size: u32) -> Option<Condition> {
    let (kind, reason, by, wanted) = match hold? {
        Reason::Guarded { by, wanted } => (ConditionKind::AbleToScale, "ScaleDownGuarded", Some(&by.signal), *wanted),
        Reason::GuardedLately { wanted, .. } => (ConditionKind::AbleToScale, "ScaleDownGuarded", None, *wanted),
        Reason::Braked { by, wanted } => (ConditionKind::ScalingLimited, "ScaleUpBraked", Some(&by.signal), *wanted),
        _ => return None,
    };
    Some(Condition::new(kind, true, reason, Message::Watched { by: by.cloned(), wanted, size }))
}

/// Whether a rate, a bound or pods that do not start cut the stabilized size.
pub(super) fn limited(limit: Option<&Reason>, wanted: u32) -> Condition {
    let (status, reason) = match limit {
        Some(Reason::RateLimited { direction: Direction::Up, .. }) => (true, "ScaleUpLimit"),
        Some(Reason::RateLimited { direction: Direction::Down, .. }) => (true, "ScaleDownLimit"),
        Some(Reason::Bounded { bound: Bound::Maximum, .. }) => (true, "TooManyReplicas"),
        Some(Reason::Bounded { bound: Bound::Minimum, .. }) => (true, "TooFewReplicas"),
        Some(Reason::PodsNotStarting { .. }) => (true, "PodsNotStarting"),
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

/// Whether the forecast of any signal may add replicas: said of the first that may, or else of the first.
pub(super) fn forecast(reports: &[SignalReport]) -> Option<Condition> {
    let outlooks = || reports.iter().filter_map(|report| Some((&report.name, report.outlook?)));
    let (name, outlook) = outlooks().find(|(_, outlook)| outlook.is_on()).or_else(|| outlooks().next())?;
    let message = Message::Forecast(Arc::clone(name), outlook);
    Some(Condition::new(ConditionKind::ForecastActive, outlook.is_on(), outlook.standing.word(), message))
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

/// Somebody else undoes each move.
pub(super) fn contested(by: &Writer) -> Condition {
    let message = format!("{by} sets the size again after each move; {}", by.remedy());
    Condition::new(ConditionKind::ReplicasContested, true, "AnotherWriter", message)
}

/// Nobody does any more.
pub(super) fn uncontested() -> Condition {
    Condition::new(ConditionKind::ReplicasContested, false, "NoOtherWriter", "nobody else has set the size lately")
}
