//! What the engine keeps of one policy between looks.

use std::sync::Arc;
use std::time::Instant;

use super::pace::Pace;
use super::said::Said;
use crate::api::conditions::{is_true, merge, remove};
use crate::api::report::{count, current_metrics, decision_status, metrics_text};
use crate::api::status::{DecisionStatus, SCALE_EVENTS, ScaleEvent};
use crate::api::time::from_core as stamp;
use crate::api::{Compiled, FieldError, ScalePolicy, ScalePolicyStatus};
use crate::checkpoint::{self, Keeper, Record};
use crate::cluster::Lead;
use crate::core::{Condition, ConditionKind, Decision, ForecastMode, Memory, Time, Verdict};
use crate::report::{Last, Ring};

/// One policy: its object, what it compiles to, what is remembered for it, and the status it should show.
#[derive(Debug)]
pub struct Entry {
    /// The object as last seen.
    pub object: Arc<ScalePolicy>,
    /// What it says, or what is wrong with it.
    pub compiled: Result<Arc<Compiled>, Vec<FieldError>>,
    /// The term of its shard in which it was taken.
    pub lead: Lead,
    /// The core's memory.
    pub memory: Memory,
    /// What of it a successor would find.
    pub keeper: Keeper,
    /// Status as it should be.
    pub status: ScalePolicyStatus,
    /// What Events said already.
    pub said: Said,
    /// A look is under way.
    pub looking: bool,
    /// Something changed during the look or the write: look again when it ends.
    pub again: bool,
    /// The decision whose write is under way.
    pub writing: Option<Box<Decision>>,
    /// The last decision, unless the target could not even be read since.
    pub last: Option<Last>,
    /// The decisions before it.
    pub history: Ring,
    /// Version of the target that the last write replaced: whoever still sees it sees the time before that write.
    pub replaced: Option<String>,
    /// Looks in a row that saw that.
    pub behind: u32,
    /// Size last written, so that the watch's echo of it is not taken for somebody else's.
    pub last_written: Option<u32>,
    /// Nothing was decided yet for the target that the policy names now: its size is another one's.
    pub retargeted: bool,
    /// When the last look began.
    pub last_look: Option<Instant>,
    /// When it was last asked which presets fit.
    pub probed: Option<Instant>,
    /// How often its pods are asked between decisions, if they are.
    pub pace: Pace,
    /// Refused writes in a row, for the pause before the next try.
    pub conflicts: u32,
}

// === impl Entry ===

impl Entry {
    /// A policy seen for the first time by this process.
    pub fn new(
        object: Arc<ScalePolicy>,
        compiled: Result<Arc<Compiled>, Vec<FieldError>>,
        lead: Lead,
        (keeper, memory): (Keeper, Memory),
    ) -> Self {
        let status = object.status.clone().unwrap_or_default();
        Self {
            object,
            compiled,
            lead,
            memory,
            keeper,
            status,
            said: Said::default(),
            looking: false,
            again: false,
            writing: None,
            last: None,
            history: Ring::default(),
            replaced: None,
            behind: 0,
            last_written: None,
            retargeted: false,
            last_look: None,
            probed: None,
            pace: Pace::default(),
            conflicts: 0,
        }
    }

    /// The object with the status as it should be, of which the watch may know late.
    pub fn as_shown(&self) -> ScalePolicy {
        ScalePolicy { status: Some(self.status.clone()), ..(*self.object).clone() }
    }

    /// The policy's UID.
    pub fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Puts the memory into the status if it must not wait for the next checkpoint; true if it did.
    pub fn keep(&mut self, moved: bool, now: Time) -> bool {
        let Ok(compiled) = &self.compiled else { return false };
        let uid = self.object.metadata.uid.as_deref().unwrap_or_default();
        let record = self.keeper.at_once(uid, &self.memory, &compiled.policy, moved, now);
        let Some(Ok(text)) = record.as_ref().map(checkpoint::to_text) else { return false };
        self.status.memory = Some(text);
        true
    }

