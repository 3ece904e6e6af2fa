//! Samples from long ago, and rates with a gap, may hold a size or let it grow; nothing shrinks on them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::*;
use core_support::*;
use rstest::rstest;

/// No windows, so that what holds is the age alone; an interval of 15 s.
fn free(signals: Vec<Signal>) -> Policy {
    let rules = |select| rules(0, select, &[(Amount::Percent(1000), 15), (Amount::Pods(1000), 15)]);
    Policy { behavior: Some(Behavior { up: rules(Select::Max), down: rules(Select::Max) }), ..policy(signals) }
}

fn total_from(milli: f64, seconds_ago: u64, window: u64) -> Reading {
    Reading::Total(Sample { value: milli, time: ago(seconds_ago), window: secs(window) })
}

#[rstest]
#[case::fresh(2.0, 0, 0, 2)]
#[case::a_minute_and_its_window(2.0, 90, 30, 2)]
#[case::older(2.0, 91, 30, 10)]
#[case::without_window(2.0, 61, 0, 10)]
#[case::hours(2.0, 7200, 30, 10)]
#[case::growth(20.0, 7200, 30, 20)]
#[case::within_tolerance(10.5, 7200, 30, 10)]
fn a_whole_value(#[case] wants: f64, #[case] age: u64, #[case] window: u64, #[case] size: u32) {
    let mut observation = seen_total(10, 10, 0.0);
    observation.readings = vec![total_from(wants * 1000.0, age, window)];
    let decision = decide_once(&free(vec![per_replica()]), &observation);
    assert_eq!(decision.to, size, "{}", decision.headline());
    assert_eq!(decision.signals[0].age_millis, Some(age * 1000));
}

#[test]
fn long_intervals_have_longer_limits() {
    let patient = Policy { interval: secs(60), ..free(vec![per_replica()]) };
    let mut observation = seen_total(10, 10, 0.0);
    for (age, size) in [(210, 2), (211, 10)] {
        observation.readings = vec![total_from(2000.0, age, 30)];
        assert_eq!(decide_once(&patient, &observation).to, size);
    }
}

#[test]
fn of_pods_the_newest_sample_counts() {
    let aged = |seconds| ready(100.0).sampled(seconds, 30);
    let old = decide_once(&free(vec![cpu(50)]), &seen(4, many(4, &aged(300))));
    assert_eq!(old.to, 4);
    assert!(codes(&old).contains(&"Stale"), "{:?}", old.reasons);
    assert!(old.headline().contains("too old to shrink on"), "{}", old.headline());
    let mut pods = many(3, &aged(300));
    pods.push(aged(20));
    assert_eq!(decide_once(&free(vec![cpu(50)]), &seen(4, pods)).to, 1);
}

/// As an unknown signal would: the others may grow, and do not shrink.
#[test]
fn beside_others_a_stale_one_holds() {
    let two = free(vec![per_replica(), prometheus(Target::AverageValue(1000.0))]);
    let mut observation = seen_total(10, 10, 0.0);
    for (other, size) in [(2000.0, 10), (15_000.0, 15)] {
        observation.readings = vec![total_from(2000.0, 300, 30), total(other)];
        assert_eq!(decide_once(&two, &observation).to, size);
    }
}

/// A clock that went back makes samples of the future; they are of now.
#[test]
fn a_sample_of_the_future_is_fresh() {
    let mut observation = seen_total(10, 10, 0.0);
    observation.readings = vec![Reading::Total(Sample { value: 2000.0, time: NOW + secs(600), window: secs(30) })];
    assert_eq!(decide_once(&free(vec![per_replica()]), &observation).to, 2);
}

/// One look at a Prometheus value that looks back over a minute.
fn rate(story: &mut Story, wants: Option<f64>) -> Decision {
    let mut observation = seen_total(story.replicas, story.replicas as usize, 0.0);
    let sample = wants.map(|wants| Sample { value: wants * 1000.0, time: story.now, window: secs(60) });
    observation.readings = vec![sample.map_or_else(|| failed("no answer"), Reading::Total)];
    story.look(&observation, 15)
}

#[test]
fn after_an_outage_nothing_shrinks_until_the_window_is_full() {
    let mut story = Story::new(free(vec![prometheus(Target::AverageValue(1000.0))]), 10);
    assert_eq!(rate(&mut story, Some(10.0)).to, 10);
    assert_eq!(rate(&mut story, None).verdict, Verdict::Unknown);
    // Back: the rate over a minute has a gap and reads as next to nothing.
    for _ in 0..4 {
        let decision = rate(&mut story, Some(1.0));
        assert_eq!(decision.to, 10, "{}", decision.headline());
        assert!(codes(&decision).contains(&"Returned"), "{}", decision.headline());
    }
    assert_eq!(rate(&mut story, Some(1.0)).to, 1);
}

#[test]
fn growth_is_not_held_by_a_gap_and_a_second_outage_starts_it_again() {
    let mut story = Story::new(free(vec![prometheus(Target::AverageValue(1000.0))]), 10);
    rate(&mut story, None);
    assert_eq!(rate(&mut story, Some(12.0)).to, 12);
    rate(&mut story, None);
    for _ in 0..4 {
        assert_eq!(rate(&mut story, Some(2.0)).to, 12);
    }
    assert_eq!(rate(&mut story, Some(2.0)).to, 2);
}

#[test]
fn a_value_that_looks_back_over_nothing_is_right_at_once() {
    let mut story = Story::new(free(vec![prometheus(Target::AverageValue(1000.0))]), 10);
    rate(&mut story, None);
    let mut observation = seen_total(10, 10, 0.0);
    observation.readings = vec![Reading::Total(Sample { value: 1000.0, time: story.now, window: secs(0) })];
    assert_eq!(story.look(&observation, 15).to, 1);
}

#[test]
fn the_gap_survives_a_restart_and_ends_with_its_signal() {
    let mut story = Story::new(free(vec![prometheus(Target::AverageValue(1000.0))]), 10);
    rate(&mut story, None);
    rate(&mut story, Some(1.0));
    story.memory = serde_json::from_str(&serde_json::to_string(&story.memory).unwrap()).unwrap();
    assert_eq!(rate(&mut story, Some(1.0)).to, 10);
    story.policy.signals = vec![cpu(50)];
    story.look(&seen(10, many(10, &ready(500.0))), 15);
    assert!(serde_json::to_string(&story.memory).unwrap().contains("\"gaps\":[]"));
}
