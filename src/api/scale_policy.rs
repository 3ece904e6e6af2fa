//! `ScalePolicy`: the size rules of one workload.

// The lint takes one column's type for a repetition of another's.
#![allow(clippy::duplicated_attributes)]
// kubectl explain shows these texts without markup.
#![allow(clippy::doc_markdown)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::behavior::Behavior;
use super::metrics::{MetricSpec, default_metrics};
use super::preset_rules;
use super::schedule::{Fallback, Schedule};
use super::status::ScalePolicyStatus;

/// What a workload's size follows, and within which bounds. Every autoscaling/v2 HorizontalPodAutoscaler spec is valid here and means
/// the same.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "ballast.dev",
    version = "v1alpha1",
    kind = "ScalePolicy",
    plural = "scalepolicies",
    namespaced,
    status = "ScalePolicyStatus",
    shortname = "sp",
    category = "all",
    category = "ballast",
    derive = "PartialEq",
    doc = "A ScalePolicy keeps the replicas of one workload at the size its load asks for. Its spec is that of an autoscaling/v2 HorizontalPodAutoscaler, plus Prometheus metrics, smoothing, schedules, fallback, pause and mode.",
    printcolumn(name = "Target", type_ = "string", json_path = ".status.target", description = "Kind and name of the workload"),
    printcolumn(
        name = "Metrics",
        type_ = "string",
        json_path = ".status.metricsText",
        description = "Current value and target of each metric"
    ),
    printcolumn(name = "Min", type_ = "integer", json_path = ".spec.minReplicas", description = "Lowest size"),
    printcolumn(name = "Max", type_ = "integer", json_path = ".spec.maxReplicas", description = "Highest size"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.currentReplicas", description = "Size at the last decision"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.desiredReplicas", description = "Size last decided"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.decision.verdict", description = "The last decision in one word"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", description = "Whether decisions are written", priority = 1),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.decision.message",
        description = "Why the size is what it is",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.minReplicas) || self.minReplicas <= self.maxReplicas")
        .message("must be at least spec.minReplicas")
        .field_path(".maxReplicas"),
    validation = Rule::new(preset_rules::sees_zero())
        .message("0 needs a metric of type Object, External or Prometheus, or a preset of a mesh or ingress: others cannot be measured without pods")
        .field_path(".minReplicas"),
    validation = Rule::new("!has(self.metrics) || self.metrics.all(a, !has(a.prometheus) || \
        self.metrics.exists_one(b, has(b.prometheus) && b.prometheus.name == a.prometheus.name))")
        .message("names of Prometheus metrics must differ")
        .field_path(".metrics"),
    validation = Rule::new("!has(self.metrics) || self.metrics.all(a, !has(a.preset) || \
        self.metrics.exists_one(b, has(b.preset) && b.preset.name == a.preset.name))")
        .message("a preset may be named once")
        .field_path(".metrics"),
    validation = Rule::new(preset_rules::has_driver())
        .message("one metric at least must have the role Driver: guards and brakes ask for no size")
        .field_path(".metrics"),
    validation = Rule::new("!has(self.schedules) || self.schedules.all(s, \
        (!has(s.minReplicas) || (s.minReplicas >= (has(self.minReplicas) ? self.minReplicas : 1) && s.minReplicas <= self.maxReplicas)) && \
        (!has(s.maxReplicas) || (s.maxReplicas >= (has(self.minReplicas) ? self.minReplicas : 1) && s.maxReplicas <= self.maxReplicas)) && \
        (!has(s.replicas) || (s.replicas >= (has(self.minReplicas) ? self.minReplicas : 1) && s.replicas <= self.maxReplicas)))")
        .message("sizes of schedules must lie within spec.minReplicas and spec.maxReplicas")
        .field_path(".schedules"),
    validation = Rule::new("!has(self.fallback) || !has(self.fallback.replicas) || [self.fallback.replicas].all(r, \
        (!has(r.floor) || (r.floor >= (has(self.minReplicas) ? self.minReplicas : 1) && r.floor <= self.maxReplicas)) && \
        (!has(r.count) || (r.count >= (has(self.minReplicas) ? self.minReplicas : 1) && r.count <= self.maxReplicas)))")
        .message("must lie within spec.minReplicas and spec.maxReplicas")
        .field_path(".fallback.replicas"),
    validation = Rule::new("!has(self.forecast) || self.forecast.mode == 'Off' || !has(self.smoothing) || self.smoothing.type == 'Smooth'")
        .message("needs spec.smoothing.type Smooth: it learns from filtered demand")
        .field_path(".forecast.mode"),
)]
pub struct ScalePolicySpec {
    /// The workload to scale: any object of the same namespace with a scale subresource.
    pub scale_target_ref: CrossVersionObjectReference,
    /// Lowest number of replicas. Default 1. 0 lets the workload go to zero, and needs a metric of type Object, External or Prometheus, or a
    /// preset of a mesh or ingress.
    #[serde(default = "one", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub min_replicas: Option<i32>,
    /// Highest number of replicas; at least minReplicas.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub max_replicas: i32,
    /// What the size follows. Each metric that drives proposes a size and the largest proposal wins. Default: CPU at 80 % of the pods' requests.
    #[serde(default = "default_metrics", deserialize_with = "metrics")]
    #[schemars(length(max = 64))]
    pub metrics: Vec<MetricSpec>,
    /// How fast the size may change in each direction. Without it the size may double (or reach 4) per decision, and shrinks only after
    /// the controller's downscale stabilization (300 s). An empty behavior already switches to the defaults given with its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,
    /// How often this policy is decided, in seconds, 1 to 300. Default: the controller's sync period (15 s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300))]
    pub interval_seconds: Option<i32>,
    /// Enforce writes decisions. Recommend decides and reports in status and Events, and writes no size. Default Enforce.
    #[serde(default)]
    pub mode: Mode,
    /// Holds the size by hand while it lasts. An empty pause holds both directions until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Sizes by the clock: floors, ceilings and counts that hold at certain times, several at once if need be. Demand counts between them.
    #[serde(default, deserialize_with = "schedules", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub schedules: Vec<Schedule>,
    /// What to do while metrics are unknown. Default: the size is held, for as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// The estimator in front of the rules. Default: what the controller is started with (Smooth).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothing: Option<Smoothing>,
    /// Looks ahead by what the same time of past days or weeks brought; it may only add replicas, and only while its own recent error is
    /// clearly less than that of following demand. Needs smoothing of type Smooth. Default: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// CPU samples of a pod younger than this count only if the pod is ready and the whole sample lies after that, in seconds, 0 to 3600.
    /// An older pod that never was ready does not start, and many of them limit growth. Default: the controller's cpu-initialization-period (300 s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub warm_up_seconds: Option<i32>,
}

