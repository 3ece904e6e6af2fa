//! What the leases say about members and shards, seen with our own clock: who lives, and who may take what.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::assign::assign;
use crate::cluster::lease::{Observed, Seen, Step, evaluate};

/// A member lease.
pub struct Slot {
    /// What is to be known of any lease.
    pub seen: Seen,
    /// Whether its member works with as many shards as we do.
    pub same_scheme: bool,
}

/// What is known of members over time.
#[derive(Default)]
pub struct View {
    slots: HashMap<usize, Observed>,
    /// When each member was seen to renew last, and how long that holds.
    renewed: HashMap<String, (Instant, Duration)>,
    /// Since when a shard has had no living holder.
    free: HashMap<usize, Instant>,
    /// Shards that we took although another member should have, and until when we keep them.
    kept: HashMap<usize, Instant>,
}

/// What to do about a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nobody living holds it, and it is our turn.
    Take,
    /// We hold it, and should.
    Keep,
    /// We hold it, and another member should.
    Leave,
    /// We should hold it, and another member does not let go yet.
    Expect,
    /// It is for others.
    Ignore,
}

// === impl View ===

impl View {
    /// Takes note of all member leases, and gives the free ones' numbers up to `most`, those never made last.
    pub fn members(&mut self, me: &str, slots: &BTreeMap<usize, Slot>, most: usize, now: Instant) -> (Vec<String>, Vec<usize>) {
        let (mut live, mut free) = (Vec::new(), Vec::new());
        for (&number, slot) in slots {
            let (step, observed) = evaluate(me, &slot.seen, self.slots.remove(&number), now);
            let at = observed.at;
            self.slots.insert(number, observed);
            let Some(holder) = slot.seen.holder.clone().filter(|_| step != Step::Acquire) else {
                free.push(number);
                continue;
            };
            self.renewed.insert(holder.clone(), (at, slot.seen.duration));
            if slot.same_scheme && holder != me {
                live.push(holder);
            }
        }
        free.extend((0..most).filter(|number| !slots.contains_key(number)));
        live.push(me.to_owned());
        live.sort_unstable();
        live.dedup();
        (live, free)
    }

