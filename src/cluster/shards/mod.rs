//! Which policies this process decides. There is a fixed number of shards, and each object that is decided about belongs to one of them, by
//! its UID. One shard is the plain leader mode: `lease` holds it. Several are shared out among the live members by `member`.
//!
//! Whoever writes asks [`Shards`] at the write: what it answers is true by our own monotonic clock, whatever became of the leases meanwhile.

mod assign;
mod member;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::hashing::{fnv1a, jump, mix};

pub use member::{MEMBERS, run as run_member};

/// Most shards. Each has at least one of the objects that memory is kept in.
pub const MOST: usize = 64;

/// Keeps the shard of a UID independent of the object that its memory lies in.
const SALT: u64 = 0x5368_6172_6473_2121;

/// A shard, and since when it is ours: another term means that others may have decided in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// Which shard.
    pub shard: usize,
    /// Counts how often this process has begun to lead any.
    pub term: u64,
}

/// The shards that this process leads; clones share it.
#[derive(Clone, Debug)]
pub struct Shards {
    count: usize,
    clock: Clock,
    state: Arc<Mutex<State>>,
    /// Wakes the task that holds the leases.
    handed_over: Arc<Notify>,
    /// Wakes the engine.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    until: Until,
    term: u64,
    held: BTreeMap<usize, Held>,
    /// Who holds each shard, as last seen, while others do.
    holders: BTreeMap<usize, String>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    term: u64,
    leaving: Leaving,
}

/// How far a shard has come on its way to another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// No new decisions; what is under way ends.
    Asked,
    /// Nothing is under way any more: the lease can go.
    Done,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    Never,
    At(Instant),
    Always,
}

// === impl State ===

impl State {
    fn is_active(&self, now: Instant) -> bool {
        match self.until {
            Until::Never => false,
            Until::Always => true,
            Until::At(until) => now < until,
        }
    }
}

/// The shard of an object with this UID, of so many.
pub fn shard_of(uid: &str, shards: usize) -> usize {
    if shards <= 1 { 0 } else { jump(mix(fnv1a(uid.as_bytes()) ^ SALT), shards) }
}

// === impl Shards: what everybody asks ===

impl Shards {
    /// One shard that is led without a lease: for a single process (`--leader-elect=false`).
    pub fn always(clock: Clock) -> Self {
        let shards = Self::standby(clock, 1);
        shards.state.lock().until = Until::Always;
        shards.hold(0);
        shards
    }

    /// So many shards, of which none is led until its lease is taken.
    pub fn standby(clock: Clock, count: usize) -> Self {
        let state = State { until: Until::Never, term: 0, held: BTreeMap::new(), holders: BTreeMap::new() };
        Self { count, clock, state: Arc::new(Mutex::new(state)), handed_over: Arc::default(), changed: Arc::default() }
    }

    /// How many shards there are, led or not.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The shard of an object with this UID.
    pub fn shard(&self, uid: &str) -> usize {
        shard_of(uid, self.count)
    }

    /// Whether this process may write now what belongs to this UID.
    pub fn leads(&self, uid: &str) -> bool {
        self.leads_shard(self.shard(uid))
    }

    /// Whether this process may write now what belongs to this shard.
    pub fn leads_shard(&self, shard: usize) -> bool {
        let state = self.state.lock();
        state.held.contains_key(&shard) && state.is_active(self.clock.instant())
    }

    /// Whether a term that began earlier still lasts: what was decided in it may be written.
    pub fn holds(&self, lead: Lead) -> bool {
        let state = self.state.lock();
        state.held.get(&lead.shard).is_some_and(|held| held.term == lead.term) && state.is_active(self.clock.instant())
    }

    /// Whether this process leads anything.
    pub fn leads_any(&self) -> bool {
        let state = self.state.lock();
        !state.held.is_empty() && state.is_active(self.clock.instant())
    }

    /// All that is led now, also what is about to be handed over.
    pub fn led(&self) -> Vec<Lead> {
        let state = self.state.lock();
        if !state.is_active(self.clock.instant()) {
            return Vec::new();
        }
        state.held.iter().map(|(&shard, held)| Lead { shard, term: held.term }).collect()
    }

    /// What should be handed over: no new decisions, and [`Shards::handed_over`] once nothing is under way.
    pub fn leaving(&self) -> Vec<usize> {
        self.state.lock().held.iter().filter(|(_, held)| held.leaving == Leaving::Asked).map(|(&shard, _)| shard).collect()
    }

    /// Nothing is under way any more for this shard: from now on it is not led, and its lease will be released.
    pub fn handed_over(&self, shard: usize) {
        if let Some(held) = self.state.lock().held.get_mut(&shard) {
            held.leaving = Leaving::Done;
        }
        self.handed_over.notify_one();
    }

    /// Waits for a shard that is gained, or that should be handed over. One that is lost is no such news: it is asked for at each write.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Who decided about this shard when its lease was read last, while it is somebody else.
    pub fn holder(&self, shard: usize) -> Option<String> {
        self.state.lock().holders.get(&shard).cloned()
    }
}

