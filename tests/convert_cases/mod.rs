//! Tables of inputs and what becomes of them.

mod adapter;
mod anything;
mod hpa;
mod keda;

use ballast::api::Defaults;
use ballast::convert::{Converted, Input, Options, convert};
use serde_json::Value;

/// Converts documents with the defaults.
pub fn converted(text: &str) -> Result<Converted, String> {
    let documents = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let inputs = [Input { place: "in".to_owned(), documents }];
    convert(&inputs, &Options::default(), &Defaults::default()).map_err(|error| error.to_string())
}

/// The spec of the only policy.
pub fn spec(text: &str) -> Result<Value, String> {
    let converted = converted(text)?;
    let policies: Vec<&Value> = converted.objects.iter().filter(|object| object["kind"] == "ScalePolicy").collect();
    assert_eq!(policies.len(), 1, "{:?}", converted.remarks);
    Ok(policies[0]["spec"].clone())
}

/// All remarks as they are printed.
pub fn said(text: &str) -> Vec<String> {
    converted(text).unwrap().remarks.iter().map(ToString::to_string).collect()
}

/// YAML as a value.
pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A `ScaledObject` of these fields; `min`, `max` and `idle` are short for KEDA's names.
pub fn scaled_object(fields: &str, triggers: &str) -> String {
    let fields = fields.strip_prefix('{').and_then(|fields| fields.strip_suffix('}')).unwrap();
    let fields = fields.replace("min:", "minReplicaCount:").replace("max:", "maxReplicaCount:").replace("idle:", "idleReplicaCount:");
    let fields: String = fields.split(';').flat_map(|field| ["  ", field.trim(), "\n"]).collect();
    let triggers: String = triggers.lines().flat_map(|line| ["  ", line, "\n"]).collect();
    format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: orders, namespace: shop}}\nspec:\n  scaleTargetRef: {{name: orders}}\n{fields}  triggers:\n{triggers}"
    )
}
