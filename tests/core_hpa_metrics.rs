//! Several signals: the maximum wins, failures block shrinking only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{Decision, Policy, Reading, Signal, Target, Verdict};
use core_support::*;
use rstest::rstest;

/// Signals that ask for so many replicas each, or fail.
fn readings(wanted: &[Option<u32>]) -> (Policy, Vec<Reading>) {
    let signals: Vec<Signal> = (0..wanted.len())
        .map(|i| {
            signal(ballast::core::SignalKind::External { metric: format!("m{i}"), selector: String::new() }, Target::AverageValue(1000.0))
        })
        .collect();
    let readings = wanted.iter().map(|wanted| wanted.map_or_else(|| failed("gone"), |n| total(f64::from(n) * 1000.0))).collect();
    (policy(signals), readings)
}

fn decision(spec: u32, wanted: &[Option<u32>]) -> Decision {
    let (mut policy, readings) = readings(wanted);
    // Shrinking at once, so that the proposal shows.
    policy.behavior =
        Some(ballast::core::Behavior { up: default_up(), down: ballast::core::ScalingRules { window: secs(0), ..default_down() } });
    decide_once(&policy, &observed(spec, many(spec as usize, &ready(0.0)), readings))
}

#[rstest]
#[case::the_maximum_wins(4, &[Some(5), Some(7), Some(2)], 7)]
#[case::first_of_equals(4, &[Some(6), Some(6)], 6)]
#[case::all_lower_shrinks_to_the_largest(8, &[Some(2), Some(3)], 3)]
#[case::one_inside_its_band_vetoes_shrinking(10, &[Some(2), Some(10)], 10)]
#[case::one_inside_its_band_at_an_edge_vetoes(10, &[Some(2), Some(9)], 10)]
#[case::one_failed_others_may_grow(4, &[None, Some(6)], 6)]
#[case::failed_last_others_may_grow(4, &[Some(6), None], 6)]
#[case::one_failed_best_equal_is_applied(4, &[None, Some(4)], 4)]
#[case::one_failed_blocks_shrinking(8, &[Some(2), None], 8)]
#[case::failed_first_blocks_shrinking(8, &[None, Some(2)], 8)]
#[case::two_failed_one_grows(4, &[None, Some(6), None], 6)]
#[case::all_failed_nothing_happens(4, &[None, None], 4)]
#[case::the_only_one_failed(4, &[None], 4)]
fn combined(#[case] spec: u32, #[case] wanted: &[Option<u32>], #[case] expected: u32) {
    assert_eq!(decision(spec, wanted).to, expected);
}

#[rstest]
#[case::all_fail(4, &[None, None])]
#[case::best_remaining_would_shrink(8, &[None, Some(2)])]
fn blocked_is_unknown_with_the_first_failing_reason(#[case] spec: u32, #[case] wanted: &[Option<u32>]) {
    let decision = decision(spec, wanted);
    assert_eq!(decision.verdict, Verdict::Unknown);
    assert_eq!(condition(&decision, ballast::core::ConditionKind::ScalingActive), Some((false, "FailedGetExternalMetric")));
    assert_eq!(decision.warnings.last().unwrap().reason, "FailedComputeMetricsReplicas");
    assert_eq!(decision.signals.len(), wanted.len());
}

#[test]
fn the_first_failing_signal_names_the_condition() {
    let policy = policy(vec![external(Target::Value(1.0)), cpu(50), pods_metric(1.0)]);
    let readings = vec![total(0.0), failed("no metrics server"), failed("no adapter")];
    let decision = decide_once(&policy, &observed(2, many(2, &ready(0.0)), readings));
    assert_eq!(condition(&decision, ballast::core::ConditionKind::ScalingActive), Some((false, "FailedGetResourceMetric")));
    let reasons: Vec<_> = decision.warnings.iter().map(|warning| warning.reason.as_str()).collect();
    assert_eq!(reasons, ["FailedGetResourceMetric", "FailedGetPodsMetric", "FailedComputeMetricsReplicas"]);
    assert_eq!(decision.warnings[2].message, "2 of 3 signals unusable, the first: cpu: no metrics server");
}

#[test]
fn partly_failed_growth_is_active_and_still_warns() {
    let decision = decision(4, &[None, Some(6)]);
    assert_eq!(condition(&decision, ballast::core::ConditionKind::ScalingActive), Some((true, "ValidMetricFound")));
    let reasons: Vec<_> = decision.warnings.iter().map(|warning| warning.reason.as_str()).collect();
    assert_eq!(reasons, ["FailedGetExternalMetric"]);
}

#[test]
fn partly_failed_with_the_best_at_the_current_size_is_active() {
    let decision = decision(4, &[None, Some(4)]);
    assert_eq!(condition(&decision, ballast::core::ConditionKind::ScalingActive), Some((true, "ValidMetricFound")));
    assert_eq!(decision.verdict, Verdict::Steady);
}

#[test]
fn a_blocked_look_stores_no_proposal_and_no_desired_size() {
    let (policy, _) = readings(&[Some(1)]);
    let mut story = Story::new(policy, 8);
    story.wants(8, 15);
    let before = story.memory.clone();
    let decision = story.look(&observed(8, many(8, &ready(0.0)), vec![failed("gone")]), 15);
    assert_eq!((decision.from, decision.to), (8, 8));
    assert_eq!(story.memory, before);
}

#[test]
fn a_blocked_look_says_what_is_missing_and_what_the_others_want() {
    assert_eq!(
        decision(4, &[Some(2), None]).headline(),
        "size unknown, kept at 4: m1 unknown: gone; 1 of 2 signals unknown; the others need 2, but without the rest the size is not reduced"
    );
}

#[rstest]
#[case::resource(cpu(50), "FailedGetResourceMetric")]
#[case::container(container_cpu(50), "FailedGetContainerResourceMetric")]
#[case::pods(pods_metric(1.0), "FailedGetPodsMetric")]
#[case::object(object(Target::Value(1.0)), "FailedGetObjectMetric")]
#[case::external(external(Target::Value(1.0)), "FailedGetExternalMetric")]
#[case::prometheus(prometheus(Target::Value(1.0)), "FailedGetPrometheusMetric")]
fn each_kind_has_its_own_failure_reason(#[case] signal: Signal, #[case] reason: &str) {
    let decision = decide_once(&policy(vec![signal]), &observed(2, many(2, &ready(0.0)), vec![failed("gone")]));
    assert_eq!(condition(&decision, ballast::core::ConditionKind::ScalingActive), Some((false, reason)));
    assert_eq!(decision.warnings[0].reason, reason);
}

#[test]
fn a_reading_that_is_not_there_is_a_failure() {
    let decision = decide_once(&policy(vec![cpu(50), memory(50)]), &seen(2, many(2, &ready(100.0))));
    assert_eq!((decision.to, decision.verdict), (2, Verdict::Unknown));
}

#[test]
fn reports_are_in_spec_order_with_failures_in_place() {
    let decision = decision(4, &[Some(5), None, Some(7)]);
    let reports: Vec<_> = decision.signals.iter().map(|report| (&*report.name, report.proposal, report.failure.is_some())).collect();
    assert_eq!(reports, [("m0", Some(5), false), ("m1", None, true), ("m2", Some(7), false)]);
    assert!(decision.signals[1].current.is_none());
    assert_eq!(decision.reasons[0].to_string(), "m2 7 in all, target 1 per replica: needs 7");
}
