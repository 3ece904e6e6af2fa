//! What is saved when, and what comes of it: the rules of `core::resume` as one policy follows them.

use std::time::Duration;

use super::{Record, record, whole};
use crate::core::{Memory, Policy, Time};

/// A restart or a failover takes this long at most: the lease runs out after 15 s, then come the lists.
const FAILOVER: Duration = Duration::from_secs(30);

/// An own move as the policy's status tells it: to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Begin of that second.
    pub second: Time,
    /// Size before.
    pub from: u32,
    /// Size after.
    pub to: u32,
}

/// What forecasts learned is worth a checkpoint once it is longer by this: an hour that is lost is a gap of twelve slots.
const LEARNED: Duration = Duration::from_hours(1);

/// What a successor would find of one policy's memory: the newest of checkpoint and status.
#[derive(Clone, Debug, Default)]
pub struct Keeper {
    /// Without what forecasts learned.
    saved: Option<Record>,
    /// Up to when that is in a checkpoint.
    learned: Option<Time>,
    /// The object it lies in, if it is in any.
    object: Option<usize>,
}

// === impl Keeper ===

impl Keeper {
    /// What to put into the status at once, if anything: after a move, and when a successor would otherwise shrink too early.
    pub fn at_once(&mut self, uid: &str, memory: &Memory, policy: &Policy, moved: bool, now: Time) -> Option<Record> {
        if !memory.is_current() || !moved && !memory.outgrows(self.saved.as_ref().map(|saved| &saved.memory), policy) {
            return None;
        }
        let record = record(uid, now, memory);
        self.saved = Some(record.clone());
        Some(record)
    }

    /// What belongs into a checkpoint that is taken now, if anything is known yet.
    pub fn record(&self, uid: &str, memory: &Memory, now: Time) -> Option<Record> {
        // Nothing was decided since it was restored: the hole goes on.
        if memory.is_current() {
            return Some(whole(uid, now, memory));
        }
        let mut record = self.saved.clone()?;
        record.memory.learn_from(memory);
        Some(record)
    }

    /// Whether the next checkpoint would tell a successor anything new.
    pub fn is_due(&self, memory: &Memory, policy: &Policy) -> bool {
        let learned = memory.learned_until().is_some_and(|end| self.learned.is_none_or(|saved| end.since(saved) >= LEARNED));
        memory.is_current() && (learned || self.saved.as_ref().is_none_or(|saved| !memory.same_as(&saved.memory, policy)))
    }

    /// The object in which the last checkpoint lies, if there is one.
    pub const fn object(&self) -> Option<usize> {
        self.object
    }

    /// The newest record lies in this object.
    pub const fn lies_in(&mut self, object: usize) {
        self.object = Some(object);
    }

    /// A checkpoint was written. What was put into the status since then is newer.
    pub fn written(&mut self, mut record: Record) {
        self.learned = record.memory.learned_until();
        record.memory.keep_learned(0);
        if self.saved.as_ref().is_none_or(|saved| saved.taken <= record.taken) {
            self.saved = Some(record);
        }
    }

    /// The memory for a successor that begins now, from what was found. Without any, the moves are still known, and the first decision
    /// takes the size that it finds as proposed: scale-in waits for a whole window. `size` is the one that the status shows, if any: a
    /// move that was made but not told is seen by it.
    pub fn restore(found: Vec<Record>, moves: &[Move], size: Option<u32>, interval: Duration) -> (Self, Memory) {
        let Some(mut newest) = found.iter().max_by_key(|record| record.taken).cloned() else {
            let mut memory = recalled(Memory::default(), moves);
            if let Some(size) = size {
                memory.resume_unknown(size);
            }
            return (Self::default(), memory);
        };
        let second = Duration::from_secs(1);
        let later: Vec<Move> = moves.iter().filter(|m| m.second + second > newest.taken).copied().collect();
        let mut memory = recalled(newest.memory.clone(), &later);
        // What forecasts learned is in checkpoints only.
        for record in found {
            memory.learn_from(&record.memory);
        }
        memory.resume(newest.taken, interval + FAILOVER);
        newest.memory.keep_learned(0);
        (Self { saved: Some(newest), learned: memory.learned_until(), object: None }, memory)
    }
}

/// Takes up moves, which are listed newest first.
fn recalled(mut memory: Memory, moves: &[Move]) -> Memory {
    for step in moves.iter().rev() {
        memory.recall_move(step.from, step.to, step.second);
    }
    memory
}
