//! Past proposals and own moves, bounded in size.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::Time;

/// Most entries kept of one kind. Beyond it the oldest two are merged so that they hold longer, never shorter.
const CAPACITY: usize = 512;

/// A proposal and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    pub time: Time,
    pub replicas: u32,
}

/// Past proposals, before limits, as far as they can still matter.
///
/// Of the highest proposals only those are kept that no later one reaches, and likewise of the lowest: the first kept entry within
/// a window is then the extreme of that window, for every window, and a steady load costs one entry instead of hundreds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposals {
    /// Oldest first, falling.
    highs: Vec<Proposal>,
    /// Oldest first, rising.
    lows: Vec<Proposal>,
}

impl Proposals {
    /// The highest proposal that is `recent`.
    pub fn highest(&self, recent: impl Fn(Time) -> bool) -> Option<Proposal> {
        self.highs.iter().find(|past| recent(past.time)).copied()
    }

    /// The lowest proposal that is `recent`.
    pub fn lowest(&self, recent: impl Fn(Time) -> bool) -> Option<Proposal> {
        self.lows.iter().find(|past| recent(past.time)).copied()
    }

    /// Adds a proposal and forgets those older than `window`.
    pub fn store(&mut self, replicas: u32, now: Time, window: Duration) {
        self.store_range(replicas, replicas, now, window);
    }

    /// Adds a proposal of which only `lasting` counts among the highest.
    pub fn store_range(&mut self, lasting: u32, replicas: u32, now: Time, window: Duration) {
        push(&mut self.highs, Proposal { time: now, replicas: lasting }, now - window, |past| past.replicas <= lasting);
        push(&mut self.lows, Proposal { time: now, replicas }, now - window, |past| past.replicas >= replicas);
    }

    /// The newest proposal.
    pub fn last(&self) -> Option<u32> {
        self.lows.last().map(|past| past.replicas)
    }

    /// Whether all that is remembered are proposals of one size.
    pub fn is_constant(&self) -> bool {
        self.highs.len() <= 1 && self.lows.len() <= 1
    }

    /// Keeps so many entries at most, by the rule of [`CAPACITY`].
    pub fn compact(&mut self, entries: usize) {
        merge(&mut self.highs, entries);
        merge(&mut self.lows, entries);
    }

    /// Replaces all times.
    pub fn adjust(&mut self, by: impl Fn(Time) -> Time) {
        for past in self.highs.iter_mut().chain(&mut self.lows) {
            past.time = by(past.time);
        }
    }
}

fn push(list: &mut Vec<Proposal>, new: Proposal, oldest: Time, dominated: impl Fn(&Proposal) -> bool) {
    list.retain(|past| past.time >= oldest);
    while list.last().is_some_and(&dominated) {
        list.pop();
    }
    list.push(new);
    merge(list, CAPACITY);
}

fn merge(list: &mut Vec<Proposal>, entries: usize) {
    while list.len() > entries.max(1) {
        let extreme = list.remove(0).replicas;
        list[0].replicas = extreme;
    }
}

/// One own move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    time: Time,
    replicas: u32,
    /// Older than every period when a later move was stored; its place is free.
    outdated: bool,
}

/// Own moves in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    /// Adds a move. At most one outdated move gives way to it, as in the stock rule; the others still count for longer periods of
    /// the other direction.
    pub fn store(&mut self, replicas: u32, now: Time, longest_period: Duration) {
        let cutoff = now - longest_period;
        for change in &mut self.0 {
            change.outdated |= change.time < cutoff;
        }
        let new = Change { time: now, replicas, outdated: false };
        match self.0.iter_mut().rev().find(|change| change.outdated) {
            Some(place) => *place = new,
            None => self.0.push(new),
        }
        self.compact(CAPACITY);
    }

    /// Keeps so many entries at most, by the rule of [`CAPACITY`].
    pub fn compact(&mut self, entries: usize) {
        if self.0.len() > entries {
            self.0.sort_by_key(|change| change.time);
        }
        while self.0.len() > entries.max(1) {
            let merged = self.0.remove(0).replicas;
            self.0[0].replicas = self.0[0].replicas.saturating_add(merged);
        }
    }

    /// Whether a move of so many replicas was made in the second that begins at `second`.
    pub fn has(&self, replicas: u32, second: Time) -> bool {
        self.0.iter().any(|change| change.replicas == replicas && change.time >= second && change.time < second + Duration::from_secs(1))
    }

    /// Replicas moved within the period, which excludes its far end.
    pub fn within(&self, period: Duration, now: Time) -> i64 {
        self.recent(period, now).map(|change| i64::from(change.replicas)).sum()
    }

    /// When the next of these moves leaves the period.
    pub fn next_expiry(&self, period: Duration, now: Time) -> Option<Time> {
        self.recent(period, now).map(|change| change.time + period).min()
    }

    fn recent(&self, period: Duration, now: Time) -> impl Iterator<Item = &Change> {
        let cutoff = now - period;
        self.0.iter().filter(move |change| change.time > cutoff)
    }

    /// Replaces all times.
    pub fn adjust(&mut self, by: impl Fn(Time) -> Time) {
        for change in &mut self.0 {
            change.time = by(change.time);
        }
    }
}
