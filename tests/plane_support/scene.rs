//! One test's namespace: workloads and policies in it, and what is to be seen of them. Asked through the API, because a process of
//! kubectl for every poll would keep the machine busy.

use std::time::Duration;

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::wait::eventually;
use super::{Plane, Workload};

/// Many tests run at once on a small machine; a look takes a second.
const SOON: Duration = Duration::from_secs(40);

/// A namespace of the shared plane.
pub struct Scene {
    /// The plane.
    pub plane: &'static Plane,
    /// Name of the namespace.
    pub namespace: String,
}

impl Scene {
    /// A fresh namespace.
    pub async fn new(plane: &'static Plane) -> Self {
        Self { plane, namespace: plane.namespace().await }
    }

    /// A name that no other scene has: loads are set by app for all namespaces.
    pub fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.namespace)
    }

    /// Creates a workload with annotations, given without their prefix.
    pub async fn create(&self, workload: &Workload, annotations: &[(&str, &str)]) {
        let mut manifest = workload.manifest();
        for (key, value) in annotations {
            manifest["metadata"]["annotations"][format!("ballast.dev/{key}")] = json!(value);
        }
        let object = serde_json::from_value(manifest).unwrap();
        workload.api(&self.plane.client).create(&PostParams::default(), &object).await.unwrap();
    }

    /// Creates a Deployment of [`Scene::name`] and waits for its pods.
    pub async fn deployment(&self, name: &str, replicas: i32) -> String {
        let workload = Workload::deployment(&self.namespace, &self.name(name), replicas);
        self.create(&workload, &[]).await;
        self.ready(&workload.name, replicas).await;
        workload.name
    }

    /// Waits until an app has so many pods and all are ready.
    pub async fn ready(&self, app: &str, pods: i32) {
        self.plane.fleet().await.ready(&self.namespace, app, usize::try_from(pods).unwrap()).await;
    }

    /// Names of an app's pods.
    pub async fn pods(&self, app: &str) -> Vec<String> {
        self.plane.fleet().await.pods().of(&self.namespace, app).map(|((_, name), _)| name.clone()).collect()
    }

    /// Applies a policy for the Deployment of the same name, decided every second between 1 and 20 replicas; `spec` adds to that.
    pub async fn policy(&self, name: &str, spec: Value) {
        let mut policy = json!({
            "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": name, "namespace": self.namespace },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
                "minReplicas": 1, "maxReplicas": 20, "intervalSeconds": 1,
                "behavior": { "scaleUp": { "policies": [{ "type": "Pods", "value": 100, "periodSeconds": 1 }] } },
            },
        });
        policy["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let applied = self.api("ScalePolicy").patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&policy)).await;
        applied.unwrap_or_else(|error| panic!("{policy}: {error}"));
    }

    /// Sets annotations of a workload, given without their prefix; null removes one.
    pub async fn annotate(&self, kind: &str, name: &str, annotations: &[(&str, Value)]) {
        let annotations: serde_json::Map<_, _> = annotations.iter().map(|(k, v)| (format!("ballast.dev/{k}"), v.clone())).collect();
        self.patch(kind, name, json!({ "metadata": { "annotations": annotations } })).await;
    }

    /// Edits an object as a user would.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) {
        self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Deletes an object.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.api(kind).delete(name, &DeleteParams::background()).await.unwrap();
    }

    /// An object as it is now.
    pub async fn get(&self, kind: &str, name: &str) -> Result<Value, String> {
        let object = self.api(kind).get(name).await.map_err(|error| error.to_string())?;
        serde_json::to_value(object).map_err(|error| error.to_string())
    }

    /// Waits until an object is as wanted; `check` says what is not.
    pub async fn until(&self, what: &str, kind: &str, name: &str, check: impl Fn(&Value) -> Result<(), String>) {
        eventually(&format!("{kind} {name}: {what}"), SOON, async || {
            let object = self.get(kind, name).await?;
            check(&object).map_err(|wrong| format!("{wrong} in {:#}", object["status"]))
        })
        .await;
    }

    /// Waits until a policy made exactly these moves, the oldest first, and its target has the last size.
    pub async fn moved(&self, name: &str, moves: &[(i64, i64)]) {
        let wanted: Vec<_> = moves.iter().rev().map(|(from, to)| (Some(*from), Some(*to))).collect();
        self.until(&format!("moves {moves:?}"), "ScalePolicy", name, |policy| {
            let events = policy["status"]["scaleEvents"].as_array().cloned().unwrap_or_default();
            let found: Vec<_> = events.iter().map(|event| (event["from"].as_i64(), event["to"].as_i64())).collect();
            if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        let target = self.get("ScalePolicy", name).await.unwrap()["spec"]["scaleTargetRef"].clone();
        self.size(target["kind"].as_str().unwrap(), target["name"].as_str().unwrap(), moves[moves.len() - 1].1).await;
    }

    /// Waits until a workload has this size.
    pub async fn size(&self, kind: &str, name: &str, size: i64) {
        self.until(&format!("{size} replicas"), kind, name, |object| {
            let found = &object["spec"]["replicas"];
            if found == size { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    /// Waits until a field, by JSON pointer, contains a text.
    pub async fn shows(&self, name: &str, pointer: &str, text: &str) {
        self.until(&format!("{pointer} has {text}"), "ScalePolicy", name, |policy| {
            let found = policy.pointer(pointer).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            if found.as_ref().is_some_and(|found| found.contains(text)) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }

    /// Waits until a condition of a policy has this status and reason, and these words in its message.
    pub async fn condition(&self, name: &str, kind: &str, status: &str, reason: &str, words: &[&str]) {
        self.until(&format!("{kind} {status} {reason} {words:?}"), "ScalePolicy", name, |policy| {
            let all = policy["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let found = all.iter().find(|condition| condition["type"] == kind).cloned().unwrap_or_default();
            let message = found["message"].as_str().unwrap_or_default();
            let fits = found["status"] == status && found["reason"] == reason && words.iter().all(|word| message.contains(word));
            if fits { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    /// Waits for an Event about an object whose note has these words.
    pub async fn event(&self, kind: &str, name: &str, reason: &str, words: &[&str]) {
        eventually(&format!("Event {reason} {words:?} on {kind} {name}"), SOON, async || {
            let notes = self.notes(kind, name, reason).await?;
            if notes.iter().any(|note| words.iter().all(|word| note.contains(word))) { Ok(()) } else { Err(format!("{notes:?}")) }
        })
        .await;
    }

    /// Notes of the Events about an object.
    pub async fn notes(&self, kind: &str, name: &str, reason: &str) -> Result<Vec<String>, String> {
        let events: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(self.plane.client.clone(), &self.namespace);
        let about = format!("involvedObject.kind={kind},involvedObject.name={name},reason={reason}");
        let list = events.list(&kube::api::ListParams::default().fields(&about)).await.map_err(|error| error.to_string())?;
        Ok(list.items.into_iter().filter_map(|event| event.message).collect())
    }

    /// The API of a kind in this namespace.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version) = if kind == "ScalePolicy" { ("ballast.dev", "v1alpha1") } else { ("apps", "v1") };
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if kind == "ScalePolicy" {
            "scalepolicies".clone_into(&mut resource.plural);
        }
        Api::namespaced_with(self.plane.client.clone(), &self.namespace, &resource)
    }
}
