//! The metrics pipeline: what can be read of the cluster, late and averaged.

use super::counter::Counter;
use super::plant::{at, signed};
use super::run::Run;
use super::workload::{Measure, Meter};
use crate::core::{Failure, FailureKind, Pod, Reading, Request, Sample, Signal, SignalKind, Target};

/// All that is counted.
#[derive(Debug)]
pub struct Pipeline {
    /// Load that arrived, in pods.
    arrivals: Counter,
    /// Work that was done, in pods.
    work: Counter,
    /// Share of each ready pod's capacity that was in use.
    usage: Counter,
    /// Work that waited, in pod-seconds.
    backlog: Counter,
}

/// The pods that have metrics.
#[derive(Clone, Copy, Debug)]
pub struct PodsSeen<'a> {
    pub pods: &'a [Pod],
    /// Second at which each becomes ready.
    pub ready_at: &'a [i64],
}

impl Pipeline {
    /// Nothing was ever different from this.
    pub fn new(load: f64, ready: u32) -> Self {
        let work = load.min(f64::from(ready));
        Self { arrivals: Counter::new(load), work: Counter::new(work), usage: Counter::new(share(work, ready)), backlog: Counter::new(0.0) }
    }

    /// A second has passed.
    pub fn count(&mut self, load: f64, work: f64, ready: u32, backlog: f64) {
        self.arrivals.count(load);
        self.work.count(work);
        self.usage.count(share(work, ready));
        self.backlog.count(backlog);
    }

    /// Mean load that arrived between two seconds.
    pub fn arrivals(&self, from: i64, to: i64) -> f64 {
        self.arrivals.rate(from, to)
    }

    /// Reads a signal at a second. Samples appear at whole multiples of the scrape interval.
    pub fn read(&self, run: Run<'_>, second: u64, signal: &Signal, pods: PodsSeen<'_>, reading: &mut Reading) {
        let Some(meter) = run.workload.meter(signal) else {
            let message = format!("{} is not modelled", signal.name());
            *reading = Reading::Failed(Failure { kind: FailureKind::Empty, message });
            return;
        };
        let scrape = run.setup.scrape.as_secs().max(1);
        let end = signed(second / scrape * scrape) - signed(run.setup.metric_age.as_secs());
        let sample = Sample { value: 0.0, time: at(end), window: run.setup.window };
        let start = end - signed(run.setup.window.as_secs());
        if meter.is_per_pod(&signal.kind) {
            self.per_pod(signal, meter, sample, (start, end), pods, reading);
        } else {
            let value = self.total(signal, meter, (start, end), pods);
            *reading = Reading::Total(Sample { value: value * 1000.0, ..sample });
        }
    }

    fn total(&self, signal: &Signal, meter: &Meter, (start, end): (i64, i64), pods: PodsSeen<'_>) -> f64 {
        let quantity = match meter.measure(signal) {
            Measure::Arrivals => self.arrivals.rate(start, end),
            Measure::Work => self.work.rate(start, end),
            Measure::Utilization => return meter.idle + (meter.full - meter.idle) * self.usage.rate(start, end),
            // Counted once a second, as it was at its end.
            Measure::Backlog => self.backlog.rate(end - 1, end),
        };
        meter.idle * pods.pods.len() as f64 + (meter.full - meter.idle) * quantity
    }

    /// Reuses what the reading holds already.
    fn per_pod(&self, signal: &Signal, meter: &Meter, sample: Sample, (start, end): (i64, i64), pods: PodsSeen<'_>, reading: &mut Reading) {
        if !matches!(reading, Reading::PerPod { .. }) {
            *reading = Reading::PerPod { samples: Vec::new(), requests: Vec::new(), limits: Vec::new() };
        }
        let Reading::PerPod { samples, requests, limits } = reading else { return };
        samples.clear();
        samples.extend(pods.pods.iter().zip(pods.ready_at).map(|(pod, &ready_at)| {
            // A sample covers its whole window only for a pod that was there.
            let there = pod.start_time.is_some_and(|created| created <= at(start));
            let serving = (end - ready_at.max(start)).max(0);
            let share = self.usage.rate(end - serving, end) * serving as f64 / (end - start).max(1) as f64;
            there.then(|| Sample { value: 1000.0 * (meter.idle + (meter.full - meter.idle) * share), ..sample })
        }));
        let request = meter.request.filter(|_| matches!(signal.target, Target::Utilization(_)));
        requests.clear();
        requests.extend(request.into_iter().flat_map(|request| std::iter::repeat_n(Request::Milli(1000.0 * request), pods.pods.len())));
        let resource = matches!(signal.kind, SignalKind::Resource { .. } | SignalKind::ContainerResource { .. });
        limits.clear();
        limits.resize(if resource { pods.pods.len() } else { 0 }, meter.limit.map(|limit| 1000.0 * limit));
    }
}

fn share(work: f64, ready: u32) -> f64 {
    if ready == 0 { 0.0 } else { work / f64::from(ready) }
}
