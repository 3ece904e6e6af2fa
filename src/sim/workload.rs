//! What the workload's metrics show while its pods bear load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::core::{Signal, SignalKind, Target};

/// Share of a pod's capacity that an averaging target is assumed to stand for, see [`Workload::assumed`].
const ASSUMED_UTILIZATION: f64 = 0.7;

/// What each signal shows, by the signal's name ([`Signal::name`]), e.g. `cpu` or the name of a Prometheus query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Workload {
    /// One each; may hold signals that a policy does not have.
    pub signals: BTreeMap<String, Meter>,
}

/// What one signal shows, in the metric's own unit (cores, bytes, requests per second). Linear between `idle` and `full`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Meter {
    /// What one pod shows at 100 % load; of [`Measure::Backlog`] the work that one pod does in a second.
    pub full: f64,
    /// What a running pod shows without load, default 0. Memory that does not depend on load, for example.
    #[serde(default)]
    pub idle: f64,
    /// What is measured; by default what the signal's kind and target are mostly used for, see [`Meter::measure`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Measure>,
    /// The Prometheus query has one series per pod. Resource and Pods metrics always do, Object and External metrics never.
    #[serde(default)]
    pub per_pod: bool,
    /// What a pod requests of it. Needed for `Utilization` targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<f64>,
    /// What a pod can use of it at most, at least `full`. Only for CPU, where the decision takes notice of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

/// A quantity of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// Work that arrives, whether or not it is borne: the request rate at an ingress.
    Arrivals,
    /// Work that is done: CPU, requests served. At most what the ready pods can do.
    Work,
    /// Share of the ready pods' capacity that is in use, as one value for the whole.
    Utilization,
    /// Work that waits: the length of a queue. Not an average over time, but as it was at the end of the sample.
    Backlog,
}

impl Workload {
    /// This signal shows that.
    #[must_use]
    pub fn with(mut self, signal: impl Into<String>, meter: Meter) -> Self {
        self.signals.insert(signal.into(), meter);
        self
    }

    /// What can be assumed of these signals without knowing the workload: a `Capacity` is what a pod bears; other targets in a unit are set
    /// at 70 % of it; a pod uses up its CPU request at 100 % load and is limited to it. Nothing is known of memory.
    pub fn assumed(signals: &[Signal]) -> Self {
        Self::assumed_at(signals, ASSUMED_UTILIZATION)
    }

    /// The same with another share of a pod's capacity for which averaging targets stand.
    pub fn assumed_at(signals: &[Signal], utilization: f64) -> Self {
        let known = signals.iter().filter_map(|signal| Some((signal.name().to_string(), Meter::assumed(signal, utilization)?)));
        Self { signals: known.collect() }
    }

    /// What is known of a signal.
    pub fn meter(&self, signal: &Signal) -> Option<&Meter> {
        self.signals.get(signal.name().as_ref())
    }

    /// Why these signals cannot be simulated; empty if they can.
    pub fn check(&self, signals: &[Signal]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for signal in signals {
            let path = format!("signals.{}", signal.name());
            match self.meter(signal) {
                Some(meter) => meter.check(signal, &path, &mut problems),
                None => problems.push(Problem::new(path, "unknown what one pod shows at 100 % load; give `full` at least")),
            }
        }
        problems
    }
}

impl Meter {
    /// A metric that rises in proportion to load, up to `full` at 100 % of a pod.
    pub fn new(full: f64) -> Self {
        Self { full, idle: 0.0, of: None, per_pod: false, request: None, limit: None }
    }

    /// CPU: all of the request is used at 100 %, and it is the limit too.
    pub fn cpu(cores: f64) -> Self {
        Self { request: Some(cores), limit: Some(cores), ..Self::new(cores) }
    }

    fn assumed(signal: &Signal, utilization: f64) -> Option<Self> {
        let milli = match signal.target {
            Target::Utilization(_) => return signal.kind.is_cpu().then(|| Self::cpu(1.0)),
            Target::Capacity(capacity) => capacity,
            Target::AverageValue(target) | Target::Value(target) => target / utilization,
        };
        let full = milli / 1000.0;
        match signal.kind {
            SignalKind::Resource { .. } | SignalKind::ContainerResource { .. } => signal.kind.is_cpu().then(|| Self::cpu(full)),
            _ => Some(Self::new(full)),
        }
    }

    /// What is measured: `of`, or else work that is done for values per pod, utilization for a target on the whole, and arrivals for a
    /// total that the pods share.
    pub fn measure(&self, signal: &Signal) -> Measure {
        self.of.unwrap_or(match signal.target {
            _ if self.is_per_pod(&signal.kind) => Measure::Work,
            Target::Value(_) => Measure::Utilization,
            _ => Measure::Arrivals,
        })
    }

    /// Whether there is one value per pod.
    pub fn is_per_pod(&self, kind: &SignalKind) -> bool {
        match kind {
            SignalKind::Resource { .. } | SignalKind::ContainerResource { .. } | SignalKind::Pods { .. } => true,
            SignalKind::Prometheus { .. } => self.per_pod,
            SignalKind::Object { .. } | SignalKind::External { .. } => false,
        }
    }

    fn check(&self, signal: &Signal, path: &str, problems: &mut Vec<Problem>) {
        let mut wrong = |field: &str, message: String| problems.push(Problem::new(format!("{path}.{field}"), message));
        let Self { full, idle, request, limit, .. } = *self;
        if !(full.is_finite() && full > 0.0) {
            wrong("full", format!("{full} is not a finite number above 0"));
        }
        if !(idle >= 0.0 && idle < full) {
            wrong("idle", format!("{idle} is not between 0 and `full`, {full}"));
        }
        for (field, value) in [("request", request), ("limit", limit)] {
            if let Some(value) = value.filter(|value| !(value.is_finite() && *value > 0.0)) {
                wrong(field, format!("{value} is not a finite number above 0"));
            }
        }
        if let Some(limit) = limit.filter(|limit| *limit < full) {
            wrong("limit", format!("{limit} is below `full`, {full}, which a pod could then never use"));
        }
        if matches!(signal.target, Target::Utilization(_)) && request.is_none() {
            wrong("request", "missing; the target is a share of it".to_owned());
        }
        let per_pod = self.is_per_pod(&signal.kind);
        if self.per_pod && !per_pod {
            wrong("perPod", "true, but this kind of metric has one value for the whole".to_owned());
        }
        if per_pod && self.measure(signal) != Measure::Work {
            wrong("of", "a metric with one value per pod can only show `work`".to_owned());
        }
    }
}
