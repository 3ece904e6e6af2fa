//! Whether each `MetricSource` works, as its condition `Ready`: asked when it changes, and again from time to time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::FutureExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::MetricSource;
use crate::api::conditions::set;
use crate::api::metric_source::MetricSourceStatus;
use crate::api::time::from_core;
use crate::clock::Clock;
use crate::cluster::{EventType, Index, Key, ObjectRef, Recorder, Shards, SourceRow, in_words, replace_status};
use crate::source::{Fault, Sources};

/// How often every source is asked. What policies ask meanwhile says more about those in use; this is for people who have just set one up.
const EVERY: Duration = Duration::from_mins(1);
/// The same while it does not work: its Secret often comes after it. Just longer than a failure to read a Secret stands.
const SOON: Duration = Duration::from_secs(11);
/// Sources asked at once.
const CONCURRENCY: usize = 8;
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
    /// A source is asked and told about by whoever leads its shard.
    pub shards: Shards,
    /// Time.
    pub clock: Clock,
}

/// When each source is asked next, and what was said of it.
#[derive(Default)]
struct Plan {
    next: HashMap<Key, Instant>,
    /// Being asked or told about.
    busy: HashSet<Key>,
    /// What Events said: a status that cannot be written must not be told again and again.
    said: HashMap<Key, Said>,
}

/// UID, whether it is ready, and the reason.
type Said = (String, bool, &'static str);

/// What asking a source gave.
struct Asked {
    row: SourceRow,
    result: Result<(), Fault>,
}

// === impl Ready ===

impl Ready {
    /// Asks sources as they are named, and all of them every minute, until `shutdown`. One that hangs holds up no other.
    pub async fn run(self, mut changed: mpsc::UnboundedReceiver<Key>, shutdown: CancellationToken) {
        let turns = Semaphore::new(CONCURRENCY);
        let mut plan = Plan::default();
        let (mut asked, mut told) = (FuturesUnordered::new(), FuturesUnordered::new());
        loop {
            let leading = self.shards.leads_any();
            if leading {
                for key in plan.due(&self.ours(), self.clock.instant()) {
                    asked.push(self.ask(key.clone(), &turns).map(|asked| (key, asked)));
                }
            } else {
                plan.next.clear();
                plan.said.clear();
            }
            let pause = if leading { plan.pause(self.clock.instant()) } else { AS_STANDBY };
            // Another shard may be taken at any time.
            let pause = if self.shards.count() > 1 { pause.min(AS_STANDBY) } else { pause };
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(key) = changed.recv() => drop(plan.next.insert(key, self.clock.instant())),
                Some((key, result)) = asked.next() => {
                    match result.and_then(|result| self.tell(&key, result, &mut plan)) {
                        Some((uid, status)) => told.push(self.write(key, uid, status)),
                        None => drop(plan.busy.remove(&key)),
                    }
                }
                Some(key) = told.next() => drop(plan.busy.remove(&key)),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The sources of the shards that this process leads.
    fn ours(&self) -> Vec<Key> {
        let mut sources = self.index.sources();
        if self.shards.count() > 1 {
            sources.retain(|key| self.index.source(key).is_some_and(|row| self.shards.leads(&row.uid)));
        }
        sources
    }

    /// Asks one source; `None` if there is no such source.
    async fn ask(&self, key: Key, turns: &Semaphore) -> Option<Asked> {
        // The semaphore is never closed.
        let _turn = turns.acquire().await.ok()?;
        let row = self.index.source(&key)?;
        let result = self.sources.check(&key.namespace, &key.name).await?;
        Some(Asked { row, result })
    }

    /// The status a source should show for what asking it gave, with its UID, unless it shows that already; and an Event if that is news.
    fn tell(&self, key: &Key, Asked { row, result }: Asked, plan: &mut Plan) -> Option<(String, MetricSourceStatus)> {
        let ready = result.is_ok();
        // An answer about what the object said before its last edit is none; the edit is asked about by itself.
        let row = self.index.source(key).filter(|now| now.revision == row.revision)?;
        plan.next.entry(key.clone()).or_insert(self.clock.instant() + if ready { EVERY } else { SOON });
        if !self.shards.leads(&row.uid) {
            return None;
        }
        let (reason, message) = match result {
            Ok(()) => ("QueryAnswered", "the server answers queries".to_owned()),
            Err(fault) => (fault.cause.word(), fault.failure.message),
        };
        let mut shown = row.status;
        let old = condition(&shown.conditions).cloned();
        let now = from_core(self.clock.now());
        set(&mut shown.conditions, READY, ready, reason, &message, row.generation, &now);
        if old.as_ref() == condition(&shown.conditions) {
            return None;
        }
        shown.observed_generation = row.generation;
        if !ready {
            (shown.last_error, shown.last_error_time) = (Some(message.clone()), Some(now));
        }
        let said = (row.uid.clone(), ready, reason);
        let before = plan.said.insert(key.clone(), said.clone());
        let already = old.is_some_and(|old| (old.status == "True") == ready && old.reason == reason);
        if !already && before.is_none_or(|before| before != said) {
            if ready {
                self.index.source_works(key);
            }
            let (kind, word) = if ready { (EventType::Normal, "SourceReady") } else { (EventType::Warning, "SourceNotReady") };
            info!(source = %key, ready, reason, %message, "asked a MetricSource");
            self.events.record(ObjectRef::own::<MetricSource>(key, &row.uid), kind, word, &message);
        }
        Some((row.uid, shown))
    }

    /// Writes a status and gives back whose it was.
    async fn write(&self, key: Key, uid: String, status: MetricSourceStatus) -> Key {
        match replace_status::<MetricSource>(&self.client, &key, &uid, &status).await {
            // Gone, or a namesake has taken its place: the watch brings the next one.
            Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.code == 422 => {}
            Err(error) => warn!(source = %key, error = in_words(&error), "cannot write the status"),
            Ok(()) => {}
        }
        key
    }
}

// === impl Plan ===

impl Plan {
    /// Takes all that is due of those that exist; the new ones are due at once. One that is being asked is left for afterwards.
    fn due(&mut self, sources: &[Key], now: Instant) -> Vec<Key> {
        let existing: HashSet<&Key> = sources.iter().collect();
        self.next.retain(|key, _| existing.contains(key));
        self.said.retain(|key, _| existing.contains(key));
        let due: Vec<Key> =
            sources.iter().filter(|key| !self.busy.contains(*key) && self.next.get(*key).is_none_or(|at| *at <= now)).cloned().collect();
        for key in &due {
            self.next.remove(key);
            self.busy.insert(key.clone());
        }
        due
    }

    /// Time until the next one is due; those being asked wake the task themselves.
    fn pause(&self, now: Instant) -> Duration {
        let waiting = self.next.iter().filter(|(key, _)| !self.busy.contains(*key));
        waiting.map(|(_, at)| at.saturating_duration_since(now)).min().map_or(EVERY, |pause| pause.min(EVERY))
    }
}

fn condition(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == READY)
}
