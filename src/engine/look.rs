//! One look: the sizes, pods and readings of a group of policies, gathered without deciding anything.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use kube::api::ApiResource;

use crate::api::Compiled;
use crate::cluster::{Index, Key, ScaleClient, ScaleError, ScaleView, TargetPods, cpu_limit_of, request_of};
use crate::core::{Observation, Reading, Request, Scheduled, Selector, SignalKind, Smoothing, Target, Time, Writer};
use crate::source::{Ask, Query, Sources};

/// What a source has not answered after one interval is unknown: the next look would wait for it. Short intervals get at least the time
/// of a slow but working server, long ones no more than a look may be old.
const SHORTEST_LOOK: Duration = Duration::from_secs(5);
const LONGEST_LOOK: Duration = Duration::from_secs(15);

/// Questions for writers under way at once, and how long all of them may take: one sync of Argo CD may set every size of a cluster, and the
/// answer to it matters more than the name.
const QUESTIONS: usize = 32;
const PATIENCE: Duration = SHORTEST_LOOK;

/// A policy that is due.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which policy.
    pub key: Key,
    /// What it says.
    pub compiled: Arc<Compiled>,
    /// When it was due.
    pub due: Instant,
    /// The size that is expected: seen or written last. `None`: any; who sets it is of no interest.
    pub expected: Option<u32>,
    /// The watch is behind: the server is asked for the size.
    pub afresh: bool,
}

/// What was seen of one policy's target.
#[derive(Debug)]
pub struct Seen {
    /// The policy, as it was when the look began; an edit since then makes the look void.
    pub job: Job,
    /// The target's size, with the version that a write must still find, and the core's input made of it.
    pub target: Result<(ScaleView, Observation), ScaleError>,
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
    /// Looks at all of `jobs`: sizes first, then one collection for everybody's signals.
    pub async fn look(&self, jobs: Vec<Job>, now: Time) -> Vec<Seen> {
        let deadline = jobs.iter().map(|job| job.compiled.policy.interval).min().unwrap_or(LONGEST_LOOK).clamp(SHORTEST_LOOK, LONGEST_LOOK);
        let scales = jobs.iter().map(|job| self.scale.read(&job.key.namespace, &job.compiled.target, job.afresh));
        let scales = futures::future::join_all(scales).await;
        let mut targets = Vec::with_capacity(jobs.len());
        let (mut asks, mut surprises) = (Vec::new(), Vec::new());
        for (job, scale) in jobs.into_iter().zip(scales) {
            let target = scale.map(|scale| {
                let pods = self.index.pods_of(&job.key.namespace, &scale);
                // Without a selector there are no pods to speak of, and nothing to ask about them.
                if selector(&scale) == Selector::Usable {
                    ask(&job, &scale, &pods, &mut asks);
                }
                if job.expected.is_some_and(|expected| expected != scale.spec_replicas) {
                    let target = Key::new(&job.key.namespace, &job.compiled.target.name);
                    surprises.push((job.key.clone(), target, scale.resource.clone()));
                }
                (scale, pods)
            });
            targets.push((job, target));
        }
        let readings = self.sources.collect_within(&asks, now, deadline);
        let (readings, mut writers) = futures::future::join(readings, writers(&self.scale, surprises)).await;
        let mut readings = readings.into_iter();
        let seen = targets.into_iter().map(|(job, target)| {
            let foreign = target.as_ref().map_or(0, |(_, pods)| pods.foreign);
            let target = target.map(|(scale, pods)| {
                let asked = if selector(&scale) == Selector::Usable { job.compiled.queries.len() } else { 0 };
                let mine = readings.by_ref().take(asked).collect();
                let writer = writers.remove(&job.key);
                let observation = Observation { writer, ..observe(&job.compiled, &scale, &pods, mine) };
                (scale, observation)
            });
            Seen { job, target, foreign }
        });
        seen.collect()
    }
}

/// A target whose size is not the expected one: its policy, its key, and where it is.
type Surprise = (Key, Key, ApiResource);

/// Who set these sizes, asked beside the metrics. Whoever is not known in time stays unknown.
async fn writers(client: &ScaleClient, surprises: Vec<Surprise>) -> HashMap<Key, Writer> {
    let late = || Writer::Unknown { why: "no answer in time".into() };
    let mut writers: HashMap<Key, Writer> = surprises.iter().map(|(policy, ..)| (policy.clone(), late())).collect();
    let questions =
        surprises.into_iter().map(|(policy, target, resource)| async move { (policy, client.writer(&target, &resource).await) });
    let mut answers = stream::iter(questions).buffer_unordered(QUESTIONS);
    let asked = tokio::time::timeout(PATIENCE, async {
        while let Some((policy, writer)) = answers.next().await {
            match writer {
                Some(writer) => writers.insert(policy, writer),
                None => writers.remove(&policy),
            };
        }
    });
    // What was answered in time is there.
    let _ = asked.await;
    writers
}

fn ask(job: &Job, scale: &ScaleView, pods: &TargetPods, asks: &mut Vec<Ask>) {
    let names: Arc<[Arc<str>]> = pods.pods.iter().map(|row| Arc::clone(&row.pod.name)).collect();
    let target: Arc<str> = Arc::from(job.compiled.target.name.as_str());
    asks.extend(job.compiled.queries.iter().map(|query| Ask {
        namespace: Arc::clone(&job.key.namespace),
        target: Arc::clone(&target),
        selector: Arc::clone(&scale.selector_text),
        pods: Arc::clone(&names),
        query: query.clone(),
    }));
}

fn selector(scale: &ScaleView) -> Selector {
    match &scale.selector_error {
        Some(message) => Selector::Invalid { message: message.clone() },
        None if scale.selector_text.is_empty() => Selector::Missing,
        None => Selector::Usable,
    }
}

/// The core's input: sizes, pods, readings with the pods' requests where a percentage is to be formed.
fn observe(compiled: &Compiled, scale: &ScaleView, pods: &TargetPods, mut readings: Vec<Reading>) -> Observation {
    for (reading, signal) in readings.iter_mut().zip(&compiled.policy.signals) {
        let Reading::PerPod { requests, limits, .. } = reading else { continue };
        if matches!(signal.target, Target::Utilization(_)) {
            *requests = requests_of(&signal.kind, pods);
        }
        // The stock rule does not ask for them.
        if compiled.policy.smoothing != Smoothing::None {
            *limits = cpu_limits_of(&signal.kind, pods);
        }
    }
    Observation {
        spec_replicas: scale.spec_replicas,
        status_replicas: scale.status_replicas,
        pods: pods.pods.iter().map(|row| row.pod.clone()).collect(),
        readings,
        scaled_to_zero: false,
        selector: selector(scale),
        scheduled: Scheduled::default(),
        writer: None,
    }
}

fn requests_of(kind: &SignalKind, pods: &TargetPods) -> Vec<Request> {
    let (resource, container) = match kind {
        SignalKind::Resource { resource } => (resource, None),
        SignalKind::ContainerResource { resource, container } => (resource, Some(container.as_str())),
        _ => return Vec::new(),
    };
    pods.pods.iter().map(|row| request_of(row, resource, container)).collect()
}

fn cpu_limits_of(kind: &SignalKind, pods: &TargetPods) -> Vec<Option<f64>> {
    let container = match kind {
        SignalKind::ContainerResource { container, .. } => Some(container.as_str()),
        _ => None,
    };
    if kind.is_cpu() { pods.pods.iter().map(|row| cpu_limit_of(row, container)).collect() } else { Vec::new() }
}
