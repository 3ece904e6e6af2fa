//! What must hold for every input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use std::time::Duration;

use ballast::core::*;
use core_support::*;
use proptest::prelude::*;

fn kind() -> impl Strategy<Value = SignalKind> {
    prop_oneof![
        Just(SignalKind::Resource { resource: "cpu".into() }),
        Just(SignalKind::Resource { resource: "memory".into() }),
        Just(SignalKind::ContainerResource { resource: "cpu".into(), container: "app".into() }),
        Just(SignalKind::Pods { metric: "qps".into() }),
        Just(SignalKind::Object { metric: "hits".into(), kind: "Ingress".into(), name: "main".into() }),
        Just(SignalKind::External { metric: "queue".into(), selector: String::new() }),
        Just(SignalKind::Prometheus { name: "rps".into() }),
    ]
}

/// Values people see, and values nobody should.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (0u32..5000).prop_map(f64::from),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-1.0), Just(f64::MAX), Just(1e18), Just(5e-324)],
    ]
}

fn setpoint() -> impl Strategy<Value = f64> {
    prop_oneof![8 => 1.0..3000.0, 1 => prop_oneof![Just(f64::MIN_POSITIVE), Just(f64::MAX), Just(0.0), Just(f64::NAN), Just(-5.0)]]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        (1u32..300).prop_map(Target::Utilization),
        setpoint().prop_map(Target::AverageValue),
        setpoint().prop_map(Target::Value),
        setpoint().prop_map(Target::Capacity),
    ]
}

prop_compose! {
    fn signals()(list in prop::collection::vec((kind(), target()).prop_map(|(kind, target)| Signal::new(kind, target)), 1..4)) -> Vec<Signal> {
        list
    }
}

prop_compose! {
    fn scaling()(window in 0u64..400, select in prop_oneof![4 => Just(Select::Max), 2 => Just(Select::Min), 1 => Just(Select::Disabled)],
                 list in prop::collection::vec((prop_oneof![(1u32..20).prop_map(Amount::Pods), (1u32..300).prop_map(Amount::Percent)], 1u64..120), 1..3)) -> ScalingRules {
        rules(window, select, &list)
    }
}

fn smoothing() -> impl Strategy<Value = Smoothing> {
    prop_oneof![
        Just(Smoothing::None),
        Just(Smoothing::Smooth(SmoothParameters::default())),
        (0u64..600, 0.0..10.0, prop::option::of(0u64..600)).prop_map(|(constant, band, lead)| {
            Smoothing::Smooth(SmoothParameters {
                time_constant: secs(constant),
                noise_band: band,
                lead: lead.map(secs),
                ..SmoothParameters::default()
            })
        }),
    ]
}

prop_compose! {
    fn a_policy()(signals in signals(), min in 0u32..10, more in 0u32..60, behavior in prop::option::of((scaling(), scaling())),
                  up in 0.0..0.5, down in 0.0..0.5, smoothing in smoothing(),
                  pause in prop::option::weighted(0.1, prop_oneof![Just(PauseDirection::All), Just(PauseDirection::Up), Just(PauseDirection::Down)]),
                  on in any::<bool>()) -> Policy {
        Policy {
            min_replicas: min, max_replicas: min + more.max(1), behavior: behavior.map(|(up, down)| Behavior { up, down }),
            tolerance: Tolerance { up, down }, smoothing,
            pause: pause.map(|direction| Pause { direction, until: Some(at(100)), reason: "".into(), by: "".into() }),
            zero: if on { ScaleToZero::On } else { ScaleToZero::Off },
            ..policy(signals)
        }
    }
}

fn a_pod() -> impl Strategy<Value = P> {
    let phase = prop_oneof![6 => Just(Phase::Running), 1 => Just(Phase::Pending), 1 => Just(Phase::Failed), 1 => Just(Phase::Succeeded), 1 => Just(Phase::Unknown)];
    let request = prop_oneof![12 => (1u32..2000).prop_map(|milli| Request::Milli(f64::from(milli))), 1 => Just(Request::Milli(f64::NAN)), 1 => Just(Request::Unset { container: "a".into() })];
    (
        prop::option::weighted(0.85, value()),
        phase,
        prop::bool::weighted(0.1),
        prop::option::weighted(0.9, (any::<bool>(), 0u64..500)),
        0u64..800,
        request,
    )
        .prop_map(|(value, phase, deleting, readiness, started, request)| {
            let mut pod = value.map_or_else(missing, ready).phase(phase).readiness(readiness).started(started).request(request);
            pod.pod.deleting = deleting;
            pod
        })
}

