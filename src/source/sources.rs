//! Every source of numbers, and how a tick asks them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use kube::Client;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::apiserver::TIMEOUT;
use super::custom::Custom;
use super::direct::Direct;
use super::health::{Health, SourceHealth};
use super::registry::{Registry, Settings};
use super::round::Round;
use super::usage::Lists;
use super::{Answers, Ask, Batch, Catalog, Fault};
use crate::api::SourceConfig;
use crate::clock::Clock;
use crate::core::{Failure, Reading, Time};

/// Requests under way at once to one metrics API. Each has its own, because each is another server behind the API server: an adapter that
/// hangs must not keep usage of CPU waiting.
pub(super) const CONCURRENCY: usize = 8;
/// A request waits this many timeouts for its turn.
const PATIENCE: u32 = 3;

/// Every source of numbers.
pub struct Sources {
    pub(super) client: Client,
    pub(super) usage: Arc<Lists>,
    pub(super) registry: Registry,
    pub(super) custom: Custom,
    /// Asks pods themselves, if that is allowed.
    pub(super) direct: Option<Direct>,
    pub(super) slots: AllSlots,
    pub(super) clock: Clock,
}

/// Turns at the API server, by who answers in the end.
pub(super) struct AllSlots {
    pub custom: Slots,
    pub external: Slots,
    /// Reads of `MetricSource`s and their Secrets.
    pub lookups: Semaphore,
}

/// Turns at one API, and how it fared.
pub(super) type Slots = (Semaphore, Health);

// === impl Sources ===

impl Sources {
    /// Sources behind `client`, those of `settings`, and the `MetricSource`s of `catalog`.
    pub fn new(client: Client, clock: Clock, settings: Settings, catalog: Arc<dyn Catalog>) -> Arc<Self> {
        let direct = settings.direct.and_then(|admits| {
            let refused = |error: &String| tracing::error!(%error, "pods cannot be asked themselves");
            Direct::new(admits, clock.clone()).inspect_err(refused).ok()
        });
        Arc::new(Self {
            direct,
            registry: Registry::new(client.clone(), clock.clone(), settings, catalog),
            usage: Lists::new(client.clone(), clock.clone()),
            slots: AllSlots::new(&clock),
            custom: Custom::new(client.clone(), clock.clone()),
            client,
            clock,
        })
    }

    /// Takes another list of the controller's sources into use; clients of unchanged ones are kept.
    pub fn reload(&self, sources: Vec<SourceConfig>) {
        self.registry.reload(sources);
    }

    /// Asks the server of a `MetricSource` for a constant: whether it is reached, trusted, and lets us in. `None`: there is no such object.
    pub async fn check(&self, namespace: &str, name: &str) -> Option<Result<(), Fault>> {
        let found = async {
            let _slot = slot(&self.slots.lookups).await?;
            self.registry.namespaced(namespace, name).await
        };
        match found.await {
            Ok(server) => Some(server?.probe(self.clock.now()).await),
            Err(fault) => Some(Err(fault)),
        }
    }

    /// Answers all batches of a tick: the place of a batch, and a reading for each of its asks in their order. A source that fails gives each
    /// of its asks a failure and touches no other.
    ///
    /// Equal requests are made once. A batch comes out as soon as all that it asked for is there or its own deadline has passed; what is
    /// missing then failed. Those that come out together come in one item. A request that nobody waits for any more is dropped, and so are
    /// all of them with the stream.
    ///
    /// `requests` of the readings are left empty.
    pub fn answer(self: Arc<Self>, batches: Vec<Batch>, now: Time) -> impl Stream<Item = Vec<(usize, Answers)>> + Send + Unpin + 'static {
        let round = Round::new(self, batches, now);
        Box::pin(stream::unfold(round, |mut round| async move { round.next().await.map(|out| (out, round)) }))
    }

    /// Answers the asks of one policy, in their order; every request has its own limit.
    pub async fn collect(self: &Arc<Self>, asks: &[Ask], now: Time) -> Vec<Reading> {
        let batch = Batch { asks: asks.to_vec(), deadline: Duration::MAX };
        let mut answers = Arc::clone(self).answer(vec![batch], now);
        let first = answers.next().await.and_then(|out| out.into_iter().next());
        first.map(|(_, answers)| answers.readings).unwrap_or_default()
    }

    /// Counters of every source that was asked: the three metrics APIs, and Prometheus servers by name (`namespace/name` for a `MetricSource`).
    pub fn health(&self) -> BTreeMap<String, SourceHealth> {
        let AllSlots { custom, external, .. } = &self.slots;
        let apis = [
            ("metrics.k8s.io", self.usage.health()),
            ("custom.metrics.k8s.io", custom.1.snapshot()),
            ("external.metrics.k8s.io", external.1.snapshot()),
        ];
        let apis = apis.into_iter().map(|(name, health)| (name.to_owned(), health));
        let pods = self.direct.as_ref().map(|direct| ("pods.direct".to_owned(), direct.health()));
        apis.chain(pods).chain(self.registry.health()).collect()
    }
}

/// A turn, unless others keep everybody waiting.
pub(super) async fn slot(slots: &Semaphore) -> Result<SemaphorePermit<'_>, Failure> {
    match tokio::time::timeout(TIMEOUT * PATIENCE, slots.acquire()).await {
        Ok(Ok(slot)) => Ok(slot),
        _ => Err(Failure::unreachable(format!("{CONCURRENCY} other requests kept the API busy for {} s", (TIMEOUT * PATIENCE).as_secs()))),
    }
}

// === impl AllSlots ===

impl AllSlots {
    fn new(clock: &Clock) -> Self {
        let api = || (Semaphore::new(CONCURRENCY), Health::new(clock.clone()));
        Self { custom: api(), external: api(), lookups: Semaphore::new(CONCURRENCY) }
    }
}
