//! Whether each `MetricSource` works, as its condition `Ready`: asked when it changes, and again from time to time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::MetricSource;
use crate::api::conditions::set;
use crate::api::time::from_core;
use crate::clock::Clock;
use crate::cluster::{EventType, Index, Key, Leadership, ObjectRef, Recorder, in_words, replace_status};
use crate::core::{Failure, FailureKind};
use crate::source::Sources;

/// How often every source is asked. What policies ask meanwhile says more about those in use; this is for people who have just set one up.
const EVERY: Duration = Duration::from_mins(1);
/// Sources asked at once.
const CONCURRENCY: usize = 8;
/// A new source is asked again after this long while it does not work, since its Secret often comes after it.
const SOON: Duration = Duration::from_secs(11);

/// How soon a standby notices that it leads.
const AS_STANDBY: Duration = Duration::from_secs(1);

const READY: &str = "Ready";

/// The task that keeps the condition.
pub struct Ready {
    /// Watched state.
    pub index: Arc<Index>,
    /// Asks.
    pub sources: Arc<Sources>,
    /// Writes statuses.
    pub client: Client,
    /// Events on sources.
    pub events: Recorder,
    /// Only a leader writes.
    pub leadership: Leadership,
    /// Time.
    pub clock: Clock,
}

// === impl Ready ===

impl Ready {
    /// Asks sources as they are named, and all of them every minute, until `shutdown`.
    pub async fn run(self, mut changed: mpsc::UnboundedReceiver<Key>, shutdown: CancellationToken) {
        let mut next: HashMap<Key, std::time::Instant> = HashMap::new();
        loop {
            let now = self.clock.instant();
            let first = next.values().min().map_or(EVERY, |at| at.saturating_duration_since(now));
            let until = if self.leadership.is_leader() { first.min(EVERY) } else { AS_STANDBY };
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(key) = changed.recv() => drop(next.insert(key, now)),
                () = tokio::time::sleep(until) => {}
            }
            if !self.leadership.is_leader() {
                next.clear();
                continue;
            }
            let now = self.clock.instant();
            for key in self.index.sources() {
                next.entry(key).or_insert(now);
            }
            let due: Vec<Key> = next.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
            let asked = futures::stream::iter(due).map(async |key| (self.ask(&key).await, key));
            let asked: Vec<(Option<bool>, Key)> = asked.buffer_unordered(CONCURRENCY).collect().await;
            for (ready, key) in asked {
                match ready {
                    None => drop(next.remove(&key)),
                    Some(ready) => drop(next.insert(key, now + if ready { EVERY } else { SOON })),
                }
            }
        }
    }

    /// Asks one source and shows the outcome; `None` if there is no such source.
    async fn ask(&self, key: &Key) -> Option<bool> {
        let row = self.index.source(key)?;
        let (status, reason, message) = match (&row.malformed, self.sources.check(&key.namespace, &key.name).await) {
            (Some(error), _) => (false, "InvalidSpec", error.clone()),
            (None, None) => return None,
            (None, Some(Ok(()))) => (true, "QueryAnswered", "the server answers queries".to_owned()),
            (None, Some(Err(Failure { kind, message }))) => (false, word(kind), message),
        };
        let ready = |conditions: &[Condition]| conditions.iter().find(|condition| condition.type_ == READY).cloned();
        let mut shown = row.status.clone();
        let now = from_core(self.clock.now());
        set(&mut shown.conditions, READY, status, reason, &message, row.generation, &now);
        let (old, new) = (ready(&row.status.conditions), ready(&shown.conditions));
        if old == new {
            return Some(status);
        }
        shown.observed_generation = row.generation;
        if !status {
            (shown.last_error, shown.last_error_time) = (Some(message.clone()), Some(now));
        }
        if old.is_none_or(|old| (old.status == "True") != status || old.reason != reason) {
            let kind = if status { EventType::Normal } else { EventType::Warning };
            info!(source = %key, ready = status, reason, %message, "asked a MetricSource");
            self.events.record(object_ref(key, &row.uid), kind, if status { "SourceReady" } else { "SourceNotReady" }, &message);
        }
        match replace_status::<MetricSource>(&self.client, key, &row.uid, &shown).await {
            // Gone, or a namesake has taken its place: the watch brings the next one.
            Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.code == 422 => {}
            Err(error) => warn!(source = %key, error = in_words(&error), "cannot write the status"),
            Ok(()) => {}
        }
        Some(status)
    }
}

/// The condition's reason.
const fn word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable => "Unreachable",
        FailureKind::Refused => "Refused",
        FailureKind::Empty | FailureKind::Invalid => "InvalidAnswer",
    }
}

fn object_ref(key: &Key, uid: &str) -> ObjectRef {
    ObjectRef {
        api_version: "ballast.dev/v1alpha1".to_owned(),
        kind: "MetricSource".to_owned(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        uid: uid.to_owned(),
    }
}
