//! The model cluster does what its description says, and scores are those computed by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.
#![allow(clippy::float_cmp)] // Exact by construction.

mod core_support;
mod sim_support;

use ballast::core::{Behavior, Policy, Reading, Signal, SignalKind, Target};
use ballast::sim::{Ballast, Cluster, Kpa, Load, Noise, Score, Second, Setup, Shape, run};
use core_support::secs;
use rstest::rstest;
use sim_support::*;

fn ready_pods(cluster: &mut Cluster<'_>) -> usize {
    cluster.observe(&[]).pods.iter().filter(|pod| pod.ready.unwrap().status).count()
}

#[test]
fn a_pod_is_ready_when_its_start_has_passed() {
    let load = constant(1.0);
    let setup = Setup::default();
    let mut cluster = Cluster::new(plan(&setup, &load), 2);
    pass(&mut cluster, 100);
    cluster.scale(5);
    assert_eq!((cluster.ordered(), cluster.ready()), (5, 2));
    let ordered = cluster.now();
    pass(&mut cluster, 44);
    assert_eq!((cluster.ready(), ready_pods(&mut cluster)), (2, 2));
    pass(&mut cluster, 1);
    assert_eq!((cluster.ready(), ready_pods(&mut cluster)), (5, 5));
    let now = cluster.now();
    let seen = cluster.observe(&[]);
    assert_eq!((seen.spec_replicas, seen.status_replicas, seen.pods.len()), (5, 5, 5));
    assert_eq!((seen.pods[4].start_time, seen.pods[4].ready.unwrap().since), (Some(ordered), now));
}

#[test]
fn starting_pods_go_before_serving_ones() {
    let load = constant(1.0);
    let setup = Setup::default();
    let mut cluster = Cluster::new(plan(&setup, &load), 4);
    cluster.scale(6);
    cluster.scale(5);
    assert_eq!(cluster.ready(), 4);
    cluster.scale(3);
    assert_eq!((cluster.ready(), ready_pods(&mut cluster)), (3, 3));
    pass(&mut cluster, 100);
    assert_eq!(cluster.ready(), 3, "a pod that was removed never becomes ready");
}

#[test]
fn a_spread_of_starts_keeps_its_bounds() {
    let load = constant(1.0);
    let setup = Setup { pod_start_spread: secs(60), ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 1);
    cluster.scale(101);
    pass(&mut cluster, 44);
    assert_eq!(cluster.ready(), 1);
    pass(&mut cluster, 31);
    assert!((30..=72).contains(&cluster.ready()), "about half: {}", cluster.ready());
    pass(&mut cluster, 30);
    assert_eq!(cluster.ready(), 101);
}

#[rstest]
#[case(30, 15, 15)]
#[case(10, 15, 15)]
#[case(30, 5, 60)]
fn samples_have_their_age_and_their_window(#[case] age: u64, #[case] scrape: u64, #[case] window: u64) {
    let load = step(10.0, 20.0);
    let setup = Setup { metric_age: secs(age), scrape: secs(scrape), window: secs(window), ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 30);
    for second in 0..600 {
        let now = cluster.now();
        let sample = total(cluster.observe(&[rps(1.0)]));
        assert_eq!(now.since(sample.time), secs(age + second % scrape), "second {second}");
        assert_eq!(sample.window, secs(window));
        // Seconds of the window that lie after the step.
        let end = second - second % scrape;
        let after = end.saturating_sub(age).saturating_sub(300).min(window);
        let mean = 10.0 + 10.0 * after as f64 / window as f64;
        assert!((sample.value - mean * 100_000.0).abs() < 1e-3, "second {second}: {} for {mean}", sample.value);
        cluster.pass();
    }
}

#[test]
fn cpu_saturates_and_the_request_rate_does_not() {
    let load = step(7.0, 40.0);
    let setup = Setup::default();
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 300);
    assert!(values(cluster.observe(&[cpu()])).iter().all(|usage| (usage.unwrap() - 0.7).abs() < 1e-9));
    pass(&mut cluster, 60);
    assert!(values(cluster.observe(&[cpu()])).iter().all(|usage| (usage.unwrap() - 1.0).abs() < 1e-9));
    assert!((total(cluster.observe(&[rps(1.0)])).value - 40.0 * 100_000.0).abs() < 1e-3);
}

