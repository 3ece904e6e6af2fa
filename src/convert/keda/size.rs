//! Bounds of a `ScaledObject`.

use super::{Faults, Spec, Trigger};
use crate::api::FieldError;

/// What the policy's bounds are, and what they were.
pub struct Sizes {
    /// `minReplicas` of the policy.
    pub min: i64,
    /// `maxReplicas` of the policy.
    pub max: i64,
    /// The size below which KEDA does not go while a trigger is active; above `min` where an idle workload may go to zero.
    pub active: i64,
}

// === impl Sizes ===

impl Sizes {
    /// As they are written, with KEDA's defaults: 0 to 100.
    pub fn of(spec: &Spec) -> Result<Self, Faults> {
        let (min, max) = (spec.min_replica_count.unwrap_or(0), spec.max_replica_count.unwrap_or(100));
        let mut faults = Vec::new();
        if min < 0 {
            faults.push(FieldError::new("spec.minReplicaCount", min, "must be at least 0"));
        }
        if max < min.max(1) || max > i64::from(i32::MAX) {
            let message = format!("must be at least 1 and spec.minReplicaCount ({min}), and a whole number of 32 bits");
            faults.push(FieldError::new("spec.maxReplicaCount", max, message));
        }
        if let Some(idle) = spec.idle_replica_count.filter(|idle| *idle < 0 || *idle >= min) {
            faults.push(FieldError::new(
                "spec.idleReplicaCount",
                idle,
                format!("must be at least 0 and below spec.minReplicaCount ({min})"),
            ));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { min: spec.idle_replica_count.unwrap_or(min), max, active: min.max(1) })
    }

    /// A size within the bounds.
    pub fn clamp(&self, size: i64) -> i64 {
        size.clamp(self.min, self.max)
    }
}

/// Whether a trigger is measured at the pods, and so says nothing while there are none.
pub fn of_pods(trigger: &Trigger) -> bool {
    matches!(trigger.kind.as_str(), "cpu" | "memory")
}
