//! Which pods count (stock rules for pod classes).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{Phase, Reason, Signal};
use core_support::*;
use rstest::rstest;

/// Counts as (ready, missing, unready, ignored) of one pod beside two plain ones.
fn counts(signal: Signal, pod: P) -> (u32, u32, u32, u32) {
    let decision = decide_once(&policy(vec![signal]), &seen(3, vec![ready(500.0), ready(500.0), pod]));
    decision
        .reasons
        .iter()
        .find_map(|reason| match reason {
            Reason::Demand(demand) => Some((demand.pods.ready - 2, demand.pods.missing, demand.pods.unready, demand.pods.ignored)),
            _ => None,
        })
        .unwrap()
}

const READY: (u32, u32, u32, u32) = (1, 0, 0, 0);
const MISSING: (u32, u32, u32, u32) = (0, 1, 0, 0);
const UNREADY: (u32, u32, u32, u32) = (0, 0, 1, 0);
const IGNORED: (u32, u32, u32, u32) = (0, 0, 0, 1);

#[rstest]
#[case::plain_pod_is_ready(ready(500.0), READY)]
#[case::deleting_is_ignored(ready(500.0).deleting(), IGNORED)]
#[case::deleting_wins_over_pending(pending().deleting(), IGNORED)]
#[case::deleting_without_sample_is_ignored(missing().deleting(), IGNORED)]
#[case::failed_is_ignored(ready(500.0).phase(Phase::Failed), IGNORED)]
#[case::failed_without_sample_is_ignored(missing().phase(Phase::Failed), IGNORED)]
#[case::succeeded_is_ignored_unlike_stock(missing().phase(Phase::Succeeded), IGNORED)]
#[case::succeeded_with_an_old_sample_is_ignored(ready(500.0).phase(Phase::Succeeded), IGNORED)]
#[case::pending_is_unready(pending(), UNREADY)]
#[case::pending_wins_over_its_sample(ready(500.0).phase(Phase::Pending), UNREADY)]
#[case::no_sample_is_missing(missing(), MISSING)]
#[case::no_sample_wins_over_not_ready(missing().readiness(Some((false, 10))), MISSING)]
#[case::phase_unknown_counts_by_its_sample(ready(500.0).phase(Phase::Unknown), READY)]
#[case::phase_unknown_without_sample_is_missing(missing().phase(Phase::Unknown), MISSING)]
fn every_signal(#[case] pod: P, #[case] expected: (u32, u32, u32, u32)) {
    assert_eq!(counts(cpu(50), pod.clone()), expected, "cpu");
    assert_eq!(counts(memory(50), pod.clone()), expected, "memory");
    assert_eq!(counts(pods_metric(500.0), pod), expected, "pods metric");
}

