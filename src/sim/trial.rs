//! What came of a load under one or more autoscalers: to be printed, plotted, checked and kept.

use serde::{Deserialize, Serialize};

use super::autoscaler::{Autoscaler, Look};
use super::load::{Load, SLOT};
use super::plant::Cluster;
use super::run::{Run, run};
use super::score::{Figures, Score};
use crate::core::{Decision, Verdict};

/// One load, and what each contender made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What the load is called, e.g. a trace's file name or a policy and its time span.
    pub load_name: String,
    /// Unix time of second 0 in seconds, where the load was recorded at a known time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// Length of a slot of `load` in seconds.
    pub slot_seconds: u64,
    /// Load per slot, in pods at 100 %.
    pub load: Vec<f64>,
    /// Seconds at the start that are not scored.
    pub warm_up_seconds: u64,
    /// One each, the policy in question first.
    pub contenders: Vec<Outcome>,
}

/// What one contender did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name for people.
    pub name: String,
    /// How well it did.
    pub score: Figures,
    /// What the cluster looked like, one row per look at which something changed since the row before.
    pub states: Vec<State>,
    /// Decisions that moved the size, and those whose verdict differs from that before.
    pub decisions: Vec<Told>,
}

/// The cluster at a look, after the size was set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Seconds since the start.
    pub second: u64,
    /// Pods that bear load.
    pub ready: u32,
    /// The size asked for.
    pub ordered: u32,
    /// Replicas that the signals ask for, before anything holds them back, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<u32>,
}

/// A decision worth showing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Seconds since the start.
    pub second: u64,
    /// The size before.
    pub from: u32,
    /// The size after.
    pub to: u32,
    /// One word for it; `None` for rivals that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why, with numbers; empty for rivals that do not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Trial {
    /// A trial without contenders.
    pub fn new(load_name: impl Into<String>, load: &Load, warm_up_seconds: u64) -> Self {
        let load = load.slots().to_vec();
        Self { load_name: load_name.into(), start: None, slot_seconds: SLOT, load, warm_up_seconds, contenders: Vec::new() }
    }

    /// Lets a contender bear the load.
    pub fn add(&mut self, name: impl Into<String>, plan: Run<'_>, autoscaler: &mut impl Autoscaler) {
        let mut watch = Watch::default();
        let score = run(plan, autoscaler, |cluster, look| watch.see(cluster, look));
        self.contenders.push(watch.outcome(name.into(), &score));
    }
}

/// Gathers what is worth keeping of a run.
#[derive(Debug, Default)]
pub struct Watch {
    states: Vec<State>,
    decisions: Vec<Told>,
}

impl Watch {
    /// Takes up a look; the cluster is as it was just before the size was set.
    pub fn see(&mut self, cluster: &Cluster<'_>, look: &Look) {
        let wanted = look.decision.as_ref().and_then(|decision| decision.wanted);
        let state = State { second: cluster.second(), ready: cluster.ready(), ordered: look.replicas, wanted };
        if self.states.last().is_none_or(|last| State { second: state.second, ..*last } != state) {
            self.states.push(state);
        }
        let (from, to) = (cluster.ordered(), look.replicas);
        let verdict = look.decision.as_ref().map(|decision| decision.verdict);
        let changed = match self.decisions.last() {
            Some(last) => last.verdict != verdict,
            None => verdict.is_some(),
        };
        if from != to || changed {
            let reason = look.decision.as_ref().map(Decision::headline).unwrap_or_default();
            self.decisions.push(Told { second: cluster.second(), from, to, verdict, reason });
        }
    }

    /// What came of it.
    pub fn outcome(self, name: String, score: &Score) -> Outcome {
        Outcome { name, score: score.figures(), states: self.states, decisions: self.decisions }
    }
}
