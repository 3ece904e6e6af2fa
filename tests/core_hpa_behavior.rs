//! How far one move may go: bounds, the doubling limit, rate policies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{Amount, Behavior, ConditionKind, Decision, Policy, ScalingRules, Select, Verdict};
use core_support::*;
use rstest::rstest;

use Amount::{Percent, Pods};

fn with(up: ScalingRules, down: ScalingRules) -> Policy {
    let mut policy = policy(vec![per_replica()]);
    policy.behavior = Some(Behavior { up, down });
    policy
}

/// Down at once, so that rates show.
fn free_down() -> ScalingRules {
    ScalingRules { window: secs(0), ..default_down() }
}

fn limited(decision: &Decision) -> (bool, &str) {
    condition(decision, ConditionKind::ScalingLimited).unwrap()
}

/// One look of a fresh controller without behavior.
#[rstest]
#[case::doubles_at_most(5, 100, 10, true, "ScaleUpLimit")]
#[case::reaches_4_at_least_from_1(1, 100, 4, true, "ScaleUpLimit")]
#[case::reaches_4_at_least_from_2(2, 100, 4, true, "ScaleUpLimit")]
#[case::three_doubles_to_6_not_7(3, 100, 6, true, "ScaleUpLimit")]
#[case::up_to_the_limit_is_free(5, 10, 10, false, "DesiredWithinRange")]
#[case::maximum_wins_over_the_rate(15, 100, 20, true, "TooManyReplicas")]
#[case::maximum_equal_to_the_rate_is_named(10, 100, 20, true, "TooManyReplicas")]
#[case::rate_below_the_maximum_is_named(9, 100, 18, true, "ScaleUpLimit")]
#[case::on_the_maximum(15, 20, 20, false, "DesiredWithinRange")]
fn without_behavior_up(#[case] spec: u32, #[case] wanted: u32, #[case] to: u32, #[case] cut: bool, #[case] reason: &str) {
    let mut policy = policy(vec![per_replica()]);
    policy.max_replicas = 20;
    let decision = Story::new(policy, spec).wants(wanted, 15);
    assert_eq!((decision.to, limited(&decision)), (to, (cut, reason)));
}

#[rstest]
#[case::no_rate_on_the_way_down(100, 3, 3, false, "DesiredWithinRange")]
#[case::minimum_binds(100, 1, 2, true, "TooFewReplicas")]
#[case::idle_goes_to_the_minimum(100, 0, 2, true, "TooFewReplicas")]
fn without_behavior_down(#[case] spec: u32, #[case] wanted: u32, #[case] to: u32, #[case] cut: bool, #[case] reason: &str) {
    let mut policy = policy(vec![per_replica()]);
    policy.min_replicas = 2;
    policy.downscale_stabilization = secs(0);
    // With a window of 0 the proposal of the very same moment still counts; look a moment later.
    let mut story = Story::new(policy, spec);
    story.wants(spec, 15);
    let decision = story.wants(wanted, 15);
    assert_eq!((decision.to, limited(&decision)), (to, (cut, reason)));
}

#[rstest]
#[case::defaults_3_to_7_not_6(default_up(), 3, 100, 7)]
#[case::defaults_double_from_5(default_up(), 5, 100, 10)]
#[case::pods_only_replaces_the_whole_list(rules(0, Select::Max, &[(Pods(2), 15)]), 50, 100, 52)]
#[case::percent_only(rules(0, Select::Max, &[(Percent(20), 15)]), 50, 100, 60)]
// 50 * 1.1 is 55.00000000000001 in floating point, and stock rounds that up.
#[case::percent_in_the_same_floating_point(rules(0, Select::Max, &[(Percent(10), 15)]), 50, 100, 56)]
#[case::percent_is_rounded_up(rules(0, Select::Max, &[(Percent(10), 15)]), 11, 100, 13)]
#[case::one_percent_of_one_still_grows(rules(0, Select::Max, &[(Percent(1), 15)]), 1, 100, 2)]
#[case::max_takes_the_largest_change(rules(0, Select::Max, &[(Pods(4), 15), (Percent(20), 15)]), 50, 100, 60)]
#[case::max_takes_the_largest_change_pods(rules(0, Select::Max, &[(Pods(4), 15), (Percent(10), 15)]), 10, 100, 14)]
#[case::min_takes_the_smallest_change(rules(0, Select::Min, &[(Pods(4), 15), (Percent(10), 15)]), 50, 100, 54)]
#[case::min_takes_the_smallest_change_percent(rules(0, Select::Min, &[(Pods(4), 15), (Percent(10), 15)]), 10, 100, 11)]
#[case::disabled_holds(rules(0, Select::Disabled, &[(Pods(4), 15)]), 10, 100, 10)]
#[case::within_the_rate(default_up(), 10, 12, 12)]
fn up_rates(#[case] up: ScalingRules, #[case] spec: u32, #[case] wanted: u32, #[case] to: u32) {
    assert_eq!(Story::new(with(up, default_down()), spec).wants(wanted, 15).to, to);
}

