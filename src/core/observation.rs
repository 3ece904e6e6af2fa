//! What was seen at one tick: sizes, pods, and a reading per signal. "Unknown" is a value here, never 0.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Origin, Scheduled, Time, Writer};

/// The input of one decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// `spec.replicas` of the scale subresource: what was last asked for.
    pub spec_replicas: u32,
    /// `status.replicas` of the scale subresource: pods that exist, surge included.
    pub status_replicas: u32,
    /// Pods of the target, by ownership.
    pub pods: Vec<Pod>,
    /// One reading per signal of the policy, in the same order.
    pub readings: Vec<Reading>,
    /// Who gave each reading; `None`, and where the list ends before: the signal's only source.
    pub origins: Vec<Option<Arc<Origin>>>,
    /// The target is at 0 because an autoscaler put it there (condition `ScaledToZero` of the policy's status).
    pub scaled_to_zero: bool,
    /// Whether the target's pods can be told from others.
    pub selector: Selector,
    /// Bounds that schedules set at this time.
    pub scheduled: Scheduled,
    /// Who set the size found, if it is another one than the memory knows and was not written by the policy itself.
    pub writer: Option<Writer>,
}

/// State of the target's pod selector (`status.selector` of the scale subresource).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// It can be used.
    #[default]
    Usable,
    /// There is none.
    Missing,
    /// It cannot be parsed.
    Invalid {
        /// What the parser said.
        message: String,
    },
    /// Others scale the same target or the same pods.
    Ambiguous {
        /// Their names, e.g. `HorizontalPodAutoscaler/web`.
        others: Vec<String>,
    },
}

/// One pod of the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Name, unique in the target's namespace.
    pub name: Arc<str>,
    /// `status.phase`.
    pub phase: Phase,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `status.startTime`.
    pub start_time: Option<Time>,
    /// The `Ready` condition, if there is one.
    pub ready: Option<Ready>,
    /// `metadata.creationTimestamp`: when it was ordered, so to speak.
    pub created: Option<Time>,
    /// The longest time it is known to have been ready before it ceased to be.
    pub served: Duration,
    /// What keeps it from running, as far as its status says.
    pub trouble: Option<Trouble>,
}

/// What keeps a pod from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trouble {
    /// No node has room for it or is allowed for it.
    Unschedulable,
    /// An image cannot be had.
    Image,
    /// A container cannot be made, e.g. because a `ConfigMap` is missing.
    Container,
    /// A container ends again and again.
    Crash,
}

/// A pod's `Ready` condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The condition's status is `True`.
    pub status: bool,
    /// Its `lastTransitionTime`.
    pub since: Time,
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Not running yet.
    Pending,
    /// At least one container runs.
    #[default]
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one of them badly.
    Failed,
    /// The node cannot be asked.
    Unknown,
}

/// What a source said about one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reading {
    /// One value per pod.
    PerPod {
        /// One slot per pod of [`Observation::pods`], in the same order; `None`: no usable sample.
        samples: Vec<Option<Sample>>,
        /// The pods' requests in the same order; empty unless the target is a utilization.
        requests: Vec<Request>,
        /// What each pod can use at most, in the same order: its CPU limit. `None`, and what is not there, is no limit that is known.
        limits: Vec<Option<f64>>,
    },
    /// One value for the whole.
    Total(Sample),
    /// Nothing usable.
    Failed(Failure),
}

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// In thousandths of the metric's unit; whole for Kubernetes quantities. Sources drop NaN and infinities before this.
    pub value: f64,
    /// End of the time it covers.
    pub time: Time,
    /// Length of the time it covers; 60 s where the source does not say.
    pub window: Duration,
}

/// What a pod requests of the signal's resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Thousandths of the unit.
    Milli(f64),
    /// This container requests nothing, so no percentage can be formed.
    Unset { container: String },
    /// The container named by the signal is not in the pod's spec.
    NoContainer { container: String },
}

/// Why a signal has no reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong, as a fixed word for metrics and tests.
    pub kind: FailureKind,
    /// The whole story for people: which source or query, what it said.
    pub message: String,
}

/// Kinds of failure of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// No answer: connection, timeout, 5xx.
    Unreachable,
    /// Answered that it will not: 401, 403, 4xx, an unknown source, a query the server rejects.
    Refused,
    /// Answered with nothing: no series, empty list.
    Empty,
    /// Answered with something that is not a usable number: NaN, infinity, several series where one is needed, garbage.
    Invalid,
}
