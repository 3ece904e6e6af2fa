//! custom.metrics.k8s.io: metrics of pods and other objects, from an adapter.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::core::GroupVersion;
use kube::{Client, discovery};
use parking_lot::Mutex;

use super::Ask;
use super::apiserver::{self, Path, TIMEOUT};
use super::samples::{List, MetricValue};
use crate::clock::Clock;
use crate::core::{Failure, Reading, Sample};

const API: &str = "custom.metrics.k8s.io";
const HINT: &str = "install an adapter such as prometheus-adapter, or use a Prometheus metric";
/// How long an answer of discovery is trusted, and how long a failure.
const FRESH: Duration = Duration::from_mins(5);
const RETRY: Duration = Duration::from_secs(10);

/// The custom metrics API with what discovery said about it.
pub(super) struct Custom {
    client: Client,
    versions: Discovered<()>,
    plurals: Discovered<(String, String)>,
}

/// Values of one metric by pod.
pub(super) type ByPod = HashMap<String, Option<Sample>>;

// === impl Custom ===

impl Custom {
    pub fn new(client: Client, clock: Clock) -> Self {
        Self { client, versions: Discovered::new(clock.clone()), plurals: Discovered::new(clock) }
    }

    /// A metric of every pod that `pods` selects.
    pub async fn pods(&self, namespace: &str, pods: &str, metric: &str, selector: &str) -> Result<ByPod, Failure> {
        let version = self.version().await?;
        let segments = ["apis", API, &version, "namespaces", namespace, "pods", "*", metric];
        let path = Path::new(&segments, &[("labelSelector", pods), ("metricLabelSelector", selector)])?;
        let values = self.values(&path, metric).await?;
        if values.is_empty() {
            return Err(Failure::empty(format!("metric {metric}: {API}: no pod has it")));
        }
        Ok(values.into_iter().map(|value| (value.described_object.name.clone(), value.sample().ok())).collect())
    }

    /// A metric of one object.
    pub async fn object(&self, ask: &ObjectAsk<'_>) -> Result<Reading, Failure> {
        let ObjectAsk { namespace, metric, selector, api_version, kind, name } = *ask;
        let version = self.version().await?;
        let query = [("metricLabelSelector", selector)];
        let start = ["apis", API, &version, "namespaces", namespace];
        let path = if kind == "Namespace" && api_version == "v1" {
            // Always the policy's own namespace, as in the stock autoscaler: a reference must not lead out of it.
            Path::new(&[&start[..], &["metrics", metric]].concat(), &query)?
        } else {
            let resource = self.plural(api_version, kind).await.map_err(|failure| failure.of(&format!("metric {metric}")))?;
            Path::new(&[&start[..], &[&resource, name, metric]].concat(), &query)?
        };
        match self.values(&path, metric).await?.as_slice() {
            [] => Err(Failure::empty(format!("metric {metric}: {API}: {kind} {name} has no such metric"))),
            [value] => {
                let sample = value.sample().map_err(|error| Failure::invalid(format!("metric {metric}: {API}: {error}")))?;
                Ok(Reading::Total(sample))
            }
            many => {
                Err(Failure::invalid(format!("metric {metric}: {API}: returned {} values of {kind} {name}, one is needed", many.len())))
            }
        }
    }

    async fn values(&self, path: &Path, metric: &str) -> Result<Vec<MetricValue>, Failure> {
        let list: Result<List<MetricValue>, _> = apiserver::get(&self.client, path, API, HINT).await;
        list.map(List::into_items).map_err(|failure| failure.of(&format!("metric {metric}")))
    }

    /// The version that is served: v1beta2, else v1beta1.
    async fn version(&self) -> Result<Arc<str>, Failure> {
        self.versions
            .get((), async {
                let path = Path::new(&["apis", API], &[])?;
                let group: APIGroup = apiserver::get(&self.client, &path, API, HINT).await?;
                let served = |version: &&str| group.versions.iter().any(|served| served.version == *version);
                let version = ["v1beta2", "v1beta1"].into_iter().find(served);
                version.map(Arc::from).ok_or_else(|| Failure::unreachable(format!("{API}: serves neither v1beta2 nor v1beta1")))
            })
            .await
    }

