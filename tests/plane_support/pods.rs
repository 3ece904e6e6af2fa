//! Workloads whose pods the real controllers create, and scaling them by hand.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, core::GroupVersionKind};
use serde_json::{Value, json};

use super::wait::eventually;

/// A container of a pod template.
#[derive(Clone, Copy, Debug)]
pub struct Container {
    /// Its name.
    pub name: &'static str,
    /// CPU request in thousandths of a core, if it has one.
    pub cpu: Option<u32>,
    /// Memory request in MiB, if it has one.
    pub memory: Option<u32>,
}

impl Container {
    /// Requests 100m CPU and 100Mi memory, so that usage in these units reads as percent.
    pub const APP: Self = Self { name: "app", cpu: Some(100), memory: Some(100) };

    fn json(self) -> Value {
        let mut requests = serde_json::Map::new();
        self.cpu.inspect(|m| drop(requests.insert("cpu".into(), json!(format!("{m}m")))));
        self.memory.inspect(|m| drop(requests.insert("memory".into(), json!(format!("{m}Mi")))));
        json!({"name": self.name, "image": "registry.invalid/app:1", "resources": {"requests": requests}})
    }
}

/// A Deployment, `StatefulSet` or `ReplicaSet`; its pods carry the label `app: <name>`.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Kind in `apps/v1`.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name, and value of the pods' label `app`.
    pub name: String,
    /// `spec.replicas`.
    pub replicas: i32,
    /// Containers of the pods.
    pub containers: Vec<Container>,
    /// Finalizer on every pod, so that a deleted pod stays as "being deleted".
    pub finalizer: bool,
    /// `spec.minReadySeconds`: with a large one a rollout stops with its first surge pod.
    pub min_ready_seconds: i32,
}

impl Workload {
    /// A Deployment with one container, [`Container::APP`].
    pub fn deployment(namespace: &str, name: &str, replicas: i32) -> Self {
        Self {
            kind: "Deployment",
            namespace: namespace.into(),
            name: name.into(),
            replicas,
            containers: vec![Container::APP],
            finalizer: false,
            min_ready_seconds: 0,
        }
    }

    /// Its API.
    pub fn api(&self, client: &Client) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", self.kind));
        Api::namespaced_with(client.clone(), &self.namespace, &resource)
    }

    /// The manifest.
    pub fn manifest(&self) -> Value {
        let containers: Vec<Value> = self.containers.iter().map(|c| c.json()).collect();
        let finalizers = if self.finalizer { json!(["twin.test/hold"]) } else { json!([]) };
        let mut spec = json!({
            "replicas": self.replicas,
            "minReadySeconds": self.min_ready_seconds,
            "selector": {"matchLabels": {"app": self.name}},
            "template": {
                "metadata": {"labels": {"app": self.name}, "finalizers": finalizers},
                "spec": {"containers": containers, "terminationGracePeriodSeconds": 0},
            },
        });
        if self.kind == "StatefulSet" {
            spec["podManagementPolicy"] = json!("Parallel");
        } else if self.kind == "Deployment" {
            spec["progressDeadlineSeconds"] = json!(self.min_ready_seconds + 600);
        }
        json!({"apiVersion": "apps/v1", "kind": self.kind, "metadata": {"name": self.name, "namespace": self.namespace}, "spec": spec})
    }

    /// Creates it.
    pub async fn create(&self, client: &Client) {
        let object = serde_json::from_value(self.manifest()).unwrap();
        self.api(client).create(&PostParams::default(), &object).await.unwrap_or_else(|e| panic!("create {}: {e}", self.name));
    }
}

/// Creates a namespace if need be and waits until pods can be created in it.
pub async fn ensure_namespace(client: &Client, name: &str) {
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    match Api::all(client.clone()).create(&PostParams::default(), &namespace).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => panic!("namespace {name}: {error}"),
    }
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(client.clone(), name);
    eventually(&format!("service account of namespace {name}"), Duration::from_secs(30), async || {
        accounts.get("default").await.map(drop).map_err(|e| e.to_string())
    })
    .await;
}

/// Sets `spec.replicas` through the scale subresource, as `kubectl scale` does.
pub async fn scale(client: &Client, kind: &str, namespace: &str, name: &str, replicas: i32) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", kind));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    api.patch_scale(name, &PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() }, &patch).await.unwrap();
}
