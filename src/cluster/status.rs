//! Status of policies: written when a reader would notice a change, and never in the way of a decision.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use kube::{Client, Error, Resource};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::bucket::Bucket;
use super::{CALL_TIMEOUT, Key, MANAGER, in_words};
use crate::api::conditions::without_numbers;
use crate::api::{ScalePolicy, ScalePolicyStatus};
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
    waiting: Mutex<Waiting>,
    written: Mutex<HashMap<Key, (ScalePolicyStatus, Instant)>>,
    added: Notify,
}

/// Statuses not yet written, oldest first; a newer one of the same policy takes the older one's place.
#[derive(Default)]
struct Waiting {
    order: VecDeque<Key>,
    statuses: HashMap<Key, Shown>,
}

/// A status, and the UID of the policy that it is meant for: a namesake must not get it.
struct Shown {
    uid: String,
    status: ScalePolicyStatus,
}

// === impl Waiting ===

impl Waiting {
    fn push(&mut self, key: &Key, shown: Shown) {
        if self.statuses.insert(key.clone(), shown).is_none() {
            self.order.push_back(key.clone());
        }
    }

    fn pop(&mut self) -> Option<(Key, Shown)> {
        while let Some(key) = self.order.pop_front() {
            if let Some(shown) = self.statuses.remove(&key) {
                return Some((key, shown));
            }
        }
        None
    }
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

    /// Hands over the status that the policy with this UID should show.
    pub fn put(&self, key: &Key, uid: &str, status: &ScalePolicyStatus) {
        let now = self.shared.clock.instant();
        if let Some((old, at)) = self.shared.written.lock().get(key) {
            let settled = now.saturating_duration_since(*at) >= VALUES_EVERY;
            if essence(old) == essence(status) && (!settled || readable(old) == readable(status)) {
                return;
            }
        }
        self.shared.waiting.lock().push(key, Shown { uid: uid.to_owned(), status: status.clone() });
        self.shared.added.notify_one();
    }

    /// What a policy shows already, as read with it.
    pub fn known(&self, key: &Key, status: &ScalePolicyStatus) {
        self.shared.written.lock().insert(key.clone(), (status.clone(), self.shared.clock.instant()));
    }

    /// Forgets a policy.
    pub fn forget(&self, key: &Key) {
        self.shared.waiting.lock().statuses.remove(key);
        self.shared.written.lock().remove(key);
    }

    /// Forgets everything: what waits belongs to a term that is over.
    pub fn clear(&self) {
        *self.shared.waiting.lock() = Waiting::default();
        self.shared.written.lock().clear();
    }
}

/// What must be seen at once when it changes.
fn essence(status: &ScalePolicyStatus) -> impl PartialEq + use<> {
    let failing = |c: &Condition| c.status == "False" && matches!(c.type_.as_str(), "AbleToScale" | "ScalingActive");
    let cause = |c: &Condition| failing(c).then(|| without_numbers(&c.message));
    let conditions: Vec<_> = status.conditions.iter().map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone(), cause(c))).collect();
    let decision = status.decision.as_ref().map(|d| (d.from, d.to, d.verdict.clone(), d.reason.clone(), d.held_by.clone()));
    let sizes = (status.current_replicas, status.desired_replicas, status.observed_generation);
    let events = (status.scale_events.len(), status.last_scale_time.clone());
    (conditions, decision, sizes, events, status.target.clone(), status.memory.clone())
}

/// All that a reader sees, without the times and ages that change by themselves.
fn readable(status: &ScalePolicyStatus) -> impl PartialEq + use<> {
    let conditions: Vec<_> = status.conditions.iter().map(|c| c.message.clone()).collect();
    (conditions, status.metrics_text.clone(), status.decision.as_ref().and_then(|decision| decision.until.clone()))
}

// === impl Shared ===

impl Shared {
    async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut last_error = String::new();
        loop {
            let next = self.waiting.lock().pop();
            let Some((key, Shown { uid, status })) = next else {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = self.added.notified() => continue,
                }
            };
            self.bucket.take().await;
            match replace_status::<ScalePolicy>(&self.client, &key, &uid, &status).await {
                Ok(()) => {
                    self.metrics.status("written");
                    last_error.clear();
                    self.written.lock().insert(key, (status, self.clock.instant()));
                }
                // The policy has gone, and its status with it; or a namesake has taken its place.
                Err(Error::Api(answer)) if answer.is_not_found() || answer.code == 422 => self.metrics.status("gone"),
                Err(error) => {
                    self.metrics.status("failed");
                    let error = in_words(&error);
                    // An outage concerns all policies: it is said once, and counted.
                    if error != last_error {
                        warn!(policy = %key, %error, "cannot write the status");
                        last_error = error;
                    }
                }
            }
        }
    }
}

/// Replaces the whole status of an object, provided that it is still the one it was made for. Server-side apply would not do: on a
/// subresource the server ignores a UID in the metadata.
pub async fn replace_status<K: Resource<DynamicType = ()>>(
    client: &Client,
    key: &Key,
    uid: &str,
    status: &impl Serialize,
) -> Result<(), Error> {
    let patch = json!([
        { "op": "test", "path": "/metadata/uid", "value": uid },
        { "op": "add", "path": "/status", "value": status },
    ]);
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let request = Request::new(K::url_path(&(), Some(&key.namespace)));
    let mut request = request.patch_subresource("status", &key.name, &params, &Patch::Merge(patch)).map_err(Error::BuildRequest)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json-patch+json"));
    match tokio::time::timeout(CALL_TIMEOUT, client.request::<IgnoredAny>(request)).await {
        Ok(result) => result.map(|_| ()),
        Err(_) => Err(Error::Service(format!("no answer within {} s", CALL_TIMEOUT.as_secs()).into())),
    }
}
