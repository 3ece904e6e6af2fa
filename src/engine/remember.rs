//! Memory across restarts: read before the first decision of a term, saved while it lasts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::Engine;
use super::entry::Entry;
use crate::api::time::to_core;
use crate::api::{ScalePolicy, ScalePolicyStatus};
use crate::checkpoint::{self, HISTORY_WEIGHT, Keeper, Layout, Move, Record};
use crate::cluster::{CheckpointError, Checkpoints, Key, Lead};
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
    /// Counts readings, so that what an earlier one found is not used.
    reading: u64,
    /// Records found, by UID, and the objects they lie in, until the policies are there.
    found: HashMap<String, Vec<(usize, Record)>>,
    /// Objects of the shards that are led.
    layouts: BTreeMap<usize, Layout>,
    /// Records of other shards' policies that lie in our objects, see [`Layout`].
    kept: BTreeMap<usize, Vec<Record>>,
    next: Option<Instant>,
    writing: HashSet<usize>,
    done: mpsc::UnboundedSender<Done>,
}

#[derive(Clone, PartialEq, Eq)]
enum State {
    Idle,
    Reading(Vec<Lead>),
    Read(Vec<Lead>),
}

/// An end of a task of ours.
pub enum Done {
    /// All records that could be read, with the objects they lie in.
    Read { reading: u64, records: Vec<(usize, Record)> },
    /// One object was written, or not.
    Written { object: usize, keys: Vec<Key>, records: Vec<Record>, result: Result<(), CheckpointError> },
}

// === impl Remember ===

impl Remember {
    /// Nothing read yet. An interval of zero switches checkpoints off.
    pub fn new(checkpoints: Option<Checkpoints>, interval: Duration, metrics: Metrics) -> (Self, mpsc::UnboundedReceiver<Done>) {
        let (done, done_rx) = mpsc::unbounded_channel();
        let remember = Self {
            checkpoints,
            interval,
            metrics,
            state: State::Idle,
            reading: 0,
            found: HashMap::new(),
            layouts: BTreeMap::new(),
            kept: BTreeMap::new(),
            next: None,
            writing: HashSet::new(),
            done,
        };
        (remember, done_rx)
    }

    /// Whether the first decision for these shards may be made. If not, reading is under way and ends with [`Done::Read`].
    pub(super) fn is_read(&mut self, gained: &[Lead]) -> bool {
        let Some(checkpoints) = self.checkpoints.clone() else { return true };
        match &self.state {
            State::Read(leads) if leads == gained => return true,
            State::Reading(leads) if leads == gained => return false,
            _ => {}
        }
        self.state = State::Reading(gained.to_vec());
        self.found.clear();
        self.reading += 1;
        let (done, metrics, reading) = (self.done.clone(), self.metrics.clone(), self.reading);
        tokio::spawn(async move {
            let records = read_all(&checkpoints, &metrics).await;
            // The engine has gone: there is nobody to restore for.
            let _ = done.send(Done::Read { reading, records });
        });
        false
    }

    /// Whether memory is saved at all.
    pub(super) fn is_on(&self) -> bool {
        self.checkpoints.is_some()
    }

    /// What was read for shards that were lost before it was used.
    pub(super) fn forget(&mut self) {
        self.state = State::Idle;
        self.found.clear();
    }

    /// A shard is not ours any more: another member writes its objects.
    pub(super) fn forget_shard(&mut self, shard: usize) {
        if let Some(layout) = self.layouts.remove(&shard) {
            self.kept.retain(|&object, _| !layout.owns(object));
        }
    }

    /// Memory for a policy that this process sees for the first time: from checkpoint and status, whichever is newer.
    pub(super) fn recall(&self, policy: &ScalePolicy) -> (Keeper, Memory) {
        let (uid, status) = (policy.metadata.uid.as_deref().unwrap_or_default(), policy.status.as_ref());
        let in_objects = self.found.get(uid).map(Vec::as_slice).unwrap_or_default();
        let object = in_objects.iter().max_by_key(|(_, record)| record.taken).map(|(object, _)| *object);
        let mut found: Vec<Record> = in_objects.iter().map(|(_, record)| record.clone()).collect();
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
        let (mut keeper, memory) = Keeper::restore(found, &moves, status.and_then(last_size), self.interval);
        if let Some(object) = object {
            keeper.lies_in(object);
        }
        (keeper, memory)
    }
}

