//! From readings to a proposal (stock formulas, and those of Prometheus and capacity targets).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::demand::staffing;
use ballast::core::{Phase, Reading, Request, SignalKind, Target};
use core_support::*;
use rstest::rstest;

/// CPU utilization, target 50 % of a request of 1000, current size = number of pods unless stated.
#[rstest]
#[case::on_target(vec![ready(500.0), ready(500.0)], 2)]
#[case::double_usage_doubles(vec![ready(1000.0), ready(1000.0)], 4)]
#[case::rounds_up(vec![ready(700.0), ready(700.0)], 3)]
#[case::shrinks_to_what_is_needed(vec![ready(100.0), ready(100.0), ready(100.0), ready(100.0)], 1)]
#[case::idle_proposes_0(vec![ready(0.0), ready(0.0)], 0)]
#[case::percent_is_of_the_sums_not_the_mean_of_percents(vec![ready(900.0).requests(900.0), ready(100.0).requests(1900.0)], 2)]
#[case::percent_55_9_reads_as_55_and_holds(vec![ready(559.0), ready(559.0)], 2)]
#[case::percent_56_acts(vec![ready(560.0), ready(560.0)], 3)]
#[case::percent_44_9_reads_as_44_and_acts(many(10, &ready(449.0)), 9)]
#[case::percent_45_holds(many(10, &ready(450.0)), 10)]
#[case::direct_path_multiplies_by_ready_pods(vec![ready(1000.0), ready(1000.0), ready(1000.0).deleting()], 4)]
#[case::missing_up_is_filled_with_0(vec![ready(1000.0), ready(1000.0), missing()], 4)]
#[case::missing_up_inside_tolerance_after_filling_holds(vec![ready(800.0), ready(800.0), missing()], 3)]
#[case::missing_up_turned_around_by_filling_holds(vec![ready(600.0), missing(), missing()], 3)]
#[case::missing_down_is_filled_with_its_whole_request([many(9, &ready(100.0)), vec![missing()]].concat(), 4)]
#[case::missing_down_inside_tolerance_after_filling_holds(vec![ready(100.0), missing().requests(1000.0)], 2)]
#[case::missing_down_turned_around_by_filling_holds(vec![ready(300.0), missing(), missing()], 3)]
#[case::missing_at_exactly_the_target_is_not_filled(vec![ready(500.0), ready(500.0), missing()], 3)]
#[case::missing_in_band_above_1_is_filled_and_holds(vec![ready(540.0), ready(540.0), missing()], 3)]
#[case::missing_in_band_below_1_is_filled_and_holds(vec![ready(460.0), ready(460.0), missing()], 3)]
#[case::unready_up_is_filled_with_0(vec![ready(1000.0), ready(1000.0), starting(0.0)], 4)]
#[case::unready_up_inside_tolerance_after_filling_holds(vec![ready(800.0), ready(800.0), starting(0.0)], 3)]
#[case::unready_up_turned_around_by_filling_holds(vec![ready(600.0), starting(0.0), starting(0.0)], 3)]
#[case::unready_down_is_left_out(vec![ready(100.0), ready(100.0), starting(0.0)], 1)]
#[case::unready_on_target_holds(vec![ready(500.0), ready(500.0), starting(0.0)], 3)]
#[case::unready_pending_counts_as_unready(vec![ready(1000.0), ready(1000.0), pending()], 4)]
#[case::missing_and_unready_up_are_both_filled_with_0(vec![ready(1500.0), missing(), starting(0.0)], 3)]
#[case::missing_and_unready_down_fill_only_the_missing(vec![ready(100.0), missing(), starting(0.0)], 3)]
#[case::missing_and_unready_up_far_outside(vec![ready(3000.0), missing(), starting(0.0)], 6)]
fn cpu_utilization(#[case] pods: Vec<P>, #[case] expected: u32) {
    let spec = u32::try_from(pods.iter().filter(|p| !p.pod.deleting).count()).unwrap();
    assert_eq!(proposal(cpu(50), &seen(spec, pods.clone())), Some(expected));
    assert_eq!(proposal(container_cpu(50), &seen(spec, pods)), Some(expected), "by container");
}

