//! One look: the sizes, pods and readings of all policies that are due, gathered without deciding anything.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::FutureExt;
use futures::stream::{self, StreamExt};
use kube::api::ApiResource;

use super::early::of_pods;
use crate::api::Compiled;
use crate::cluster::{Index, Key, PodRow, ScaleClient, ScaleError, ScaleView, TargetPods, cpu_limit_of, request_of};
use crate::core::{Observation, Phase, Reading, Request, Scheduled, Selector, SignalKind, Smoothing, Target, Time, Writer};
use crate::source::{Answers, Ask, Batch, Query, Sources, direct};

/// What a source has not answered after one interval is unknown: the next look would wait for it. Short intervals get at least the time
/// of a slow but working server, long ones no more than a look may be old.
const SHORTEST_LOOK: Duration = Duration::from_secs(5);
const LONGEST_LOOK: Duration = Duration::from_secs(15);

/// Sizes being read at once from the API server, of kinds that are not watched, and how many of them at most are then looked at together.
const SIZES: usize = 32;
const TOGETHER: usize = 1024;

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
    /// It was not; only growth is of interest.
    pub early: bool,
    /// The size that is expected: seen or written last. `None`: any; who sets it is of no interest.
    pub expected: Option<u32>,
    /// Version of the target before our own last write: with it the size is an old one, and nobody set it.
    pub replaced: Option<String>,
    /// The watch is behind: the server is asked for the size.
    pub afresh: bool,
    /// It is also asked which presets fit.
    pub probe: bool,
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
    /// Which presets fit, if that was asked.
    pub probed: Option<Reading>,
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
    /// Takes what was seen.
    pub tell: Arc<dyn Fn(Vec<Seen>) + Send + Sync>,
}

// === impl Looker ===

impl Looker {
    /// Looks at all of `jobs` and tells what was seen, each as soon as it is known: nobody waits for another's slow source, target or writer.
    pub async fn look(self: Arc<Self>, jobs: Vec<Job>, now: Time) {
        let (near, far): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| !job.afresh && self.scale.is_watched(&job.compiled.target));
        let sizes = near.into_iter().map(|job| (self.scale.watched(&job.key.namespace, &job.compiled.target), job)).collect();
        let client = self.scale.clone();
        let read = move |job: Job| {
            let client = client.clone();
            async move { (client.read(&job.key.namespace, &job.compiled.target, job.afresh).await, job) }
        };
        let far = stream::iter(far).map(read).buffer_unordered(SIZES).ready_chunks(TOGETHER);
        let near = Arc::clone(&self).see(sizes, now);
        let far = far.for_each_concurrent(None, move |sizes| Arc::clone(&self).see(sizes, now));
        futures::future::join(near, far).await;
    }

    /// Gathers what belongs to these sizes.
    async fn see(self: Arc<Self>, sizes: Vec<(Result<ScaleView, ScaleError>, Job)>, now: Time) {
        let (mut batches, mut waiting, mut surprises, mut unreadable) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (scale, job) in sizes {
            let scale = match scale {
                Ok(scale) => scale,
                Err(error) => {
                    unreadable.push(Seen { job, target: Err(error), foreign: 0, probed: None });
                    continue;
                }
            };
            let pods = self.index.pods_of(&job.key.namespace, &scale);
            // Without a selector there are no pods to speak of, and nothing to ask about them.
            let asks = if selector(&scale) == Selector::Usable { asks(&job, &scale, &pods) } else { Vec::new() };
            let deadline = if job.early { SHORTEST_LOOK } else { job.compiled.policy.interval.clamp(SHORTEST_LOOK, LONGEST_LOOK) };
            batches.push(Batch { asks, deadline });
            let old = job.replaced.as_ref() == Some(&scale.resource_version);
            let unexpected = !old && job.expected.is_some_and(|expected| expected != scale.spec_replicas);
            if unexpected {
                let target = Key::new(&job.key.namespace, &job.compiled.target.name);
                surprises.push((job.key.clone(), target, scale.resource.clone()));
            }
            waiting.push(Some(Waiting { job, scale, pods, unexpected }));
        }
        if !unreadable.is_empty() {
            (self.tell)(unreadable);
        }
        let mut writers = pin!(writers(&self.scale, surprises).fuse());
        let mut known: Option<HashMap<Key, Writer>> = None;
        let mut held = Vec::new();
        let mut answers = Arc::clone(&self.sources).answer(batches, now);
        loop {
            let answered = tokio::select! {
                answered = answers.next() => match answered {
                    Some(answered) => answered,
                    None => break,
                },
                found = &mut writers, if known.is_none() => {
                    known = Some(found);
                    std::mem::take(&mut held)
                }
            };
            let mut seen = Vec::with_capacity(answered.len());
            for (place, answers) in answered {
                let Some(waits) = waiting.get_mut(place) else { continue };
                match (&mut known, waits) {
                    (None, Some(waits)) if waits.unexpected => held.push((place, answers)),
                    (known, waits) => seen.extend(waits.take().map(|waits| waits.seen(answers, known.as_mut()))),
                }
            }
            if !seen.is_empty() {
                (self.tell)(seen);
            }
        }
        if !held.is_empty() {
            let mut known = writers.await;
            let last = held.into_iter().filter_map(|(place, answers)| {
                let waits = waiting.get_mut(place)?.take()?;
                Some(waits.seen(answers, Some(&mut known)))
            });
            (self.tell)(last.collect());
        }
    }
}