    /// Whether a checkpoint would hold anything new of this policy.
    pub fn is_due(&self) -> bool {
        self.compiled.as_ref().is_ok_and(|compiled| self.keeper.is_due(&self.memory, &compiled.policy))
    }

    /// What belongs into a checkpoint that is taken now.
    pub fn record(&self, now: Time) -> Option<Record> {
        self.keeper.record(self.uid(), &self.memory, now)
    }

    /// Whether the policy's status says that an autoscaler put the target to zero.
    pub fn scaled_to_zero(&self) -> bool {
        is_true(&self.status.conditions, ConditionKind::ScaledToZero)
    }

    /// Sets conditions; those not named stay.
    pub fn set_conditions(&mut self, conditions: &[Condition], now: Time) {
        merge(&mut self.status.conditions, conditions, self.object.metadata.generation, &stamp(now));
    }

    /// Puts a decision into the status.
    pub fn show(&mut self, compiled: &Compiled, decision: &Decision) {
        self.retargeted = false;
        self.status.observed_generation = self.object.metadata.generation;
        self.status.target = Some(compiled.target.to_string());
        self.status.current_replicas = Some(count(decision.from));
        // While the size is unknown, the one decided last stands.
        if decision.verdict != Verdict::Unknown {
            self.status.desired_replicas = Some(count(decision.to));
        }
        if !decision.signals.is_empty() {
            self.status.current_metrics = current_metrics(compiled, &decision.signals);
            self.status.metrics_text = Some(metrics_text(compiled, &decision.signals));
        }
        if compiled.auto.as_ref().is_none_or(|auto| auto.chosen.is_empty()) {
            self.status.presets = None;
        }
        if compiled.policy.forecast.mode == ForecastMode::Off {
            remove(&mut self.status.conditions, ConditionKind::ForecastActive);
        }
        remove(&mut self.status.conditions, ConditionKind::Stalled);
        self.set_conditions(&decision.conditions, decision.time);
        if is_true(&self.status.conditions, ConditionKind::ReplicasContested) {
            self.set_conditions(decision.condition_after_contest().as_slice(), decision.time);
        }
        self.status.decision = Some(decision_status(decision));
    }

    /// Whether something happened during a look or a write that has just ended; true once.
    pub fn take_again(&mut self) -> bool {
        !self.looking && std::mem::take(&mut self.again)
    }

    /// Whether it is the size of our own last write, which the watch may bring before the answer to it. Who set the same size otherwise is
    /// noticed by a conflict.
    pub fn wrote(&self, size: Option<u32>) -> bool {
        self.last_written == size || self.writing.as_ref().is_some_and(|decision| Some(decision.to) == size)
    }

    /// Shows that there is no decision, and why: the first of these conditions.
    pub fn show_stuck(&mut self, conditions: &[Condition], now: Time) {
        let Some(condition) = conditions.first() else { return };
        self.last = None;
        self.status.observed_generation = self.object.metadata.generation;
        let size = self.status.current_replicas.unwrap_or_default();
        self.status.decision = Some(DecisionStatus {
            time: stamp(now),
            from: size,
            to: size,
            verdict: Verdict::Unknown.word().to_owned(),
            reason: condition.reason.to_owned(),
            message: condition.message.to_string(),
            held_by: None,
            wanted: None,
            until: None,
        });
        if !conditions.iter().any(|condition| condition.kind == ConditionKind::Stalled) {
            remove(&mut self.status.conditions, ConditionKind::Stalled);
        }
        self.set_conditions(conditions, now);
    }

    /// Notes a size that was written.
    pub fn scaled(&mut self, from: u32, to: u32, why: &str, at: Time) {
        self.last_written = Some(to);
        self.status.last_scale_time = Some(stamp(at));
        self.status.scale_events.insert(0, ScaleEvent { time: stamp(at), from: count(from), to: count(to), reason: why.to_owned() });
        self.status.scale_events.truncate(SCALE_EVENTS);
    }
}
