//! Size zero.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{Behavior, ConditionKind, Decision, Observation, Policy, ScaleToZero, Signal, Target, Verdict};
use core_support::*;
use rstest::rstest;

fn policy_for(signal: Signal, zero: ScaleToZero, min: u32) -> Policy {
    Policy { zero, min_replicas: min, downscale_stabilization: secs(0), ..policy(vec![signal]) }
}

/// A target at 0, with or without the mark of an autoscaler.
fn at_zero(marked: bool, value: f64) -> Observation {
    Observation { scaled_to_zero: marked, ..observed(0, vec![], vec![total(value)]) }
}

fn active(decision: &Decision) -> (bool, &str) {
    condition(decision, ConditionKind::ScalingActive).unwrap()
}

use ScaleToZero::{Off, On};

#[rstest]
#[case::gate_off(Off, 1, false)]
#[case::gate_off_ignores_the_mark(Off, 1, true)]
#[case::gate_off_with_minimum_0(Off, 0, true)]
#[case::by_hand(On, 0, false)]
#[case::by_hand_with_a_minimum(On, 3, false)]
fn size_0_without_mark_is_the_off_switch(#[case] zero: ScaleToZero, #[case] min: u32, #[case] marked: bool) {
    let decision = decide_once(&policy_for(per_replica(), zero, min), &at_zero(marked, 9000.0));
    assert_eq!((decision.to, decision.verdict), (0, Verdict::Disabled));
    assert_eq!(active(&decision), (false, "ScalingDisabled"));
    assert!(decision.signals.is_empty() && decision.warnings.is_empty(), "signals are not read");
    assert_eq!(condition(&decision, ConditionKind::AbleToScale), Some((true, "SucceededGetScale")));
    assert_eq!(condition(&decision, ConditionKind::ScalingLimited), None);
}

#[rstest]
#[case::average_value(per_replica(), 3000.0, 3)]
#[case::average_value_without_tolerance(per_replica(), 1.0, 1)]
#[case::value_is_the_ratio_rounded_up(external(Target::Value(1000.0)), 2500.0, 3)]
#[case::value_without_tolerance(external(Target::Value(1000.0)), 50.0, 1)]
#[case::object_value(object(Target::Value(1000.0)), 1000.0, 1)]
#[case::object_average(object(Target::AverageValue(1000.0)), 2000.0, 2)]
#[case::prometheus(prometheus(Target::AverageValue(1000.0)), 2000.0, 2)]
#[case::capacity(prometheus(Target::Capacity(1000.0)), 1000.0, 2)]
#[case::nothing_to_do_stays_asleep(per_replica(), 0.0, 0)]
#[case::up_to_4_at_once(per_replica(), 90_000.0, 4)]
fn a_marked_target_is_woken_by_its_signal(#[case] signal: Signal, #[case] value: f64, #[case] to: u32) {
    let decision = decide_once(&policy_for(signal, On, 0), &at_zero(true, value));
    assert_eq!(decision.to, to);
    assert_eq!(active(&decision), (true, "ValidMetricFound"));
}

#[rstest]
#[case::cpu_cannot_see_a_target_without_pods(cpu(50))]
#[case::pods_metric_neither(pods_metric(1000.0))]
fn a_marked_target_without_a_signal_that_sees_zero_stays(#[case] signal: Signal) {
    let observation = Observation { scaled_to_zero: true, ..seen(0, vec![]) };
    assert_eq!(decide_once(&policy_for(signal, On, 0), &observation).verdict, Verdict::Disabled);
}

#[test]
fn one_such_signal_is_enough() {
    let mut policy = policy_for(cpu(50), On, 0);
    policy.signals.push(per_replica());
    let observation = Observation { scaled_to_zero: true, ..observed(0, vec![], vec![failed("no pods"), total(2000.0)]) };
    assert_eq!(decide_once(&policy, &observation).to, 2);
}

#[rstest]
#[case::to_the_minimum_at_least(500.0, 3, 3)]
#[case::the_signal_may_ask_for_more(4000.0, 3, 4)]
#[case::beyond_the_rate_of_4(0.0, 9, 9)]
fn a_raised_minimum_wakes_a_marked_target(#[case] value: f64, #[case] min: u32, #[case] to: u32) {
    let decision = decide_once(&policy_for(per_replica(), On, min), &at_zero(true, value));
    assert_eq!((decision.to, decision.verdict), (to, Verdict::ScaleUp));
}

