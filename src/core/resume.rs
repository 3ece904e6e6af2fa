//! Memory after a hole: what was remembered before a crash, and what nobody saw since.
//!
//! A controller that dies leaves the memory it saved last, at time `s`; its successor decides first at `r`. What was proposed in between
//! is lost, and yet the successor must not shrink a workload earlier than the dead one would have. That works without writing each
//! look down, because of three rules:
//!
//! 1. **A rise is saved at once, a fall is not.** Memory is saved when a proposal, or a filter by more than a quarter, exceeds the one
//!    saved last ([`Memory::outgrows`]), when a signal fails whose return is to be distrusted,
//!    when a fall is not believed (see `collapse`), when a guard begins to hold, and with every move. So no lost proposal was higher than the last one saved, `p`.
//! 2. **The last proposal saved counts as made at `r`.** Whatever was lost, it was at most `p` and at most as late as `r`; so every
//!    window is at least as high, and ends at least as late, as without the crash. On the other side, `p` really was proposed at `s` or
//!    later, so a window ends later by `r - s` at most: one checkpoint interval and the time nobody decided.
//! 3. **What stands still is not saved again** ([`Memory::same_as`]). While the only proposal is the size itself, rule 2 stays exact however
//!    old `s` is: the proposal really was made until `r`.
//!
//! A hole that is longer than saving explains, or a size that is not the one saved, means that something else happened: then the size
//! found counts as proposed, which holds it for a whole window, and the difference of sizes as an own move, which uses up rate budgets.
//! What forecasts learned is saved by itself, hourly (`forecast::keep`): a gap of it makes them ask for less or not at all, which the
//! proposals hold as any fall of demand.
//!
//! The noise that a `Capacity` target leaves room for is one of the filters' values, but no bound of it is known for the time in which nobody
//! looked: it is kept as saved, less what it would have faded by at most, and the restored level, a quarter higher, makes up for that at first.
//!
//! What load did while no controller ran cannot be known; up to the patience given, it is taken to have stayed below `p`.

use std::time::Duration;

use super::memory::{Filter, Gap};
use super::smooth::Level;
use super::{Memory, Mode, Policy, Select, Time};

/// A filter that grew by less than this since it was saved is not saved again; a restored one starts higher by it.
const GROWTH: f64 = 1.25;

/// Mark of a memory that was restored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hole {
    /// When it was saved.
    saved: Time,
    /// Longest hole that is taken for a restart.
    patience: Duration,
}

impl Memory {
    /// Whether a controller restored from `saved` could shrink the workload earlier than this one: save at once.
    pub fn outgrows(&self, saved: Option<&Self>, policy: &Policy) -> bool {
        let last = self.proposals.last().unwrap_or_default();
        // At the minimum no filter can hold anything.
        let held = self.size > policy.min_replicas;
        let Some(saved) = saved else { return last > self.size || self.guarded.is_some() || held && !self.levels.is_empty() };
        if self.patience.outlasts(&saved.patience) {
            return true;
        }
        let failed = self.gaps.iter().any(|gap| gap.outlasts(&saved.gaps));
        let dropped = self.levels.iter().any(|filter| filter.dropped(&saved.levels));
        let guarded = self.guarded.is_some_and(|guarded| guarded.outlasts(saved.guarded));
        failed
            || dropped
            || guarded
            || last > saved.proposals.last().unwrap_or_default()
            || held && self.levels.iter().any(|filter| filter.grown(&saved.levels))
    }

