//! Metrics in the form before `autoscaling/v2`: `autoscaling/v2beta1`, and annotations of `autoscaling/v1`.

use serde_json::{Map, Value, json};

use crate::api::FieldError;
use crate::api::nearest::hint;

/// Types with the field that belongs to each, and the fields in there.
const TYPES: [(&str, &str, &[&str]); 5] = [
    ("Resource", "resource", &["name", "targetAverageUtilization", "targetAverageValue"]),
    ("ContainerResource", "containerResource", &["name", "container", "targetAverageUtilization", "targetAverageValue"]),
    ("Pods", "pods", &["metricName", "selector", "targetAverageValue"]),
    ("Object", "object", &["averageValue", "metricName", "selector", "target", "targetValue"]),
    ("External", "external", &["metricName", "metricSelector", "targetAverageValue", "targetValue"]),
];

/// The same metric in the form of `autoscaling/v2`.
pub fn metric(path: &str, old: &Value) -> Result<Value, FieldError> {
    let kind = old["type"].as_str().unwrap_or_default();
    let Some((kind, field, known)) = TYPES.iter().find(|(name, ..)| *name == kind) else {
        let names: Vec<&str> = TYPES.iter().map(|(name, ..)| *name).collect();
        return Err(FieldError::new(format!("{path}.type"), kind, format!("must be one of {}", names.join(", "))));
    };
    let path = format!("{path}.{field}");
    let Some(part) = old[*field].as_object() else {
        return Err(FieldError::new(path, "", format!("must be given with type {kind}")));
    };
    if let Some(unknown) = part.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(FieldError::new(format!("{path}.{unknown}"), "", format!("unknown field; {}", hint(unknown, known))));
    }
    let mut new = Map::new();
    for field in ["name", "container"] {
        if let Some(value) = given(part, field) {
            new.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(name) = given(part, "metricName") {
        let mut metric = json!({ "name": name });
        if let Some(selector) = given(part, "selector").or_else(|| given(part, "metricSelector")) {
            metric["selector"] = selector.clone();
        }
        new.insert("metric".to_owned(), metric);
    }
    if let Some(object) = given(part, "target") {
        new.insert("describedObject".to_owned(), object.clone());
    }
    new.insert("target".to_owned(), target(part));
    Ok(json!({ "type": kind, (*field): new }))
}

/// A field that is there; older servers wrote empty ones too.
fn given<'a>(part: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    part.get(field).filter(|value| !value.is_null())
}

fn target(part: &Map<String, Value>) -> Value {
    if let Some(percent) = given(part, "targetAverageUtilization") {
        return json!({ "type": "Utilization", "averageUtilization": percent });
    }
    if let Some(average) = given(part, "targetAverageValue").or_else(|| given(part, "averageValue")) {
        return json!({ "type": "AverageValue", "averageValue": average });
    }
    match given(part, "targetValue") {
        Some(value) => json!({ "type": "Value", "value": value }),
        None => json!({ "type": "Value" }),
    }
}
