//! How the model cluster behaves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::{Incident, Outage, OutageKind};
use super::nodes::Nodes;
use super::problem::Problem;
use super::rollout::Rollout;
use super::seconds;

/// Longest time that can be looked back on in all, a week: counters are kept for it.
const LONGEST: u64 = 7 * 86_400;
/// Rivals have windows of their own; this is above them.
const LEAST_HISTORY: u64 = 1000;

/// How the cluster behaves. In files all times are in whole seconds, e.g. `podStartSeconds`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Setup {
    /// From the order of a pod to its readiness, or from its node if it has to wait for one, default 45 s.
    #[serde(with = "seconds", rename = "podStartSeconds")]
    pub pod_start: Duration,
    /// Additional time to readiness of each pod: uniform from 0 to this, default 0.
    #[serde(with = "seconds", rename = "podStartSpreadSeconds")]
    pub pod_start_spread: Duration,
    /// Makes the time to readiness log-normal, with `podStartSeconds` as its median and this as its 99th percentile.
    #[serde(with = "seconds::option", rename = "podStartP99Seconds", skip_serializing_if = "Option::is_none")]
    pub pod_start_p99: Option<Duration>,
    /// Time between samples, default 15 s.
    #[serde(with = "seconds", rename = "scrapeSeconds")]
    pub scrape: Duration,
    /// Time that a sample averages over, default 15 s.
    #[serde(with = "seconds", rename = "windowSeconds")]
    pub window: Duration,
    /// From the end of a sample's window until it can be read, default 30 s.
    #[serde(with = "seconds", rename = "metricAgeSeconds")]
    pub metric_age: Duration,
    /// How long work waits for capacity before it is lost, default 0. First come, first served, so that the backlog is at most what arrived
    /// within this time.
    #[serde(with = "seconds", rename = "patienceSeconds")]
    pub patience: Duration,
    /// How often a ready pod crashes, default 0. Its container is restarted at once and is ready after `restartSeconds`.
    pub crashes_per_pod_hour: f64,
    /// From a crash to readiness, default: as a pod's start.
    #[serde(with = "seconds::option", rename = "restartSeconds", skip_serializing_if = "Option::is_none")]
    pub restart: Option<Duration>,
    /// Pods that fail at given times, default none.
    pub incidents: Vec<Incident>,
    /// New versions, default none.
    pub rollouts: Vec<Rollout>,
    /// Room for pods; by default there is always enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
    /// Times in which metrics stay away, default none.
    pub outages: Vec<Outage>,
    /// Seed of all that is random in the cluster.
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            pod_start: seconds(45),
            pod_start_spread: Duration::ZERO,
            pod_start_p99: None,
            scrape: seconds(15),
            window: seconds(15),
            metric_age: seconds(30),
            patience: Duration::ZERO,
            crashes_per_pod_hour: 0.0,
            restart: None,
            incidents: Vec::new(),
            rollouts: Vec::new(),
            nodes: None,
            outages: Vec::new(),
            seed: 0,
        }
    }
}

impl Setup {
    /// What of it cannot be simulated; empty if all can.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |path: &str, message: String| problems.push(Problem::new(path, message));
        for (path, duration) in [("scrapeSeconds", self.scrape), ("windowSeconds", self.window)] {
            if duration.as_secs() == 0 {
                wrong(path, "0 is not at least 1".to_owned());
            }
        }
        if let Some(p99) = self.pod_start_p99 {
            let (p50, p99) = (self.pod_start.as_secs(), p99.as_secs());
            if p50 == 0 || p99 < p50 {
                wrong("podStartP99Seconds", format!("{p99} is not at least the median, `podStartSeconds` {p50}, which must be above 0"));
            }
            if self.pod_start_spread.as_secs() > 0 {
                wrong("podStartSpreadSeconds", "a start is either uniform or log-normal; give this or `podStartP99Seconds`".to_owned());
            }
        }
        let rate = self.crashes_per_pod_hour;
        if !(rate.is_finite() && rate >= 0.0) {
            wrong("crashesPerPodHour", format!("{rate} is not a finite number of at least 0"));
        }
        if self.patience.as_secs() > LONGEST {
            wrong("patienceSeconds", format!("{} is above {LONGEST}", self.patience.as_secs()));
        }
        if self.oldest_sample() > LONGEST {
            let message =
                format!("with scrapeSeconds, windowSeconds and the longest stale outage {} s, above {LONGEST}", self.oldest_sample());
            wrong("metricAgeSeconds", message);
        }
        problems.extend(self.incidents.iter().enumerate().filter_map(|(index, incident)| incident.check(&format!("incidents[{index}]"))));
        self.rollouts.iter().enumerate().for_each(|(index, rollout)| rollout.check(&format!("rollouts[{index}]"), &mut problems));
        self.nodes.iter().for_each(|nodes| nodes.check(&mut problems));
        problems
    }

    /// Seconds that must be looked back on.
    pub(super) fn history(&self) -> u64 {
        self.oldest_sample().max(self.patience.as_secs()).clamp(LEAST_HISTORY, LONGEST)
    }

    /// How old the begin of a sample's window can be.
    fn oldest_sample(&self) -> u64 {
        let stale = self.outages.iter().filter(|outage| outage.kind == OutageKind::Stale).map(|outage| outage.lasting.as_secs()).max();
        let parts = [self.scrape.as_secs(), self.window.as_secs(), self.metric_age.as_secs(), stale.unwrap_or_default()];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}
