//! `compile`: every field arrives in the core's terms, every fault is named with its path.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value, clippy::duration_suboptimal_units)]

mod api_support;

use std::time::Duration;

use api_support::{cases, patched};
use ballast::api::status::PresetChoice;
use ballast::api::{Compiled, Defaults, ScalePolicy, ScalePolicySpec, ScalePolicyStatus, compile};
use ballast::core::{
    self, Amount, Forecast, ForecastMode, Mode, PauseDirection, RatePolicy, Role, ScaleToZero, Select, SignalKind, SmoothParameters,
    Smoothing, Target, Time,
};
use ballast::source::{PrometheusQuery, Query, WhenEmpty};
use rstest::rstest;
use serde_json::{Value, json};

fn policy(spec: Value) -> ScalePolicy {
    ScalePolicy::new("web", serde_json::from_value::<ScalePolicySpec>(spec).unwrap())
}

fn compiled(patch: Value) -> Compiled {
    compile(&policy(patched(&patch)), &Defaults::default()).unwrap()
}

fn faults(patch: Value) -> Vec<String> {
    let errors = compile(&policy(patched(&patch)), &Defaults::default()).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_fault_is_named_with_its_path() {
    for case in cases() {
        let Some((path, said)) = case.compile else { continue };
        let errors = compile(&policy(patched(&case.patch)), &Defaults::default()).expect_err(case.name);
        assert!(
            errors.iter().any(|error| error.path == path && error.message.contains(said)),
            "{}: expected {path}: …{said}…, got {errors:#?}",
            case.name
        );
    }
}

#[test]
fn several_faults_are_all_named() {
    let spec = patched(&json!({ "maxReplicas": 0, "intervalSeconds": 999, "metrics": [{ "type": "Pods" }] }));
    let paths: Vec<_> = compile(&policy(spec), &Defaults::default()).unwrap_err().into_iter().map(|error| error.path).collect();
    assert_eq!(paths, ["spec.maxReplicas", "spec.metrics[0].pods", "spec.intervalSeconds"]);
}

#[test]
fn a_fault_reads_as_path_value_and_what_is_allowed() {
    let errors = compile(&policy(patched(&json!({ "maxReplicas": 2 }))), &Defaults::default()).unwrap_err();
    assert_eq!(errors[0].to_string(), "spec.maxReplicas: 2: must be at least spec.minReplicas (3)");
}

#[test]
fn defaults_are_those_of_the_stock_api() {
    let compiled = compiled(json!({ "minReplicas": null }));
    assert_eq!(compiled.target.to_string(), "Deployment/web");
    let policy = compiled.policy;
    assert_eq!((policy.min_replicas, policy.max_replicas), (1, 10));
    assert_eq!(policy.signals.len(), 1);
    assert_eq!(policy.signals[0].kind, SignalKind::Resource { resource: "cpu".into() });
    assert_eq!(policy.signals[0].target, Target::Utilization(80));
    assert_eq!(compiled.queries, [Query::Resource { resource: "cpu".into(), container: None }]);
    assert_eq!(policy.behavior, None);
    assert_eq!((policy.tolerance.up, policy.tolerance.down), (0.1, 0.1));
    assert_eq!(policy.downscale_stabilization, Duration::from_secs(300));
    assert_eq!(policy.interval, Duration::from_secs(15));
    assert_eq!(policy.smoothing, Smoothing::Smooth(SmoothParameters::default()));
    assert_eq!(policy.mode, Mode::Enforce);
    assert_eq!(policy.pause, None);
    assert_eq!(policy.zero, ScaleToZero::On);
}

#[test]
fn an_empty_metrics_list_means_cpu_too() {
    assert_eq!(compiled(json!({ "metrics": [] })).policy.signals[0].target, Target::Utilization(80));
}

#[test]
fn the_controllers_flags_fill_what_the_policy_leaves_open() {
    let defaults = Defaults {
        tolerance: 0.2,
        downscale_stabilization: Duration::from_secs(60),
        interval: Duration::from_secs(1),
        smoothing: Smoothing::None,
        scale_to_zero: ScaleToZero::Off,
        ..Defaults::default()
    };
    let policy = compile(&policy(patched(&json!({ "behavior": {} }))), &defaults).unwrap().policy;
    assert_eq!((policy.tolerance.up, policy.tolerance.down), (0.2, 0.2));
    assert_eq!(policy.behavior.unwrap().down.window, Duration::from_secs(60));
    assert_eq!(policy.interval, Duration::from_secs(1));
    assert_eq!(policy.smoothing, Smoothing::None);
    assert_eq!(policy.zero, ScaleToZero::Off);
}

#[test]
fn min_0_is_refused_while_scaling_to_zero_is_off() {
    let external = json!({ "minReplicas": 0, "metrics": [{ "type": "External", "external": {
        "metric": { "name": "jobs" }, "target": { "type": "AverageValue", "averageValue": 1 } } }] });
    assert_eq!(compiled(external.clone()).policy.min_replicas, 0);
    let off = Defaults { scale_to_zero: ScaleToZero::Off, ..Defaults::default() };
    let errors = compile(&policy(patched(&external)), &off).unwrap_err();
    assert_eq!(errors[0].path, "spec.minReplicas");
}

#[test]
fn an_empty_behavior_has_the_stock_defaults() {
    let behavior = compiled(json!({ "behavior": {} })).policy.behavior.unwrap();
    let period = Duration::from_secs(15);
    let percent = RatePolicy { amount: Amount::Percent(100), period };
    assert_eq!(behavior.up.window, Duration::ZERO);
    assert_eq!(behavior.up.select, Select::Max);
    assert_eq!(behavior.up.policies, [RatePolicy { amount: Amount::Pods(4), period }, percent]);
    assert_eq!(behavior.down.window, Duration::from_secs(300));
    assert_eq!(behavior.down.policies, [percent]);
}

#[test]
fn given_policies_replace_the_defaults_and_gaps_are_filled() {
    let rules = json!({ "behavior": {
        "scaleUp": { "policies": [{ "type": "Percent", "value": 10, "periodSeconds": 60 }], "tolerance": 0.05 },
        "scaleDown": { "selectPolicy": "Disabled", "stabilizationWindowSeconds": 0, "tolerance": "50m" },
    } });
    let policy = compiled(rules).policy;
    let behavior = policy.behavior.unwrap();
    assert_eq!(behavior.up.policies, [RatePolicy { amount: Amount::Percent(10), period: Duration::from_secs(60) }]);
    assert_eq!(behavior.down.select, Select::Disabled);
    assert_eq!(behavior.down.window, Duration::ZERO);
    assert_eq!(behavior.down.policies.len(), 1);
    assert_eq!((policy.tolerance.up, policy.tolerance.down), (0.05, 0.05));
}

#[test]
fn every_metric_type_arrives() {
    let selector = json!({ "matchLabels": { "verb": "GET" }, "matchExpressions": [
        { "key": "zone", "operator": "NotIn", "values": ["b", "a"] }, { "key": "app", "operator": "Exists" },
        { "key": "old", "operator": "DoesNotExist" }, { "key": "tier", "operator": "In", "values": ["web"] } ] });
    let compiled = compiled(json!({ "metrics": [
        { "type": "Resource", "resource": { "name": "memory", "target": { "type": "AverageValue", "averageValue": "1.5Gi" } } },
        { "type": "ContainerResource", "containerResource": { "name": "cpu", "container": "app", "target": { "type": "Utilization", "averageUtilization": 60 } } },
        { "type": "Pods", "pods": { "metric": { "name": "packets", "selector": selector }, "target": { "type": "AverageValue", "averageValue": "1k" } } },
        { "type": "Object", "object": { "metric": { "name": "requests" }, "describedObject": { "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main" },
            "target": { "type": "Value", "value": "10k" } } },
        { "type": "External", "external": { "metric": { "name": "messages", "selector": { "matchLabels": { "queue": "worker" } } },
            "target": { "type": "AverageValue", "averageValue": 30 } } },
        { "type": "Prometheus", "prometheus": { "name": "rps", "query": "sum(rate(x{pod=~\"${pods}\"}[1m]))", "source": "tenant", "whenEmpty": "Zero",
            "target": { "type": "Capacity", "capacity": 0.5 } } },
        { "type": "Prometheus", "prometheus": { "name": "latency", "query": "up", "target": { "type": "Value", "value": "250m" } } },
    ] }));
    let signals: Vec<_> = compiled.policy.signals.iter().map(|signal| (signal.kind.clone(), signal.target)).collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        signals,
        [
            (SignalKind::Resource { resource: text("memory") }, Target::AverageValue(1.5 * 1024.0 * 1024.0 * 1024.0 * 1000.0)),
            (SignalKind::ContainerResource { resource: text("cpu"), container: text("app") }, Target::Utilization(60)),
            (SignalKind::Pods { metric: text("packets") }, Target::AverageValue(1e6)),
            (SignalKind::Object { metric: text("requests"), kind: text("Ingress"), name: text("main") }, Target::Value(1e7)),
            (SignalKind::External { metric: text("messages"), selector: text("queue=worker") }, Target::AverageValue(30_000.0)),
            (SignalKind::Prometheus { name: text("rps") }, Target::Capacity(500.0)),
            (SignalKind::Prometheus { name: text("latency") }, Target::Value(250.0)),
        ]
    );
    assert_eq!(
        compiled.queries,
        [
            Query::Resource { resource: text("memory"), container: None },
            Query::Resource { resource: text("cpu"), container: Some(text("app")) },
            Query::Pods { metric: text("packets"), selector: text("app,!old,tier in (web),verb=GET,zone notin (a,b)") },
            Query::Object {
                metric: text("requests"),
                selector: text(""),
                api_version: text("networking.k8s.io/v1"),
                kind: text("Ingress"),
                name: text("main"),
            },
            Query::External { metric: text("messages"), selector: text("queue=worker") },
            Query::Prometheus(PrometheusQuery {
                name: text("rps"),
                source: text("tenant"),
                query: text("sum(rate(x{pod=~\"${pods}\"}[1m]))"),
                window: Duration::from_secs(60),
                when_empty: WhenEmpty::Zero,
                preset: None,
            }),
            Query::Prometheus(PrometheusQuery {
                name: text("latency"),
                source: text("default"),
                query: text("up"),
                window: Duration::ZERO,
                when_empty: WhenEmpty::Absent,
                preset: None,
            }),
        ]
    );
    assert_eq!(compiled.warnings, []);
}

