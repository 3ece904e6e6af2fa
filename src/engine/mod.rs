//! The sweep: policies that are due are looked at together, decided, and their changes handed to the write queue.
//!
//! One task owns all policies' state. Looks run as tasks of their own and report through a channel, so a slow source never blocks the
//! loop; a policy is looked at by one task at a time.

mod annotated;
mod current;
mod due;
mod entry;
mod look;
mod report;
mod said;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::api::{Defaults, compile};
use crate::clock::Clock;
use crate::cluster::{Change, Index, Key, Leadership, Recorder, ScaleClient, StatusWriter, WriteQueue, WriteResult};
use crate::source::Sources;
use crate::telemetry::{Metrics, PolicyLabels};

use due::Due;
use entry::Entry;
use look::{Job, Looker, Seen};

/// Pause before a policy is decided again after a conflict: enough for the watch to bring the new state; doubled for each conflict in a row.
const AFTER_CONFLICT: Duration = Duration::from_millis(250);

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
    pub defaults: Arc<dyn Fn(&str) -> Defaults + Send + Sync>,
    /// Client for the policies made from annotations.
    pub client: kube::Client,
    /// Kinds whose annotations are read.
    pub annotated_kinds: Vec<String>,
}

/// The loop and its state.
pub struct Engine {
    parts: Parts,
    entries: HashMap<Key, Entry>,
    due: Due<Key>,
    seen: mpsc::UnboundedSender<Vec<Seen>>,
    seen_rx: mpsc::UnboundedReceiver<Vec<Seen>>,
    annotated: annotated::Annotated,
    leading: bool,
}

// === impl Engine ===

impl Engine {
    /// An engine that knows no policy yet.
    pub fn new(parts: Parts) -> Self {
        let (seen, seen_rx) = mpsc::unbounded_channel();
        let due = Due::new(parts.clock.instant());
        let annotated = annotated::Annotated::new(parts.client.clone(), parts.annotated_kinds.clone());
        Self { parts, entries: HashMap::new(), due, seen, seen_rx, annotated, leading: false }
    }

    /// Runs until `shutdown`. `changes` come from the index, `results` from the write queue.
    pub async fn run(
        mut self,
        mut changes: mpsc::UnboundedReceiver<Change>,
        mut results: mpsc::UnboundedReceiver<WriteResult>,
        shutdown: CancellationToken,
    ) {
        loop {
            self.follow_leadership();
            let next = self.due.first().filter(|_| self.leading);
            let sleep = next.map_or(Duration::from_secs(1), |at| at.saturating_duration_since(self.parts.clock.instant()));
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(change) = changes.recv() => self.changed(change).await,
                Some(seen) = self.seen_rx.recv() => seen.into_iter().for_each(|seen| self.decide(seen)),
                Some(result) = results.recv() => self.written(result),
                () = tokio::time::sleep(sleep.min(Duration::from_secs(1))) => {}
            }
            if self.leading {
                self.sweep();
            }
        }
        info!(policies = self.entries.len(), "stopped deciding");
    }

    /// On taking the lead, everything remembered from an earlier term is dropped: another process may have decided since.
    fn follow_leadership(&mut self) {
        let leading = self.parts.leadership.is_leader();
        if leading == self.leading {
            return;
        }
        self.leading = leading;
        self.parts.metrics.leader.set(i64::from(leading));
        info!(leading, "leadership changed");
        if leading {
            let now = self.parts.clock.instant();
            for (key, policy) in self.parts.index.policies() {
                self.insert(&key, policy);
                self.due.at_latest(&key, now);
            }
            for workload in self.parts.index.annotated_workloads() {
                self.annotated.mark(workload);
            }
        } else {
            self.entries.clear();
        }
    }

    /// Starts looks at everything that is due.
    fn sweep(&mut self) {
        let now = self.parts.clock.instant();
        let mut jobs = Vec::new();
        for (key, due) in self.due.take(now) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let Ok(compiled) = &entry.compiled else {
                self.invalid(&key);
                continue;
            };
            if entry.looking {
                entry.again = true;
                continue;
            }
            entry.looking = true;
            self.due.next_interval(&key, compiled.policy.interval, now);
            jobs.push(Job { key, compiled: Arc::clone(compiled), due });
        }
        for group in look::groups(jobs) {
            let looker = Looker {
                index: Arc::clone(&self.parts.index),
                scale: self.parts.scale.clone(),
                sources: Arc::clone(&self.parts.sources),
            };
            let (seen, at, metrics, clock) = (self.seen.clone(), self.parts.clock.now(), self.parts.metrics.clone(), self.parts.clock.clone());
            tokio::spawn(async move {
                let start = clock.instant();
                let result = looker.look(group, at).await;
                metrics.collect.observe(clock.instant().saturating_duration_since(start).as_secs_f64());
                // The engine has gone: there is nobody to decide.
                let _ = seen.send(result);
            });
        }
    }

    async fn changed(&mut self, change: Change) {
        let now = self.parts.clock.instant();
        match change {
            Change::Policy(key) => match self.parts.index.policy(&key) {
                Some(policy) => {
                    if self.insert(&key, policy) {
                        self.due.at_latest(&key, now);
                    }
                }
                None => self.forget(&key),
            },
            Change::Workload(workload) => {
                for key in self.parts.index.policies_of(&workload) {
                    if self.moved_by_others(&key, &workload) {
                        self.due.at_latest(&key, now);
                    }
                }
                if self.leading {
                    self.annotated.mark(workload);
                    self.annotated.reconcile(&self.parts).await;
                }
            }
        }
        self.parts.metrics.policies.set(i64::try_from(self.entries.len()).unwrap_or(i64::MAX));
    }
}
