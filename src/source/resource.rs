//! metrics.k8s.io: usage of CPU, memory and other resources by pod.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use kube::Client;
use parking_lot::Mutex;
use serde::Deserialize;

use super::Ask;
use super::apiserver::{self, Path};
use super::health::Health;
use super::samples::{DEFAULT_WINDOW, List, go_duration, time};
use crate::api::quantity::Quantity;
use crate::clock::Clock;
use crate::core::{Failure, FailureKind, Reading, Sample, Time};

const API: &str = "metrics.k8s.io";
const HINT: &str = "install metrics-server or another provider of the resource metrics API";

/// Namespaces from which on one list of the cluster is made instead of one each.
const CLUSTER_FROM: usize = 8;
/// How long lists per namespace are made after a list of the cluster was refused or mostly unwanted.
const CLUSTER_PAUSE: Duration = Duration::from_mins(10);
/// Pods a list of the cluster may hold for each that is asked about; beyond, it costs more than it saves.
const UNWANTED: usize = 4;

/// Usage in every namespace of the cluster.
pub(super) type Everywhere = HashMap<String, Usage>;

/// Decides when the whole cluster is listed at once.
pub(super) struct ClusterLists {
    clock: Clock,
    pause_until: Mutex<Option<Instant>>,
}

/// Usage of all pods of one namespace.
#[derive(Default)]
pub(super) struct Usage(HashMap<String, PodUsage>);

struct PodUsage {
    time: Option<Time>,
    window: Duration,
    containers: Vec<ContainerUsage>,
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: Metadata,
    timestamp: Option<String>,
    window: Option<String>,
    /// Null where a Go server has an empty list.
    containers: Option<Vec<ContainerUsage>>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
struct ContainerUsage {
    name: String,
    #[serde(default)]
    usage: BTreeMap<String, Quantity>,
}

/// Lists the usage of every pod of a namespace: one request serves all policies there.
pub(super) async fn list(client: &Client, namespace: &str) -> Result<Usage, Failure> {
    let path = Path::new(&["apis", "metrics.k8s.io", "v1beta1", "namespaces", namespace, "pods"], &[])?;
    let list: List<PodMetrics> = apiserver::get(client, &path, API, HINT).await?;
    let pods: HashMap<_, _> = list.into_items().into_iter().map(|pod| (pod.metadata.name.clone(), pod.into())).collect();
    if pods.is_empty() {
        return Err(nothing_in(namespace));
    }
    Ok(Usage(pods))
}

/// Nothing measured in a namespace.
pub(super) fn nothing_in(namespace: &str) -> Failure {
    Failure::empty(format!("{API}: no pod of namespace {namespace} has metrics"))
}

// === impl ClusterLists ===

impl ClusterLists {
    pub fn new(clock: Clock) -> Self {
        Self { clock, pause_until: Mutex::new(None) }
    }

    /// Whether one list is likely cheaper than one for each of `namespaces`.
    pub fn pay(&self, namespaces: usize) -> bool {
        namespaces >= CLUSTER_FROM && self.pause_until.lock().is_none_or(|until| self.clock.instant() >= until)
    }

    /// Lists the cluster, of which `pods` pods are asked about. `None` where the rights are per namespace.
    pub async fn list(&self, client: &Client, pods: usize, health: &Health) -> Option<Result<Everywhere, Failure>> {
        let list = async {
            let path = Path::new(&["apis", "metrics.k8s.io", "v1beta1", "pods"], &[])?;
            apiserver::get::<List<PodMetrics>>(client, &path, API, HINT).await
        };
        let found = match health.count(list).await {
            Ok(list) => list.into_items(),
            Err(failure) if failure.kind == FailureKind::Refused => {
                tracing::debug!("usage is listed by namespace: {}", failure.message);
                self.pause();
                return None;
            }
            Err(failure) => return Some(Err(failure)),
        };
        if found.len() > UNWANTED * pods.max(100) {
            self.pause();
        }
        let mut everywhere = Everywhere::new();
        for pod in found {
            everywhere.entry(pod.metadata.namespace.clone()).or_default().0.insert(pod.metadata.name.clone(), pod.into());
        }
        Some(Ok(everywhere))
    }

    fn pause(&self) {
        *self.pause_until.lock() = self.clock.instant().checked_add(CLUSTER_PAUSE);
    }
}

impl From<PodMetrics> for PodUsage {
    fn from(pod: PodMetrics) -> Self {
        Self {
            time: pod.timestamp.as_deref().and_then(time),
            window: pod.window.as_deref().and_then(go_duration).unwrap_or(DEFAULT_WINDOW),
            containers: pod.containers.unwrap_or_default(),
        }
    }
}

// === impl Usage ===

impl Usage {
    /// The usage of an ask's pods. No entry for any of them is a failure, as it is for the stock autoscaler.
    pub fn reading(&self, ask: &Ask, resource: &str, container: Option<&str>) -> Reading {
        if !ask.pods.iter().any(|pod| self.0.contains_key(&**pod)) {
            let message = format!("{API}: no pod of {}/{} has metrics yet", ask.namespace, ask.target);
            return Failure::empty(message).into();
        }
        let sample = |pod: &std::sync::Arc<str>| self.0.get(&**pod)?.sample(resource, container);
        Reading::PerPod { samples: ask.pods.iter().map(sample).collect(), requests: Vec::new(), limits: Vec::new() }
    }
}

impl PodUsage {
    /// Usage of the named container, else of all; unknown unless each of them reports the resource.
    fn sample(&self, resource: &str, container: Option<&str>) -> Option<Sample> {
        let milli = |of: &ContainerUsage| of.usage.get(resource)?.milli().ok();
        let value = match container {
            Some(name) => milli(self.containers.iter().find(|of| of.name == name)?)?,
            None if self.containers.is_empty() => return None,
            None => self.containers.iter().map(milli).try_fold(0_i64, |sum, next| Some(sum.saturating_add(next?)))?,
        };
        Some(Sample { value: value as f64, time: self.time?, window: self.window })
    }
}
