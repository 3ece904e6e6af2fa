//! The metrics pipeline: what can be read of the cluster, late and averaged.

use std::time::Duration;

use super::counter::Counter;
use super::faults::OutageKind;
use super::fleet::Life;
use super::plant::{at, signed};
use super::run::Run;
use super::workload::{Measure, Meter};
use crate::core::{Failure, FailureKind, Reading, Request, Sample, Signal, SignalKind, Target};

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

impl Pipeline {
    /// Nothing was ever different from this. The last `history` seconds can be read.
    pub fn new(history: u64, load: f64, ready: u32) -> Self {
        let work = load.min(f64::from(ready));
        let counter = |before| Counter::new(before, history);
        Self { arrivals: counter(load), work: counter(work), usage: counter(share(work, ready)), backlog: counter(0.0) }
    }

    /// What arrived in this second and before it, and has waited for no longer than this.
    pub fn patient(&self, load: f64, patience: Duration) -> f64 {
        let now = self.arrivals.now();
        match signed(patience.as_secs()) {
            0 => 0.0,
            seconds => load + self.arrivals.sum(now - (seconds - 1), now),
        }
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
    pub fn read(&self, run: Run<'_>, second: u64, signal: &Signal, pods: &[Life], reading: &mut Reading) {
        let Some(meter) = run.workload.meter(signal) else {
            *reading = failed(FailureKind::Empty, format!("{} is not modelled", signal.name()));
            return;
        };
        let setup = run.setup;
        let outage = setup.outages.iter().find(|outage| outage.holds(signal.name(), second));
        let read_at = match outage.map(|outage| (outage.kind, outage.at)) {
            None => second,
            Some((OutageKind::Stale, since)) => since.as_secs(),
            Some((OutageKind::Missing, _)) => {
                *reading = failed(FailureKind::Unreachable, "the source of the metric does not answer".to_owned());
                return;
            }
        };
        let scrape = setup.scrape.as_secs().max(1);
        let end = signed(read_at / scrape * scrape) - signed(setup.metric_age.as_secs());
        let sample = Sample { value: 0.0, time: at(end), window: setup.window };
        let span = (end - signed(setup.window.as_secs()), end);
        if meter.is_per_pod(&signal.kind) {
            self.per_pod(signal, meter, sample, span, pods, reading);
        } else {
            let value = self.total(signal, meter, span, pods);
            *reading = Reading::Total(Sample { value: value * 1000.0, ..sample });
        }
    }

    fn total(&self, signal: &Signal, meter: &Meter, (start, end): (i64, i64), pods: &[Life]) -> f64 {
        let quantity = match meter.measure(signal) {
            Measure::Arrivals => self.arrivals.rate(start, end),
            Measure::Work => self.work.rate(start, end),
            Measure::Utilization => return meter.idle + (meter.full - meter.idle) * self.usage.rate(start, end),
            // Counted once a second, as it was at its end.
            Measure::Backlog => self.backlog.rate(end - 1, end),
        };
        let running = if meter.idle > 0.0 { pods.iter().filter(|pod| pod.is_placed()).count() } else { 0 };
        meter.idle * running as f64 + (meter.full - meter.idle) * quantity
    }

    /// Reuses what the reading holds already.
    fn per_pod(&self, signal: &Signal, meter: &Meter, sample: Sample, span: (i64, i64), pods: &[Life], reading: &mut Reading) {
        if !matches!(reading, Reading::PerPod { .. }) {
            *reading = Reading::PerPod { samples: Vec::new(), requests: Vec::new(), limits: Vec::new() };
        }
        let Reading::PerPod { samples, requests, limits } = reading else { return };
        let shown = |share: f64| Sample { value: 1000.0 * (meter.idle + (meter.full - meter.idle) * share), ..sample };
        samples.clear();
        samples.extend(pods.iter().map(|pod| pod.share(&self.usage, span).map(shown)));
        requests.clear();
        if let (Some(request), Target::Utilization(_)) = (meter.request, signal.target) {
            requests.resize(pods.len(), Request::Milli(1000.0 * request));
        }
        let resource = matches!(signal.kind, SignalKind::Resource { .. } | SignalKind::ContainerResource { .. });
        limits.clear();
        limits.resize(if resource { pods.len() } else { 0 }, meter.limit.map(|limit| 1000.0 * limit));
    }
}

fn failed(kind: FailureKind, message: String) -> Reading {
    Reading::Failed(Failure { kind, message })
}

fn share(work: f64, ready: u32) -> f64 {
    if ready == 0 { 0.0 } else { work / f64::from(ready) }
}
