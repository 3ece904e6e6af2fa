//! What goes wrong at a given time: pods that fail together, metrics that stay away.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::seconds;

/// A share of the ready pods fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Incident {
    /// When, since the start.
    #[serde(with = "seconds", rename = "atSeconds")]
    pub at: Duration,
    /// Share of the pods that are ready then, above 0 and at most 1; rounded up to whole pods, which are chosen at random.
    pub share: f64,
    /// What becomes of them, default `crash`.
    #[serde(default)]
    pub kind: IncidentKind,
    /// How long they are not ready, default: as after any other crash.
    #[serde(default, with = "seconds::option", rename = "forSeconds", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Duration>,
}

/// What becomes of pods in an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IncidentKind {
    /// Their containers end and are restarted.
    #[default]
    Crash,
    /// Their readiness probes fail; the containers go on.
    Unready,
    /// They are gone, with a node or by eviction; new ones take their place.
    Evict,
}

/// Metrics stay away for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outage {
    /// When, since the start.
    #[serde(with = "seconds", rename = "atSeconds")]
    pub at: Duration,
    /// For how long.
    #[serde(with = "seconds", rename = "forSeconds")]
    pub lasting: Duration,
    /// What is read meanwhile, default `missing`.
    #[serde(default)]
    pub kind: OutageKind,
    /// The signal concerned, default all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
}

/// What is read of a metric in an outage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutageKind {
    /// Nothing: its source does not answer.
    #[default]
    Missing,
    /// The last samples from before, with their time.
    Stale,
}

impl Outage {
    /// Whether it concerns this signal at this second.
    pub fn holds(&self, signal: &str, second: u64) -> bool {
        let begin = self.at.as_secs();
        second >= begin && second - begin < self.lasting.as_secs() && self.signal.as_ref().is_none_or(|only| only == signal)
    }
}

impl Incident {
    pub(super) fn check(&self, path: &str) -> Option<Problem> {
        let Self { share, .. } = *self;
        let wrong = !(share > 0.0 && share <= 1.0);
        wrong.then(|| Problem::new(format!("{path}.share"), format!("{share} is not above 0 and at most 1")))
    }
}
