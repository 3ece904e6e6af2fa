//! Numbers in: from the Kubernetes metrics APIs and from Prometheus.
//!
//! A tick hands all its questions over at once, so that sources can answer many policies with one request.

mod apiserver;
mod catalog;
mod custom;
pub mod direct;
mod external;
mod failure;
mod fault;
mod health;
mod plan;
pub mod preset;
mod presets;
pub mod prometheus;
mod registry;
mod request;
mod round;
mod samples;
mod sources;
mod traced;
pub mod usage;

use std::sync::Arc;
use std::time::Duration;

pub use catalog::{Catalog, CatalogEntry};
pub use fault::{Cause, Fault};
pub use health::SourceHealth;
pub use registry::Settings;
pub use sources::Sources;

use crate::core::{Origin, Reading};

/// One question: the current value of one signal for one target.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Namespace of the policy and its target.
    pub namespace: Arc<str>,
    /// Name of the target.
    pub target: Arc<str>,
    /// The target's pod selector as text (`app=web,tier!=db`).
    pub selector: Arc<str>,
    /// Names of the target's pods; per-pod answers have one slot for each, in this order.
    pub pods: Arc<[Arc<str>]>,
    /// What to ask for.
    pub query: Query,
    /// The pods themselves, where they are to be asked first.
    pub direct: Option<direct::Pods>,
}

/// One policy's questions.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The questions; readings have the same order.
    pub asks: Vec<Ask>,
    /// Longest wait for all of them.
    pub deadline: Duration,
}

/// What a batch was answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// One for each ask, in their order.
    pub readings: Vec<Reading>,
    /// Who gave them, see [`Observation::origins`](crate::core::Observation::origins).
    pub origins: Vec<Option<Arc<Origin>>>,
}

/// Where a signal's numbers come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// metrics.k8s.io: usage per pod, of one container if named.
    Resource { resource: String, container: Option<String> },
    /// custom.metrics.k8s.io: a metric of each pod; `selector` is the metric's own label selector as text.
    Pods { metric: String, selector: String },
    /// custom.metrics.k8s.io: a metric of one object.
    Object { metric: String, selector: String, api_version: String, kind: String, name: String },
    /// external.metrics.k8s.io: the sum of the series that match.
    External { metric: String, selector: String },
    /// A Prometheus instant query.
    Prometheus(PrometheusQuery),
}

/// What is filled into a query when it is asked.
pub const PLACEHOLDERS: [&str; 3] = ["${namespace}", "${name}", "${pods}"];

/// A Prometheus instant query as written in a policy; `${namespace}`, `${name}` and `${pods}` are substituted when it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrometheusQuery {
    /// Name of the metric in the policy, for messages.
    pub name: String,
    /// Name of a `MetricSource` of the policy's namespace, or of a source in the controller's configuration.
    pub source: String,
    /// `PromQL`.
    pub query: String,
    /// Longest time that its ranges look back; 0 without any, or where it cannot be parsed.
    pub window: Duration,
    /// What an empty answer means.
    pub when_empty: WhenEmpty,
    /// The preset whose query it is: it can be asked for many targets at once.
    pub preset: Option<Arc<preset::Filled>>,
}

/// Meaning of an empty answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenEmpty {
    /// The value is unknown: missing is not zero.
    #[default]
    Absent,
    /// The owner says that no series means no load.
    Zero,
}
