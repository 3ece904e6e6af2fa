//! Writes of replica counts: bounded, scale-outs first, one per target, each with the version it was decided on.
//!
//! A write that is refused is reported and forgotten. The engine then decides again on what is true by then; nothing stale is re-sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, Error};
use opentelemetry::KeyValue;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backlog::Backlog;
use super::shards::{Lead, Shards};
use super::{CALL_TIMEOUT, Key, MANAGER, in_words};
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::telemetry::Step;

/// A size to be written.
#[derive(Clone, Debug)]
pub struct ScaleWrite {
    /// The policy that decided it.
    pub policy: Key,
    /// In which term of its shard: in another one others may have decided since.
    pub lead: Lead,
    /// Where the target's scale subresource is.
    pub resource: ApiResource,
    /// Name of the target; its namespace is the policy's.
    pub target: String,
    /// Its UID, for Events.
    pub target_uid: Option<Arc<str>>,
    /// Size when it was decided.
    pub from: u32,
    /// Size to write.
    pub to: u32,
    /// The write is refused unless the target still has this version.
    pub resource_version: String,
    /// Not sent after this time: what it was decided on is too old by then.
    pub until: Instant,
    /// What a trace says of it.
    pub step: Step,
}

/// How a write ended.
#[derive(Clone, Debug)]
pub struct WriteResult {
    /// The write.
    pub write: ScaleWrite,
    /// Its end.
    pub outcome: WriteOutcome,
}

/// End of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It stands, as this version of the target.
    Written(String),
    /// The target has changed since it was read.
    Conflict,
    /// It was not sent: another process leads now.
    NotLeading,
    /// It was not sent: others took so long that it has to be decided again.
    Late,
    /// The API server refused or did not answer; the text says why.
    Failed(String),
}

/// How fast a queue writes.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Writes per second on average, and as many at once after a pause.
    pub per_second: f64,
    /// Writes under way at once.
    pub at_once: usize,
    /// Where writes that are not done are counted.
    pub backlog: Backlog,
}

/// The queue; clones share it.
#[derive(Clone)]
pub struct WriteQueue {
    shared: Arc<Shared>,
}

struct Shared {
    pending: Mutex<Pending>,
    backlog: Backlog,
    clock: Clock,
    added: Notify,
    client: Client,
    bucket: Bucket,
    shards: Shards,
    results: mpsc::UnboundedSender<WriteResult>,
}

/// Writes not yet sent. Rank 0 are scale-outs; within a rank the oldest first.
#[derive(Default)]
struct Pending {
    order: BTreeMap<(u8, u64), Key>,
    writes: HashMap<Key, (ScaleWrite, (u8, u64))>,
    next: u64,
}

// === impl Pending ===

impl Pending {
    /// Adds a write; whether it took no other's place.
    fn push(&mut self, write: ScaleWrite) -> bool {
        let place = (u8::from(write.to < write.from), self.next);
        self.next += 1;
        let policy = write.policy.clone();
        let old = self.writes.insert(policy.clone(), (write, place));
        if let Some((write, old)) = &old {
            outcome(&write.step, "replaced");
            self.order.remove(old);
        }
        self.order.insert(place, policy);
        old.is_none()
    }

    fn pop(&mut self) -> Option<ScaleWrite> {
        let (_, key) = self.order.pop_first()?;
        self.writes.remove(&key).map(|(write, _)| write)
    }
}

// === impl WriteOutcome ===

impl WriteOutcome {
    /// A fixed word for metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Written(_) => "written",
            Self::Conflict => "conflict",
            Self::NotLeading => "not_leading",
            Self::Late => "late",
            Self::Failed(_) => "failed",
        }
    }
}

// === impl WriteQueue ===

