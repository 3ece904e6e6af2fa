//! Conditions of the policy's status, by the HPA's types and reasons.
//!
//! Messages carry sizes but no ages or countdowns: a text that changes every second would be written to the API server every time.

use super::reason::{Bound, Direction, Reason};
use super::{Condition, ConditionKind};

fn condition(kind: ConditionKind, status: bool, reason: &str, message: String) -> Condition {
    Condition { kind, status, reason: reason.to_owned(), message }
}

/// The scale was read; more is not known.
pub(super) fn scale_read(replicas: u32) -> Condition {
    condition(ConditionKind::AbleToScale, true, "SucceededGetScale", format!("the target's scale was read: {replicas} replicas"))
}

/// Whether a past proposal replaced the wanted size.
pub(super) fn stabilized(hold: Option<&Reason>, wanted: u32) -> Condition {
    let able = ConditionKind::AbleToScale;
    match hold {
        Some(Reason::Stabilized(hold)) => {
            let (reason, extreme) = match hold.direction {
                Direction::Up => ("ScaleUpStabilized", "lowest"),
                Direction::Down => ("ScaleDownStabilized", "highest"),
            };
            let message = format!(
                "wants {wanted}, stays at {} because of the {extreme} proposal of the last {}s ({})",
                hold.size,
                hold.window.as_secs(),
                hold.past
            );
            condition(able, true, reason, message)
        }
        _ => condition(able, true, "ReadyForNewScale", format!("no recent proposal stands against {wanted} replicas")),
    }
}

/// A fall of demand is not believed.
pub(super) fn frozen(signal: &str, wanted: u32, size: u32) -> Condition {
    let message = format!("wants {wanted}, stays at {size} because {signal} fell too fast to be believed");
    condition(ConditionKind::AbleToScale, true, "ScaleDownFrozen", message)
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
    let message = match limit {
        Some(limit) => limit.to_string(),
        None => format!("{wanted} replicas are within bounds and rates"),
    };
    condition(ConditionKind::ScalingLimited, status, reason, message)
}

/// A size was computed.
pub(super) fn active(driver: &str, failed: usize, of: usize) -> Condition {
    let message = match of {
        1 => format!("the size was computed from {driver}"),
        _ => format!("the size was computed from {} of {of} signals; {driver} decides", of - failed),
    };
    condition(ConditionKind::ScalingActive, true, "ValidMetricFound", message)
}

/// No size could be computed.
pub(super) fn inactive(reason: &str, message: String) -> Condition {
    condition(ConditionKind::ScalingActive, false, reason, message)
}

/// A size was written.
pub(super) fn rescaled(from: u32, to: u32) -> Condition {
    condition(ConditionKind::AbleToScale, true, "SucceededRescale", format!("the target was scaled from {from} to {to} replicas"))
}

/// A size could not be written.
pub(super) fn not_rescaled(to: u32, error: &str) -> Condition {
    condition(ConditionKind::AbleToScale, false, "FailedUpdateScale", format!("the target could not be scaled to {to} replicas: {error}"))
}
