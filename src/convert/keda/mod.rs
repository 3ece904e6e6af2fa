//! KEDA's `ScaledObject`: an HPA that KEDA makes, triggers that it measures for it, and what it does itself between 0 and 1.

mod cron;
mod fallback;
mod prometheus;
mod size;
mod triggers;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use self::size::Sizes;
use self::triggers::Triggers;
use super::metadata::map;
use super::{Made, Options, Remarks};
use crate::api::FieldError;
use crate::cluster::fault;

/// Prefix of annotations that pause.
const KEDA: &str = "autoscaling.keda.sh/";
/// Look-back of a stock scale-in, and KEDA's own wait before it goes to zero.
const WINDOW: i64 = 300;

type Faults = Vec<FieldError>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    scale_target_ref: Target,
    polling_interval: Option<i64>,
    initial_cooldown_period: Option<i64>,
    cooldown_period: Option<i64>,
    idle_replica_count: Option<i64>,
    min_replica_count: Option<i64>,
    max_replica_count: Option<i64>,
    #[serde(default)]
    advanced: Advanced,
    fallback: Option<fallback::Fallback>,
    triggers: Vec<Trigger>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Target {
    api_version: Option<String>,
    kind: Option<String>,
    name: String,
    #[serde(rename = "envSourceContainerName")]
    _env_source: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Advanced {
    restore_to_original_replica_count: bool,
    horizontal_pod_autoscaler_config: HpaConfig,
    scaling_modifiers: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct HpaConfig {
    behavior: Option<Value>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trigger {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    metric_type: Option<String>,
    #[serde(default)]
    use_cached_metrics: bool,
    authentication_ref: Option<Value>,
}

/// The policy's spec, and the sources that it asks.
pub fn convert(document: &Value, options: &Options, out: &mut Remarks) -> Result<Made, Faults> {
    let version = document["apiVersion"].as_str().unwrap_or_default();
    if version != "keda.sh/v1alpha1" {
        return Err(vec![FieldError::new("apiVersion", version, "must be keda.sh/v1alpha1")]);
    }
    let written = &document["spec"];
    let spec: Spec = serde_path_to_error::deserialize(written).map_err(|error| {
        let FieldError { path, value, message } = fault(written, &error);
        vec![FieldError { path: format!("spec.{path}"), value, message }]
    })?;
    if spec.triggers.is_empty() {
        return Err(vec![FieldError::new("spec.triggers", "", "must have at least one")]);
    }
    let mut sizes = Sizes::of(&spec)?;
    let namespace = document.pointer("/metadata/namespace").and_then(Value::as_str);
    let made = Triggers::convert(&spec, &mut sizes, options, namespace, out)?;

    let mut policy = json!({
        "scaleTargetRef": {
            "apiVersion": spec.scale_target_ref.api_version.as_deref().unwrap_or("apps/v1"),
            "kind": spec.scale_target_ref.kind.as_deref().unwrap_or("Deployment"),
            "name": spec.scale_target_ref.name,
        },
        "minReplicas": sizes.min, "maxReplicas": sizes.max,
    });
    if !made.metrics.is_empty() {
        policy["metrics"] = Value::Array(made.metrics);
    }
    if !made.schedules.is_empty() {
        policy["schedules"] = Value::Array(made.schedules);
    }
    if let Some(behavior) = &spec.advanced.horizontal_pod_autoscaler_config.behavior {
        policy["behavior"] = behavior.clone();
    }
    cooldown(&spec, &sizes, &mut policy, out);
    polling(&spec, &sizes, &mut policy, out);
    advanced(&spec, out);
    if let Some(fallback) = &spec.fallback {
        let polling = spec.polling_interval.unwrap_or(30);
        if let Some(fallback) = fallback.convert(polling, &sizes, out)? {
            policy["fallback"] = fallback;
        }
    }
    if let Some(pause) = pause(document, out) {
        policy["pause"] = pause;
    }
    Ok(Made { spec: policy, sources: made.sources })
}

/// Before it goes to zero a workload must have been idle for so long; all other scale-ins wait for the HPA's window.
fn cooldown(spec: &Spec, sizes: &Sizes, policy: &mut Value, out: &mut Remarks) {
    if let Some(initial) = spec.initial_cooldown_period.filter(|initial| *initial > 0) {
        out.note(
            "spec.initialCooldownPeriod",
            initial,
            "not needed: a new policy takes the size it finds for wanted, for a whole scale-in window",
        );
    }
    let Some(cooldown) = spec.cooldown_period else { return };
    let path = "spec.cooldownPeriod";
    if sizes.min > 0 {
        out.note(path, cooldown, "not needed: it is about going to zero only, and the policy has a minimum");
        return;
    }
    let window = policy.pointer("/behavior/scaleDown/stabilizationWindowSeconds").and_then(Value::as_i64).unwrap_or(WINDOW);
    if cooldown > window {
        let longer = cooldown.min(3600);
        policy["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = json!(longer);
        out.note(
            path,
            cooldown,
            format!("becomes the scale-in window, {longer} s; it then holds for all scale-ins, not only for the last"),
        );
    } else if cooldown < window {
        out.note(path, cooldown, format!("the last replica goes after the scale-in window, {window} s, as all others do"));
    }
}

/// How often KEDA itself looks; the HPA asks every 15 s whatever stands here, unless answers are kept.
fn polling(spec: &Spec, sizes: &Sizes, policy: &mut Value, out: &mut Remarks) {
    let Some(polling) = spec.polling_interval else { return };
    let cached = spec.triggers.iter().any(|trigger| trigger.use_cached_metrics);
    let path = "spec.pollingInterval";
    if cached || (sizes.min == 0 && polling < 15) {
        let interval = polling.clamp(1, 300);
        policy["intervalSeconds"] = json!(interval);
        out.note(path, polling, format!("becomes intervalSeconds: {interval}"));
    } else {
        out.note(path, polling, "not carried over: KEDA's HPA asked every 15 s as well, which is the policy's interval by default");
    }
}

fn advanced(spec: &Spec, out: &mut Remarks) {
    let advanced = &spec.advanced;
    // KEDA's operator writes an empty one into every object.
    let formula = advanced.scaling_modifiers.as_ref().and_then(|modifiers| modifiers["formula"].as_str());
    if let Some(formula) = formula.filter(|formula| !formula.is_empty()) {
        out.lost("spec.advanced.scalingModifiers", formula, "the largest proposal of all metrics counts; write the formula as one query");
    }
    if advanced.restore_to_original_replica_count {
        let path = "spec.advanced.restoreToOriginalReplicaCount";
        out.lost(path, true, "a policy that is deleted leaves the size as it is");
    }
    if let Some(name) = &advanced.horizontal_pod_autoscaler_config.name {
        out.note("spec.advanced.horizontalPodAutoscalerConfig.name", name, "not needed: there is no HPA");
    }
}

/// Annotations that hold the size.
fn pause(document: &Value, out: &mut Remarks) -> Option<Value> {
    let annotations = map(document, "annotations")?;
    let given = |name: &str| annotations.get(&format!("{KEDA}{name}")).and_then(Value::as_str);
    let is = |name: &str| given(name).is_some_and(|value| value != "false");
    let direction = match (is("paused") || is("paused-replicas"), is("paused-scale-in"), is("paused-scale-out")) {
        (true, _, _) | (_, true, true) => "All",
        (_, true, false) => "Down",
        (_, false, true) => "Up",
        (false, false, false) => "",
    };
    if let Some(replicas) = given("paused-replicas") {
        let path = format!("metadata.annotations[{KEDA}paused-replicas]");
        out.lost(path, replicas, "a pause holds the size that is there: set it first, with kubectl scale");
    }
    if is("force-activation") {
        out.lost(format!("metadata.annotations[{KEDA}force-activation]"), "true", "give a minReplicas of 1 while it is needed");
    }
    (!direction.is_empty()).then(|| json!({ "direction": direction, "reason": "paused by an annotation of the ScaledObject" }))
}
