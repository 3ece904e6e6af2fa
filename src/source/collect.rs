//! All questions of a tick at once: equal requests are sent once, everything else side by side.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, Shared, join_all};
use kube::Client;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::apiserver::TIMEOUT;
use super::custom::{self, ByPod, Custom, ObjectAsk};
use super::failure::quote;
use super::health::{Health, SourceHealth};
use super::prometheus::{self, Answer, Server};
use super::registry::{Registry, Settings};
use super::resource::{self, ClusterLists, Everywhere, Usage};
use super::{Ask, Catalog, Fault, PrometheusQuery, Query, external};
use crate::api::SourceConfig;
use crate::clock::Clock;
use crate::core::{Failure, Reading, Time};

/// Requests under way at once to one metrics API. Each has its own, because each is another server behind the API server: an adapter that
/// hangs must not keep usage of CPU waiting.
const CONCURRENCY: usize = 8;
/// A request waits this many timeouts for its turn.
const PATIENCE: u32 = 3;

/// Every source of numbers.
pub struct Sources {
    client: Client,
    registry: Registry,
    custom: Custom,
    cluster_lists: ClusterLists,
    slots: Slots,
    clock: Clock,
}

/// Turns at the API server, by who answers in the end, and how it fared.
struct Slots {
    resource: (Semaphore, Health),
    custom: (Semaphore, Health),
    external: (Semaphore, Health),
    /// Reads of `MetricSource`s and their Secrets.
    lookups: Semaphore,
}

/// One request; asks with the same one share its answer.
#[derive(PartialEq, Eq, Hash)]
enum Request<'a> {
    Resource { namespace: &'a str },
    Pods { namespace: &'a str, pods: &'a str, metric: &'a str, selector: &'a str },
    Total { namespace: &'a str, query: &'a Query },
    Prometheus { server: ByAddress, query: String },
}

/// A server, compared by identity.
struct ByAddress(Arc<Server>);

/// Usage of the whole cluster, or `None` where namespaces are listed one by one.
type Cluster = Option<Result<Arc<Everywhere>, Failure>>;

/// What a request gave.
enum Answered {
    Everywhere(Arc<Everywhere>),
    Resource(Usage),
    Pods(ByPod),
    Total(Reading),
    Prometheus(Answer),
}

// === impl Sources ===

impl Sources {
    /// Sources behind `client`, those of `settings`, and the `MetricSource`s of `catalog`.
    pub fn new(client: Client, clock: Clock, settings: Settings, catalog: Arc<dyn Catalog>) -> Self {
        Self {
            registry: Registry::new(client.clone(), clock.clone(), settings, catalog),
            cluster_lists: ClusterLists::new(clock.clone()),
            slots: Slots::new(&clock),
            custom: Custom::new(client.clone(), clock.clone()),
            client,
            clock,
        }
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

    /// Answers every ask, in the same order. A source that fails gives each of its asks a failure and touches no other.
    ///
    /// `requests` of the readings are left empty.
    pub async fn collect(&self, asks: &[Ask], now: Time) -> Vec<Reading> {
        // Every request has its own limit.
        self.collect_within(asks, now, Duration::MAX).await
    }

    /// The same, but what is not there after `deadline` counts as no answer: a slow source then holds up its own asks only until that time.
    #[allow(clippy::mutable_key_type)] // Servers are compared by address.
    pub async fn collect_within(&self, asks: &[Ask], now: Time, deadline: Duration) -> Vec<Reading> {
        let start = self.clock.instant();
        let servers = self.servers(asks, deadline).await;
        let planned: Vec<Result<Request<'_>, Failure>> = asks.iter().map(|ask| plan(ask, &servers)).collect();
        let mut requests: Vec<&Request<'_>> = Vec::new();
        let mut index: HashMap<&Request<'_>, usize> = HashMap::new();
        for request in planned.iter().flatten() {
            index.entry(request).or_insert_with(|| {
                requests.push(request);
                requests.len() - 1
            });
        }
        let everywhere = self.everywhere(asks).boxed().shared();
        let left = deadline.saturating_sub(self.clock.instant().saturating_duration_since(start));
        let answers = requests.iter().map(|request| within(left, deadline, self.send(request, now, everywhere.clone())));
        let answers = join_all(answers).await;
        let reading = |(ask, request): (&Ask, &Result<Request<'_>, Failure>)| {
            let answer =
                request.as_ref().map_err(Failure::clone).and_then(|request| answers[index[request]].as_ref().map_err(Failure::clone));
            answer.and_then(|answer| read(answer, ask, now)).unwrap_or_else(|failure| named(ask, &failure).into())
        };
        asks.iter().zip(&planned).map(reading).collect()
    }

    /// The servers of all Prometheus asks, each looked up once.
    async fn servers<'a>(&self, asks: &'a [Ask], deadline: Duration) -> HashMap<(&'a str, &'a str), Result<Arc<Server>, Failure>> {
        let wanted: HashSet<(&str, &str)> = asks.iter().filter_map(named_source).collect();
        let find = |key: (&'a str, &'a str)| async move {
            let found = async {
                let _slot = slot(&self.slots.lookups).await?;
                self.registry.find(key.0, key.1).await
            };
            let found = within(deadline, deadline, found).await;
            (key, found)
        };
        join_all(wanted.into_iter().map(find)).await.into_iter().collect()
    }

