//! Policies that somebody wrote to harm.

use serde_json::{Value, json};

/// Makes one of this name for this target.
pub type Maker = fn(&str, &str) -> Value;

/// Marks of text that a serializer would refuse, and that text.
pub const RAW: [(&str, &str); 4] = [
    ("@lone", r#""\ud800 and \udc00""#),
    ("@huge", "1e308"),
    ("@long", "123456789012345678901234567890123456789012345678901234567890"),
    ("@minus", "-0.0"),
];

/// All of them.
pub fn all() -> Vec<Maker> {
    let mut all: Vec<Maker> = vec![
        deep,
        deep_in_status,
        wide,
        long_query,
        long_names,
        unicode,
        numbers,
        quantities,
        durations,
        many_metrics,
        many_schedules,
        never,
    ];
    let queries: [Maker; 12] = [
        |name, target| query(name, target, &format!("{}up{}", "(".repeat(50_000), ")".repeat(50_000))),
        |name, target| query(name, target, &"-".repeat(100_000)),
        |name, target| query(name, target, &vec!["up"; 20_000].join("+")),
        |name, target| query(name, target, &format!("{}up{}", "sum(".repeat(5000), ")".repeat(5000))),
        |name, target| query(name, target, &format!("max_over_time({}[100y:1s])", nested("rate(up[1y])", 8))),
        |name, target| query(name, target, "count_over_time(up[500y])"),
        |name, target| query(name, target, &format!("up{{job=~\"{}\"}}", "(a+)+".repeat(2000))),
        |name, target| query(name, target, &format!("up{{job=~\"(.*){{1,1000}}{}\"}}", "(x|y|z)*".repeat(1000))),
        |name, target| query(name, target, "label_replace({__name__=~\".+\"}, \"pod\", \"$1\", \"__name__\", \"(.+)\")"),
        |name, target| query(name, target, "{__name__=~\".+\"} * on() group_left {__name__=~\".+\"}"),
        |name, target| query(name, target, &format!("# {}", "\u{202e}\u{200b}".repeat(5000))),
        |name, target| query(name, target, "up{a=\"${namespace}${namespace}\"} offset -10000d @ end() \u{0}"),
    ];
    all.extend(queries);
    all
}

fn nested(inner: &str, depth: usize) -> String {
    (0..depth).fold(inner.to_owned(), |query, _| format!("max_over_time({query}[365d:1s])"))
}

fn policy(name: &str, target: &str, metrics: &Value, more: &Value) -> Value {
    let mut spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": target }, "minReplicas": 1, "maxReplicas": 20,
        "intervalSeconds": 15, "metrics": metrics,
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let metadata = json!({ "name": name, "labels": { "bad": "" } });
    json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": metadata, "spec": spec })
}

fn prometheus(query: &str) -> Value {
    json!([{ "type": "Prometheus", "prometheus": { "name": "bomb", "query": query, "target": { "type": "AverageValue", "averageValue": 1 } } }])
}

fn query(name: &str, target: &str, query: &str) -> Value {
    policy(name, target, &prometheus(query), &json!({}))
}

/// Deeper than JSON parsers go by default.
fn deep(name: &str, target: &str) -> Value {
    let deep = (0..100).fold(json!({}), |inner, _| json!({ "a": [inner] }));
    policy(name, target, &prometheus("up"), &json!({ "behavior": deep }))
}

fn deep_in_status(name: &str, target: &str) -> Value {
    let deep = (0..90).fold(json!("up"), |inner, _| json!([inner]));
    policy(name, target, &json!([{ "type": deep }]), &json!({}))
}

/// As large as etcd takes.
fn wide(name: &str, target: &str) -> Value {
    let many: serde_json::Map<String, Value> = (0..30_000).map(|n| (format!("unknown-field-{n}"), json!(n))).collect();
    policy(name, target, &prometheus("up"), &Value::Object(many))
}

fn long_query(name: &str, target: &str) -> Value {
    query(name, target, &format!("up{{a=\"{}\"}}", "x".repeat(900_000)))
}

fn long_names(name: &str, target: &str) -> Value {
    let mut policy = query(&format!("{name}{}", "-x".repeat(100)), target, "up");
    policy["metadata"]["annotations"] = json!({ "example.com/note": "\u{200b}".repeat(80_000) });
    policy
}

fn unicode(name: &str, target: &str) -> Value {
    let name_of = "\u{202e}\u{200b}\u{0}\u{feff}e\u{301}\u{1f4a9}\u{1b}[31m\nWARN forged";
    let metric =
        json!({ "type": "External", "external": { "metric": { "name": name_of }, "target": { "type": "Value", "value": "@lone" } } });
    policy(name, target, &json!([metric, { "type": "@lone" }]), &json!({ "pause": { "by": name_of, "reason": "@lone" } }))
}

fn numbers(name: &str, target: &str) -> Value {
    policy(
        name,
        target,
        &prometheus("up"),
        &json!({ "minReplicas": "@minus", "maxReplicas": "@huge", "intervalSeconds": "@long", "warmUpSeconds": "@huge" }),
    )
}

fn quantities(name: &str, target: &str) -> Value {
    let values = ["1e9999", "-1e-9999", &"9".repeat(1000), "9223372036854775807E", "0.000000000000000000000001n", "NaN", "Inf", "1Ki1"];
    let metrics: Vec<Value> = values
        .iter()
        .map(|value| json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "AverageValue", "averageValue": value } } }))
        .collect();
    policy(name, target, &json!(metrics), &json!({}))
}

fn durations(name: &str, target: &str) -> Value {
    let most = i64::MAX;
    let rules = json!({ "stabilizationWindowSeconds": most, "policies": [{ "type": "Percent", "value": most, "periodSeconds": most }], "tolerance": "1e400" });
    policy(
        name,
        target,
        &prometheus("up[9999999y]"),
        &json!({ "behavior": { "scaleDown": rules, "scaleUp": rules }, "fallback": { "holdSeconds": most } }),
    )
}

fn many_metrics(name: &str, target: &str) -> Value {
    let metrics: Vec<Value> = (0..2000).map(|n| prometheus(&format!("up{{n=\"{n}\"}}"))[0].clone()).collect();
    policy(name, target, &json!(metrics), &json!({}))
}

fn many_schedules(name: &str, target: &str) -> Value {
    let schedules: Vec<Value> =
        (0..2000).map(|n| json!({ "name": format!("s{n}"), "cron": "* * * * *", "durationSeconds": 59, "timeZone": "Pacific/Chatham", "minReplicas": 2 })).collect();
    policy(name, target, &prometheus("up"), &json!({ "schedules": schedules }))
}

/// A day that does not come.
fn never(name: &str, target: &str) -> Value {
    let schedules = json!([{ "name": "never", "cron": "0 0 30 2 *", "durationSeconds": 60, "timeZone": "UTC", "minReplicas": 2 }]);
    policy(name, target, &prometheus("up"), &json!({ "schedules": schedules }))
}
