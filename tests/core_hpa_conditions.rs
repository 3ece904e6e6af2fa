//! Conditions: exact types, statuses and reasons in every situation, and what people read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{
    Amount, Behavior, ConditionKind, Decision, Mode, Observation, Pause, PauseDirection, Policy, Reason, ScaleToZero, Select, Selector,
    Smoothing, Target, Verdict,
};
use core_support::*;
use rstest::rstest;

/// All conditions as (type, status, reason).
fn all(decision: &Decision) -> Vec<(ConditionKind, bool, &str)> {
    decision.conditions.iter().map(|condition| (condition.kind, condition.status, condition.reason)).collect()
}

const ABLE: ConditionKind = ConditionKind::AbleToScale;
const ACTIVE: ConditionKind = ConditionKind::ScalingActive;
const LIMITED: ConditionKind = ConditionKind::ScalingLimited;

fn behaved(policy: Policy) -> Policy {
    Policy { behavior: Some(Behavior { up: default_up(), down: default_down() }), ..policy }
}

fn disabled(policy: Policy) -> Policy {
    let off = rules(0, Select::Disabled, &[(Amount::Pods(1), 15)]);
    Policy { behavior: Some(Behavior { up: off.clone(), down: off }), ..policy }
}

fn plain() -> Policy {
    policy(vec![per_replica()])
}

#[rstest]
#[case::steady(plain(), seen_total(3, 3, 3000.0), &[(ABLE, true, "ReadyForNewScale"), (ACTIVE, true, "ValidMetricFound"), (LIMITED, false, "DesiredWithinRange")])]
#[case::growing(plain(), seen_total(3, 3, 5000.0), &[(ABLE, true, "ReadyForNewScale"), (ACTIVE, true, "ValidMetricFound"), (LIMITED, false, "DesiredWithinRange")])]
#[case::growing_limited(plain(), seen_total(3, 3, 90_000.0), &[(ABLE, true, "ReadyForNewScale"), (ACTIVE, true, "ValidMetricFound"), (LIMITED, true, "ScaleUpLimit")])]
#[case::growing_to_the_maximum(Policy { max_replicas: 5, ..plain() }, seen_total(3, 3, 90_000.0), &[(ABLE, true, "ReadyForNewScale"), (ACTIVE, true, "ValidMetricFound"), (LIMITED, true, "TooManyReplicas")])]
#[case::shrinking_held(plain(), seen_total(5, 5, 2000.0), &[(ABLE, true, "ScaleDownStabilized"), (ACTIVE, true, "ValidMetricFound"), (LIMITED, false, "DesiredWithinRange")])]
#[case::behavior_growing_disabled(disabled(plain()), seen_total(3, 3, 5000.0), &[(ABLE, true, "ReadyForNewScale"), (ACTIVE, true, "ValidMetricFound"), (LIMITED, true, "ScaleUpLimit")])]
#[case::behavior_shrinking_disabled(disabled(plain()), seen_total(5, 5, 2000.0), &[(ABLE, true, "ReadyForNewScale"), (ACTIVE, true, "ValidMetricFound"), (LIMITED, true, "ScaleDownLimit")])]
#[case::behavior_shrinking_held(behaved(plain()), seen_total(5, 5, 2000.0), &[(ABLE, true, "ScaleDownStabilized"), (ACTIVE, true, "ValidMetricFound"), (LIMITED, false, "DesiredWithinRange")])]
#[case::metrics_failed(plain(), observed(3, vec![], vec![failed("gone")]), &[(ABLE, true, "SucceededGetScale"), (ACTIVE, false, "FailedGetExternalMetric")])]
#[case::forced_down_leaves_the_others(Policy { max_replicas: 2, ..plain() }, seen_total(3, 3, 3000.0), &[(ABLE, true, "SucceededGetScale")])]
#[case::forced_up_leaves_the_others(Policy { min_replicas: 5, ..plain() }, seen_total(3, 3, 3000.0), &[(ABLE, true, "SucceededGetScale")])]
#[case::switched_off(plain(), seen_total(0, 0, 3000.0), &[(ABLE, true, "SucceededGetScale"), (ACTIVE, false, "ScalingDisabled")])]
#[case::no_selector(plain(), Observation { selector: Selector::Missing, ..seen_total(3, 3, 3000.0) }, &[(ABLE, true, "SucceededGetScale"), (ACTIVE, false, "InvalidSelector")])]
fn exactly_these_conditions(#[case] policy: Policy, #[case] observation: Observation, #[case] expected: &[(ConditionKind, bool, &str)]) {
    assert_eq!(all(&decide_once(&policy, &observation)), expected);
}