    /// Counters of every source that was asked: the three metrics APIs, and Prometheus servers by name (`namespace/name` for a `MetricSource`).
    pub fn health(&self) -> BTreeMap<String, SourceHealth> {
        let Slots { resource, custom, external, .. } = &self.slots;
        let apis = [("metrics.k8s.io", resource), ("custom.metrics.k8s.io", custom), ("external.metrics.k8s.io", external)];
        let apis = apis.into_iter().map(|(name, (_, health))| (name.to_owned(), health.snapshot()));
        apis.chain(self.registry.health()).collect()
    }

    /// Usage of the whole cluster, if that is the cheaper way.
    async fn everywhere(&self, asks: &[Ask]) -> Cluster {
        let mine = asks.iter().filter(|ask| matches!(ask.query, Query::Resource { .. }));
        let namespaces: HashSet<&str> = mine.clone().map(|ask| &*ask.namespace).collect();
        let pods = mine.map(|ask| ask.pods.len()).sum();
        if !self.cluster_lists.pay(namespaces.len()) {
            return None;
        }
        let (slots, health) = &self.slots.resource;
        let _slot = slot(slots).await.ok()?;
        Some(self.cluster_lists.list(&self.client, pods, health).await?.map(Arc::new))
    }

    async fn send(&self, request: &Request<'_>, now: Time, everywhere: Shared<BoxFuture<'_, Cluster>>) -> Result<Answered, Failure> {
        if let Request::Resource { namespace } = request
            && let Some(everywhere) = everywhere.await
        {
            let everywhere = everywhere?;
            return everywhere
                .contains_key(*namespace)
                .then_some(Answered::Everywhere(everywhere))
                .ok_or_else(|| resource::nothing_in(namespace));
        }
        if let Request::Prometheus { server, query } = request {
            return server.0.query(query, now).await.map(Answered::Prometheus);
        }
        let (slots, health) = match request {
            Request::Pods { .. } | Request::Total { query: Query::Object { .. }, .. } => &self.slots.custom,
            Request::Total { .. } => &self.slots.external,
            _ => &self.slots.resource,
        };
        let _slot = slot(slots).await?;
        health.count(Box::pin(self.ask_api(request))).await
    }

    async fn ask_api(&self, request: &Request<'_>) -> Result<Answered, Failure> {
        match request {
            Request::Resource { namespace } => resource::list(&self.client, namespace).await.map(Answered::Resource),
            Request::Pods { namespace, pods, metric, selector } => {
                self.custom.pods(namespace, pods, metric, selector).await.map(Answered::Pods)
            }
            Request::Total { namespace, query: Query::Object { metric, selector, api_version, kind, name } } => {
                self.custom.object(&ObjectAsk { namespace, metric, selector, api_version, kind, name }).await.map(Answered::Total)
            }
            Request::Total { namespace, query: Query::External { metric, selector } } => {
                external::total(&self.client, namespace, metric, selector).await.map(Answered::Total)
            }
            Request::Total { .. } | Request::Prometheus { .. } => Err(Failure::refused("no such request")),
        }
    }
}

