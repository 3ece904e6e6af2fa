//! Conditions of a status: what the core says, merged into what was said before.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::core::{self, ConditionKind};

/// Name of a condition's type in status.
pub const fn type_name(kind: ConditionKind) -> &'static str {
    match kind {
        ConditionKind::AbleToScale => "AbleToScale",
        ConditionKind::ScalingActive => "ScalingActive",
        ConditionKind::ScalingLimited => "ScalingLimited",
        ConditionKind::ScaledToZero => "ScaledToZero",
        ConditionKind::ReplicasContested => "ReplicasContested",
        ConditionKind::ForecastActive => "ForecastActive",
        ConditionKind::Stalled => "Stalled",
    }
}

/// Sets the conditions of one decision. Conditions it does not name stay, the order of first appearance is kept, and
/// `lastTransitionTime` moves only where the status changes.
pub fn merge(conditions: &mut Vec<Condition>, decided: &[core::Condition], generation: Option<i64>, now: &Time) {
    for condition in decided {
        set(conditions, type_name(condition.kind), condition.status, condition.reason, &condition.message.to_string(), generation, now);
    }
}

/// Sets one condition by its type.
pub fn set(conditions: &mut Vec<Condition>, kind: &str, status: bool, reason: &str, message: &str, generation: Option<i64>, now: &Time) {
    let mut next = Condition {
        type_: kind.to_owned(),
        status: if status { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time: now.clone(),
    };
    match conditions.iter_mut().find(|condition| condition.type_ == kind) {
        None => conditions.push(next),
        Some(old) => {
            if old.status == next.status {
                next.last_transition_time = old.last_transition_time.clone();
            }
            *old = next;
        }
    }
}

/// Leaves a condition out.
pub fn remove(conditions: &mut Vec<Condition>, kind: ConditionKind) {
    conditions.retain(|condition| condition.type_ != type_name(kind));
}

/// Whether a condition is there and true.
pub fn is_true(conditions: &[Condition], kind: ConditionKind) -> bool {
    conditions.iter().any(|condition| condition.type_ == type_name(kind) && condition.status == "True")
}

/// A message without its numbers: what two messages about the same cause have in common.
pub fn without_numbers(message: &str) -> String {
    message.chars().filter(|c| !c.is_ascii_digit()).collect()
}
