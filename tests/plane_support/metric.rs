//! Metrics as policies spell them.

use serde_json::{Value, json};

/// A Prometheus metric with its query and the type and value of its target.
pub fn prometheus(name: &str, query: &str, target: (&str, &str)) -> Value {
    let field = target.0[..1].to_lowercase() + &target.0[1..];
    json!({ "type": "Prometheus", "prometheus": { "name": name, "query": query, "target": { "type": target.0, field: target.1 } } })
}

/// A metric of any other type by the name of its field.
pub fn metric(kind: &str, mut source: Value, target: (&str, Value)) -> Value {
    let (field, value) = target;
    let kinds = [("averageUtilization", "Utilization"), ("averageValue", "AverageValue"), ("value", "Value")];
    source["target"] = json!({ "type": kinds.iter().find(|(known, _)| *known == field).unwrap().1, field: value });
    json!({ "type": kind, kind[..1].to_lowercase() + &kind[1..]: source })
}

/// CPU in percent of the requests.
pub fn cpu(percent: i32) -> Value {
    metric("Resource", json!({ "name": "cpu" }), ("averageUtilization", json!(percent)))
}
