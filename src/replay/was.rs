//! What the workload's size really was, as one more contender.

use std::time::Duration;

use super::history::{Asker, NoHistory};
use super::load::{BySecond, Found, Workload, by_second, own, quoted};
use crate::core::Time;
use crate::sim::load::SLOT;
use crate::sim::trial::{Outcome, State, Told};
use crate::sim::{Score, Second};

/// Name of the contender.
pub const AS_IT_WAS: &str = "as-it-was";

/// Sizes over time.
#[derive(Debug, Default)]
pub struct Was {
    ordered: BySecond,
    ready: BySecond,
}

/// Asks kube-state-metrics for the workload's sizes, or else the controller's own metrics for the size ordered.
///
/// # Errors
/// Where the server does not answer, or refuses.
pub async fn was(asker: &Asker, workload: &Workload<'_>, from: Time, to: Time) -> Result<Was, NoHistory> {
    let step = Duration::from_secs(SLOT);
    let (namespace, name) = (quoted(workload.namespace), quoted(&workload.target.name));
    let state = |ordered: &str, ready: &str, label: &str| {
        let series = |metric: &str| format!("max({metric}{{namespace={namespace},{label}={name}}})");
        Some((series(ordered), series(ready)))
    };
    let queries = match workload.target.kind.as_str() {
        "Deployment" => state("kube_deployment_spec_replicas", "kube_deployment_status_replicas_ready", "deployment"),
        "StatefulSet" => state("kube_statefulset_replicas", "kube_statefulset_status_replicas_ready", "statefulset"),
        "ReplicaSet" => state("kube_replicaset_spec_replicas", "kube_replicaset_status_ready_replicas", "replicaset"),
        _ => None,
    };
    let mut was = Was::default();
    if let Some((ordered, ready)) = queries {
        was.ordered = by_second(&asker.range(&ordered, from, to, step).await?, f64::max);
        was.ready = by_second(&asker.range(&ready, from, to, step).await?, f64::max);
    }
    if was.ordered.is_empty() {
        was.ordered = by_second(&own(asker, "ballast_policy_current_replicas", workload, "", from, to).await?, f64::max);
    }
    Ok(was)
}

impl Was {
    /// What is known of it, for people.
    pub fn note(&self) -> Option<&'static str> {
        match (self.ordered.is_empty(), self.ready.is_empty()) {
            (true, _) => {
                Some("the real sizes are not known: the server has neither kube-state-metrics nor ballast_policy_current_replicas of it")
            }
            (false, true) => Some("as-it-was takes pods as ready at once: the server has no kube-state-metrics of it"),
            (false, false) => None,
        }
    }

    /// How it bore the load; `None` where the sizes are not known. Work that waits, or is lost, is not: a shortage is what shows here.
    pub fn outcome(&self, found: &Found, min: u32, warm_up: u64) -> Option<Outcome> {
        let start = found.start.as_millis().div_euclid(1000);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Counts of pods.
        let at = |sizes: &BySecond, second: i64| {
            let known = sizes.range(..=second).next_back().or_else(|| sizes.range(second..).next());
            known.map(|(_, size)| *size as u32)
        };
        let mut score = Score::new(min);
        let (mut states, mut decisions): (Vec<State>, Vec<Told>) = (Vec::new(), Vec::new());
        for second in 0..found.load.seconds() {
            let time = start + i64::try_from(second).unwrap_or_default();
            let ordered = at(&self.ordered, time)?;
            let ready = at(&self.ready, time).unwrap_or(ordered);
            if second >= warm_up {
                score.add(&Second { load: found.load.at(second), waiting: 0.0, lost: 0.0, ready, ordered });
            }
            let before = states.last().copied();
            if before.is_none_or(|before| (before.ready, before.ordered) != (ready, ordered)) {
                states.push(State { second, ready, ordered, wanted: None });
            }
            if let Some(before) = before.filter(|before| before.ordered != ordered) {
                decisions.push(Told { second, from: before.ordered, to: ordered, verdict: None, reason: String::new() });
            }
        }
        Some(Outcome { name: AS_IT_WAS.to_owned(), score: score.figures(), states, decisions })
    }
}