/// Where an ask names a source: its namespace and that name.
fn named_source(ask: &Ask) -> Option<(&str, &str)> {
    match &ask.query {
        Query::Prometheus(query) => Some((&ask.namespace, &query.source)),
        _ => None,
    }
}

/// An answer that comes in the time that is `left` of the `deadline`.
async fn within<T>(left: Duration, deadline: Duration, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| Failure::unreachable(format!("no answer within {} s", deadline.as_secs_f64()));
    tokio::time::timeout(left, answer).await.map_err(late)?
}

/// A turn, unless others keep everybody waiting.
async fn slot(slots: &Semaphore) -> Result<SemaphorePermit<'_>, Failure> {
    match tokio::time::timeout(TIMEOUT * PATIENCE, slots.acquire()).await {
        Ok(Ok(slot)) => Ok(slot),
        _ => Err(Failure::unreachable(format!("{CONCURRENCY} other requests kept the API busy for {} s", (TIMEOUT * PATIENCE).as_secs()))),
    }
}

/// The request that answers an ask.
fn plan<'a>(ask: &'a Ask, servers: &HashMap<(&str, &str), Result<Arc<Server>, Failure>>) -> Result<Request<'a>, Failure> {
    let namespace = &*ask.namespace;
    Ok(match &ask.query {
        Query::Resource { .. } => Request::Resource { namespace },
        Query::Pods { metric, selector } => Request::Pods { namespace, pods: &ask.selector, metric, selector },
        query @ (Query::Object { .. } | Query::External { .. }) => Request::Total { namespace, query },
        Query::Prometheus(PrometheusQuery { source, query, .. }) => {
            let unknown = || Err(Failure::refused(format!("source {source} is unknown")));
            let server = servers.get(&(namespace, source.as_str())).cloned().unwrap_or_else(unknown)?;
            let query = match &server.material().enforce_label {
                Some(label) => prometheus::substitute(&prometheus::enforce(query, label, namespace)?, ask)?,
                None => prometheus::substitute(query, ask)?,
            };
            Request::Prometheus { server: ByAddress(server), query }
        }
    })
}

/// An ask's own part of an answer.
fn read(answer: &Answered, ask: &Ask, now: Time) -> Result<Reading, Failure> {
    match (answer, &ask.query) {
        (Answered::Everywhere(usage), Query::Resource { resource, container }) => {
            let usage = usage.get(&*ask.namespace).ok_or_else(|| resource::nothing_in(&ask.namespace))?;
            Ok(usage.reading(ask, resource, container.as_deref()))
        }
        (Answered::Resource(usage), Query::Resource { resource, container }) => Ok(usage.reading(ask, resource, container.as_deref())),
        (Answered::Pods(values), _) => Ok(custom::per_pod(values, ask)),
        (Answered::Total(reading), _) => Ok(reading.clone()),
        (Answered::Prometheus(answer), Query::Prometheus(query)) => {
            prometheus::reading(answer, query, &ask.pods, now).map_err(|failure| failure.of(&format!("source {}", query.source)))
        }
        _ => Err(Failure::refused("no such answer")),
    }
}

/// Puts the query in front of what a Prometheus server said: people know it by that, and can ask it themselves.
fn named(ask: &Ask, failure: &Failure) -> Failure {
    match &ask.query {
        Query::Prometheus(query) => failure.of(&format!("query {}", quote(&query.query))),
        _ => failure.clone(),
    }
}

// === impl Slots ===

impl Slots {
    fn new(clock: &Clock) -> Self {
        let api = || (Semaphore::new(CONCURRENCY), Health::new(clock.clone()));
        Self { resource: api(), custom: api(), external: api(), lookups: Semaphore::new(CONCURRENCY) }
    }
}

// === impl ByAddress ===

impl PartialEq for ByAddress {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ByAddress {}

impl Hash for ByAddress {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}
