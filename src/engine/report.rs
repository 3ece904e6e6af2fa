//! From what was seen to a decision, and from a decision to status, Events, a log line and a write.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::look::Seen;
use super::{Engine, early, labels};
use crate::api::conditions::{merge, without_numbers};
use crate::api::status::DecisionStatus;
use crate::api::time::{end_from_core, from_core};
use crate::api::{Compiled, ScalePolicy, ScalePolicyStatus, join};
use crate::cluster::{EventType, Key, MOST_RIVALS, ObjectRef, ScaleError, ScaleView, ScaleWrite, WriteOutcome, WriteResult};
use crate::core::{self, Condition, ConditionKind, Decision, Mode, Reason, Selector};
use crate::replay::Move;
use crate::report::Last;
use crate::schedule;
use crate::telemetry::{About, Step};

/// Pause before a look that saw the target as it was before the last write is repeated: the watch is about to bring that write.
const AFTER_STALE: Duration = Duration::from_millis(100);

/// Pause before a policy is decided again after a conflict: enough for the watch to bring the new state. Doubled for each conflict in a
/// row, up to 32 times.
const AFTER_CONFLICT: Duration = Duration::from_millis(250);

/// A write waits for its turn as long as the policy's interval, by which it would be decided again; those of short intervals at least this
/// long, or a crowd of them would be decided again and again and never be written.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

impl Engine {
    /// Decides one policy from what a tick saw of its target.
    pub(super) fn decide(&mut self, seen: Seen, tick: &Step) {
        let (now, instant) = self.follow_clock();
        let Seen { job, target, foreign, probed } = seen;
        let Some(entry) = self.entries.get_mut(&job.key) else { return };
        let edited = !entry.compiled.as_ref().is_ok_and(|compiled| Arc::ptr_eq(compiled, &job.compiled));
        let took = instant.saturating_duration_since(job.due);
        if !job.early {
            entry.looking = false;
        } else if early::is_direct(&job.compiled) {
            entry.pace.ended(took, instant);
        }
        if entry.take_again() || edited {
            self.due.at_latest(&job.key, instant);
        }
        // What was seen belongs to a spec that no longer holds, or to a term that is over.
        if edited || self.leaving.contains_key(&entry.lead.shard) || !self.parts.shards.holds(entry.lead) {
            return;
        }
        if job.early {
            if !early::is_direct(&job.compiled) {
                self.early.took(took, instant);
            }
        } else {
            self.parts.metrics.seen.expect(&labels(&job.key), Some(instant + 2 * job.compiled.policy.interval));
            self.parts.metrics.lateness.observe(took.as_secs_f64());
        }
        let (scale, mut observation) = match target {
            Ok(target) => target,
            Err(_) if job.early => return,
            Err(error) => return self.unreadable(&job.key, &job.compiled, &error),
        };
        let object = || workload_ref(&job.key, &job.compiled, scale.uid.as_deref());
        if probed.is_some_and(|probed| self.choose(&job.key, &job.compiled, &probed, object(), now)) {
            self.due.at_latest(&job.key, instant);
            return;
        }
        // Seen before our own last write: deciding on it would remember a proposal for a size that no longer is.
        let Some(entry) = self.entries.get_mut(&job.key) else { return };
        let behind = entry.replaced.as_ref() == Some(&scale.resource_version);
        entry.behind = if behind { entry.behind.saturating_add(1) } else { 0 };
        if entry.writing.is_some() {
            entry.again |= !job.early;
            return;
        }
        if behind {
            self.due.at_latest(&job.key, instant + AFTER_STALE);
            return;
        }
        if early::is_direct(&job.compiled) {
            entry.pace.saw(&observation.readings, instant);
        }
        let rivals = self.rivals(&job.key);
        if !rivals.is_empty() {
            observation.selector = Selector::Ambiguous { others: rivals };
        }
        let Some(entry) = self.entries.get_mut(&job.key) else { return };
        observation.scaled_to_zero = entry.scaled_to_zero();
        observation.scheduled = schedule::at(&job.compiled.schedules, job.compiled.policy.min_replicas, now);
        if job.early && !entry.would_grow(&job.compiled.policy, &observation, now) {
            return;
        }
        let fresh = entry.memory == core::Memory::default();
        entry.history.bound(now, core::bounds(&job.compiled.policy, &observation.scheduled));
        let step = tick.decision();
        let decision = core::decide(&job.compiled.policy, &mut entry.memory, &observation, now);
        step.decided(&job.key, &job.compiled.target, &decision);
        let seen = &self.parts.metrics.seen;
        seen.decided(&labels(&job.key), &decision);
        if seen.keeps_looks() {
            let about =
                About { generation: entry.object.metadata.generation.unwrap_or_default(), fresh, signals: job.compiled.fingerprints() };
            seen.looked(&labels(&job.key), &observation, about, &decision);
        }
        self.keep(&job.key, false, now);
        self.carry_out(&job.key, &job.compiled, &scale, decision, foreign, &step);
    }

