//! The sweep: policies that are due are looked at together, decided, and their changes handed to the write queue.
//!
//! One task owns all policies' state. Looks run as tasks of their own and report through a channel, so a slow source never blocks the
//! loop; a policy is looked at by one task at a time.

mod annotated;
mod auto;
mod defaults;
mod due;
mod early;
mod entry;
mod look;
mod pace;
mod ready;
mod records;
mod remember;
mod report;
mod said;
mod shards;
mod sweep;
mod traced;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::{ScalePolicy, compile};
use crate::clock::Clock;
use crate::cluster::{
    Change, Checkpoints, Index, Key, Lead, Malformed, Recorder, ScaleClient, Shards, StatusWriter, WorkloadKey, WorkloadKind, WriteQueue,
    WriteResult,
};
use crate::config::NamespaceDefaults;
use crate::core::Time;
use crate::source::{Query, Sources};
use crate::telemetry::{Metrics, PolicyLabels, Step, Traces};

pub use annotated::Annotated;
pub use defaults::LiveDefaults;
pub use ready::Ready;
pub use records::{Ask, NoRecord, Records, Shelf};

use due::Due;
use early::Early;
use entry::Entry;
use look::Seen;
use remember::{Done, Remember};
use shards::{Leaving, Other};

/// How long the end of writes under way is waited for at shutdown.
const LAST_WRITES: Duration = Duration::from_secs(6);

/// A wall clock that differs by so many milliseconds from one look to the next was set; less is adjusted all the time.
const CLOCK_SET: u64 = 1000;

/// Longest sleep of the loop, so that leadership is never noticed later.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Everything the engine works with.
pub struct Parts {
    /// Watched state.
    pub index: Arc<Index>,
    /// Reads of `/scale`.
    pub scale: ScaleClient,
    /// Metrics.
    pub sources: Arc<Sources>,
    /// Writes of replica counts.
    pub queue: WriteQueue,
    /// Writes of status.
    pub status: StatusWriter,
    /// Events.
    pub events: Recorder,
    /// Which policies this process decides.
    pub shards: Shards,
    /// Time.
    pub clock: Clock,
    /// The controller's own metrics.
    pub metrics: Metrics,
    /// Traces of ticks.
    pub traces: Traces,
    /// Defaults for policies, by namespace.
    pub defaults: Arc<LiveDefaults>,
    /// Workloads whose annotations should be read again.
    pub annotated: mpsc::UnboundedSender<WorkloadKey>,
    /// Sources that should be asked whether they work.
    pub changed_sources: mpsc::UnboundedSender<Key>,
    /// Where memory is kept, and how often it is written; `None`: nowhere.
    pub checkpoints: Option<(Checkpoints, Duration)>,
    /// How often growth is looked for between decisions; zero: never.
    pub early: Duration,
}

/// The loop and its state.
pub struct Engine {
    parts: Parts,
    /// Boxed, as a table keeps room for as many again, and moves them all when it grows.
    entries: HashMap<Key, Box<Entry>>,
    /// Policies that cannot be read, as they were told: a write of their own status is no news.
    malformed: HashMap<Key, Arc<Malformed>>,
    due: Due<Key>,
    early: Early,
    /// The same for policies whose pods are asked themselves.
    quick: Early,
    seen: mpsc::UnboundedSender<(Step, Vec<Seen>)>,
    seen_rx: mpsc::UnboundedReceiver<(Step, Vec<Seen>)>,
    /// Shards whose policies are in `entries`.
    led: BTreeMap<usize, Lead>,
    leaving: BTreeMap<usize, Leaving>,
    /// All other policies, while any shard is led.
    others: HashMap<Key, Other>,
    remember: Remember,
    remembered: mpsc::UnboundedReceiver<Done>,
    /// Defaults that the policies were compiled with.
    defaults: Arc<BTreeMap<String, NamespaceDefaults>>,
    /// Wall clock and monotonic clock when they were read last.
    clocks: (Time, Instant),
}

// === impl Engine ===

impl Engine {
    /// An engine that knows no policy yet.
    pub fn new(mut parts: Parts) -> Self {
        let (seen, seen_rx) = mpsc::unbounded_channel();
        let clocks = parts.clock.both();
        let (due, early) = (Due::new(clocks.1), Early::new(parts.early, clocks.1));
        let quick = Early::new(parts.early.min(pace::MOVING), clocks.1);
        let defaults = parts.defaults.version();
        let (checkpoints, interval) = parts.checkpoints.take().unzip();
        let (remember, remembered) = Remember::new(checkpoints, interval.unwrap_or_default(), parts.metrics.clone());
        let (entries, malformed, others) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (led, leaving) = (BTreeMap::new(), BTreeMap::new());
        Self { parts, entries, malformed, due, early, quick, seen, seen_rx, led, leaving, others, remember, remembered, defaults, clocks }
    }

