//! Status: conditions merged, current metrics and their text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api_support;

use ballast::api::conditions::{is_true, merge, set};
use ballast::api::report::{current_metrics, metrics_text};
use ballast::api::time::{from_core, to_core};
use ballast::api::{Compiled, Defaults, ScalePolicy, compile};
use ballast::core::{Condition, ConditionKind, Current, Signal, SignalKind, SignalReport, Target};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

fn at(second: i64) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_second(second).unwrap())
}

fn condition(kind: ConditionKind, status: bool, reason: &'static str) -> Condition {
    Condition::new(kind, status, reason, format!("{reason} said"))
}

#[test]
fn the_transition_time_moves_only_with_the_status() {
    let mut conditions = Vec::new();
    merge(&mut conditions, &[condition(ConditionKind::AbleToScale, true, "ReadyForNewScale")], Some(1), &at(10));
    merge(&mut conditions, &[condition(ConditionKind::AbleToScale, true, "ScaleDownStabilized")], Some(2), &at(20));
    assert_eq!(conditions[0].last_transition_time, at(10));
    assert_eq!((conditions[0].reason.as_str(), conditions[0].message.as_str()), ("ScaleDownStabilized", "ScaleDownStabilized said"));
    assert_eq!(conditions[0].observed_generation, Some(2));
    merge(&mut conditions, &[condition(ConditionKind::AbleToScale, false, "FailedGetScale")], Some(2), &at(30));
    assert_eq!((conditions[0].last_transition_time.clone(), conditions[0].status.as_str()), (at(30), "False"));
}

#[test]
fn times_are_whole_seconds_and_never_overflow() {
    assert_eq!(from_core(ballast::core::Time::from_millis(10_999)), at(10));
    assert_eq!(to_core(&at(10)), ballast::core::Time::from_secs(10));
    for end in [i64::MIN, i64::MAX] {
        from_core(ballast::core::Time::from_millis(end));
    }
}

#[test]
fn unnamed_conditions_stay_and_order_is_that_of_first_appearance() {
    let mut conditions = Vec::new();
    set(&mut conditions, "Other", true, "Foreign", "kept", None, &at(1));
    let (active, able) =
        (condition(ConditionKind::ScalingActive, true, "ValidMetricFound"), condition(ConditionKind::AbleToScale, true, "Ok"));
    merge(&mut conditions, std::slice::from_ref(&active), None, &at(2));
    merge(&mut conditions, &[able, active], None, &at(3));
    let kinds: Vec<_> = conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(kinds, ["Other", "ScalingActive", "AbleToScale"]);
    assert_eq!(conditions[0].last_transition_time, at(1));
    assert!(is_true(&conditions, ConditionKind::AbleToScale));
    assert!(!is_true(&conditions, ConditionKind::ScaledToZero));
}

fn compiled(metrics: &Value) -> Compiled {
    let spec = serde_json::from_value(api_support::patched(&json!({ "metrics": metrics }))).unwrap();
    compile(&ScalePolicy::new("web", spec), &Defaults::default()).unwrap()
}

fn report(name: &str, utilization: Option<u32>, average: Option<f64>, value: Option<f64>) -> SignalReport {
    let current = Some(Current { utilization, average, value });
    let signal = Signal::new(SignalKind::Prometheus { name: name.into() }, Target::Value(1.0));
    SignalReport { current, proposal: Some(3), age_millis: Some(12_900), ..SignalReport::unknown(&signal, None) }
}

#[test]
fn metrics_are_shown_as_kubectl_shows_those_of_an_hpa() {
    let compiled = compiled(&json!([
        { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } },
        { "type": "Resource", "resource": { "name": "memory", "target": { "type": "AverageValue", "averageValue": "512Mi" } } },
        { "type": "Prometheus", "prometheus": { "name": "rps", "query": "up", "target": { "type": "AverageValue", "averageValue": 100 } } },
        { "type": "Prometheus", "prometheus": { "name": "cap", "query": "up", "target": { "type": "Capacity", "capacity": "1.5" } } },
        { "type": "External", "external": { "metric": { "name": "jobs" }, "target": { "type": "Value", "value": "2k" } } },
    ]));
    let mebi = 1024.0 * 1024.0 * 1000.0;
    let reports = [
        report("cpu", Some(45), Some(225.0), None),
        report("memory", None, Some(100.0 * mebi), None),
        report("rps", None, Some(82_000.0), Some(246_000.0)),
        SignalReport { current: None, age_millis: None, failure: Some("no answer".into()), ..report("cap", None, None, None) },
        report("jobs", None, None, Some(3_000_000.0)),
    ];
    assert_eq!(metrics_text(&compiled, &reports), "cpu: 45%/70%, memory: 100Mi/512Mi + 3 more");
    let tail = Compiled {
        policy: ballast::core::Policy { signals: compiled.policy.signals[2..4].to_vec(), ..compiled.policy.clone() },
        queries: compiled.queries[2..4].to_vec(),
        ..compiled.clone()
    };
    assert_eq!(metrics_text(&tail, &reports[2..4]), "rps: 82/100 (avg), cap: <unknown>/1.5 (capacity)");
    // At size 0 there is no mean, but the whole is known.
    let asleep = [report("rps", None, None, Some(246_000.0)), report("cap", None, None, Some(3000.0))];
    assert_eq!(metrics_text(&tail, &asleep), "rps: 246/100 (avg), cap: 3/1.5 (capacity)");
    let status = serde_json::to_value(current_metrics(&compiled, &reports)).unwrap();
    assert_eq!(
        status,
        json!([
            { "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": 45, "averageValue": "225m" } }, "ageSeconds": 12, "proposal": 3 },
            { "type": "Resource", "resource": { "name": "memory", "current": { "averageValue": "100Mi" } }, "ageSeconds": 12, "proposal": 3 },
            { "type": "Prometheus", "prometheus": { "name": "rps", "current": { "averageValue": "82", "value": "246" } }, "ageSeconds": 12, "proposal": 3 },
            { "type": "Prometheus", "prometheus": { "name": "cap", "current": {} }, "proposal": 3 },
            { "type": "External", "external": { "metric": { "name": "jobs" }, "current": { "value": "3k" } }, "ageSeconds": 12, "proposal": 3 },
        ])
    );
}
