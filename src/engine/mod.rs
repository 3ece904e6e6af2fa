//! The sweep: policies that are due are looked at together, decided, and their changes handed to the write queue.
//!
//! One task owns all policies' state. Looks run as tasks of their own and report through a channel, so a slow source never blocks the
//! loop; a policy is looked at by one task at a time.

mod annotated;
mod defaults;
mod due;
mod entry;
mod look;
mod ready;
mod records;
mod remember;
mod report;
mod said;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::api::{ScalePolicy, compile};
use crate::clock::Clock;
use crate::cluster::{
    Change, Checkpoints, Index, Key, Leadership, Malformed, Recorder, ScaleClient, StatusWriter, WorkloadKey, WorkloadKind, WriteQueue,
    WriteResult,
};
use crate::config::NamespaceDefaults;
use crate::core::Mode;
use crate::source::{Query, Sources};
use crate::telemetry::{Metrics, PolicyLabels};

pub use annotated::Annotated;
pub use defaults::LiveDefaults;
pub use ready::Ready;
pub use records::{Ask, NoRecord, Records};

use due::Due;
use entry::Entry;
use look::{Job, Looker, Seen};
use remember::{Done, Remember};

/// Shortest time between two looks at one policy, however often its target is changed: two writers of one size must not chase each other.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// How long the end of writes under way is waited for at shutdown.
const LAST_WRITES: Duration = Duration::from_secs(6);

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
    /// Whether this process may decide.
    pub leadership: Leadership,
    /// Time.
    pub clock: Clock,
    /// The controller's own metrics.
    pub metrics: Metrics,
    /// Defaults for policies, by namespace.
    pub defaults: Arc<LiveDefaults>,
    /// Workloads whose annotations should be read again.
    pub annotated: mpsc::UnboundedSender<WorkloadKey>,
    /// Sources that should be asked whether they work.
    pub changed_sources: mpsc::UnboundedSender<Key>,
    /// Where memory is kept, and how often it is written; `None`: nowhere.
    pub checkpoints: Option<(Checkpoints, Duration)>,
}

/// The loop and its state.
pub struct Engine {
    parts: Parts,
    entries: HashMap<Key, Entry>,
    /// Policies that cannot be read, as they were told: a write of their own status is no news.
    malformed: HashMap<Key, Arc<Malformed>>,
    due: Due<Key>,
    seen: mpsc::UnboundedSender<Vec<Seen>>,
    seen_rx: mpsc::UnboundedReceiver<Vec<Seen>>,
    leading: bool,
    remember: Remember,
    remembered: mpsc::UnboundedReceiver<Done>,
    /// Defaults that the policies were compiled with.
    defaults: Arc<BTreeMap<String, NamespaceDefaults>>,
}

// === impl Engine ===

impl Engine {
    /// An engine that knows no policy yet.
    pub fn new(mut parts: Parts) -> Self {
        let (seen, seen_rx) = mpsc::unbounded_channel();
        let due = Due::new(parts.clock.instant());
        let defaults = parts.defaults.version();
        let (checkpoints, interval) = parts.checkpoints.take().unzip();
        let (remember, remembered) = Remember::new(checkpoints, interval.unwrap_or_default(), parts.metrics.clone());
        let (entries, malformed) = (HashMap::new(), HashMap::new());
        Self { defaults, parts, entries, malformed, due, seen, seen_rx, leading: false, remember, remembered }
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
        loop {
            self.follow_leadership();
            self.follow_defaults();
            if self.leading {
                self.sweep();
                self.checkpoint(false);
            }
            let now = self.parts.clock.instant();
            let sleep = self.due.first().map_or(HEARTBEAT, |at| at.saturating_duration_since(now).min(HEARTBEAT));
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(change) = changes.recv() => self.changed(change),
                Some(seen) = self.seen_rx.recv() => seen.into_iter().for_each(|seen| self.decide(seen)),
                Some(result) = results.recv() => self.written(result),
                Some(ask) = asks.recv() => self.answer(ask),
                Some(done) = self.remembered.recv() => self.remembered(done),
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
        if self.leading {
            // Exact memory for whoever takes over.
            self.checkpoint(true);
            let last = tokio::time::timeout(LAST_WRITES, async {
                while self.is_checkpointing() {
                    let Some(done) = self.remembered.recv().await else { break };
                    self.remembered(done);
                }
            });
            if last.await.is_err() {
                info!("some checkpoints have not been written in time");
            }
        }
    }

    /// On taking the lead, everything remembered from an earlier term is dropped: another process may have decided since. What counts is
    /// what it saved, which is read before anything is decided.
    fn follow_leadership(&mut self) {
        let leading = self.parts.leadership.is_leader();
        if !leading {
            self.forget_memory();
        }
        if leading == self.leading || leading && !self.remembers() {
            return;
        }
        self.leading = leading;
        self.parts.metrics.leader.set(i64::from(leading));
        info!(leading, "leadership changed");
        self.entries.clear();
        self.parts.metrics.forget_policies();
        self.parts.status.clear();
        self.malformed.clear();
        if leading {
            for (key, policy) in self.parts.index.policies() {
                self.insert(&key, policy);
            }
            for key in self.parts.index.malformed_policies() {
                self.malformed(&key);
            }
            for workload in self.parts.index.annotated() {
                self.reread(workload);
            }
            self.memory_restored();
        }
        self.count();
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
            entry.compiled = compile(&entry.object, &self.parts.defaults.of(&key.namespace)).map(Arc::new);
            self.look_soon(&key);
        }
    }

