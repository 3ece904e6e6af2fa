//! Windows over past proposals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{Behavior, ConditionKind, Decision, Policy, Select, Verdict};
use core_support::*;
use rstest::rstest;

fn with(up: u64, down: u64) -> Policy {
    let mut policy = policy(vec![per_replica()]);
    let free = |window| rules(window, Select::Max, &[(ballast::core::Amount::Pods(1000), 1), (ballast::core::Amount::Percent(100), 1)]);
    policy.behavior = Some(Behavior { up: free(up), down: free(down) });
    policy
}

fn without() -> Policy {
    policy(vec![per_replica()])
}

fn able(decision: &Decision) -> &str {
    condition(decision, ConditionKind::AbleToScale).unwrap().1
}

/// Looks every 15 s at a demand that fell to 2 at once; the size falls at this look.
fn falls_at(mut story: Story) -> usize {
    (0..100).find(|_| story.wants(2, 15).to == 2).unwrap()
}

#[rstest]
#[case::without_behavior_the_far_end_counts(without(), 21)]
#[case::with_behavior_the_far_end_does_not(with(0, 300), 20)]
#[case::short_window(with(0, 60), 4)]
#[case::no_window(with(0, 0), 0)]
fn a_fresh_controller_holds_scale_down_for_one_window(#[case] policy: Policy, #[case] look: usize) {
    // The size it finds is its first proposal.
    assert_eq!(falls_at(Story::new(policy, 20)), look);
}

#[rstest]
#[case::without_behavior(without())]
#[case::with_behavior(with(0, 300))]
fn down_is_a_single_step(#[case] policy: Policy) {
    let mut story = Story::new(policy, 20);
    story.sizes(&[20; 40]);
    let sizes = story.sizes(&[2; 25]);
    assert!(sizes.iter().all(|&size| size == 20 || size == 2), "{sizes:?}");
    assert_eq!(sizes.last(), Some(&2));
}

#[test]
fn down_goes_to_the_highest_proposal_of_the_window() {
    let mut story = Story::new(with(0, 60), 10);
    assert_eq!(story.sizes(&[10, 6, 8, 4, 4, 4, 4, 4, 4]), [10, 10, 10, 10, 8, 8, 4, 4, 4]);
}

#[test]
fn up_goes_to_the_lowest_proposal_of_the_window() {
    let mut story = Story::new(with(60, 300), 4);
    assert_eq!(story.sizes(&[4, 8, 6, 9, 9, 9, 9]), [4, 4, 4, 4, 6, 6, 9]);
}

#[test]
fn up_without_window_is_immediate() {
    let mut story = Story::new(with(0, 300), 4);
    assert_eq!(story.sizes(&[4, 40]), [4, 40]);
}

#[test]
fn both_windows_hold_a_wobble() {
    let mut story = Story::new(with(60, 60), 10);
    assert_eq!(story.sizes(&[14, 6, 14, 6, 14, 6]), [10; 6]);
}

#[test]
fn without_behavior_an_old_spike_pulls_the_size_up() {
    let mut story = Story::new(without(), 4);
    assert_eq!(story.wants(30, 15).to, 8);
    // The load is back on target for 8, and yet the spike of 30 still counts.
    assert_eq!(story.sizes(&[8, 16, 30]), [16, 30, 30]);
}

#[test]
fn with_behavior_an_old_spike_does_not_pull_the_size_up() {
    let mut policy = with(0, 300);
    policy.behavior.as_mut().unwrap().up = rules(0, Select::Max, &[(ballast::core::Amount::Pods(4), 15)]);
    let mut story = Story::new(policy, 4);
    assert_eq!(story.wants(30, 15).to, 8);
    assert_eq!(story.sizes(&[8, 8]), [8, 8]);
}

#[test]
fn without_behavior_the_spike_pulls_up_to_the_maximum() {
    let mut policy = without();
    policy.max_replicas = 12;
    let mut story = Story::new(policy, 4);
    assert_eq!(story.sizes(&[50, 8, 8]), [8, 12, 12]);
}

#[test]
fn proposals_are_stored_without_clamping() {
    let mut policy = with(0, 60);
    policy.max_replicas = 10;
    let mut story = Story::new(policy, 10);
    story.sizes(&[50, 5]);
    assert_eq!(story.policy.max_replicas, 10);
    story.policy.max_replicas = 100;
    // The stored 50 is above the size and does not lift it; it only keeps it from falling.
    assert_eq!(story.sizes(&[5, 5, 5]), [10, 10, 5]);
}

#[rstest]
#[case::without_behavior(without())]
#[case::with_behavior(with(0, 300))]
fn a_scale_up_by_hand_is_reverted_if_the_history_is_lower(#[case] policy: Policy) {
    let mut story = Story::new(policy, 5);
    story.sizes(&[5; 30]);
    story.replicas = 15;
    assert_eq!(story.wants(5, 15).to, 5);
}

#[rstest]
#[case::without_behavior(without())]
#[case::with_behavior(with(0, 300))]
fn forced_moves_store_no_proposal(#[case] policy: Policy) {
    let mut story = Story::new(policy, 2);
    story.sizes(&[2; 30]);
    story.policy.min_replicas = 10;
    assert_eq!(story.wants(2, 15).to, 10);
    story.policy.min_replicas = 1;
    // No proposal of 10 was ever made, so nothing holds it.
    assert_eq!(story.wants(2, 15).to, 2);
}