#[test]
fn what_exceeds_capacity_waits_and_is_lost_beyond_patience() {
    let load = step(10.0, 12.0);
    let setup = Setup { patience: secs(3), ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 300);
    let seconds: Vec<Second> = (0..20).map(|_| cluster.pass()).collect();
    // 2 pod-seconds more wait each second, up to the 36 that arrive in 3 s; then as much is lost.
    assert_eq!((seconds[17].waiting, seconds[17].lost), (34.0, 0.0));
    assert_eq!((seconds[18].waiting, seconds[18].lost), (36.0, 2.0));
    // 48 pods serve 12 and what waits: done in a second, in which the pods are busy with it.
    cluster.scale(48);
    pass(&mut cluster, 44);
    let (last, first) = (cluster.pass(), cluster.pass());
    assert_eq!((last.ready, last.waiting, first.ready, first.waiting, first.lost), (10, 36.0, 48, 36.0, 0.0));
    assert_eq!(cluster.pass().waiting, 0.0);
    pass(&mut cluster, 60);
    let all: f64 = values(cluster.observe(&[cpu()])).iter().flatten().sum();
    assert!((all - 12.0).abs() < 1e-6, "{all}");
}

#[test]
fn work_is_borne_lost_or_waiting() {
    let load = Load::of_shape(Shape::Sine { mean: 10.0, amplitude: 5.0, period: 600.0 }, 1.0);
    let setup = Setup { patience: secs(10), ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 8);
    let (mut offered, mut lost, mut borne) = (0.0, 0.0, 0.0);
    for second in 0..3000 {
        cluster.scale(8 + u32::try_from(second / 50 % 6).unwrap());
        let Second { load, waiting, lost: gone, ready, .. } = cluster.pass();
        (offered, lost, borne) = (offered + load, lost + gone, borne + (load + waiting).min(f64::from(ready)));
    }
    let waiting = cluster.pass().waiting;
    assert!(lost > 100.0 && (offered - lost - borne - waiting).abs() < 1e-6, "{offered} {lost} {borne} {waiting}");
}

#[test]
fn a_new_pod_is_measured_from_its_first_whole_window_and_busy_from_readiness() {
    let load = constant(2.0);
    let setup = Setup::default();
    let mut cluster = Cluster::new(plan(&setup, &load), 2);
    pass(&mut cluster, 300);
    cluster.scale(4);
    // Its window ends 30 s ago and must begin after its creation.
    pass(&mut cluster, 30);
    assert_eq!(values(cluster.observe(&[cpu()]))[2], None);
    pass(&mut cluster, 15);
    assert_eq!(values(cluster.observe(&[cpu()]))[2], Some(0.0));
    // Ready at 345, on the scrape; at 390 the window 345..360 is read.
    pass(&mut cluster, 45);
    let usages = values(cluster.observe(&[cpu()]));
    assert!(usages.iter().all(|usage| (usage.unwrap() - 0.5).abs() < 1e-9), "{usages:?}");
}

#[test]
fn usage_of_all_pods_is_the_load_while_nothing_saturates() {
    let load = Load::of_shape(Shape::Sine { mean: 10.0, amplitude: 5.0, period: 600.0 }, 1.0);
    let setup = Setup::default();
    let mut cluster = Cluster::new(plan(&setup, &load), 20);
    for second in 0..3000 {
        if second % 100 == 0 {
            cluster.scale(20 + u32::try_from(second / 100 % 3).unwrap());
        }
        if second % 15 == 0 {
            let offered = total(cluster.observe(&[rps(1.0)])).value / 100_000.0;
            let used: f64 = values(cluster.observe(&[cpu()])).iter().flatten().sum();
            // Pods that were removed took their share of the window with them.
            assert!(used <= offered + 1e-9 && used > 0.9 * offered, "second {second}: {used} of {offered}");
        }
        cluster.pass();
    }
}

#[test]
fn what_is_not_modelled_is_a_failure_and_not_zero() {
    let load = constant(1.0);
    let memory = Signal::new(SignalKind::Resource { resource: "memory".into() }, Target::Utilization(70));
    assert!(matches!(Cluster::new(plan(&Setup::default(), &load), 1).observe(&[memory]).readings[..], [Reading::Failed(_)]));
}

fn policy(signal: Signal, behavior: Option<Behavior>) -> Policy {
    Policy { min_replicas: 2, max_replicas: 80, behavior, ..core_support::policy(vec![signal]) }
}

/// Times and sizes of the moves, and the score.
fn moves(load: &Load, setup: &Setup, signal: Signal) -> (Vec<(u64, u32)>, Score) {
    let mut moves = Vec::new();
    let score = run(plan(setup, load), &mut Ballast::new(policy(signal, None)), |cluster, look| {
        if look.replicas != cluster.ordered() {
            moves.push((cluster.second(), look.replicas));
        }
    });
    (moves, score)
}