/// A policy whose target's size and pods are known, and whose signals are being asked for.
struct Waiting {
    job: Job,
    scale: ScaleView,
    pods: TargetPods,
    /// The size is not the expected one, so who set it is asked as well.
    unexpected: bool,
}

// === impl Waiting ===

impl Waiting {
    fn seen(self, mut answers: Answers, writers: Option<&mut HashMap<Key, Writer>>) -> Seen {
        let Self { job, scale, pods, .. } = self;
        // The last one, see `asks`.
        let probed = if job.probe { answers.readings.pop() } else { None };
        let writer = writers.and_then(|writers| writers.remove(&job.key));
        let observation = Observation { writer, ..observe(&job.compiled, &scale, &pods, answers) };
        Seen { foreign: pods.foreign, target: Ok((scale, observation)), probed, job }
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

fn asks(job: &Job, scale: &ScaleView, pods: &TargetPods) -> Vec<Ask> {
    let names: Arc<[Arc<str>]> = pods.pods.iter().map(|row| Arc::clone(&row.pod.name)).collect();
    let target: Arc<str> = Arc::from(job.compiled.target.name.as_str());
    let direct = job.compiled.queries.iter().any(of_pods).then(|| direct_pods(pods, !job.early));
    let ask = |query: &Query| Ask {
        namespace: Arc::clone(&job.key.namespace),
        target: Arc::clone(&target),
        selector: Arc::clone(&scale.selector_text),
        pods: Arc::clone(&names),
        query: query.clone(),
        direct: direct.as_ref().filter(|_| of_pods(query)).cloned(),
    };
    let probe = job.compiled.auto.as_ref().filter(|_| job.probe).map(|auto| &auto.probe);
    job.compiled.queries.iter().chain(probe).map(ask).collect()
}

/// The pods, for those who ask them. Between decisions no server is asked in their place: it would be asked every second.
fn direct_pods(pods: &TargetPods, fall_back: bool) -> direct::Pods {
    let pod = |row: &Arc<PodRow>| {
        let running = row.pod.phase == Phase::Running && !row.pod.deleting;
        let serving = running && row.pod.ready.is_some_and(|ready| ready.status);
        direct::Pod { endpoint: row.endpoint.as_ref().map(|endpoint| (**endpoint).clone()).map_err(|refused| *refused), running, serving }
    };
    direct::Pods { pods: pods.pods.iter().map(pod).collect(), fall_back }
}

fn selector(scale: &ScaleView) -> Selector {
    match &scale.selector_error {
        Some(message) => Selector::Invalid { message: message.clone() },
        None if scale.selector_text.is_empty() => Selector::Missing,
        None => Selector::Usable,
    }
}

/// The core's input: sizes, pods, readings with the pods' requests where a percentage is to be formed.
fn observe(compiled: &Compiled, scale: &ScaleView, pods: &TargetPods, answers: Answers) -> Observation {
    let Answers { mut readings, origins } = answers;
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
        origins,
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