#[test]
fn a_minimum_that_binds_every_look_does_not_enter_the_history() {
    let mut policy = with(0, 300);
    policy.min_replicas = 10;
    let mut story = Story::new(policy, 10);
    story.sizes(&[2; 30]);
    story.policy.min_replicas = 1;
    assert_eq!(story.wants(2, 15).to, 2);
}

#[test]
fn the_first_size_is_recorded_once_even_when_metrics_fail() {
    let mut story = Story::new(with(0, 60), 20);
    let outage = observed(20, vec![], vec![failed("gone")]);
    for _ in 0..4 {
        assert_eq!(story.look(&outage, 15).to, 20);
    }
    // 60 s after the first look its record has left the window.
    assert_eq!(story.wants(2, 15).to, 2);
}

#[test]
fn after_a_restart_down_waits_another_window() {
    let mut story = Story::new(with(0, 60), 20);
    story.sizes(&[20, 20, 2, 2, 2]);
    story.memory = ballast::core::Memory::default();
    assert_eq!(story.sizes(&[2, 2, 2, 2, 2]), [20, 20, 20, 20, 2]);
}

#[rstest]
#[case::no_hold(with(0, 300), 10, 10, "ReadyForNewScale")]
#[case::growth_without_window(with(0, 300), 10, 15, "ReadyForNewScale")]
#[case::held_down(with(0, 300), 10, 5, "ScaleDownStabilized")]
#[case::held_up(with(300, 300), 10, 15, "ScaleUpStabilized")]
#[case::without_behavior_no_hold(without(), 10, 10, "ReadyForNewScale")]
#[case::without_behavior_held_down(without(), 10, 5, "ScaleDownStabilized")]
fn what_the_condition_says(#[case] policy: Policy, #[case] spec: u32, #[case] wanted: u32, #[case] reason: &str) {
    let decision = Story::new(policy, spec).wants(wanted, 15);
    assert_eq!(able(&decision), reason);
}

#[test]
fn window_edits_apply_at_once() {
    let mut story = Story::new(with(0, 300), 20);
    assert_eq!(story.sizes(&[20, 2, 2]), [20, 20, 20]);
    story.policy.behavior.as_mut().unwrap().down.window = secs(15);
    assert_eq!(story.wants(2, 15).to, 2);
}

#[test]
fn held_says_which_past_value_and_until_when() {
    let mut story = Story::new(with(0, 300), 5);
    story.wants(5, 158);
    let decision = story.wants(3, 15);
    assert_eq!(decision.verdict, Verdict::Held);
    assert_eq!(decision.headline(), "held at 5: wants 3; highest proposal of the last 300s was 5, 158s ago, counts for 142s more");
    assert_eq!(codes(&decision), ["Stabilized", "Demand"]);
}

#[test]
fn looks_again_when_the_window_ends() {
    let mut story = Story::new(with(0, 20), 5);
    story.wants(5, 15);
    assert_eq!(story.wants(3, 15).next_look, Some(at(20)));
    let mut story = Story::new(Policy { downscale_stabilization: secs(20), ..without() }, 5);
    story.wants(5, 15);
    assert_eq!(story.wants(3, 15).next_look, Some(at(20) + std::time::Duration::from_millis(1)), "there the far end counts");
}

#[test]
fn the_history_stays_small_whatever_the_load() {
    let mut policy = with(3600, 3600);
    policy.max_replicas = 100_000;
    let mut story = Story::new(policy, 1);
    for i in 0..7200u32 {
        story.wants(i.wrapping_mul(2_654_435_761) % 90_000, 1);
    }
    let falling: Vec<u32> = (1..3000).rev().collect();
    for wanted in falling {
        story.wants(wanted * 20, 1);
    }
    let bytes = serde_json::to_vec(&story.memory).unwrap().len();
    assert!(bytes < 64 * 1024, "{bytes} bytes");
}

#[test]
fn rules_of_the_windows_match_a_plain_list() {
    // The compressed history against the definition, over a wobbling load and every look.
    let (up, down) = (45u64, 120u64);
    let mut story = Story::new(with(up, down), 10);
    let mut list: Vec<(ballast::core::Time, u32)> = vec![(NOW, 10)];
    for i in 0..400u32 {
        let wanted = 5 + (i.wrapping_mul(2_654_435_761) >> 7) % 20;
        let (current, now) = (story.replicas, story.now);
        let within = |window: u64| list.iter().filter(move |(time, _)| *time > now - secs(window)).map(|(_, replicas)| *replicas);
        // Inside its band a signal proposes the current size.
        let ratio = f64::from(wanted) / f64::from(current);
        let proposed = if (0.9..=1.1).contains(&ratio) { current } else { wanted };
        let floor = within(up).min().map_or(proposed, |low| low.min(proposed));
        let ceiling = within(down).max().map_or(proposed, |high| high.max(proposed));
        let expected = current.max(floor).min(ceiling);
        let decision = story.wants(wanted, 15);
        assert_eq!(decision.to, expected, "look {i}, wanted {wanted}, from {current}");
        list.push((now, proposed));
    }
}

#[test]
fn clock_going_back_does_not_hold_for_ever() {
    let mut story = Story::new(with(0, 60), 20);
    story.sizes(&[20, 20]);
    story.now = ago(100_000);
    let sizes = story.sizes(&[2; 6]);
    assert_eq!(sizes.last(), Some(&2), "{sizes:?}");
}

#[test]
fn default_down_rule_is_one_window_of_300_s() {
    let mut policy = without();
    policy.behavior = Some(Behavior { up: default_up(), down: default_down() });
    assert_eq!(falls_at(Story::new(policy, 20)), 20);
}