#[test]
fn a_raised_minimum_asks_even_signals_that_cannot_see_zero() {
    // They fail for want of pods, so the target stays at 0, but as unknown and not as switched off.
    let observation = Observation { scaled_to_zero: true, ..seen(0, vec![]) };
    let decision = decide_once(&policy_for(cpu(50), On, 3), &observation);
    assert_eq!((decision.to, decision.verdict), (0, Verdict::Unknown));
    assert_eq!(active(&decision), (false, "FailedGetResourceMetric"));
}

#[test]
fn pods_left_over_at_zero_must_not_turn_a_low_reading_into_growth() {
    let left_over = [many(9, &ready(100.0)), vec![missing()]].concat();
    let observation = Observation { scaled_to_zero: true, ..seen(0, left_over) };
    let decision = decide_once(&policy_for(cpu(50), On, 1), &observation);
    assert_eq!((decision.signals[0].proposal, decision.to), (Some(0), 1));
}

#[test]
fn a_raised_minimum_wakes_even_past_a_disabled_direction() {
    let mut policy = policy_for(per_replica(), On, 2);
    let off = rules(0, ballast::core::Select::Disabled, &[(ballast::core::Amount::Pods(1), 15)]);
    policy.behavior = Some(Behavior { up: off.clone(), down: off });
    assert_eq!(decide_once(&policy, &at_zero(true, 5000.0)).to, 2);
}

#[test]
fn a_failing_signal_leaves_it_asleep() {
    let observation = Observation { scaled_to_zero: true, ..observed(0, vec![], vec![failed("gone")]) };
    let decision = decide_once(&policy_for(per_replica(), On, 0), &observation);
    assert_eq!((decision.to, decision.verdict), (0, Verdict::Unknown));
    assert_eq!(active(&decision), (false, "FailedGetExternalMetric"));
}

#[test]
fn waking_by_percent_alone_is_impossible_and_by_pods_possible() {
    let mut policy = policy_for(per_replica(), On, 0);
    let up = |amount| Behavior { up: rules(0, ballast::core::Select::Max, &[(amount, 15)]), down: default_down() };
    policy.behavior = Some(up(ballast::core::Amount::Percent(100)));
    assert_eq!(decide_once(&policy, &at_zero(true, 5000.0)).to, 0);
    policy.behavior = Some(up(ballast::core::Amount::Pods(2)));
    assert_eq!(decide_once(&policy, &at_zero(true, 5000.0)).to, 2);
}

fn goes_to_zero(zero: ScaleToZero, signal: Signal) -> (Policy, Decision) {
    let mut story = Story::new(policy_for(signal, zero, 0), 3);
    story.wants(3, 15);
    let decision = story.wants(0, 15);
    (story.policy, decision)
}

#[test]
fn minimum_0_lets_an_idle_target_go_to_0_and_marks_it() {
    let (policy, decision) = goes_to_zero(On, per_replica());
    assert_eq!((decision.from, decision.to), (3, 0));
    let after = decision.conditions_after_rescale(&policy);
    let marks: Vec<_> = after.iter().map(|condition| (condition.kind, condition.status, condition.reason)).collect();
    assert_eq!(marks, [(ConditionKind::AbleToScale, true, "SucceededRescale"), (ConditionKind::ScaledToZero, true, "ScaledToZero")]);
}

#[test]
fn with_the_gate_off_it_still_goes_to_0_but_without_mark() {
    let (policy, decision) = goes_to_zero(Off, per_replica());
    assert_eq!(decision.to, 0);
    assert_eq!(decision.conditions_after_rescale(&policy).len(), 1);
}

#[test]
fn any_other_rescale_takes_the_mark_away() {
    let policy = policy_for(per_replica(), On, 0);
    let decision = decide_once(&policy, &at_zero(true, 2000.0));
    let after = decision.conditions_after_rescale(&policy);
    assert_eq!((after[1].kind, after[1].status, after[1].reason), (ConditionKind::ScaledToZero, false, "NotScaledToZero"));
}

#[test]
fn switched_off_says_so() {
    let decision = decide_once(&policy_for(per_replica(), Off, 1), &at_zero(false, 1.0));
    assert_eq!(decision.headline(), "switched off: the size was set to 0, and not by an autoscaler");
}
