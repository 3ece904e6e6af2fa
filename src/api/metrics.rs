//! `spec.metrics`: what a size follows.

// kubectl explain shows these texts without markup.
#![allow(clippy::doc_markdown, rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::preset_rules;
use super::quantity::{Quantity, positive};
use super::scale_policy::CrossVersionObjectReference;
use super::selector::LabelSelector;
use crate::source::preset::{AUTO, PRESETS};

// Rules reach quantities through `dyn`: their schema has no type (see `Quantity`), so that they are not part of the object's CEL type.

/// One metric with its target. Exactly the field that belongs to its type is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.type == 'Resource') == has(self.resource)")
        .message("must be given with type Resource, and only then").field_path(".resource"),
    validation = Rule::new("(self.type == 'ContainerResource') == has(self.containerResource)")
        .message("must be given with type ContainerResource, and only then").field_path(".containerResource"),
    validation = Rule::new("(self.type == 'Pods') == has(self.pods)")
        .message("must be given with type Pods, and only then").field_path(".pods"),
    validation = Rule::new("(self.type == 'Object') == has(self.object)")
        .message("must be given with type Object, and only then").field_path(".object"),
    validation = Rule::new("(self.type == 'External') == has(self.external)")
        .message("must be given with type External, and only then").field_path(".external"),
    validation = Rule::new("(self.type == 'Prometheus') == has(self.prometheus)")
        .message("must be given with type Prometheus, and only then").field_path(".prometheus"),
    validation = Rule::new("(self.type == 'Preset') == has(self.preset)")
        .message("must be given with type Preset, and only then").field_path(".preset"),
    validation = Rule::new(preset_rules::role_fits())
        .message("must be one of the preset's own roles: go-memory-headroom is a Guard, sql-pool-wait a Brake").field_path(".role"),
)]
pub struct MetricSpec {
    /// Where the metric comes from: Resource, ContainerResource, Pods, Object, External, Prometheus or Preset.
    #[serde(rename = "type")]
    pub kind: MetricType,
    /// CPU or memory of the pods, from the metrics API (metrics.k8s.io).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Box<ResourceMetricSource>>,
    /// CPU or memory of one container of each pod, from the metrics API (metrics.k8s.io).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_resource: Option<Box<ContainerResourceMetricSource>>,
    /// A metric of each pod, from the custom metrics API (custom.metrics.k8s.io).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<Box<PodsMetricSource>>,
    /// A metric of one other object, from the custom metrics API (custom.metrics.k8s.io).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<ObjectMetricSource>>,
    /// A metric from outside the cluster, from the external metrics API (external.metrics.k8s.io).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Box<ExternalMetricSource>>,
    /// The answer to a PromQL query, asked directly at a Prometheus-compatible server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Box<PrometheusMetricSource>>,
    /// A ready query for what Go services, databases, meshes and ingresses export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Box<PresetMetricSource>>,
    /// What the metric may do to the size. Driver: it asks for a size, and the largest wins. Guard: above its target it holds scale-in, and for
    /// one scale-in window more; it never causes growth; unknown, it holds as well. Brake: above its target it holds growth; it never causes
    /// scale-in; unknown, it holds nothing. Default: Driver, or the preset's own role. One metric at least must be a driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// What a metric may do to the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Role {
    Driver,
    Guard,
    Brake,
}

/// Where a metric comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum MetricType {
    Resource,
    ContainerResource,
    Pods,
    Object,
    External,
    Prometheus,
    Preset,
}

/// Usage of a compute resource, summed over a pod's containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceMetricSource {
    /// The resource: cpu (in cores) or memory (in bytes).
    #[schemars(length(min = 1, max = 317))]
    pub name: String,
    /// What a pod should use on average: either averageUtilization or averageValue.
    #[x_kube(
        validation = Rule::new("has(self.averageUtilization) || has(dyn(self).averageValue)")
            .message("must have averageUtilization or averageValue"),
        validation = Rule::new("!has(self.averageUtilization) || !has(dyn(self).averageValue)")
            .message("may not have both averageUtilization and averageValue"),
    )]
    pub target: MetricTarget,
}

/// Usage of a compute resource by one container of each pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerResourceMetricSource {
    /// The resource: cpu (in cores) or memory (in bytes).
    #[schemars(length(min = 1, max = 317))]
    pub name: String,
    /// Name of the container in the pods.
    #[schemars(length(min = 1, max = 63))]
    pub container: String,
    /// What the container should use on average: either averageUtilization or averageValue.
    #[x_kube(
        validation = Rule::new("has(self.averageUtilization) || has(dyn(self).averageValue)")
            .message("must have averageUtilization or averageValue"),
        validation = Rule::new("!has(self.averageUtilization) || !has(dyn(self).averageValue)")
            .message("may not have both averageUtilization and averageValue"),
    )]
    pub target: MetricTarget,
}

