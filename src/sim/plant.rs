//! The model cluster: one workload whose pods take time to start, and metrics that come late.
//!
//! Time passes in steps of one second. All ready pods bear equal shares of the load; what exceeds their capacity waits, up to a limit, and
//! is lost beyond it.

use std::time::Duration;

use super::load::Load;
use super::meter::{Counter, HISTORY};
use super::score::Second;
use crate::core::{Failure, FailureKind, Observation, Phase, Pod, Reading, Ready, Request, Sample, Signal, SignalKind, Time};

/// When the simulation begins; any time would do.
const EPOCH: Time = Time::from_secs(1_000_000);
/// Age in seconds of the pods that are there at the start.
const OLD: i64 = 86_400;
/// CPU that a pod requests, in thousandths of a core. It is also its limit: usage saturates here.
pub const CPU_REQUEST: f64 = 1000.0;
/// Requests per second that fill a pod, in thousandths.
pub const POD_RATE: f64 = 100_000.0;

/// How the cluster behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// From the order of a pod to its readiness, default 45 s.
    pub pod_start: Duration,
    /// Additional time to readiness of each pod: uniform from 0 to this, default 0.
    pub pod_start_spread: Duration,
    /// Time between samples, default 15 s.
    pub scrape: Duration,
    /// Time that a sample averages over, default 15 s.
    pub window: Duration,
    /// From the end of a sample's window until it can be read, default 30 s.
    pub metric_age: Duration,
    /// Longest time that work waits before it is lost: the backlog is at most what the ready pods do in this time. Default 0.
    pub patience: Duration,
    /// From when until when, in seconds since the start, no metric can be read. Default never.
    pub outage: Option<(u64, u64)>,
    /// Seed of all that is random in the cluster.
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            pod_start: seconds(45),
            pod_start_spread: Duration::ZERO,
            scrape: seconds(15),
            window: seconds(15),
            metric_age: seconds(30),
            patience: Duration::ZERO,
            outage: None,
            seed: 0,
        }
    }
}

/// The cluster at a second.
#[derive(Debug)]
pub struct Cluster<'a> {
    setup: Setup,
    load: &'a Load,
    /// Seconds since the start.
    second: u64,
    /// What an autoscaler sees; its pods are the cluster's.
    seen: Observation,
    /// Second at which each pod becomes ready, in the order of `seen.pods`.
    ready_at: Vec<i64>,
    ready: u32,
    /// Work that waits, in pod-seconds.
    backlog: f64,
    named: u64,
    random: fastrand::Rng,
    /// Load that arrived, in pods.
    offered: Counter,
    /// Usage of each ready pod as a share of its limit.
    usage: Counter,
}

impl<'a> Cluster<'a> {
    /// A cluster of so many ready pods which has borne the first load for ever.
    pub fn new(setup: Setup, load: &'a Load, replicas: u32) -> Self {
        let usage = if replicas == 0 { 0.0 } else { (load.at(0) / f64::from(replicas)).min(1.0) };
        let mut cluster = Self {
            setup,
            load,
            second: 0,
            seen: Observation::default(),
            ready_at: Vec::new(),
            ready: 0,
            backlog: 0.0,
            named: 0,
            random: fastrand::Rng::with_seed(setup.seed),
            offered: Counter::new(load.at(0)),
            usage: Counter::new(usage),
        };
        for _ in 0..replicas {
            cluster.add(-OLD, -OLD);
        }
        cluster.settle();
        for pod in &mut cluster.seen.pods {
            pod.ready = Some(Ready { status: true, since: at(-OLD) });
        }
        cluster.seen.spec_replicas = replicas;
        cluster
    }

    /// The time.
    pub fn now(&self) -> Time {
        at(signed(self.second))
    }

    /// Seconds since the start.
    pub fn second(&self) -> u64 {
        self.second
    }

    /// The size that was asked for.
    pub fn ordered(&self) -> u32 {
        self.seen.spec_replicas
    }

    /// Pods that bear load.
    pub fn ready(&self) -> u32 {
        self.ready
    }

    /// Load of this second, in pods.
    pub fn load(&self) -> f64 {
        self.load.at(self.second)
    }

    /// Mean load in pods over a time of so many seconds that ended so many seconds ago, as a metrics pipeline of its own would see it.
    pub fn recent(&self, window: u64, age: u64) -> f64 {
        let end = signed(self.second) - signed(age);
        self.offered.rate(end - signed(window.min(HISTORY - age)), end)
    }

    /// Asks for a size. New pods exist at once; pods that are not ready go first, then the youngest.
    pub fn scale(&mut self, replicas: u32) {
        self.seen.spec_replicas = replicas;
        while self.ready_at.len() > replicas as usize {
            let unready = self.ready_at.iter().rposition(|&ready_at| ready_at > signed(self.second));
            let index = unready.unwrap_or(self.ready_at.len() - 1);
            self.ready_at.remove(index);
            self.seen.pods.remove(index);
            self.ready -= u32::from(unready.is_none());
        }
        while self.ready_at.len() < replicas as usize {
            let spread = self.setup.pod_start_spread.as_secs();
            let extra = if spread == 0 { 0 } else { self.random.u64(0..=spread) };
            let created = signed(self.second);
            self.add(created, created + signed(self.setup.pod_start.as_secs() + extra));
        }
        self.settle();
    }

