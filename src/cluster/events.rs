//! Events on policies and their targets.
//!
//! kube's recorder leaves the note out of its aggregation key, so "New size: 5" and then "New size: 8" would show as the first one
//! twice. Here the note is part of the key: a repeat of the same text counts up, another text is another Event.

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time as MetaTime};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Error};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::backlog::Backlog;
use super::outage::Outage;
use super::repeats::Repeats;
use super::{CALL_TIMEOUT, Key, MANAGER, in_words};
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// Events waiting to be written, some 400 bytes each; beyond it they are dropped and counted. Enough for every policy of a large cluster to move once.
const WAITING: usize = 16_384;
/// Events written per second on average, and at once after a pause. client-go has no limit over all objects; this one keeps a step of the whole
/// cluster from being felt by others.
const PER_SECOND: f64 = 100.0;
const BURST: f64 = 200.0;
/// The API server refuses longer notes.
const LONGEST_NOTE: usize = 1024;

/// `Normal` or `Warning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum EventType {
    Normal,
    Warning,
}

/// The object an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct ObjectRef {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl ObjectRef {
    /// An object of one of Ballast's own kinds.
    pub fn own<K: kube::Resource<DynamicType = ()>>(key: &Key, uid: &str) -> Self {
        Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            uid: uid.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Record {
    object: ObjectRef,
    kind: EventType,
    reason: String,
    note: String,
}

/// Takes Events and never blocks; clones share the queue.
#[derive(Clone)]
pub struct Recorder {
    sender: mpsc::Sender<Record>,
    metrics: Metrics,
}

struct Writer {
    client: Client,
    bucket: Bucket,
    sizes: Backlog,
    clock: Clock,
    metrics: Metrics,
    repeats: Repeats,
    serial: u64,
}

// === impl Recorder ===

impl Recorder {
    /// A recorder, and the task that writes until every recorder is gone or `shutdown` has passed and the queue is empty.
    /// It lets writes of `sizes` pass.
    pub fn new(
        client: Client,
        clock: Clock,
        metrics: Metrics,
        sizes: Backlog,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let bucket = Bucket::new(clock.clone(), PER_SECOND, BURST);
        let writer = Writer { client, bucket, sizes, clock, metrics: metrics.clone(), repeats: Repeats::default(), serial: 0 };
        (Self { sender, metrics }, writer.run(receiver, shutdown))
    }

    /// Records an Event; when the queue is full it is dropped and counted.
    pub fn record(&self, object: ObjectRef, kind: EventType, reason: &str, note: &str) {
        let note = note.get(..note.floor_char_boundary(LONGEST_NOTE)).unwrap_or_default().to_owned();
        let record = Record { object, kind, reason: reason.to_owned(), note };
        if self.sender.try_send(record).is_err() {
            self.metrics.event("dropped");
        }
    }
}

// === impl Writer ===

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Record>, shutdown: CancellationToken) {
        let mut outage = Outage::default();
        loop {
            let record = tokio::select! {
                biased;
                record = receiver.recv() => record,
                () = shutdown.cancelled() => None,
            };
            let Some(record) = record else { return };
            self.sizes.give_way().await;
            self.bucket.take().await;
            let error = match tokio::time::timeout(CALL_TIMEOUT, self.write(record)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(in_words(&error)),
                Err(_) => Some(format!("no answer within {} s", CALL_TIMEOUT.as_secs())),
            };
            // An outage concerns all: it is said once, and counted.
            let outcome = if let Some(error) = error {
                if outage.is_news(&error) {
                    warn!(%error, "cannot write Events");
                }
                "failed"
            } else {
                outage.end();
                "written"
            };
            self.metrics.event(outcome);
        }
    }

    async fn write(&mut self, record: Record) -> Result<(), Error> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &record.object.namespace);
        let now = MetaTime(jiff::Timestamp::from_second(self.clock.now().as_millis() / 1000).unwrap_or_default());
        if let Some((name, count)) = self.repeats.get_mut(&record) {
            let patch = json!({ "count": *count + 1, "lastTimestamp": now });
            match api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
                Ok(_) => {
                    *count += 1;
                    return Ok(());
                }
                // It has expired: the text is written anew below.
                Err(Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let name = self.name(&record.object.name);
        let event = event(&record, &name, now);
        api.create(&PostParams::default(), &event).await?;
        debug!(object = %record.object.name, reason = %record.reason, note = %record.note, "event");
        self.repeats.insert(&record, name);
        Ok(())
    }

    /// A name that no other Event has, in client-go's form: the object's name and a number.
    fn name(&mut self, object: &str) -> String {
        self.serial += 1;
        let cut = object.floor_char_boundary(200);
        format!("{}.{:x}{:04x}", object.get(..cut).unwrap_or_default(), self.clock.now().as_millis(), self.serial & 0xffff)
    }
}

fn event(record: &Record, name: &str, now: MetaTime) -> Event {
    let object = &record.object;
    Event {
        metadata: ObjectMeta { name: Some(name.to_owned()), namespace: Some(object.namespace.clone()), ..ObjectMeta::default() },
        involved_object: ObjectReference {
            api_version: Some(object.api_version.clone()),
            kind: Some(object.kind.clone()),
            namespace: Some(object.namespace.clone()),
            name: Some(object.name.clone()),
            uid: Some(object.uid.clone()),
            ..ObjectReference::default()
        },
        type_: Some(match record.kind {
            EventType::Normal => "Normal".to_owned(),
            EventType::Warning => "Warning".to_owned(),
        }),
        reason: Some(record.reason.clone()),
        message: Some(record.note.clone()),
        source: Some(EventSource { component: Some(MANAGER.to_owned()), ..EventSource::default() }),
        reporting_component: Some(MANAGER.to_owned()),
        reporting_instance: Some(MANAGER.to_owned()),
        count: Some(1),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        ..Event::default()
    }
}
