//! Status of policies: written when a reader would notice a change, and never in the way of a decision.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::CONTENT_TYPE;
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

use super::backlog::Backlog;
use super::outage::Outage;
use super::{CALL_TIMEOUT, Key, MANAGER, Shards, in_words};
use crate::api::conditions::without_numbers;
use crate::api::{ScalePolicy, ScalePolicyStatus};
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// A moving value alone is written this often at most: it is for people, who read it when they look.
const VALUES_EVERY: Duration = Duration::from_secs(15);

/// Share by which a value may be off before it is written again: the noise of a steady load is no news, and a cluster of thousands of steady
/// policies writes nothing.
const UNNOTICED: f32 = 0.05;

/// Statuses written per second on average, and at once after a pause: ten thousand take less than a minute, and sizes go first anyway.
const PER_SECOND: f64 = 200.0;
const BURST: f64 = 400.0;
/// Statuses being written at once.
const WORKERS: usize = 4;

/// Takes statuses and never blocks; clones share the queue.
#[derive(Clone)]
pub struct StatusWriter {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    clock: Clock,
    bucket: Bucket,
    sizes: Backlog,
    shards: Shards,
    metrics: Metrics,
    waiting: Mutex<Waiting>,
    written: Mutex<HashMap<Key, Written>>,
    added: Notify,
    outage: Mutex<Outage>,
}

/// Statuses not yet written, oldest first; a newer one of the same policy takes the older one's place.
#[derive(Default)]
struct Waiting {
    order: VecDeque<Key>,
    statuses: HashMap<Key, Shown>,
    /// Being written: the next status of the same policy must not overtake.
    writing: HashSet<Key>,
}

/// A status, and the UID of the policy that it is meant for: a namesake must not get it.
struct Shown {
    uid: String,
    status: ScalePolicyStatus,
}

/// What a policy shows, as far as it must be told from the next.
struct Written {
    essence: u64,
    values: Values,
    at: Instant,
}

/// What a reader sees of moving values: the numbers in the texts, and a mark of the texts without them. Times and ages are left out, as they
/// change by themselves.
struct Values {
    words: u64,
    numbers: Box<[f32]>,
}

// === impl Waiting ===

impl Waiting {
    fn push(&mut self, key: &Key, shown: Shown) {
        if self.statuses.insert(key.clone(), shown).is_none() {
            self.order.push_back(key.clone());
        }
    }

    /// The oldest of those of which none is being written.
    fn pop(&mut self) -> Option<(Key, Shown)> {
        for _ in 0..self.order.len() {
            let key = self.order.pop_front()?;
            if self.writing.contains(&key) {
                self.order.push_back(key);
            } else if let Some(shown) = self.statuses.remove(&key) {
                self.writing.insert(key.clone());
                if self.statuses.is_empty() {
                    // Thousands that waited once, as after a start, must not keep their room.
                    (self.order, self.statuses) = Default::default();
                }
                return Some((key, shown));
            }
        }
        None
    }
}

impl Waiting {
    /// A write has ended; whether the policy's next status waits.
    fn ended(&mut self, key: &Key) -> bool {
        self.writing.remove(key);
        self.statuses.contains_key(key)
    }
}

// === impl StatusWriter ===

impl StatusWriter {
    /// A writer, and its task, which ends at `shutdown` when nothing waits any more.
    /// It lets writes of `sizes` pass.
    pub fn new(
        client: Client,
        clock: Clock,
        metrics: Metrics,
        shards: Shards,
        sizes: Backlog,
        shutdown: &CancellationToken,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let bucket = Bucket::new(clock.clone(), PER_SECOND, BURST);
        let (waiting, written, added, outage) = (Mutex::default(), Mutex::default(), Notify::new(), Mutex::default());
        let shared = Arc::new(Shared { client, clock, bucket, sizes, shards, metrics, waiting, written, added, outage });
        let workers: Vec<_> = (0..WORKERS).map(|_| Arc::clone(&shared).run(shutdown.clone())).collect();
        (Self { shared }, async { drop(futures::future::join_all(workers).await) })
    }

    /// Hands over the status that the policy with this UID should show.
    pub fn put(&self, key: &Key, uid: &str, status: &ScalePolicyStatus) {
        let now = self.shared.clock.instant();
        if let Some(old) = self.shared.written.lock().get(key) {
            let settled = now.saturating_duration_since(old.at) >= VALUES_EVERY;
            if old.essence == essence(status) && (!settled || old.values.as_good_as(&Values::of(status))) {
                return;
            }
        }
        self.shared.waiting.lock().push(key, Shown { uid: uid.to_owned(), status: status.clone() });
        self.shared.added.notify_one();
    }

    /// What a policy shows already, as read with it.
    pub fn known(&self, key: &Key, status: &ScalePolicyStatus) {
        self.shared.written.lock().insert(key.clone(), Written::new(status, self.shared.clock.instant()));
    }

    /// Forgets a policy.
    pub fn forget(&self, key: &Key) {
        self.shared.waiting.lock().statuses.remove(key);
        self.shared.written.lock().remove(key);
    }

    /// Whether a status of this policy is still to be written, or being written.
    pub fn waits(&self, key: &Key) -> bool {
        let waiting = self.shared.waiting.lock();
        waiting.statuses.contains_key(key) || waiting.writing.contains(key)
    }

