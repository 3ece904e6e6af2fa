//! Annotations on a workload: what they turn into, and how faults are told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod annotation_cases;

use std::collections::BTreeMap;

use ballast::api::annotations::{self, KEYS, MANAGED_BY, Workload, desired, is_annotation_owned, parse, policy_name};
use ballast::api::metrics::{Freshness, MetricSpec, MetricTarget, PrometheusTargetType};
use ballast::api::quantity::Quantity;
use ballast::api::scale_policy::{ForecastMode, Mode, PauseDirection};
use ballast::api::schedule::Schedule;
use ballast::api::{Defaults, ScalePolicy, ScalePolicySpec, TargetRef, compile};
use ballast::source::preset::PRESETS;

use annotation_cases::{CONTRADICTIONS, WRONG_VALUES};

fn target(kind: &str, name: &str) -> TargetRef {
    TargetRef { api_version: "apps/v1".into(), kind: kind.into(), name: name.into() }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (format!("ballast.dev/{key}"), (*value).to_owned())).collect()
}

/// The spec of these annotations beside `max-replicas: 10`.
fn spec(pairs: &[(&str, &str)]) -> ScalePolicySpec {
    let all: Vec<_> = pairs.iter().copied().chain([("max-replicas", "10")]).collect();
    let spec = parse(&map(&all), &target("Deployment", "web")).unwrap().unwrap();
    compile(&ScalePolicy::new("web", spec.clone()), &Defaults::default()).expect("what annotations give is a valid policy");
    spec
}

fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
    parse(&map(pairs), &target("Deployment", "web")).unwrap_err().iter().map(ToString::to_string).collect()
}

fn cpu(spec: &ScalePolicySpec) -> &MetricTarget {
    &spec.metrics[0].resource.as_ref().unwrap().target
}

#[test]
fn no_annotation_of_ours_asks_for_nothing() {
    let other = BTreeMap::from([("example.com/max-replicas".to_owned(), "3".to_owned())]);
    assert_eq!(parse(&other, &target("Deployment", "web")), Ok(None));
    assert!(!annotations::any(&other));
}

#[test]
fn max_replicas_alone_follows_cpu_at_80_percent() {
    let spec = spec(&[]);
    assert_eq!((spec.min_replicas, spec.max_replicas), (Some(1), 10));
    assert_eq!(spec.metrics, [MetricSpec::resource("cpu", MetricTarget::utilization(80))]);
    assert_eq!(spec.scale_target_ref.kind, "Deployment");
    assert_eq!(spec.mode, Mode::Enforce);
}

#[test]
fn resource_targets_are_percentages_or_amounts() {
    assert_eq!(cpu(&spec(&[("target-cpu", "70%")])), &MetricTarget::utilization(70));
    assert_eq!(cpu(&spec(&[("target-cpu", " 350m ")])), &MetricTarget::average_value(Quantity::from("350m")));
    let memory = spec(&[("target-memory", "512Mi")]);
    assert_eq!(memory.metrics, [MetricSpec::resource("memory", MetricTarget::average_value(Quantity::from("512Mi")))]);
}