#[rstest]
#[case::default_all_at_once(free_down(), 50, 1, 1)]
#[case::pods(rules(0, Select::Max, &[(Pods(2), 60)]), 50, 1, 48)]
#[case::percent(rules(0, Select::Max, &[(Percent(10), 60)]), 50, 1, 45)]
#[case::percent_is_truncated(rules(0, Select::Max, &[(Percent(10), 60)]), 11, 1, 9)]
#[case::percent_truncated_from_1(rules(0, Select::Max, &[(Percent(10), 60)]), 2, 1, 1)]
#[case::percent_above_100(rules(0, Select::Max, &[(Percent(150), 60)]), 50, 1, 1)]
#[case::max_takes_the_largest_change(rules(0, Select::Max, &[(Pods(2), 60), (Percent(10), 60)]), 50, 1, 45)]
#[case::min_takes_the_smallest_change(rules(0, Select::Min, &[(Pods(2), 60), (Percent(10), 60)]), 50, 1, 48)]
#[case::disabled_holds(rules(0, Select::Disabled, &[(Pods(2), 60)]), 50, 1, 50)]
#[case::within_the_rate(rules(0, Select::Max, &[(Pods(8), 60)]), 50, 44, 44)]
#[case::more_pods_than_there_are(rules(0, Select::Max, &[(Pods(500), 60)]), 50, 1, 1)]
fn down_rates(#[case] down: ScalingRules, #[case] spec: u32, #[case] wanted: u32, #[case] to: u32) {
    // The first look takes the size found as a proposal of that moment, which a window of 0 does not see.
    assert_eq!(Story::new(with(default_up(), down), spec).wants(wanted, 15).to, to);
}

#[rstest]
#[case::up_limit(default_up(), 3, 100, 1000, (true, "ScaleUpLimit"))]
#[case::up_maximum(default_up(), 3, 100, 5, (true, "TooManyReplicas"))]
#[case::up_maximum_equal_to_the_rate(default_up(), 3, 100, 7, (true, "TooManyReplicas"))]
#[case::up_disabled_shows_the_limit(rules(0, Select::Disabled, &[(Pods(4), 15)]), 3, 100, 1000, (true, "ScaleUpLimit"))]
#[case::up_free(default_up(), 3, 5, 1000, (false, "DesiredWithinRange"))]
#[case::steady(default_up(), 3, 3, 1000, (false, "DesiredWithinRange"))]
fn what_limits_up(#[case] up: ScalingRules, #[case] spec: u32, #[case] wanted: u32, #[case] max: u32, #[case] expected: (bool, &str)) {
    let mut policy = with(up, default_down());
    policy.max_replicas = max;
    assert_eq!(limited(&Story::new(policy, spec).wants(wanted, 15)), expected);
}

#[rstest]
#[case::down_limit(rules(0, Select::Max, &[(Pods(2), 60)]), 1, 1, 48, (true, "ScaleDownLimit"))]
#[case::down_minimum(free_down(), 1, 10, 10, (true, "TooFewReplicas"))]
#[case::down_minimum_equal_to_the_rate(rules(0, Select::Max, &[(Pods(2), 60)]), 1, 48, 48, (true, "TooFewReplicas"))]
#[case::down_disabled_shows_the_limit(rules(0, Select::Disabled, &[(Pods(2), 60)]), 1, 1, 50, (true, "ScaleDownLimit"))]
#[case::down_on_the_minimum(free_down(), 10, 10, 10, (false, "DesiredWithinRange"))]
fn what_limits_down(#[case] down: ScalingRules, #[case] wanted: u32, #[case] min: u32, #[case] to: u32, #[case] expected: (bool, &str)) {
    let mut policy = with(default_up(), down);
    policy.min_replicas = min;
    let decision = Story::new(policy, 50).wants(wanted, 15);
    assert_eq!((decision.to, limited(&decision)), (to, expected));
}

