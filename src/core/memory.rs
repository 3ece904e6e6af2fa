//! What the decision remembers of one workload; a fresh one is `Memory::default()`.
//!
//! Serialisable: a controller that restores it at once decides exactly as one that never stopped; `resume` says what holds after a hole.
//! Whoever changes the serialised form also changes the version in `checkpoint`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::collapse::{self, Collapse, Drop, Freeze};
use super::contest::Contest;
use super::forecast::Seasonal;
use super::limits::{Changes, Patience, Proposals};
use super::reason::Reason;
use super::resume::Hole;
use super::smooth::Level;
use super::trend::Trail;
use super::watch::Guarded;
use super::{
    FallbackReplicas, ForecastMode, Observation, Policy, Sample, ScalingRules, SignalKind, SmoothParameters, Smoothing, Time, Writer,
};

/// Past proposals, own moves, and the state of the level filters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The first size seen was taken as the first proposal.
    pub(super) started: bool,
    /// Proposals before limits.
    pub(super) proposals: Proposals,
    /// Proposals of the last minutes with the look ahead at a trend; empty where the policy names a window.
    pub(super) ahead: Proposals,
    /// Replicas added by own moves.
    pub(super) ups: Changes,
    /// Replicas removed by own moves.
    pub(super) downs: Changes,
    /// What past scale-ins taught about the window.
    pub(super) patience: Patience,
    /// Filters by what they measure, so that editing one signal does not reset the others.
    pub(super) levels: Vec<Filter>,
    /// When the first of the looks in a row was made to which a signal was missing.
    outage: Option<Time>,
    /// Prometheus signals that failed, until what they look back over is full again.
    pub(super) gaps: Vec<Gap>,
    /// What guards held lately.
    pub(super) guarded: Option<Guarded>,
    /// Size seen or written last.
    pub(super) size: u32,
    /// Somebody else sets the size as well.
    pub(super) contest: Option<Contest>,
    /// Who set the size, away from which a move was decided and not written yet, and the size before.
    #[serde(skip)]
    pub(super) unanswered: Option<(Writer, u32)>,
    /// Set while nothing was decided since the memory was restored.
    #[serde(skip)]
    pub(super) hole: Option<Hole>,
}

/// A signal's outage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gap {
    pub(super) kind: SignalKind,
    /// When its window is full again; `None` while it fails.
    pub(super) full: Option<Time>,
}

/// The filter of one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Filter {
    pub(super) kind: SignalKind,
    /// Earlier signals of the policy that look the same from here, e.g. one metric by two selectors.
    pub(super) nth: usize,
    pub(super) level: Level,
    pub(super) trail: Trail,
    pub(super) collapse: Collapse,
    /// What the forecast has learned; large, and only where it is wanted.
    pub(super) seasonal: Option<Box<Seasonal>>,
}

impl Memory {
    /// The size seen or written last, once anything was decided.
    pub fn size(&self) -> Option<u32> {
        self.started.then_some(self.size)
    }

    /// Takes note of a size that somebody else has set; before [`Memory::open`], which takes it over.
    pub(super) fn notice(&mut self, observation: &Observation, now: Time) -> Option<Reason> {
        if let Some(contest) = &mut self.contest {
            // Times in the future, after the clock went back, would hold for too long.
            contest.adjust(|time| time.min(now));
        }
        self.contest.take_if(|contest| contest.is_over(now));
        let (from, to) = (self.size()?, observation.spec_replicas);
        if from == to {
            // Decided again, as after a write that met a conflict: the answer is still one to whoever set the size.
            return self.unanswered.clone().map(|(writer, from)| Reason::SetByOther { writer, from, to });
        }
        self.unanswered = None;
        let writer = observation.writer.clone()?;
        // Whoever removes the size from a manifest has given way, and does so while theirs is in force.
        self.contest = (writer != Writer::Nobody).then(|| Contest::reset(self.contest.as_ref(), writer.clone(), now));
        self.unanswered = Some((writer.clone(), from));
        Some(Reason::SetByOther { writer, from, to })
    }

    /// Opens a decision: a fresh memory takes the size it finds as its first proposal, which delays scale-in by one window. Tells whether
    /// something was decided before.
    pub(super) fn open(&mut self, policy: &Policy, replicas: u32, now: Time) -> bool {
        let seasoned = self.started;
        if !seasoned {
            self.started = true;
            self.proposals.store(replicas, now, Duration::MAX);
        }
        self.bridge(replicas, now);
        self.size = replicas;
        // A clock that went back must not turn past values into ones that never end.
        self.adjust(|time| time.min(now));
        self.levels.retain(|filter| policy.signals.iter().filter(|signal| signal.kind == filter.kind).count() > filter.nth);
        self.gaps.retain(|gap| policy.signals.iter().any(|signal| signal.kind == gap.kind));
        for filter in &mut self.levels {
            filter.level.not_after(now);
            filter.trail.not_after(now);
            filter.collapse.not_after(now);
            match &mut filter.seasonal {
                _ if policy.forecast.mode == ForecastMode::Off => filter.seasonal = None,
                Some(seasonal) => seasonal.not_after(now),
                None => {}
            }
        }
        seasoned
    }

    /// Another autoscaler keeps this size: it alone counts as proposed, so that who takes over begins with a whole scale-in window, and
    /// with nothing that was only recommended.
    pub(super) fn concede(&mut self, replicas: u32, now: Time) {
        (self.proposals, self.ahead) = (Proposals::default(), Proposals::default());
        self.proposals.store(replicas, now, Duration::MAX);
    }

