//! The pipeline, in order.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::bounds::{self, Bounds};
use super::collapse::Freeze;
use super::combine::{Combined, combine};
use super::contest::Contest;
use super::demand::{Measured, measure};
use super::reason::{Bound, Reason, Unit};
use super::watch::Watch;
use super::zero::{AtZero, at_zero};
use super::{
    Clamp, Condition, Decision, Fallback, FallbackReplicas, Memory, Mode, Observation, Policy, Selector, SignalReport, Time, Verdict,
    Warning, conditions, fallback, limits, pause, stuck,
};

/// Decides the size of one workload.
///
/// The same policy, memory, observation and time always give the same decision. `memory` takes up what this look adds; a size that
/// was then really written is told to it by [`Memory::rescaled`].
pub fn decide(policy: &Policy, memory: &mut Memory, observation: &Observation, now: Time) -> Decision {
    let decision = decide_size(policy, memory, observation, now);
    if decision.to == decision.from {
        memory.unanswered = None;
    }
    decision
}

fn decide_size(policy: &Policy, memory: &mut Memory, observation: &Observation, now: Time) -> Decision {
    let current = observation.spec_replicas;
    let set_by_other = memory.notice(observation, now);
    let seasoned = memory.open(policy, current, now);
    let bounds = Bounds::of(policy, &observation.scheduled);
    let mut draft = Draft::new(policy, current, now);
    draft.set_by_other = set_by_other;
    draft.next.extend(observation.scheduled.next_change);
    draft.conditions.push(conditions::scale_read(current));
    draft.heed(memory.contest.clone());

    // Two masters of one size would write against each other, so a contested target is left alone whatever its size.
    if let Some(decision) = draft.contested(&observation.selector) {
        memory.outage(policy, false, now);
        memory.concede(current, now);
        return decision;
    }
    draft.warnings.extend(bounds::conflict(&observation.scheduled));

    // Sizes that are settled without asking the signals.
    if current == 0 {
        if at_zero(policy, &bounds, observation) == AtZero::SwitchedOff {
            memory.outage(policy, false, now);
            return draft.switched_off();
        }
        // A floor that begins at a certain time must not wait for signals, as a raised minReplicas does.
        if bounds.min > policy.min_replicas {
            return draft.out_of_bounds(&bounds, Bound::Minimum, bounds.min);
        }
    } else if let Some((bound, size)) = bounds.beyond(current) {
        return draft.out_of_bounds(&bounds, bound, size);
    }
    if let Some(decision) = draft.unusable_selector(&observation.selector) {
        memory.outage(policy, false, now);
        return decision;
    }

    // Each driver asks for a size; the largest is wanted.
    let measured: Signals = (0..policy.signals.len()).map(|index| measure(policy, index, observation, memory, now)).collect();
    draft.warn(&measured);
    let outage = memory.outage(policy, measured.iter().any(|measured| measured.report.is_missing()), now);
    let combined = combine(&measured, current);
    let freeze = strongest(&measured);
    let watch = Watch::of(&measured);
    let lasting = measured.iter().filter_map(|measured| measured.lasting).max();
    let fallback = outage.and_then(|outage| fallback::size(policy, outage, current, combined.wanted()));
    let wanted = match combined {
        // Known signals that ask for no less than the fallback are heard as ever.
        Combined::Wanted { replicas, driver } if fallback.is_none_or(|size| size <= replicas) => {
            draft.driven(measured, driver);
            replicas
        }
        combined => {
            match combined {
                Combined::Wanted { driver, .. } => draft.driven(measured, driver),
                Combined::Incomplete { failed, first, wanted } => draft.incomplete(measured, failed, first, wanted),
            }
            let outage = outage.unwrap_or_default();
            return match fallback {
                Some(size) => draft.fall_back(&bounds, size, outage),
                None => draft.wait(outage),
            };
        }
    };

    // What may be set now: windows, then rates and bounds, then what pods that do not start allow, then guards and brakes.
    let stabilized = limits::stabilize(policy, memory, current, limits::Ask { wanted, lasting: lasting.unwrap_or(wanted) }, now);
    let limited = limits::limit(policy, &bounds, memory, current, stabilized.size, now, seasoned);
    let startable = stuck::limit(policy, observation, current, limited.size, now);
    let watched = watch.limit(policy, memory, current, startable.size, now);
    draft.limited(wanted, [stabilized, limited, startable, watched]);
    if let Some((signal, freeze)) = freeze {
        draft.freeze(signal, freeze, wanted);
    }

    // Waking up goes to the minimum at least, whatever the rates.
    if current == 0 && draft.to < bounds.min {
        draft.wake(&bounds);
    }
    draft.finish(wanted)
}