/// The size that a status shows last: that of the last look, or of a move after it.
fn last_size(status: &ScalePolicyStatus) -> Option<u32> {
    let looked = status.decision.as_ref().map(|decision| &decision.time);
    let moved = status.scale_events.first().filter(|event| looked.is_none_or(|looked| event.time.0 >= looked.0));
    u32::try_from(moved.map_or(status.current_replicas?, |event| event.to)).ok()
}

/// Reads until it works, or until there is no use in waiting.
async fn read_all(checkpoints: &Checkpoints, metrics: &Metrics) -> Vec<(usize, Record)> {
    let read = async {
        loop {
            match checkpoints.read().await {
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
                return Vec::new();
            }
        };
    let mut records = Vec::new();
    for (number, bytes) in &found {
        match checkpoint::open(bytes) {
            Ok(some) => records.extend(some.into_iter().map(|record| (*number, record))),
            Err(error) => {
                metrics.checkpoint("unusable");
                warn!(checkpoint = %checkpoints.name(*number), %error, "checkpoint set aside; scale-in of its policies waits for whole windows");
            }
        }
    }
    info!(objects = found.len(), policies = records.len(), "checkpoints read");
    records
}

impl Engine {
    /// All policies of the shards gained have their memory.
    pub(super) fn memory_restored(&mut self) {
        self.remember.forget();
        let first = self.parts.clock.instant() + self.remember.interval;
        self.remember.next.get_or_insert(first);
    }

    /// A task of ours has ended.
    pub(super) fn remembered(&mut self, done: Done) {
        match done {
            Done::Read { reading, records } => {
                if let State::Reading(leads) = &self.remember.state
                    && self.remember.reading == reading
                {
                    let leads = leads.clone();
                    self.sort_out(&leads, records);
                    self.remember.state = State::Read(leads);
                }
            }
            Done::Written { object, keys, records, result } => {
                self.remember.writing.remove(&object);
                match result {
                    Ok(()) => {
                        self.parts.metrics.checkpoint("written");
                        debug!(object, policies = records.len(), "checkpoint written");
                        self.saved(object, keys, records);
                    }
                    Err(error) => {
                        self.parts.metrics.checkpoint("failed");
                        warn!(object, %error, "cannot write a checkpoint");
                    }
                }
            }
        }
    }

    /// Puts the records of the shards gained where their policies find them, and keeps those of others that lie in the objects gained.
    fn sort_out(&mut self, leads: &[Lead], records: Vec<(usize, Record)>) {
        let shards = &self.parts.shards;
        let count = shards.count();
        let gained = |shard: usize| leads.iter().any(|lead| lead.shard == shard);
        for lead in leads {
            self.remember.layouts.insert(lead.shard, Layout::new(count, lead.shard));
        }
        let others = records.iter().any(|(object, record)| object % count != shards.shard(&record.uid));
        let existing: HashSet<String> = if others {
            let policies = self.parts.index.policies();
            policies.into_iter().filter_map(|(_, policy)| policy.metadata.uid.clone()).collect()
        } else {
            HashSet::new()
        };
        // The newest of those that lie where they belong.
        let mut in_place: HashMap<String, Time> = HashMap::new();
        for (object, record) in records.iter().filter(|_| others) {
            if object % count == shards.shard(&record.uid) {
                let newest = in_place.entry(record.uid.clone()).or_insert(record.taken);
                *newest = record.taken.max(*newest);
            }
        }
        for (object, record) in records {
            if gained(shards.shard(&record.uid)) {
                self.remember.found.entry(record.uid.clone()).or_default().push((object, record));
            } else if gained(object % count)
                && existing.contains(&record.uid)
                && in_place.get(&record.uid).is_none_or(|newest| *newest < record.taken)
            {
                self.remember.kept.entry(object).or_default().push(record);
            }
        }
    }

    /// A checkpoint stands: what exceeds it by now is saved at once.
    fn saved(&mut self, object: usize, keys: Vec<Key>, records: Vec<Record>) {
        let now = self.parts.clock.now();
        for (key, record) in keys.into_iter().zip(records) {
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.uid() == record.uid) else { continue };
            entry.keeper.written(record);
            entry.keeper.lies_in(object);
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

    /// Writes the objects in which something changed, when it is time.
    pub(super) fn checkpoint(&mut self) {
        let instant = self.parts.clock.instant();
        if self.remember.next.is_none_or(|next| instant < next) {
            return;
        }
        self.remember.next = Some(instant + self.remember.interval);
        let led: Vec<usize> = self.led.keys().copied().collect();
        self.checkpoint_of(&led);
    }

    /// Writes the objects of these shards in which something changed.
    pub(super) fn checkpoint_of(&mut self, led: &[usize]) {
        let time = self.parts.clock.now();
        let Some(checkpoints) = self.remember.checkpoints.clone() else { return };
        let count = self.parts.shards.count();
        let mut weights: HashMap<usize, usize> = led.iter().map(|&shard| (shard, 0)).collect();
        for entry in self.entries.values() {
            if let Some(weight) = weights.get_mut(&entry.lead.shard) {
                *weight += if entry.memory.learned_until().is_some() { 1 + HISTORY_WEIGHT } else { 1 };
            }
        }
        for (&shard, weight) in &weights {
            self.remember.layouts.entry(shard).or_insert_with(|| Layout::new(count, shard)).grow(*weight);
        }
        let mut members: BTreeMap<usize, Members<'_>> = BTreeMap::new();
        for (key, entry) in self.entries.iter().filter(|(_, entry)| weights.contains_key(&entry.lead.shard)) {
            let Some(layout) = self.remember.layouts.get(&entry.lead.shard) else { continue };
            let (object, lies_in) = (layout.object(entry.uid()), entry.keeper.object());
            let elsewhere = lies_in.filter(|&lies_in| lies_in != object);
            let place = members.entry(object).or_default();
            place.due |= entry.is_due() || elsewhere.is_some();
            place.own.push((key, entry));
            if let Some(old) = elsewhere.filter(|&old| layout.owns(old)) {
                members.entry(old).or_default().moving.push(entry);
            }
        }
        members.retain(|object, members| members.due && !self.remember.writing.contains(object));
        for (object, Members { own, moving, .. }) in members {
            let taken = own.into_iter().filter_map(|(key, entry)| Some((key.clone(), entry.record(time)?)));
            let (keys, records): (Vec<Key>, Vec<Record>) = taken.unzip();
            let others = self.remember.kept.get(&object).into_iter().flatten().cloned();
            let others: Vec<Record> = moving.into_iter().filter_map(|entry| entry.record(time)).chain(others).collect();
            let (checkpoints, done) = (checkpoints.clone(), self.remember.done.clone());
            self.remember.writing.insert(object);
            tokio::spawn(async move {
                let all = [records.as_slice(), &others].concat();
                let result = match checkpoint::seal(&all) {
                    Ok(bytes) => checkpoints.write(object, bytes).await,
                    Err(error) => Err(CheckpointError::Refused(error.to_string())),
                };
                // The engine has gone: there is nobody to tell.
                let _ = done.send(Done::Written { object, keys, records, result });
            });
        }
    }

    /// Whether writes of checkpoints of a shard are under way.
    pub(super) fn is_checkpointing(&self, shard: usize) -> bool {
        self.remember.writing.iter().any(|object| object % self.parts.shards.count() == shard)
    }
}

/// What belongs into an object.
#[derive(Default)]
struct Members<'a> {
    own: Vec<(&'a Key, &'a Entry)>,
    /// Still here, though they belong elsewhere by now.
    moving: Vec<&'a Entry>,
    /// Whether there is anything new.
    due: bool,
}