#[test]
fn the_budget_is_counted_over_the_period() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 60)]), default_down()), 10);
    // 4 pods at once, then none until exactly 60 s have passed: the far end no longer counts.
    assert_eq!(story.sizes(&[100, 100, 100, 100, 100, 100]), [14, 14, 14, 14, 18, 18]);
}

#[test]
fn what_is_left_of_the_budget_may_be_used() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 60)]), default_down()), 10);
    assert_eq!(story.sizes(&[13, 100, 100, 100, 100, 100]), [13, 14, 14, 14, 17, 18]);
}

#[test]
fn percent_counts_from_the_size_at_the_start_of_the_period() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Percent(50), 60)]), default_down()), 10);
    assert_eq!(story.sizes(&[100, 100, 100, 100, 100]), [15, 15, 15, 15, 23]);
}

#[test]
fn down_budget_is_counted_over_the_period() {
    let mut story = Story::new(with(default_up(), rules(0, Select::Max, &[(Percent(10), 60)])), 100);
    assert_eq!(story.sizes(&[1, 1, 1, 1, 1]), [90, 90, 90, 90, 81]);
}

#[test]
fn removals_give_budget_back_to_additions() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 60)]), free_down()), 10);
    assert_eq!(story.sizes(&[100, 11, 100, 100]), [14, 11, 14, 14]);
}

#[test]
fn additions_give_budget_back_to_removals() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(10), 60)]), rules(0, Select::Max, &[(Pods(2), 60)])), 10);
    assert_eq!(story.sizes(&[15, 1, 1]), [15, 8, 8]);
}

#[test]
fn each_policy_has_its_own_period() {
    let up = rules(0, Select::Min, &[(Pods(4), 15), (Pods(6), 60)]);
    let mut story = Story::new(with(up, default_down()), 10);
    assert_eq!(story.sizes(&[100, 100, 100, 100, 100]), [14, 16, 16, 16, 20]);
}

#[test]
fn max_of_several_periods() {
    let up = rules(0, Select::Max, &[(Pods(1), 15), (Pods(6), 60)]);
    let mut story = Story::new(with(up, default_down()), 10);
    assert_eq!(story.sizes(&[100, 100, 100, 100, 100]), [16, 17, 18, 19, 22]);
}

#[test]
fn a_bound_on_the_wrong_side_holds() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(2), 60)]), default_down()), 10);
    assert_eq!(story.wants(100, 15).to, 12);
    // Scaled down by hand to 5: the period began, by own moves alone, at 3.
    story.replicas = 5;
    assert_eq!(story.wants(100, 15).to, 5);
    // Scaled up by hand to 50: the bound follows.
    story.replicas = 50;
    assert_eq!(story.wants(100, 15).to, 50);
}

#[test]
fn moves_by_hand_are_not_counted() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 600)]), default_down()), 10);
    story.wants(10, 15);
    story.replicas = 30;
    assert_eq!(story.wants(100, 15).to, 34);
}

#[test]
fn forced_moves_are_counted() {
    let mut policy = with(rules(0, Select::Max, &[(Pods(4), 600)]), default_down());
    policy.min_replicas = 10;
    let mut story = Story::new(policy, 7);
    assert_eq!(story.wants(100, 15).to, 10);
    assert_eq!(story.wants(100, 15).to, 11, "3 of 4 are used up");
}

#[test]
fn moves_are_not_recorded_without_behavior() {
    let mut story = Story::new(policy(vec![per_replica()]), 5);
    story.wants(100, 15);
    story.policy.behavior = Some(Behavior { up: rules(0, Select::Max, &[(Pods(4), 600)]), down: default_down() });
    assert_eq!(story.wants(100, 15).to, 14, "the doubling of before used up nothing");
}