#[test]
fn the_stock_rule_answers_a_step_as_worked_out_by_hand() {
    // 6 pods bear 4; from second 300 there are 40, seen whole at 345 (age 30 s, window 15 s). 58 are needed: 12, 24, 48, 58 by doubling.
    let (moves, score) = moves(&step(4.0, 40.0), &Setup::default(), rps(70_000.0));
    assert_eq!(moves, [(345, 12), (360, 24), (375, 48), (390, 58)]);
    // Short until the 48 pods of second 375 are ready at 420.
    assert_eq!((score.violation_seconds, score.actions, score.reversals), (120, 4, 0));
}

#[test]
fn on_a_saturating_metric_it_gropes_its_way_up() {
    // Full pods look like a ratio of 1 / 0.7 however much is missing, and new ones count 90 s after their order: start, window, age.
    let (moves, score) = moves(&step(4.0, 40.0), &Setup::default(), cpu());
    assert_eq!(moves, [(345, 9), (435, 13), (525, 19), (615, 28), (705, 40), (795, 58)]);
    assert_eq!(score.violation_seconds, 450, "the 40 pods are ready at 750");
}

#[test]
fn the_kpa_panics() {
    let load = step(4.0, 40.0);
    let setup = Setup::default();
    let mut largest = (0, 0);
    let score = run(plan(&setup, &load), &mut Kpa::new(2, 80), |cluster, look| largest = largest.max((look.replicas, cluster.second())));
    assert_eq!(largest.0, 58);
    // All ordered once the panic window is full, 8 s after the step at most: short until 45 s later.
    assert!((45..=54).contains(&score.violation_seconds), "{}", score.violation_seconds);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let noise = Noise::Arrivals { rate: 20.0, dispersion: 4.0 };
    let load = Load::of_shape(Shape::Sine { mean: 20.0, amplitude: 10.0, period: 3000.0 }, 3.0);
    let result = |noise_seed, seed| {
        let setup = Setup { pod_start_spread: secs(60), seed, ..Setup::default() };
        moves(&load.clone().with_noise(noise, noise_seed), &setup, cpu())
    };
    assert_eq!(result(1, 1), result(1, 1));
    assert_ne!(result(1, 1), result(2, 1));
    assert_ne!(result(1, 1).1, result(1, 2).1);
}

/// A second in which nothing waits.
fn second(load: f64, ready: u32, ordered: u32) -> Second {
    Second { load, waiting: 0.0, lost: (load - f64::from(ready)).max(0.0), ready, ordered }
}

#[test]
fn scores_worked_out_by_hand() {
    let mut score = Score::new(2);
    // load, ready, ordered; D is 2, 4, 4, 3, 2.
    for (load, ready, ordered) in [(1.5, 2, 2), (3.5, 2, 4), (3.5, 4, 4), (3.0, 4, 3), (0.5, 3, 4)] {
        score.add(&second(load, ready, ordered));
    }
    assert_eq!((score.violation_seconds, score.tight_seconds, score.actions, score.reversals), (1, 1, 3, 2));
    assert_eq!(score.violation(), 20.0);
    // 1.5 of 12.
    assert_eq!(score.lost(), 12.5);
    // 17 ordered; 2 + 4 + 4 + 3 + 2 needed.
    assert!((score.cost() - 17.0 / 15.0).abs() < 1e-12);
    // (4 - 2) / 4 in one of five; (4 - 3) / 3 and (3 - 2) / 2 in two.
    assert!((score.under() - 10.0).abs() < 1e-9);
    assert!((score.over() - 100.0 * (1.0 / 3.0 + 0.5) / 5.0).abs() < 1e-9);
    assert_eq!((score.under_time(), score.over_time()), (20.0, 40.0));
    // Ready changed twice, demand three times, in 5 s.
    assert!((score.jitter() + 720.0).abs() < 1e-9);
    assert_eq!(score.bill(60.0), (17.0 + 60.0) / 3600.0);
}

#[test]
fn demand_and_supply_that_part_are_unstable() {
    let mut score = Score::new(0);
    for slot in 0..4_u32 {
        for _ in 0..15 {
            // Demand rises in each slot; supply rises, falls, stays.
            score.add(&second(f64::from(slot + 1), [3, 5, 4, 4][slot as usize], 5));
        }
    }
    assert!((score.instability() - 200.0 / 3.0).abs() < 1e-9);
}