#[test]
fn the_extras_arrive() {
    let policy = compiled(json!({
        "intervalSeconds": 5, "mode": "Recommend", "warmUpSeconds": 0,
        "pause": { "direction": "Down", "until": "2030-01-01T00:00:00Z", "reason": "sales", "by": "ana" },
        "smoothing": { "type": "Smooth", "timeConstantSeconds": 60, "noiseBand": 2.5, "leadSeconds": 40, "collapseHoldSeconds": 600 },
        "forecast": { "mode": "Shadow", "horizonSeconds": 600 },
    }))
    .policy;
    assert_eq!(policy.interval, Duration::from_secs(5));
    assert_eq!(policy.mode, Mode::Recommend);
    assert_eq!(policy.warm_up.cpu_initialization, Duration::ZERO);
    assert_eq!(policy.warm_up.initial_readiness_delay, Duration::from_secs(30));
    let pause = core::Pause {
        direction: PauseDirection::Down,
        until: Some(Time::from_secs(1_893_456_000)),
        reason: "sales".into(),
        by: "ana".into(),
    };
    assert_eq!(policy.pause, Some(pause));
    let smooth = SmoothParameters {
        time_constant: Duration::from_secs(60),
        noise_band: 2.5,
        lead: Some(Duration::from_secs(40)),
        collapse_hold: Duration::from_secs(600),
    };
    assert_eq!(policy.smoothing, Smoothing::Smooth(smooth));
    assert_eq!(policy.forecast, Forecast { mode: ForecastMode::Shadow, horizon: Some(Duration::from_secs(600)) });
    assert_eq!(compiled(json!({ "forecast": {} })).policy.forecast, Forecast::default());
    assert_eq!(compiled(json!({ "smoothing": { "type": "None" } })).policy.smoothing, Smoothing::None);
    let empty = compiled(json!({ "pause": {} })).policy.pause.unwrap();
    assert_eq!((empty.direction, empty.until), (PauseDirection::All, None));
}