/// A metric with one value per pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodsMetricSource {
    /// The metric.
    pub metric: MetricIdentifier,
    /// What a pod should have on average: averageValue.
    #[x_kube(validation = Rule::new("has(dyn(self).averageValue)").message("must be given").field_path(".averageValue"))]
    pub target: MetricTarget,
}

/// A metric of one other object of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMetricSource {
    /// The object that is measured, e.g. an Ingress.
    pub described_object: CrossVersionObjectReference,
    /// The metric.
    pub metric: MetricIdentifier,
    /// What the metric should be: value for the whole, or averageValue for the share of one pod.
    #[x_kube(validation = Rule::new("has(dyn(self).value) || has(dyn(self).averageValue)").message("must have value or averageValue"))]
    pub target: MetricTarget,
}

/// A metric from outside the cluster; several series that match are summed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalMetricSource {
    /// The metric.
    pub metric: MetricIdentifier,
    /// What the metric should be: either value for the whole, or averageValue for the share of one pod.
    #[x_kube(
        validation = Rule::new("has(dyn(self).value) || has(dyn(self).averageValue)").message("must have value or averageValue"),
        validation = Rule::new("!has(dyn(self).value) || !has(dyn(self).averageValue)")
            .message("may not have both value and averageValue"),
    )]
    pub target: MetricTarget,
}

/// Names a metric of the custom or external metrics API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricIdentifier {
    /// Name of the metric.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[^/%]*[^/%.][^/%]*$"))]
    pub name: String,
    /// Which series of the metric count. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// The setpoint of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricTarget {
    /// Utilization, Value or AverageValue, after the field that is given.
    #[serde(rename = "type")]
    pub kind: MetricTargetType,
    /// Mean usage in percent of the pods' requests, at least 1. Only for Resource and ContainerResource metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub average_utilization: Option<i32>,
    /// Mean per pod, as a quantity above 0: a number, or a text such as 350m, 2k or 1.5Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive")]
    pub average_value: Option<Quantity>,
    /// The metric as a whole, as a quantity above 0: a number, or a text such as 350m, 2k or 1.5Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive")]
    pub value: Option<Quantity>,
}

/// Kinds of setpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum MetricTargetType {
    Utilization,
    Value,
    AverageValue,
}

/// A Prometheus instant query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusMetricSource {
    /// Name of this metric in status, Events and reasons; unique within the policy.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// PromQL, at most 4096 characters. It gives either one number for the whole workload, or a vector with a label pod: then each pod has
    /// its own value and the rules for missing and unready pods apply. The placeholders ${namespace}, ${name} (of the workload) and
    /// ${pods} (a regular expression for the names of its pods) are filled in. Example:
    /// sum(rate(http_requests_total{namespace="${namespace}",pod=~"${pods}"}[1m]))
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// Which server is asked: a MetricSource of the same namespace, or else a source of the controller's configuration. Default: default.
    #[serde(default = "default_source")]
    #[schemars(length(min = 1, max = 253))]
    pub source: String,
    /// What the metric should be, in the unit of the query.
    pub target: PrometheusTarget,
    /// What an answer without any series means. Absent: the value is unknown, and the size is not reduced. Zero: there is no load.
    /// Default Absent, because a missing metric is not zero.
    #[serde(default)]
    pub when_empty: WhenEmpty,
    /// How fresh its values are, see the freshness of presets. Direct needs the query of a preset that can be asked of pods, word by word.
    #[serde(default, skip_serializing_if = "Freshness::is_default")]
    pub freshness: Freshness,
}

/// A named query, see docs/presets.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(preset_rules::has_target())
        .message("must be given with this preset: no number fits most services").field_path(".target"),
    validation = Rule::new(preset_rules::can_be_direct())
        .message("Direct is for presets that the workload's own pods show").field_path(".freshness"),
)]
pub struct PresetMetricSource {
    /// Which preset; also the metric's name in status, Events and reasons. auto lets the controller choose: without a target what tells that
    /// processors are short, with one a request rate, and beside it guards and brakes, as far as there are series for the workload.
    #[schemars(schema_with = "preset_name")]
    pub name: String,
    /// What one replica should have on average, or bears at most. Default: that of the preset; those of request rates have none, as no number
    /// fits most services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PresetTarget>,
    /// Which server is asked: a MetricSource of the same namespace, or else a source of the controller's configuration. Default: default.
    #[serde(default = "default_source")]
    #[schemars(length(min = 1, max = 253))]
    pub source: String,
    /// What else can be set, by name: window (the time over which rates are taken, 1m by default) and what the preset has of its own, such as
    /// the service of ingress-nginx-requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters")]
    pub parameters: BTreeMap<String, String>,
    /// How fresh its values are. Stored: as the server has them. Direct: the controller asks the workload's pods themselves, between two
    /// decisions as well, and the server only if fewer than half of them have a value. For http-requests, http-in-flight, grpc-requests, go-cpu,
    /// go-run-queue, sql-pool-wait, and with auto for those of its choice. Default Stored, as Direct needs the network to let the controller
    /// through to the pods.
    #[serde(default, skip_serializing_if = "Freshness::is_default")]
    pub freshness: Freshness,
}

