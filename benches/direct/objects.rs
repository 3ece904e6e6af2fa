//! The workloads and their autoscalers.

use serde_json::{Value, json};

/// Namespaces, each with one workload and its autoscaler.
pub const CONTENDERS: [&str; 3] = ["direct", "stored", "hpa"];
/// Replicas at rest.
pub const REPLICAS: u32 = 2;
/// Requests per second at rest: workers, and each one's rate.
pub const AT_REST: (u32, u32) = (3, 10);
/// What the step adds.
pub const MOVED: (u32, u32) = (9, 10);
/// Requests per second that one replica should have, and what those need of CPU in percent of the request, as measured at rest.
pub const EACH: u32 = 20;
const CPU_PERCENT: u32 = 60;

/// Namespaces, Deployments and Services: all alike.
pub fn workloads() -> Value {
    let items = CONTENDERS.iter().flat_map(|namespace| {
        let labels = json!({"app": "web"});
        let metadata = json!({"name": "web", "namespace": namespace, "labels": labels});
        let container = json!({
            "name": "web", "image": "ballast.test/go-app:bench", "imagePullPolicy": "Never",
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": "DRAIN_DELAY", "value": "1s"}],
            "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 2},
        });
        let annotations = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "8080"});
        [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
                "spec": {
                    "replicas": REPLICAS, "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels, "annotations": annotations},
                        "spec": {"automountServiceAccountToken": false, "containers": [container]},
                    },
                },
            }),
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"selector": labels, "ports": [{"name": "http", "port": 8080}]},
            }),
        ]
    });
    json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()})
}

/// Two policies that differ in one word, and an HPA whose target means the same load.
pub fn scalers() -> Value {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let policy = |namespace: &str, freshness: &str| {
        let preset = json!({"name": "http-requests", "freshness": freshness, "target": {"averageValue": EACH.to_string()}});
        json!({
            "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "scaleTargetRef": target, "minReplicas": REPLICAS, "maxReplicas": 8,
                "metrics": [{"type": "Preset", "preset": preset}],
            },
        })
    };
    let utilization = json!({"type": "Utilization", "averageUtilization": CPU_PERCENT});
    let hpa = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "hpa"},
        "spec": {
            "scaleTargetRef": target, "minReplicas": REPLICAS, "maxReplicas": 8,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
        },
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [policy("direct", "Direct"), policy("stored", "Stored"), hpa]})
}