fn a_reading() -> impl Strategy<Value = Option<Reading>> {
    prop_oneof![4 => Just(None), 2 => value().prop_map(|milli| Some(total(milli))), 1 => Just(Some(failed("gone")))]
}

prop_compose! {
    /// What is seen of up to three signals; `None` stands for the pods' own samples.
    fn an_observation()(spec in prop_oneof![10 => 0u32..70, 1 => Just(u32::MAX)], pods in prop::collection::vec(a_pod(), 0..12),
                        readings in prop::collection::vec(a_reading(), 3), marked in any::<bool>()) -> Observation {
        let own = seen(spec, pods.clone()).readings.remove(0);
        let readings = readings.into_iter().map(|reading| reading.unwrap_or_else(|| own.clone())).collect();
        Observation { scaled_to_zero: marked, ..observed(spec, pods, readings) }
    }
}

/// The policy without its collapse guard.
fn unguarded(policy: &Policy) -> Policy {
    let smoothing = match policy.smoothing {
        Smoothing::Smooth(parameters) => Smoothing::Smooth(SmoothParameters { collapse_hold: Duration::ZERO, ..parameters }),
        Smoothing::None => Smoothing::None,
    };
    Policy { smoothing, ..policy.clone() }
}

/// Observations with sample times moved to the time of the look.
fn moved(mut observation: Observation, by: Duration) -> Observation {
    for reading in &mut observation.readings {
        match reading {
            Reading::Total(sample) => sample.time = sample.time + by,
            Reading::PerPod { samples, .. } => samples.iter_mut().flatten().for_each(|sample| sample.time = sample.time + by),
            Reading::Failed(_) => {}
        }
    }
    observation
}

/// A memory with a past.
fn lived(policy: &Policy, past: &[Observation]) -> (Memory, Time) {
    let (mut memory, mut now) = (Memory::default(), NOW);
    for observation in past {
        let decision = decide(policy, &mut memory, &moved(observation.clone(), now.since(NOW)), now);
        memory.rescaled(policy, decision.from, decision.to, now);
        now = now + secs(15);
    }
    (memory, now)
}

/// What must not depend on the order of pods or signals.
fn outcome(decision: &Decision) -> (u32, Verdict, Option<Time>) {
    (decision.to, decision.verdict, decision.next_look)
}