#[rstest]
#[case::target_above_100_fills_missing_with_the_target(200, [many(9, &ready(100.0)), vec![missing()]].concat(), 10, 2)]
#[case::target_100_fills_missing_with_the_request(100, [many(9, &ready(100.0)), vec![missing()]].concat(), 10, 2)]
#[case::target_1_percent(1, vec![ready(100.0)], 1, 10)]
#[case::usage_above_the_request(50, vec![ready(2500.0)], 1, 5)]
#[case::fewer_pods_than_asked_for_multiplies_by_those_found(50, vec![ready(1000.0), ready(1000.0)], 10, 4)]
#[case::fewer_pods_and_one_missing_must_not_turn_growth_around(50, vec![ready(1000.0), ready(1000.0), missing()], 10, 10)]
#[case::fewer_pods_inside_tolerance_keeps_the_asked_size(50, vec![ready(520.0), ready(520.0)], 10, 10)]
fn utilization_targets_and_sizes(#[case] target: u32, #[case] pods: Vec<P>, #[case] spec: u32, #[case] expected: u32) {
    assert_eq!(proposal(cpu(target), &seen(spec, pods)), Some(expected));
}

/// Mean per pod against 1000, for CPU and for a Pods metric.
#[rstest]
#[case::on_target(vec![ready(1000.0), ready(1000.0)], 2)]
#[case::mean_is_truncated_before_the_ratio(vec![ready(1100.0), ready(1101.0)], 2)]
#[case::one_more_thousandth_acts(vec![ready(1101.0), ready(1101.0)], 3)]
#[case::mean_below_is_truncated_too(vec![ready(899.0), ready(900.0)], 2)]
#[case::ten_pods_shrink(many(10, &ready(899.0)), 9)]
#[case::missing_up_is_filled_with_0(vec![ready(2000.0), ready(2000.0), missing()], 4)]
#[case::missing_down_is_filled_with_the_target([many(9, &ready(100.0)), vec![missing()]].concat(), 2)]
#[case::missing_down_turned_around_is_impossible_but_tolerance_holds(vec![ready(800.0), missing()], 2)]
#[case::missing_at_exactly_the_target_is_not_filled(vec![ready(1000.0), missing()], 2)]
#[case::pending_up_is_filled_with_0(vec![ready(2000.0), ready(2000.0), pending()], 4)]
#[case::pending_up_turned_around_holds(vec![ready(1200.0), pending()], 2)]
#[case::pending_down_is_left_out(vec![ready(100.0), ready(100.0), pending()], 1)]
fn average_value(#[case] pods: Vec<P>, #[case] expected: u32) {
    let spec = u32::try_from(pods.len()).unwrap();
    assert_eq!(proposal(cpu_average(1000.0), &seen(spec, pods.clone())), Some(expected));
    assert_eq!(proposal(pods_metric(1000.0), &seen(spec, pods.clone())), Some(expected), "pods metric");
    assert_eq!(proposal(prometheus(Target::AverageValue(1000.0)), &seen(spec, many(spec as usize, &ready(1000.0)))), Some(spec));
}

#[rstest]
#[case::no_pods(vec![], "no pods")]
#[case::all_missing(vec![missing(), missing()], "no pod has a usable sample (2 without, 0 starting, 0 ending)")]
#[case::all_starting(vec![starting(500.0), starting(500.0)], "2 starting")]
#[case::all_ending(vec![ready(500.0).deleting(), ready(500.0).phase(Phase::Failed)], "2 ending")]
#[case::one_container_without_request(vec![ready(500.0), ready(500.0).request(Request::Unset { container: "sidecar".into() })], "container sidecar of pod web-1")]
#[case::request_missing_on_a_pod_without_sample(vec![ready(500.0), missing().request(Request::Unset { container: "a".into() })], "container a of pod web-1")]
#[case::request_missing_on_an_ending_pod(vec![ready(500.0), missing().deleting().request(Request::Unset { container: "a".into() })], "container a of pod web-1")]
#[case::named_container_absent(vec![ready(500.0), ready(500.0).request(Request::NoContainer { container: "app".into() })], "no container app in pod web-1")]
#[case::requests_sum_to_0(vec![ready(500.0).requests(0.0)], "request nothing")]
fn a_utilization_that_cannot_be_formed_is_a_failure_not_zero(#[case] pods: Vec<P>, #[case] says: &str) {
    let decision = decide_once(&policy(vec![cpu(50)]), &seen(2, pods));
    let failure = decision.signals[0].failure.as_deref().unwrap();
    assert!(failure.contains(says), "{failure}");
    assert_eq!((decision.to, decision.signals[0].proposal), (2, None));
}

