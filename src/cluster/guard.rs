//! One object with a field of the wrong type must not stop the list of all others.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An object, or its metadata and what is wrong with the rest. Like kube's guard of that kind, but the error names the field's path.
#[derive(Clone, Debug)]
pub struct Guarded<K> {
    meta: ObjectMeta,
    /// The object, or the first fault found: path, value, what is allowed.
    pub object: Result<K, String>,
}

// === impl Guarded ===

impl<'de, K: DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let meta = ObjectMeta::deserialize(&value["metadata"]).map_err(D::Error::custom)?;
        let object = serde_path_to_error::deserialize(&value).map_err(|error| in_words(&error));
        Ok(Self { meta, object })
    }
}

fn in_words(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = error.path().to_string();
    let fault = error.inner().to_string();
    // What is missing is named as its own path, as the API server does.
    match fault.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(field) => format!("{path}.{field}: must be given"),
        None => format!("{path}: {fault}"),
    }
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &K::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &K::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &K::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &K::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ScalePolicy;
    use serde_json::json;

    fn fault(spec: &Value) -> String {
        let object = json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": "web" }, "spec": spec });
        let guarded: Guarded<ScalePolicy> = serde_json::from_value(object).unwrap();
        assert_eq!(guarded.meta().name.as_deref(), Some("web"));
        guarded.object.unwrap_err()
    }

    #[test]
    fn faults_are_told_with_path_and_value() {
        let target = json!({ "kind": "Deployment", "name": "web" });
        assert_eq!(fault(&json!({ "scaleTargetRef": target })), "spec.maxReplicas: must be given");
        let text = fault(&json!({ "scaleTargetRef": target, "maxReplicas": "ten" }));
        assert!(text.starts_with("spec.maxReplicas: ") && text.contains("\"ten\""), "{text}");
        let text = fault(&json!({ "scaleTargetRef": target, "maxReplicas": 3, "metrics": [{ "type": "Nodes" }] }));
        assert!(text.starts_with("spec.metrics[0].type: ") && text.contains("Nodes") && text.contains("Prometheus"), "{text}");
    }
}
