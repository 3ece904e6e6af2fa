//! What people write about sizes by the clock and about outages.

// kubectl explain shows these texts without markup.
#![allow(clippy::doc_markdown)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Bounds that hold at certain times: windows that a cron expression opens, or one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.cron) != (has(self.start) || has(self.end))")
        .message("needs either cron and durationSeconds, or start and end"),
    validation = Rule::new("has(self.cron) == has(self.durationSeconds)")
        .message("cron and durationSeconds belong together").field_path(".durationSeconds"),
    validation = Rule::new("has(self.start) == has(self.end)")
        .message("start and end belong together").field_path(".end"),
    validation = Rule::new("!has(self.start) || !has(self.end) || self.start < self.end")
        .message("must be after start").field_path(".end"),
    validation = Rule::new("has(self.minReplicas) || has(self.maxReplicas) || has(self.replicas)")
        .message("needs minReplicas, maxReplicas or replicas"),
    validation = Rule::new("!has(self.replicas) || !(has(self.minReplicas) || has(self.maxReplicas))")
        .message("may not be given together with minReplicas or maxReplicas").field_path(".replicas"),
    validation = Rule::new("!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas")
        .message("must be at least minReplicas").field_path(".maxReplicas"),
    validation = Rule::new("!has(self.rampSeconds) || has(self.minReplicas) || has(self.replicas)")
        .message("needs minReplicas or replicas to rise to").field_path(".rampSeconds"),
)]
pub struct Schedule {
    /// Name, shown in reasons; unique in the policy.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"))]
    pub name: String,
    /// Starts of windows as a cron expression of five fields (minute, hour, day of month, month, day of week) on the clock of timeZone,
    /// e.g. 0 8 * * 1-5. A start that a change of the clocks skips is at the end of the gap; one that it repeats counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub cron: Option<String>,
    /// Length of each window of cron in seconds, 1 to 2678400 (31 days).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_678_400))]
    pub duration_seconds: Option<i32>,
    /// Start of a single window instead of cron, e.g. 2026-11-27T00:00:00+01:00.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// End of the single window, after start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
    /// IANA time zone that cron is read in and times are shown in, e.g. Europe/Berlin. Default UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: Option<String>,
    /// Floor: the size is at least this while the window lasts; demand may ask for more. Within the policy's minReplicas and maxReplicas.
    /// Of several floors in force the highest holds, and a floor holds over a ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub min_replicas: Option<i32>,
    /// Ceiling: the size is at most this while the window lasts. Within the policy's minReplicas and maxReplicas. Of several ceilings in
    /// force the lowest holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub max_replicas: Option<i32>,
    /// Count: floor and ceiling at once, so that demand has no say. Within the policy's minReplicas and maxReplicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub replicas: Option<i32>,
    /// How long before a window the floor rises, step by step from the policy's minReplicas, so that the capacity is there at its start; in
    /// seconds, 0 to 86400. Default 0: all at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub ramp_seconds: Option<i32>,
}

/// What to do while metrics are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// How long the size is only held, counted from the first look without the metric, in seconds, 0 to 86400. Default 300: a restart of a
    /// metrics server takes minutes and should move nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub hold_seconds: Option<i32>,
    /// The size after that. Default: the current size is kept until the metric is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<FallbackReplicas>,
}

/// A size in an outage. Without a field it is the current one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.floor) || !has(self.count)").message("may not be given together with floor").field_path(".count"))]
pub struct FallbackReplicas {
    /// At least this many replicas; a larger size stays. Within the policy's minReplicas and maxReplicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub floor: Option<i32>,
    /// Exactly this many replicas, even if that removes some; metrics that are still known may ask for more. Within the policy's minReplicas
    /// and maxReplicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub count: Option<i32>,
}