fn parameters(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "maxProperties": 8, "additionalProperties": { "type": "string", "maxLength": 253 } })
}

fn preset_name(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).chain([AUTO]).collect();
    schemars::json_schema!({ "type": "string", "enum": names })
}

/// The setpoint of a preset: exactly one of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(dyn(self).averageValue) != has(dyn(self).capacity)").message("must have averageValue or capacity, and not both"),
)]
pub struct PresetTarget {
    /// Mean per replica, as a quantity above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive")]
    pub average_value: Option<Quantity>,
    /// What one replica bears at 100 %, as a quantity above 0; Ballast chooses the headroom. For loads that replicas share, such as requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive")]
    pub capacity: Option<Quantity>,
}

fn default_source() -> String {
    "default".to_owned()
}

/// The setpoint of a Prometheus metric: the type, and the field it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.type == 'Value') == has(dyn(self).value)")
        .message("must be given with type Value, and only then").field_path(".value"),
    validation = Rule::new("(self.type == 'AverageValue') == has(dyn(self).averageValue)")
        .message("must be given with type AverageValue, and only then").field_path(".averageValue"),
    validation = Rule::new("(self.type == 'Capacity') == has(dyn(self).capacity)")
        .message("must be given with type Capacity, and only then").field_path(".capacity"),
)]
pub struct PrometheusTarget {
    /// Value, AverageValue or Capacity.
    #[serde(rename = "type")]
    pub kind: PrometheusTargetType,
    /// The metric as a whole, as a quantity above 0; the size is changed in proportion. For ratios and latencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive")]
    pub value: Option<Quantity>,
    /// Mean per replica, as a quantity above 0. For loads that replicas share, such as requests per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive")]
    pub average_value: Option<Quantity>,
    /// What one replica bears at 100 %, as a quantity above 0. The headroom is chosen by square-root staffing and the noise of the load: small
    /// and unsteady services get more, large and steady ones less. None is planned fuller than 80 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "positive")]
    pub capacity: Option<Quantity>,
}

/// Kinds of setpoint of a Prometheus metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum PrometheusTargetType {
    Value,
    AverageValue,
    Capacity,
}

/// How fresh values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Freshness {
    #[default]
    Stored,
    Direct,
}

impl Freshness {
    #[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Meaning of an answer without series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum WhenEmpty {
    #[default]
    Absent,
    Zero,
}

/// CPU at 80 % of the requests: what the stock API server fills in when no metric is given.
pub(crate) fn default_metrics() -> Vec<MetricSpec> {
    vec![MetricSpec::resource("cpu", MetricTarget::utilization(80))]
}

impl MetricSpec {
    /// A metric of type Resource.
    #[must_use]
    pub fn resource(name: &str, target: MetricTarget) -> Self {
        Self { resource: Some(Box::new(ResourceMetricSource { name: name.to_owned(), target })), ..Self::empty(MetricType::Resource) }
    }

    /// A metric of type Prometheus.
    #[must_use]
    pub fn prometheus(source: PrometheusMetricSource) -> Self {
        Self { prometheus: Some(Box::new(source)), ..Self::empty(MetricType::Prometheus) }
    }

    /// A metric of type Preset.
    #[must_use]
    pub fn preset(source: PresetMetricSource) -> Self {
        Self { preset: Some(Box::new(source)), ..Self::empty(MetricType::Preset) }
    }

    fn empty(kind: MetricType) -> Self {
        Self {
            kind,
            resource: None,
            container_resource: None,
            pods: None,
            object: None,
            external: None,
            prometheus: None,
            preset: None,
            role: None,
        }
    }
}

impl MetricTarget {
    /// Percent of the requests.
    #[must_use]
    pub fn utilization(percent: i32) -> Self {
        Self { kind: MetricTargetType::Utilization, average_utilization: Some(percent), average_value: None, value: None }
    }

    /// Mean per pod.
    #[must_use]
    pub fn average_value(value: Quantity) -> Self {
        Self { kind: MetricTargetType::AverageValue, average_utilization: None, average_value: Some(value), value: None }
    }
}