#[test]
fn a_mean_needs_no_requests() {
    let pods = vec![ready(2000.0).request(Request::Unset { container: "a".into() })];
    assert_eq!(proposal(cpu_average(1000.0), &seen(1, pods)), Some(2));
}

#[test]
fn memory_in_thousandths_of_bytes_is_exact() {
    // 64 pods of 1 TiB: the sum in thousandths of a byte no longer fits the 53 bits of a float's mantissa.
    let tebibyte = (1u64 << 40) as f64 * 1000.0;
    let pods = many(64, &ready(tebibyte).requests(tebibyte));
    let decision = decide_once(&policy(vec![memory(100)]), &seen(64, pods));
    assert_eq!(decision.signals[0].current.unwrap().utilization, Some(100));
    assert_eq!(decision.signals[0].current.unwrap().average, Some(tebibyte));
}

/// Object and External `Value` against 1000.
#[rstest]
#[case::on_target(1000.0, many(3, &ready(0.0)), 3, 3)]
#[case::upper_edge_holds(1100.0, many(3, &ready(0.0)), 3, 3)]
#[case::above_multiplies_ready_pods(1500.0, many(3, &ready(0.0)), 3, 5)]
#[case::below_multiplies_ready_pods(300.0, many(3, &ready(0.0)), 3, 1)]
#[case::starting_pods_do_not_count(1500.0, vec![ready(0.0), starting(0.0), starting(0.0)], 3, 2)]
#[case::no_cpu_start_up_rules_for_young_ready_pods(1500.0, many(3, &ready(0.0).started(5).readiness(Some((true, 1)))), 3, 5)]
#[case::pending_pods_do_not_count(1500.0, vec![ready(0.0), pending()], 2, 2)]
#[case::deleting_pods_still_count(1500.0, vec![ready(0.0), ready(0.0).deleting()], 2, 3)]
#[case::no_ready_pods_propose_0_whatever_the_value(9e9, many(3, &starting(0.0)), 3, 0)]
#[case::inside_the_band_readiness_does_not_matter(1000.0, many(3, &starting(0.0)), 3, 3)]
#[case::value_0_proposes_0(0.0, many(3, &ready(0.0)), 3, 0)]
#[case::capped_at_int32(1e18, many(3, &ready(0.0)), 3, 2_147_483_647)]
fn whole_value(#[case] value: f64, #[case] pods: Vec<P>, #[case] spec: u32, #[case] expected: u32) {
    let observation = observed(spec, pods, vec![total(value)]);
    assert_eq!(proposal(object(Target::Value(1000.0)), &observation), Some(expected), "object");
    assert_eq!(proposal(external(Target::Value(1000.0)), &observation), Some(expected), "external");
    assert_eq!(proposal(prometheus(Target::Value(1000.0)), &observation), Some(expected), "prometheus");
}

#[test]
fn a_whole_value_outside_its_band_needs_pods() {
    assert_eq!(proposal(external(Target::Value(1000.0)), &observed(3, vec![], vec![total(5000.0)])), None);
    assert_eq!(proposal(external(Target::Value(1000.0)), &observed(3, vec![], vec![total(1000.0)])), Some(3));
}

/// Object and External `AverageValue` of 1000 per replica.
#[rstest]
#[case::on_target(4000.0, 4, 4)]
#[case::upper_edge_holds(4400.0, 4, 4)]
#[case::above(4401.0, 4, 5)]
#[case::lower_edge_holds(3600.0, 4, 4)]
#[case::below_rounds_up(3599.0, 4, 4)]
#[case::well_below(2500.0, 4, 3)]
#[case::empty_queue_proposes_0(0.0, 4, 0)]
#[case::capped_at_int32(1e18, 4, 2_147_483_647)]
fn value_per_replica(#[case] value: f64, #[case] spec: u32, #[case] expected: u32) {
    // Readiness is ignored.
    let observation = observed(spec, many(spec as usize, &starting(0.0)), vec![total(value)]);
    assert_eq!(proposal(object(Target::AverageValue(1000.0)), &observation), Some(expected), "object");
    assert_eq!(proposal(external(Target::AverageValue(1000.0)), &observation), Some(expected), "external");
    assert_eq!(proposal(prometheus(Target::AverageValue(1000.0)), &observation), Some(expected), "prometheus");
}