/// As long as scale-in waits by default.
#[test]
fn a_collapse_is_held_for_the_controllers_look_back() {
    let quick = Defaults { downscale_stabilization: Duration::from_secs(20), ..Defaults::default() };
    for spec in [json!({}), json!({ "smoothing": { "type": "Smooth" } })] {
        let smoothing = compile(&policy(patched(&spec)), &quick).unwrap().policy.smoothing;
        assert_eq!(
            smoothing,
            Smoothing::Smooth(SmoothParameters { collapse_hold: Duration::from_secs(20), ..SmoothParameters::default() })
        );
    }
}

#[test]
fn a_missing_api_version_is_that_of_the_common_kinds() {
    for (kind, version) in
        [("Deployment", "apps/v1"), ("StatefulSet", "apps/v1"), ("ReplicaSet", "apps/v1"), ("ReplicationController", "v1")]
    {
        let target = compiled(json!({ "scaleTargetRef": { "apiVersion": null, "kind": kind } })).target;
        assert_eq!(target.api_version, version, "{kind}");
    }
}

#[test]
fn doubtful_promql_is_a_warning_and_an_unknown_placeholder_an_error() {
    let with = |query: &str| json!({ "metrics": [{ "type": "Prometheus", "prometheus": { "name": "q", "query": query, "target": { "type": "Value", "value": 1 } } }] });
    let compiled = compiled(with("sum(("));
    assert_eq!(compiled.warnings.len(), 1);
    assert_eq!(compiled.warnings[0].path, "spec.metrics[0].prometheus.query");
    let errors = compile(&policy(patched(&with("sum(up{ns=\"${namepsace}\"})"))), &Defaults::default()).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "spec.metrics[0].prometheus.query: ${namepsace}: unknown placeholder; there are ${namespace}, ${name}, ${pods}"
    );
}

