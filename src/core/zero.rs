//! Size zero: switched off by hand, or put to sleep and waiting to be woken.

use super::bounds::Bounds;
use super::signal::any_sees_zero;
use super::{Condition, ConditionKind, Observation, Policy, ScaleToZero};

/// What a size of 0 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtZero {
    /// Somebody else set it: leave it.
    SwitchedOff,
    /// An autoscaler set it, and the signals (or a minimum above 0) may end it.
    Asleep,
}

/// Judges a target found at size 0. Only the mark of an autoscaler's own move makes it wakeable.
pub(super) fn at_zero(policy: &Policy, bounds: &Bounds<'_>, observation: &Observation) -> AtZero {
    let marked = policy.zero == ScaleToZero::On && observation.scaled_to_zero;
    if marked && (bounds.min != 0 || any_sees_zero(&policy.signals)) { AtZero::Asleep } else { AtZero::SwitchedOff }
}

/// The mark to set after a move was written; none while the policy may not scale to zero.
pub(super) fn mark(policy: &Policy, from: u32, to: u32) -> Option<Condition> {
    if policy.zero == ScaleToZero::Off {
        return None;
    }
    let asleep = from > 0 && to == 0 && policy.min_replicas == 0 && any_sees_zero(&policy.signals);
    let (reason, message) = if asleep {
        ("ScaledToZero", format!("scaled from {from} to 0; the signals may wake it"))
    } else {
        ("NotScaledToZero", format!("the last move went to {to} replicas"))
    };
    Some(Condition::new(ConditionKind::ScaledToZero, asleep, reason, message))
}