/// Whether [`decide`] would ask for more replicas than there are; nothing is remembered.
pub fn would_grow(policy: &Policy, memory: &Memory, observation: &Observation, now: Time) -> bool {
    let decision = decide(policy, &mut memory.clone(), observation, now);
    decision.to > decision.from
}

/// One each; few policies have more than two.
type Signals = SmallVec<[Measured; 2]>;

/// The collapse guard that keeps most, and its signal.
fn strongest(measured: &[Measured]) -> Option<(usize, Freeze)> {
    let freezes = measured.iter().enumerate().filter_map(|(signal, measured)| Some((signal, measured.freeze?)));
    freezes.max_by_key(|(_, freeze)| (freeze.size, freeze.until))
}

/// A decision in the making.
struct Draft<'a> {
    policy: &'a Policy,
    now: Time,
    from: u32,
    to: u32,
    wanted: Option<u32>,
    reasons: SmallVec<[Reason; 6]>,
    clamps: SmallVec<[Clamp; 2]>,
    signals: SmallVec<[SignalReport; 2]>,
    conditions: SmallVec<[Condition; 4]>,
    warnings: Vec<Warning>,
    next: SmallVec<[Time; 4]>,
    contest: Option<Contest>,
    set_by_other: Option<Reason>,
}

impl<'a> Draft<'a> {
    fn new(policy: &'a Policy, current: u32, now: Time) -> Self {
        Self {
            policy,
            now,
            from: current,
            to: current,
            wanted: None,
            reasons: SmallVec::new(),
            clamps: SmallVec::new(),
            signals: SmallVec::new(),
            conditions: SmallVec::new(),
            warnings: Vec::new(),
            next: SmallVec::new(),
            contest: None,
            set_by_other: None,
        }
    }

    /// Says who else sets the size, if that goes on.
    fn heed(&mut self, contest: Option<Contest>) {
        if let Some(writer) = contest.as_ref().and_then(Contest::contester) {
            let condition = conditions::contested(writer);
            self.warnings.push(Warning { reason: "ReplicasContested".to_owned(), message: condition.message.to_string() });
            self.conditions.push(condition);
        }
        self.contest = contest;
    }

    fn switched_off(mut self) -> Decision {
        self.conditions.push(conditions::inactive("ScalingDisabled", "scaling is off while the target's size is 0"));
        self.reasons.push(Reason::SwitchedOff);
        self.close(Verdict::Disabled)
    }

    /// Back into the bounds: neither tolerance nor windows nor rates apply, and the conditions about signals stay as they are.
    fn out_of_bounds(mut self, bounds: &Bounds<'_>, bound: Bound, size: u32) -> Decision {
        self.clamp(size, Reason::OutOfBounds { bound, size, found: self.from, by: bounds.by(bound) }, None);
        self.finish(size)
    }

    fn contested(&mut self, selector: &Selector) -> Option<Decision> {
        matches!(selector, Selector::Ambiguous { .. }).then(|| self.unusable_selector(selector)).flatten()
    }

    fn unusable_selector(&mut self, selector: &Selector) -> Option<Decision> {
        let (event, condition, message) = match selector {
            Selector::Usable => return None,
            Selector::Missing => ("SelectorRequired", "InvalidSelector", "the target's scale has no pod selector".to_owned()),
            Selector::Invalid { message } => {
                ("InvalidSelector", "InvalidSelector", format!("the target's pod selector cannot be parsed: {message}"))
            }
            Selector::Ambiguous { others } => {
                ("AmbiguousSelector", "AmbiguousSelector", format!("the target's pods are also scaled by {}", others.join(", ")))
            }
        };
        self.conditions.push(conditions::inactive(condition, message.clone()));
        self.warnings.push(Warning { reason: event.to_owned(), message: message.clone() });
        self.warnings.push(Warning { reason: "FailedComputeMetricsReplicas".to_owned(), message: message.clone() });
        self.reasons.push(Reason::Selector { message });
        let draft = std::mem::replace(self, Draft::new(self.policy, self.from, self.now));
        Some(draft.close(Verdict::Unknown))
    }