proptest! {
    #![proptest_config(properties())]

    #[test]
    fn bounds_always_hold(policy in a_policy(), past in prop::collection::vec(an_observation(), 0..6), observation in an_observation()) {
        let (mut memory, now) = lived(&policy, &past);
        let decision = decide(&policy, &mut memory, &moved(observation, now.since(NOW)), now);
        // Whatever is written lies within the bounds; what is not written may lie outside (switched off, paused).
        if decision.to != decision.from {
            prop_assert!((policy.min_replicas..=policy.max_replicas).contains(&decision.to), "{decision:?}");
        }
        prop_assert!(!decision.reasons.is_empty());
    }

    #[test]
    fn disabled_never_moves_that_way(mut policy in a_policy(), past in prop::collection::vec(an_observation(), 0..6), observation in an_observation(), up in any::<bool>()) {
        let (mut memory, now) = lived(&policy, &past);
        let mut behavior = policy.behavior.clone().unwrap_or(Behavior { up: default_up(), down: default_down() });
        if up { behavior.up.select = Select::Disabled } else { behavior.down.select = Select::Disabled }
        policy.behavior = Some(behavior);
        let decision = decide(&policy, &mut memory, &moved(observation, now.since(NOW)), now);
        // Only the bounds are stronger.
        if up && decision.from > 0 {
            prop_assert!(decision.to <= decision.from.max(policy.min_replicas));
        } else if !up {
            prop_assert!(decision.to >= decision.from.min(policy.max_replicas));
        }
    }

    #[test]
    fn constant_load_inside_tolerance_never_writes(
        replicas in 1u32..60, share in 0.91f64..1.09, smoothing in smoothing(), behavior in prop::option::of((scaling(), scaling())), surge in 0usize..30,
    ) {
        let policy = Policy { smoothing, behavior: behavior.map(|(up, down)| Behavior { up, down }), ..policy(vec![pods_metric(1000.0), per_replica()]) };
        let mut memory = Memory::default();
        for look in 0..40u32 {
            let now = NOW + secs(15) * look;
            // From time to time a rollout's surge pods share the load.
            let extra = if look % 10 > 5 { surge.min(replicas as usize) } else { 0 };
            let count = replicas as usize + extra;
            let sum = share * 1000.0 * f64::from(replicas);
            let mut observation = seen(replicas, many(count, &ready((sum / count as f64).round())));
            observation.readings.push(total(sum.round()));
            let decision = decide(&policy, &mut memory, &moved(observation, now.since(NOW)), now);
            prop_assert_eq!(decision.to, replicas, "look {}: {}", look, decision.headline());
        }
    }

    #[test]
    fn more_demand_never_gives_fewer_replicas(
        mut policy in a_policy(), past in prop::collection::vec(an_observation(), 0..6), values in prop::collection::vec(0u32..4000, 1..12),
        more in prop::collection::vec(0u32..4000, 12), extra in 0u32..4000, gone in prop::option::of(0usize..12), whole in any::<bool>(),
    ) {
        policy.pause = None;
        for signal in &mut policy.signals {
            signal.target = match signal.target {
                Target::AverageValue(target) | Target::Value(target) | Target::Capacity(target) if target.is_nan() || target <= 0.0 => Target::AverageValue(500.0),
                target => target,
            };
        }
        let (memory, now) = lived(&policy, &past);
        // As many pods as asked for: with fewer, stock itself proposes less for more (it multiplies by the pods it finds).
        let spec = u32::try_from(values.len()).unwrap();
        let readings = |values: Vec<u32>, value: u32| {
            let pods: Vec<P> = values.iter().enumerate().map(|(i, &v)| if Some(i) == gone { missing() } else { ready(f64::from(v)) }).collect();
            let own = seen(spec, pods.clone()).readings.remove(0);
            let reading = if whole { total(f64::from(value)) } else { own };
            moved(observed(spec, pods, vec![reading; policy.signals.len()]), now.since(NOW))
        };
        let less = readings(values.clone(), values[0]);
        let greater = readings(values.iter().zip(&more).map(|(a, b)| a + b).collect(), values[0] + extra);
        // Less may be so little that it is not believed: the guard adds to what follows from demand, see below.
        let believing = unguarded(&policy);
        let first = decide(&believing, &mut memory.clone(), &less, now);
        let second = decide(&believing, &mut memory.clone(), &greater, now);
        prop_assert!(second.to >= first.to, "{} -> {}\n{}\n{}", first.to, second.to, first.headline(), second.headline());
    }

    /// It neither raises a size nor takes anything from growth.
    #[test]
    fn the_collapse_guard_only_keeps(policy in a_policy(), past in prop::collection::vec(an_observation(), 0..10), observation in an_observation()) {
        let (memory, now) = lived(&policy, &past);
        let mut observation = moved(observation, now.since(NOW));
        observation.readings.truncate(policy.signals.len());
        let guarded = decide(&policy, &mut memory.clone(), &observation, now);
        let other = decide(&unguarded(&policy), &mut memory.clone(), &observation, now);
        prop_assert!(guarded.to >= other.to);
        prop_assert!(guarded.to == other.to || guarded.to <= guarded.from && codes(&guarded).contains(&"Collapsed"), "{}\n{}", guarded.headline(), other.headline());
    }

    #[test]
    fn a_restored_memory_decides_alike(policy in a_policy(), past in prop::collection::vec(an_observation(), 0..10), next in prop::collection::vec(an_observation(), 1..4)) {
        let policy = Policy { fallback: Fallback { hold: secs(20), replicas: FallbackReplicas::Count(7) }, ..policy };
        let (mut memory, mut now) = lived(&policy, &past);
        for observation in next {
            let text = serde_json::to_string(&memory).unwrap();
            let mut restored: Memory = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&restored, &memory);
            let observation = moved(observation, now.since(NOW));
            let decision = decide(&policy, &mut memory, &observation, now);
            let again = decide(&policy, &mut restored, &observation, now);
            // Compared as text: NaN, where the input had one, equals itself there.
            prop_assert_eq!(format!("{decision:?}"), format!("{again:?}"));
            now = now + secs(15);
        }
    }

    #[test]
    fn the_order_of_pods_changes_nothing(policy in a_policy(), past in prop::collection::vec(an_observation(), 0..4), observation in an_observation(), turn in 0usize..12) {
        let (memory, now) = lived(&policy, &past);
        let observation = moved(observation, now.since(NOW));
        let mut turned = observation.clone();
        let by = turn.min(turned.pods.len());
        turned.pods.rotate_left(by);
        turned.pods.reverse();
        for reading in &mut turned.readings {
            if let Reading::PerPod { samples, requests, .. } = reading {
                samples.rotate_left(by);
                samples.reverse();
                requests.rotate_left(by);
                requests.reverse();
            }
        }
        let first = decide(&policy, &mut memory.clone(), &observation, now);
        let second = decide(&policy, &mut memory.clone(), &turned, now);
        prop_assert_eq!(outcome(&first), outcome(&second));
        prop_assert_eq!(format!("{:?}", first.signals.iter().map(|s| (s.current, s.proposal)).collect::<Vec<_>>()),
                        format!("{:?}", second.signals.iter().map(|s| (s.current, s.proposal)).collect::<Vec<_>>()));
    }

    #[test]
    fn the_order_of_signals_changes_nothing(policy in a_policy(), past in prop::collection::vec(an_observation(), 0..4), observation in an_observation()) {
        // Signals of the same kind are told apart by their order.
        let mut policy = policy;
        let mut known = Vec::new();
        policy.signals.retain(|signal| { let new = !known.contains(&signal.kind); known.push(signal.kind.clone()); new });
        let (memory, now) = lived(&policy, &past);
        let mut observation = moved(observation, now.since(NOW));
        observation.readings.truncate(policy.signals.len());
        let (mut other, mut turned) = (policy.clone(), observation.clone());
        other.signals.reverse();
        turned.readings.reverse();
        let first = decide(&policy, &mut memory.clone(), &observation, now);
        let second = decide(&other, &mut memory.clone(), &turned, now);
        prop_assert_eq!(outcome(&first), outcome(&second));
    }

    #[test]
    fn nothing_panics_or_overflows(
        policy in a_policy(), past in prop::collection::vec(an_observation(), 0..6), observation in an_observation(),
        time in any::<i64>(), window in any::<u64>(), band in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)], max in any::<u32>(),
    ) {
        let (mut memory, _) = lived(&policy, &past);
        let mut wild = Policy { downscale_stabilization: Duration::from_secs(window), max_replicas: max, ..policy };
        wild.tolerance.up = band;
        wild.smoothing = Smoothing::Smooth(SmoothParameters { time_constant: Duration::from_secs(window), noise_band: band, lead: Some(Duration::from_secs(window)), collapse_hold: Duration::from_secs(window) });
        for now in [Time::from_millis(time), NOW, Time::from_millis(i64::MAX), Time::from_millis(i64::MIN)] {
            let decision = decide(&wild, &mut memory, &observation, now);
            memory.rescaled(&wild, decision.from, decision.to, now);
            let _ = (decision.headline(), serde_json::to_string(&memory).unwrap());
        }
    }

    /// With no history, smoothing changes nothing at all, unless pods are without a sample.
    #[test]
    fn the_first_look_is_the_stock_rule(policy in a_policy(), observation in an_observation()) {
        let stock = decide_once(&Policy { smoothing: Smoothing::None, ..policy.clone() }, &observation);
        let smooth = decide_once(&Policy { smoothing: Smoothing::Smooth(SmoothParameters::default()), ..policy.clone() }, &observation);
        let missing = |decision: &Decision| decision.reasons.iter().any(|reason| matches!(reason, Reason::Demand(demand) if demand.pods.missing > 0));
        if missing(&stock) {
            // A pod without a sample may be as busy as any other.
            prop_assert!(smooth.to >= stock.to, "{stock:?} {smooth:?}");
        } else {
            prop_assert_eq!(format!("{stock:?}"), format!("{smooth:?}"));
        }
    }
}
