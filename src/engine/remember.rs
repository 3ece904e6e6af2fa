//! Memory across restarts: read before the first decision of a term, saved while it lasts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::Engine;
use super::entry::Entry;
use crate::api::time::to_core;
use crate::api::{ScalePolicy, ScalePolicyStatus};
use crate::checkpoint::{self, Keeper, Move, Record, objects_for, shard_of};
use crate::cluster::{CheckpointError, Checkpoints, Key, OBJECTS};
use crate::core::{Memory, Time};
use crate::telemetry::Metrics;

/// How long the first decision waits for checkpoints that cannot be read: scale-out matters more than what they hold, and without them
/// scale-in only waits longer.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// Time between two tries to read.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// What the engine keeps about checkpoints.
pub struct Remember {
    /// `None`: switched off.
    checkpoints: Option<Checkpoints>,
    interval: Duration,
    metrics: Metrics,
    state: State,
    /// Counts terms, so that what was read for an earlier one is not used.
    term: u64,
    /// Records found, by UID, until the policies are there.
    found: HashMap<String, Vec<Record>>,
    /// Objects in use; never fewer than were found.
    objects: usize,
    next: Option<Instant>,
    writing: HashSet<usize>,
    done: mpsc::UnboundedSender<Done>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unread,
    Reading,
    Read,
}

/// An end of a task of ours.
pub enum Done {
    /// All records that could be read, and how many objects there are.
    Read { term: u64, records: Vec<Record>, objects: usize },
    /// One object was written, or not.
    Written { object: usize, keys: Vec<Key>, records: Vec<Record>, result: Result<(), CheckpointError> },
}

// === impl Remember ===

impl Remember {
    /// Nothing read yet. An interval of zero switches checkpoints off.
    pub fn new(checkpoints: Option<Checkpoints>, interval: Duration, metrics: Metrics) -> (Self, mpsc::UnboundedReceiver<Done>) {
        let (done, done_rx) = mpsc::unbounded_channel();
        let (found, writing) = (HashMap::new(), HashSet::new());
        (Self { checkpoints, interval, metrics, state: State::Unread, term: 0, found, objects: 1, next: None, writing, done }, done_rx)
    }

    /// Whether the first decision may be made. If not, reading is under way and ends with [`Done::Read`].
    fn is_read(&mut self, policies: usize) -> bool {
        let Some(checkpoints) = self.checkpoints.clone() else { return true };
        if self.state == State::Unread {
            self.state = State::Reading;
            self.term += 1;
            let (done, metrics, term) = (self.done.clone(), self.metrics.clone(), self.term);
            tokio::spawn(async move {
                let (records, objects) = read_all(&checkpoints, objects_for(policies), &metrics).await;
                // The engine has gone: there is nobody to restore for.
                let _ = done.send(Done::Read { term, records, objects });
            });
        }
        self.state == State::Read
    }

    /// Whether memory is saved at all.
    pub(super) fn is_on(&self) -> bool {
        self.checkpoints.is_some()
    }

    fn forget(&mut self) {
        self.state = State::Unread;
        self.found.clear();
        self.next = None;
    }

    /// Memory for a policy that this process sees for the first time: from checkpoint and status, whichever is newer.
    pub(super) fn recall(&self, policy: &ScalePolicy) -> (Keeper, Memory) {
        let (uid, status) = (policy.metadata.uid.as_deref().unwrap_or_default(), policy.status.as_ref());
        let mut found = self.found.get(uid).cloned().unwrap_or_default();
        if let Some(text) = status.and_then(|status| status.memory.as_deref()).filter(|_| self.is_on()) {
            match checkpoint::from_text(text) {
                Ok(record) if record.uid == uid => found.push(record),
                Ok(_) => debug!(policy = %Key::of(&policy.metadata), "status.memory belongs to another policy; not used"),
                Err(error) => {
                    self.metrics.checkpoint("unusable");
                    warn!(policy = %Key::of(&policy.metadata), %error, "status.memory cannot be used; scale-in may wait for a whole window");
                }
            }
        }
        let moves: Vec<Move> = status
            .into_iter()
            .flat_map(|status| &status.scale_events)
            .filter_map(|event| {
                Some(Move { second: to_core(&event.time), from: u32::try_from(event.from).ok()?, to: u32::try_from(event.to).ok()? })
            })
            .collect();
        Keeper::restore(found, &moves, status.and_then(last_size), self.interval)
    }
}

/// The size that a status shows last: that of the last look, or of a move after it.
fn last_size(status: &ScalePolicyStatus) -> Option<u32> {
    let looked = status.decision.as_ref().map(|decision| &decision.time);
    let moved = status.scale_events.first().filter(|event| looked.is_none_or(|looked| event.time.0 >= looked.0));
    u32::try_from(moved.map_or(status.current_replicas?, |event| event.to)).ok()
}

