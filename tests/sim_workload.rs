//! Signals of any kind show what the workload says of them, and what cannot be simulated is refused before a run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.
#![allow(clippy::float_cmp)] // Exact by construction.

mod core_support;
mod sim_support;

use std::time::Duration;

use ballast::core::{Reading, Request, Signal, SignalKind, Target};
use ballast::sim::{Cluster, Measure, Meter, Run, Setup, Workload};
use core_support::secs;
use rstest::rstest;
use serde_json::json;
use sim_support::*;

fn resource(resource: &str, target: Target) -> Signal {
    Signal::new(SignalKind::Resource { resource: resource.into() }, target)
}

fn pods(target: f64) -> Signal {
    Signal::new(SignalKind::Pods { metric: "qps".into() }, Target::AverageValue(target))
}

fn external(target: Target) -> Signal {
    Signal::new(SignalKind::External { metric: "queue".into(), selector: String::new() }, target)
}

fn object() -> Signal {
    Signal::new(SignalKind::Object { metric: "hits".into(), kind: "Ingress".into(), name: "main".into() }, Target::Value(1.0))
}

fn prometheus(target: Target) -> Signal {
    Signal::new(SignalKind::Prometheus { name: "rps".into() }, target)
}

/// The reading of a signal after a quarter of an hour; 10 pods, then, with a load of 5, then of 12.
fn reading(signal: &Signal, meter: Meter) -> Reading {
    let workload = Workload::default().with(signal.name().to_string(), meter);
    let (setup, load) = (Setup { patience: secs(3), ..Setup::default() }, step(5.0, 12.0));
    let run = Run { setup: &setup, workload: &workload, load: &load, warm_up: Duration::ZERO };
    assert_eq!(run.check(std::slice::from_ref(signal)), []);
    let mut cluster = Cluster::new(run, 10);
    pass(&mut cluster, 900);
    cluster.observe(std::slice::from_ref(signal)).readings[0].clone()
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
}

#[rstest]
// 12 of 10 pods' work arrive.
#[case::arrivals(prometheus(Target::AverageValue(1.0)), Meter::new(50.0), 600.0)]
#[case::idle_counts_per_pod(prometheus(Target::Capacity(1.0)), Meter { idle: 10.0, ..Meter::new(50.0) }, 100.0 + 480.0)]
#[case::work_saturates(external(Target::AverageValue(1.0)), Meter { of: Some(Measure::Work), ..Meter::new(50.0) }, 500.0)]
#[case::a_target_on_the_whole_is_utilization(object(), Meter::new(80.0), 80.0)]
fn a_total_is_of_the_whole(#[case] signal: Signal, #[case] meter: Meter, #[case] expected: f64) {
    let Reading::Total(sample) = reading(&signal, meter) else { panic!("not a total") };
    near(sample.value / 1000.0, expected);
}

#[test]
fn a_queue_is_as_long_as_it_was_at_the_end_of_the_sample() {
    let Reading::Total(sample) = reading(&external(Target::AverageValue(1.0)), Meter { of: Some(Measure::Backlog), ..Meter::new(20.0) })
    else {
        panic!("not a total")
    };
    // What arrives in 3 s waits.
    near(sample.value / 1000.0, 20.0 * 36.0);
}

#[rstest]
#[case::pods(pods(1.0), Meter::new(50.0), 50.0)]
#[case::prometheus_with_pod_label(prometheus(Target::AverageValue(1.0)), Meter { per_pod: true, ..Meter::new(50.0) }, 50.0)]
#[case::memory(resource("memory", Target::AverageValue(1.0)), Meter { idle: 1e8, ..Meter::new(1.5e8) }, 1.5e8)]
fn a_value_per_pod_saturates(#[case] signal: Signal, #[case] meter: Meter, #[case] expected: f64) {
    let Reading::PerPod { samples, requests, limits } = reading(&signal, meter) else { panic!("not per pod") };
    assert_eq!((samples.len(), requests.len()), (10, 0));
    assert!(limits.iter().all(Option::is_none));
    for sample in samples {
        near(sample.unwrap().value / 1000.0, expected);
    }
}

#[test]
fn memory_is_a_constant_and_a_share_of_the_load() {
    let signal = resource("memory", Target::AverageValue(1.0));
    let workload = Workload::default().with("memory", Meter { idle: 1e8, ..Meter::new(2e8) });
    let (setup, load) = (Setup::default(), constant(3.0));
    let mut cluster = Cluster::new(Run { setup: &setup, workload: &workload, load: &load, warm_up: Duration::ZERO }, 10);
    for value in values(cluster.observe(&[signal])) {
        near(value.unwrap(), 1.3e8);
    }
}

