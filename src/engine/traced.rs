//! What a trace says of a tick, its decisions and their writes.

use opentelemetry::KeyValue;

use super::Engine;
use super::look::Job;
use crate::api::TargetRef;
use crate::cluster::Key;
use crate::core::{Decision, SignalReport};
use crate::telemetry::{Step, clipped};

// === impl Engine ===

impl Engine {
    /// A trace of the looks at these policies and of what follows from them.
    pub(super) fn tick(&self, jobs: &[Job]) -> Step {
        self.parts.traces.begin("tick", || {
            let early = jobs.first().is_some_and(|job| job.early);
            vec![KeyValue::new("ballast.policies", count(jobs.len())), KeyValue::new("ballast.early", early)]
        })
    }
}

// === impl Step ===

impl Step {
    /// A decision that follows from a tick.
    pub(super) fn decision(&self) -> Self {
        self.inner("decision", Vec::new)
    }

    /// What was decided, and why.
    pub(super) fn decided(&self, policy: &Key, target: &TargetRef, decision: &Decision) {
        self.tell(|| {
            let mut all = about(policy, target, decision);
            all.push(KeyValue::new("ballast.verdict", decision.verdict.word()));
            all.push(KeyValue::new("ballast.reason", clipped(&decision.headline())));
            all.extend(decision.wanted.map(|wanted| KeyValue::new("ballast.replicas.wanted", i64::from(wanted))));
            all.extend(decision.held_by().map(|by| KeyValue::new("ballast.held_by", by)));
            all
        });
        for signal in decision.signals.iter().filter(|_| self.is_on()) {
            self.event("signal", || of_signal(signal));
        }
    }

    /// The write of a decided size.
    pub(super) fn write(&self, policy: &Key, target: &TargetRef, decision: &Decision) -> Self {
        self.request("scale write", || about(policy, target, decision))
    }
}

/// Who is scaled from where to where. Names of the semantic conventions where they have one.
fn about(policy: &Key, target: &TargetRef, decision: &Decision) -> Vec<KeyValue> {
    let mut all = vec![
        KeyValue::new("k8s.namespace.name", policy.namespace.to_string()),
        KeyValue::new("ballast.policy", policy.name.to_string()),
        KeyValue::new("ballast.target", target.to_string()),
        KeyValue::new("ballast.replicas.from", i64::from(decision.from)),
        KeyValue::new("ballast.replicas.to", i64::from(decision.to)),
    ];
    let key = match target.kind.as_str() {
        "Deployment" => Some("k8s.deployment.name"),
        "StatefulSet" => Some("k8s.statefulset.name"),
        "ReplicaSet" => Some("k8s.replicaset.name"),
        "ReplicationController" => Some("k8s.replicationcontroller.name"),
        _ => None,
    };
    all.extend(key.map(|key| KeyValue::new(key, target.name.clone())));
    all
}

fn of_signal(signal: &SignalReport) -> Vec<KeyValue> {
    let mut all = vec![
        KeyValue::new("ballast.signal", signal.name.to_string()),
        KeyValue::new("ballast.signal.role", signal.role.word()),
        KeyValue::new("ballast.signal.holds", signal.holds),
    ];
    all.extend(signal.proposal.map(|replicas| KeyValue::new("ballast.signal.proposal", i64::from(replicas))));
    all.extend(signal.age_millis.map(|age| KeyValue::new("ballast.signal.age_ms", i64::try_from(age).unwrap_or(i64::MAX))));
    all.extend(signal.origin.as_deref().map(|origin| KeyValue::new("ballast.signal.origin", clipped(&origin.to_string()))));
    all.extend(signal.estimate.map(|estimate| KeyValue::new("ballast.signal.demand", estimate.demand / 1000.0)));
    all.extend(signal.failure.as_deref().map(|failure| KeyValue::new("ballast.signal.failure", clipped(failure))));
    all
}

fn count(many: usize) -> i64 {
    i64::try_from(many).unwrap_or(i64::MAX)
}