    /// What to do about each shard, by their holders. `patience` is how long the member whose turn it is has before others take its shard, and
    /// how long a holder whose member lease was never seen is believed to live.
    pub fn shards(&mut self, me: &str, live: &[String], holders: &[Option<String>], patience: Duration, now: Instant) -> Vec<Action> {
        for holder in holders.iter().flatten() {
            self.renewed.entry(holder.clone()).or_insert((now, patience));
        }
        self.renewed.retain(|member, _| live.contains(member) || holders.iter().flatten().any(|holder| holder == member));
        let members: Vec<&str> = live.iter().map(String::as_str).collect();
        let mine = members.iter().position(|member| *member == me);
        let places: Vec<_> = holders.iter().map(|holder| members.iter().position(|member| Some(*member) == holder.as_deref())).collect();
        let chosen = assign(&members, &places);
        let mut actions = Vec::with_capacity(holders.len());
        for (shard, holder) in holders.iter().enumerate() {
            let ours = chosen[shard] == mine;
            let lives = holder.as_ref().is_some_and(|holder| {
                holder == me || self.renewed.get(holder).is_some_and(|(at, lasts)| now.saturating_duration_since(*at) < *lasts)
            });
            actions.push(if lives {
                self.free.remove(&shard);
                match (holder.as_deref() == Some(me), ours) {
                    (true, true) => {
                        self.kept.remove(&shard);
                        Action::Keep
                    }
                    (true, false) if self.kept.get(&shard).is_some_and(|until| now < *until) => Action::Keep,
                    (true, false) => Action::Leave,
                    (false, true) => Action::Expect,
                    (false, false) => Action::Ignore,
                }
            } else {
                let since = *self.free.entry(shard).or_insert(now);
                let late = now.saturating_duration_since(since) >= patience;
                if late && !ours {
                    self.kept.insert(shard, now + patience * 4);
                }
                if ours || late { Action::Take } else { Action::Ignore }
            });
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(15);

    fn start() -> Instant {
        crate::clock::Clock::real().instant()
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn slots(holders: &[(&str, &str)]) -> BTreeMap<usize, Slot> {
        let slot = |(holder, version): &(&str, &str)| Slot {
            seen: Seen { holder: Some((*holder).to_owned()).filter(|h| !h.is_empty()), version: (*version).to_owned(), duration: LASTS },
            same_scheme: !holder.starts_with("other"),
        };
        holders.iter().map(slot).enumerate().collect()
    }

    fn held(by: &[&str]) -> Vec<Option<String>> {
        by.iter().map(|holder| Some((*holder).to_owned()).filter(|holder| !holder.is_empty())).collect()
    }

    #[test]
    fn members_live_while_they_renew_and_those_of_another_scheme_do_not_count() {
        let (t, mut view) = (start(), View::default());
        let now = slots(&[("b", "1"), ("", "2"), ("other", "3"), ("c", "4")]);
        assert_eq!(view.members("me", &now, 6, t), (vec!["b".to_owned(), "c".to_owned(), "me".to_owned()], vec![1, 4, 5]));
        let later = slots(&[("b", "1"), ("", "2"), ("other", "3"), ("c", "9")]);
        view.members("me", &later, 6, t + s(10));
        assert_eq!(view.members("me", &later, 6, t + s(15)), (vec!["c".to_owned(), "me".to_owned()], vec![0, 1, 2, 4, 5]));
    }

    #[test]
    fn a_dead_holders_shard_is_taken_when_its_time_is_over() {
        let (t, mut view) = (start(), View::default());
        view.members("me", &slots(&[("b", "1")]), 2, t);
        let live = ["b", "me"].map(str::to_owned);
        assert_eq!(view.shards("me", &live, &held(&["b", "me"]), LASTS, t), [Action::Ignore, Action::Keep]);
        // The member lease is gone, or another's by now: its shards are still its own for as long as its last renewal holds.
        let alone = ["me"].map(str::to_owned);
        assert_eq!(view.shards("me", &alone, &held(&["b", "me"]), LASTS, t + s(14)), [Action::Expect, Action::Keep]);
        assert_eq!(view.shards("me", &alone, &held(&["b", "me"]), LASTS, t + s(15)), [Action::Take, Action::Keep]);
    }

    #[test]
    fn a_holder_never_seen_alive_is_waited_for() {
        let (t, mut view) = (start(), View::default());
        let alone = ["me"].map(str::to_owned);
        assert_eq!(view.shards("me", &alone, &held(&["stranger"]), LASTS, t), [Action::Expect]);
        assert_eq!(view.shards("me", &alone, &held(&["stranger"]), LASTS, t + s(15)), [Action::Take]);
    }

    #[test]
    fn what_is_another_members_turn_is_left_to_it_for_a_while() {
        let (t, mut view) = (start(), View::default());
        let live = ["b", "me"].map(str::to_owned);
        let first = view.shards("me", &live, &held(&["", ""]), LASTS, t);
        assert_eq!(first.iter().filter(|action| **action == Action::Take).count(), 1, "{first:?}");
        let theirs = first.iter().position(|action| *action == Action::Ignore).unwrap();
        let mut now = held(&["me", "me"]);
        now[theirs] = None;
        assert_eq!(view.shards("me", &live, &now, LASTS, t + s(14))[theirs], Action::Ignore);
        assert_eq!(view.shards("me", &live, &now, LASTS, t + s(15))[theirs], Action::Take);
        // It is not handed back at once: that member had its chance.
        let both = held(&["me", "me"]);
        assert_eq!(view.shards("me", &live, &both, LASTS, t + s(16)), [Action::Keep; 2]);
        let later = view.shards("me", &live, &both, LASTS, t + s(80));
        assert_eq!(later.iter().filter(|action| **action == Action::Leave).count(), 1, "{later:?}");
    }
}
