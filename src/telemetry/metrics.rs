//! The controller's own metrics in Prometheus form.
//!
//! Labels come from fixed sets (verdicts, outcomes, kinds of failure); the only label sets that grow are per policy, and those
//! are removed with the policy.

use std::fmt::Write;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::Policies;
use super::process::{MemoryLimit, ProcessMetrics, RuntimeMetrics};
use crate::clock::Clock;
use crate::core::{SignalReport, Verdict};

/// Names one policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PolicyLabels {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Verdict of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

/// Outcome of a write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Bounds of lateness in seconds: what an interval of 1 s notices, up to the longest interval of 300 s.
const LATENESS: [f64; 16] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0];

/// All families; cheap to clone, every clone writes to the same numbers.
#[derive(Clone)]
pub struct Metrics {
    decisions: Family<VerdictLabel, Counter>,
    writes: Family<OutcomeLabel, Counter>,
    events: Family<OutcomeLabel, Counter>,
    statuses: Family<OutcomeLabel, Counter>,
    checkpoints: Family<OutcomeLabel, Counter>,
    /// Writes of replica counts that wait or are under way.
    pub writes_waiting: Gauge,
    /// Policies known.
    pub policies: Gauge,
    /// 1 while this process leads.
    pub leader: Gauge,
    /// Shards whose policies this process decides.
    pub shards_led: Gauge,
    /// Seconds between the time a decision was due and the time it was made.
    pub lateness: Histogram,
    /// Seconds from the start of a sweep to its decisions.
    pub collect: Histogram,
    current: Family<PolicyLabels, Gauge>,
    desired: Family<PolicyLabels, Gauge>,
    contested: Family<PolicyLabels, Gauge>,
    forecast_replicas: Family<PolicyLabels, Gauge>,
    forecast_ratio: Family<PolicyLabels, Gauge<f64, AtomicU64>>,
    /// What each policy saw last.
    pub seen: Policies,
    registry: std::sync::Arc<Registry>,
}

// === impl Metrics ===

impl Metrics {
    /// All families, and those of `collectors`, which are read with each scrape. `looks` are kept of each policy.
    pub fn new(looks: usize, collectors: impl IntoIterator<Item = Box<dyn Collector>>) -> Self {
        let mut metrics = Self {
            decisions: Family::default(),
            writes: Family::default(),
            events: Family::default(),
            statuses: Family::default(),
            checkpoints: Family::default(),
            writes_waiting: Gauge::default(),
            policies: Gauge::default(),
            leader: Gauge::default(),
            shards_led: Gauge::default(),
            lateness: Histogram::new(LATENESS),
            collect: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            current: Family::default(),
            desired: Family::default(),
            contested: Family::default(),
            forecast_replicas: Family::default(),
            forecast_ratio: Family::default(),
            seen: Policies::new(looks, Clock::real()),
            registry: std::sync::Arc::default(),
        };
        let mut all = Registry::default();
        all.register_collector(Box::new(ProcessMetrics));
        let registry = all.sub_registry_with_prefix("ballast");
        registry.register_collector(Box::new(RuntimeMetrics));
        registry.register_collector(Box::new(MemoryLimit));
        registry.register("decisions", "Decisions by verdict", metrics.decisions.clone());
        registry.register("scale_writes", "Writes of replica counts by outcome", metrics.writes.clone());
        registry.register("scale_writes_waiting", "Writes of replica counts that wait or are under way", metrics.writes_waiting.clone());
        registry.register("events", "Events by outcome", metrics.events.clone());
        registry.register("status_writes", "Writes of policy status by outcome", metrics.statuses.clone());
        registry.register(
            "checkpoints",
            "Checkpoints by outcome: written, failed, and those found unusable or unreadable",
            metrics.checkpoints.clone(),
        );
        registry.register("policies", "Policies known", metrics.policies.clone());
        registry.register("leader", "1 while this process leads, if only one of several shards", metrics.leader.clone());
        registry.register("shards_led", "Shards whose policies this process decides", metrics.shards_led.clone());
        registry.register("decision_lateness_seconds", "Time from when a decision was due to when it was made", metrics.lateness.clone());
        registry.register("collect_seconds", "Time from the start of a sweep to its decisions", metrics.collect.clone());
        registry.register("policy_current_replicas", "spec.replicas of the policy's target", metrics.current.clone());
        registry.register("policy_desired_replicas", "Replicas the policy asks for", metrics.desired.clone());
        registry.register(
            "policy_contested",
            "1 while somebody else undoes the moves of the policy; else there is no series",
            metrics.contested.clone(),
        );
        registry.register(
            "policy_forecast_replicas",
            "Replicas the policy's forecast asks for, also where it adds nothing; no series without a forecast",
            metrics.forecast_replicas.clone(),
        );
        registry.register(
            "policy_forecast_error_ratio",
            "Recent error of the policy's forecast over that without it; it may add replicas below 0.8. No series without a forecast",
            metrics.forecast_ratio.clone(),
        );
        registry.register_collector(Box::new(metrics.seen.clone()));
        collectors.into_iter().for_each(|collector| registry.register_collector(collector));
        metrics.registry = std::sync::Arc::new(all);
        metrics
    }