#[test]
fn after_the_write() {
    let decision = decide_once(&plain(), &seen_total(3, 3, 5000.0));
    let after = decision.conditions_after_rescale(&plain());
    assert_eq!((after.len(), after[0].reason), (1, "SucceededRescale"));
    assert_eq!(after[0].message.to_string(), "the target was scaled from 3 to 5 replicas");
    let failed = decision.condition_after_failure("conflict");
    assert_eq!((failed.kind, failed.status, failed.reason), (ABLE, false, "FailedUpdateScale"));
    let message = failed.message.to_string();
    assert!(message.contains('5') && message.contains("conflict"));
}

#[test]
fn messages_carry_numbers_but_nothing_that_ticks() {
    let mut story = Story::new(behaved(plain()), 5);
    story.wants(5, 15);
    let (first, second) = (story.wants(2, 15), story.wants(2, 15));
    assert_eq!(first.conditions, second.conditions, "a countdown would be written to the API server at every look");
    assert_eq!(first.conditions[0].message.to_string(), "wants 2, stays at 5 because of the highest proposal of the last 300s (5)");
}

/// What an Event or a table shows.
#[rstest]
#[case::cpu(cpu(60), seen(3, many(3, &ready(830.0))), "New size: 5 (was 3): cpu 83% of request, target 60%: needs 5")]
#[case::container(container_cpu(60), seen(3, many(3, &ready(830.0))), "New size: 5 (was 3): cpu of container app 83% of request, target 60%: needs 5")]
#[case::cpu_average(cpu_average(500.0), seen(3, many(3, &ready(750.0))), "New size: 5 (was 3): cpu 750m per pod, target 500m: needs 5")]
#[case::pods(pods_metric(100_000.0), seen(3, many(3, &ready(137_250.0))), "New size: 5 (was 3): qps 137.2/s per pod, target 100/s: needs 5")]
#[case::prometheus(
    prometheus(Target::AverageValue(100_000.0)),
    seen_total(3, 3, 412_000.0),
    "New size: 5 (was 3): http-requests-per-second 412/s in all, target 100/s per replica: needs 5"
)]
#[case::value(external(Target::Value(2000.0)), seen_total(3, 3, 3000.0), "New size: 5 (was 3): queue_length 3, target 2: needs 5")]
#[case::object(object(Target::Value(2000.0)), seen_total(3, 3, 3000.0), "New size: 5 (was 3): hits of Ingress/main 3, target 2: needs 5")]
#[case::capacity(
    prometheus(Target::Capacity(100_000.0)),
    seen_total(3, 3, 300_000.0),
    "New size: 4 (was 3): http-requests-per-second 300/s in all, capacity 100/s per replica: needs 4"
)]
#[case::cut_by_the_rate(
    per_replica(),
    seen_total(3, 3, 90_000.0),
    "New size: 6 (was 3): queue_length 90 in all, target 1 per replica: needs 90; doubling per decision (or 4) allows 6 now"
)]
#[case::missing_samples_are_counted(cpu(50), seen(3, vec![ready(1000.0), ready(1000.0), missing()]), "New size: 4 (was 3): cpu 100% of request, target 50%: needs 4 (2 pods counted, 1 without sample)")]
#[case::held_by_missing_samples(cpu(50), seen(3, vec![ready(800.0), ready(800.0), missing()]), "stays at 3: cpu 80% of request, target 50%: no move is sure, keeps 3 (2 pods counted, 1 without sample)")]
#[case::surge(cpu(50), seen(4, many(5, &ready(430.0))), "stays at 4: cpu 43% of request, target 50%: within tolerance without the surge pods, keeps 4")]
#[case::unknown(per_replica(), observed(3, vec![], vec![failed("source default: timeout")]), "size unknown, kept at 3: queue_length unknown: source default: timeout")]
fn headlines(#[case] signal: ballast::core::Signal, #[case] observation: Observation, #[case] expected: &str) {
    assert_eq!(decide_once(&policy(vec![signal]), &observation).headline(), expected);
}

