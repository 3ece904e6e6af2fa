//! Hashes that are the same in every process and version, which `std`'s hashers do not promise.

/// FNV-1a with 64 bits.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Spreads a weak hash over all bits: the finalizer of `SplitMix64` (Steele, Lea and Flood, 2014).
pub const fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// One of so many buckets. When one is added, only what moves to it moves at all: "A Fast, Minimal Memory, Consistent Hash Algorithm"
/// (Lamping and Veach, 2014).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Below `buckets`, and never negative.
pub fn jump(mut key: u64, buckets: usize) -> usize {
    let (mut bucket, mut next) = (0_usize, 0_usize);
    while next < buckets {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) as f64 * ((1_u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as usize;
    }
    bucket
}
