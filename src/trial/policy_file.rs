//! Policies in files: `ScalePolicy`, `autoscaling/v2` HPA, or an annotated workload, in YAML or JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::error::{TrialError, read};
use super::fields;
use crate::api::annotations::{self, Workload};
use crate::api::nearest::hint;
use crate::api::{Compiled, Defaults, FieldError, ScalePolicy, TargetRef, compile};
use crate::cluster::{WorkloadKind, fault};

/// A policy and where it stands.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its name.
    pub name: String,
    /// The file, and kind and name in it: for messages.
    pub place: String,
    /// As it is written.
    pub policy: ScalePolicy,
    /// As it is decided.
    pub compiled: Compiled,
}

/// Reads `FILE` or `FILE#NAME`: the policy of that name, or the only one.
///
/// # Errors
/// A file that cannot be read, holds no such policy or several, or a policy with faults.
pub fn policy(argument: &str, defaults: &Defaults) -> Result<Written, TrialError> {
    let (file, name) = match argument.rsplit_once('#') {
        Some((file, name)) if !Path::new(argument).exists() => (file, Some(name)),
        _ => (argument, None),
    };
    one(file, &documents(file, &read(Path::new(file))?)?, name, defaults)
}

/// The policy of `name`, or the only one, among these documents.
pub(super) fn one(file: &str, documents: &[Value], name: Option<&str>, defaults: &Defaults) -> Result<Written, TrialError> {
    let policies: Vec<&Value> = documents.iter().filter(|document| is_policy(document)).collect();
    let names: Vec<&str> = policies.iter().map(|document| name_of(document)).collect();
    let chosen = match name {
        Some(name) => {
            let found: Vec<&Value> = policies.iter().filter(|document| name_of(document) == name).copied().collect();
            match found[..] {
                [document] => document,
                [] => return Err(TrialError::form(file, format!("no policy is named {name}; {}", hint(name, &names)))),
                _ => return Err(TrialError::form(file, format!("{} policies are named {name}", found.len()))),
            }
        }
        None => match policies[..] {
            [document] => document,
            [] => {
                let kinds: Vec<&str> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
                let found = if kinds.is_empty() { String::new() } else { format!(", only {}", kinds.join(", ")) };
                let wanted = "a ScalePolicy, an autoscaling/v2 HorizontalPodAutoscaler, or a workload with ballast.dev/ annotations";
                return Err(TrialError::form(file, format!("holds no policy{found}; wanted is {wanted}")));
            }
            _ => return Err(TrialError::form(file, format!("holds {} policies: name one, such as {file}#{}", names.len(), names[0]))),
        },
    };
    written(file, chosen, defaults)
}

/// The documents of a text, with the items of lists in their place.
pub(crate) fn documents(file: &str, text: &str) -> Result<Vec<Value>, TrialError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| TrialError::form(file, error))?;
    let mut all = Vec::new();
    for document in documents {
        match document.get("items") {
            Some(Value::Array(items)) if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => {
                all.extend(items.iter().cloned());
            }
            _ => all.push(document),
        }
    }
    Ok(all)
}

/// One object as a policy; it is known to be one.
pub(crate) fn written(file: &str, document: &Value, defaults: &Defaults) -> Result<Written, TrialError> {
    let (kind, name) = (document["kind"].as_str().unwrap_or_default(), name_of(document));
    let place = format!("{file}: {kind}/{name}");
    let refused = |errors| TrialError::Fields { place: place.clone(), errors };
    let policy = match kind {
        "ScalePolicy" | "HorizontalPodAutoscaler" => object(document).map_err(refused)?,
        _ => annotated(document).map_err(refused)?,
    };
    let compiled = compile(&policy, defaults).map_err(refused)?;
    if compiled.auto.as_ref().is_some_and(|auto| auto.chosen.is_empty()) {
        let why = "auto is chosen in the cluster by what has series there: name a preset instead";
        return Err(refused(vec![FieldError::new("spec.metrics", "auto", why)]));
    }
    Ok(Written { name: name.to_owned(), place, policy, compiled })
}

/// A `ScalePolicy`, or an HPA, whose spec is one.
fn object(document: &Value) -> Result<ScalePolicy, Vec<FieldError>> {
    let version = document["apiVersion"].as_str().unwrap_or_default();
    let allowed = if document["kind"] == "ScalePolicy" { "ballast.dev/v1alpha1" } else { "autoscaling/v2" };
    if version != allowed {
        return Err(vec![FieldError::new("apiVersion", version, format!("must be {allowed}"))]);
    }
    let unknown = fields::unknown(&document["spec"]);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    serde_path_to_error::deserialize::<_, ScalePolicy>(document).map_err(|error| vec![fault(document, &error)])
}

