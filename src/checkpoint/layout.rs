//! Which objects hold the memory of which policies, when several processes write them.
//!
//! Of S shards, number s writes the objects n with n mod S = s and no others, so each object has one writer at a time. Nothing that is
//! saved is lost when S changes, or when a shard needs more objects:
//!
//! 1. Whoever takes a shard reads **all** objects, and takes the records of its policies from wherever they are, the newest of each.
//! 2. A record that lies elsewhere than it belongs is due: it is written to where it belongs with the next checkpoint, although nothing changed.
//! 3. Until that is done the object it lies in keeps it. Whoever rewrites an object keeps in it the records of existing policies of other
//!    shards that it found there, unless a copy that is as new lies where it belongs; so they are there for their owner, whenever
//!    it comes to read them. Of its own policies it keeps those whose move is not done.
//! 4. What is kept so for others is not looked at again before the next take-over. It is one record per policy at most, and older than the
//!    one that its owner has written by then, so nobody restores it.

use super::{object_of, objects_for};

/// Most objects: the chart grants access to so many names, and to no other `ConfigMap`.
pub const OBJECTS: usize = 64;

/// The objects of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    shards: usize,
    shard: usize,
    objects: usize,
}

// === impl Layout ===

impl Layout {
    /// The objects of a shard, of so many shards, one at first.
    pub const fn new(shards: usize, shard: usize) -> Self {
        Self { shards, shard, objects: 1 }
    }

    /// Makes room for so many policies. Objects are never given up again, so that records stay where they are.
    pub fn grow(&mut self, policies: usize) {
        let most = (OBJECTS - self.shard).div_ceil(self.shards).max(1);
        self.objects = objects_for(policies).max(self.objects).min(most);
    }

    /// Whether this shard writes an object.
    pub const fn owns(&self, object: usize) -> bool {
        object % self.shards == self.shard
    }

    /// Where the record of a policy of this shard belongs.
    pub fn object(&self, uid: &str) -> usize {
        object_of(uid, self.objects) * self.shards + self.shard
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::checkpoint::POLICIES_PER_OBJECT;

    #[test]
    fn every_object_has_one_shard_and_every_record_an_object() {
        for shards in 1..=OBJECTS {
            let mut used = BTreeSet::new();
            for shard in 0..shards {
                let mut layout = Layout::new(shards, shard);
                layout.grow(POLICIES_PER_OBJECT * 3);
                layout.grow(1);
                for n in 0..200 {
                    let object = layout.object(&format!("uid-{n}"));
                    assert!(object < OBJECTS && layout.owns(object), "{shards} {shard} {object}");
                    used.insert(object);
                }
            }
            assert!(used.len() >= shards, "{shards}: {used:?}");
        }
    }

    #[test]
    fn one_shard_has_the_objects_in_their_order() {
        let mut layout = Layout::new(1, 0);
        layout.grow(POLICIES_PER_OBJECT * 7);
        assert!((0..100).all(|n| layout.object(&format!("{n}")) == object_of(&format!("{n}"), 7)));
    }
}