    /// The clock was set, by so many milliseconds: what was decided moves along, so that nothing that waits ends earlier for it, or later.
    /// Times of samples are those of their sources and stay.
    pub fn shift(&mut self, millis: i64) {
        let moved = |time: Time| time.moved(millis);
        self.adjust(moved);
        self.levels.iter_mut().for_each(|filter| filter.collapse.shift(millis));
        self.gaps.iter_mut().for_each(|gap| gap.full = gap.full.map(moved));
        if let Some(contest) = &mut self.contest {
            contest.adjust(moved);
        }
    }

    /// Puts other times into what was decided.
    fn adjust(&mut self, time: impl Fn(Time) -> Time + Copy) {
        self.proposals.adjust(time);
        self.ahead.adjust(time);
        self.ups.adjust(time);
        self.downs.adjust(time);
        self.patience.adjust(time);
        self.outage = self.outage.map(time);
        if let Some(Guarded::Until(until)) = &mut self.guarded {
            *until = time(*until);
        }
    }

    /// For how long signals have been missing, when they are missing now; a look at which all are there, or that
    /// does not ask them, ends it. Without a fallback to apply nothing has to be remembered.
    pub(super) fn outage(&mut self, policy: &Policy, missing: bool, now: Time) -> Option<Duration> {
        if missing && policy.fallback.replicas != FallbackReplicas::Current {
            Some(now.since(*self.outage.get_or_insert(now)))
        } else {
            self.outage = None;
            None
        }
    }

    /// Records a size that was written, whatever led to it. Moves of others are never recorded: they use up no rate budget.
    ///
    /// A policy without behavior has no rate budgets, so nothing is kept for it.
    pub fn rescaled(&mut self, policy: &Policy, from: u32, to: u32, now: Time) {
        self.size = to;
        self.unanswered = None;
        if to < from {
            self.patience.shrunk(now);
        }
        if let Some(contest) = &mut self.contest {
            contest.answered(now);
        }
        let Some(behavior) = &policy.behavior else { return };
        if to > from {
            self.ups.store(to - from, now, longest_period(&behavior.up));
        } else if to < from {
            self.downs.store(from - to, now, longest_period(&behavior.down));
        }
    }

    /// The signal failed.
    pub(super) fn lost(&mut self, kind: &SignalKind) {
        match self.gaps.iter_mut().find(|gap| gap.kind == *kind) {
            Some(gap) => gap.full = None,
            None => self.gaps.push(Gap { kind: kind.clone(), full: None }),
        }
    }

    /// The signal, which looks back over `window`, has a value at `now`: until when that has a gap, if it has one.
    pub(super) fn found(&mut self, kind: &SignalKind, window: Duration, now: Time) -> Option<Time> {
        let index = self.gaps.iter().position(|gap| gap.kind == *kind)?;
        let full = *self.gaps[index].full.get_or_insert(now + window);
        // A clock that went back must not make the gap last longer than the window.
        if full <= now || full > now + window {
            self.gaps.swap_remove(index);
            return None;
        }
        Some(full)
    }

    /// The filter of the policy's signal at `index` after it consumed `raw`, which `sample` brought, and whether that was an implausible drop.
    pub(super) fn filter(
        &mut self,
        policy: &Policy,
        index: usize,
        parameters: SmoothParameters,
        raw: f64,
        sample: Sample,
    ) -> (&mut Filter, Option<Drop>) {
        let known = self.position(policy, index);
        let position = known.unwrap_or_else(|| {
            let (kind, nth) = identity(policy, index);
            let (level, trail) = (Level::start(raw, sample.time), Trail::start(raw, sample.time));
            self.levels.push(Filter { kind: kind.clone(), nth, level, trail, collapse: Collapse::default(), seasonal: None });
            self.levels.len() - 1
        });
        let filter = &mut self.levels[position];
        let before = filter.level.time();
        filter.level.consume(parameters, raw, sample.time);
        let news = known.is_none() || filter.level.time() > before;
        let Some(back) = collapse::look_back(parameters, policy.interval, sample.window) else {
            filter.collapse = Collapse::default();
            return (filter, None);
        };
        let drop = news.then(|| filter.collapse.judge(parameters, raw, &filter.level, back)).flatten();
        (filter, drop)
    }

    /// What the collapse guard holds of the policy's signal at `index`, after a look at which there was this drop and this size before it.
    pub(super) fn freeze(&mut self, policy: &Policy, index: usize, drop: Option<(Drop, u32)>, now: Time) -> Option<Freeze> {
        let Smoothing::Smooth(parameters) = policy.smoothing else { return None };
        let position = self.position(policy, index)?;
        let Filter { level, collapse, .. } = &mut self.levels[position];
        collapse.look(drop, level, parameters.collapse_hold, now)
    }

    fn position(&self, policy: &Policy, index: usize) -> Option<usize> {
        let (kind, nth) = identity(policy, index);
        self.levels.iter().position(|filter| filter.nth == nth && filter.kind == *kind)
    }
}

/// What a signal's filter is found by: its kind, and how many before it are alike.
fn identity(policy: &Policy, index: usize) -> (&SignalKind, usize) {
    let kind = &policy.signals[index].kind;
    (kind, policy.signals[..index].iter().filter(|earlier| earlier.kind == *kind).count())
}

fn longest_period(rules: &ScalingRules) -> Duration {
    rules.policies.iter().map(|policy| policy.period).max().unwrap_or_default()
}
