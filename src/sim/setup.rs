//! How the model cluster behaves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counter::HISTORY;
use super::problem::Problem;
use super::seconds;

/// How the cluster behaves. In files all times are in whole seconds, e.g. `podStartSeconds`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Setup {
    /// From the order of a pod to its readiness, default 45 s.
    #[serde(with = "seconds", rename = "podStartSeconds")]
    pub pod_start: Duration,
    /// Additional time to readiness of each pod: uniform from 0 to this, default 0.
    #[serde(with = "seconds", rename = "podStartSpreadSeconds")]
    pub pod_start_spread: Duration,
    /// Time between samples, default 15 s.
    #[serde(with = "seconds", rename = "scrapeSeconds")]
    pub scrape: Duration,
    /// Time that a sample averages over, default 15 s.
    #[serde(with = "seconds", rename = "windowSeconds")]
    pub window: Duration,
    /// From the end of a sample's window until it can be read, default 30 s.
    #[serde(with = "seconds", rename = "metricAgeSeconds")]
    pub metric_age: Duration,
    /// Longest time that work waits before it is lost: the backlog is at most what the ready pods do in this time. Default 0.
    #[serde(with = "seconds", rename = "patienceSeconds")]
    pub patience: Duration,
    /// Seed of all that is random in the cluster.
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            pod_start: seconds(45),
            pod_start_spread: Duration::ZERO,
            scrape: seconds(15),
            window: seconds(15),
            metric_age: seconds(30),
            patience: Duration::ZERO,
            seed: 0,
        }
    }
}

impl Setup {
    /// What of it cannot be simulated; empty if all can.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (path, duration) in [("scrapeSeconds", self.scrape), ("windowSeconds", self.window)] {
            if duration.as_secs() == 0 {
                problems.push(Problem::new(path, "0 is not at least 1"));
            }
        }
        let back = self.scrape.as_secs().saturating_add(self.window.as_secs()).saturating_add(self.metric_age.as_secs());
        if back >= HISTORY {
            let message =
                format!("{} with scrapeSeconds and windowSeconds is {back}, which is not below {HISTORY}", self.metric_age.as_secs());
            problems.push(Problem::new("metricAgeSeconds", message));
        }
        problems
    }
}