    /// Whether a controller restored from `saved` would decide as this one, now and later: saving again would change nothing.
    pub fn same_as(&self, saved: &Self, policy: &Policy) -> bool {
        if self == saved {
            return true;
        }
        let last = self.proposals.last();
        let free = policy.mode == Mode::Recommend || policy.behavior.as_ref().is_some_and(|b| b.down.select == Select::Disabled);
        // While a smaller size is wanted, windows are running.
        let settled = self.proposals.is_constant()
            && (free || last.is_none_or(|last| last.clamp(policy.min_replicas, policy.max_replicas.max(policy.min_replicas)) >= self.size));
        let filters = self.size <= policy.min_replicas
            || self.levels.len() == saved.levels.len()
                && self.levels.iter().all(|filter| !filter.grown(&saved.levels))
                && saved.levels.iter().all(|filter| !filter.grown(&self.levels));
        let guards =
            self.levels.iter().all(|filter| filter.counterpart(&saved.levels).is_some_and(|old| filter.collapse.is_like(&old.collapse)));
        settled
            && guards
            && last == saved.proposals.last()
            && self.size == saved.size
            && self.guarded == saved.guarded
            && (&self.ups, &self.downs, &self.patience) == (&saved.ups, &saved.downs, &saved.patience)
            && filters
    }

    /// Whether something was decided since it was made or restored.
    pub fn is_current(&self) -> bool {
        self.started && self.hole.is_none()
    }

    /// Takes up a memory that was saved at `saved`. The next decision closes the hole. `patience`: the longest hole that saving in
    /// intervals and a restart explain.
    pub fn resume(&mut self, saved: Time, patience: Duration) {
        self.hole = Some(Hole { saved, patience });
    }

    /// Takes up no memory but the size seen or set last.
    pub fn resume_unknown(&mut self, size: u32) {
        self.size = size;
        self.resume(Time::from_millis(i64::MIN), Duration::ZERO);
    }

    /// Takes up an own move that is known to the second only, unless it is known already.
    pub fn recall_move(&mut self, from: u32, to: u32, second: Time) {
        let (moves, replicas) = if to > from { (&mut self.ups, to - from) } else { (&mut self.downs, from - to) };
        if replicas > 0 && !moves.has(replicas, second) {
            // The end of that second, so that the move is not forgotten before its time.
            moves.store(replicas, second + Duration::from_millis(999), Duration::MAX);
            self.size = to;
        }
    }

    /// Keeps so many entries of each kind at most; what is merged holds longer, never shorter.
    pub fn compact(&mut self, entries: usize) {
        self.proposals.compact(entries);
        self.ahead.compact(entries);
        self.ups.compact(entries);
        self.downs.compact(entries);
        self.levels.truncate(entries);
        for filter in &mut self.levels {
            filter.collapse.compact(entries);
        }
    }

    /// Closes the hole at the first decision after it.
    pub(super) fn bridge(&mut self, current: u32, now: Time) {
        let Some(Hole { saved, patience }) = self.hole.take() else { return };
        let hole = now.since(saved);
        let last = self.proposals.last().unwrap_or(current);
        let explained = hole <= patience && self.size == current;
        self.proposals.store(if explained { last } else { last.max(current) }, now, Duration::MAX);
        if current > self.size {
            self.ups.store(current - self.size, now, Duration::MAX);
        } else if current < self.size {
            self.downs.store(self.size - current, now, Duration::MAX);
        }
        for filter in &mut self.levels {
            filter.level.resume(hole, GROWTH);
            filter.collapse.resume(&filter.level, now);
        }
    }
}

impl Filter {
    fn counterpart<'a>(&self, old: &'a [Self]) -> Option<&'a Self> {
        old.iter().find(|old| old.nth == self.nth && old.kind == self.kind)
    }

    /// Whether a collapse began since, or one of more replicas.
    fn dropped(&self, old: &[Self]) -> bool {
        let floor = self.collapse.floor();
        floor > self.counterpart(old).map_or(0, |old| old.collapse.floor())
    }

    /// Whether it has grown against its counterpart, or is new.
    fn grown(&self, old: &[Self]) -> bool {
        self.counterpart(old).is_none_or(|old| self.level.level() > GROWTH * old.level.level().max(Level::NOTHING))
    }
}

impl Gap {
    /// Whether it lasts longer than its counterpart, or is new. One that still lasts has no end yet.
    fn outlasts(&self, old: &[Self]) -> bool {
        old.iter().find(|old| old.kind == self.kind).is_none_or(|old| old.full.is_some_and(|end| self.full.is_none_or(|full| full > end)))
    }
}
