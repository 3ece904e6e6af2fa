//! Who decides about the cluster's size.

use std::time::Duration;

use super::plant::Cluster;
use crate::core::{self, Decision, Memory, Policy, Smoothing};

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
///
/// Where the core differs from stock with intent (samples that are too old to shrink on, pods that do not start, a rollout's surge), the HPA
/// modelled here is as careful as Ballast: the real one does worse there.
#[derive(Debug)]
pub struct Ballast {
    policy: Policy,
    memory: Memory,
    /// Looks take place at whole intervals only.
    fixed: bool,
}

impl Ballast {
    /// A controller that starts with an empty memory.
    pub fn new(policy: Policy) -> Self {
        Self { policy, memory: Memory::default(), fixed: false }
    }

    /// The stock HPA: the policy without smoothing, looked at once each sync period. Ballast also looks as soon as a window or rate that held it
    /// back is over.
    pub fn stock(policy: Policy) -> Self {
        Self { fixed: true, ..Self::new(Policy { smoothing: Smoothing::None, ..policy }) }
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
        let early = decision.next_look.filter(|_| !self.fixed).map(|next| next.since(now));
        let next = early.map_or(self.policy.interval, |early| early.min(self.policy.interval));
        Look { replicas: decision.to, next, decision: Some(decision) }
    }
}