#[test]
fn forced_moves_say_which_bound() {
    let policy = Policy { min_replicas: 2, max_replicas: 5, ..plain() };
    assert_eq!(decide_once(&policy, &seen_total(9, 9, 0.0)).headline(), "New size: 5 (was 9): size 9 is above maxReplicas 5");
    assert_eq!(decide_once(&policy, &seen_total(1, 1, 0.0)).headline(), "New size: 2 (was 1): size 1 is below minReplicas 2");
}

#[test]
fn memory_reads_in_binary_units() {
    let mebi = 1024.0 * 1024.0 * 1000.0;
    let signal = signal(ballast::core::SignalKind::Resource { resource: "memory".into() }, Target::AverageValue(256.0 * mebi));
    let decision = decide_once(&policy(vec![signal]), &seen(2, many(2, &ready(512.0 * mebi))));
    assert_eq!(decision.reasons[0].to_string(), "memory 512Mi per pod, target 256Mi: needs 4");
}

fn paused(direction: PauseDirection, until: Option<u64>) -> Policy {
    let pause = Pause { direction, until: until.map(at), reason: "load test".into(), by: "ana".into() };
    Policy { pause: Some(pause), min_replicas: 2, max_replicas: 20, downscale_stabilization: secs(0), ..plain() }
}

#[rstest]
#[case::all_holds_up(PauseDirection::All, 5, 9, 5)]
#[case::all_holds_down(PauseDirection::All, 9, 5, 9)]
#[case::up_holds_up(PauseDirection::Up, 5, 9, 5)]
#[case::up_lets_down(PauseDirection::Up, 9, 5, 5)]
#[case::down_holds_down(PauseDirection::Down, 9, 5, 9)]
#[case::down_lets_up(PauseDirection::Down, 5, 9, 9)]
#[case::all_holds_a_forced_move_down(PauseDirection::All, 30, 30, 30)]
#[case::all_holds_a_forced_move_up(PauseDirection::All, 1, 1, 1)]
#[case::down_lets_a_forced_move_up(PauseDirection::Down, 1, 1, 2)]
fn a_pause_holds_its_direction(#[case] direction: PauseDirection, #[case] spec: u32, #[case] wanted: u32, #[case] to: u32) {
    let mut story = Story::new(paused(direction, None), spec);
    // The first look, after the size found was taken as a proposal of the same moment.
    if (2..=20).contains(&spec) {
        story.wants(spec, 15);
    }
    let decision = story.wants(wanted, 15);
    assert_eq!(decision.to, to);
    assert_eq!(decision.reasons.iter().any(|reason| matches!(reason, Reason::Paused { .. })), spec == to);
    if spec == to {
        assert_eq!(decision.verdict, Verdict::Held);
    }
}

#[test]
fn a_pause_says_who_why_and_until_when_and_ends() {
    let mut story = Story::new(paused(PauseDirection::All, Some(20)), 5);
    let decision = story.wants(9, 10);
    assert_eq!(decision.headline(), "held at 5: wants 9; scaling paused by ana (load test) for 20s more");
    assert_eq!(decision.next_look, None, "it ends after the next regular look");
    let decision = story.wants(9, 10);
    assert_eq!(decision.next_look, Some(at(20)));
    assert_eq!(story.wants(9, 10).to, 9, "over at its very end");
    let decision = decide_once(&paused(PauseDirection::Up, None), &seen_total(5, 5, 9000.0));
    assert_eq!(decision.headline(), "held at 5: wants 9; scale-up paused by ana (load test) until the pause is removed");
}

