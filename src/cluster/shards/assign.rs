//! Which member should hold which shard: rendezvous hashing with bounded loads that leaves shards where they are as far as balance allows.
//!
//! The pairs of shard and member are gone through from the greatest weight down, those first in which the member already holds the
//! shard, and each shard goes to the first member that has room. Room is S / M shards, and one more for the first S mod M that need
//! it, so the loads differ by one at most. All members that see the same leases come to the same answer.

use crate::hashing::{fnv1a, mix};

/// The member for each shard, as its place in `members`; `None` without members. `holders` are the present ones, also as places: only so
/// many of their shards move as balance demands.
pub fn assign(members: &[&str], holders: &[Option<usize>]) -> Vec<Option<usize>> {
    let shards = holders.len();
    let mut chosen = vec![None; shards];
    if members.is_empty() {
        return chosen;
    }
    let (room, mut extra) = (shards / members.len(), shards % members.len());
    let mut load = vec![0_usize; members.len()];
    let mut pairs: Vec<(bool, u64, &str, usize, usize)> = Vec::with_capacity(shards * members.len());
    for (shard, holder) in holders.iter().enumerate() {
        for (place, member) in members.iter().enumerate() {
            pairs.push((*holder == Some(place), weight(member, shard), member, shard, place));
        }
    }
    pairs.sort_unstable_by(|a, b| b.cmp(a));
    for (_, _, _, shard, place) in pairs {
        if chosen[shard].is_some() || load[place] > room || load[place] == room && extra == 0 {
            continue;
        }
        if load[place] == room {
            extra -= 1;
        }
        load[place] += 1;
        chosen[shard] = Some(place);
    }
    chosen
}

fn weight(member: &str, shard: usize) -> u64 {
    mix(fnv1a(member.as_bytes()) ^ mix(shard as u64 + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(members: &[u16]) -> Vec<String> {
        members.iter().map(|member| format!("ballast-{member}_0f")).collect()
    }

    fn run<'a>(members: &[&'a str], holders: &[Option<&str>]) -> Vec<Option<&'a str>> {
        let places: Vec<_> = holders.iter().map(|holder| members.iter().position(|member| Some(*member) == *holder)).collect();
        assign(members, &places).into_iter().map(|place| place.map(|place| members[place])).collect()
    }

    fn moved(before: &[Option<&str>], after: &[Option<&str>]) -> usize {
        before.iter().zip(after).filter(|(a, b)| a != b).count()
    }

    proptest! {
        #[test]
        fn loads_differ_by_one_at_most_and_order_does_not_matter(
            shards in 1_usize..=64, members in prop::collection::btree_set(any::<u16>(), 1..16), turn in any::<prop::sample::Index>(),
            holders in prop::collection::vec(prop::option::of(0_usize..20), 64),
        ) {
            let names = named(&members.into_iter().collect::<Vec<_>>());
            let mut members: Vec<&str> = names.iter().map(String::as_str).collect();
            let holders: Vec<Option<&str>> = holders[..shards].iter().map(|holder| members.get((*holder)?).copied()).collect();
            let chosen = run(&members, &holders);
            let loads: Vec<usize> = members.iter().map(|member| chosen.iter().filter(|chosen| **chosen == Some(*member)).count()).collect();
            let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
            prop_assert!(chosen.iter().all(Option::is_some) && most - least <= 1, "{:?}", loads);
            let places = members.len();
            members.rotate_left(turn.index(places));
            prop_assert_eq!(&run(&members, &holders), &chosen);
            members.reverse();
            prop_assert_eq!(&run(&members, &holders), &chosen);
            // What is assigned so stays so.
            prop_assert_eq!(&run(&members, &chosen), &chosen);
        }

        /// Who joins is given its share and nobody else anything; when it leaves again, only what it held moves.
        #[test]
        fn as_little_as_possible_moves(shards in 1_usize..=64, members in prop::collection::btree_set(any::<u16>(), 2..16)) {
            let names = named(&members.into_iter().collect::<Vec<_>>());
            let members: Vec<&str> = names.iter().map(String::as_str).collect();
            let (newcomer, old) = members.split_last().unwrap();
            let before = run(old, &vec![None; shards]);
            let after = run(&members, &before);
            let share = after.iter().filter(|chosen| **chosen == Some(*newcomer)).count();
            prop_assert_eq!(moved(&before, &after), share);
            let back = run(old, &after);
            prop_assert_eq!(moved(&after, &back), share);
        }
    }

    #[test]
    fn nobody_is_no_answer_and_one_takes_all() {
        assert_eq!(run(&[], &[None, Some("gone")]), [None, None]);
        assert_eq!(run(&["a"], &[None, Some("gone")]), [Some("a"), Some("a")]);
    }
}