#[test]
fn the_stock_rule_chooses_the_target_by_field_not_by_type() {
    // Accepted by the stock API server, which looks at the fields only.
    let target = json!({ "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Value", "averageUtilization": 40 } } }] });
    assert_eq!(compiled(target).policy.signals[0].target, Target::Utilization(40));
}

#[test]
fn a_quantity_of_a_wrong_kind_is_named() {
    // The server lets any kind of value through here, so that fractions pass.
    for (value, shown) in [(json!(true), "true"), (json!({ "a": 1 }), "{\"a\":1}"), (json!([]), "[]")] {
        let target = json!({ "type": "AverageValue", "averageValue": value });
        let spec = patched(&json!({ "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": target } }] }));
        let errors = compile(&policy(spec), &Defaults::default()).unwrap_err();
        assert_eq!(
            errors[0].to_string(),
            format!("spec.metrics[0].resource.target.averageValue: {shown}: must be a quantity such as 100, 0.5, 350m, 2k or 1.5Gi")
        );
    }
}

#[test]
fn every_stock_manifest_compiles() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hpa_manifests");
    let manifests: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(manifests.len() >= 9);
    for path in manifests {
        let manifest: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        compile(&policy(manifest["spec"].clone()), &Defaults::default()).unwrap_or_else(|errors| panic!("{}: {errors:?}", path.display()));
    }
}

