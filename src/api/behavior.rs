//! `spec.behavior`: how fast a size may change.

// kubectl explain shows these texts without markup.
#![allow(clippy::doc_markdown)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::Quantity;

/// Rules for both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Rules for growth. Default: no stabilization window, and the larger of 4 pods and 100 % per 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,
    /// Rules for shrinking. Default: the controller's downscale stabilization (300 s) as window, and 100 % per 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// Rules for one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// How far to look back over past proposals, in seconds, 0 to 3600: growth takes the lowest of them, shrinking the highest.
    /// Default: 0 for growth; for shrinking the controller's downscale stabilization (300 s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,
    /// Which policy binds when there are several: Max allows the largest change, Min the smallest, Disabled allows none in this
    /// direction. Default Max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,
    /// Limits of the change; giving them replaces the defaults of this direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub policies: Option<Vec<ScalingPolicy>>,
    /// Band around the target in which this direction does nothing, as a ratio: 0.05 is 5 %. Default: the controller's tolerance (0.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Quantity>,
}

/// Which of several limits binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum SelectPolicy {
    Max,
    Min,
    Disabled,
}

/// At most this much change within the period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// Unit of the value: Pods, or Percent of the size at the start of the period.
    #[serde(rename = "type")]
    pub kind: ScalingPolicyType,
    /// Allowed change, at least 1.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub value: i32,
    /// Length of the period in seconds, 1 to 1800.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

/// Unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum ScalingPolicyType {
    Pods,
    Percent,
}
