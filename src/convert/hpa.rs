//! `HorizontalPodAutoscaler`s of all versions.

use serde_json::{Map, Value, json};

use super::metadata::map;
use super::old;
use super::{Made, Options, Remarks, Rules};
use crate::api::FieldError;
use crate::api::nearest::hint;

/// Fields of a spec.
const V2: [&str; 5] = ["behavior", "maxReplicas", "metrics", "minReplicas", "scaleTargetRef"];
const V1: [&str; 4] = ["maxReplicas", "minReplicas", "scaleTargetRef", "targetCPUUtilizationPercentage"];
/// Types of metrics.
const TYPES: [&str; 5] = ["Resource", "ContainerResource", "Pods", "Object", "External"];
/// Where an API server keeps, in v1, what v1 has no field for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

type Faults = Vec<FieldError>;

/// The object that made this HPA and would make it again.
pub fn owner(document: &Value) -> Option<String> {
    let owners = document.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some(format!("{}/{}", owner["kind"].as_str()?, owner["name"].as_str()?))
}

/// The spec of a policy that does the same.
pub fn convert(document: &Value, rules: &Rules, options: &Options, out: &mut Remarks) -> Result<Made, Faults> {
    let version = document["apiVersion"].as_str().unwrap_or_default();
    let mut spec = match version {
        "autoscaling/v2" | "autoscaling/v2beta2" => fields(document, &V2)?,
        "autoscaling/v2beta1" => {
            let mut spec = fields(document, &V2)?;
            let list = spec.remove("metrics").unwrap_or_default();
            if let Some(list) = old_metrics("spec.metrics", &list)? {
                spec.insert("metrics".to_owned(), list);
            }
            spec
        }
        "autoscaling/v1" => v1(document)?,
        _ => {
            let allowed = "must be autoscaling/v2, v2beta2, v2beta1 or v1";
            return Err(vec![FieldError::new("apiVersion", version, allowed)]);
        }
    };
    spec.retain(|_, value| !value.is_null());
    if spec.get("metrics").is_none_or(|metrics| metrics.as_array().is_some_and(Vec::is_empty)) {
        spec.remove("metrics");
        out.note("spec.metrics", "", "none: both follow CPU at 80 % of the requests");
    }
    if let Some(metrics) = spec.get_mut("metrics") {
        types(metrics)?;
        rules.answer(metrics, options, out);
    }
    Ok(Made { spec: Value::Object(spec), sources: Vec::new() })
}

/// The spec, if it has no other fields than these.
fn fields(document: &Value, known: &[&str]) -> Result<Map<String, Value>, Faults> {
    let Some(spec) = document["spec"].as_object() else {
        return Err(vec![FieldError::new("spec", "", "must be given")]);
    };
    let unknown: Faults = spec
        .keys()
        .filter(|field| !known.contains(&field.as_str()))
        .map(|field| FieldError::new(format!("spec.{field}"), "", format!("unknown field; {}", hint(field, known))))
        .collect();
    if unknown.is_empty() { Ok(spec.clone()) } else { Err(unknown) }
}

/// Refuses types that no HPA has, of which a policy has some.
fn types(metrics: &Value) -> Result<(), Faults> {
    let list = metrics.as_array().map(Vec::as_slice).unwrap_or_default();
    let wrong = |(index, metric): (usize, &Value)| {
        let kind = metric["type"].as_str()?;
        let message = || format!("must be one of {}", TYPES.join(", "));
        (!TYPES.contains(&kind)).then(|| FieldError::new(format!("spec.metrics[{index}].type"), kind, message()))
    };
    let faults: Faults = list.iter().enumerate().filter_map(wrong).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn v1(document: &Value) -> Result<Map<String, Value>, Faults> {
    let mut spec = fields(document, &V1)?;
    let mut metrics = Vec::new();
    if let Some(percent) = spec.remove("targetCPUUtilizationPercentage").filter(|percent| !percent.is_null()) {
        if !percent.as_i64().is_some_and(|percent| (1..=i64::from(i32::MAX)).contains(&percent)) {
            let fault = FieldError::new("spec.targetCPUUtilizationPercentage", percent, "must be a whole number of at least 1 percent");
            return Err(vec![fault]);
        }
        let target = json!({ "type": "Utilization", "averageUtilization": percent });
        metrics.push(json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } }));
    }
    if let Some((path, list)) = annotation(document, METRICS)?
        && let Some(Value::Array(more)) = old_metrics(&path, &list)?
    {
        metrics.extend(more);
    }
    if !metrics.is_empty() {
        spec.insert("metrics".to_owned(), Value::Array(metrics));
    }
    if let Some((_, behavior)) = annotation(document, BEHAVIOR)? {
        spec.insert("behavior".to_owned(), lower(behavior));
    }
    Ok(spec)
}

/// JSON in an annotation, with its path.
fn annotation(document: &Value, key: &str) -> Result<Option<(String, Value)>, Faults> {
    let Some(text) = map(document, "annotations").and_then(|annotations| annotations.get(key)) else { return Ok(None) };
    let path = format!("metadata.annotations[{key}]");
    let text = text.as_str().unwrap_or_default();
    match serde_json::from_str(text) {
        Ok(value) => Ok(Some((path, value))),
        Err(error) => Err(vec![FieldError::new(path, text, format!("must be JSON: {error}"))]),
    }
}

/// Field names as written; the API server keeps behavior with those of its own types, which begin with capitals.
fn lower(value: Value) -> Value {
    let name = |name: String| {
        let mut letters = name.chars();
        letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
    };
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (name(key), lower(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(lower).collect()),
        other => other,
    }
}

fn old_metrics(path: &str, list: &Value) -> Result<Option<Value>, Faults> {
    let list = match list {
        Value::Null => return Ok(None),
        Value::Array(list) => list,
        other => return Err(vec![FieldError::new(path, other, "must be a list")]),
    };
    let (mut new, mut faults) = (Vec::new(), Vec::new());
    for (index, metric) in list.iter().enumerate() {
        match old::metric(&format!("{path}[{index}]"), metric) {
            Ok(metric) => new.push(metric),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(Some(Value::Array(new))) } else { Err(faults) }
}
