//! An object of a list or watch that may be unreadable without spoiling the others, and what is wrong with it, by field.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::Value;
use serde_path_to_error::Segment;

use super::shallow::shallow;

use crate::api::FieldError;
use crate::api::nearest::hint;

/// Like kube's `DeserializeGuard`, but it names the field: "expected i32" alone helps nobody.
#[derive(Clone, Debug)]
pub struct Guarded<K>(pub Result<K, Unreadable>);

/// An object whose fields have the wrong types.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// The first fault of it.
    pub error: FieldError,
}

// === impl Guarded ===

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = shallow(deserializer)?;
        // Paths cost time, so they are looked for only when there is a fault.
        if let Ok(object) = K::deserialize(&value) {
            return Ok(Self(Ok(object)));
        }
        match serde_path_to_error::deserialize::<_, K>(&value) {
            Ok(object) => Ok(Self(Ok(object))),
            Err(error) => {
                let PartialObjectMeta { metadata, .. } = PartialObjectMeta::<K>::deserialize(&value).map_err(D::Error::custom)?;
                Ok(Self(Err(Unreadable { metadata, error: fault(&value, &error) })))
            }
        }
    }
}

/// The error with its path, the value that stands there, and what is allowed. What is missing is named by the path it should have.
pub(crate) fn fault(object: &Value, error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let (path, text) = (error.path(), error.inner().to_string());
    if let Some(field) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let parent = path.iter().next().map(|_| format!("{path}.")).unwrap_or_default();
        return FieldError::new(format!("{parent}{field}"), "", "must be given");
    }
    if let Some((name, rest)) = text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        return FieldError::new(path.to_string(), "", format!("unknown field; {}", hint(name, &known)));
    }
    let value = path.iter().try_fold(object, |value, segment| match segment {
        Segment::Map { key } => value.get(key),
        Segment::Seq { index } => value.get(index),
        Segment::Enum { .. } | Segment::Unknown => Some(value),
    });
    match (value, text.rsplit_once(", expected ")) {
        (Some(value), Some((_, allowed))) => FieldError::new(path.to_string(), value, format!("must be {}", plain(allowed))),
        _ => FieldError::new(path.to_string(), "", text),
    }
}

/// Types in the words of people who write YAML.
fn plain(allowed: &str) -> &str {
    match allowed {
        "i32" => "a whole number of 32 bits",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if allowed.starts_with("struct ") => "an object",
        _ => allowed,
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
        self.0.as_ref().map_or_else(|unreadable| &unreadable.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|unreadable| &mut unreadable.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::ScalePolicy;

    fn said(spec: &Value) -> String {
        let object = json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": "web" }, "spec": spec });
        let guarded: Guarded<ScalePolicy> = serde_json::from_value(object).unwrap();
        assert_eq!(guarded.meta().name.as_deref(), Some("web"));
        guarded.0.unwrap_err().error.to_string()
    }

    #[test]
    fn a_wrong_type_is_named_with_path_value_and_what_is_allowed() {
        let target = json!({ "kind": "Deployment", "name": "web" });
        let spec = |max: Value| json!({ "scaleTargetRef": target, "maxReplicas": max });
        assert_eq!(said(&spec(json!("ten"))), r#"spec.maxReplicas: "ten": must be a whole number of 32 bits"#);
        assert_eq!(said(&spec(json!({ "at": "most" }))), r#"spec.maxReplicas: {"at":"most"}: must be a whole number of 32 bits"#);
        assert_eq!(said(&json!({ "scaleTargetRef": target })), "spec.maxReplicas: must be given");
        assert_eq!(said(&json!([])), "spec: []: must be an object");
        assert!(said(&spec(json!("x".repeat(9999)))).len() < 200);
    }
}
