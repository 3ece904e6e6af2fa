//! What Ballast does for its users, each with what it needs and how it shows.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::Stage;
use crate::plane_support::{Container, apply_in, objects};

/// Something that works, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The controller gets ready at all.
    Start,
    /// It leads.
    Lead,
    /// It scales a kind: apiVersion and kind.
    Scale(&'static str, &'static str),
    /// It names who else set the size of an object of a kind.
    Blame(&'static str, &'static str),
    /// It makes a policy of the annotations of a kind.
    Annotate(&'static str),
    /// It removes the policy with the annotations.
    Unannotate,
    /// A policy shows its conditions.
    Status,
    /// A `MetricSource` shows whether it can be used.
    SourceStatus,
    /// The Secret and the `ConfigMap` of a `MetricSource` are read, so that only its server is missing.
    SourceKeys,
    /// A stock autoscaler of the same target is seen.
    Rival,
    /// It scales on CPU.
    Cpu,
    /// It scales on a metric of pods.
    Pods,
    /// Scaling shows as an Event.
    Event,
    /// The same again counts up.
    Repeat,
    /// Memory is saved.
    Save,
    /// Memory is saved again.
    SaveAgain,
}

/// Of policies and sources.
const OWN: &str = "ballast.dev/v1alpha1";

impl Feature {
    /// Name of its objects, the same as `app` of its pods.
    fn name(self) -> &'static str {
        match self {
            Self::Start | Self::Lead | Self::Status => "policy",
            Self::Scale(_, kind) => match kind {
                "Deployment" => "scale-deployment",
                "StatefulSet" => "scale-statefulset",
                "ReplicaSet" => "scale-replicaset",
                "ReplicationController" => "scale-rc",
                _ => "scale-widget",
            },
            Self::Blame(_, kind) => match kind {
                "Deployment" => "blame-deployment",
                "StatefulSet" => "blame-statefulset",
                "ReplicaSet" => "blame-replicaset",
                "ReplicationController" => "blame-rc",
                _ => "blame-widget",
            },
            Self::Annotate("Deployment") => "annotated-deployment",
            Self::Annotate(_) => "annotated-statefulset",
            Self::Unannotate => "unannotated",
            Self::SourceStatus | Self::SourceKeys => "source",
            Self::Rival => "rival",
            Self::Cpu => "cpu",
            Self::Pods => "pods",
            Self::Event => "event",
            Self::Repeat => "repeat",
            Self::Save | Self::SaveAgain => "saved",
        }
    }

    /// The apps whose metrics are served.
    pub const MEASURED: [&'static str; 18] = [
        "policy",
        "scale-deployment",
        "scale-statefulset",
        "scale-replicaset",
        "scale-rc",
        "scale-widget",
        "blame-deployment",
        "blame-statefulset",
        "blame-replicaset",
        "blame-rc",
        "blame-widget",
        "annotated-deployment",
        "annotated-statefulset",
        "unannotated",
        "rival",
        "event",
        "repeat",
        "saved",
    ];

    /// Makes what it needs.
    pub async fn set(self, stage: &Stage) {
        let name = self.name();
        match self {
            Self::Start | Self::Lead => {}
            Self::Scale(api_version, kind) | Self::Blame(api_version, kind) => {
                workload(stage, api_version, kind, name, &json!({})).await;
                policy(stage, name, (api_version, kind), &external(name)).await;
            }
            Self::Annotate(kind) => workload(stage, "apps/v1", kind, name, &annotations()).await,
            Self::Unannotate => workload(stage, "apps/v1", "Deployment", name, &annotations()).await,
            Self::SourceStatus | Self::SourceKeys => source(stage).await,
            Self::Cpu | Self::Pods => {
                workload(stage, "apps/v1", "Deployment", name, &json!({})).await;
                let target = json!({ "type": "Utilization", "averageUtilization": 80 });
                let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } });
                let number = json!({ "type": "AverageValue", "averageValue": "10" });
                let pods = json!({ "type": "Pods", "pods": { "metric": { "name": "qps" }, "target": number } });
                policy(stage, name, ("apps/v1", "Deployment"), if self == Self::Cpu { &cpu } else { &pods }).await;
            }
            Self::Status | Self::Event | Self::Repeat | Self::Save | Self::SaveAgain | Self::Rival => {
                workload(stage, "apps/v1", "Deployment", name, &json!({})).await;
                if self == Self::Rival {
                    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": name });
                    let spec = json!({ "spec": { "scaleTargetRef": target, "maxReplicas": 4 } });
                    apply_in(stage.plane, &stage.namespace, ("autoscaling/v2", "HorizontalPodAutoscaler", name), &spec).await;
                }
                policy(stage, name, ("apps/v1", "Deployment"), &external(name)).await;
            }
        }
    }

    /// Goes on once its first half works: somebody else sets the size, or takes annotations away.
    pub async fn push(self, stage: &Stage) {
        let name = self.name();
        match self {
            Self::Blame(api_version, kind) if size(stage, api_version, kind, name).await == Ok(2) => {
                resize(stage, api_version, kind, name, 3).await;
            }
            Self::Repeat | Self::Save | Self::SaveAgain if size(stage, "apps/v1", "Deployment", name).await == Ok(2) => {
                resize(stage, "apps/v1", "Deployment", name, 1).await;
            }
            Self::Unannotate if stage.get(OWN, "ScalePolicy", "unannotated.deployment").await.is_ok() => {
                let gone = json!({ "metadata": { "annotations": { "ballast.dev/max-replicas": null, "ballast.dev/target-cpu": null } } });
                let api = objects(stage.plane, &stage.namespace, "apps/v1", "Deployment");
                api.patch(name, &PatchParams::default(), &Patch::Merge(gone)).await.unwrap();
            }
            _ => {}
        }
    }

    /// Whether it works; if not, what is there instead.
    pub async fn works(self, stage: &Stage) -> Result<(), String> {
        let name = self.name();
        let ok = |works: bool, seen: String| if works { Ok(()) } else { Err(seen) };
        match self {
            Self::Start => stage.ready().await,
            Self::Lead => {
                let lease = stage.get("coordination.k8s.io/v1", "Lease", super::stage::RELEASE).await?;
                // Held, and renewed at least once.
                let renewed = lease["spec"]["holderIdentity"].is_string() && lease["spec"]["renewTime"] != lease["spec"]["acquireTime"];
                ok(renewed, lease["spec"].to_string())
            }
            Self::Scale(api_version, kind) => size(stage, api_version, kind, name).await.and_then(|n| ok(n == 2, format!("size {n}"))),
            Self::Cpu | Self::Pods => size(stage, "apps/v1", "Deployment", name).await.and_then(|n| ok(n == 2, format!("size {n}"))),
            Self::Blame(..) => event(stage, name, "size 3 was set by kubectl").await.map(drop),
            Self::Annotate(kind) => {
                let policy = format!("{name}.{}", kind.to_lowercase());
                stage.get(OWN, "ScalePolicy", &policy).await.map(drop)
            }
            Self::Unannotate => {
                let live = objects(stage.plane, &stage.namespace, "apps/v1", "Deployment").get(name).await.map_err(|e| e.to_string())?;
                let policy = stage.get(OWN, "ScalePolicy", "unannotated.deployment").await;
                let annotated = live.metadata.annotations.unwrap_or_default().contains_key("ballast.dev/max-replicas");
                ok(!annotated && policy.is_err(), format!("annotated: {annotated}; policy: {}", policy.is_ok()))
            }
            Self::Status => condition(stage, "ScalePolicy", name, "ScalingActive").await.map(drop),
            Self::SourceStatus => condition(stage, "MetricSource", name, "Ready").await.map(drop),
            Self::SourceKeys => {
                let ready = condition(stage, "MetricSource", name, "Ready").await?;
                ok(ready["reason"] == "ConnectionRefused", ready.to_string())
            }
            Self::Rival => {
                let active = condition(stage, "ScalePolicy", name, "ScalingActive").await?;
                ok(active.to_string().contains("HorizontalPodAutoscaler"), active.to_string())
            }
            Self::Event => event(stage, name, "New size: 2").await.map(drop),
            Self::Repeat => {
                let found = event(stage, name, "New size: 2").await?;
                ok(found["count"].as_i64() > Some(1), found["count"].to_string())
            }
            Self::Save | Self::SaveAgain => {
                let map = stage.get("v1", "ConfigMap", &format!("{}-memory-0", super::stage::RELEASE)).await?;
                // Only an update is by another operation than the one that made it.
                let entries = map["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
                let made = map["metadata"]["creationTimestamp"].clone();
                let changed = entries.iter().any(|entry| entry["time"] != made);
                ok(self == Self::Save || changed, "never written again".to_owned())
            }
        }
    }
}

