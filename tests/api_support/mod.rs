//! Specs that must be refused, by the API server at apply and by `compile` for objects older than the server's rules.

// Every test binary uses a part of it.
#![allow(dead_code)]
// Tables are long, and written without borrows.
#![allow(clippy::too_many_lines, clippy::needless_pass_by_value, clippy::similar_names)]

use serde_json::{Value, json};

/// A fault put into a good spec.
pub struct Case {
    pub name: &'static str,
    /// JSON merge patch on [`good`].
    pub patch: Value,
    /// Path the API server names.
    pub server: &'static str,
    /// Path and text `compile` gives; `None` where the type itself cannot hold the fault.
    pub compile: Option<(&'static str, &'static str)>,
}

pub fn good() -> Value {
    json!({ "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "minReplicas": 3, "maxReplicas": 10 })
}

pub fn patched(patch: &Value) -> Value {
    let mut spec = good();
    merge(&mut spec, patch);
    spec
}

fn merge(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

fn metric(kind: &str, field: &str, body: Value) -> Value {
    json!({ "metrics": [{ "type": kind, field: body }] })
}

fn cpu(target: Value) -> Value {
    metric("Resource", "resource", json!({ "name": "cpu", "target": target }))
}

fn prometheus(patch: &Value) -> Value {
    let mut body = json!({ "name": "rps", "query": "sum(up)", "target": { "type": "AverageValue", "averageValue": 100 } });
    merge(&mut body, patch);
    metric("Prometheus", "prometheus", body)
}

fn up(rules: Value) -> Value {
    json!({ "behavior": { "scaleUp": rules } })
}

fn rate(patch: &Value) -> Value {
    let mut policy = json!({ "type": "Pods", "value": 4, "periodSeconds": 15 });
    merge(&mut policy, patch);
    up(json!({ "policies": [policy] }))
}

fn case(name: &'static str, patch: Value, path: &'static str, said: &'static str) -> Case {
    Case { name, patch, server: path, compile: Some((path, said)) }
}

/// The server names the parent where the schema, not a rule, finds that something is missing or too much.
fn case2(name: &'static str, patch: Value, server: &'static str, path: &'static str, said: &'static str) -> Case {
    Case { name, patch, server, compile: Some((path, said)) }
}

fn server_only(name: &'static str, patch: Value, path: &'static str) -> Case {
    Case { name, patch, server: path, compile: None }
}

pub fn cases() -> Vec<Case> {
    let mut cases = bounds();
    cases.extend(behaviors());
    cases.extend(metrics());
    cases.extend(prometheus_metrics());
    cases.extend(presets());
    cases.extend(extras());
    cases.extend(schedules());
    cases.extend(fallbacks());
    cases
}

fn bounds() -> Vec<Case> {
    vec![
        case("max 0", json!({ "maxReplicas": 0, "minReplicas": null }), "spec.maxReplicas", "must be at least 1"),
        case("max negative", json!({ "maxReplicas": -1 }), "spec.maxReplicas", "must be at least 1"),
        case("max below min", json!({ "maxReplicas": 2 }), "spec.maxReplicas", "must be at least spec.minReplicas (3)"),
        case("max below the default min", json!({ "minReplicas": null, "maxReplicas": 0 }), "spec.maxReplicas", "must be at least 1"),
        server_only("max missing", json!({ "maxReplicas": null }), "spec.maxReplicas"),
        server_only("max too large for 32 bits", json!({ "maxReplicas": 3_000_000_000_u32 }), "spec.maxReplicas"),
        case("min negative", json!({ "minReplicas": -1 }), "spec.minReplicas", "must be at least 0"),
        case("min 0 with CPU only", json!({ "minReplicas": 0 }), "spec.minReplicas", "needs a metric of type Object"),
        server_only("no target", json!({ "scaleTargetRef": null }), "spec.scaleTargetRef"),
        case("empty kind", json!({ "scaleTargetRef": { "kind": "" } }), "spec.scaleTargetRef.kind", "must not be empty"),
        case("empty name", json!({ "scaleTargetRef": { "name": "" } }), "spec.scaleTargetRef.name", "must not be empty"),
        case("slash in name", json!({ "scaleTargetRef": { "name": "a/b" } }), "spec.scaleTargetRef.name", "must not be"),
        case("dots as name", json!({ "scaleTargetRef": { "name": ".." } }), "spec.scaleTargetRef.name", "must not be"),
        case(
            "version with three parts",
            json!({ "scaleTargetRef": { "apiVersion": "a/b/c" } }),
            "spec.scaleTargetRef.apiVersion",
            "must be a version",
        ),
    ]
}

fn behaviors() -> Vec<Case> {
    vec![
        case(
            "window negative",
            up(json!({ "stabilizationWindowSeconds": -1 })),
            "spec.behavior.scaleUp.stabilizationWindowSeconds",
            "0 to 3600",
        ),
        case(
            "window too long",
            up(json!({ "stabilizationWindowSeconds": 3601 })),
            "spec.behavior.scaleUp.stabilizationWindowSeconds",
            "0 to 3600",
        ),
        case("no policies", up(json!({ "policies": [] })), "spec.behavior.scaleUp.policies", "at least one"),
        case("value 0", rate(&json!({ "value": 0 })), "spec.behavior.scaleUp.policies[0].value", "at least 1"),
        case("period 0", rate(&json!({ "periodSeconds": 0 })), "spec.behavior.scaleUp.policies[0].periodSeconds", "1 to 1800"),
        case("period too long", rate(&json!({ "periodSeconds": 1801 })), "spec.behavior.scaleUp.policies[0].periodSeconds", "1 to 1800"),
        server_only("unknown unit", rate(&json!({ "type": "Cores" })), "spec.behavior.scaleUp.policies[0].type"),
        server_only("unknown selection", up(json!({ "selectPolicy": "Median" })), "spec.behavior.scaleUp.selectPolicy"),
        case("tolerance negative", up(json!({ "tolerance": "-0.1" })), "spec.behavior.scaleUp.tolerance", "at least 0"),
        case("tolerance a negative number", up(json!({ "tolerance": -0.1 })), "spec.behavior.scaleUp.tolerance", "at least 0"),
        case("tolerance no quantity", up(json!({ "tolerance": "5%" })), "spec.behavior.scaleUp.tolerance", "quantity"),
    ]
}

fn metrics() -> Vec<Case> {
    let source = json!({ "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } });
    let identifier = json!({ "name": "jobs" });
    let ingress = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main" });
    vec![
        server_only("unknown type", metric("Nodes", "resource", source.clone()), "spec.metrics[0].type"),
        case("source missing", json!({ "metrics": [{ "type": "Resource" }] }), "spec.metrics[0].resource", "with type Resource"),
        case(
            "two sources",
            json!({ "metrics": [{ "type": "Resource", "resource": source, "pods": {
                "metric": identifier, "target": { "type": "AverageValue", "averageValue": 1 } } }] }),
            "spec.metrics[0].pods",
            "with type Pods, and only then",
        ),
        case(
            "utilization 0",
            cpu(json!({ "type": "Utilization", "averageUtilization": 0 })),
            "spec.metrics[0].resource.target.averageUtilization",
            "at least 1",
        ),
        case(
            "no target",
            cpu(json!({ "type": "Utilization" })),
            "spec.metrics[0].resource.target",
            "must have averageUtilization or averageValue",
        ),
        case(
            "both targets",
            cpu(json!({ "type": "Utilization", "averageUtilization": 50, "averageValue": "1" })),
            "spec.metrics[0].resource.target",
            "may not have both",
        ),
        case(
            "value 0",
            cpu(json!({ "type": "AverageValue", "averageValue": "0" })),
            "spec.metrics[0].resource.target.averageValue",
            "above 0",
        ),
        case(
            "value 0 with suffix",
            cpu(json!({ "type": "AverageValue", "averageValue": "0.00Mi" })),
            "spec.metrics[0].resource.target.averageValue",
            "above 0",
        ),
        case(
            "value a number 0",
            cpu(json!({ "type": "AverageValue", "averageValue": 0 })),
            "spec.metrics[0].resource.target.averageValue",
            "above 0",
        ),
        case(
            "value negative",
            cpu(json!({ "type": "AverageValue", "averageValue": "-100m" })),
            "spec.metrics[0].resource.target.averageValue",
            "above 0",
        ),
        case(
            "value no quantity",
            cpu(json!({ "type": "AverageValue", "averageValue": "1 core" })),
            "spec.metrics[0].resource.target.averageValue",
            "quantity",
        ),
        case(
            "empty resource",
            metric("Resource", "resource", json!({ "name": "", "target": { "type": "Utilization", "averageUtilization": 50 } })),
            "spec.metrics[0].resource.name",
            "must not be empty",
        ),
        case(
            "empty container",
            metric(
                "ContainerResource",
                "containerResource",
                json!({ "name": "cpu", "container": "", "target": { "type": "Utilization", "averageUtilization": 5 } }),
            ),
            "spec.metrics[0].containerResource.container",
            "must not be empty",
        ),
        case(
            "pods without average",
            metric("Pods", "pods", json!({ "metric": identifier, "target": { "type": "Value", "value": 1 } })),
            "spec.metrics[0].pods.target.averageValue",
            "must be given",
        ),
        case(
            "metric with slash",
            metric("Pods", "pods", json!({ "metric": { "name": "a/b" }, "target": { "type": "AverageValue", "averageValue": 1 } })),
            "spec.metrics[0].pods.metric.name",
            "must not be",
        ),
        case(
            "object without target",
            metric("Object", "object", json!({ "describedObject": ingress, "metric": identifier, "target": { "type": "Value" } })),
            "spec.metrics[0].object.target",
            "must have value or averageValue",
        ),
        case(
            "external with both",
            metric("External", "external", json!({ "metric": identifier, "target": { "type": "Value", "value": 1, "averageValue": 1 } })),
            "spec.metrics[0].external.target",
            "may not have both",
        ),
        case(
            "selector without values",
            metric(
                "External",
                "external",
                json!({ "metric": { "name": "jobs", "selector": { "matchExpressions": [{ "key": "queue", "operator": "In" }] } },
                "target": { "type": "Value", "value": 1 } }),
            ),
            "spec.metrics[0].external.metric.selector.matchExpressions[0].values",
            "In or NotIn",
        ),
        server_only("too many", json!({ "metrics": vec![json!({ "type": "Resource", "resource": source_cpu() }); 65] }), "spec.metrics"),
    ]
}

fn source_cpu() -> Value {
    json!({ "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } })
}

fn prometheus_metrics() -> Vec<Case> {
    vec![
        case("empty query", prometheus(&json!({ "query": "" })), "spec.metrics[0].prometheus.query", "must not be empty"),
        case("query too long", prometheus(&json!({ "query": "x".repeat(4097) })), "spec.metrics[0].prometheus.query", "at most 4096"),
        case("empty metric name", prometheus(&json!({ "name": "" })), "spec.metrics[0].prometheus.name", "must not be empty"),
        case("empty source", prometheus(&json!({ "source": "" })), "spec.metrics[0].prometheus.source", "must not be empty"),
        case(
            "target field missing",
            prometheus(&json!({ "target": { "type": "Capacity", "averageValue": null } })),
            "spec.metrics[0].prometheus.target.capacity",
            "with type Capacity",
        ),
        case(
            "two target fields",
            prometheus(&json!({ "target": { "value": 1 } })),
            "spec.metrics[0].prometheus.target.value",
            "with type Value, and only then",
        ),
        case(
            "target 0",
            prometheus(&json!({ "target": { "averageValue": "0" } })),
            "spec.metrics[0].prometheus.target.averageValue",
            "above 0",
        ),
        server_only("utilization", prometheus(&json!({ "target": { "type": "Utilization" } })), "spec.metrics[0].prometheus.target.type"),
        server_only("unknown whenEmpty", prometheus(&json!({ "whenEmpty": "One" })), "spec.metrics[0].prometheus.whenEmpty"),
        case2(
            "same name twice",
            json!({ "metrics": [prometheus(&json!({}))["metrics"][0], prometheus(&json!({}))["metrics"][0]] }),
            "spec.metrics",
            "spec.metrics[1].prometheus.name",
            "must differ",
        ),
    ]
}

fn preset(body: Value, role: Value) -> Value {
    let cpu = cpu(json!({ "type": "Utilization", "averageUtilization": 80 }))["metrics"][0].clone();
    let mut metric = json!({ "type": "Preset", "preset": body });
    if !role.is_null() {
        metric["role"] = role;
    }
    json!({ "metrics": [cpu, metric] })
}

fn presets() -> Vec<Case> {
    let guard = json!({ "type": "Preset", "preset": { "name": "go-memory-headroom" } });
    vec![
        case("no such preset", preset(json!({ "name": "go-cup" }), Value::Null), "spec.metrics[1].preset.name", "did you mean go-cpu?"),
        case(
            "a rate without a target",
            preset(json!({ "name": "linkerd-requests" }), Value::Null),
            "spec.metrics[1].preset.target",
            "must be given: what one replica bears",
        ),
        case2(
            "two targets",
            preset(json!({ "name": "go-cpu", "target": { "averageValue": 1, "capacity": 1 } }), Value::Null),
            "spec.metrics[1].preset.target",
            "spec.metrics[1].preset.target",
            "averageValue or capacity",
        ),
        case(
            "target 0",
            preset(json!({ "name": "go-cpu", "target": { "averageValue": 0 } }), Value::Null),
            "spec.metrics[1].preset.target.averageValue",
            "above 0",
        ),
        case2(
            "the body missing",
            json!({ "metrics": [{ "type": "Preset" }] }),
            "spec.metrics[0].preset",
            "spec.metrics[0].preset",
            "must be given with type Preset",
        ),
        case(
            "a heap that drives",
            preset(json!({ "name": "go-memory-headroom" }), json!("Driver")),
            "spec.metrics[1].role",
            "may be Guard only",
        ),
        case("a pool that guards", preset(json!({ "name": "sql-pool-wait" }), json!("Guard")), "spec.metrics[1].role", "may be Brake only"),
        server_only("unknown role", preset(json!({ "name": "go-cpu" }), json!("Watcher")), "spec.metrics[1].role"),
        server_only(
            "a parameter that is too long",
            preset(json!({ "name": "go-cpu", "parameters": { "window": "1".repeat(254) } }), Value::Null),
            "spec.metrics[1].preset.parameters.window",
        ),
        case2(
            "a preset twice",
            json!({ "metrics": [{ "type": "Preset", "preset": { "name": "go-cpu" } }, guard, guard] }),
            "spec.metrics",
            "spec.metrics[2].preset.name",
            "must differ",
        ),
        case("only a guard", json!({ "metrics": [guard] }), "spec.metrics", "must have the role Driver"),
        case(
            "min 0 with a preset of pods",
            json!({ "minReplicas": 0, "metrics": [{ "type": "Preset", "preset": { "name": "go-cpu" } }] }),
            "spec.minReplicas",
            "needs a metric of type Object",
        ),
    ]
}

fn extras() -> Vec<Case> {
    vec![
        case("interval 0", json!({ "intervalSeconds": 0 }), "spec.intervalSeconds", "1 to 300"),
        case("interval too long", json!({ "intervalSeconds": 301 }), "spec.intervalSeconds", "1 to 300"),
        case("warm-up negative", json!({ "warmUpSeconds": -1 }), "spec.warmUpSeconds", "0 to 3600"),
        case("warm-up too long", json!({ "warmUpSeconds": 3601 }), "spec.warmUpSeconds", "0 to 3600"),
        server_only("unknown mode", json!({ "mode": "Off" }), "spec.mode"),
        server_only("unknown pause", json!({ "pause": { "direction": "Left" } }), "spec.pause.direction"),
        server_only("pause until no time", json!({ "pause": { "until": "tomorrow" } }), "spec.pause.until"),
        case(
            "time constant 0",
            json!({ "smoothing": { "type": "Smooth", "timeConstantSeconds": 0 } }),
            "spec.smoothing.timeConstantSeconds",
            "1 to 3600",
        ),
        case(
            "collapse hold of more than an hour",
            json!({ "smoothing": { "type": "Smooth", "collapseHoldSeconds": 3601 } }),
            "spec.smoothing.collapseHoldSeconds",
            "3600",
        ),
        case(
            "collapse hold without smoothing",
            json!({ "smoothing": { "type": "None", "collapseHoldSeconds": 30 } }),
            "spec.smoothing.collapseHoldSeconds",
            "may be given with type Smooth only",
        ),
        case(
            "forecast horizon of two hours",
            json!({ "forecast": { "mode": "On", "horizonSeconds": 7200 } }),
            "spec.forecast.horizonSeconds",
            "3600",
        ),
        case(
            "forecast without smoothing",
            json!({ "smoothing": { "type": "None" }, "forecast": { "mode": "Shadow" } }),
            "spec.forecast.mode",
            "needs spec.smoothing.type Smooth",
        ),
        case("noise band 11", json!({ "smoothing": { "type": "Smooth", "noiseBand": 11 } }), "spec.smoothing.noiseBand", "0 to 10"),
        case("lead of -1 s", json!({ "smoothing": { "type": "Smooth", "leadSeconds": -1 } }), "spec.smoothing.leadSeconds", "0 to 3600"),
        case(
            "None with a lead",
            json!({ "smoothing": { "type": "None", "leadSeconds": 0 } }),
            "spec.smoothing.leadSeconds",
            "type Smooth only",
        ),
        case(
            "None with parameters",
            json!({ "smoothing": { "type": "None", "timeConstantSeconds": 30 } }),
            "spec.smoothing.timeConstantSeconds",
            "type Smooth only",
        ),
        server_only("smoothing without type", json!({ "smoothing": {} }), "spec.smoothing.type"),
    ]
}

/// A floor of 5 on weekdays, changed.
fn schedule(patch: &Value) -> Value {
    let mut schedule =
        json!({ "name": "office", "cron": "0 8 * * 1-5", "durationSeconds": 36000, "timeZone": "Europe/Berlin", "minReplicas": 5 });
    merge(&mut schedule, patch);
    json!({ "schedules": [schedule] })
}

fn once(patch: &Value) -> Value {
    let mut once = json!({ "cron": null, "durationSeconds": null, "start": "2026-11-27T00:00:00Z", "end": "2026-11-28T00:00:00Z" });
    if let (Value::Object(once), Value::Object(patch)) = (&mut once, patch) {
        once.extend(patch.clone());
    }
    schedule(&once)
}

fn schedules() -> Vec<Case> {
    let path = "spec.schedules[0]";
    let office = schedule(&json!({}))["schedules"][0].clone();
    let many: Vec<Value> = (0..33).map(|i| schedule(&json!({ "name": format!("s{i}") }))["schedules"][0].clone()).collect();
    let inside = "must be spec.minReplicas (3) to spec.maxReplicas (10)";
    vec![
        case("33 schedules", json!({ "schedules": many }), "spec.schedules", "at most 32"),
        case("schedule without name", schedule(&json!({ "name": "" })), "spec.schedules[0].name", "must not be empty"),
        case2(
            "schedules of one name",
            json!({ "schedules": [office, office] }),
            "spec.schedules[1]",
            "spec.schedules[1].name",
            "must differ",
        ),
        case("schedule at no time", schedule(&json!({ "cron": null, "durationSeconds": null })), path, "needs either cron"),
        case(
            "schedule at two times",
            schedule(&json!({ "start": "2026-11-27T00:00:00Z", "end": "2026-11-28T00:00:00Z" })),
            path,
            "needs either cron",
        ),
        case("cron without length", schedule(&json!({ "durationSeconds": null })), "spec.schedules[0].durationSeconds", "is missing"),
        case("window of 0 s", schedule(&json!({ "durationSeconds": 0 })), "spec.schedules[0].durationSeconds", "1 to 2678400"),
        case("window of 32 days", schedule(&json!({ "durationSeconds": 2_764_800 })), "spec.schedules[0].durationSeconds", "1 to 2678400"),
        case("start without end", once(&json!({ "end": null })), "spec.schedules[0].end", "belong together"),
        case2("end without start", once(&json!({ "start": null })), "spec.schedules[0].end", "spec.schedules[0].start", "belong together"),
        case(
            "end before start",
            once(&json!({ "end": "2026-11-26T00:00:00Z" })),
            "spec.schedules[0].end",
            "must be after start (2026-11-27T00:00:00Z)",
        ),
        case("end at start", once(&json!({ "end": "2026-11-27T01:00:00+01:00" })), "spec.schedules[0].end", "must be after start"),
        case("one window with a length", once(&json!({ "durationSeconds": 60 })), "spec.schedules[0].durationSeconds", "cron only"),
        server_only("end at no time", once(&json!({ "end": "noon" })), "spec.schedules[0].end"),
        case("schedule of no size", schedule(&json!({ "minReplicas": null })), path, "needs minReplicas, maxReplicas or replicas"),
        case("count and floor", schedule(&json!({ "replicas": 6 })), "spec.schedules[0].replicas", "may not be given together"),
        case(
            "scheduled max below min",
            schedule(&json!({ "maxReplicas": 4 })),
            "spec.schedules[0].maxReplicas",
            "at least minReplicas (5)",
        ),
        case2("floor above the policy", schedule(&json!({ "minReplicas": 11 })), "spec.schedules", "spec.schedules[0].minReplicas", inside),
        case2("floor below the policy", schedule(&json!({ "minReplicas": 2 })), "spec.schedules", "spec.schedules[0].minReplicas", inside),
        case2(
            "ceiling above the policy",
            schedule(&json!({ "maxReplicas": 11 })),
            "spec.schedules",
            "spec.schedules[0].maxReplicas",
            inside,
        ),
        case2(
            "count below the policy",
            schedule(&json!({ "minReplicas": null, "replicas": 0 })),
            "spec.schedules",
            "spec.schedules[0].replicas",
            inside,
        ),
        case("ramp of two days", schedule(&json!({ "rampSeconds": 172_800 })), "spec.schedules[0].rampSeconds", "0 to 86400"),
        case(
            "ramp to a ceiling",
            schedule(&json!({ "minReplicas": null, "maxReplicas": 5, "rampSeconds": 60 })),
            "spec.schedules[0].rampSeconds",
            "to rise to",
        ),
        case("empty cron", schedule(&json!({ "cron": "" })), "spec.schedules[0].cron", "must be minute, hour"),
        case("slash in front of a zone", schedule(&json!({ "timeZone": "/etc/passwd" })), "spec.schedules[0].timeZone", "IANA time zone"),
    ]
}

fn fallbacks() -> Vec<Case> {
    let fallback = |replicas: Value| json!({ "fallback": { "replicas": replicas } });
    let inside = "must be spec.minReplicas (3) to spec.maxReplicas (10)";
    vec![
        case("hold negative", json!({ "fallback": { "holdSeconds": -1 } }), "spec.fallback.holdSeconds", "0 to 86400"),
        case("floor and count", fallback(json!({ "floor": 4, "count": 4 })), "spec.fallback.replicas.count", "may not be given together"),
        case2("fallback above max", fallback(json!({ "floor": 11 })), "spec.fallback.replicas", "spec.fallback.replicas.floor", inside),
        case2("fallback below min", fallback(json!({ "count": 2 })), "spec.fallback.replicas", "spec.fallback.replicas.count", inside),
    ]
}
