//! Pods that fail and metrics that stay away, with figures worked out by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.
#![allow(clippy::float_cmp)] // Exact by construction.

mod core_support;
mod sim_support;

use ballast::core::{FailureKind, Phase, Pod, Reading, Trouble};
use ballast::sim::{Ballast, Cluster, Incident, IncidentKind, Outage, OutageKind, Setup, run};
use core_support::secs;
use sim_support::*;

fn incident(at: u64, share: f64, kind: IncidentKind, lasting: Option<u64>) -> Incident {
    Incident { at: secs(at), share, kind, lasting: lasting.map(secs) }
}

fn unready(cluster: &mut Cluster<'_>) -> Vec<Pod> {
    cluster.observe(&[]).pods.iter().filter(|pod| !pod.ready.unwrap().status).cloned().collect()
}

#[test]
fn a_crash_takes_a_share_of_the_pods_away_until_they_are_restarted() {
    let load = constant(5.0);
    let setup = Setup { restart: Some(secs(20)), incidents: vec![incident(400, 0.25, IncidentKind::Crash, None)], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 400);
    let now = cluster.now();
    // A quarter of 10, rounded up.
    let crashed = unready(&mut cluster);
    assert_eq!((cluster.ready(), crashed.len()), (7, 3));
    for pod in &crashed {
        assert_eq!((pod.phase, pod.trouble, pod.ready.unwrap().since), (Phase::Running, Some(Trouble::Crash), now));
        assert_eq!(pod.served, secs(86_400 + 400), "it was ready since long before the start");
    }
    let ready = pass(&mut cluster, 30).iter().map(|second| second.ready).collect::<Vec<_>>();
    assert_eq!(ready, [[7; 20].as_slice(), &[10; 10]].concat());
    assert!(cluster.observe(&[]).pods.iter().all(|pod| pod.trouble.is_none()));
    // A sample that covers the restart is none; then one shows no work, until it covers 15 s after the 20th second.
    let mut samples = |seconds| {
        pass(&mut cluster, seconds);
        let mut values: Vec<_> = values(cluster.observe(&[cpu()]));
        values.sort_by(|a, b| a.partial_cmp(b).unwrap());
        (values[0], values[2], values[9])
    };
    // Second 435: the window 390..405, in which the others bore 10 s of 5 / 10 and 5 s of 5 / 7.
    let (_, missing, others) = samples(5);
    assert_eq!(missing, None);
    assert!((others.unwrap() - (10.0 * 0.5 + 5.0 * 5.0 / 7.0) / 15.0).abs() < 1e-9);
    assert_eq!(samples(15).1, Some(0.0));
    assert!((samples(15).1.unwrap() - 0.5).abs() < 1e-9);
}

#[test]
fn lost_readiness_is_no_restart() {
    let load = constant(5.0);
    let setup = Setup { incidents: vec![incident(400, 0.5, IncidentKind::Unready, Some(60))], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 435);
    assert_eq!(cluster.ready(), 5);
    let pods = unready(&mut cluster);
    assert!(pods.len() == 5 && pods.iter().all(|pod| pod.trouble.is_none()));
    // 10 of 15 s at a half.
    let values = values(cluster.observe(&[cpu()]));
    assert_eq!(values.iter().filter(|value| (value.unwrap() - 0.5 * 10.0 / 15.0).abs() < 1e-9).count(), 5);
    pass(&mut cluster, 24);
    assert_eq!(cluster.ready(), 5);
    pass(&mut cluster, 1);
    assert_eq!(cluster.ready(), 10);
}

#[test]
fn evicted_pods_are_replaced_by_new_ones() {
    let load = constant(5.0);
    let setup = Setup { incidents: vec![incident(100, 1.0, IncidentKind::Evict, None)], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 4);
    let before: Vec<Pod> = cluster.observe(&[]).pods.clone();
    pass(&mut cluster, 100);
    let now = cluster.now();
    assert_eq!(cluster.ready(), 0);
    let after = cluster.observe(&[]);
    assert_eq!((after.pods.len(), after.spec_replicas), (4, 4));
    assert!(after.pods.iter().all(|pod| pod.created == Some(now) && before.iter().all(|old| old.name != pod.name)));
    pass(&mut cluster, 45);
    assert_eq!(cluster.ready(), 4);
}