fn external(name: &str) -> Value {
    let number = json!({ "type": "AverageValue", "averageValue": "10" });
    json!({ "type": "External", "external": { "metric": { "name": format!("queue.{name}") }, "target": number } })
}

fn annotations() -> Value {
    json!({ "ballast.dev/max-replicas": "4", "ballast.dev/target-cpu": "80%" })
}

async fn workload(stage: &Stage, api_version: &str, kind: &str, name: &str, annotations: &Value) {
    let labels = json!({ "app": name });
    let container =
        json!({ "name": Container::APP.name, "image": "registry.invalid/app:1", "resources": { "requests": { "cpu": "100m" } } });
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": [container] } });
    let spec = match kind {
        "Widget" => json!({ "replicas": 1 }),
        "ReplicationController" => json!({ "replicas": 1, "selector": labels, "template": template }),
        _ => json!({ "replicas": 1, "selector": { "matchLabels": labels }, "template": template }),
    };
    let metadata = json!({ "name": name, "namespace": stage.namespace, "annotations": annotations });
    apply_in(stage.plane, &stage.namespace, (api_version, kind, name), &json!({ "metadata": metadata, "spec": spec })).await;
    if kind == "Widget" {
        let status = json!({ "status": { "replicas": 1, "selector": format!("app={name}") } });
        let api = objects(stage.plane, &stage.namespace, api_version, kind);
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }
}