    /// Counts a decision and shows its sizes.
    pub fn decided(&self, policy: &PolicyLabels, verdict: Verdict, from: u32, to: u32) {
        self.decisions.get_or_create(&VerdictLabel { verdict: verdict.word() }).inc();
        self.current.get_or_create(policy).set(i64::from(from));
        self.desired.get_or_create(policy).set(i64::from(to));
    }

    /// Shows whether somebody else undoes the moves of a policy.
    pub fn contested(&self, policy: &PolicyLabels, contested: bool) {
        if contested {
            self.contested.get_or_create(policy).set(1);
        } else {
            self.contested.remove(policy);
        }
    }

    /// Shows what the forecast of a policy asks for, and how it does: of several, the one that asks for most.
    pub fn forecast(&self, policy: &PolicyLabels, signals: &[SignalReport]) {
        let outlooks = signals.iter().filter_map(|signal| signal.outlook);
        let outlook = outlooks.max_by_key(|outlook| outlook.ahead.and_then(|ahead| ahead.replicas));
        match outlook.and_then(|outlook| outlook.ahead?.replicas) {
            Some(replicas) => {
                self.forecast_replicas.get_or_create(policy).set(i64::from(replicas));
            }
            None => {
                self.forecast_replicas.remove(policy);
            }
        }
        match outlook.and_then(|outlook| outlook.errors).filter(|errors| errors.reactive > 0.0) {
            Some(errors) => {
                self.forecast_ratio.get_or_create(policy).set(errors.forecast / errors.reactive);
            }
            None => {
                self.forecast_ratio.remove(policy);
            }
        }
    }

    /// Counts a finished write.
    pub fn wrote(&self, outcome: &'static str) {
        self.writes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts an Event.
    pub fn event(&self, outcome: &'static str) {
        self.events.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a write of a status.
    pub fn status(&self, outcome: &'static str) {
        self.statuses.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a checkpoint.
    pub fn checkpoint(&self, outcome: &'static str) {
        self.checkpoints.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Drops the series of a policy that is gone.
    pub fn forget(&self, policy: &PolicyLabels) {
        self.current.remove(policy);
        self.desired.remove(policy);
        self.contested.remove(policy);
        self.forecast_replicas.remove(policy);
        self.forecast_ratio.remove(policy);
        self.seen.forget(policy);
    }

    /// Drops the series of all policies: another process decides now, and which of them it deletes is not told here.
    pub fn forget_policies(&self) {
        self.current.clear();
        self.desired.clear();
        self.contested.clear();
        self.forecast_replicas.clear();
        self.forecast_ratio.clear();
        self.seen.clear();
    }

    /// The exposition text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            let _ = write!(text, "# {error}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_is_gone_leaves_no_series() {
        let metrics = Metrics::new(0, []);
        let [web, api] = ["web", "api"].map(|name| PolicyLabels { namespace: "shop".into(), name: name.into() });
        let shown = |policy: &PolicyLabels| metrics.encode().matches(&format!("name=\"{}\"", policy.name)).count();
        for policy in [&web, &api] {
            metrics.decided(policy, Verdict::Steady, 3, 3);
            metrics.contested(policy, true);
            assert_eq!(shown(policy), 3);
        }
        metrics.forget(&web);
        assert_eq!((shown(&web), shown(&api)), (0, 3));
        // Another process takes the lead, and what it deletes is never told.
        metrics.forget_policies();
        assert_eq!(shown(&api), 0);
    }
}