proptest::proptest! {
    /// Whatever an old object holds, it is accepted or refused, and what is accepted is within the bounds.
    #[test]
    fn nothing_panics_and_bounds_hold(
        numbers in proptest::collection::vec(proptest::prop_oneof![proptest::arbitrary::any::<i32>(), -3..3i32, 0..4000i32], 8),
        texts in proptest::collection::vec("\\PC{0,12}|[0-9.]{1,6}(m|Mi)?", 8),
    ) {
        let spec = json!({
            "scaleTargetRef": { "apiVersion": texts[0], "kind": texts[1], "name": texts[2] },
            "minReplicas": numbers[0], "maxReplicas": numbers[1], "intervalSeconds": numbers[2], "warmUpSeconds": numbers[3],
            "smoothing": { "type": "Smooth", "timeConstantSeconds": numbers[4], "noiseBand": f64::from(numbers[5]) },
            "behavior": { "scaleUp": { "stabilizationWindowSeconds": numbers[6], "tolerance": texts[3],
                "policies": [{ "type": "Percent", "value": numbers[7], "periodSeconds": numbers[2] }] } },
            "metrics": [
                { "type": "Resource", "resource": { "name": texts[4], "target": { "type": "Utilization", "averageUtilization": numbers[3] } } },
                { "type": "External", "external": { "metric": { "name": texts[5], "selector": { "matchLabels": { texts[6].clone(): texts[7] } } },
                    "target": { "type": "Value", "value": texts[0] } } },
                { "type": "Prometheus", "prometheus": { "name": texts[1], "query": texts[2],
                    "target": { "type": "Capacity", "capacity": texts[3] } } },
            ],
        });
        if let Ok(Compiled { policy, queries, .. }) = compile(&policy(spec), &Defaults::default()) {
            proptest::prop_assert!(policy.min_replicas <= policy.max_replicas && policy.max_replicas >= 1);
            proptest::prop_assert_eq!(policy.signals.len(), queries.len());
            proptest::prop_assert!(policy.tolerance.up >= 0.0);
            proptest::prop_assert!((1..=300).contains(&policy.interval.as_secs()));
        }
    }
}

#[test]
fn presets_are_queries_with_a_role_and_a_target() {
    let compiled = compiled(json!({ "metrics": [
        { "type": "Preset", "preset": { "name": "go-run-queue" } },
        { "type": "Preset", "preset": { "name": "go-memory-headroom", "target": { "averageValue": "0.9" } } },
        { "type": "Preset", "preset": { "name": "sql-pool-wait", "parameters": { "database": "orders", "window": "2m" } } },
        { "type": "Preset", "preset": { "name": "istio-requests", "target": { "capacity": "80" }, "source": "mesh",
            "parameters": { "workload": "web-v2", "reporter": "source" } } },
        { "type": "Resource", "role": "Guard", "resource": { "name": "memory", "target": { "type": "Utilization", "averageUtilization": 80 } } },
    ] }));
    let signals: Vec<_> = compiled.policy.signals.iter().map(|signal| (&**signal.name(), signal.role, signal.target)).collect();
    assert_eq!(
        signals,
        [
            ("go-run-queue", Role::Driver, Target::AverageValue(1000.0)),
            ("go-memory-headroom", Role::Guard, Target::AverageValue(900.0)),
            ("sql-pool-wait", Role::Brake, Target::AverageValue(1000.0)),
            ("istio-requests", Role::Driver, Target::Capacity(80_000.0)),
            ("memory", Role::Guard, Target::Utilization(80)),
        ]
    );
    let query = |index: usize| match &compiled.queries[index] {
        Query::Prometheus(query) => query.clone(),
        other => panic!("{other:?}"),
    };
    assert!(query(2).query.contains(r#"db_name=~"orders"}[2m]"#), "{}", query(2).query);
    assert_eq!((query(2).window, query(0).window), (Duration::from_secs(120), Duration::from_secs(60)));
    assert_eq!((&*query(3).source, query(3).preset.unwrap().known_as.as_deref()), ("mesh", Some("web-v2")));
}

#[rstest]
#[case::parameter(json!({ "name": "go-cpu", "parameters": { "windw": "1m" } }), "parameters.windw: 1m: unknown parameter; did you mean window?")]
#[case::value(json!({ "name": "go-cpu", "parameters": { "window": "1d" } }), "parameters.window: 1d: must be 10s to 1h")]
#[case::injection(json!({ "name": "sql-pool-wait", "parameters": { "database": "a\"} or up{a=\"" } }), "must be a name of 1 to 253 letters")]
fn parameters_are_refused_with_a_reason(#[case] preset: Value, #[case] fault: &str) {
    let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } });
    let faults = faults(json!({ "metrics": [cpu, { "type": "Preset", "preset": preset }] }));
    assert!(faults.iter().any(|text| text.contains(fault)), "{faults:?}");
}

