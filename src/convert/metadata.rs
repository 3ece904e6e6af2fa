//! Name, namespace, labels and annotations of a policy: those of the object it is made from.

use serde_json::{Map, Value, json};

use super::Remarks;
use crate::api::FieldError;

/// Prefixes of labels and annotations that are about the old object only.
const OWN: [&str; 5] =
    ["kubectl.kubernetes.io/", "autoscaling.alpha.kubernetes.io/", "autoscaling.keda.sh/", "scaledobject.keda.sh/", "validations.keda.sh/"];

/// Metadata of the policy made from this object.
pub fn of(document: &Value, out: &mut Remarks) -> Result<Value, Vec<FieldError>> {
    let Some(name) = document.pointer("/metadata/name").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
        return Err(vec![FieldError::new("metadata.name", "", "must be given")]);
    };
    let mut metadata = json!({ "name": name });
    if let Some(namespace) = document.pointer("/metadata/namespace").filter(|namespace| !namespace.is_null()) {
        metadata["namespace"] = namespace.clone();
    }
    let kept = |field: &str| {
        let mut kept = map(document, field).cloned().unwrap_or_default();
        kept.retain(|key, _| !OWN.iter().any(|prefix| key.starts_with(prefix)));
        kept
    };
    let (labels, annotations) = (kept("labels"), kept("annotations"));
    if !labels.is_empty() {
        metadata["labels"] = Value::Object(labels);
    }
    if !annotations.is_empty() {
        let keys: Vec<&str> = annotations.keys().map(String::as_str).collect();
        out.note("metadata.annotations", keys.join(", "), "kept; remove what is about the old object only");
        metadata["annotations"] = Value::Object(annotations);
    }
    Ok(metadata)
}

/// Labels or annotations of an object, if it has any.
pub fn map<'a>(document: &'a Value, field: &str) -> Option<&'a Map<String, Value>> {
    document.get("metadata")?.get(field)?.as_object().filter(|map| !map.is_empty())
}