impl WriteQueue {
    /// A queue with as many writers as `pace` says. `client` must not retry: a retried write would be a stale one.
    pub fn start(
        client: Client,
        clock: Clock,
        pace: &Pace,
        shards: Shards,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> (Self, mpsc::UnboundedReceiver<WriteResult>) {
        let (results, receiver) = mpsc::unbounded_channel();
        let bucket = Bucket::new(clock.clone(), pace.per_second, pace.per_second.max(1.0));
        let (pending, added, backlog) = (Mutex::default(), Notify::new(), pace.backlog.clone());
        let shared = Arc::new(Shared { pending, backlog, clock, added, client, bucket, shards, results });
        for _ in 0..pace.at_once {
            tasks.spawn(Arc::clone(&shared).work(shutdown.clone()));
        }
        (Self { shared }, receiver)
    }

    /// Adds a write; it replaces an older one of the same policy that was not sent yet.
    pub fn push(&self, write: ScaleWrite) {
        if self.shared.pending.lock().push(write) {
            self.shared.backlog.add();
        }
        self.shared.added.notify_one();
    }
}

// === impl Shared ===

impl Shared {
    /// Sends writes until `shutdown`, and then what is pending: the process still leads, and what was decided should stand.
    async fn work(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let next = self.pending.lock().pop();
            let Some(write) = next else {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = self.added.notified() => continue,
                }
            };
            // Wakes the next worker if there is more, since `notify_one` wakes a single one.
            self.added.notify_one();
            let outcome = if self.clock.instant() > write.until {
                WriteOutcome::Late
            } else {
                self.bucket.take().await;
                write.step.event("turn", Vec::new);
                self.send(&write).await
            };
            traced(&write.step, &outcome);
            self.backlog.done();
            // The engine has gone: nobody wants to know.
            let _ = self.results.send(WriteResult { write, outcome });
        }
    }

    async fn send(&self, write: &ScaleWrite) -> WriteOutcome {
        if !self.shards.holds(write.lead) {
            return WriteOutcome::NotLeading;
        }
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &write.policy.namespace, &write.resource);
        let patch = json!({ "metadata": { "resourceVersion": write.resource_version }, "spec": { "replicas": write.to } });
        // A thousand of these a second are felt by the server, and there is nothing in it to validate.
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }.validation_ignore();
        match tokio::time::timeout(CALL_TIMEOUT, api.patch_scale(&write.target, &params, &Patch::Merge(patch))).await {
            Ok(Ok(scale)) => WriteOutcome::Written(scale.metadata.resource_version.unwrap_or_default()),
            Ok(Err(Error::Api(status))) if status.is_conflict() => WriteOutcome::Conflict,
            Ok(Err(error)) => WriteOutcome::Failed(in_words(&error)),
            Err(_) => WriteOutcome::Failed(format!("no answer within {} s", CALL_TIMEOUT.as_secs())),
        }
    }
}

/// Ends a write's step.
fn traced(step: &Step, end: &WriteOutcome) {
    if let WriteOutcome::Failed(error) = end {
        step.failed(end.word(), error);
    }
    outcome(step, end.word());
}

fn outcome(step: &Step, word: &'static str) {
    step.tell(|| vec![KeyValue::new("ballast.outcome", word)]);
    step.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(policy: &str, from: u32, to: u32) -> ScaleWrite {
        let resource = super::super::scale::builtin(super::super::WorkloadKind::Deployment);
        ScaleWrite {
            policy: Key::new("n", policy),
            lead: Lead { shard: 0, term: 1 },
            resource,
            target: policy.to_owned(),
            target_uid: None,
            from,
            to,
            resource_version: String::new(),
            until: crate::clock::Clock::real().instant(),
            step: Step::default(),
        }
    }

    #[test]
    fn scale_outs_overtake_scale_ins() {
        let mut pending = Pending::default();
        pending.push(write("in", 5, 3));
        pending.push(write("out", 3, 5));
        assert_eq!(pending.pop().map(|w| w.target).as_deref(), Some("out"));
        assert_eq!(pending.pop().map(|w| w.target).as_deref(), Some("in"));
        assert!(pending.pop().is_none());
    }

    #[test]
    fn a_newer_decision_replaces_the_one_not_yet_sent() {
        let mut pending = Pending::default();
        assert!(pending.push(write("web", 3, 5)));
        assert!(!pending.push(write("web", 3, 8)), "it counts once");
        assert_eq!(pending.pop().map(|w| w.to), Some(8));
        assert!(pending.pop().is_none());
    }
}
