//! What an adoption reads and writes in the cluster, with the rights of whoever calls.

use std::time::Duration;

use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Error};
use serde_json::{Map, Value, json};

use super::{ADOPTS, AdoptError, LABEL};
use crate::api::ScalePolicy;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Name under which fields are owned.
const MANAGER: &str = "ballast-adopt";
/// What a server fills in, and what is about one object only.
const FILLED: [&str; 7] =
    ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields", "resourceVersion", "uid"];

/// One namespace.
#[derive(Clone)]
pub struct Cluster {
    /// The namespace.
    pub namespace: String,
    policies: Api<ScalePolicy>,
    hpas: Api<DynamicObject>,
}

/// An HPA as it is in the cluster.
#[derive(Clone, Debug)]
pub struct Hpa {
    /// All of it.
    pub object: Value,
    uid: Option<String>,
    resource_version: Option<String>,
}

// === impl Cluster ===

impl Cluster {
    /// With this client.
    pub fn new(client: &Client, namespace: &str) -> Self {
        let hpa = ApiResource::from_gvk(&GroupVersionKind::gvk("autoscaling", "v2", "HorizontalPodAutoscaler"));
        Self {
            namespace: namespace.to_owned(),
            policies: Api::namespaced(client.clone(), namespace),
            hpas: Api::namespaced_with(client.clone(), namespace, &hpa),
        }
    }

    /// The HPA, if there is one.
    pub async fn hpa(&self, name: &str) -> Result<Option<Hpa>, AdoptError> {
        let found = answer(&format!("read HorizontalPodAutoscaler/{name}"), self.hpas.get_opt(name)).await?;
        found.map(|object| Hpa::new(&object)).transpose()
    }

    /// The policy, if there is one.
    pub async fn policy(&self, name: &str) -> Result<Option<ScalePolicy>, AdoptError> {
        answer(&format!("read ScalePolicy/{name}"), self.policies.get_opt(name)).await
    }

    /// The policy that stands for this HPA.
    pub async fn adopting(&self, hpa: &str) -> Result<Option<ScalePolicy>, AdoptError> {
        let labelled = ListParams::default().labels(LABEL);
        let list = answer("list ScalePolicies", self.policies.list(&labelled)).await?;
        Ok(list.items.into_iter().find(|policy| annotation(policy, ADOPTS) == Some(hpa)))
    }

    /// Creates a policy.
    pub async fn create_policy(&self, policy: &ScalePolicy) -> Result<(), AdoptError> {
        answer("create the ScalePolicy", self.policies.create(&creation(), policy)).await.map(drop)
    }

    /// Changes a policy, if nobody else did since it was read.
    pub async fn patch_policy(&self, policy: &ScalePolicy, mut patch: Value) -> Result<ScalePolicy, AdoptError> {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        patch["metadata"]["resourceVersion"] = json!(policy.metadata.resource_version);
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        answer(&format!("change ScalePolicy/{name}"), self.policies.patch(name, &params, &Patch::Merge(patch))).await
    }

    /// Deletes a policy.
    pub async fn delete_policy(&self, policy: &ScalePolicy) -> Result<(), AdoptError> {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        let same = Preconditions { uid: policy.metadata.uid.clone(), resource_version: None };
        answer(&format!("delete ScalePolicy/{name}"), self.policies.delete(name, &DeleteParams::background().preconditions(same))).await?;
        Ok(())
    }

    /// Creates an HPA; true unless there is one.
    pub async fn create_hpa(&self, manifest: &Value) -> Result<bool, AdoptError> {
        let doing = "create the HorizontalPodAutoscaler";
        let object: DynamicObject = serde_json::from_value(manifest.clone())
            .map_err(|error| AdoptError::Api { doing: doing.to_owned(), why: error.to_string() })?;
        match tokio::time::timeout(TIMEOUT, self.hpas.create(&creation(), &object)).await {
            Ok(Err(Error::Api(status))) if status.is_already_exists() => Ok(false),
            result => failed(doing, result).map(|_| true),
        }
    }

    /// Deletes an HPA, if it is still as it was read; false if it is not.
    pub async fn delete_hpa(&self, hpa: &Hpa) -> Result<bool, AdoptError> {
        let name = hpa.name();
        let same = Preconditions { uid: hpa.uid.clone(), resource_version: hpa.resource_version.clone() };
        match tokio::time::timeout(TIMEOUT, self.hpas.delete(name, &DeleteParams::background().preconditions(same))).await {
            Ok(Err(Error::Api(status))) if status.is_conflict() => Ok(false),
            Ok(Err(Error::Api(status))) if status.is_not_found() => Ok(true),
            result => failed(&format!("delete HorizontalPodAutoscaler/{name}"), result).map(|_| true),
        }
    }
}

fn creation() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

async fn answer<T>(doing: &str, call: impl Future<Output = Result<T, Error>>) -> Result<T, AdoptError> {
    failed(doing, tokio::time::timeout(TIMEOUT, call).await)
}

fn failed<T>(doing: &str, result: Result<Result<T, Error>, tokio::time::error::Elapsed>) -> Result<T, AdoptError> {
    let why = match result {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(Error::Api(status))) => status.message.clone(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
    };
    Err(AdoptError::Api { doing: doing.to_owned(), why })
}

/// An annotation of a policy.
pub fn annotation<'a>(policy: &'a ScalePolicy, key: &str) -> Option<&'a str> {
    policy.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

// === impl Hpa ===

impl Hpa {
    fn new(object: &DynamicObject) -> Result<Self, AdoptError> {
        let value = serde_json::to_value(object)
            .map_err(|error| AdoptError::Api { doing: "read the HorizontalPodAutoscaler".to_owned(), why: error.to_string() })?;
        Ok(Self { object: value, uid: object.metadata.uid.clone(), resource_version: object.metadata.resource_version.clone() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Whether it is on its way out.
    pub fn is_deleting(&self) -> bool {
        self.object["metadata"]["deletionTimestamp"].is_string()
    }

    /// What somebody wrote of it, and nothing that the server or its controller did: from this it is made again.
    pub fn manifest(&self) -> Value {
        let metadata = self.object["metadata"].as_object().into_iter().flatten();
        let kept: Map<String, Value> =
            metadata.filter(|(field, _)| !FILLED.contains(&field.as_str())).map(|(field, value)| (field.clone(), value.clone())).collect();
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": kept, "spec": self.object["spec"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_manifest_is_what_was_written() {
        let object = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {
                "name": "web", "namespace": "shop", "labels": { "app": "web" }, "annotations": { "note": "x" }, "uid": "1",
                "resourceVersion": "7", "generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [],
            },
            "spec": { "maxReplicas": 3 }, "status": { "currentReplicas": 2 },
        });
        let hpa = Hpa { object, uid: None, resource_version: None };
        let metadata = json!({ "name": "web", "namespace": "shop", "labels": { "app": "web" }, "annotations": { "note": "x" } });
        let manifest = hpa.manifest();
        assert_eq!((&manifest["metadata"], &manifest["spec"], manifest.get("status")), (&metadata, &json!({ "maxReplicas": 3 }), None));
    }
}
