//! The record as JSON: field names as in the policy's status, times in RFC 3339, numbers in the signal's own unit.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::core::reason::Unit;

/// All there is to say about one policy. Fields that only the controller knows are absent when it was made from the status alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// Namespace of the policy.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The workload as kind and name.
    pub target: String,
    /// Enforce or Recommend.
    pub mode: String,
    /// Lowest size.
    pub min_replicas: u32,
    /// Highest size.
    pub max_replicas: u32,
    /// Time between decisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u64>,
    /// Band around the targets in which nothing is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<ToleranceRecord>,
    /// Size of the target at the last decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<u32>,
    /// Size last decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<u32>,
    /// The spec was edited after the last decision.
    pub edited: bool,
    /// What is wrong with the spec, one text per field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// What was chosen for the preset auto, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presets: Option<String>,
    /// A hold by hand, whether or not it holds anything back now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseRecord>,
    /// The last decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionRecord>,
    /// What each signal says, in the order of the spec.
    pub signals: Vec<SignalRecord>,
    /// Conditions that say what is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ConditionRecord>,
    /// All conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionRecord>,
    /// The last changes of the size, newest first.
    pub scale_events: Vec<ScaleRecord>,
    /// The last decisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// Tolerances as ratios.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToleranceRecord {
    /// For growth.
    pub up: f64,
    /// For shrinking.
    pub down: f64,
}

/// A hold by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseRecord {
    /// All, Up or Down.
    pub direction: String,
    /// Its end; absent: until it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecord {
    /// When it was made.
    pub time: Timestamp,
    /// Size before.
    pub from: u32,
    /// Size decided.
    pub to: u32,
    /// Size that the signals ask for together, before anything holds it back; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u32>,
    /// `ScaleUp`, `ScaleDown`, `Steady`, `Held`, `Unknown` or `Disabled`.
    pub verdict: String,
    /// Why, as one word.
    pub reason: String,
    /// Why, in one line.
    pub message: String,
    /// What holds a different size back, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// When it may let go by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The size then, if the signals stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<u32>,
    /// Every step of the explanation; the first is the headline's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ReasonRecord>,
    /// The stages that changed the wanted size, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clamps: Vec<ClampRecord>,
}

/// One step of the explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonRecord {
    /// Fixed word.
    pub code: String,
    /// In words and numbers.
    pub message: String,
}

/// One stage that replaced the size it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClampRecord {
    /// Size that came in.
    pub before: u32,
    /// Size that went out.
    pub after: u32,
    /// Why.
    #[serde(flatten)]
    pub reason: ReasonRecord,
    /// When this may change by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What one signal says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SignalRecord {
    /// Its name.
    pub name: String,
    /// Guard or Brake; absent: it drives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Of a guard or brake: it stands against moves in its direction now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// Current value in the target's terms; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its target.
    pub target: String,
    /// How the two are meant: `Utilization`, `AverageValue`, `Value` or `Capacity`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Age of the newest sample when it was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
    /// Who gave the value, if its pods are to be asked themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginRecord>,
    /// Replicas it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<u32>,
    /// Total demand before and after the filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<EstimateRecord>,
    /// Value above which more replicas are asked for and value below which fewer, at the present size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grows_above: Option<String>,
    /// See `grows_above`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrinks_below: Option<String>,
    /// What the forecast says; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastRecord>,
    /// Why there is no proposal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Who gave a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OriginRecord {
    /// `Pods`: the target's pods themselves; `Source`: the metric's source, asked in their place.
    pub from: String,
    /// How many pods, or why the source was asked.
    pub message: String,
    /// Pods with a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<u32>,
    /// Pods that were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<u32>,
    /// Pods for which the value stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u32>,
    /// Standard error of the total by sampling, in percent of it; absent where all were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_percent: Option<f64>,
}

/// What a forecast says, and how far it is to be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ForecastRecord {
    /// Shadow or On.
    pub mode: String,
    /// `Learning`, `Better`, `NoBetter` or `Unsuitable`.
    pub standing: String,
    /// Whether it adds replicas, and why or why not.
    pub message: String,
    /// Recent error in percent of the mean demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_percent: Option<f64>,
    /// The same without the forecast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_without_percent: Option<f64>,
    /// Begin of the five minutes that are foretold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Demand then over all pods, in the signal's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demand: Option<f64>,
    /// Unit of the demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Replicas for it, at most twice those that demand itself asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// What it was learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned_from: Option<String>,
}

/// Total demand over all pods, in the signal's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimateRecord {
    /// Unit of the numbers.
    pub unit: Unit,
    /// Measured.
    pub raw: f64,
    /// Filtered level.
    pub level: f64,
    /// Standard deviation of the noise.
    pub noise: f64,
    /// Acted on.
    pub demand: f64,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionRecord {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    #[serde(default)]
    pub status: String,
    /// Since when it has this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Its reason.
    pub reason: String,
    /// In words.
    pub message: String,
}

/// One change of the size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleRecord {
    /// When it was written.
    pub time: Timestamp,
    /// Size before.
    pub from: u32,
    /// Size after.
    pub to: u32,
    /// Why.
    pub message: String,
}

/// The last decisions since the controller took the lead, bounded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct History {
    /// Decisions that a reader would tell from the one before, oldest first.
    pub changes: Vec<Change>,
    /// Names of the signals whose demand the points carry.
    pub signals: Vec<String>,
    /// Sizes and demand, oldest first; each holds until the next one.
    pub points: Vec<Point>,
    /// The bounds in force, oldest first; each holds until the next one. Schedules move them.
    pub bounds: Vec<BoundsRecord>,
    /// Time of the last decision, up to which the last point holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

/// A decision that differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub time: Timestamp,
    /// Size before.
    pub from: u32,
    /// Size decided.
    pub to: u32,
    /// In one word.
    pub verdict: String,
    /// Why, in one line.
    pub message: String,
}

/// What was seen and wanted from one time on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// From when.
    pub time: Timestamp,
    /// Size found.
    pub replicas: u32,
    /// Size that the signals asked for; null if unknown.
    pub wanted: Option<u32>,
    /// Size decided; null in records of older controllers.
    #[serde(default)]
    pub desired: Option<u32>,
    /// Total demand of each signal, in its unit; of a guard or brake the value that is compared with its target. Null if unknown.
    pub demand: Vec<Option<f32>>,
}

/// Bounds from one time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundsRecord {
    /// From when.
    pub time: Timestamp,
    /// Lowest size.
    pub min: u32,
    /// Highest size.
    pub max: u32,
}

/// One policy in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Namespace of the policy.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The workload as kind and name.
    pub target: String,
    /// Size at the last decision.
    pub current_replicas: Option<u32>,
    /// Size last decided.
    pub desired_replicas: Option<u32>,
    /// Size that the signals ask for together; absent if unknown.
    pub wanted_replicas: Option<u32>,
    /// Lowest size of the spec.
    pub min_replicas: u32,
    /// Highest size.
    pub max_replicas: u32,
    /// Enforce or Recommend.
    pub mode: String,
    /// The last decision in one word; absent before the first.
    pub verdict: Option<String>,
    /// Why, in one line.
    pub message: Option<String>,
    /// Values and targets of the metrics in one line.
    pub metrics: Option<String>,
    /// When the size was last changed.
    pub last_scale_time: Option<Timestamp>,
    /// The first thing that is not as it should be, in words.
    pub problem: Option<String>,
}