#[test]
fn crashes_come_at_their_rate() {
    let load = ballast::sim::Load::of_shape(ballast::sim::Shape::Constant(1.0), 4.0);
    // Ready for 100 s on average, then not for 50 s: two thirds of the pods are ready.
    let setup = Setup { crashes_per_pod_hour: 36.0, restart: Some(secs(50)), ..Setup::default() };
    let mean = |seed| {
        let setup = Setup { seed, ..setup.clone() };
        let mut cluster = Cluster::new(plan(&setup, &load), 100);
        pass(&mut cluster, 1000);
        let seconds = pass(&mut cluster, 10_000);
        seconds.iter().map(|second| f64::from(second.ready)).sum::<f64>() / 10_000.0
    };
    let (one, other) = (mean(1), mean(2));
    assert!((one - 200.0 / 3.0).abs() < 1.0, "{one}");
    assert_ne!(one, other);
    assert_eq!(one, mean(1));
}

#[test]
fn a_log_normal_start_has_its_percentiles() {
    let load = constant(1.0);
    let setup = Setup { pod_start: secs(40), pod_start_p99: Some(secs(200)), ..Setup::default() };
    assert_eq!(setup.check(), []);
    let mut cluster = Cluster::new(plan(&setup, &load), 0);
    cluster.scale(4000);
    let mut ready = |seconds| {
        pass(&mut cluster, seconds);
        f64::from(cluster.ready()) / 4000.0
    };
    // The median; sigma = ln(5) / 2.326 = 0.692, so that 84 % are ready at 40 * exp(0.692) = 80 s.
    assert!((ready(40) - 0.5).abs() < 0.03);
    assert!((ready(40) - 0.84).abs() < 0.02);
    assert!((ready(120) - 0.99).abs() < 0.005);
}

#[test]
fn metrics_that_are_missing_are_failures() {
    let load = constant(1.0);
    let outage = Outage { at: secs(60), lasting: secs(30), kind: OutageKind::Missing, signal: Some("cpu".into()) };
    let setup = Setup { outages: vec![outage], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 1);
    for second in 0..120 {
        let readings = &cluster.observe(&[cpu(), rps(1.0)]).readings;
        let missing = matches!(&readings[0], Reading::Failed(failure) if failure.kind == FailureKind::Unreachable);
        assert_eq!(missing, (60..90).contains(&second), "second {second}");
        assert!(matches!(readings[1], Reading::Total(_)));
        cluster.pass();
    }
}

#[test]
fn stale_metrics_are_those_from_before_with_their_time() {
    let load = step(10.0, 20.0);
    let setup =
        Setup { outages: vec![Outage { at: secs(310), lasting: secs(2000), kind: OutageKind::Stale, signal: None }], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 30);
    pass(&mut cluster, 310);
    cluster.scale(31);
    pass(&mut cluster, 1999);
    let now = cluster.now();
    let sample = total(cluster.observe(&[rps(1.0)]));
    // Read last at second 300: what was at 270.
    assert_eq!((sample.value, now.since(sample.time)), (1_000_000.0, secs(310 + 1999 - 270)));
    assert_eq!(values(cluster.observe(&[cpu()]))[30], None, "a pod from after it has no sample");
    pass(&mut cluster, 1);
    assert_eq!(total(cluster.observe(&[rps(1.0)])).value, 2_000_000.0);
}

#[test]
fn a_size_is_held_while_metrics_are_missing() {
    let load = step(4.0, 40.0);
    let setup =
        Setup { outages: vec![Outage { at: secs(290), lasting: secs(310), kind: OutageKind::Missing, signal: None }], ..Setup::default() };
    let mut first: Option<u64> = None;
    let policy = ballast::core::Policy { min_replicas: 2, max_replicas: 80, ..core_support::policy(vec![rps(70_000.0)]) };
    run(plan(&setup, &load), &mut Ballast::new(policy), |cluster, look| {
        if look.replicas != cluster.ordered() {
            first.get_or_insert(cluster.second());
        }
    });
    assert_eq!(first, Some(600));
}
