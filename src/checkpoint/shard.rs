//! Which object a policy's memory lies in: always the same, as long as there are as many objects.

/// Policies per object, on average: one write covers so many.
pub const POLICIES_PER_OBJECT: usize = 500;

/// Policies whose place a forecast's history takes: 16 KiB before compression, at most 11 KiB after it.
pub const HISTORY_WEIGHT: usize = 8;

/// Objects needed for so many policies.
pub fn objects_for(policies: usize) -> usize {
    policies.div_ceil(POLICIES_PER_OBJECT).max(1)
}

/// The object of a policy. When one object is added, only what moves to it moves at all: "A Fast, Minimal Memory, Consistent Hash
/// Algorithm" (Lamping and Veach, 2014).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Below `objects`, and never negative.
pub fn shard_of(uid: &str, objects: usize) -> usize {
    let mut key = fnv1a(uid.as_bytes());
    let (mut shard, mut next) = (0_usize, 0_usize);
    while next < objects {
        shard = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((shard + 1) as f64 * ((1_u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as usize;
    }
    shard
}

/// FNV-1a with 64 bits: the same in every process and version, which `std`'s hashers do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
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
        (0..10_000).for_each(|n| counts[shard_of(&uid(n), objects)] += 1);
        let most = super::super::OBJECT_BYTES / super::super::RECORD_BYTES;
        assert!(counts.iter().all(|&count| (400..most).contains(&count)), "{counts:?}");
    }

    #[test]
    fn one_more_object_moves_policies_to_it_only() {
        for n in 0..5_000 {
            let (before, after) = (shard_of(&uid(n), 9), shard_of(&uid(n), 10));
            assert!(after == before || after == 9, "{n}: {before} {after}");
        }
    }

    #[test]
    fn the_object_of_a_policy_is_the_same_in_every_version() {
        let shards: Vec<_> = (0..8).map(|n| shard_of(&uid(n), 7)).collect();
        assert_eq!(shards, [1, 2, 5, 6, 6, 6, 3, 6]);
    }
}