#[test]
fn a_query_and_a_preset_may_not_share_a_name() {
    let query =
        json!({ "type": "Prometheus", "prometheus": { "name": "go-cpu", "query": "up", "target": { "type": "Value", "value": 1 } } });
    let faults = faults(json!({ "metrics": [query, { "type": "Preset", "preset": { "name": "go-cpu" } }] }));
    assert!(faults[0].contains("spec.metrics[1].preset.name: go-cpu: names of Prometheus metrics and presets must differ"), "{faults:?}");
}

#[test]
fn the_example_drives_guards_and_brakes() {
    let policy: ScalePolicy = serde_saphyr::from_str(include_str!("../examples/presets/policy.yaml")).unwrap();
    let roles: Vec<_> = compile(&policy, &Defaults::default()).unwrap().policy.signals.iter().map(|signal| signal.role).collect();
    assert_eq!(roles, [Role::Driver, Role::Guard, Role::Brake]);
}

#[test]
fn auto_is_unknown_until_something_is_chosen_and_then_what_was() {
    let with = |chosen: &[&str], metrics: Value| {
        let mut policy = policy(patched(&json!({ "metrics": metrics })));
        let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-01-02T03:04:05Z".parse().unwrap());
        let chosen = chosen.iter().map(|name| (*name).to_owned()).collect();
        let presets = Some(PresetChoice { chosen, message: "why".into(), time });
        policy.status = Some(ScalePolicyStatus { presets, ..ScalePolicyStatus::default() });
        compile(&policy, &Defaults::default()).unwrap()
    };
    let names = |compiled: &Compiled| -> Vec<String> { compiled.policy.signals.iter().map(|signal| signal.name().to_string()).collect() };
    let auto = json!({ "type": "Preset", "preset": { "name": "auto" } });
    let compiled = with(&[], json!([auto]));
    assert_eq!(names(&compiled), ["auto"]);
    assert!(compiled.auto.unwrap().chosen.is_empty());
    let pool = json!({ "type": "Preset", "preset": { "name": "sql-pool-wait", "target": { "averageValue": 3 } } });
    let compiled = with(&["go-cpu", "go-memory-headroom", "sql-pool-wait"], json!([auto, pool]));
    assert_eq!(names(&compiled), ["go-cpu", "go-memory-headroom", "sql-pool-wait"]);
    assert_eq!(compiled.policy.signals[2].target, Target::AverageValue(3000.0));
    // With a target it is about rates, so what was chosen before is void.
    let rates = json!({ "type": "Preset", "preset": { "name": "auto", "target": { "averageValue": 50 } } });
    assert_eq!(names(&with(&["go-cpu"], json!([rates]))), ["auto"]);
    let compiled = with(&["grpc-requests", "sql-pool-wait"], json!([rates]));
    let targets: Vec<_> = compiled.policy.signals.iter().map(|signal| signal.target).collect();
    assert_eq!(targets, [Target::AverageValue(50_000.0), Target::AverageValue(1000.0)]);
    let faults = faults(
        json!({ "metrics": [{ "type": "Preset", "role": "Guard", "preset": { "name": "auto", "parameters": { "service": "x" } } }] }),
    );
    assert!(faults[0].contains("role") && faults[1].contains("auto takes the parameter window only"), "{faults:?}");
}