async fn policy(stage: &Stage, name: &str, (api_version, kind): (&str, &str), metric: &Value) {
    let target = json!({ "apiVersion": api_version, "kind": kind, "name": name });
    let spec = json!({ "spec": { "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4, "metrics": [metric] } });
    apply_in(stage.plane, &stage.namespace, (OWN, "ScalePolicy", name), &spec).await;
}

/// A source with a token in a Secret and its authority in a `ConfigMap`; nothing listens on port 1.
async fn source(stage: &Stage) {
    let ca = rcgen::generate_simple_self_signed(["source.test".to_owned()]).unwrap().cert.pem();
    apply_in(stage.plane, &stage.namespace, ("v1", "Secret", "token"), &json!({ "stringData": { "key": "x" } })).await;
    apply_in(stage.plane, &stage.namespace, ("v1", "ConfigMap", "ca"), &json!({ "data": { "ca.crt": ca } })).await;
    let token = json!({ "secretKeyRef": { "name": "token", "key": "key" } });
    let tls = json!({ "ca": { "configMapKeyRef": { "name": "ca", "key": "ca.crt" } } });
    let spec = json!({ "url": "https://127.0.0.1:1", "auth": { "bearerToken": token }, "tls": tls });
    apply_in(stage.plane, &stage.namespace, (OWN, "MetricSource", "source"), &json!({ "spec": spec })).await;
}

async fn size(stage: &Stage, api_version: &str, kind: &str, name: &str) -> Result<i64, String> {
    let object = stage.get(api_version, kind, name).await?;
    object["spec"]["replicas"].as_i64().ok_or_else(|| object.to_string())
}

/// Somebody sets a size as `kubectl scale` does.
async fn resize(stage: &Stage, api_version: &str, kind: &str, name: &str, replicas: i64) {
    let api = objects(stage.plane, &stage.namespace, api_version, kind);
    let params = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
    api.patch_scale(name, &params, &Patch::Merge(json!({ "spec": { "replicas": replicas } }))).await.unwrap();
}

async fn condition(stage: &Stage, kind: &str, name: &str, wanted: &str) -> Result<Value, String> {
    let object = stage.get(OWN, kind, name).await?;
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions
        .into_iter()
        .find(|condition| condition["type"] == wanted)
        .ok_or_else(|| format!("no condition {wanted}: {}", object["status"]))
}

async fn event(stage: &Stage, name: &str, words: &str) -> Result<Value, String> {
    let events = stage.list("v1", "Event").await;
    let of_it = |event: &&Value| event["involvedObject"]["name"] == name && event["source"]["component"] == "ballast";
    let notes: Vec<String> = events.iter().filter(of_it).map(|event| event["message"].to_string()).collect();
    let found = events.iter().find(|event| of_it(event) && event["message"].as_str().is_some_and(|note| note.contains(words)));
    found.cloned().ok_or_else(|| format!("Events: {}", notes.join("; ")))
}
