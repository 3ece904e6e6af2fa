//! Who decides about the cluster's size.

use std::time::Duration;

use super::plant::Cluster;
use crate::core::{self, Decision, Memory, Policy};

/// One look at the cluster.
#[derive(Debug)]
pub struct Look {
    /// The size the workload should have.
    pub replicas: u32,
    /// How long until the next look, at least a second.
    pub next: Duration,
    /// The whole decision, where [`core::decide`] made it.
    pub decision: Option<Decision>,
}

/// Decides about the size of the cluster's workload.
pub trait Autoscaler {
    /// Lowest size it keeps.
    fn min_replicas(&self) -> u32;
    /// Looks at the cluster; the size is then set at once.
    fn look(&mut self, cluster: &mut Cluster<'_>) -> Look;
}

/// A policy under Ballast's own [`core::decide`]; the stock HPA is a policy with `smoothing: {type: None}`.
#[derive(Debug)]
pub struct Ballast {
    policy: Policy,
    memory: Memory,
}

impl Ballast {
    /// A controller that starts with an empty memory.
    pub fn new(policy: Policy) -> Self {
        Self { policy, memory: Memory::default() }
    }
}

impl Autoscaler for Ballast {
    fn min_replicas(&self) -> u32 {
        self.policy.min_replicas
    }

    fn look(&mut self, cluster: &mut Cluster<'_>) -> Look {
        let now = cluster.now();
        let decision = core::decide(&self.policy, &mut self.memory, cluster.observe(&self.policy.signals), now);
        if decision.to != decision.from {
            self.memory.rescaled(&self.policy, decision.from, decision.to, now);
        }
        let next = decision.next_look.map_or(self.policy.interval, |next| next.since(now).min(self.policy.interval));
        Look { replicas: decision.to, next, decision: Some(decision) }
    }
}
