//! Guards and brakes: they hold moves that drivers ask for, and cause none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use std::time::Duration;

use ballast::core::reason::Standing;
use ballast::core::*;
use core_support::*;
use proptest::prelude::*;
use rstest::rstest;

const GUARD: &str = "headroom";
const BRAKE: &str = "pool-wait";

fn watcher(name: &str, role: Role, target: Target) -> Signal {
    signal(SignalKind::Prometheus { name: name.into() }, target).with_role(role)
}

fn guard() -> Signal {
    watcher(GUARD, Role::Guard, Target::AverageValue(800.0))
}

fn brake() -> Signal {
    watcher(BRAKE, Role::Brake, Target::AverageValue(1000.0))
}

/// Windows off, so that what holds is the role itself.
fn free(signals: Vec<Signal>, down_window: u64) -> Policy {
    let rule = |window| rules(window, Select::Max, &[(Amount::Percent(1000), 15), (Amount::Pods(1000), 15)]);
    Policy { behavior: Some(Behavior { up: rule(0), down: rule(down_window) }), ..policy(signals) }
}

/// A value of each pod.
fn each(pods: u32, milli: f64, now: Time) -> Reading {
    let sample = Sample { value: milli, time: now, window: secs(60) };
    Reading::PerPod { samples: vec![Some(sample); pods as usize], requests: vec![], limits: vec![] }
}

/// One look of a story whose driver asks for so many replicas, and whose other signals have these readings.
fn look(story: &mut Story, wants: u32, others: &[Reading]) -> Decision {
    let mut observation = seen_total(story.replicas, story.replicas as usize, 0.0);
    let driver = Reading::Total(Sample { time: story.now, ..sample(f64::from(wants) * 1000.0) });
    observation.readings = std::iter::once(driver).chain(others.iter().cloned()).collect();
    story.look(&observation, 15)
}

#[test]
fn a_guard_above_its_target_holds_scale_in_and_says_so() {
    let mut story = Story::new(free(vec![per_replica(), guard()], 0), 5);
    let high = each(5, 930.0, story.now);
    let decision = look(&mut story, 3, &[high]);
    assert_eq!((decision.to, decision.verdict, decision.wanted, decision.held_by()), (5, Verdict::Held, Some(3), Some("Guarded")));
    assert_eq!(decision.headline(), "held at 5: wants 3; headroom 0.93 per pod, guard at 0.8: above, holds scale-in");
    assert_eq!(condition(&decision, ConditionKind::AbleToScale), Some((true, "ScaleDownGuarded")));
    let report = &decision.signals[1];
    assert_eq!((report.role, report.holds, report.proposal), (Role::Guard, true, None));
    assert_eq!(report.current.unwrap().average, Some(930.0));
    // The target itself is not above it.
    let at = each(5, 800.0, story.now);
    assert_eq!(look(&mut story, 3, &[at]).to, 3);
}

#[test]
fn a_guard_lets_growth_pass_and_never_causes_any() {
    let mut story = Story::new(free(vec![per_replica(), guard()], 0), 5);
    let high = |story: &Story| each(story.replicas, 99_000.0, story.now);
    let reading = high(&story);
    assert_eq!(look(&mut story, 5, &[reading]).verdict, Verdict::Steady);
    let reading = high(&story);
    assert_eq!(look(&mut story, 8, &[reading]).to, 8);
}

#[test]
fn a_guard_holds_for_one_scale_in_window_more() {
    let mut story = Story::new(free(vec![per_replica(), guard()], 120), 5);
    // The driver's own proposals have long left the window.
    for _ in 0..12 {
        let high = each(5, 930.0, story.now);
        assert_eq!(look(&mut story, 3, &[high]).to, 5);
    }
    let quiet = story.now;
    loop {
        let low = each(5, 400.0, story.now);
        let decision = look(&mut story, 3, &[low]);
        if decision.to == 3 {
            break;
        }
        assert_eq!(decision.held_by(), Some("GuardedLately"), "{}", decision.headline());
        assert_eq!(decision.held_until(), Some(quiet + secs(120)));
        assert_eq!(condition(&decision, ConditionKind::AbleToScale), Some((true, "ScaleDownGuarded")));
    }
    assert_eq!(story.now, quiet + secs(120 + 15));
}

