//! What holds of the model cluster whatever happens in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;
mod sim_support;

use std::collections::HashSet;

use ballast::core::Observation;
use ballast::sim::{Cluster, Incident, IncidentKind, Load, Nodes, Noise, Outage, OutageKind, Rollout, Second, Setup, Shape};
use core_support::secs;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use sim_support::*;

/// Length of a run in seconds.
const LENGTH: u64 = 900;

fn load() -> impl Strategy<Value = Load> {
    (0.0..30.0, 0.0..30.0, 60.0..2000.0, 0.0..0.5, any::<u64>()).prop_map(|(mean, amplitude, period, noise, seed)| {
        let shape = Shape::Sine { mean, amplitude, period };
        Load::of_shape(shape, LENGTH as f64 / 3600.0).with_noise(Noise::Uniform(noise), seed)
    })
}

fn incident() -> impl Strategy<Value = Incident> {
    let kind = prop_oneof![Just(IncidentKind::Crash), Just(IncidentKind::Unready), Just(IncidentKind::Evict)];
    (0..LENGTH, 0.01..=1.0, kind, proptest::option::of(1_u64..100)).prop_map(|(at, share, kind, lasting)| Incident {
        at: secs(at),
        share,
        kind,
        lasting: lasting.map(secs),
    })
}

fn rollout() -> impl Strategy<Value = Rollout> {
    (0..LENGTH, 0_u32..=120, 0_u32..=100, any::<bool>()).prop_map(|(at, max_surge, max_unavailable, broken)| Rollout {
        at: secs(at),
        max_surge,
        max_unavailable,
        broken,
    })
}

fn nodes() -> impl Strategy<Value = Nodes> {
    (1_u32..20, 0_u32..3, 3_u32..10, 1_u64..100, 0_u64..100).prop_map(|(pods, min, max, start, idle)| Nodes {
        min,
        max,
        start: secs(start),
        idle: secs(idle),
        ..Nodes::of(pods)
    })
}

fn outage() -> impl Strategy<Value = Outage> {
    let kind = prop_oneof![Just(OutageKind::Missing), Just(OutageKind::Stale)];
    (0..LENGTH, 1_u64..300, kind).prop_map(|(at, lasting, kind)| Outage { at: secs(at), lasting: secs(lasting), kind, signal: None })
}

prop_compose! {
    fn setup()(
        (start, spread, p99) in (1_u64..60, 0_u64..30, proptest::option::of(1_u64..5)),
        (age, scrape, window, patience) in (0_u64..60, 1_u64..60, 1_u64..60, 0_u64..200),
        (crashes, restart) in (0.0..20.0, proptest::option::of(1_u64..60)),
        incidents in vec(incident(), 0..3), rollouts in vec(rollout(), 0..3), outages in vec(outage(), 0..2),
        nodes in proptest::option::of(nodes()),
        seed in any::<u64>(),
    ) -> Setup {
        Setup {
            pod_start: secs(start),
            pod_start_spread: secs(if p99.is_some() { 0 } else { spread }),
            pod_start_p99: p99.map(|factor| secs(start * factor)),
            metric_age: secs(age), scrape: secs(scrape), window: secs(window), patience: secs(patience),
            crashes_per_pod_hour: crashes, restart: restart.map(secs),
            incidents, rollouts, outages, nodes, seed,
        }
    }
}

/// What happens when these sizes are asked for, evenly spread.
fn play(setup: &Setup, load: &Load, sizes: &[u32], mut see: impl FnMut(&Observation, u32)) -> Vec<Second> {
    assert_eq!(setup.check(), []);
    let mut cluster = Cluster::new(plan(setup, load), sizes[0]);
    let every = LENGTH / sizes.len() as u64 + 1;
    let (mut seconds, signals) = (Vec::new(), [cpu(), rps(1.0)]);
    for second in 0..LENGTH {
        if second % every == 0 {
            cluster.scale(sizes[usize::try_from(second / every).unwrap()]);
        }
        if second % 7 == 0 {
            let ready = cluster.ready();
            see(cluster.observe(&signals), ready);
        }
        seconds.push(cluster.pass());
    }
    seconds
}

fn served(second: &Second) -> f64 {
    (second.load + second.waiting).min(f64::from(second.ready))
}

/// A run takes a while, and each has a hundred looks.
fn runs() -> Config {
    Config { cases: (core_support::properties().cases / 100).max(16), max_shrink_iters: 300, ..core_support::properties() }
}