#[rstest]
#[case::no_ready_condition(ready(500.0).readiness(None), UNREADY)]
#[case::no_start_time(ready(500.0).never_started(), UNREADY)]
#[case::young_and_not_ready(ready(500.0).started(100).readiness(Some((false, 90))), UNREADY)]
#[case::young_ready_with_a_full_window(ready(500.0).started(100).readiness(Some((true, 90))).sampled(0, 30), READY)]
#[case::young_window_exactly_after_ready(ready(500.0).started(100).readiness(Some((true, 30))).sampled(0, 30), READY)]
#[case::young_window_reaches_before_ready(ready(500.0).started(100).readiness(Some((true, 29))).sampled(0, 30), UNREADY)]
#[case::young_default_window_of_60_s(ready(500.0).started(100).readiness(Some((true, 50))).sampled(0, 60), UNREADY)]
#[case::young_old_sample(ready(500.0).started(100).readiness(Some((true, 60))).sampled(40, 30), UNREADY)]
#[case::last_moment_of_initialization(ready(500.0).started(299).readiness(Some((true, 10))).sampled(0, 30), UNREADY)]
#[case::initialization_over_at_exactly_300_s(ready(500.0).started(300).readiness(Some((true, 10))).sampled(0, 30), READY)]
#[case::old_that_never_was_ready(ready(500.0).started(400).readiness(Some((false, 390))), UNREADY)]
#[case::old_unready_within_the_initial_delay(ready(500.0).started(400).readiness(Some((false, 371))), UNREADY)]
#[case::old_unready_exactly_at_the_initial_delay(ready(500.0).started(400).readiness(Some((false, 370))), READY)]
#[case::old_that_became_unready_later_counts(ready(500.0).started(400).readiness(Some((false, 5))), READY)]
#[case::old_ready_with_window_before_ready(ready(500.0).started(400).readiness(Some((true, 1))), READY)]
fn cpu_start_up_rules(#[case] pod: P, #[case] expected: (u32, u32, u32, u32)) {
    assert_eq!(counts(cpu(50), pod.clone()), expected, "resource");
    assert_eq!(counts(cpu_average(500.0), pod.clone()), expected, "average");
    assert_eq!(counts(container_cpu(50), pod.clone()), expected, "container");
    // Memory and custom metrics know no start-up: a running pod counts fully.
    assert_eq!(counts(memory(50), pod.clone()), READY, "memory");
    assert_eq!(counts(pods_metric(500.0), pod), READY, "pods metric");
}

#[rstest]
#[case::initialization_of_10_s(10, 30, ready(500.0).started(11).readiness(Some((true, 1))), READY)]
#[case::initialization_of_600_s(600, 30, ready(500.0).started(400).readiness(Some((false, 5))), UNREADY)]
#[case::initial_delay_of_200_s(300, 200, ready(500.0).started(400).readiness(Some((false, 201))), UNREADY)]
#[case::initial_delay_of_0_s(300, 0, ready(500.0).started(400).readiness(Some((false, 390))), READY)]
fn start_up_times_are_the_policys(#[case] initialization: u64, #[case] delay: u64, #[case] pod: P, #[case] expected: (u32, u32, u32, u32)) {
    let mut policy = policy(vec![cpu(50)]);
    policy.warm_up.cpu_initialization = secs(initialization);
    policy.warm_up.initial_readiness_delay = secs(delay);
    let decision = decide_once(&policy, &seen(3, vec![ready(500.0), ready(500.0), pod]));
    let Reason::Demand(demand) = &decision.reasons[0] else { panic!("{decision:?}") };
    assert_eq!((demand.pods.ready - 2, demand.pods.missing, demand.pods.unready, demand.pods.ignored), expected);
}

#[rstest]
#[case::nan(f64::NAN)]
#[case::infinite(f64::INFINITY)]
#[case::negative(-1.0)]
fn an_impossible_sample_is_missing_not_zero(#[case] value: f64) {
    assert_eq!(counts(cpu(50), ready(value)), MISSING);
    assert_eq!(counts(pods_metric(500.0), ready(value)), MISSING);
}

#[test]
fn ignored_pods_samples_are_dropped() {
    let quiet = seen(2, vec![ready(500.0), ready(500.0), ready(9000.0).deleting()]);
    assert_eq!(proposal(cpu(50), &quiet), Some(2));
}

#[test]
fn unready_pods_samples_are_dropped() {
    let burst = seen(3, vec![ready(500.0), ready(500.0), starting(9000.0)]);
    assert_eq!(proposal(cpu(50), &burst), Some(3));
}

#[test]
fn memory_of_starting_pods_counts_fully() {
    let burst = seen(3, vec![ready(500.0), ready(500.0), starting(2000.0)]);
    assert_eq!(proposal(memory(50), &burst), Some(6));
}

#[test]
fn succeeded_pods_do_not_block_scale_in() {
    // As "missing" it would be filled with its whole request and keep 4.
    let done = seen(4, vec![ready(100.0), ready(100.0), ready(100.0), ready(100.0), missing().phase(Phase::Succeeded)]);
    assert_eq!(proposal(cpu(50), &done), Some(1));
}