#[test]
fn an_unknown_guard_holds_scale_in_as_any_unknown_signal_does() {
    let mut story = Story::new(free(vec![per_replica(), guard()], 0), 5);
    let decision = look(&mut story, 3, &[failed("no series")]);
    assert_eq!((decision.to, decision.verdict), (5, Verdict::Unknown));
    assert!(codes(&decision).contains(&"SignalsIncomplete"), "{:?}", codes(&decision));
    assert_eq!(decision.warnings[0].reason, "FailedGetPrometheusMetric");
    assert_eq!(look(&mut story, 7, &[failed("no series")]).to, 7);
}

#[test]
fn a_guard_that_is_too_old_or_has_a_gap_holds_scale_in() {
    let mut story = Story::new(free(vec![per_replica(), guard()], 0), 5);
    let old = each(5, 100.0, story.now - secs(300));
    let decision = look(&mut story, 3, &[old]);
    assert!(decision.headline().ends_with("too old to shrink on, holds scale-in"), "{}", decision.headline());
    look(&mut story, 5, &[failed("gone")]);
    let back = each(5, 100.0, story.now);
    let decision = look(&mut story, 3, &[back]);
    let standing =
        decision.reasons.iter().find_map(|reason| if let Reason::Watched(watched) = reason { Some(watched.standing) } else { None });
    assert_eq!((decision.to, standing), (5, Some(Standing::Returned)));
}

#[test]
fn one_silent_pod_does_not_hide_that_the_others_are_above() {
    let mut story = Story::new(free(vec![per_replica(), guard(), brake()], 0), 4);
    let with_gap = |milli: f64, now: Time| {
        let Reading::PerPod { mut samples, requests, limits } = each(4, milli, now) else { unreachable!() };
        samples[0] = None;
        Reading::PerPod { samples, requests, limits }
    };
    let (high, low) = (with_gap(900.0, story.now), with_gap(0.0, story.now));
    assert_eq!(look(&mut story, 2, &[high, low]).held_by(), Some("Guarded"));
    let (low, high) = (with_gap(0.0, story.now), with_gap(1100.0, story.now));
    assert_eq!(look(&mut story, 8, &[low, high]).held_by(), Some("Braked"));
}

#[test]
fn a_brake_above_its_target_holds_growth_and_says_so() {
    let mut story = Story::new(free(vec![per_replica(), brake()], 0), 4);
    let high = each(4, 1400.0, story.now);
    let decision = look(&mut story, 8, &[high]);
    assert_eq!((decision.to, decision.verdict, decision.wanted, decision.held_by()), (4, Verdict::Held, Some(8), Some("Braked")));
    assert_eq!(decision.headline(), "held at 4: wants 8; pool-wait 1.4 per pod, brake at 1: above, holds growth");
    assert_eq!(condition(&decision, ConditionKind::ScalingLimited), Some((true, "ScaleUpBraked")));
    // It lets go at once, since the demand was there all the time.
    let low = each(4, 900.0, story.now);
    assert_eq!(look(&mut story, 8, &[low]).to, 8);
    // And never stands against scale-in.
    let high = each(8, 9000.0, story.now);
    assert_eq!(look(&mut story, 3, &[high]).to, 3);
}

#[rstest]
#[case::unknown(failed("no series"), "unknown: no series; a brake that is unknown holds nothing")]
#[case::old(each(4, 9000.0, ago(300)), "too old to hold growth on")]
fn a_brake_that_is_not_known_holds_nothing(#[case] reading: Reading, #[case] said: &str) {
    let mut story = Story::new(free(vec![per_replica(), brake()], 0), 4);
    let decision = look(&mut story, 8, &[reading]);
    assert_eq!(decision.to, 8);
    assert!(decision.reasons.iter().any(|reason| reason.to_string().contains(said)), "{:?}", decision.reasons);
    // Nor does it stand against scale-in, or bring the fallback about.
    let policy = Policy { fallback: Fallback { hold: Duration::ZERO, replicas: FallbackReplicas::Count(9) }, ..story.policy.clone() };
    let mut story = Story::new(policy, 4);
    assert_eq!(look(&mut story, 2, &[failed("gone")]).to, 2);
}