    /// Runs until `shutdown`, and then until the writes under way have ended. `changes` come from the index, `results` from the queue,
    /// `asks` from the admin port.
    pub async fn run(
        mut self,
        mut changes: mpsc::UnboundedReceiver<Change>,
        mut results: mpsc::UnboundedReceiver<WriteResult>,
        mut asks: mpsc::Receiver<Ask>,
        shutdown: CancellationToken,
    ) {
        let shards = self.parts.shards.clone();
        loop {
            self.follow_shards();
            self.follow_defaults();
            if !self.led.is_empty() {
                self.sweep();
                self.checkpoint();
            }
            let now = self.parts.clock.instant();
            let next = self.due.first().into_iter().chain(self.early.first()).chain(self.quick.first()).min();
            let sleep = next.map_or(HEARTBEAT, |at| at.saturating_duration_since(now).min(HEARTBEAT));
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(change) = changes.recv() => self.changed(change),
                Some((tick, seen)) = self.seen_rx.recv() => seen.into_iter().for_each(|seen| self.decide(seen, &tick)),
                Some(result) = results.recv() => self.written(result),
                Some(ask) = asks.recv() => self.answer(ask),
                Some(done) = self.remembered.recv() => self.remembered(done),
                () = shards.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        info!(policies = self.entries.len(), "stopped deciding");
        // What was written must be told: Events and status of a rescale are worth more than a second of shutdown.
        let last = tokio::time::timeout(LAST_WRITES, async {
            while self.entries.values().any(|entry| entry.writing.is_some()) {
                let Some(result) = results.recv().await else { break };
                self.written(result);
            }
        });
        if last.await.is_err() {
            info!("some writes have not ended in time");
        }
        if !self.led.is_empty() {
            // Exact memory for whoever takes over.
            let led: Vec<usize> = self.led.keys().copied().collect();
            self.checkpoint_of(&led);
            let last = tokio::time::timeout(LAST_WRITES, async {
                while led.iter().any(|&shard| self.is_checkpointing(shard)) {
                    let Some(done) = self.remembered.recv().await else { break };
                    self.remembered(done);
                }
            });
            if last.await.is_err() {
                info!("some checkpoints have not been written in time");
            }
        }
    }

    /// Both clocks now. Where the wall clock was set meanwhile (corrected after a boot, or after a virtual machine was resumed), what the
    /// policies remember is moved along: a window of five minutes is one of five minutes whatever the clock shows.
    fn follow_clock(&mut self) -> (Time, Instant) {
        let (now, instant) = self.parts.clock.both();
        let (wall, monotonic) = std::mem::replace(&mut self.clocks, (now, instant));
        let set = now.as_millis().saturating_sub((wall + instant.saturating_duration_since(monotonic)).as_millis());
        if set.unsigned_abs() >= CLOCK_SET {
            warn!(milliseconds = set, "the clock was set; windows and budgets go on as if it had always been so");
            self.entries.values_mut().for_each(|entry| entry.memory.shift(set));
        }
        (now, instant)
    }

    /// New defaults mean new policies, with the memory they had.
    fn follow_defaults(&mut self) {
        let defaults = self.parts.defaults.version();
        if Arc::ptr_eq(&defaults, &self.defaults) {
            return;
        }
        self.defaults = defaults;
        let keys: Vec<Key> = self.entries.keys().cloned().collect();
        info!(policies = keys.len(), "defaults changed");
        for key in keys {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let policy = entry.as_shown();
            entry.compiled = compile(&policy, &self.parts.defaults.of(&key.namespace)).map(Arc::new);
            self.look_soon(&key);
        }
    }

    fn changed(&mut self, change: Change) {
        if self.led.is_empty() {
            return;
        }
        match change {
            Change::Source(source) => {
                self.source_changed(&source);
                // Without a receiver the process is about to end.
                let _ = self.parts.changed_sources.send(source);
            }
            Change::SourceWorks(source) => self.source_changed(&source),
            Change::Policy(key) => {
                if let Some(policy) = self.parts.index.policy(&key) {
                    self.insert(&key, policy);
                } else {
                    self.forget(&key);
                    self.malformed(&key);
                }
                self.count();
            }
            Change::Workload(workload) => {
                let size = self.parts.index.workload(&workload).map(|row| row.spec_replicas);
                for key in self.parts.index.policies_of(&workload) {
                    let ours = self.entries.get(&key).is_some_and(|entry| entry.wrote(size));
                    if size.is_none() || !ours {
                        self.look_soon(&key);
                    }
                }
                self.reread(workload);
            }
            Change::Rivals(keys) => keys.iter().for_each(|key| self.look_soon(key)),
        }
    }

    /// Looks at the policies that ask this source.
    fn source_changed(&mut self, source: &Key) {
        let asks = |query: &Query| matches!(query, Query::Prometheus(query) if *query.source == *source.name);
        let concerned = |entry: &Entry| entry.compiled.as_ref().is_ok_and(|compiled| compiled.queries.iter().any(asks));
        let mine = self.entries.iter().filter(|(key, entry)| key.namespace == source.namespace && concerned(entry));
        let keys: Vec<Key> = mine.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.look_soon(&key);
        }
    }

