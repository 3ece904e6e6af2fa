//! One look: the sizes, pods and readings of a group of policies, gathered without deciding anything.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use crate::api::Compiled;
use crate::cluster::{Index, Key, ScaleClient, ScaleError, ScaleView, TargetPods};
use crate::core::{Observation, Reading, SignalKind, Target, Time};
use crate::source::{Ask, Query, Sources};

/// A policy that is due.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which policy.
    pub key: Key,
    /// What it says.
    pub compiled: Arc<Compiled>,
    /// When it was due.
    pub due: Instant,
}

/// What was seen of one policy's target.
#[derive(Debug)]
pub struct Seen {
    /// Which policy.
    pub key: Key,
    /// The policy as it was when the look began; an edit since then makes it void.
    pub compiled: Arc<Compiled>,
    /// When it was due.
    pub due: Instant,
    /// The target's scale at the start of the look, with the `resourceVersion` that a write must still find.
    pub scale: Result<ScaleView, ScaleError>,
    /// The core's input, if there is a target with a usable selector.
    pub observation: Option<Observation>,
    /// Pods that match the selector but belong to somebody else.
    pub foreign: usize,
}

/// What a look needs.
#[derive(Clone)]
pub struct Looker {
    /// Watched state.
    pub index: Arc<Index>,
    /// Sizes of targets that are not watched.
    pub scale: ScaleClient,
    /// Numbers.
    pub sources: Arc<Sources>,
}

/// Splits due policies by the sources they need, so that a slow source delays only those who need it.
pub fn groups(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut groups: HashMap<BTreeSet<(u8, String)>, Vec<Job>> = HashMap::new();
    for job in jobs {
        let sources = job.compiled.queries.iter().map(|query| source_of(&job.key, query)).collect();
        groups.entry(sources).or_default().push(job);
    }
    groups.into_values().collect()
}

/// The server that answers a query.
fn source_of(key: &Key, query: &Query) -> (u8, String) {
    match query {
        Query::Resource { .. } => (0, String::new()),
        Query::Pods { .. } | Query::Object { .. } => (1, String::new()),
        Query::External { .. } => (2, String::new()),
        // A source of this name may be the namespace's own, so two namespaces may mean two servers.
        Query::Prometheus(query) => (3, format!("{}/{}", key.namespace, query.source)),
    }
}

// === impl Looker ===

impl Looker {
    /// Looks at all of `jobs`: scales first, then one collection for everybody's signals.
    pub async fn look(&self, jobs: Vec<Job>, now: Time) -> Vec<Seen> {
        let mut seen = futures::future::join_all(jobs.into_iter().map(|job| self.target(job))).await;
        let mut asks = Vec::new();
        for (seen, pods) in &seen {
            let (Ok(scale), Some(pods)) = (&seen.scale, pods) else { continue };
            if scale.spec_replicas == 0 && !seen.compiled.wakes_from_zero() {
                continue;
            }
            let names: Arc<[Arc<str>]> = pods.pods.iter().map(|pod| Arc::clone(&pod.name)).collect();
            asks.extend(seen.compiled.queries.iter().map(|query| Ask {
                namespace: Arc::clone(&seen.key.namespace),
                target: Arc::from(seen.compiled.target.name.as_str()),
                selector: Arc::clone(&scale.selector),
                pods: Arc::clone(&names),
                query: query.clone(),
            }));
        }
        let mut readings = self.sources.collect(&asks, now).await.into_iter();
        for (seen, pods) in &mut seen {
            let (Ok(scale), Some(pods)) = (&seen.scale, pods) else { continue };
            let asked = !(scale.spec_replicas == 0 && !seen.compiled.wakes_from_zero());
            let mine = if asked { readings.by_ref().take(seen.compiled.queries.len()).collect() } else { Vec::new() };
            seen.observation = Some(observation(&seen.compiled, scale, pods, mine));
        }
        seen.into_iter().map(|(seen, _)| seen).collect()
    }

    async fn target(&self, job: Job) -> (Seen, Option<TargetPods>) {
        let target = &job.compiled.target;
        let scale = self.scale.read(&job.key.namespace, target).await;
        let pods = scale.as_ref().ok().and_then(|scale| self.index.pods_of(&job.key.namespace, scale));
        let foreign = pods.as_ref().map_or(0, |pods| pods.foreign);
        (Seen { key: job.key, compiled: job.compiled, due: job.due, scale, observation: None, foreign }, pods)
    }
}