#[test]
fn request_rates_become_a_query_on_http_requests_total() {
    for (key, kind) in [("target-rps", PrometheusTargetType::AverageValue), ("capacity-rps", PrometheusTargetType::Capacity)] {
        let spec = spec(&[(key, "120"), ("source", "tenant")]);
        let metric = spec.metrics[0].prometheus.as_ref().unwrap();
        assert_eq!(metric.query, r#"sum(rate(http_requests_total{namespace="${namespace}",pod=~"${pods}"}[1m]))"#);
        assert_eq!((metric.target.kind, metric.source.as_str()), (kind, "tenant"));
        let value = metric.target.average_value.as_ref().or(metric.target.capacity.as_ref());
        assert_eq!(value, Some(&Quantity::from("120")));
    }
}

#[test]
fn every_metric_key_counts() {
    let spec = spec(&[
        ("target-cpu", "70%"),
        ("target-memory", "80%"),
        ("target-rps", "1"),
        ("query", "sum(up)"),
        ("query-capacity", "5"),
        ("preset", "go-cpu"),
    ]);
    let names: Vec<_> = spec.metrics.iter().filter_map(|metric| Some(metric.prometheus.as_ref()?.name.as_str())).collect();
    assert_eq!(spec.metrics.len(), 5);
    assert_eq!(names, ["requests-per-second", "query"]);
    assert_eq!(spec.metrics[4].preset.as_ref().unwrap().name, "go-cpu");
}

#[test]
fn presets_have_a_default_target_or_ask_for_one() {
    for preset in PRESETS {
        let pairs = [("max-replicas", "3"), ("preset", preset.name)];
        if preset.default_target.is_some() {
            let metrics = spec(&pairs).metrics;
            assert_eq!(metrics.last().unwrap().preset.as_ref().unwrap().target, None);
        } else {
            let faults = faults(&pairs);
            assert!(faults[0].contains("needs ballast.dev/preset-target"), "{faults:?}");
        }
        let given = spec(&[("preset", preset.name), ("preset-target", "3")]);
        let target = given.metrics.last().unwrap().preset.as_ref().unwrap().target.clone().unwrap();
        assert_eq!(target.average_value, Some(Quantity::from("3")));
        compile(&ScalePolicy::new("web", given), &Defaults::default()).unwrap();
    }
}

#[test]
fn several_presets_share_a_workload_and_one_that_drives_is_always_there() {
    let names = |list: &str| -> Vec<String> {
        let metrics = spec(&[("preset", list)]).metrics;
        metrics.iter().map(|metric| metric.preset.as_ref().map_or_else(|| "cpu".to_owned(), |preset| preset.name.clone())).collect()
    };
    assert_eq!(names("go-run-queue,go-memory-headroom , sql-pool-wait"), ["go-run-queue", "go-memory-headroom", "sql-pool-wait"]);
    assert_eq!(names("go-memory-headroom"), ["cpu", "go-memory-headroom"]);
    for (list, fault) in [
        ("go-cpu,", "preset]: \"\": is not a preset; there are http-requests, http-in-flight"),
        ("go-cpu, go-cpu", "go-cpu: is named twice"),
        ("go-cpu,http-requests", "http-requests: needs ballast.dev/preset-target, which is for the first preset"),
        ("go-cup", "is not a preset; did you mean go-cpu?"),
    ] {
        let faults = faults(&[("max-replicas", "3"), ("preset", list)]);
        assert!(faults[0].contains(fault), "{faults:?}");
    }
}

#[test]
fn pods_are_asked_themselves_for_those_presets_that_they_show() {
    let metrics = spec(&[("preset", "go-cpu,go-memory-headroom"), ("preset-freshness", "direct")]).metrics;
    let freshness: Vec<Freshness> = metrics.iter().filter_map(|metric| Some(metric.preset.as_ref()?.freshness)).collect();
    assert_eq!(freshness, [Freshness::Direct, Freshness::Stored]);
}

#[test]
fn intervals_modes_and_pauses_have_several_forms() {
    for (text, seconds) in [("15s", 15), ("15", 15), ("1m", 60), ("5m", 300), ("1", 1)] {
        assert_eq!(spec(&[("interval", text)]).interval_seconds, Some(seconds), "{text}");
    }
    for (text, mode) in [("Recommend", Mode::Recommend), ("recommend", Mode::Recommend), ("ENFORCE", Mode::Enforce)] {
        assert_eq!(spec(&[("mode", text)]).mode, mode);
    }
    for (text, mode) in [("On", ForecastMode::On), ("shadow", ForecastMode::Shadow), ("OFF", ForecastMode::Off)] {
        assert_eq!(spec(&[("forecast", text)]).forecast.unwrap().mode, mode);
    }
    for (text, direction) in
        [("true", PauseDirection::All), ("all", PauseDirection::All), ("Up", PauseDirection::Up), ("down", PauseDirection::Down)]
    {
        assert_eq!(spec(&[("pause", text)]).pause.unwrap().direction, direction);
    }
    assert_eq!(spec(&[("pause", "false")]).pause, None);
    let pause = spec(&[("pause", "down  until=2030-12-24T18:00:00Z by=ana reason=sales week, ask = me")]).pause.unwrap();
    assert_eq!(pause.direction, PauseDirection::Down);
    assert_eq!(pause.until.unwrap().0.to_string(), "2030-12-24T18:00:00Z");
    assert_eq!((pause.by.as_deref(), pause.reason.as_deref()), (Some("ana"), Some("sales week, ask = me")));
}

#[test]
fn a_schedule_is_a_window_with_sizes() {
    let schedule = |text: &str| spec(&[("schedule", text)]).schedules.remove(0);
    let office = schedule("0 8 * * 1-5  for 10h min=5 tz=Europe/Berlin");
    let expected = Schedule {
        name: "annotation".to_owned(),
        cron: Some("0 8 * * 1-5".to_owned()),
        duration_seconds: Some(36000),
        time_zone: Some("Europe/Berlin".to_owned()),
        min_replicas: Some(5),
        ..Schedule::default()
    };
    assert_eq!(office, expected);
    let sale = schedule("2026-11-27T00:00:00+01:00 to 2026-11-28T00:00:00+01:00 replicas=9 ramp=15m");
    assert_eq!((sale.cron, sale.replicas, sale.ramp_seconds), (None, Some(9), Some(900)));
    assert_eq!(sale.start.unwrap().0.to_string(), "2026-11-26T23:00:00Z");
    assert_eq!(sale.end.unwrap().0.to_string(), "2026-11-27T23:00:00Z");
    for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172_800), ("1d1h1m1s", 90_061)] {
        assert_eq!(schedule(&format!("0 8 * * * for {text} max=3")).duration_seconds, Some(seconds));
    }
}