    fn warn(&mut self, measured: &[Measured]) {
        for (signal, measured) in self.policy.signals.iter().zip(measured) {
            if let Some(failure) = &measured.report.failure {
                let message = format!("{}: {failure}", measured.report.name);
                self.warnings.push(Warning { reason: signal.kind.failure_reason().to_owned(), message });
            }
        }
    }

    /// Takes over the signals' reports and reasons, those of `first` before the others.
    fn take(&mut self, measured: Signals, first: usize) {
        for (index, measured) in measured.into_iter().enumerate() {
            self.signals.push(measured.report);
            if index == first {
                self.reasons.insert_many(0, measured.reasons);
            } else {
                self.reasons.extend(measured.reasons);
            }
        }
    }

    fn driven(&mut self, measured: Signals, driver: usize) {
        let failed = measured.iter().filter(|measured| measured.report.failure.is_some()).count();
        self.conditions.push(conditions::active(&measured[driver].report.name, failed, measured.len()));
        self.take(measured, driver);
        self.conditions.extend(conditions::forecast(&self.signals));
    }

    fn incomplete(&mut self, measured: Signals, failed: usize, first: usize, wanted: Option<u32>) {
        let of = measured.len();
        let kind = self.policy.signals.get(first).map_or("InvalidMetricSourceType", |signal| signal.kind.failure_reason());
        let cause = match measured.get(first).map(|measured| &measured.report) {
            Some(SignalReport { name, failure: Some(failure), .. }) => format!("{name}: {failure}"),
            _ => "the policy has no signals".to_owned(),
        };
        self.conditions.push(conditions::inactive(kind, format!("no size can be computed: {cause}")));
        let message = format!("{failed} of {of} signals unusable, the first: {cause}");
        self.warnings.push(Warning { reason: "FailedComputeMetricsReplicas".to_owned(), message });
        self.take(measured, first);
        self.reasons.push(Reason::Incomplete { failed, of, wanted });
        self.wanted = wanted;
    }

    /// Keeps the size while signals are missing.
    fn wait(mut self, outage: Duration) -> Decision {
        let Fallback { hold, replicas } = self.policy.fallback;
        if replicas != FallbackReplicas::Current {
            let remaining = hold.saturating_sub(outage);
            self.reasons.push(Reason::OutageHold { remaining, then: replicas });
            self.next.push(self.now + remaining);
        }
        self.close(Verdict::Unknown)
    }

    /// Applies the fallback: at once, as moves back into the bounds are, since windows and rates are about demand.
    fn fall_back(mut self, bounds: &Bounds<'_>, size: u32, outage: Duration) -> Decision {
        let Fallback { hold, replicas } = self.policy.fallback;
        self.clamp(size, Reason::Fallback { outage, replicas }, None);
        self.reasons.rotate_right(1);
        let message = format!("signals have been missing for more than {} s: fallback to {replicas}", hold.as_secs());
        self.warnings.push(Warning { reason: "FallbackActive".to_owned(), message });
        if let Some((bound, within)) = bounds.beyond(size) {
            self.clamp(within, bounds.cut(bound, size), None);
        }
        // Where there is nothing to do, the size stays unknown rather than steady.
        if self.to == self.from { self.close(Verdict::Unknown) } else { self.finish(size) }
    }

    fn limited(&mut self, wanted: u32, steps: [limits::Step; 4]) {
        let [stabilized, limited, startable, watched] = &steps;
        self.conditions[0] = conditions::stabilized(stabilized.reason.as_ref(), wanted);
        let limit = startable.reason.as_ref().or(limited.reason.as_ref());
        let mut range = conditions::limited(limit, stabilized.size);
        if let Some(condition) = conditions::watched(watched.reason.as_ref(), self.from) {
            let place = if condition.kind == range.kind { &mut range } else { &mut self.conditions[0] };
            *place = condition;
        }
        self.conditions.push(range);
        if let Some(Reason::PodsNotStarting { stuck, of, cause, .. }) = &startable.reason {
            let message = format!("{stuck} of {of} pods are not starting: {cause}; no further scale-out on their account");
            self.warnings.push(Warning { reason: "PodsNotStarting".to_owned(), message });
        }
        (self.to, self.wanted) = (wanted, Some(wanted));
        for limits::Step { size, reason, next } in steps {
            self.next.extend(next);
            match reason {
                Some(reason) => self.clamp(size, reason, next),
                None => self.to = size,
            }
        }
    }