    /// Takes a policy, new or edited. An edit of its metadata or status alone changes nothing.
    fn insert(&mut self, key: &Key, policy: Arc<ScalePolicy>) {
        let shard = self.parts.shards.shard(policy.metadata.uid.as_deref().unwrap_or_default());
        let Some(lead) = self.led.get(&shard).copied() else { return self.insert_other(key, policy) };
        self.others.remove(key);
        self.malformed.remove(key);
        if let Some(entry) = self.entries.get_mut(key) {
            let same = entry.object.metadata.uid == policy.metadata.uid && entry.object.metadata.generation == policy.metadata.generation;
            if same {
                let (before, now) = (&entry.object.metadata, &policy.metadata);
                let owner_changed = (&before.labels, &before.owner_references) != (&now.labels, &now.owner_references);
                entry.object = Arc::clone(&policy);
                if owner_changed {
                    // Whether it belongs to annotations stands there.
                    self.reread_target(&policy);
                }
                return;
            }
        }
        self.reread_target(&policy);
        let defaults = self.parts.defaults.of(&key.namespace);
        let rivals = self.parts.index.rivals(key, &policy.spec.scale_target_ref, |rival| self.scales(rival)).policies;
        match self.entries.get_mut(key) {
            // The memory outlives an edit: a new target must not forget the windows.
            Some(entry) if entry.object.metadata.uid == policy.metadata.uid => {
                entry.retargeted |= entry.object.spec.scale_target_ref != policy.spec.scale_target_ref;
                entry.object = policy;
                entry.probed = None;
                entry.compiled = compile(&entry.as_shown(), &defaults).map(Arc::new);
            }
            _ => {
                let memory = self.remember.recall(&policy);
                let compiled = compile(&policy, &defaults).map(Arc::new);
                let entry = Entry::new(policy, compiled, lead, memory);
                self.parts.status.known(key, &entry.status);
                self.entries.insert(key.clone(), Box::new(entry));
            }
        }
        self.compiled(key);
        self.look_soon(key);
        // The edit may have made it usable, and so a rival, or unusable.
        for rival in &rivals {
            self.look_soon(rival);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(other) = self.others.remove(key) {
            self.reread_target(&other.object);
        }
        let Some(entry) = self.drop_entry(key) else { return };
        self.reread_target(&entry.object);
        info!(policy = %key, "policy removed; its target keeps its size");
    }

    /// The annotations of a policy's target may matter more or less now.
    fn reread_target(&self, policy: &ScalePolicy) {
        let target = &policy.spec.scale_target_ref;
        if let Some(kind) = WorkloadKind::find(target.api_version_or_default(), &target.kind) {
            let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
            self.reread(WorkloadKey { kind, key: Key::new(namespace, &target.name) });
        }
    }

    fn reread(&self, workload: WorkloadKey) {
        // Without a receiver the process is about to end.
        let _ = self.parts.annotated.send(workload);
    }

    fn count(&self) {
        self.parts.metrics.policies.set(i64::try_from(self.entries.len()).unwrap_or(i64::MAX));
    }
}

/// A policy's labels in metrics.
fn labels(key: &Key) -> PolicyLabels {
    PolicyLabels { namespace: key.namespace.to_string(), name: key.name.to_string() }
}