/// Reads until it works, or until there is no use in waiting.
async fn read_all(checkpoints: &Checkpoints, expected: usize, metrics: &Metrics) -> (Vec<Record>, usize) {
    let read = async {
        loop {
            match checkpoints.read(expected).await {
                Ok(found) => return Ok(found),
                Err(CheckpointError::Unavailable(error)) => warn!(%error, "cannot read the checkpoints yet"),
                Err(error) => return Err(error.to_string()),
            }
            tokio::time::sleep(READ_AGAIN).await;
        }
    };
    let found: BTreeMap<usize, Vec<u8>> =
        match tokio::time::timeout(READ_PATIENCE, read).await.unwrap_or_else(|_| Err("no answer".to_owned())) {
            Ok(found) => found,
            Err(error) => {
                metrics.checkpoint("unreadable");
                warn!(%error, "cannot read the checkpoints; scale-in waits for whole windows");
                return (Vec::new(), 1);
            }
        };
    let mut records = Vec::new();
    for (number, bytes) in &found {
        match checkpoint::open(bytes) {
            Ok(some) => records.extend(some),
            Err(error) => {
                metrics.checkpoint("unusable");
                warn!(checkpoint = %checkpoints.name(*number), %error, "checkpoint set aside; scale-in of its policies waits for whole windows");
            }
        }
    }
    info!(objects = found.len(), policies = records.len(), "checkpoints read");
    (records, found.keys().last().map_or(1, |last| last + 1))
}

impl Engine {
    /// Whether memory is there to decide with.
    pub(super) fn remembers(&mut self) -> bool {
        let policies = self.parts.index.policies().len();
        self.remember.is_read(policies)
    }

    /// A term is over.
    pub(super) fn forget_memory(&mut self) {
        self.remember.forget();
    }

    /// All policies of the start have their memory.
    pub(super) fn memory_restored(&mut self) {
        let now = self.parts.clock.instant();
        self.remember.found = HashMap::new();
        self.remember.next = Some(now + self.remember.interval);
    }

    /// A task of ours has ended.
    pub(super) fn remembered(&mut self, done: Done) {
        match done {
            Done::Read { term, records, objects } => {
                if self.remember.state == State::Reading && self.remember.term == term {
                    self.remember.state = State::Read;
                    self.remember.objects = objects;
                    for record in records {
                        self.remember.found.entry(record.uid.clone()).or_default().push(record);
                    }
                }
            }
            Done::Written { object, keys, records, result } => {
                self.remember.writing.remove(&object);
                match result {
                    Ok(()) => {
                        self.parts.metrics.checkpoint("written");
                        debug!(object, policies = records.len(), "checkpoint written");
                        self.saved(keys, records);
                    }
                    Err(error) => {
                        self.parts.metrics.checkpoint("failed");
                        warn!(object, %error, "cannot write a checkpoint");
                    }
                }
            }
        }
    }

    /// A checkpoint stands: what exceeds it by now is saved at once.
    fn saved(&mut self, keys: Vec<Key>, records: Vec<Record>) {
        let now = self.parts.clock.now();
        for (key, record) in keys.into_iter().zip(records) {
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.uid() == record.uid) else { continue };
            entry.keeper.written(record);
            if self.remember.is_on() && entry.keep(false, now) {
                self.parts.status.put(&key, entry.uid(), &entry.status);
            }
        }
    }

    /// Puts memory into the status where it must not wait for the next checkpoint. The caller hands over the status.
    pub(super) fn keep(&mut self, key: &Key, moved: bool, now: Time) {
        if self.remember.is_on()
            && let Some(entry) = self.entries.get_mut(key)
        {
            entry.keep(moved, now);
        }
    }

    /// Writes the objects in which something changed, when it is time; or now, at the end of a term.
    pub(super) fn checkpoint(&mut self, now: bool) -> usize {
        let (instant, time) = (self.parts.clock.instant(), self.parts.clock.now());
        let Some(checkpoints) = self.remember.checkpoints.clone() else { return 0 };
        if !now && self.remember.next.is_none_or(|next| instant < next) {
            return 0;
        }
        self.remember.next = Some(instant + self.remember.interval);
        let histories = self.entries.values().filter(|entry| entry.memory.learned_until().is_some()).count();
        let objects = objects_for(self.entries.len() + checkpoint::HISTORY_WEIGHT * histories).max(self.remember.objects).min(OBJECTS);
        self.remember.objects = objects;
        let mut members: BTreeMap<usize, Vec<(&Key, &Entry)>> = BTreeMap::new();
        for (key, entry) in &self.entries {
            members.entry(shard_of(entry.uid(), objects)).or_default().push((key, entry));
        }
        members.retain(|object, members| !self.remember.writing.contains(object) && members.iter().any(|(_, entry)| entry.is_due()));
        let mut writes = 0;
        for (object, members) in members {
            let taken = members.into_iter().filter_map(|(key, entry)| Some((key.clone(), entry.record(time)?)));
            let (keys, records): (Vec<Key>, Vec<Record>) = taken.unzip();
            let (checkpoints, done) = (checkpoints.clone(), self.remember.done.clone());
            self.remember.writing.insert(object);
            writes += 1;
            tokio::spawn(async move {
                let result = match checkpoint::seal(&records) {
                    Ok(bytes) => checkpoints.write(object, bytes).await,
                    Err(error) => Err(CheckpointError::Refused(error.to_string())),
                };
                // The engine has gone: there is nobody to tell.
                let _ = done.send(Done::Written { object, keys, records, result });
            });
        }
        writes
    }

    /// Whether writes of checkpoints are under way.
    pub(super) fn is_checkpointing(&self) -> bool {
        !self.remember.writing.is_empty()
    }
}