// === impl Shards: what those say who hold the leases ===

impl Shards {
    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is held now is held until then. What was held before begins anew if it was not renewed in time: others may have had it.
    pub(super) fn extend(&self, until: Instant) {
        let mut state = self.state.lock();
        if !state.is_active(self.clock.instant()) {
            state.held.clear();
        }
        state.until = Until::At(until);
    }

    /// Nothing is held any more.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock();
        state.until = Until::Never;
        state.held.clear();
    }

    /// The lease of a shard is ours, for as long as [`Shards::extend`] says.
    pub(super) fn hold(&self, shard: usize) {
        let mut state = self.state.lock();
        state.holders.remove(&shard);
        if !state.held.contains_key(&shard) {
            state.term += 1;
            let held = Held { term: state.term, leaving: Leaving::No };
            state.held.insert(shard, held);
            self.changed.notify_one();
        }
    }

    /// The lease of a shard is not ours.
    pub(super) fn let_go(&self, shard: usize, holder: Option<&str>) {
        let mut state = self.state.lock();
        state.held.remove(&shard);
        match holder.filter(|holder| !holder.is_empty()) {
            Some(holder) => drop(state.holders.insert(shard, holder.to_owned())),
            None => drop(state.holders.remove(&shard)),
        }
    }

    /// Asks for a shard to be handed over.
    pub(super) fn leave(&self, shard: usize) {
        if let Some(held) = self.state.lock().held.get_mut(&shard).filter(|held| held.leaving == Leaving::No) {
            held.leaving = Leaving::Asked;
            self.changed.notify_one();
        }
    }

    /// Takes what has been handed over; it is no longer led.
    pub(super) fn take_handed_over(&self) -> Vec<usize> {
        let mut state = self.state.lock();
        let done: Vec<usize> = state.held.iter().filter(|(_, held)| held.leaving == Leaving::Done).map(|(&shard, _)| shard).collect();
        for shard in &done {
            state.held.remove(shard);
        }
        done
    }

    pub(super) async fn any_handed_over(&self) {
        self.handed_over.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::Time;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn three() -> (Clock, Shards) {
        let clock = Clock::manual(Time::from_secs(0));
        let shards = Shards::standby(clock.clone(), 3);
        shards.extend(clock.instant() + DEADLINE);
        shards.hold(0);
        shards.hold(2);
        (clock, shards)
    }

    #[test]
    fn what_is_held_is_led_until_the_deadline_and_not_a_moment_longer() {
        let (clock, shards) = three();
        assert!(shards.leads_shard(0) && !shards.leads_shard(1) && shards.leads_any());
        clock.advance(DEADLINE.checked_sub(Duration::from_millis(1)).unwrap());
        assert!(shards.leads_shard(2));
        clock.advance(Duration::from_millis(1));
        assert!(!shards.leads_shard(2) && !shards.leads_any() && shards.led().is_empty());
    }

    #[test]
    fn what_was_not_renewed_in_time_must_be_taken_again() {
        let (clock, shards) = three();
        let before = shards.led();
        clock.advance(DEADLINE / 2);
        shards.extend(clock.instant() + DEADLINE);
        assert_eq!(shards.led(), before, "renewed in time: the same term");
        clock.advance(DEADLINE);
        shards.extend(clock.instant() + DEADLINE);
        assert!(shards.led().is_empty(), "others may have had it");
        shards.hold(0);
        assert!(shards.leads_shard(0) && !shards.holds(before[0]), "another term: what was decided before is not written");
    }

    #[test]
    fn a_shard_is_led_until_it_is_handed_over() {
        let (_, shards) = three();
        shards.leave(2);
        assert_eq!(shards.leaving(), [2]);
        assert!(shards.leads_shard(2), "what is under way may be written");
        assert!(shards.take_handed_over().is_empty());
        shards.handed_over(2);
        assert_eq!(shards.take_handed_over(), [2]);
        assert!(!shards.leads_shard(2) && shards.leads_shard(0));
    }

    #[test]
    fn one_process_alone_leads_everything_without_a_lease() {
        let clock = Clock::manual(Time::from_secs(0));
        let shards = Shards::always(clock.clone());
        clock.advance(DEADLINE * 100);
        assert!(shards.leads("any") && shards.holds(shards.led()[0]));
    }

    #[test]
    fn uids_spread_evenly_over_shards_and_again_over_the_objects_of_a_shard() {
        let uids: Vec<String> = (0..8_000).map(|n| format!("6f2c41d0-0d7b-4f6e-9c1a-{n:012x}")).collect();
        let mut counts = vec![[0_usize; 4]; 8];
        for uid in &uids {
            counts[shard_of(uid, 8)][crate::checkpoint::object_of(uid, 4)] += 1;
        }
        assert!(counts.iter().flatten().all(|count| (180..330).contains(count)), "{counts:?}");
    }
}