#[test]
fn bounds_and_waking_are_not_demand() {
    let mut low = Story::new(Policy { min_replicas: 3, ..free(vec![per_replica(), brake()], 0) }, 1);
    let high = each(1, 9000.0, low.now);
    assert_eq!(look(&mut low, 1, &[high]).to, 3);
    let zero = Policy { min_replicas: 0, zero: ScaleToZero::On, ..free(vec![per_replica(), brake()], 0) };
    let observation = Observation { scaled_to_zero: true, ..observed(0, vec![], vec![total(2000.0), Reading::Total(sample(9000.0))]) };
    assert_eq!(decide_once(&zero, &observation).to, 2);
}

/// What a look may bring of a guard or brake.
fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        6 => (0u32..3000).prop_map(|milli| total(f64::from(milli) * 10.0)),
        1 => Just(failed("gone")),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)].prop_map(total),
    ]
}

/// Driver and watcher at each look, and a size that somebody else sets.
fn course() -> impl Strategy<Value = Vec<(u32, Reading, Option<u32>)>> {
    prop::collection::vec((0u32..20, reading(), prop::option::weighted(0.1, 1u32..20)), 1..30)
}

/// Runs a course, comparing each decision with what the same policy would have decided without the watcher, from the same memory.
fn compare(watcher: Signal, window: u64, behavior: bool, course: Vec<(u32, Reading, Option<u32>)>, check: impl Fn(&Decision, &Decision)) {
    let with = if behavior {
        free(vec![per_replica(), watcher], window)
    } else {
        Policy { downscale_stabilization: secs(window), ..policy(vec![per_replica(), watcher]) }
    };
    let without = Policy { signals: vec![per_replica()], ..with.clone() };
    let mut story = Story::new(with, 5);
    for (wants, reading, set) in course {
        story.replicas = set.unwrap_or(story.replicas).max(1);
        let mut observation = seen_total(story.replicas, story.replicas as usize, 0.0);
        let fresh = |reading: Reading| match reading {
            Reading::Total(sample) => Reading::Total(Sample { time: story.now, ..sample }),
            other => other,
        };
        observation.readings = vec![fresh(total(f64::from(wants) * 1000.0)), fresh(reading)];
        let other = decide(&without, &mut story.memory.clone(), &observation, story.now);
        let one = story.look(&observation, 15);
        check(&one, &other);
    }
}

proptest! {
    #![proptest_config(properties())]

    #[test]
    fn a_guard_never_raises_the_size(course in course(), window in 0u64..100, behavior in any::<bool>()) {
        compare(guard(), window, behavior, course, |with, without| {
            assert!(with.to == without.to || with.to == with.from, "{with:?}\n{without:?}");
            assert!(with.to <= without.to.max(with.from), "{with:?}\n{without:?}");
        });
    }

    #[test]
    fn a_brake_never_lowers_the_size(course in course(), window in 0u64..100, behavior in any::<bool>()) {
        compare(brake(), window, behavior, course, |with, without| {
            assert!(with.to == without.to || (without.to > with.from && with.to == with.from), "{with:?}\n{without:?}");
        });
    }

    #[test]
    fn memory_that_was_kept_decides_as_if_nothing_had_happened(course in course(), window in 0u64..100) {
        let mut story = Story::new(free(vec![per_replica(), guard()], window), 5);
        for (wants, reading, _) in course {
            let kept = serde_json::to_string(&story.memory).unwrap();
            story.memory = serde_json::from_str(&kept).unwrap();
            let mut observation = seen_total(story.replicas, story.replicas as usize, 0.0);
            observation.readings = vec![total(f64::from(wants) * 1000.0), reading];
            let mut other = story.memory.clone();
            let expected = decide(&story.policy, &mut other, &observation, story.now);
            prop_assert_eq!(story.look(&observation, 15), expected);
        }
    }
}
