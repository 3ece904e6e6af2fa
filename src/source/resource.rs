//! metrics.k8s.io: usage of CPU, memory and other resources by pod.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kube::Client;
use serde::Deserialize;

use super::Ask;
use super::apiserver::{self, Path};
use super::samples::{DEFAULT_WINDOW, List, go_duration, time};
use crate::api::quantity::Quantity;
use crate::core::{Failure, Reading, Sample, Time};

const API: &str = "metrics.k8s.io";
const HINT: &str = "install metrics-server or another provider of the resource metrics API";

/// Usage of all pods of one namespace.
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
    #[serde(default)]
    containers: Vec<ContainerUsage>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
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
        return Err(Failure::empty(format!("{API}: no pod of namespace {namespace} has metrics")));
    }
    Ok(Usage(pods))
}

impl From<PodMetrics> for PodUsage {
    fn from(pod: PodMetrics) -> Self {
        Self {
            time: pod.timestamp.as_deref().and_then(time),
            window: pod.window.as_deref().and_then(go_duration).unwrap_or(DEFAULT_WINDOW),
            containers: pod.containers,
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
        Reading::PerPod { samples: ask.pods.iter().map(sample).collect(), requests: Vec::new() }
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
