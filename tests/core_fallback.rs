//! Metric outages: hold, then the fallback, and back again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{
    ConditionKind, Decision, Fallback, FallbackReplicas, Memory, Mode, Observation, Pause, PauseDirection, Policy, ScaleToZero, Verdict,
};
use core_support::*;
use rstest::rstest;

fn with(replicas: FallbackReplicas) -> Policy {
    Policy { fallback: Fallback { hold: secs(60), replicas }, min_replicas: 2, max_replicas: 20, ..policy(vec![per_replica()]) }
}

fn outage(replicas: u32) -> Observation {
    observed(replicas, many(replicas as usize, &ready(0.0)), vec![failed("connection refused")])
}

/// Looks every 15 s at an outage; the decisions.
fn dark(story: &mut Story, looks: usize) -> Vec<Decision> {
    (0..looks).map(|_| story.look(&outage(story.replicas), 15)).collect()
}

fn sizes(decisions: &[Decision]) -> Vec<u32> {
    decisions.iter().map(|decision| decision.to).collect()
}

/// A workload of 6 replicas whose metric was just there.
fn story(policy: Policy) -> Story {
    let mut story = Story::new(policy, 6);
    story.wants(6, 15);
    story
}

#[rstest]
#[case::current(FallbackReplicas::Current, [6, 6, 6, 6, 6, 6])]
#[case::a_floor_raises(FallbackReplicas::Floor(9), [6, 6, 6, 6, 9, 9])]
#[case::a_floor_never_reduces(FallbackReplicas::Floor(3), [6, 6, 6, 6, 6, 6])]
#[case::a_count_raises(FallbackReplicas::Count(9), [6, 6, 6, 6, 9, 9])]
#[case::only_a_count_reduces(FallbackReplicas::Count(3), [6, 6, 6, 6, 3, 3])]
#[case::bounds_hold(FallbackReplicas::Count(99), [6, 6, 6, 6, 20, 20])]
#[case::bounds_hold_below(FallbackReplicas::Count(0), [6, 6, 6, 6, 2, 2])]
fn the_size_is_held_and_then_falls_back(#[case] replicas: FallbackReplicas, #[case] expected: [u32; 6]) {
    assert_eq!(sizes(&dark(&mut story(with(replicas)), 6)), expected);
}

#[test]
fn the_hold_says_what_comes_and_when() {
    let decisions = dark(&mut story(with(FallbackReplicas::Floor(9))), 5);
    assert_eq!(
        decisions[1].headline(),
        "size unknown, kept at 6: queue_length unknown: connection refused; held for 45s more, then at least 9 replicas"
    );
    assert_eq!((decisions[1].verdict, decisions[1].next_look), (Verdict::Unknown, None));
    let last = &decisions[4];
    assert_eq!(last.verdict, Verdict::ScaleUp);
    assert_eq!(last.headline(), "New size: 9 (was 6): signals missing for 60s: fallback to at least 9 replicas");
    assert_eq!(codes(last), ["Fallback", "SignalFailed", "SignalsIncomplete"]);
    assert_eq!(condition(last, ConditionKind::ScalingActive), Some((false, "FailedGetExternalMetric")));
    let warning = last.warnings.iter().find(|warning| warning.reason == "FallbackActive").unwrap();
    assert_eq!(warning.message, "signals have been missing for more than 60 s: fallback to at least 9 replicas");
}

#[test]
fn the_next_look_is_at_the_end_of_the_hold() {
    let mut story = story(Policy { interval: secs(100), ..with(FallbackReplicas::Floor(9)) });
    let decision = story.look(&outage(6), 60);
    assert_eq!(decision.next_look, Some(at(15 + 60)));
    assert_eq!(story.look(&outage(6), 15).to, 9);
}

#[test]
fn at_the_fallback_the_size_stays_unknown_and_the_warning_stands() {
    let decisions = dark(&mut story(with(FallbackReplicas::Floor(9))), 8);
    for decision in &decisions[5..] {
        assert_eq!((decision.to, decision.verdict), (9, Verdict::Unknown));
        assert!(decision.warnings.iter().any(|warning| warning.reason == "FallbackActive"));
        assert!(decision.headline().starts_with("size unknown, kept at 9: signals missing for "), "{}", decision.headline());
    }
}

