//! What is wrong with manifests before they are applied: faults that the API server or the controller would find, and what would fight later.

use std::fmt;

use serde_json::Value;

use crate::api::scale_policy::Mode;
use crate::api::{Defaults, FieldError, MetricSource};
use crate::cluster::{WorkloadKind, fault};
use crate::trial::TrialError;
use crate::trial::policy_file::{Written, is_policy, written};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Severity {
    /// It cannot be applied, or would not be decided.
    Error,
    /// It works, and probably not as meant.
    Warning,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file, and kind and name in it.
    pub place: String,
    /// How much it matters.
    pub severity: Severity,
    /// Path of the field.
    pub path: String,
    /// What stands there.
    pub value: String,
    /// What is wrong with it.
    pub message: String,
}

/// What was read, and what is to be said of it.
#[derive(Debug, Default)]
pub struct Linted {
    /// Places of all policies and sources that were read.
    pub objects: Vec<String>,
    /// Errors and warnings in the order of the files.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, severity, path, value, message } = self;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let field = FieldError { path: path.clone(), value: value.clone(), message: message.clone() };
        write!(f, "{place}: {severity}: {field}")
    }
}

impl Linted {
    /// Whether something cannot be applied.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    fn add(&mut self, place: &str, severity: Severity, field: FieldError) {
        let FieldError { path, value, message } = field;
        self.findings.push(Finding { place: place.to_owned(), severity, path, value, message });
    }
}

/// Looks at all documents of these files together.
pub fn lint(files: &[(String, Vec<Value>)], defaults: &Defaults) -> Linted {
    let mut linted = Linted::default();
    let mut policies = Vec::new();
    for (file, documents) in files {
        for document in documents {
            let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let place = format!("{file}: {}/{name}", document["kind"].as_str().unwrap_or_default());
            if is_policy(document) {
                linted.objects.push(place.clone());
                match written(file, document, defaults) {
                    Ok(policy) => policies.push((policy, document)),
                    Err(TrialError::Fields { errors, .. }) => {
                        for error in errors {
                            linted.add(&place, Severity::Error, error);
                        }
                    }
                    Err(other) => linted.add(&place, Severity::Error, FieldError::new("spec", "", other.to_string())),
                }
            } else if document["kind"] == "MetricSource" {
                linted.objects.push(place.clone());
                let read: Result<MetricSource, _> = serde_path_to_error::deserialize(document);
                if let Err(error) = read {
                    linted.add(&place, Severity::Error, fault(document, &error));
                }
            }
        }
    }
    for (index, (policy, _)) in policies.iter().enumerate() {
        for warning in &policy.compiled.warnings {
            linted.add(&policy.place, Severity::Warning, warning.clone());
        }
        rivals(policy, &policies[..index], &mut linted);
        sizes(policy, files, &mut linted);
    }
    linted
}

fn namespace(policy: &Written) -> &str {
    policy.policy.metadata.namespace.as_deref().unwrap_or_default()
}

/// Two that scale one workload.
fn rivals(policy: &Written, others: &[(Written, &Value)], linted: &mut Linted) {
    let scales = |policy: &Written| policy.policy.spec.mode == Mode::Enforce;
    let same = |other: &&(Written, &Value)| {
        namespace(&other.0) == namespace(policy) && other.0.compiled.target == policy.compiled.target && scales(&other.0)
    };
    if let Some((other, _)) = others.iter().find(same).filter(|_| scales(policy)) {
        let message = format!("{} scales it as well: while both are there, neither does (AmbiguousSelector)", other.place);
        linted.add(&policy.place, Severity::Error, FieldError::new("spec.scaleTargetRef", &policy.compiled.target, message));
    }
}

/// A workload whose manifest sets the size back.
fn sizes(policy: &Written, files: &[(String, Vec<Value>)], linted: &mut Linted) {
    let target = &policy.compiled.target;
    for (file, documents) in files {
        for document in documents {
            let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let is_target = WorkloadKind::find(text("/apiVersion"), text("/kind")).is_some()
                && text("/kind") == target.kind
                && text("/metadata/name") == target.name
                && text("/metadata/namespace") == namespace(policy);
            if let Some(replicas) = document.pointer("/spec/replicas").filter(|_| is_target) {
                let place = format!("{file}: {target}");
                let message = format!("each apply sets the size back, against {}: leave it out", policy.place);
                linted.add(&place, Severity::Warning, FieldError::new("spec.replicas", replicas, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::policy_file::documents;

    fn findings(text: &str) -> Vec<String> {
        let files = [("web.yaml".to_owned(), documents("web.yaml", text).unwrap())];
        lint(&files, &Defaults::default()).findings.iter().map(ToString::to_string).collect()
    }

    const POLICY: &str = "{apiVersion: ballast.dev/v1alpha1, kind: ScalePolicy, metadata: {name: web}, \
        spec: {maxReplicas: 9, scaleTargetRef: {kind: Deployment, name: web}}}";

    #[test]
    fn what_is_right_is_silent() {
        let source = "{apiVersion: ballast.dev/v1alpha1, kind: MetricSource, metadata: {name: x}, spec: {url: 'http://x'}}";
        assert_eq!(findings(&format!("{POLICY}\n---\n{source}")), [""; 0]);
    }

    #[test]
    fn every_fault_is_found() {
        let wrong = POLICY.replace("maxReplicas: 9", "maxReplicas: 0, minReplicas: -1");
        let said = findings(&wrong);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("web.yaml: ScalePolicy/web: error: spec.minReplicas: -1: must be at least 0"), "{said:?}");
        let source = "{kind: MetricSource, metadata: {name: x}, spec: {}}";
        assert_eq!(findings(source), ["web.yaml: MetricSource/x: error: spec.url: must be given"]);
    }

    #[test]
    fn what_would_fight_later_is_found() {
        let hpa = POLICY.replace("ballast.dev/v1alpha1", "autoscaling/v2").replace("ScalePolicy", "HorizontalPodAutoscaler");
        let said = findings(&format!("{POLICY}\n---\n{hpa}"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("error: spec.scaleTargetRef: Deployment/web: web.yaml: ScalePolicy/web scales it as well"), "{said:?}");
        let shadow = POLICY.replace("maxReplicas: 9", "maxReplicas: 9, mode: Recommend");
        assert_eq!(findings(&format!("{shadow}\n---\n{hpa}")), [""; 0]);
        let said =
            findings(&format!("{POLICY}\n---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: 3}}}}"));
        assert!(said[0].starts_with("web.yaml: Deployment/web: warning: spec.replicas: 3: each apply sets the size back"), "{said:?}");
    }
}