    /// Others that scale the same target: policies as `ScalePolicy/name`, stock autoscalers as `HorizontalPodAutoscaler/name`. A policy
    /// that cannot be used, or only recommends, scales nothing: it is nobody's rival, and has none.
    fn rivals(&self, of: &Key) -> Vec<String> {
        let Some(entry) = self.entries.get(of).filter(|_| self.scales(of)) else { return Vec::new() };
        let rivals = self.parts.index.rivals(of, &entry.object.spec.scale_target_ref, |key| self.scales(key));
        let policies = rivals.policies.iter().map(|key| format!("ScalePolicy/{}", key.name));
        let hpas = rivals.hpas.iter().map(|key| format!("HorizontalPodAutoscaler/{}", key.name));
        let mut names: Vec<String> = policies.chain(hpas).collect();
        if names.len() >= MOST_RIVALS {
            names.truncate(MOST_RIVALS - 1);
            names.push("others".into());
        }
        names
    }

    fn carry_out(&mut self, key: &Key, compiled: &Compiled, scale: &ScaleView, decision: Decision, foreign: usize, step: &Step) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.parts.metrics.decided(&labels(key), decision.verdict, decision.from, decision.to);
        self.parts.metrics.contested(&labels(key), decision.is_contested());
        self.parts.metrics.forecast(&labels(key), &decision.signals);
        let same = |last: &DecisionStatus| last.verdict == decision.verdict.word() && last.held_by.as_deref() == decision.held_by();
        let changed = !entry.status.decision.as_ref().is_some_and(same);
        let message = decision.headline();
        let moves = decision.to != decision.from;
        entry.history.push(&decision, &message);
        entry.last = Some(Last::from(&decision));
        if changed || moves {
            let (held_by, until) = (decision.held_by(), decision.held_until().map(|until| end_from_core(until).0.to_string()));
            let Decision { from, to, wanted, verdict, .. } = decision;
            info!(policy = %key, target = %compiled.target, from, to, wanted, verdict = verdict.word(), reason = %message, held_by, until, "decided");
        } else {
            debug!(policy = %key, size = decision.from, verdict = decision.verdict.word(), reason = %message, "decided");
        }
        entry.show(compiled, &decision);
        if let Some(at) = decision.next_look {
            let wait = at.since(decision.time);
            self.due.at_latest(key, self.parts.clock.instant() + wait);
        }

        // Each state is said once while it lasts.
        let mut states: Vec<(String, EventType, &str, String)> = decision
            .warnings
            .iter()
            .map(|warning| (cause(&warning.reason, &warning.message), EventType::Warning, warning.reason.as_str(), warning.message.clone()))
            .collect();
        // A service that idles at its minimum is as it should be, and no news; what has a Warning of its own needs no second word.
        let told = ["BoundedByMinimum", "PodsNotStarting", "Contested"];
        if let Some(by) = decision.held_by().filter(|by| !told.contains(by)) {
            let until = decision.held_until().map(|until| format!(" (until {})", end_from_core(until).0)).unwrap_or_default();
            states.push((format!("held by {by}"), EventType::Normal, "ScalingHeld", format!("{message}{until}")));
        }
        if moves && decision.recommends() {
            states.push((format!("recommended {}", decision.to), EventType::Normal, "Recommendation", message.clone()));
        }
        // Of a contest the Warning tells.
        for reason in decision.reasons.iter().filter(|reason| matches!(reason, Reason::SetByOther { .. }) && !decision.is_contested()) {
            states.push((format!("set by other: {reason}"), EventType::Normal, "ForeignScale", format!("size {reason}")));
        }
        if foreign > 0 {
            let note = format!("{foreign} pod(s) match the selector of {} but belong to others; they are not counted", compiled.target);
            states.push(("foreign pods".to_owned(), EventType::Normal, "ForeignPods", note));
        }
        let news = entry.said.news(states.iter().map(|(state, ..)| state.as_str()), decision.time);
        let policy = policy_ref(&entry.object);
        for (_, kind, reason, note) in states.iter().filter(|(state, ..)| news.contains(&state.as_str())) {
            self.parts.events.record(policy.clone(), *kind, reason, note);
            // The summary after the signal's own Warning would only repeat it.
            if let Some(target) = workload_ref(key, compiled, scale.uid.as_deref()).filter(|_| *reason != "FailedComputeMetricsReplicas") {
                self.parts.events.record(target, *kind, reason, note);
            }
        }