    /// A kind as the API's paths name it: `services`, `ingresses.networking.k8s.io`. Where the server has no such kind in the version, the
    /// version it prefers is asked, because the stock autoscaler goes by group and kind alone.
    async fn plural(&self, api_version: &str, kind: &str) -> Result<Arc<str>, Failure> {
        let unknown = || Failure::refused(format!("the API server knows no kind {kind} in {api_version}"));
        self.plurals
            .get((api_version.to_owned(), kind.to_owned()), async {
                let version: GroupVersion = api_version.parse().map_err(|_| unknown())?;
                if let Some(found) = self.kind(&version, kind).await? {
                    return Ok(found);
                }
                if version.group.is_empty() {
                    return Err(unknown());
                }
                let group = within(api_version, discovery::group(&self.client, &version.group)).await?.ok_or_else(unknown)?;
                let preferred = GroupVersion { version: group.preferred_version_or_latest().to_owned(), ..version };
                self.kind(&preferred, kind).await?.ok_or_else(unknown)
            })
            .await
    }

    async fn kind(&self, version: &GroupVersion, kind: &str) -> Result<Option<Arc<str>>, Failure> {
        let Some(group) = within(&version.api_version(), discovery::pinned_group(&self.client, version)).await? else { return Ok(None) };
        let found = group.versioned_resources(&version.version).into_iter().find(|(resource, _)| resource.kind == kind);
        Ok(found.map(|(resource, _)| match resource.group.as_str() {
            "" => resource.plural.into(),
            group => format!("{}.{group}", resource.plural).into(),
        }))
    }
}

/// An answer of discovery, or `None` where there is no such group or version.
async fn within<T>(what: &str, asked: impl Future<Output = Result<T, kube::Error>>) -> Result<Option<T>, Failure> {
    let what = format!("discovery of {what}");
    match tokio::time::timeout(TIMEOUT, asked).await {
        Err(_) => Err(Failure::unreachable(format!("{what}: no answer within {} s", TIMEOUT.as_secs()))),
        Ok(Ok(answer)) => Ok(Some(answer)),
        Ok(Err(kube::Error::Discovery(_))) => Ok(None),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
        Ok(Err(error)) => Err(apiserver::from_api(&error, &what, "")),
    }
}

/// One question about an object.
#[derive(Clone, Copy)]
pub(super) struct ObjectAsk<'a> {
    pub namespace: &'a str,
    pub metric: &'a str,
    pub selector: &'a str,
    pub api_version: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
}

/// The values of an ask's pods.
pub(super) fn per_pod(values: &ByPod, ask: &Ask) -> Reading {
    let samples = ask.pods.iter().map(|pod| values.get(&**pod).copied().flatten()).collect();
    Reading::PerPod { samples, requests: Vec::new(), limits: Vec::new() }
}

/// When discovery was asked, and what it said.
type Asked = (Instant, Result<Arc<str>, Failure>);

/// Answers of discovery, kept for a while.
struct Discovered<K> {
    clock: Clock,
    known: Mutex<HashMap<K, Asked>>,
}

// === impl Discovered ===

impl<K: Eq + Hash> Discovered<K> {
    fn new(clock: Clock) -> Self {
        Self { clock, known: Mutex::default() }
    }

    async fn get(&self, key: K, ask: impl Future<Output = Result<Arc<str>, Failure>>) -> Result<Arc<str>, Failure> {
        let now = self.clock.instant();
        if let Some((when, found)) = self.known.lock().get(&key)
            && now.duration_since(*when) < fresh(found)
        {
            return found.clone();
        }
        let found = ask.await;
        let mut known = self.known.lock();
        // Names come from policies: those that nobody asks about any more must not stay.
        known.retain(|_, (when, found)| now.duration_since(*when) < fresh(found));
        known.insert(key, (now, found.clone()));
        found
    }
}

/// How long an answer is taken as it is.
const fn fresh(found: &Result<Arc<str>, Failure>) -> Duration {
    if found.is_ok() { FRESH } else { RETRY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Time;

    #[tokio::test]
    async fn kinds_that_nobody_asks_about_any_more_are_forgotten() {
        let clock = Clock::manual(Time::from_secs(0));
        let discovered = Discovered::new(clock.clone());
        for number in 0..9 {
            let failed = discovered.get(number, async { Err(Failure::refused("no such kind".to_owned())) }).await;
            assert!(failed.is_err());
            assert_eq!(discovered.known.lock().len(), 1);
            clock.advance(RETRY);
        }
    }
}