    /// Forgets everything: what waits belongs to a term that is over.
    pub fn clear(&self) {
        let mut waiting = self.shared.waiting.lock();
        waiting.order.clear();
        waiting.statuses.clear();
        drop(waiting);
        self.shared.written.lock().clear();
    }
}

// === impl Written ===

impl Written {
    fn new(status: &ScalePolicyStatus, at: Instant) -> Self {
        Self { essence: essence(status), values: Values::of(status), at }
    }
}

/// A mark of what must be seen at once when it changes.
fn essence(status: &ScalePolicyStatus) -> u64 {
    let mut mark = DefaultHasher::new();
    for condition in &status.conditions {
        (&condition.type_, &condition.status, &condition.reason).hash(&mut mark);
        if condition.status == "False" && matches!(condition.type_.as_str(), "AbleToScale" | "ScalingActive") {
            without_numbers(&condition.message).hash(&mut mark);
        }
    }
    let decision = status.decision.as_ref().map(|d| (d.from, d.to, &d.verdict, &d.reason, &d.held_by));
    let last_move = status.last_scale_time.as_ref().map(|time| time.0);
    (decision, status.current_replicas, status.desired_replicas, status.observed_generation).hash(&mut mark);
    (status.scale_events.len(), last_move, &status.target, &status.memory).hash(&mut mark);
    status.presets.as_ref().map(|presets| &presets.chosen).hash(&mut mark);
    status.current_metrics.iter().for_each(|metric| metric.holds.hash(&mut mark));
    mark.finish()
}

// === impl Values ===

impl Values {
    fn of(status: &ScalePolicyStatus) -> Self {
        let texts = status.conditions.iter().map(|condition| &condition.message).chain(&status.metrics_text);
        let (mut words, mut numbers) = (DefaultHasher::new(), Vec::new());
        for text in texts {
            let mut rest = text.as_str();
            while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
                let (before, from) = rest.split_at(start);
                let (number, after) = from.split_at(from.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(from.len()));
                before.hash(&mut words);
                // A full stop at the end of a sentence is none of the number's.
                match number.trim_end_matches('.').parse() {
                    Ok(number) => numbers.push(number),
                    Err(_) => number.hash(&mut words),
                }
                rest = after;
            }
            rest.hash(&mut words);
        }
        status.decision.as_ref().and_then(|decision| decision.until.as_ref()).map(|until| until.0).hash(&mut words);
        Self { words: words.finish(), numbers: numbers.into() }
    }

    /// Whether a reader of these would not be misled.
    fn as_good_as(&self, now: &Self) -> bool {
        let same = |(old, new): (&f32, &f32)| (old - new).abs() <= UNNOTICED * old.abs().max(new.abs());
        self.words == now.words && self.numbers.len() == now.numbers.len() && self.numbers.iter().zip(&now.numbers).all(same)
    }
}

// === impl Shared ===

impl Shared {
    async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let next = self.waiting.lock().pop();
            let Some((key, Shown { uid, status })) = next else {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = self.added.notified() => continue,
                }
            };
            // Wakes the next worker if there is more, since `notify_one` wakes a single one.
            self.added.notify_one();
            self.sizes.give_way().await;
            self.bucket.take().await;
            self.metrics.status(self.write(&key, &uid, &status).await);
            if self.waiting.lock().ended(&key) {
                self.added.notify_one();
            }
        }
    }

    /// Writes a status and gives a word for how that ended.
    async fn write(&self, key: &Key, uid: &str, status: &ScalePolicyStatus) -> &'static str {
        // Another member may have written a newer one.
        if !self.shards.leads(uid) {
            return "not_leading";
        }
        match replace_status::<ScalePolicy>(&self.client, key, uid, status).await {
            Ok(()) => {
                self.outage.lock().end();
                // One that was forgotten meanwhile stays so.
                if let Some(shown) = self.written.lock().get_mut(key) {
                    *shown = Written::new(status, self.clock.instant());
                }
                "written"
            }
            // The policy has gone, and its status with it; or a namesake has taken its place.
            Err(Error::Api(answer)) if answer.is_not_found() || answer.code == 422 => "gone",
            Err(error) => {
                let error = in_words(&error);
                // An outage concerns all policies: it is said once, and counted.
                if self.outage.lock().is_news(&error) {
                    warn!(policy = %key, %error, "cannot write the status");
                }
                "failed"
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

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Values {
        Values::of(&ScalePolicyStatus { metrics_text: Some(text.to_owned()), ..ScalePolicyStatus::default() })
    }

    #[test]
    fn noise_is_no_news_but_other_words_and_values_are() {
        let old = values("cpu 50%/60%, rps 1.24k/2k");
        for same in ["cpu 50%/60%, rps 1.24k/2k", "cpu 48%/60%, rps 1.20k/2k", "cpu 52%/60%, rps 1.3k/2k"] {
            assert!(old.as_good_as(&values(same)), "{same}");
        }
        for news in [
            "cpu 54%/60%, rps 1.24k/2k",
            "cpu <unknown>/60%, rps 1.24k/2k",
            "cpu 50%/60%, rps 1.24M/2k",
            "cpu 50%/60%",
            "cpu 0%/60%, rps 1.24k/2k",
        ] {
            assert!(!old.as_good_as(&values(news)), "{news}");
        }
        assert!(values("0/10").as_good_as(&values("0/10")) && !values("0/10").as_good_as(&values("1/10")));
        assert!(values("1.2.3").as_good_as(&values("1.2.3")) && !values("1.2.3").as_good_as(&values("1.2.4")), "no number");
    }
}