#[test]
fn a_metric_that_comes_back_starts_the_hold_anew() {
    let mut story = story(with(FallbackReplicas::Floor(9)));
    assert_eq!(sizes(&dark(&mut story, 4)), [6; 4]);
    story.wants(6, 15);
    assert_eq!(sizes(&dark(&mut story, 5)), [6, 6, 6, 6, 9]);
}

#[test]
fn after_the_outage_demand_decides_again() {
    let mut story = story(with(FallbackReplicas::Count(3)));
    dark(&mut story, 6);
    assert_eq!(story.replicas, 3);
    assert_eq!(story.wants(6, 15).to, 6);
}

#[test]
fn a_restart_within_the_hold_does_not_lengthen_it() {
    let mut story = story(with(FallbackReplicas::Floor(9)));
    dark(&mut story, 3);
    let text = serde_json::to_string(&story.memory).unwrap();
    story.memory = serde_json::from_str::<Memory>(&text).unwrap();
    assert_eq!(sizes(&dark(&mut story, 2)), [6, 9]);
}

/// Two signals; the first is gone, the second asks for so many.
fn half(size: u32, wanted: u32) -> Observation {
    observed(size, many(size as usize, &ready(0.0)), vec![failed("gone"), total(f64::from(wanted) * 1000.0)])
}

#[rstest]
#[case::the_rest_asks_for_less_than_the_count(FallbackReplicas::Count(4), 3, 4)]
#[case::the_rest_asks_for_more_than_the_count(FallbackReplicas::Count(3), 5, 5)]
#[case::the_rest_asks_for_the_size(FallbackReplicas::Floor(9), 6, 9)]
#[case::the_rest_asks_for_more_than_the_size(FallbackReplicas::Floor(9), 8, 9)]
#[case::the_rest_asks_for_more_than_the_floor(FallbackReplicas::Floor(9), 12, 12)]
#[case::never_down_with_a_floor(FallbackReplicas::Floor(3), 2, 6)]
fn known_signals_are_heard_beside_the_fallback(#[case] replicas: FallbackReplicas, #[case] wanted: u32, #[case] to: u32) {
    let mut policy = with(replicas);
    policy.signals = vec![prometheus(ballast::core::Target::AverageValue(1000.0)), per_replica()];
    let mut story = Story::new(policy, 6);
    let first = story.look(&half(6, wanted.min(6)), 60);
    assert_eq!(first.to, 6, "held at first");
    assert_eq!(story.look(&half(6, wanted), 15).to, to);
}

#[test]
fn a_target_asleep_is_woken_by_the_fallback_and_one_switched_off_is_not() {
    let policy = Policy { min_replicas: 0, zero: ScaleToZero::On, ..with(FallbackReplicas::Floor(3)) };
    for (marked, expected) in [(true, [0, 0, 0, 0, 3]), (false, [0; 5])] {
        let mut story = Story::new(policy.clone(), 0);
        let sizes: Vec<u32> = (0..5)
            .map(|_| story.look(&Observation { scaled_to_zero: marked, ..observed(0, vec![], vec![failed("gone")]) }, 15).to)
            .collect();
        assert_eq!(sizes, expected);
    }
}

#[test]
fn a_pause_holds_the_fallback_too() {
    let pause = Pause { direction: PauseDirection::Down, until: None, reason: "".into(), by: "ana".into() };
    let mut story = story(Policy { pause: Some(pause), ..with(FallbackReplicas::Count(3)) });
    let last = dark(&mut story, 5).pop().unwrap();
    assert_eq!((last.to, last.verdict, codes(&last)[0]), (6, Verdict::Held, "Paused"));
}

#[test]
fn a_recommendation_is_not_written() {
    let mut story = story(Policy { mode: Mode::Recommend, ..with(FallbackReplicas::Floor(9)) });
    assert!(dark(&mut story, 5).pop().unwrap().recommends());
    assert_eq!(story.replicas, 6);
}

#[test]
fn no_hold_means_at_once() {
    let policy = Policy { fallback: Fallback { hold: secs(0), replicas: FallbackReplicas::Floor(9) }, ..with(FallbackReplicas::Current) };
    assert_eq!(dark(&mut story(policy), 1)[0].to, 9);
}
