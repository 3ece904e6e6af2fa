//! Builders for the tests of the simulator.

#![allow(dead_code)] // Each test target uses its part.

use std::sync::LazyLock;
use std::time::Duration;

use ballast::core::{Observation, Reading, Sample, Signal, SignalKind, Target};
use ballast::sim::{Cluster, Load, Meter, Run, Second, Setup, Shape, Workload};

/// A pod uses a core, or serves 100 requests per second, at 100 %.
pub static WORKLOAD: LazyLock<Workload> = LazyLock::new(|| Workload::default().with("cpu", Meter::cpu(1.0)).with("rps", Meter::new(100.0)));

pub fn plan<'a>(setup: &'a Setup, load: &'a Load) -> Run<'a> {
    Run { setup, workload: &WORKLOAD, load, warm_up: Duration::ZERO }
}

pub fn constant(pods: f64) -> Load {
    Load::of_shape(Shape::Constant(pods), 1.0)
}

/// An hour whose load changes at second 300.
pub fn step(from: f64, to: f64) -> Load {
    Load::of_shape(Shape::Step { from, to, at: 300 }, 1.0)
}

pub fn rps(target: f64) -> Signal {
    Signal::new(SignalKind::Prometheus { name: "rps".into() }, Target::AverageValue(target))
}

pub fn cpu() -> Signal {
    Signal::new(SignalKind::Resource { resource: "cpu".into() }, Target::Utilization(70))
}

pub fn pass(cluster: &mut Cluster<'_>, seconds: u64) -> Vec<Second> {
    (0..seconds).map(|_| cluster.pass()).collect()
}

pub fn total(observation: &Observation) -> Sample {
    match &observation.readings[0] {
        Reading::Total(sample) => *sample,
        other => panic!("{other:?}"),
    }
}

/// The value of each pod, in the metric's unit.
pub fn values(observation: &Observation) -> Vec<Option<f64>> {
    match &observation.readings[0] {
        Reading::PerPod { samples, .. } => samples.iter().map(|sample| sample.map(|sample| sample.value / 1000.0)).collect(),
        other => panic!("{other:?}"),
    }
}