#[rstest]
#[case::in_band_by_spec_is_spec_not_status(4000.0, 4, 8, 4)]
#[case::in_band_by_status_only_is_no_reason_to_stay(5000.0, 4, 5, 5)]
#[case::fewer_existing_than_asked(4000.0, 4, 1, 4)]
fn value_per_replica_is_based_on_spec_not_on_status(#[case] value: f64, #[case] spec: u32, #[case] status: u32, #[case] expected: u32) {
    let mut observation = seen_total(spec, 0, value);
    observation.status_replicas = status;
    assert_eq!(proposal(external(Target::AverageValue(1000.0)), &observation), Some(expected));
}

#[rstest]
#[case::per_pod_mean(Reading::PerPod { samples: vec![Some(sample(0.9)), Some(sample(0.9))], requests: vec![], limits: vec![] }, Target::AverageValue(0.5), 4)]
#[case::per_pod_value_means_the_same(Reading::PerPod { samples: vec![Some(sample(0.9)), Some(sample(0.9))], requests: vec![], limits: vec![] }, Target::Value(0.5), 4)]
#[case::total_per_replica(total(0.5), Target::AverageValue(0.1), 5)]
#[case::total_value(total(0.8), Target::Value(0.5), 4)]
fn prometheus_values_are_not_truncated(#[case] reading: Reading, #[case] target: Target, #[case] expected: u32) {
    assert_eq!(proposal(prometheus(target), &observed(2, many(2, &ready(0.0)), vec![reading])), Some(expected));
}

#[test]
fn kubernetes_values_are_truncated() {
    let reading = Reading::PerPod { samples: vec![Some(sample(3.0)), Some(sample(2.0))], requests: vec![], limits: vec![] };
    // The mean is 2.5; truncated to 2 it is on target.
    assert_eq!(proposal(pods_metric(2.0), &observed(2, many(2, &ready(0.0)), vec![reading.clone()])), Some(2));
    assert_eq!(proposal(prometheus(Target::AverageValue(2.0)), &observed(2, many(2, &ready(0.0)), vec![reading])), Some(3));
}

/// n(y, sigma) = max(y + sqrt(y) / 2 + 3 sigma, y / 0.8).
#[rstest]
#[case::nothing(0.0, 0.0, 0.0)]
#[case::one(1.0, 0.0, 1.5)]
#[case::four(4.0, 0.0, 5.0)]
#[case::noise(16.0, 1.5, 22.5)]
#[case::switches_to_80_percent(4.1, 0.0, 5.125)]
#[case::large(800.0, 0.0, 1000.0)]
#[case::large_and_noisy(800.0, 150.0, 1264.1)]
fn square_root_staffing(#[case] load: f64, #[case] noise: f64, #[case] expected: f64) {
    assert!((staffing(load, noise) - expected).abs() < 0.05, "{}", staffing(load, noise));
}

#[rstest]
#[case::total_up(total(16_000.0), 4, 20)]
#[case::total_in_band(total(16_000.0), 19, 19)]
#[case::total_down(total(1_000.0), 10, 2)]
#[case::total_nothing(total(0.0), 10, 0)]
fn capacity_of_a_whole_value(#[case] reading: Reading, #[case] spec: u32, #[case] expected: u32) {
    let observation = observed(spec, many(spec as usize, &ready(0.0)), vec![reading]);
    for kind in [prometheus, external, object] {
        assert_eq!(proposal(kind(Target::Capacity(1000.0)), &observation), Some(expected));
    }
}

#[rstest]
#[case::per_pod_up(many(16, &ready(1000.0)), 16, 20)]
#[case::per_pod_in_band(many(20, &ready(800.0)), 20, 20)]
#[case::per_pod_down(many(20, &ready(50.0)), 20, 2)]
#[case::per_pod_missing_may_be_idle_when_growing([many(15, &ready(1000.0)), vec![missing()]].concat(), 16, 19)]
#[case::per_pod_missing_may_be_full_when_shrinking([many(19, &ready(50.0)), vec![missing()]].concat(), 20, 3)]
#[case::per_pod_missing_in_doubt_holds([many(5, &ready(200.0)), many(5, &missing())].concat(), 6, 6)]
fn capacity_per_pod(#[case] pods: Vec<P>, #[case] spec: u32, #[case] expected: u32) {
    let observation = seen(spec, pods);
    assert_eq!(proposal(prometheus(Target::Capacity(1000.0)), &observation), Some(expected), "prometheus");
    let cpu = signal(SignalKind::Resource { resource: "cpu".into() }, Target::Capacity(1000.0));
    assert_eq!(proposal(cpu, &observation), Some(expected), "cpu");
}

