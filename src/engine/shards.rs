//! Which policies this process decides now: those of the shards it leads. On taking a shard its memory is read before anything is decided; on
//! losing one its policies are dropped, and those of other shards are not touched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tracing::info;

use super::{Engine, LAST_WRITES, labels};
use crate::api::{Compiled, ScalePolicy, compile};
use crate::cluster::{Key, Lead};
use crate::core::Mode;

/// A policy of a shard that others lead: whether it counts as a rival, and for whose annotations it matters.
pub(super) struct Other {
    pub object: Arc<ScalePolicy>,
    /// Whether it can be used and writes what it decides.
    pub scales: bool,
}

/// A shard on its way to another member: its policies are not decided any more.
#[derive(Clone, Copy)]
pub(super) enum Leaving {
    /// What was decided is being written, no longer than this.
    Writing(Instant),
    /// Memory is being saved, no longer than this.
    Saving(Instant),
}

impl Engine {
    /// Follows what [`crate::cluster::Shards`] says.
    pub(super) fn follow_shards(&mut self) {
        let led = self.parts.shards.led();
        // A new term means that others may have decided in between: what counts is what they saved.
        let lost: Vec<Lead> = self.led.values().filter(|lead| !led.contains(lead)).copied().collect();
        if !lost.is_empty() {
            self.lose(&lost);
        }
        let gained: Vec<Lead> = led.into_iter().filter(|lead| !self.led.contains_key(&lead.shard)).collect();
        if gained.is_empty() {
            self.remember.forget();
        } else if self.remember.is_read(&gained) {
            self.gain(gained);
        }
        self.hand_over();
    }

    fn gain(&mut self, gained: Vec<Lead>) {
        for lead in gained {
            info!(shard = lead.shard, of = self.parts.shards.count(), "leading: this process decides the policies of a shard from now on");
            self.led.insert(lead.shard, lead);
        }
        for (key, policy) in self.parts.index.policies() {
            let known = self.entries.get(&key).is_some_and(|entry| entry.object.metadata.uid == policy.metadata.uid);
            if !known {
                self.insert(&key, policy);
            }
        }
        for key in self.parts.index.malformed_policies() {
            self.malformed(&key);
        }
        for workload in self.parts.index.annotated() {
            self.reread(workload);
        }
        self.memory_restored();
        self.show_led();
    }

    fn lose(&mut self, lost: &[Lead]) {
        for lead in lost {
            info!(shard = lead.shard, of = self.parts.shards.count(), "not leading: the policies of a shard are not decided here any more");
            self.led.remove(&lead.shard);
            self.leaving.remove(&lead.shard);
            self.remember.forget_shard(lead.shard);
        }
        let gone: Vec<Key> = self.entries.iter().filter(|(_, entry)| lost.contains(&entry.lead)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            if let Some(entry) = self.drop_entry(&key)
                && !self.led.is_empty()
            {
                let scales = entry.compiled.as_ref().is_ok_and(|compiled| writes(compiled));
                self.others.insert(key, Other { object: entry.object, scales });
            }
        }
        let shards = &self.parts.shards;
        self.malformed.retain(|_, malformed| lost.iter().all(|lead| lead.shard != shards.shard(&malformed.uid)));
        if self.led.is_empty() {
            self.others.clear();
            self.parts.metrics.forget_policies();
            self.parts.status.clear();
        }
        self.show_led();
    }

    /// Forgets a policy without a word: it may still exist.
    pub(super) fn drop_entry(&mut self, key: &Key) -> Option<Box<super::Entry>> {
        let entry = self.entries.remove(key)?;
        self.due.remove(key);
        self.parts.status.forget(key);
        self.parts.metrics.forget(&labels(key));
        Some(entry)
    }

    fn show_led(&self) {
        let led = i64::try_from(self.led.len()).unwrap_or(i64::MAX);
        self.parts.metrics.shards_led.set(led);
        self.parts.metrics.leader.set(led.min(1));
        self.count();
    }

    /// Takes shards that another member should have through their steps: no more decisions, the end of writes, the last checkpoint.
    fn hand_over(&mut self) {
        let now = self.parts.clock.instant();
        for shard in self.parts.shards.leaving() {
            if self.led.contains_key(&shard) && !self.leaving.contains_key(&shard) {
                self.leaving.insert(shard, Leaving::Writing(now + LAST_WRITES));
            } else if !self.led.contains_key(&shard) {
                // Its memory was not read yet: there is nothing to finish.
                self.parts.shards.handed_over(shard);
            }
        }
        let steps: BTreeMap<usize, Leaving> = self.leaving.clone();
        for (shard, step) in steps {
            let next = match step {
                Leaving::Writing(end) if now < end && self.is_writing(shard) => step,
                Leaving::Writing(_) => {
                    self.checkpoint_of(&[shard]);
                    Leaving::Saving(now + LAST_WRITES)
                }
                Leaving::Saving(end) if now < end && self.is_checkpointing(shard) => step,
                Leaving::Saving(_) => {
                    if let Some(lead) = self.led.get(&shard).copied() {
                        self.lose(&[lead]);
                    }
                    self.parts.shards.handed_over(shard);
                    continue;
                }
            };
            self.leaving.insert(shard, next);
        }
    }

    /// Whether sizes or statuses of a shard's policies are still to be written.
    fn is_writing(&self, shard: usize) -> bool {
        let mut entries = self.entries.iter().filter(|(_, entry)| entry.lead.shard == shard);
        entries.any(|(key, entry)| entry.writing.is_some() || self.parts.status.waits(key))
    }

    /// A policy that others decide: taken note of, or gone.
    pub(super) fn insert_other(&mut self, key: &Key, policy: Arc<ScalePolicy>) {
        // A namesake in another shard.
        self.drop_entry(key);
        self.malformed.remove(key);
        if let Some(other) = self.others.get_mut(key) {
            let (before, now) = (&other.object.metadata, &policy.metadata);
            let same = (&before.uid, before.generation, &before.labels, &before.owner_references)
                == (&now.uid, now.generation, &now.labels, &now.owner_references);
            if same {
                other.object = policy;
                return;
            }
        }
        self.reread_target(&policy);
        let scales = compile(&policy, &self.parts.defaults.of(&key.namespace)).is_ok_and(|compiled| writes(&compiled));
        let rivals = self.parts.index.rivals(key, &policy.spec.scale_target_ref, |rival| self.scales(rival)).policies;
        self.others.insert(key.clone(), Other { object: policy, scales });
        for rival in &rivals {
            self.look_soon(rival);
        }
    }

    /// Whether a policy can be used and writes what it decides, whoever decides it; one that is not known yet might.
    pub(super) fn scales(&self, key: &Key) -> bool {
        match (self.entries.get(key), self.others.get(key)) {
            (Some(entry), _) => entry.compiled.as_ref().is_ok_and(|compiled| writes(compiled)),
            (None, Some(other)) => other.scales,
            (None, None) => true,
        }
    }
}

fn writes(compiled: &Compiled) -> bool {
    compiled.policy.mode == Mode::Enforce
}