#[test]
fn every_wrong_value_names_key_value_and_what_is_allowed() {
    for &(key, value) in WRONG_VALUES {
        let faults = faults(&[("max-replicas", "10"), (key, value)]);
        let form = KEYS.iter().find(|known| known.name == key).unwrap().form;
        let shown = if value.is_empty() { "\"\"" } else { value };
        let said = format!("metadata.annotations[ballast.dev/{key}]: {shown}: must be {form}");
        assert!(faults.contains(&said), "{key}={value}: {faults:?}");
    }
}

#[test]
fn contradictions_are_told() {
    for &(pairs, said) in CONTRADICTIONS {
        let faults = faults(pairs);
        assert_eq!(faults.iter().filter(|fault| fault.contains(said)).count(), 1, "{pairs:?}: {faults:?}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = faults(&[("max-replicas", "0"), ("target-cpu", "x"), ("intervall", "5s"), ("mode", "?")]);
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn every_example_of_the_reference_works() {
    for pairs in annotation_cases::examples() {
        assert!(parse(&map(&pairs), &target("Deployment", "web")).unwrap().is_some(), "{pairs:?}");
    }
}

#[test]
fn the_policy_belongs_to_its_workload() {
    let annotations = map(&[("max-replicas", "10")]);
    let target = target("Deployment", "web");
    let workload = Workload { namespace: "shop", target: &target, uid: "u-1", annotations: &annotations };
    let mut policy = desired(&workload).unwrap().unwrap();
    assert_eq!(policy.metadata.name.as_deref(), Some("web.deployment"));
    assert_eq!(policy.metadata.namespace.as_deref(), Some("shop"));
    let owner = &policy.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()), ("Deployment", "web", "u-1"));
    assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(false)));
    assert!(is_annotation_owned(&policy));
    policy.metadata.labels.as_mut().unwrap().remove(MANAGED_BY);
    assert!(!is_annotation_owned(&policy), "somebody took it over");
    let nothing = BTreeMap::new();
    assert_eq!(desired(&Workload { annotations: &nothing, ..workload }), Ok(None));
}

#[test]
fn names_do_not_clash_and_fit() {
    let long = "w".repeat(253);
    let names = ["Deployment", "StatefulSet"].map(|kind| policy_name(&target(kind, &long)));
    assert!(names.iter().all(|name| name.len() == 253), "{names:?}");
    assert_ne!(names[0], names[1]);
    let other = format!("{}x", "w".repeat(252));
    assert_ne!(policy_name(&target("Deployment", &other)), names[0]);
    assert_eq!(policy_name(&target("StatefulSet", "web")), "web.statefulset");
}