/// A rollout's surge pods: more ready pods than asked for.
mod surge {
    use super::*;

    /// Load that the pods share: the same sum over more pods.
    fn shared(sum: f64, pods: usize) -> Vec<P> {
        many(pods, &ready((sum / pods as f64).floor()))
    }

    #[rstest]
    #[case::on_target_25_percent(4, 5, 2000.0, 4)]
    #[case::on_target_100_percent(4, 8, 2000.0, 4)]
    #[case::at_the_upper_edge_of_the_band(100, 125, 54_000.0, 100)]
    #[case::at_the_lower_edge_of_the_band(100, 125, 46_000.0, 100)]
    #[case::growth_of_100_percent_during_25_percent_surge(4, 5, 4000.0, 7)]
    #[case::growth_during_100_percent_surge(4, 8, 6000.0, 6)]
    #[case::less_load_shrinks_to_what_the_whole_load_needs(4, 8, 1000.0, 2)]
    fn shared_load(#[case] spec: u32, #[case] pods: usize, #[case] sum: f64, #[case] expected: u32) {
        assert_eq!(proposal(cpu(50), &seen(spec, shared(sum, pods))), Some(expected), "utilization");
        assert_eq!(proposal(pods_metric(500.0), &seen(spec, shared(sum, pods))), Some(expected), "mean");
    }

    #[rstest]
    #[case::in_band_25_percent(4, 5, 520.0)]
    #[case::in_band_100_percent(4, 8, 520.0)]
    #[case::idle_overhead_25_percent(4, 5, 425.0)]
    #[case::idle_overhead_10_pods(10, 13, 440.0)]
    fn every_pod_brings_its_own_overhead(#[case] spec: u32, #[case] pods: usize, #[case] each: f64) {
        let observation = seen(spec, many(pods, &ready(each)));
        assert_eq!(proposal(memory(50), &observation), Some(spec));
        assert_eq!(proposal(pods_metric(500.0), &observation), Some(spec));
    }

    #[test]
    fn growth_is_sized_on_the_asked_replicas() {
        // Stock multiplies by the 5 pods found and asks for 6.
        assert_eq!(proposal(cpu(50), &seen(4, many(5, &ready(600.0)))), Some(5));
    }

    #[rstest]
    #[case::sum_of_idle_overheads_25_percent(5000.0, 4, 5, 4)]
    #[case::sum_of_idle_overheads_100_percent(8000.0, 4, 8, 4)]
    #[case::real_growth(8000.0, 4, 5, 8)]
    fn whole_value_per_replica(#[case] value: f64, #[case] spec: u32, #[case] serving: usize, #[case] expected: u32) {
        let observation = seen_total(spec, serving, value);
        assert_eq!(proposal(external(Target::AverageValue(1000.0)), &observation), Some(expected), "external");
        assert_eq!(proposal(prometheus(Target::AverageValue(1000.0)), &observation), Some(expected), "prometheus");
    }

    #[test]
    fn surge_pods_that_do_not_serve_hold_nothing_back() {
        let pods = [many(4, &ready(0.0)), many(4, &starting(0.0)), many(4, &ready(0.0).deleting())].concat();
        let observation = observed(4, pods, vec![total(5000.0)]);
        assert_eq!(proposal(external(Target::AverageValue(1000.0)), &observation), Some(5));
    }

    #[test]
    fn whole_value_is_sized_on_the_asked_replicas() {
        assert_eq!(proposal(external(Target::Value(1000.0)), &seen_total(4, 5, 1200.0)), Some(5));
        assert_eq!(proposal(external(Target::Value(1000.0)), &seen_total(4, 5, 850.0)), Some(4));
    }

    #[test]
    fn capacity() {
        let constant = many(16, &ready(500.0));
        assert_eq!(proposal(prometheus(Target::Capacity(1000.0)), &seen(11, constant)), Some(11));
        let idle = many(13, &ready(650.0));
        assert_eq!(proposal(prometheus(Target::Capacity(1000.0)), &seen(10, idle)), Some(10));
    }
}
