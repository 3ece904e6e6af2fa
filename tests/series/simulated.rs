//! The simulated side: the whole simulator, with looks at given times.

use std::collections::BTreeMap;
use std::time::Duration;

use ballast::api::{Defaults, ScalePolicy, compile};
use ballast::core::{Condition, ConditionKind, Policy};
use ballast::sim::{Autoscaler, Ballast, Cluster, Look, Run, Setup, run};
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::clock::{LOOK, in_model};
use super::list::{Series, WORKLOAD};
use crate::twin::conditions;

/// What an autoscaler did at one look.
#[derive(Clone, Debug)]
pub struct Row {
    /// When, in seconds of the model.
    pub second: u64,
    /// The size it set or left.
    pub size: u32,
    /// Reasons of its conditions, where they are known.
    pub conditions: Option<String>,
}

impl Row {
    /// Whether both did the same, as far as that is known.
    pub fn agrees(&self, other: &Self) -> bool {
        let known = self.conditions.as_ref().zip(other.conditions.as_ref());
        (self.second, self.size) == (other.second, other.size) && known.is_none_or(|(one, other)| one == other)
    }
}

/// The real autoscaler's `--horizontal-pod-autoscaler-downscale-stabilization`.
pub const WINDOW: Duration = Duration::from_secs(18);

/// The series' policy in the time of the model.
pub fn policy(series: &Series) -> Policy {
    let mut spec = series.spec();
    spec["smoothing"] = json!({"type": "None"});
    let defaults = Defaults { downscale_stabilization: WINDOW, ..Defaults::default() };
    let mut policy = compile(&ScalePolicy::new("web", serde_json::from_value(spec).unwrap()), &defaults).unwrap().policy;
    policy.downscale_stabilization = in_model(policy.downscale_stabilization);
    for rules in policy.behavior.iter_mut().flat_map(|behavior| [&mut behavior.up, &mut behavior.down]) {
        rules.window = in_model(rules.window);
        for rate in &mut rules.policies {
            rate.period = in_model(rate.period);
        }
    }
    policy
}

/// Plan of a run, the same for both sides.
pub fn plan<'a>(series: &'a Series, setup: &'a Setup) -> Run<'a> {
    Run { setup, workload: &WORKLOAD, load: &series.load, warm_up: Duration::ZERO }
}

/// Runs a policy over a series with looks at these seconds.
pub fn simulate(series: &Series, setup: &Setup, policy: &Policy, seconds: &[u64]) -> Vec<Row> {
    let mut paced = Paced { inner: Ballast::stock(policy.clone()), seconds };
    let (mut said, mut rows) = (Said::default(), Vec::new());
    run(plan(series, setup), &mut paced, |cluster, look| {
        let decision = look.decision.as_ref().unwrap();
        said.hear(&decision.conditions);
        if look.replicas != cluster.ordered() {
            said.hear(&decision.conditions_after_rescale(policy));
        }
        rows.push(Row { second: cluster.second(), size: look.replicas, conditions: Some(said.summary()) });
    });
    rows
}

/// Ballast, but its looks take place when the other one's did.
struct Paced<'a> {
    inner: Ballast,
    seconds: &'a [u64],
}

impl Autoscaler for Paced<'_> {
    fn min_replicas(&self) -> u32 {
        self.inner.min_replicas()
    }

    fn look(&mut self, cluster: &mut Cluster<'_>) -> Look {
        let second = cluster.second();
        let next = self.seconds.iter().find(|next| **next > second).map_or(LOOK, |next| next - second);
        Look { next: Duration::from_secs(next), ..self.inner.look(cluster) }
    }
}

/// Conditions as a status keeps them.
#[derive(Default)]
struct Said(BTreeMap<ConditionKind, Condition>);

impl Said {
    fn hear(&mut self, conditions: &[Condition]) {
        self.0.extend(conditions.iter().map(|condition| (condition.kind, condition.clone())));
    }

    fn summary(&self) -> String {
        let status = |condition: &Condition| if condition.status { "True" } else { "False" };
        let list: Vec<Value> = self.0.values().map(|c| json!({"type": c.kind, "status": status(c), "reason": c.reason})).collect();
        let mut object = DynamicObject::new("web", &ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Any")));
        object.data = json!({"status": {"conditions": list}});
        conditions(&object)
    }
}
