//! What most tests on the plane say: a namespace, a workload, a policy, and what they must come to show.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Load, Plane, Source, Workload, eventually};

/// Within a look or two.
pub const SOON: Duration = Duration::from_secs(20);
/// "At once", although the policy's interval is a minute.
pub const AT_ONCE: Duration = Duration::from_secs(8);

/// Conditions of a policy, as paths of `kubectl -o jsonpath`.
pub const ACTIVE: &str = "{.status.conditions[?(@.type==\"ScalingActive\")]}";
/// See [`ACTIVE`].
pub const ABLE: &str = "{.status.conditions[?(@.type==\"AbleToScale\")]}";

/// One test's namespace on the plane that all share.
pub struct Story {
    /// The plane.
    pub plane: &'static Plane,
    /// The namespace.
    pub namespace: String,
}

impl Story {
    /// A fresh namespace, and the parts that play kubelet and metrics.
    pub async fn begin(plane: &'static Plane) -> Self {
        plane.metrics().await;
        Self { plane, namespace: plane.namespace().await }
    }

    /// A Deployment whose pods use so many thousandths of a core each; the app's name is unique on the plane.
    pub async fn deployment(&self, name: &str, replicas: i32, cpu: Load) -> String {
        let name = format!("{name}-{}", self.namespace);
        self.plane.metrics().await.set(&name, Source::Cpu { container: "app" }, cpu);
        Workload::deployment(&self.namespace, &name, replicas).create(&self.plane.client).await;
        name
    }

    /// Runs kubectl in the namespace; it must succeed.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.plane.kubectl_ok(&[args, &["--namespace", &self.namespace]].concat()).await
    }

    /// Applies an object.
    pub async fn apply(&self, object: Value) {
        let (ok, out) = self.plane.kubectl(&["apply", "--namespace", &self.namespace, "-f", "-"], &object.to_string()).await;
        assert!(ok, "{object}: {out}");
    }

    /// A policy on CPU at 50 % of the requests (100m), looked at once a minute unless something happens.
    pub async fn policy(&self, name: &str, kind: &str, target: &str, more: Value) {
        let api = if matches!(kind, "Deployment" | "DaemonSet" | "StatefulSet") { "apps/v1" } else { "batch/v1" };
        let mut spec = json!({
            "scaleTargetRef": { "apiVersion": api, "kind": kind, "name": target }, "minReplicas": 1, "maxReplicas": 10, "intervalSeconds": 60,
            "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }],
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.apply(json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": name }, "spec": spec }))
            .await;
    }

    /// A field, or what kubectl says against it.
    pub async fn get(&self, object: &str, path: &str) -> String {
        let args = ["get", object, "-o", &format!("jsonpath={path}"), "--namespace", &self.namespace];
        self.plane.kubectl(&args, "").await.1
    }

    /// Waits until a field contains a text.
    pub async fn shows(&self, limit: Duration, object: &str, path: &str, text: &str) {
        eventually(&format!("{object} {path} shows {text}"), limit, async || {
            let value = self.get(object, path).await;
            if value.contains(text) { Ok(()) } else { Err(value) }
        })
        .await;
    }

    /// Waits until a Deployment has a size.
    pub async fn size(&self, limit: Duration, name: &str, size: i32) {
        eventually(&format!("{name} has {size} replicas"), limit, async || {
            let now = self.get(&format!("deployment/{name}"), "{.spec.replicas}").await;
            if now == size.to_string() { Ok(()) } else { Err(format!("{now}; {}", self.get("sp", "{.items[*].status.decision}").await)) }
        })
        .await;
    }

    /// Waits until `kubectl describe` shows a line with all of these words.
    pub async fn describes(&self, kind: &str, name: &str, words: &[&str]) {
        eventually(&format!("describe {kind} {name} has {words:?}"), SOON, async || {
            let text = self.plane.kubectl(&["describe", kind, name, "--namespace", &self.namespace], "").await.1;
            if text.lines().any(|line| words.iter().all(|word| line.contains(word))) { Ok(()) } else { Err(text) }
        })
        .await;
    }

    /// Waits until so many of a workload's pods are ready.
    pub async fn ready(&self, name: &str, pods: usize) {
        self.plane.fleet().await.ready(&self.namespace, name, pods).await;
    }
}
