//! Status of policies: written when a reader would notice a change, and never in the way of a decision.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Error};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::bucket::Bucket;
use super::{CALL_TIMEOUT, Key, MANAGER, in_words};
use crate::api::ScalePolicyStatus;
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// A moving value alone is written this often at most: it is for people, who read it when they look.
const VALUES_EVERY: Duration = Duration::from_secs(15);

/// Takes statuses and never blocks; clones share the queue.
#[derive(Clone)]
pub struct StatusWriter {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    clock: Clock,
    bucket: Bucket,
    metrics: Metrics,
    waiting: Mutex<BTreeMap<Key, ScalePolicyStatus>>,
    written: Mutex<HashMap<Key, (ScalePolicyStatus, Instant)>>,
    added: Notify,
}

// === impl StatusWriter ===

impl StatusWriter {
    /// A writer, and its task, which ends at `shutdown` when nothing waits any more.
    pub fn new(client: Client, clock: Clock, metrics: Metrics, shutdown: CancellationToken) -> (Self, impl Future<Output = ()>) {
        let bucket = Bucket::new(clock.clone(), 50.0, 100.0);
        let shared =
            Arc::new(Shared { client, clock, bucket, metrics, waiting: Mutex::default(), written: Mutex::default(), added: Notify::new() });
        (Self { shared: Arc::clone(&shared) }, shared.run(shutdown))
    }

    /// Hands over the status a policy should show.
    pub fn put(&self, key: &Key, status: &ScalePolicyStatus) {
        let now = self.shared.clock.instant();
        if let Some((old, at)) = self.shared.written.lock().get(key) {
            let settled = now.saturating_duration_since(*at) >= VALUES_EVERY;
            if essence(old) == essence(status) && (!settled || readable(old) == readable(status)) {
                return;
            }
        }
        self.shared.waiting.lock().insert(key.clone(), status.clone());
        self.shared.added.notify_one();
    }

    /// What a policy shows already, as read with it.
    pub fn known(&self, key: &Key, status: &ScalePolicyStatus) {
        self.shared.written.lock().insert(key.clone(), (status.clone(), self.shared.clock.instant()));
    }

    /// Forgets a policy.
    pub fn forget(&self, key: &Key) {
        self.shared.waiting.lock().remove(key);
        self.shared.written.lock().remove(key);
    }
}

/// What must be seen at once when it changes.
fn essence(status: &ScalePolicyStatus) -> impl PartialEq + use<> {
    let conditions: Vec<_> = status.conditions.iter().map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone())).collect();
    let decision = status.decision.as_ref().map(|d| (d.from, d.to, d.verdict.clone(), d.reason.clone(), d.held_by.clone()));
    let sizes = (status.current_replicas, status.desired_replicas, status.observed_generation);
    (conditions, decision, sizes, status.scale_events.len(), status.last_scale_time.clone(), status.target.clone())
}

/// All that a reader sees, without the times and ages that change by themselves.
fn readable(status: &ScalePolicyStatus) -> impl PartialEq + use<> {
    let conditions: Vec<_> = status.conditions.iter().map(|c| c.message.clone()).collect();
    (conditions, status.metrics_text.clone())
}

// === impl Shared ===

impl Shared {
    async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let next = self.waiting.lock().pop_first();
            let Some((key, status)) = next else {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = self.added.notified() => continue,
                }
            };
            self.bucket.take().await;
            match self.write(&key, &status).await {
                Ok(()) => {
                    self.metrics.status("written");
                    self.written.lock().insert(key, (status, self.clock.instant()));
                }
                // The policy has gone, and its status with it.
                Err(Error::Api(answer)) if answer.is_not_found() => self.metrics.status("gone"),
                Err(error) => {
                    self.metrics.status("failed");
                    warn!(policy = %key, error = in_words(&error), "cannot write the status");
                }
            }
        }
    }

    async fn write(&self, key: &Key, status: &ScalePolicyStatus) -> Result<(), Error> {
        let api: Api<crate::api::ScalePolicy> = Api::namespaced(self.client.clone(), &key.namespace);
        let object =
            json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": &*key.name }, "status": status });
        let params = PatchParams::apply(MANAGER).force();
        match tokio::time::timeout(CALL_TIMEOUT, api.patch_status(&key.name, &params, &Patch::Apply(object))).await {
            Ok(result) => result.map(|_| ()),
            Err(_) => Err(Error::Service(format!("no answer within {} s", CALL_TIMEOUT.as_secs()).into())),
        }
    }
}