fn annotated(document: &Value) -> Result<ScalePolicy, Vec<FieldError>> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let target =
        TargetRef { api_version: text("/apiVersion").to_owned(), kind: text("/kind").to_owned(), name: text("/metadata/name").to_owned() };
    let annotations = annotations_of(document);
    let workload = Workload { namespace: "default", target: &target, uid: "", annotations: &annotations };
    annotations::desired(&workload)?.ok_or_else(|| vec![FieldError::new("metadata.annotations", "", "none begins with ballast.dev/")])
}

/// Whether a document is one of the forms of a policy.
pub(crate) fn is_policy(document: &Value) -> bool {
    let text = |field: &str| document[field].as_str().unwrap_or_default();
    match text("kind") {
        "ScalePolicy" | "HorizontalPodAutoscaler" => true,
        kind => WorkloadKind::find(text("apiVersion"), kind).is_some() && annotations::any(&annotations_of(document)),
    }
}

fn annotations_of(document: &Value) -> BTreeMap<String, String> {
    let given = document.pointer("/metadata/annotations").and_then(Value::as_object);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    given.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn name_of(document: &Value) -> &str {
    document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, name: Option<&str>) -> Result<Written, String> {
        let documents = documents("web.yaml", text).map_err(|error| error.to_string())?;
        one("web.yaml", &documents, name, &Defaults::default()).map_err(|error| error.to_string())
    }

    const POLICY: &str = "{apiVersion: ballast.dev/v1alpha1, kind: ScalePolicy, metadata: {name: web}, \
        spec: {maxReplicas: 9, scaleTargetRef: {kind: Deployment, name: web}}}";
    const HPA: &str = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: old}, \
        spec: {maxReplicas: 7, scaleTargetRef: {kind: Deployment, name: web}}}";
    const WORKLOAD: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, annotations: \
        {ballast.dev/max-replicas: '8', ballast.dev/capacity-rps: '50'}}, spec: {}}";

    #[test]
    fn every_form_of_a_policy_is_found_by_name_among_other_objects() {
        let text = format!("{{kind: Service, metadata: {{name: web}}}}\n---\n{POLICY}\n---\n{HPA}\n---\n{WORKLOAD}\n");
        for (name, max) in [("web", 9), ("old", 7), ("api", 8)] {
            assert_eq!(read(&text, Some(name)).unwrap().compiled.policy.max_replicas, max);
        }
        assert_eq!(read(&text, None).unwrap_err(), "web.yaml: holds 3 policies: name one, such as web.yaml#web");
        assert_eq!(read(&text, Some("wbe")).unwrap_err(), "web.yaml: no policy is named wbe; did you mean web?");
        assert_eq!(read(&format!("kind: List\nitems: [{POLICY}]"), None).unwrap().name, "web");
    }

    #[test]
    fn faults_have_a_place_a_path_a_value_and_what_is_allowed() {
        let said = |from: &str, to: &str| read(&POLICY.replace(from, to), None).unwrap_err();
        assert_eq!(said("maxReplicas: 9", "maxReplicas: 0"), "web.yaml: ScalePolicy/web: spec.maxReplicas: 0: must be at least 1");
        assert_eq!(
            said("maxReplicas: 9", "maxReplicas: 9, modus: x"),
            "web.yaml: ScalePolicy/web: spec.modus: unknown field; did you mean mode?"
        );
        assert_eq!(said("v1alpha1", "v1"), "web.yaml: ScalePolicy/web: apiVersion: ballast.dev/v1: must be ballast.dev/v1alpha1");
        assert_eq!(said("9", "many"), r#"web.yaml: ScalePolicy/web: spec.maxReplicas: "many": must be a whole number of 32 bits"#);
        assert!(said("kind: ScalePolicy", "kind: Service").starts_with("web.yaml: holds no policy, only Service; wanted is a ScalePolicy"));
        let annotation = read(&WORKLOAD.replace("'8'", "none"), None).unwrap_err();
        assert!(
            annotation.starts_with("web.yaml: Deployment/api: metadata.annotations[ballast.dev/max-replicas]: none: must be"),
            "{annotation}"
        );
    }
}