    /// Keeps what was asked for before an implausible fall of demand, whatever the windows and rates allow.
    fn freeze(&mut self, signal: usize, freeze: Freeze, wanted: u32) {
        let Freeze { from, to, size, until } = freeze;
        let size = size.min(self.from);
        if wanted >= size {
            return;
        }
        let signal = &self.policy.signals[signal];
        let (name, remaining) = (signal.name(), until.since(self.now));
        let message = format!(
            "{name} fell too fast to be believed: nothing below {size} replicas for now; if the load is still there, see to what measures it"
        );
        self.warnings.push(Warning { reason: "DemandCollapsed".to_owned(), message });
        self.conditions[0] = conditions::frozen(name, wanted, size);
        self.next.push(until);
        let reason = Reason::Collapsed { signal: Arc::clone(name), unit: Unit::of(&signal.kind), from, to, size, wanted, remaining };
        let held_longer = self.clamps.last().is_some_and(|clamp| clamp.until.is_none_or(|other| other >= until));
        if self.to < size || !held_longer {
            self.clamp(size.max(self.to), reason, Some(until));
        } else {
            self.reasons.insert(0, reason);
        }
    }

    /// One stage replaces the size by another.
    fn clamp(&mut self, size: u32, reason: Reason, until: Option<Time>) {
        self.clamps.push(Clamp { before: self.to, after: size, reason: reason.clone(), until });
        self.reasons.push(reason);
        self.to = size;
    }

    fn wake(&mut self, bounds: &Bounds<'_>) {
        let (bound, size) = (Bound::Minimum, bounds.min);
        self.clamp(size, Reason::OutOfBounds { bound, size, found: self.from, by: bounds.by(bound) }, None);
        self.reasons.rotate_right(1);
    }

    /// Applies what holds any move: another writer, and the pause, which has the last word. Names the verdict.
    fn finish(mut self, wanted: u32) -> Decision {
        if let Some((reason, until)) = self.contest.as_ref().and_then(|contest| contest.hold(self.from, self.to, self.now)) {
            self.next.push(until);
            self.clamp(self.from, reason, Some(until));
        }
        if let Some(reason) = pause::hold(self.policy.pause.as_ref(), self.from, self.to, self.now) {
            let until = self.policy.pause.as_ref().and_then(|pause| pause.until);
            self.next.extend(until);
            self.clamp(self.from, reason, until);
        } else if self.to != self.from && self.policy.mode == Mode::Recommend {
            self.reasons.push(Reason::RecommendOnly);
        }
        let verdict = match self.to {
            to if to > self.from => Verdict::ScaleUp,
            to if to < self.from => Verdict::ScaleDown,
            _ if wanted != self.from
                || self.reasons.iter().any(|reason| matches!(reason, Reason::Paused { .. } | Reason::Contested { .. })) =>
            {
                Verdict::Held
            }
            _ => Verdict::Steady,
        };
        if verdict == Verdict::Held {
            // The last stage that held is what a reader must change to see the move.
            if let Some(index) = self.reasons.iter().rposition(Reason::holds) {
                self.reasons[..=index].rotate_right(1);
            }
        }
        self.close(verdict)
    }

    fn close(self, verdict: Verdict) -> Decision {
        let Self { policy, now, from, to, wanted, mut reasons, clamps, signals, conditions, warnings, next, set_by_other, .. } = self;
        reasons.extend(set_by_other);
        // Only what comes before the next regular look.
        let next_look = next.into_iter().filter(|&time| now < time && time < now + policy.interval).min();
        Decision { time: now, from, to, wanted, verdict, reasons, signals, clamps, conditions, warnings, next_look }
    }
}
