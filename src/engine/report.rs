//! From what was seen to a decision, and from a decision to status, Events and a write.

use std::sync::Arc;

use tracing::{debug, info, warn};

use super::entry::{Entry, count};
use super::look::Seen;
use super::{AFTER_CONFLICT, Engine};
use crate::api::{Compiled, FieldError, join};
use crate::cluster::{Key, ObjectRef, ScaleView, ScaleWrite, WriteOutcome, WriteResult};
use crate::core::{self, ConditionKind, Decision, Mode, Time, Verdict};
use crate::telemetry::PolicyLabels;

impl Engine {
    /// Decides one policy from what was seen of its target.
    pub(super) fn decide(&mut self, seen: Seen) {
        let clock = self.parts.clock.clone();
        let (now, instant) = (clock.now(), clock.instant());
        let Some(entry) = self.entries.get_mut(&seen.key) else { return };
        entry.looking = false;
        let edited = !entry.compiled.as_ref().is_ok_and(|compiled| Arc::ptr_eq(compiled, &seen.compiled));
        if std::mem::take(&mut entry.again) || edited {
            self.due.at_latest(&seen.key, instant);
        }
        // What was seen belongs to a spec that no longer holds.
        if edited || !self.leading {
            return;
        }
        self.parts.metrics.lateness.observe(instant.saturating_duration_since(seen.due).as_secs_f64());

        let rivals = self.parts.index.rivals(&seen.key, &seen.compiled.target);
        let scale = match &seen.scale {
            Ok(scale) if rivals.is_empty() => scale.clone(),
            Ok(scale) => return self.contested(&seen.key, scale, &rivals, now),
            Err(error) => {
                let message = format!("cannot read the scale of {}: {error}", seen.compiled.target);
                return self.stuck(&seen.key, None, ConditionKind::AbleToScale, "FailedGetScale", message, now);
            }
        };
        let Some(mut observation) = seen.observation else {
            return self.bad_selector(&seen.key, &scale, now);
        };
        let Some(entry) = self.entries.get_mut(&seen.key) else { return };
        observation.scaled_to_zero = entry.scaled_to_zero();
        let decision = core::decide(&seen.compiled.policy, &mut entry.memory, &observation, now);
        self.carry_out(&seen.key, &seen.compiled, &scale, decision, seen.foreign);
    }
}