#[test]
fn request_and_limit_are_apart() {
    let meter = Meter { request: Some(0.25), limit: Some(2.0), ..Meter::new(1.5) };
    let Reading::PerPod { samples, requests, limits } = reading(&cpu(), meter) else { panic!("not per pod") };
    assert!(samples.iter().all(|sample| sample.unwrap().value == 1500.0));
    assert!(requests.iter().all(|request| *request == Request::Milli(250.0)) && requests.len() == 10);
    assert!(limits.iter().all(|limit| *limit == Some(2000.0)) && limits.len() == 10);
}

#[rstest]
#[case::nothing_known(pods(1.0), None, "signals.qps: unknown what one pod shows")]
#[case::full(pods(1.0), Some(Meter::new(0.0)), "signals.qps.full: 0 is not")]
#[case::nan(pods(1.0), Some(Meter::new(f64::NAN)), "signals.qps.full: NaN is not")]
#[case::idle(pods(1.0), Some(Meter { idle: 6.0, ..Meter::new(5.0) }), "signals.qps.idle: 6 is not between 0 and `full`, 5")]
#[case::limit(cpu(), Some(Meter { limit: Some(0.5), ..Meter::cpu(1.0) }), "signals.cpu.limit: 0.5 is below `full`, 1")]
#[case::request(cpu(), Some(Meter::new(1.0)), "signals.cpu.request: missing")]
#[case::per_pod(external(Target::Value(1.0)), Some(Meter { per_pod: true, ..Meter::new(1.0) }), "signals.queue.perPod: true, but")]
#[case::queue_per_pod(pods(1.0), Some(Meter { of: Some(Measure::Backlog), ..Meter::new(1.0) }), "signals.qps.of: a metric with one")]
fn what_cannot_be_simulated_is_refused(#[case] signal: Signal, #[case] meter: Option<Meter>, #[case] said: &str) {
    let workload = meter.into_iter().fold(Workload::default(), |workload, meter| workload.with(signal.name().to_string(), meter));
    let problems = workload.check(&[signal]);
    assert!(!problems.is_empty() && problems[0].to_string().starts_with(said), "{problems:?}");
}

#[test]
fn a_pipeline_must_be_readable() {
    let setup = Setup { scrape: Duration::ZERO, metric_age: secs(700_000), ..Setup::default() };
    let said: Vec<String> = setup.check().iter().map(ToString::to_string).collect();
    assert!(said[0].starts_with("scrapeSeconds: 0") && said[1].starts_with("metricAgeSeconds: "), "{said:?}");
}

#[test]
fn what_is_assumed_follows_from_targets() {
    let signals = [
        prometheus(Target::Capacity(100_000.0)),
        pods(70_000.0),
        cpu(),
        Signal::new(SignalKind::ContainerResource { resource: "cpu".into(), container: "app".into() }, Target::AverageValue(350.0)),
        resource("memory", Target::Utilization(80)),
    ];
    let workload = Workload::assumed(&signals);
    let full = |index: usize| workload.meter(&signals[index]).unwrap().full;
    near(full(0), 100.0);
    near(full(1), 100.0);
    assert_eq!(workload.meter(&signals[2]), Some(&Meter::cpu(1.0)));
    near(full(3), 0.5);
    assert_eq!(workload.check(&signals[..4]), []);
    assert_eq!(workload.check(&signals).len(), 1);
}

#[test]
fn files_name_signals_and_seconds() {
    let file = json!({ "cpu": { "full": 0.8, "request": 0.5 }, "queue": { "full": 20, "of": "backlog" } });
    let workload: Workload = serde_json::from_value(file).unwrap();
    let queue = Meter { of: Some(Measure::Backlog), ..Meter::new(20.0) };
    let cpu = Meter { request: Some(0.5), ..Meter::new(0.8) };
    assert_eq!(workload, Workload::default().with("cpu", cpu).with("queue", queue));
    let setup: Setup = serde_json::from_value(json!({ "podStartSeconds": 20, "patienceSeconds": 5 })).unwrap();
    assert_eq!(setup, Setup { pod_start: secs(20), patience: secs(5), ..Setup::default() });
    assert!(serde_json::from_value::<Setup>(json!({ "podStart": 20 })).is_err());
}
