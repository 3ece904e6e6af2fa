//! Early looks: between two decisions, growth is looked for in what is cheap to ask.
//!
//! New load shows in the resource metrics API at any moment of a policy's interval, so half an interval passes on average before anybody
//! looks, which is more than all the rest together. One list answers for the pods of all policies, so it is also made in between, and a
//! policy that would grow by it is decided there and then. All others are left as they are: nothing is remembered, told or counted, so
//! windows, statuses and scale-in keep their interval.
//!
//! Policies whose pods are asked themselves are looked at early as well, each at its own [pace](super::pace).

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::Engine;
use super::entry::Entry;
use super::look::Job;
use crate::api::Compiled;
use crate::core::{self, Mode, Observation, Policy, Time};
use crate::source::Query;

/// So many times as long as early looks took, none is made: metrics APIs and the controller itself have other work too.
pub(super) const REST: u32 = 4;

/// When early looks are made.
#[derive(Debug)]
pub struct Early {
    /// Zero: never.
    period: Duration,
    next: Instant,
    /// The last one, until it has ended.
    task: Option<JoinHandle<()>>,
}

// === impl Early ===

impl Early {
    /// One each `period`; none if that is zero.
    pub const fn new(period: Duration, now: Instant) -> Self {
        Self { period, next: now, task: None }
    }

    /// Whether it is time; then the next one is a period later. A slow one is waited for.
    fn take(&mut self, now: Instant) -> bool {
        let due = !self.period.is_zero() && now >= self.next;
        if due {
            self.next = now + self.period;
        }
        due && self.task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// When the next one is due.
    pub fn first(&self) -> Option<Instant> {
        (!self.period.is_zero()).then_some(self.next)
    }

    /// A look that took that long has ended at `now`.
    pub fn took(&mut self, time: Duration, now: Instant) {
        self.next = self.next.max(now + REST * time);
    }
}

// === impl Engine ===

impl Engine {
    /// Looks at policies between their decisions, if it is time for that.
    pub(super) fn look_early(&mut self, now: Instant) {
        if self.early.take(now) {
            let period = self.early.period;
            let jobs = self.ready(now, |compiled, _| compiled.policy.interval > period && compiled.queries.iter().all(is_usage));
            self.early.task = self.look(jobs, now);
        }
        if self.quick.take(now) {
            let due = |compiled: &Compiled, entry: &Entry| {
                compiled.policy.interval > entry.pace.period() && is_direct(compiled) && entry.pace.is_due(now)
            };
            let jobs = self.ready(now, due);
            for job in &jobs {
                if let Some(entry) = self.entries.get_mut(&job.key) {
                    entry.pace.begin(now);
                }
            }
            // Nobody waits for another's slow pods: each has a pace of its own.
            drop(self.look(jobs, now));
        }
    }

    /// Early looks at those policies at rest that are wanted.
    fn ready(&self, now: Instant, wanted: impl Fn(&Compiled, &Entry) -> bool) -> Vec<Job> {
        let jobs = self.entries.iter().filter_map(|(key, entry)| {
            let compiled = entry.compiled.as_ref().ok()?;
            let looks = compiled.policy.mode == Mode::Enforce && wanted(compiled, entry) && entry.is_at_rest();
            if !looks || self.leaving.contains_key(&entry.lead.shard) {
                return None;
            }
            Some(Job {
                key: key.clone(),
                compiled: compiled.clone(),
                due: now,
                early: true,
                expected: None,
                replaced: None,
                afresh: false,
                probe: false,
            })
        });
        jobs.collect()
    }
}

fn is_usage(query: &Query) -> bool {
    matches!(query, Query::Resource { .. })
}

/// Whether the pods are asked themselves first.
pub(super) fn of_pods(query: &Query) -> bool {
    matches!(query, Query::Prometheus(query) if query.preset.as_ref().is_some_and(|preset| preset.direct.is_some()))
}

/// Whether a policy's pods are asked themselves, and nothing else but usage besides. Each signal counts: a brake that is not asked would not
/// hold.
pub(super) fn is_direct(compiled: &Compiled) -> bool {
    compiled.queries.iter().any(of_pods) && compiled.queries.iter().all(|query| is_usage(query) || of_pods(query))
}

// === impl Entry ===

impl Entry {
    /// Nothing is under way, and the last decision was carried out: one that could not be is tried again at the interval.
    fn is_at_rest(&self) -> bool {
        let done = self.last.as_ref().is_some_and(|last| self.memory.size() == Some(last.to()));
        !self.looking && self.writing.is_none() && self.conflicts == 0 && done
    }

    /// Whether a decision would be one to grow. Who set another size than the last one is asked by the look that follows that change.
    pub fn would_grow(&self, policy: &Policy, observation: &Observation, now: Time) -> bool {
        self.memory.size() == Some(observation.spec_replicas) && core::would_grow(policy, &self.memory, observation, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn one_is_due_each_period_and_none_without_one() {
        let t0 = crate::clock::Clock::real().instant();
        let mut early = Early::new(3 * S, t0);
        assert_eq!([0, 1, 2, 3, 4].map(|at| early.take(t0 + at * S)), [true, false, false, true, false]);
        let mut never = Early::new(Duration::ZERO, t0);
        assert!(!never.take(t0 + 100 * S));
        assert_eq!(never.first(), None);
    }

    #[test]
    fn looks_that_take_long_are_made_less_often() {
        let t0 = crate::clock::Clock::real().instant();
        let mut early = Early::new(3 * S, t0);
        assert!(early.take(t0));
        early.took(S / 10, t0 + S / 10);
        assert_eq!(early.first(), Some(t0 + 3 * S));
        early.took(2 * S, t0 + 2 * S);
        assert_eq!(early.first(), Some(t0 + 10 * S));
    }
}