        if moves && compiled.policy.mode == Mode::Enforce {
            let write = ScaleWrite {
                policy: key.clone(),
                lead: entry.lead,
                resource: scale.resource.clone(),
                target: compiled.target.name.clone(),
                target_uid: scale.uid.clone(),
                from: decision.from,
                to: decision.to,
                resource_version: scale.resource_version.clone(),
                until: self.parts.clock.instant() + compiled.policy.interval.max(SHORTEST_WAIT),
                step: step.write(key, &compiled.target, &decision),
            };
            entry.writing = Some(Box::new(decision));
            self.parts.queue.push(write);
        } else {
            self.parts.status.put(key, entry.uid(), &entry.status);
        }
    }

    /// A write has ended.
    pub(super) fn written(&mut self, result: WriteResult) {
        let WriteResult { write, outcome } = result;
        let key = &write.policy;
        self.parts.metrics.wrote(outcome.word());
        let (now, _) = self.follow_clock();
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.lead == write.lead) else {
            // The shard was lost while the write was under way; what it did is said at least.
            if matches!(outcome, WriteOutcome::Written(_)) {
                info!(policy = %key, target = write.target, from = write.from, to = write.to, "scaled");
            }
            return;
        };
        let Some(decision) = entry.writing.take_if(|decision| (decision.from, decision.to) == (write.from, write.to)) else { return };
        if entry.take_again() {
            self.due.at_latest(key, self.parts.clock.instant());
        }
        let Ok(compiled) = entry.compiled.clone() else { return };
        match outcome {
            WriteOutcome::Written(_) => {
                let message = decision.headline();
                entry.conflicts = 0;
                entry.replaced = Some(write.resource_version.clone());
                entry.memory.rescaled(&compiled.policy, write.from, write.to, now);
                self.parts.metrics.seen.moved(&labels(key), Move { from: write.from, to: write.to, time: now });
                entry.scaled(write.from, write.to, &message, now);
                if self.remember.is_on() {
                    entry.keep(true, now);
                }
                entry.set_conditions(&decision.conditions_after_rescale(&compiled.policy), now);
                info!(policy = %key, target = %compiled.target, from = write.from, to = write.to, reason = %message, "scaled");
                self.parts.events.record(policy_ref(&entry.object), EventType::Normal, "SuccessfulRescale", &message);
                if let Some(target) = workload_ref(key, &compiled, write.target_uid.as_deref()) {
                    self.parts.events.record(target, EventType::Normal, "SuccessfulRescale", &message);
                }
            }
            WriteOutcome::Conflict => {
                let pause = AFTER_CONFLICT * 2_u32.pow(entry.conflicts.min(5));
                entry.conflicts += 1;
                debug!(policy = %key, "the target changed meanwhile; deciding again");
                self.due.at_latest(key, self.parts.clock.instant() + pause);
                return;
            }
            WriteOutcome::NotLeading => return,
            WriteOutcome::Late => {
                debug!(policy = %key, "the write waited too long; deciding again");
                self.due.at_latest(key, self.parts.clock.instant());
                return;
            }
            WriteOutcome::Failed(error) => {
                warn!(policy = %key, target = %compiled.target, from = write.from, to = write.to, %error, "cannot scale");
                entry.set_conditions(&[decision.condition_after_failure(&error)], now);
                let note = format!("{}; error: {error}", decision.headline());
                self.parts.events.record(policy_ref(&entry.object), EventType::Warning, "FailedRescale", &note);
            }
        }
        self.parts.status.put(key, entry.uid(), &entry.status);
    }

    /// A policy was taken or edited: what is wrong with it is said at once.
    pub(super) fn compiled(&mut self, key: &Key) {
        let now = self.parts.clock.now();
        let Some(entry) = self.entries.get_mut(key) else { return };
        let expected = entry.compiled.as_ref().ok().map(|compiled| self.parts.clock.instant() + 2 * compiled.policy.interval);
        self.parts.metrics.seen.expect(&labels(key), expected);
        match &entry.compiled {
            Ok(compiled) => {
                for warning in &compiled.warnings {
                    self.parts.events.record(policy_ref(&entry.object), EventType::Warning, "SuspectSpec", &warning.to_string());
                }
            }
            Err(errors) => {
                let message = join(errors);
                warn!(policy = %key, %message, "policy cannot be used");
                self.stuck(key, &Condition::invalid_spec(&message), now);
            }
        }
    }

    /// A policy cannot even be read: its fields have the wrong types.
    pub(super) fn malformed(&mut self, key: &Key) {
        let Some(malformed) = self.parts.index.malformed(key) else {
            self.malformed.remove(key);
            return;
        };
        if !self.parts.shards.leads(&malformed.uid) {
            return;
        }
        if self.malformed.insert(key.clone(), Arc::clone(&malformed)).is_some_and(|told| told == malformed) {
            return;
        }
        let message = malformed.error.clone();
        warn!(policy = %key, %message, "policy cannot be used");
        let object = ObjectRef::own::<ScalePolicy>(key, &malformed.uid);
        self.parts.events.record(object, EventType::Warning, "InvalidSpec", &message);
        let mut status = ScalePolicyStatus::default();
        merge(&mut status.conditions, &Condition::invalid_spec(&message), None, &from_core(self.parts.clock.now()));
        self.parts.status.put(key, &malformed.uid, &status);
    }

    fn unreadable(&mut self, key: &Key, compiled: &Compiled, error: &ScaleError) {
        let message = format!("cannot read the scale of {}: {error}", compiled.target);
        debug!(policy = %key, %message);
        let condition = Condition::new(ConditionKind::AbleToScale, false, "FailedGetScale", message);
        self.stuck(key, &[condition], self.parts.clock.now());
    }

    /// No decision is possible: conditions, and a Warning of the first once while its cause lasts.
    fn stuck(&mut self, key: &Key, conditions: &[Condition], now: core::Time) {
        let (Some(entry), Some(Condition { reason, message, .. })) = (self.entries.get_mut(key), conditions.first()) else { return };
        entry.status.target = entry.compiled.as_ref().ok().map(|compiled| compiled.target.to_string());
        let message = message.to_string();
        if !entry.said.news([cause(reason, &message).as_str()].into_iter(), now).is_empty() {
            self.parts.events.record(policy_ref(&entry.object), EventType::Warning, reason, &message);
        }
        entry.show_stuck(conditions, now);
        self.parts.status.put(key, entry.uid(), &entry.status);
    }
}

/// What a Warning is about: another cause is news, another number in the same sentence is not.
fn cause(reason: &str, message: &str) -> String {
    format!("{reason}: {}", without_numbers(message))
}

pub(super) fn policy_ref(policy: &ScalePolicy) -> ObjectRef {
    ObjectRef::own::<ScalePolicy>(&Key::of(&policy.metadata), policy.metadata.uid.as_deref().unwrap_or_default())
}

/// The target as an Event names it; without a UID `kubectl describe` would not find the Event.
fn workload_ref(key: &Key, compiled: &Compiled, uid: Option<&str>) -> Option<ObjectRef> {
    Some(ObjectRef {
        api_version: compiled.target.api_version.clone(),
        kind: compiled.target.kind.clone(),
        namespace: key.namespace.to_string(),
        name: compiled.target.name.clone(),
        uid: uid?.to_owned(),
    })
}
