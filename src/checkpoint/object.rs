//! Which object a policy's memory lies in: always the same, as long as there are as many objects.

use crate::hashing::{fnv1a, jump};

/// Policies per object, on average: one write covers so many.
pub const POLICIES_PER_OBJECT: usize = 500;

/// Policies whose place a forecast's history takes: 16 KiB before compression, at most 11 KiB after it.
pub const HISTORY_WEIGHT: usize = 8;

/// Objects needed for so many policies.
pub fn objects_for(policies: usize) -> usize {
    policies.div_ceil(POLICIES_PER_OBJECT).max(1)
}

/// The object of a policy. When one object is added, only what moves to it moves at all.
pub fn object_of(uid: &str, objects: usize) -> usize {
    jump(fnv1a(uid.as_bytes()), objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(n: usize) -> String {
        format!("6f2c41d0-0d7b-4f6e-9c1a-{n:012x}")
    }

    #[test]
    fn policies_spread_evenly_and_the_objects_stay_below_their_limit() {
        let objects = objects_for(10_000);
        assert_eq!(objects, 20);
        let mut counts = vec![0_usize; objects];
        (0..10_000).for_each(|n| counts[object_of(&uid(n), objects)] += 1);
        let most = super::super::OBJECT_BYTES / super::super::RECORD_BYTES;
        assert!(counts.iter().all(|&count| (400..most).contains(&count)), "{counts:?}");
    }

    #[test]
    fn one_more_object_moves_policies_to_it_only() {
        for n in 0..5_000 {
            let (before, after) = (object_of(&uid(n), 9), object_of(&uid(n), 10));
            assert!(after == before || after == 9, "{n}: {before} {after}");
        }
    }

    #[test]
    fn the_object_of_a_policy_is_the_same_in_every_version() {
        let shards: Vec<_> = (0..8).map(|n| object_of(&uid(n), 7)).collect();
        assert_eq!(shards, [1, 2, 5, 6, 6, 6, 3, 6]);
    }
}
