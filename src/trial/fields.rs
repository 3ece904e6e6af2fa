//! Fields that no schema knows: what the API server warns of, and a file is otherwise read without.

use std::sync::LazyLock;

use serde_json::Value;

use crate::api::nearest::nearest;
use crate::api::{FieldError, crd};

/// Fields of a policy's spec that do not exist, with what they may have been meant to be.
pub(super) fn unknown(spec: &Value) -> Vec<FieldError> {
    let mut found = Vec::new();
    walk("spec", spec, &SCHEMA, &mut found);
    found
}

/// Schema of a policy's spec; it takes longer to make than a policy to read. A test reads every definition.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let documents = crd::documents().unwrap_or_default();
    let schema = documents.first().and_then(|crd| crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec"));
    schema.cloned().unwrap_or_default()
});

fn walk(path: &str, value: &Value, schema: &Value, found: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            for (name, value) in map {
                let path = format!("{path}.{name}");
                if let Some(schema) = properties.get(name) {
                    walk(&path, value, schema, found);
                } else {
                    let near = nearest(name, properties.keys().map(String::as_str));
                    let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                    found.push(FieldError::new(path, "", format!("unknown field{hint}")));
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            for (index, item) in items.iter().enumerate() {
                walk(&format!("{path}[{index}]"), item, schema, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn misspelt_fields_are_named_wherever_they_stand() {
        let spec = json!({
            "scaleTargetRef": { "kind": "Deployment", "name": "web" }, "maxReplica": 3, "behavior": { "scaleDown": { "policy": 3 } },
            "metrics": [{ "type": "Pods", "pods": { "metric": { "name": "x", "selector": { "matchLabels": { "any": "thing" } } } } }],
        });
        let said: Vec<String> = unknown(&spec).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "spec.behavior.scaleDown.policy: unknown field; did you mean policies?",
                "spec.maxReplica: unknown field; did you mean maxReplicas?"
            ]
        );
    }
}