/// A null is what a missing list is, also in files that no server has cleaned.
fn metrics<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<MetricSpec>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(default_metrics))
}

fn schedules<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Schedule>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

// The API has an optional field with a default.
#[allow(clippy::unnecessary_wraps)]
fn one() -> Option<i32> {
    Some(1)
}

/// Names an object of the policy's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrossVersionObjectReference {
    /// API group and version, e.g. apps/v1. Default: apps/v1 for Deployment, StatefulSet and ReplicaSet, else v1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317), regex(pattern = "^(([^/]+/)?[^/]+)?$"))]
    pub api_version: Option<String>,
    /// Kind, e.g. Deployment.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[^/%]*[^/%.][^/%]*$"))]
    pub kind: String,
    /// Name.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[^/%]*[^/%.][^/%]*$"))]
    pub name: String,
}

/// Whether decisions are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Mode {
    #[default]
    Enforce,
    Recommend,
}

/// A hold by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Which moves are held: All, Up (no growth) or Down (no shrinking). Default All.
    #[serde(default)]
    pub direction: PauseDirection,
    /// End of the pause, e.g. 2026-12-24T18:00:00Z. Default: until the pause is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Why, for those who read status and Events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// Who paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub by: Option<String>,
}

/// Which moves a pause holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum PauseDirection {
    #[default]
    All,
    Up,
    Down,
}

/// The estimator in front of the rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == 'Smooth' || !has(self.timeConstantSeconds)")
        .message("may be given with type Smooth only").field_path(".timeConstantSeconds"),
    validation = Rule::new("self.type == 'Smooth' || !has(self.noiseBand)")
        .message("may be given with type Smooth only").field_path(".noiseBand"),
    validation = Rule::new("self.type == 'Smooth' || !has(self.leadSeconds)")
        .message("may be given with type Smooth only").field_path(".leadSeconds"),
    validation = Rule::new("self.type == 'Smooth' || !has(self.collapseHoldSeconds)")
        .message("may be given with type Smooth only").field_path(".collapseHoldSeconds"),
)]
pub struct Smoothing {
    /// Smooth follows demand through a filter that rises fast and falls slowly. None is the plain HorizontalPodAutoscaler rule.
    #[serde(rename = "type")]
    pub kind: SmoothingType,
    /// Time constant of the filter in seconds, 1 to 3600: after this long without news it has closed 63 % of a gap. Default 30: two sync
    /// periods, so that one outlier weighs less than half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub time_constant_seconds: Option<i32>,
    /// How many standard deviations of noise a rise must exceed to be followed at once, 0 to 10. Default 1.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub noise_band: Option<f64>,
    /// How far ahead a rising trend is followed, in seconds, 0 to 3600; 0 switches that off. Default: learned, the age of the sample plus
    /// the time that pods of this workload take to become ready plus one interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub lead_seconds: Option<i32>,
    /// How many seconds a collapse of demand is not believed, 0 to 3600: a fall to less than a fifth within two looks, deeper than any of the
    /// last day. What was asked for before is kept for so long. Default: the controller's downscale stabilization (300 s), so that by default the end of a load test is
    /// followed as soon as that look-back allows. 0 switches it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub collapse_hold_seconds: Option<i32>,
}

/// Seasonal look-ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Off learns nothing. Shadow learns, and shows what it would ask for and how well it did. On adds replicas once a day of scores says
    /// that it is better. Default Off.
    #[serde(default)]
    pub mode: ForecastMode,
    /// How far ahead to look, in seconds, 1 to 3600. Default: learned, the age of the sample plus the time that pods of this workload take
    /// to become ready plus one interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub horizon_seconds: Option<i32>,
}

/// What is done with a forecast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum ForecastMode {
    #[default]
    Off,
    Shadow,
    On,
}

/// Kinds of estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum SmoothingType {
    Smooth,
    None,
}

impl CrossVersionObjectReference {
    /// The API version, or the one that goes without saying for the kind.
    #[must_use]
    pub fn api_version_or_default(&self) -> &str {
        match self.api_version.as_deref() {
            Some(version) if !version.is_empty() => version,
            _ if matches!(self.kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet") => "apps/v1",
            _ => "v1",
        }
    }
}
