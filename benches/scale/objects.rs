//! Objects as a cluster of Go services holds them, and what contenders are given to do.

use ballast::source::preset;
use serde_json::{Value, json};

use crate::names::{REQUEST, Target};
use crate::options::Signal;

/// Utilisation that is aimed at, in percent of the request, and the request rate per pod.
pub const TARGET: u32 = 50;
/// What pods show at a load of 1: within every tolerance of the target. Three times that asks for 5.76 pods, so 6, and the noise that
/// pods show makes no difference to that. In percent of the request, and as requests per second.
pub const USAGE: f64 = 48.0;
/// What one load step multiplies usage with.
pub const STEP: f64 = 3.0;
/// Size at the start, and the size a step asks for.
pub const SIZES: (i32, i32) = (2, 6);

fn labels(target: Target) -> Value {
    json!({
        "app.kubernetes.io/name": target.name(), "app.kubernetes.io/instance": target.name(), "app.kubernetes.io/version": "1.42.0",
        "app.kubernetes.io/component": "api", "app.kubernetes.io/part-of": "shop", "team": target.namespace(),
    })
}

fn pod_labels(target: Target) -> Value {
    let mut labels = labels(target);
    labels["pod-template-hash"] = json!(target.hash());
    labels
}

fn pod_spec(target: Target) -> Value {
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 2});
    json!({
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "app", "image": format!("registry.invalid/shop/{}:1.42.0", target.name()), "args": ["--listen=:8080", "--log-format=json"],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "GOMEMLIMIT", "value": "230MiB"}, {"name": "DATABASE_URL", "value": "postgres://shop@db.shop.svc:5432/shop"},
                {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.monitoring.svc:4317"},
            ],
            "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
            "resources": {"requests": {"cpu": format!("{REQUEST}m"), "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "readinessProbe": probe("/readyz"), "livenessProbe": probe("/livez"),
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": true}],
        }],
        "volumes": [{"name": "config", "configMap": {"name": format!("{}-config", target.name())}}],
    })
}

fn template(target: Target) -> Value {
    let annotations = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "9090"});
    json!({"metadata": {"labels": labels(target), "annotations": annotations}, "spec": pod_spec(target)})
}

/// The Deployment.
pub fn deployment(target: Target) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": target.name(), "namespace": target.namespace(), "labels": labels(target),
            "annotations": {"deployment.kubernetes.io/revision": "1"},
        },
        "spec": {
            "replicas": SIZES.0, "selector": {"matchLabels": {"app.kubernetes.io/name": target.name()}}, "template": template(target),
        },
    })
}

/// The status of the Deployment.
pub fn deployment_status() -> Value {
    let since = "2026-01-05T09:00:00Z";
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastUpdateTime": since, "lastTransitionTime": since});
    json!({"status": {
        "observedGeneration": 1, "replicas": SIZES.0, "updatedReplicas": SIZES.0, "readyReplicas": SIZES.0, "availableReplicas": SIZES.0,
        "conditions": [
            condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            condition("Progressing", "NewReplicaSetAvailable", "ReplicaSet has successfully progressed."),
        ],
    }})
}

/// The `ReplicaSet` of a Deployment with this uid.
pub fn replica_set(target: Target, deployment: &str) -> Value {
    let mut template = template(target);
    template["metadata"]["labels"] = pod_labels(target);
    let selector = json!({"matchLabels": {"app.kubernetes.io/name": target.name(), "pod-template-hash": target.hash()}});
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": target.replica_set(), "namespace": target.namespace(), "labels": pod_labels(target),
            "annotations": {"deployment.kubernetes.io/revision": "1", "deployment.kubernetes.io/desired-replicas": "2"},
            "ownerReferences": [owner("Deployment", &target.name(), deployment)],
        },
        "spec": {"replicas": SIZES.0, "selector": selector, "template": template},
    })
}

/// A pod of a `ReplicaSet` with this uid.
pub fn pod(target: Target, name: &str, replica_set: &str) -> Value {
    let mut spec = pod_spec(target);
    spec["nodeName"] = json!(node(name));
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": target.namespace(), "labels": pod_labels(target),
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [owner("ReplicaSet", &target.replica_set(), replica_set)],
        },
        "spec": spec,
    })
}

/// The status of a pod that has been ready for months.
pub fn pod_status() -> Value {
    let since = "2026-01-05T09:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": since});
    let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
    json!({"status": {
        "phase": "Running", "startTime": since, "hostIP": "10.0.0.17", "podIP": "10.1.17.23", "podIPs": [{"ip": "10.1.17.23"}],
        "qosClass": "Burstable",
        "conditions": conditions,
        "containerStatuses": [{
            "name": "app", "image": "registry.invalid/shop/service:1.42.0", "ready": true, "started": true, "restartCount": 0,
            "imageID": "registry.invalid/shop/service@sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "containerID": "containerd://486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7",
            "state": {"running": {"startedAt": since}}, "lastState": {},
        }],
    }})
}

fn node(pod: &str) -> String {
    format!("node-{:03}", pod.bytes().map(u32::from).sum::<u32>() % 200)
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true})
}

fn reference(target: Target) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": target.name()})
}

/// What the stock autoscaler is given.
pub fn hpa(target: Target) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target.name(), "namespace": target.namespace()},
        "spec": {"scaleTargetRef": reference(target), "minReplicas": 2, "maxReplicas": 20, "metrics": [cpu()], "behavior": behavior()},
    })
}

/// What Ballast is given: the same spec with the stock rule, so that all have the same decisions to make.
pub fn policy(target: Target, signal: Signal) -> Value {
    let metric = match signal {
        Signal::Cpu => cpu(),
        Signal::Prometheus => json!({"type": "Prometheus", "prometheus": {
            "name": "requests", "query": preset::find("http-requests").map(preset::Preset::query), "target": {"type": "AverageValue", "averageValue": TARGET.to_string()},
        }}),
    };
    json!({
        "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy",
        "metadata": {"name": target.name(), "namespace": target.namespace()},
        "spec": {
            "scaleTargetRef": reference(target), "minReplicas": 2, "maxReplicas": 20, "metrics": [metric], "behavior": behavior(),
            "smoothing": {"type": "None"},
        },
    })
}

/// What KEDA is given, which makes an object of the stock autoscaler from it.
pub fn scaled_object(target: Target, prometheus: &str) -> Value {
    let (name, namespace) = (target.name(), target.namespace());
    let query = format!(r#"sum(rate(http_requests_total{{namespace="{namespace}",pod=~"{name}-.*"}}[1m]))"#);
    json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"name": name}, "pollingInterval": 15, "minReplicaCount": 2, "maxReplicaCount": 20,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior()}},
            "triggers": [{"type": "prometheus", "metricType": "AverageValue", "metadata": {
                "serverAddress": prometheus, "query": query, "threshold": TARGET.to_string(),
            }}],
        },
    })
}

/// The documented defaults, written out: without any, a size may only double per look, and the step would take two.
fn behavior() -> Value {
    let policy = |kind: &str, value: u32| json!({"type": kind, "value": value, "periodSeconds": 15});
    json!({
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [policy("Pods", 4), policy("Percent", 100)]},
        "scaleDown": {"stabilizationWindowSeconds": 300, "selectPolicy": "Max", "policies": [policy("Percent", 100)]},
    })
}

fn cpu() -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": TARGET}}})
}