    /// The load of this second is borne, and the next one begins.
    pub fn pass(&mut self) -> Second {
        let (load, capacity, waiting) = (self.load(), f64::from(self.ready), self.backlog);
        let served = (load + waiting).min(capacity);
        let rest = load + waiting - served;
        self.backlog = rest.min(capacity * self.setup.patience.as_secs_f64());
        self.offered.count(load);
        self.usage.count(if self.ready == 0 { 0.0 } else { served / capacity });
        self.second += 1;
        let second = Second { load, waiting, lost: rest - self.backlog, ready: self.ready, ordered: self.ordered() };
        self.settle();
        second
    }

    /// What an autoscaler with these signals sees now.
    pub fn observe(&mut self, signals: &[Signal]) -> &Observation {
        self.seen.status_replicas = u32::try_from(self.seen.pods.len()).unwrap_or(u32::MAX);
        let mut readings = std::mem::take(&mut self.seen.readings);
        readings.resize_with(signals.len(), || Reading::PerPod { samples: Vec::new(), requests: Vec::new(), limits: Vec::new() });
        for (signal, reading) in signals.iter().zip(&mut readings) {
            self.read(&signal.kind, reading);
        }
        self.seen.readings = readings;
        &self.seen
    }

    /// End of the newest sample that can be read, in seconds since the start. Samples appear at whole multiples of the scrape interval.
    fn newest(&self) -> i64 {
        let scrape = self.setup.scrape.as_secs().max(1);
        signed(self.second / scrape * scrape) - signed(self.setup.metric_age.as_secs())
    }

    fn read(&self, kind: &SignalKind, reading: &mut Reading) {
        if self.setup.outage.is_some_and(|(from, until)| (from..until).contains(&self.second)) {
            *reading = Reading::Failed(Failure { kind: FailureKind::Unreachable, message: format!("no answer for {kind}") });
            return;
        }
        let end = self.newest();
        let start = end - signed(self.setup.window.as_secs());
        let sample = |value| Sample { value, time: at(end), window: self.setup.window };
        match kind {
            SignalKind::Object { .. } | SignalKind::External { .. } | SignalKind::Prometheus { .. } => {
                *reading = Reading::Total(sample(self.offered.rate(start, end) * POD_RATE));
            }
            SignalKind::Resource { resource } | SignalKind::ContainerResource { resource, .. } if resource == "cpu" => {
                let (mut values, mut asked) = match reading {
                    Reading::PerPod { samples, requests, .. } => (std::mem::take(samples), std::mem::take(requests)),
                    _ => (Vec::new(), Vec::new()),
                };
                values.clear();
                values.extend(self.seen.pods.iter().zip(&self.ready_at).map(|(pod, &ready_at)| {
                    // A sample covers its whole window only for a pod that was there.
                    let there = pod.start_time.is_some_and(|created| created <= at(start));
                    let serving = (end - ready_at.max(start)).max(0);
                    let usage = self.usage.rate(end - serving, end) * serving as f64 / (end - start).max(1) as f64;
                    there.then(|| sample(usage * CPU_REQUEST))
                }));
                asked.resize(values.len(), Request::Milli(CPU_REQUEST));
                let limits = vec![Some(CPU_REQUEST); values.len()];
                *reading = Reading::PerPod { samples: values, requests: asked, limits };
            }
            other => {
                let message = format!("{other} is not modelled");
                *reading = Reading::Failed(Failure { kind: FailureKind::Empty, message });
            }
        }
    }

    fn add(&mut self, created: i64, ready_at: i64) {
        self.named += 1;
        let since = at(created);
        self.seen.pods.push(Pod {
            name: format!("web-{}", self.named).into(),
            phase: Phase::Running,
            deleting: false,
            start_time: Some(since),
            ready: Some(Ready { status: false, since }),
            created: Some(since),
            ..Pod::default()
        });
        self.ready_at.push(ready_at);
    }

    /// Pods whose time has come are ready.
    fn settle(&mut self) {
        if self.ready as usize == self.ready_at.len() {
            return;
        }
        let now = self.now();
        for (pod, &ready_at) in self.seen.pods.iter_mut().zip(&self.ready_at) {
            if let Some(ready) = pod.ready.as_mut().filter(|ready| !ready.status && ready_at <= signed(self.second)) {
                *ready = Ready { status: true, since: now };
                self.ready += 1;
            }
        }
    }
}

/// The time of a second since the start.
fn at(second: i64) -> Time {
    Time::from_millis(EPOCH.as_millis() + second * 1000)
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