#[test]
fn an_outdated_move_gives_way_to_a_new_one() {
    // The down policy looks back further than any up policy: only moves that an up policy still needs are sure to be kept.
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 15)]), rules(0, Select::Max, &[(Pods(1), 600)])), 10);
    assert_eq!(story.sizes(&[14, 14, 18]), [14, 14, 18]);
    // Of 8 additions the first 4 were overwritten, so that 4 come back beside the budget of 1.
    assert_eq!(story.wants(1, 15).to, 13);
}

#[test]
fn a_move_exactly_as_old_as_the_longest_period_is_kept() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 15)]), rules(0, Select::Max, &[(Pods(1), 600)])), 10);
    assert_eq!(story.sizes(&[14, 18]), [14, 18]);
    assert_eq!(story.wants(1, 15).to, 9, "all 8 additions come back beside the budget of 1");
}

#[rstest]
#[case::additions(10, 100, 14)]
#[case::removals(30, 1, 26)]
fn a_clock_that_went_back_gives_the_budget_back_after_one_period(#[case] spec: u32, #[case] wanted: u32, #[case] first: u32) {
    let four = rules(0, Select::Max, &[(Pods(4), 60)]);
    let mut story = Story::new(with(four.clone(), four), spec);
    assert_eq!(story.wants(wanted, 15).to, first);
    story.now = ago(100_000);
    let sizes = story.sizes(&[wanted; 5]);
    assert_eq!(sizes[..4], [first; 4]);
    assert_ne!(sizes[4], first);
}

#[test]
fn a_failed_write_uses_up_nothing() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 600)]), default_down()), 10);
    let observation = seen_total(10, 10, 100_000.0);
    let first = ballast::core::decide(&story.policy, &mut story.memory, &observation, story.now);
    assert_eq!(first.to, 14);
    // Not told to the memory: the next look offers the same.
    assert_eq!(story.wants(100, 15).to, 14);
}

#[test]
fn scale_down_disabled_never_loses_a_pod_even_to_an_outage() {
    let mut story = Story::new(with(default_up(), rules(0, Select::Disabled, &[(Percent(100), 15)])), 20);
    assert_eq!(story.sizes(&[1, 0, 19, 0]), [20, 20, 20, 20]);
    let lost = observed(20, vec![], vec![failed("gone")]);
    assert_eq!(story.look(&lost, 15).to, 20);
}

/// Outside the bounds: brought back at once, whatever else the policy says.
#[rstest]
#[case::above_the_maximum(20, 2, 10, 10)]
#[case::below_the_minimum(1, 5, 10, 5)]
fn forced_moves_ignore_metrics_rates_and_windows(#[case] spec: u32, #[case] min: u32, #[case] max: u32, #[case] to: u32) {
    let off = rules(3600, Select::Disabled, &[(Pods(1), 1800)]);
    let mut policy = with(off.clone(), off);
    (policy.min_replicas, policy.max_replicas) = (min, max);
    let decision = decide_once(&policy, &observed(spec, vec![], vec![failed("gone")]));
    assert_eq!(decision.to, to);
    assert!(decision.signals.is_empty() && decision.warnings.is_empty(), "metrics are not read");
    let kinds: Vec<_> = decision.conditions.iter().map(|condition| (condition.kind, condition.reason)).collect();
    assert_eq!(kinds, [(ConditionKind::AbleToScale, "SucceededGetScale")], "what is said of signals and limits stays");
}

#[test]
fn held_by_a_rate_names_the_policy() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 60)]), default_down()), 10);
    story.wants(100, 10);
    let decision = story.wants(100, 15);
    assert_eq!(decision.verdict, Verdict::Held);
    assert_eq!(decision.headline(), "held at 14: wants 100; the rate of 4 pods per 60s allows 14 now");
    assert_eq!(decision.next_look, None, "the budget grows after the next regular look");
}

#[test]
fn looks_again_when_the_budget_grows() {
    let mut story = Story::new(with(rules(0, Select::Max, &[(Pods(4), 20)]), default_down()), 10);
    story.wants(100, 15);
    assert_eq!(story.wants(100, 15).next_look, Some(at(20)));
}
