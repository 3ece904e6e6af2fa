//! `status` of a `ScalePolicy`: what was seen and decided last.

// kubectl explain shows these texts without markup.
#![allow(clippy::doc_markdown)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::metrics::{MetricIdentifier, MetricType};
use super::quantity::Quantity;
use super::scale_policy::CrossVersionObjectReference;

/// What was seen and decided last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalePolicyStatus {
    /// Generation of the spec that the last decision was made from; -1 before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "observed")]
    pub observed_generation: Option<i64>,
    /// The workload as kind and name, e.g. Deployment/web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Current value and target of each metric as one text, e.g. cpu: 45%/70%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_text: Option<String>,
    /// Replicas the workload was set to when it was looked at last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<i32>,
    /// Replicas last decided; kept while no decision is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// When the size was last changed by this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale_time: Option<Time>,
    /// Last known value of each metric, in the order of the spec. An unknown one has no current values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub current_metrics: Vec<MetricStatus>,
    /// AbleToScale: the size can be read and written. ScalingActive: a size can be computed. ScalingLimited: the wanted size was cut by a
    /// bound, a rate, a brake, or by pods that do not start. ScaledToZero: the size is 0 because an autoscaler chose it. ReplicasContested: somebody else
    /// sets the size again after each move. Stalled: the spec cannot be used, and only an edit helps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// What the preset auto stands for at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presets: Option<PresetChoice>,
    /// The last decision that a reader would tell from the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionStatus>,
    /// The last changes of the size by this policy, newest first; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub scale_events: Vec<ScaleEvent>,
    /// What the controller remembers of this policy and could not leave to its next checkpoint; for itself, compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub memory: Option<String>,
}

/// The generation that the server fills in where no controller has looked yet: whoever waits by kstatus then waits for that.
pub const UNOBSERVED: i64 = -1;

/// A generation that was looked at.
pub(super) fn observed<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::deserialize(from)?.filter(|generation| *generation != UNOBSERVED))
}

/// How many scale events status keeps.
pub const SCALE_EVENTS: usize = 10;

/// What was chosen for the preset auto.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresetChoice {
    /// The presets, the one that drives first.
    #[schemars(length(max = 8))]
    pub chosen: Vec<String>,
    /// Why, in words.
    pub message: String,
    /// When it was chosen.
    pub time: Time,
}

/// One decision and its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionStatus {
    /// When it was made.
    pub time: Time,
    /// Replicas before.
    pub from: i32,
    /// Replicas decided.
    pub to: i32,
    /// ScaleUp, ScaleDown, Steady, Held, Unknown or Disabled.
    pub verdict: String,
    /// Why, as one CamelCase word.
    pub reason: String,
    /// Why, in words and numbers.
    pub message: String,
    /// What held a different size back, e.g. StabilizationWindow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// Replicas that the metrics ask for together, before windows, rates, bounds and pause; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<i32>,
    /// When the hold may end by itself, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// One change of the size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleEvent {
    /// When it was written.
    pub time: Time,
    /// Replicas before.
    pub from: i32,
    /// Replicas after.
    pub to: i32,
    /// Why, in words and numbers.
    pub reason: String,
}

/// Last known value of one metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricStatus {
    /// Type of the metric as in the spec.
    #[serde(rename = "type")]
    pub kind: MetricType,
    /// Usage of a resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Box<ResourceMetricStatus>>,
    /// Usage of a resource by one container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_resource: Option<Box<ContainerResourceMetricStatus>>,
    /// A metric of each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<Box<PodsMetricStatus>>,
    /// A metric of another object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<ObjectMetricStatus>>,
    /// A metric from outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Box<PodsMetricStatus>>,
    /// The answer to a Prometheus query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Box<PrometheusMetricStatus>>,
    /// Age of the newest sample when it was used, in seconds; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<i64>,
    /// Who gave the value; only of metrics whose freshness is Direct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginStatus>,
    /// Replicas this metric asks for; absent if unknown, and for guards and brakes, which ask for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<i32>,
    /// Of a guard or brake: whether it holds moves in its direction now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
}

/// Who gave a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginStatus {
    /// Pods: the target's pods themselves. Source: the metric's source, asked in their place.
    pub from: String,
    /// How many pods, with the standard error of the total where not all were asked; or why the source was asked.
    pub message: String,
}

/// Usage of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceMetricStatus {
    /// The resource.
    pub name: String,
    /// Its values.
    pub current: MetricValueStatus,
}

/// Usage of a resource by one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResourceMetricStatus {
    /// The resource.
    pub name: String,
    /// The container.
    pub container: String,
    /// Its values.
    pub current: MetricValueStatus,
}

/// A metric of the custom or external metrics API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodsMetricStatus {
    /// The metric.
    pub metric: MetricIdentifier,
    /// Its values.
    pub current: MetricValueStatus,
}

/// A metric of another object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMetricStatus {
    /// The object that is measured.
    pub described_object: CrossVersionObjectReference,
    /// The metric.
    pub metric: MetricIdentifier,
    /// Its values.
    pub current: MetricValueStatus,
}

/// The answer to a Prometheus query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusMetricStatus {
    /// Name of the metric in the policy.
    pub name: String,
    /// Its values.
    pub current: MetricValueStatus,
}

/// Current values of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricValueStatus {
    /// Mean usage in percent of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_utilization: Option<i32>,
    /// Mean per pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text")]
    pub average_value: Option<Quantity>,
    /// The metric as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text")]
    pub value: Option<Quantity>,
}

fn text(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string" })
}
