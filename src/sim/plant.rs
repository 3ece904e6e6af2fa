//! The model cluster: one workload whose pods take time to start, and metrics that come late.
//!
//! Time passes in steps of one second. All ready pods bear equal shares of the load; what exceeds their capacity waits, up to a limit, and
//! is lost beyond it.

use super::counter::HISTORY;
use super::pipeline::{Pipeline, PodsSeen};
use super::run::Run;
use super::score::Second;
use crate::core::{Observation, Phase, Pod, Reading, Ready, Scheduled, Signal, Time};

/// When the simulation begins; any time would do.
const EPOCH: Time = Time::from_secs(1_000_000);
/// Age in seconds of the pods that are there at the start.
const OLD: i64 = 86_400;
/// The cluster at a second.
#[derive(Debug)]
pub struct Cluster<'a> {
    run: Run<'a>,
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
    pipeline: Pipeline,
}

impl<'a> Cluster<'a> {
    /// A cluster of so many ready pods which has borne the first load for ever.
    pub fn new(run: Run<'a>, replicas: u32) -> Self {
        let mut cluster = Self {
            run,
            second: 0,
            seen: Observation::default(),
            ready_at: Vec::new(),
            ready: 0,
            backlog: 0.0,
            named: 0,
            random: fastrand::Rng::with_seed(run.setup.seed),
            pipeline: Pipeline::new(run.load.at(0), replicas),
        };
        for _ in 0..replicas {
            cluster.add(-OLD, -OLD);
        }
        cluster.settle();
        for pod in &mut cluster.seen.pods {
            pod.ready = Some(Ready { status: true, since: at(-OLD) });
        }
        cluster.seen.spec_replicas = replicas;
        cluster.seen.scaled_to_zero = replicas == 0;
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
        self.run.load.at(self.second)
    }

    /// Mean load in pods over a time of so many seconds that ended so many seconds ago, as a metrics pipeline of its own would see it.
    pub fn recent(&self, window: u64, age: u64) -> f64 {
        let end = signed(self.second) - signed(age);
        self.pipeline.arrivals(end - signed(window.min(HISTORY - age)), end)
    }

    /// Asks for a size. New pods exist at once; pods that are not ready go first, then the youngest.
    pub fn scale(&mut self, replicas: u32) {
        self.seen.spec_replicas = replicas;
        self.seen.scaled_to_zero = replicas == 0;
        while self.ready_at.len() > replicas as usize {
            let unready = self.ready_at.iter().rposition(|&ready_at| ready_at > signed(self.second));
            let index = unready.unwrap_or(self.ready_at.len() - 1);
            self.ready_at.remove(index);
            self.seen.pods.remove(index);
            self.ready -= u32::from(unready.is_none());
        }
        while self.ready_at.len() < replicas as usize {
            let spread = self.run.setup.pod_start_spread.as_secs();
            let extra = if spread == 0 { 0 } else { self.random.u64(0..=spread) };
            let created = signed(self.second);
            self.add(created, created + signed(self.run.setup.pod_start.as_secs() + extra));
        }
        self.settle();
    }

    /// The load of this second is borne, and the next one begins.
    pub fn pass(&mut self) -> Second {
        let (load, capacity, waiting) = (self.load(), f64::from(self.ready), self.backlog);
        let served = (load + waiting).min(capacity);
        let rest = load + waiting - served;
        self.backlog = rest.min(capacity * self.run.setup.patience.as_secs_f64());
        self.pipeline.count(load, served, self.ready, self.backlog);
        self.second += 1;
        let second = Second { load, waiting, lost: rest - self.backlog, ready: self.ready, ordered: self.ordered() };
        self.settle();
        second
    }

    /// Sets the bounds of schedules, as they are seen from now on.
    pub fn schedule(&mut self, scheduled: Scheduled) {
        self.seen.scheduled = scheduled;
    }

    /// What an autoscaler with these signals sees now.
    pub fn observe(&mut self, signals: &[Signal]) -> &Observation {
        self.seen.status_replicas = u32::try_from(self.seen.pods.len()).unwrap_or(u32::MAX);
        let mut readings = std::mem::take(&mut self.seen.readings);
        readings.resize_with(signals.len(), || Reading::PerPod { samples: Vec::new(), requests: Vec::new(), limits: Vec::new() });
        for (signal, reading) in signals.iter().zip(&mut readings) {
            let pods = PodsSeen { pods: &self.seen.pods, ready_at: &self.ready_at };
            self.pipeline.read(self.run, self.second, signal, pods, reading);
        }
        self.seen.readings = readings;
        &self.seen
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
pub(super) fn at(second: i64) -> Time {
    Time::from_millis(EPOCH.as_millis() + second * 1000)
}

pub(super) fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