#[test]
fn a_pause_holds_a_forced_move_and_says_so() {
    let decision = decide_once(&paused(PauseDirection::All, None), &seen_total(30, 30, 0.0));
    assert_eq!(codes(&decision), ["Paused", "AboveMaximum"]);
}

#[test]
fn a_pause_without_a_wanted_move_is_steady() {
    let decision = decide_once(&paused(PauseDirection::All, None), &seen_total(5, 5, 5000.0));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Steady, vec!["WithinTolerance"]));
}

#[test]
fn recommend_decides_and_says_that_nothing_is_written() {
    let policy = Policy { mode: Mode::Recommend, ..policy(vec![cpu(60)]) };
    let decision = decide_once(&policy, &seen(3, many(3, &ready(830.0))));
    assert_eq!((decision.to, decision.verdict), (5, Verdict::ScaleUp));
    assert!(decision.recommends());
    assert_eq!(decision.headline(), "Recommended size: 5 (now 3): cpu 83% of request, target 60%: needs 5");
}

#[test]
fn every_reason_has_a_code_and_a_text() {
    let mut smooth = plain();
    smooth.smoothing = Smoothing::Smooth(ballast::core::SmoothParameters::default());
    let mut story = Story::new(smooth, 10);
    story.look(&seen_total(10, 10, 10_000.0), 15);
    let mut observation = seen_total(10, 10, 5000.0);
    observation.readings = vec![ballast::core::Reading::Total(ballast::core::Sample { time: at(15), ..sample(5000.0) })];
    let decision = story.look(&observation, 15);
    assert!(codes(&decision).contains(&"Smoothed"));
    let zero = decide_once(&Policy { zero: ScaleToZero::On, ..plain() }, &Observation { scaled_to_zero: true, ..seen_total(0, 0, 0.0) });
    for reason in decision.reasons.iter().chain(&zero.reasons) {
        assert!(!reason.to_string().is_empty() && reason.code().chars().all(char::is_alphanumeric));
    }
}

/// The values the status shows: as measured, of the pods that count, without fills.
#[test]
fn current_values_for_the_status() {
    let utilization = decide_once(&policy(vec![cpu(50)]), &seen(3, vec![ready(301.0), ready(300.0), missing()]));
    let current = utilization.signals[0].current.unwrap();
    assert_eq!((current.utilization, current.average, current.value), (Some(30), Some(300.0), None));
    let mean = decide_once(&policy(vec![pods_metric(500.0)]), &seen(2, vec![ready(301.0), ready(300.0)])).signals[0].current.unwrap();
    assert_eq!((mean.utilization, mean.average, mean.value), (None, Some(300.0), None));
    let whole = decide_once(&policy(vec![external(Target::Value(500.0))]), &seen_total(2, 2, 700.0)).signals[0].current.unwrap();
    assert_eq!((whole.utilization, whole.average, whole.value), (None, None, Some(700.0)));
    let shared = decide_once(&policy(vec![per_replica()]), &seen_total(3, 3, 1000.0)).signals[0].current.unwrap();
    assert_eq!((shared.utilization, shared.average, shared.value), (None, Some(334.0), None));
    let borne = decide_once(&policy(vec![prometheus(Target::Capacity(500.0))]), &seen_total(4, 4, 1000.0)).signals[0].current.unwrap();
    assert_eq!((borne.utilization, borne.average, borne.value), (None, Some(250.0), None));
}

#[test]
fn the_age_of_the_newest_sample_is_reported() {
    let pods = vec![ready(500.0).sampled(40, 30), ready(500.0).sampled(25, 30)];
    assert_eq!(decide_once(&policy(vec![cpu(50)]), &seen(2, pods)).signals[0].age_millis, Some(25_000));
}
