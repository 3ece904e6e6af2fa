//! The `CustomResourceDefinitions` as they are installed: derived from the types, without what derivation adds in noise.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::metric_source::MetricSource;
use super::scale_policy::ScalePolicy;
use super::status::UNOBSERVED;

/// Every definition of this version, ready to be applied.
///
/// # Errors
/// If a schema cannot be written as JSON, which a test excludes.
pub fn definitions() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    documents()?.into_iter().map(serde_json::from_value).collect()
}

/// The same as JSON documents.
pub(crate) fn documents() -> Result<Vec<Value>, serde_json::Error> {
    [ScalePolicy::crd(), MetricSource::crd()]
        .into_iter()
        .map(|definition| {
            let mut document = serde_json::to_value(definition)?;
            if let Some(versions) = document.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
                versions.iter_mut().filter_map(|version| version.pointer_mut("/schema/openAPIV3Schema")).for_each(tidy);
            }
            // Only the controller writes status, from a spec that was checked; its rules would only use up the server's cost budget.
            if let Some(status) = document.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status") {
                without_rules(status);
                // Filled in where no status was written yet.
                status["default"] = json!({ "observedGeneration": UNOBSERVED });
            }
            Ok(document)
        })
        .collect()
}

fn without_rules(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("x-kubernetes-validations");
            map.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        _ => {}
    }
}

/// Removes `nullable` (the server drops a null where none is allowed, which is what a missing field means), joins the lines of doc comments
/// into paragraphs, and writes whole bounds without a fraction.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            tidy_keywords(map);
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidy_keywords(map: &mut Map<String, Value>) {
    if map.get("nullable").is_some_and(Value::is_boolean) {
        map.remove("nullable");
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
    for bound in ["minimum", "maximum"] {
        // Every bound of the API is whole and fits.
        #[allow(clippy::cast_possible_truncation)]
        if let Some(whole) = map.get(bound).and_then(Value::as_f64).filter(|value| value.fract() == 0.0) {
            map.insert(bound.to_owned(), json!(whole as i64));
        }
    }
}
