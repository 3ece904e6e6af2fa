//! What the engine keeps of one policy between looks.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use super::current;
use super::said::Said;
use crate::api::conditions::{is_true, merge};
use crate::api::status::{DecisionStatus, SCALE_EVENTS, ScaleEvent};
use crate::api::{Compiled, FieldError, ScalePolicy, ScalePolicyStatus};
use crate::core::{Condition, ConditionKind, Decision, Memory, Time, Verdict};

/// One policy: its object, what it compiles to, what is remembered for it, and the status it should show.
#[derive(Debug)]
pub struct Entry {
    /// The object as last seen.
    pub object: Arc<ScalePolicy>,
    /// What it says, or what is wrong with it.
    pub compiled: Result<Arc<Compiled>, Vec<FieldError>>,
    /// The core's memory.
    pub memory: Memory,
    /// Status as it should be.
    pub status: ScalePolicyStatus,
    /// What Events said already.
    pub said: Said,
    /// A look is under way.
    pub looking: bool,
    /// Something changed during the look: look again when it ends.
    pub again: bool,
    /// The last decision that asked for a write, until its outcome is known.
    pub wanted: Option<Decision>,
    /// Conflicts in a row, for the pause before the next try.
    pub conflicts: u32,
}

// === impl Entry ===

impl Entry {
    /// A policy seen for the first time by this process.
    pub fn new(object: Arc<ScalePolicy>, compiled: Result<Arc<Compiled>, Vec<FieldError>>) -> Self {
        let status = object.status.clone().unwrap_or_default();
        Self {
            object,
            compiled,
            memory: Memory::default(),
            status,
            said: Said::default(),
            looking: false,
            again: false,
            wanted: None,
            conflicts: 0,
        }
    }

    /// Whether the policy's status says that an autoscaler put the target to zero.
    pub fn scaled_to_zero(&self) -> bool {
        is_true(&self.status.conditions, ConditionKind::ScaledToZero)
    }

    /// Sets conditions; those not named stay.
    pub fn set_conditions(&mut self, conditions: &[Condition], now: Time) {
        merge(&mut self.status.conditions, conditions, self.object.metadata.generation, &stamp(now));
    }

    /// Sets one condition.
    pub fn set_condition(&mut self, kind: ConditionKind, status: bool, reason: &str, message: String, now: Time) {
        self.set_conditions(&[Condition { kind, status, reason: reason.to_owned(), message }], now);
    }

    /// Puts a decision into the status.
    pub fn show(&mut self, decision: &Decision) {
        let specs = &self.object.spec.metrics;
        self.status.observed_generation = self.object.metadata.generation;
        self.status.target = self.compiled.as_ref().ok().map(|c| format!("{}/{}", c.target.kind, c.target.name));
        self.status.current_replicas = Some(count(decision.from));
        // An unknown size leaves the last decided one standing.
        if decision.verdict != Verdict::Unknown {
            self.status.desired_replicas = Some(count(decision.to));
        }
        if !decision.signals.is_empty() {
            self.status.current_metrics = current::metrics(specs, &decision.signals);
            self.status.metrics_text = Some(current::text(specs, &self.status.current_metrics));
        }
        self.set_conditions(&decision.conditions, decision.time);
        self.status.decision = Some(DecisionStatus {
            time: stamp(decision.time),
            from: count(decision.from),
            to: count(decision.to),
            verdict: decision.verdict.word().to_owned(),
            reason: decision.reasons.first().map_or("Unknown", |reason| reason.code()).to_owned(),
            message: decision.headline(),
            held_by: decision.held_by().map(str::to_owned),
            until: decision.next_look.map(stamp),
        });
    }

    /// Notes a size that was written.
    pub fn scaled(&mut self, from: u32, to: u32, why: &str, at: Time) {
        self.status.last_scale_time = Some(stamp(at));
        self.status.scale_events.insert(0, ScaleEvent { time: stamp(at), from: count(from), to: count(to), reason: why.to_owned() });
        self.status.scale_events.truncate(SCALE_EVENTS);
    }
}

/// A count as the API has it.
pub fn count(replicas: u32) -> i32 {
    i32::try_from(replicas).unwrap_or(i32::MAX)
}

/// A time as the API has it, in whole seconds.
pub fn stamp(time: Time) -> meta::Time {
    meta::Time(jiff::Timestamp::from_second(time.as_millis().div_euclid(1000)).unwrap_or_default())
}
