//! KEDA's `fallback`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Faults;
use super::size::Sizes;
use crate::api::FieldError;
use crate::convert::Remarks;

/// What to do after some failures in a row.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fallback {
    failure_threshold: i64,
    replicas: i64,
    behavior: Option<String>,
}

const BEHAVIORS: [&str; 4] = ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"];

// === impl Fallback ===

impl Fallback {
    /// The policy's fallback. Failures are counted in polls, here outages last seconds.
    pub fn convert(&self, polling: i64, sizes: &Sizes, out: &mut Remarks) -> Result<Option<Value>, Faults> {
        if self.failure_threshold < 0 {
            return Err(vec![FieldError::new("spec.fallback.failureThreshold", self.failure_threshold, "must be at least 0")]);
        }
        let hold = self.failure_threshold.saturating_mul(polling).clamp(0, 86400);
        let message = format!("becomes holdSeconds: {hold}, as many polls of {polling} s");
        out.note("spec.fallback.failureThreshold", self.failure_threshold, message);
        let size = sizes.clamp(self.replicas);
        if size != self.replicas {
            out.note("spec.fallback.replicas", self.replicas, format!("becomes {size}: a policy's bounds hold for its fallback"));
        }
        let behavior = self.behavior.as_deref().unwrap_or("static");
        Ok(Some(match behavior {
            "static" => json!({ "holdSeconds": hold, "replicas": { "count": size } }),
            "currentReplicasIfHigher" => json!({ "holdSeconds": hold, "replicas": { "floor": size } }),
            "currentReplicas" => return Ok(None),
            "currentReplicasIfLower" => {
                out.lost("spec.fallback.behavior", behavior, "an outage is no reason to remove replicas above a number: the size is held");
                return Ok(None);
            }
            _ => {
                let allowed = format!("must be one of {}", BEHAVIORS.join(", "));
                return Err(vec![FieldError::new("spec.fallback.behavior", behavior, allowed)]);
            }
        }))
    }
}
