//! Samples from long ago may hold a size or let it grow; nothing shrinks on them.

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
