//! When each policy is looked at next.
//!
//! Policies of the same interval are due at the same moments, so that one request can answer for many of them.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Due times of keys, earliest first.
#[derive(Debug)]
pub struct Due<K> {
    /// Origin of the grid on which intervals are counted.
    epoch: Instant,
    order: BTreeSet<(Instant, K)>,
    times: HashMap<K, Instant>,
}

// === impl Due ===

impl<K: Clone + Eq + Hash + Ord> Due<K> {
    /// Nothing due; intervals are counted from `epoch`.
    pub fn new(epoch: Instant) -> Self {
        Self { epoch, order: BTreeSet::new(), times: HashMap::new() }
    }

    /// Makes `key` due at `at`, or earlier if it already is due earlier.
    pub fn at_latest(&mut self, key: &K, at: Instant) {
        match self.times.get(key) {
            Some(&known) if known <= at => {}
            _ => self.set(key, at),
        }
    }

    /// Makes `key` due at the next multiple of `interval` after `now`, whatever it was before.
    pub fn next_interval(&mut self, key: &K, interval: Duration, now: Instant) {
        let interval = interval.max(Duration::from_millis(1));
        let since = now.saturating_duration_since(self.epoch);
        let passed = since.as_nanos() / interval.as_nanos();
        let next = u32::try_from(passed + 1).map_or(now + interval, |n| self.epoch + interval * n);
        self.set(key, next);
    }

    /// Whether `at` is a multiple of `interval`, so that nothing but the time made it due.
    pub fn is_regular(&self, at: Instant, interval: Duration) -> bool {
        at.saturating_duration_since(self.epoch).as_nanos().is_multiple_of(interval.as_nanos().max(1))
    }

    /// Forgets `key`.
    pub fn remove(&mut self, key: &K) {
        if let Some(at) = self.times.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }

    /// The earliest due time.
    pub fn first(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes everything due at `now`, with the time it was due at.
    pub fn take(&mut self, now: Instant) -> Vec<(K, Instant)> {
        let mut taken = Vec::new();
        while let Some((at, _)) = self.order.first().filter(|(at, _)| *at <= now) {
            let at = *at;
            if let Some((_, key)) = self.order.pop_first() {
                self.times.remove(&key);
                taken.push((key, at));
            }
        }
        taken
    }

    fn set(&mut self, key: &K, at: Instant) {
        self.remove(key);
        self.times.insert(key.clone(), at);
        self.order.insert((at, key.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Instant {
        crate::clock::Clock::real().instant()
    }

    #[test]
    fn policies_of_one_interval_meet_on_one_grid() {
        let t0 = origin();
        let s = Duration::from_secs;
        let mut due = Due::new(t0);
        due.next_interval(&"a", s(15), t0 + s(2));
        due.next_interval(&"b", s(15), t0 + s(14));
        assert_eq!(due.first(), Some(t0 + s(15)));
        let taken = due.take(t0 + s(15));
        assert_eq!(taken.len(), 2);
        assert!(taken.iter().all(|(_, at)| due.is_regular(*at, s(15))));
        assert!(!due.is_regular(t0 + s(7), s(15)));
        assert_eq!(due.first(), None);
    }

    #[test]
    fn a_change_brings_the_next_look_forward_but_never_back() {
        let t0 = origin();
        let s = Duration::from_secs;
        let mut due = Due::new(t0);
        due.next_interval(&"a", s(15), t0);
        due.at_latest(&"a", t0 + s(3));
        assert_eq!(due.first(), Some(t0 + s(3)));
        due.at_latest(&"a", t0 + s(9));
        assert_eq!(due.take(t0 + s(3)), vec![("a", t0 + s(3))]);
    }

    #[test]
    fn removed_keys_are_never_due() {
        let t0 = origin();
        let mut due = Due::new(t0);
        due.at_latest(&1, t0);
        due.remove(&1);
        assert!(due.take(t0).is_empty());
    }

    #[test]
    fn a_late_look_skips_the_intervals_it_missed() {
        let t0 = origin();
        let s = Duration::from_secs;
        let mut due = Due::new(t0);
        due.next_interval(&"a", s(10), t0 + s(47));
        assert_eq!(due.first(), Some(t0 + s(50)));
    }
}