proptest! {
    #![proptest_config(runs())]

    #[test]
    fn work_is_neither_made_nor_lost_sight_of(setup in setup(), load in load(), sizes in vec(0_u32..40, 1..8)) {
        let seconds = play(&setup, &load, &sizes, |_, _| {});
        let sum = |value: fn(&Second) -> f64| seconds.iter().map(value).sum::<f64>();
        let last = seconds.last().unwrap();
        let waiting = last.load + last.waiting - served(last) - last.lost;
        let (offered, borne) = (sum(|second| second.load), sum(served) + sum(|second| second.lost) + waiting);
        prop_assert!((offered - borne).abs() < 1e-6, "{} {}", offered, borne);
        prop_assert!(seconds.iter().all(|second| second.lost >= -1e-9 && second.waiting >= 0.0));
    }

    #[test]
    fn pods_look_as_on_a_real_cluster(setup in setup(), load in load(), sizes in vec(0_u32..40, 1..8)) {
        play(&setup, &load, &sizes, |seen, bearing| {
            let ready = seen.pods.iter().filter(|pod| pod.ready.is_some_and(|ready| ready.status)).count();
            assert_eq!(ready, bearing as usize);
            assert_eq!(seen.status_replicas as usize, seen.pods.len());
            let names: HashSet<_> = seen.pods.iter().map(|pod| &pod.name).collect();
            assert_eq!(names.len(), seen.pods.len());
            if setup.rollouts.is_empty() {
                assert_eq!(seen.status_replicas, seen.spec_replicas);
            }
            for pod in &seen.pods {
                assert!(pod.created <= pod.start_time || pod.start_time.is_none());
                assert_eq!(pod.start_time.is_some(), pod.ready.is_some());
                assert!(pod.ready.is_none_or(|ready| Some(ready.since) >= pod.start_time && !(ready.status && pod.trouble.is_some())));
            }
            if let Some(nodes) = &setup.nodes {
                let placed = seen.pods.iter().filter(|pod| pod.start_time.is_some()).count();
                // Those of the start are there whatever the nodes.
                let room = (nodes.max * nodes.pods_per_node).max(sizes[0]) as usize;
                assert!(placed <= room, "{placed} of {room}");
            }
        });
    }

    #[test]
    fn the_same_seed_gives_the_same_run(setup in setup(), load in load(), sizes in vec(0_u32..40, 1..8)) {
        let all = || {
            let mut seen = Vec::new();
            let seconds = play(&setup, &load, &sizes, |observation, _| seen.push(observation.clone()));
            (seen, seconds)
        };
        prop_assert!(all() == all());
    }

    #[test]
    fn more_pods_never_serve_less(load in load(), patience in 0_u64..200, pods in 0_u32..30, more in 0_u32..30) {
        let setup = Setup { patience: secs(patience), ..Setup::default() };
        let (few, many) = (play(&setup, &load, &[pods], |_, _| {}), play(&setup, &load, &[pods + more], |_, _| {}));
        let (mut of_few, mut of_many) = (0.0, 0.0);
        for (few, many) in few.iter().zip(&many) {
            of_few += served(few);
            of_many += served(many);
            prop_assert!(of_many >= of_few - 1e-6, "{} {}", of_many, of_few);
            prop_assert!(many.lost <= few.lost + 1e-9 || many.lost < 1e-9, "{} {}", many.lost, few.lost);
        }
    }

    #[test]
    fn a_rollout_without_faults_ends_and_keeps_what_it_promises(
        replicas in 1_u32..40, surge in 0_u32..=120, unavailable in 0_u32..=100, start in 1_u64..60
    ) {
        let rollout = Rollout { max_surge: surge, max_unavailable: unavailable, ..Rollout::at(secs(100)) };
        let setup = Setup { pod_start: secs(start), rollouts: vec![rollout], ..Setup::default() };
        let load = constant(1.0);
        let mut cluster = Cluster::new(plan(&setup, &load), replicas);
        let most = replicas + (replicas * surge).div_ceil(100);
        let missing = if surge == 0 { (replicas * unavailable / 100).max(1) } else { replicas * unavailable / 100 };
        for _ in 0..100 + 41 * start {
            cluster.pass();
            let (found, ready) = (cluster.observe(&[]).status_replicas, cluster.ready());
            prop_assert!(found <= most && ready + missing >= replicas, "{} {} of {}", found, ready, replicas);
        }
        let begin = ballast::core::Time::from_secs(1_000_100);
        prop_assert!(cluster.observe(&[]).pods.iter().all(|pod| pod.created.unwrap() >= begin));
        prop_assert_eq!((cluster.ready(), cluster.observe(&[]).status_replicas), (replicas, replicas));
    }
}
