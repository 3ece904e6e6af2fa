//! The band in which nothing is done.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{Target, Tolerance, Verdict};
use core_support::*;
use rstest::rstest;

fn size(tolerance: Tolerance, percent_of_target: f64) -> u32 {
    let mut policy = policy(vec![pods_metric(1000.0)]);
    policy.tolerance = tolerance;
    decide_once(&policy, &seen(10, many(10, &ready(percent_of_target * 10.0)))).signals[0].proposal.unwrap()
}

const DEFAULT: Tolerance = Tolerance { up: 0.1, down: 0.1 };

#[rstest]
#[case::exactly_1_0_holds(DEFAULT, 100.0, 10)]
#[case::exactly_1_1_holds(DEFAULT, 110.0, 10)]
#[case::just_above_1_1_acts(DEFAULT, 110.1, 12)]
#[case::exactly_0_9_holds(DEFAULT, 90.0, 10)]
#[case::just_below_0_9_acts(DEFAULT, 89.9, 9)]
#[case::zero_up_acts_on_a_thousandth(Tolerance { up: 0.0, down: 0.1 }, 100.1, 11)]
#[case::zero_up_still_holds_below(Tolerance { up: 0.0, down: 0.1 }, 91.0, 10)]
#[case::zero_down_acts_below(Tolerance { up: 0.1, down: 0.0 }, 90.0, 9)]
#[case::zero_down_still_holds_above(Tolerance { up: 0.1, down: 0.0 }, 109.0, 10)]
#[case::zero_both_holds_on_target(Tolerance { up: 0.0, down: 0.0 }, 100.0, 10)]
#[case::half_up_holds_at_1_5(Tolerance { up: 0.5, down: 0.1 }, 150.0, 10)]
#[case::half_up_acts_above_1_5(Tolerance { up: 0.5, down: 0.1 }, 150.1, 16)]
#[case::down_of_1_never_shrinks(Tolerance { up: 0.1, down: 1.0 }, 0.0, 10)]
#[case::five_percent_both(Tolerance { up: 0.05, down: 0.05 }, 94.9, 10)]
#[case::five_percent_both_well_below(Tolerance { up: 0.05, down: 0.05 }, 85.0, 9)]
fn each_direction_has_its_own_inclusive_edge(#[case] tolerance: Tolerance, #[case] percent: f64, #[case] expected: u32) {
    assert_eq!(size(tolerance, percent), expected);
}

/// The same band for every kind of signal: 1.1 times the target holds at 10 replicas, 1.2 times acts.
#[rstest]
#[case::resource_utilization(cpu(50), 550.0, 600.0)]
#[case::container_utilization(container_cpu(50), 550.0, 600.0)]
#[case::resource_average(cpu_average(500.0), 550.0, 600.0)]
#[case::pods(pods_metric(500.0), 550.0, 600.0)]
#[case::prometheus_per_pod(prometheus(Target::AverageValue(500.0)), 550.0, 600.0)]
fn applies_to_every_per_pod_signal(#[case] signal: ballast::core::Signal, #[case] inside: f64, #[case] outside: f64) {
    assert_eq!(proposal(signal.clone(), &seen(10, many(10, &ready(inside)))), Some(10));
    assert_eq!(proposal(signal, &seen(10, many(10, &ready(outside)))), Some(12));
}

#[rstest]
#[case::object_value(object(Target::Value(1000.0)), 1100.0, 1200.0)]
#[case::external_value(external(Target::Value(1000.0)), 1100.0, 1200.0)]
#[case::object_average(object(Target::AverageValue(100.0)), 1100.0, 1200.0)]
#[case::external_average(external(Target::AverageValue(100.0)), 1100.0, 1200.0)]
#[case::prometheus_value(prometheus(Target::Value(1000.0)), 1100.0, 1200.0)]
#[case::prometheus_average(prometheus(Target::AverageValue(100.0)), 1100.0, 1200.0)]
fn applies_to_every_whole_signal(#[case] signal: ballast::core::Signal, #[case] inside: f64, #[case] outside: f64) {
    assert_eq!(proposal(signal.clone(), &seen_total(10, 10, inside)), Some(10));
    assert_eq!(proposal(signal, &seen_total(10, 10, outside)), Some(12));
}

#[test]
fn three_pods_feel_it_less_than_three_hundred() {
    assert_eq!(proposal(cpu(50), &seen(3, many(3, &ready(550.0)))), Some(3));
    assert_eq!(proposal(cpu(50), &seen(300, many(300, &ready(550.0)))), Some(300));
    assert_eq!(proposal(cpu(50), &seen(300, many(300, &ready(560.0)))), Some(337));
}

#[test]
fn does_not_apply_to_forced_moves() {
    let mut policy = policy(vec![cpu(50)]);
    policy.tolerance = Tolerance { up: 10.0, down: 1.0 };
    policy.max_replicas = 5;
    assert_eq!(decide_once(&policy, &seen(9, many(9, &ready(500.0)))).to, 5);
}

#[test]
fn inside_the_band_the_verdict_is_steady_and_says_the_numbers() {
    let decision = decide_once(&policy(vec![cpu(60)]), &seen(3, many(3, &ready(620.0))));
    assert_eq!(decision.verdict, Verdict::Steady);
    assert_eq!(decision.headline(), "stays at 3: cpu 62% of request, target 60%: within tolerance, keeps 3");
}