    /// Starts looks at everything that is due.
    fn sweep(&mut self) {
        let now = self.parts.clock.instant();
        let mut jobs = Vec::new();
        for (key, due) in self.due.take(now) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let Ok(compiled) = &entry.compiled else { continue };
            if entry.looking {
                entry.again = true;
                continue;
            }
            entry.looking = true;
            entry.last_look = Some(now);
            self.due.next_interval(&key, compiled.policy.interval, now);
            let expected = entry.memory.size().filter(|_| compiled.policy.mode == Mode::Enforce && !entry.retargeted);
            jobs.push(Job { key, compiled: Arc::clone(compiled), due, expected });
        }
        for group in look::groups(jobs) {
            let (index, sources) = (Arc::clone(&self.parts.index), Arc::clone(&self.parts.sources));
            let looker = Looker { index, scale: self.parts.scale.clone(), sources };
            let (seen, metrics, clock) = (self.seen.clone(), self.parts.metrics.clone(), self.parts.clock.clone());
            tokio::spawn(async move {
                let result = looker.look(group, clock.now()).await;
                metrics.collect.observe(clock.instant().saturating_duration_since(now).as_secs_f64());
                // The engine has gone: there is nobody to decide.
                let _ = seen.send(result);
            });
        }
    }

    fn changed(&mut self, change: Change) {
        if !self.leading {
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
                    let ours = self.entries.get(&key).and_then(|entry| entry.last_written);
                    if size.is_none() || ours != size {
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
        let concerned = |(key, entry): &(&Key, &Entry)| {
            key.namespace == source.namespace && entry.compiled.as_ref().is_ok_and(|compiled| compiled.queries.iter().any(asks))
        };
        let keys: Vec<Key> = self.entries.iter().filter(concerned).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.look_soon(&key);
        }
    }

    /// Takes a policy, new or edited. An edit of its metadata or status alone changes nothing.
    fn insert(&mut self, key: &Key, policy: Arc<ScalePolicy>) {
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
        let compiled = compile(&policy, &self.parts.defaults.of(&key.namespace)).map(Arc::new);
        let rivals = self.parts.index.rivals(key, &policy.spec.scale_target_ref).policies;
        match self.entries.get_mut(key) {
            // The memory outlives an edit: a new target must not forget the windows.
            Some(entry) if entry.object.metadata.uid == policy.metadata.uid => {
                entry.retargeted |= entry.object.spec.scale_target_ref != policy.spec.scale_target_ref;
                entry.object = policy;
                entry.compiled = compiled;
            }
            _ => {
                let memory = self.remember.recall(&policy);
                let entry = Entry::new(policy, compiled, memory);
                self.parts.status.known(key, &entry.status);
                self.entries.insert(key.clone(), entry);
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
        let Some(entry) = self.entries.remove(key) else { return };
        self.due.remove(key);
        self.parts.status.forget(key);
        self.parts.metrics.forget(&labels(key));
        self.reread_target(&entry.object);
        info!(policy = %key, "policy removed; its target keeps its size");
    }

    /// Looks at a policy now, or as soon as the last look is long enough ago.
    fn look_soon(&mut self, key: &Key) {
        let Some(entry) = self.entries.get(key) else { return };
        let now = self.parts.clock.instant();
        let at = entry.last_look.map_or(now, |last| now.max(last + BETWEEN_LOOKS));
        self.due.at_latest(key, at);
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
