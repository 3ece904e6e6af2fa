//! Which pods belong to a target: by the chain of owners, not by labels alone.
//!
//! The stock autoscaler takes every pod whose labels match, so a Job's or another team's pods pollute its averages (k/k#120875, KEP-5325).

use std::sync::Arc;

use super::index::{Index, State};
use super::scale::ScaleView;
use super::slim::{PodRow, WorkloadKind};

/// Pods of a target.
#[derive(Clone, Debug, Default)]
pub struct TargetPods {
    /// Its pods, by name.
    pub pods: Vec<Arc<PodRow>>,
    /// How many other pods of the namespace match its selector but have another owner.
    pub foreign: usize,
}

impl Index {
    /// Pods of the target of `scale`. Pods without an owner are a target's only if its kind is not a built-in one: an operator may create
    /// bare pods.
    pub fn pods_of(&self, namespace: &Arc<str>, scale: &ScaleView) -> TargetPods {
        self.read(|state| {
            let mut found = TargetPods::default();
            let owners = state.owners_of(scale.uid.as_deref());
            let bare = WorkloadKind::find(&scale.resource.api_version, &scale.resource.kind).is_none();
            for key in state.labelled.get(namespace).into_iter().flat_map(|labelled| labelled.chosen(&scale.selector)) {
                let Some(row) = state.pods.get(key) else { continue };
                if State::owned(row, &owners, bare) { found.pods.push(Arc::clone(row)) } else { found.foreign += 1 }
            }
            // Two label sets may be in any order.
            found.pods.sort_unstable_by(|a, b| a.pod.name.cmp(&b.pod.name));
            found
        })
    }
}

impl State {
    /// UIDs that make a pod one of the target's: the target and every workload below it.
    fn owners_of(&self, target: Option<&str>) -> Vec<Arc<str>> {
        let mut owners: Vec<Arc<str>> = target.into_iter().map(Arc::from).collect();
        let mut next = 0;
        while let Some(owner) = owners.get(next) {
            let below = self.sets_of.get(owner).into_iter().flatten().filter(|uid| !owners.contains(uid)).cloned().collect::<Vec<_>>();
            owners.extend(below);
            next += 1;
        }
        owners
    }

    /// A pod is the target's if its chain of owners leads there. A chain that ends at a kind that is not watched cannot be followed;
    /// then the labels decide, as they do for the stock autoscaler.
    fn owned(row: &PodRow, owners: &[Arc<str>], bare: bool) -> bool {
        let Some(owner) = &row.owner else { return bare };
        if owners.contains(&owner.uid) {
            return true;
        }
        let known = ["ReplicaSet", "StatefulSet", "ReplicationController", "DaemonSet", "Job", "Node"];
        !known.contains(&owner.kind.as_str())
    }
}
