//! KEDA, as a rival: a stock HPA on an external metric between 1 replica and the maximum; between 0 and 1 KEDA decides itself.
//!
//! Rules and defaults: the `ScaledObject` of KEDA 2 and its scale executor. Every `pollingInterval` it asks whether a trigger is active,
//! i.e. above its activation threshold. An active one wakes a workload that sleeps; when none has been active for the `cooldownPeriod`, a
//! workload that may sleep goes to 0, whatever its size. Its own `fallback` shows the HPA a made-up metric while the real one fails.

use std::time::Duration;

use super::autoscaler::{Autoscaler, Look};
use super::plant::Cluster;
use crate::core::{self, Decision, Fallback, Memory, Observation, Policy, Reading, Sample, ScaleToZero, Smoothing, Target, Time};

/// `pollingInterval`.
const POLLING: Duration = Duration::from_secs(30);
/// `cooldownPeriod`.
const COOLDOWN: Duration = Duration::from_secs(300);

/// The autoscaler and its memory.
#[derive(Debug)]
pub struct Keda {
    /// Of the HPA that it makes, with a minimum of at least 1.
    policy: Policy,
    memory: Memory,
    min: u32,
    /// A trigger with a higher value is active, in thousandths of the metric's unit; default 0 (`activationThreshold`).
    pub activation: f64,
    /// What to do while the metric fails, default nothing: the HPA holds the size.
    pub fallback: Option<KedaFallback>,
    /// Fails of the metric, one after the other.
    failures: u32,
    /// When a trigger was active last; the start counts.
    active: u64,
    /// When the HPA and KEDA look next.
    sync: u64,
    poll: u64,
}

/// `fallback` of a `ScaledObject`; acts on signals with an `AverageValue` target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KedaFallback {
    /// Fails after which it acts; KEDA has no default, its documentation uses 3.
    pub failure_threshold: u32,
    /// The size it asks the HPA for.
    pub replicas: u32,
}

impl Keda {
    /// The same metrics, bounds and behavior as the policy. `Capacity` targets are for the caller to translate: KEDA has none.
    pub fn new(policy: Policy) -> Self {
        let min = policy.min_replicas;
        let policy = Policy {
            min_replicas: min.max(1),
            smoothing: Smoothing::None,
            fallback: Fallback::default(),
            zero: ScaleToZero::Off,
            ..policy
        };
        let memory = Memory::default();
        Self { policy, memory, min, activation: 0.0, fallback: None, failures: 0, active: 0, sync: 0, poll: 0 }
    }

    /// The size that KEDA itself asks for, if any.
    fn operate(&mut self, cluster: &mut Cluster<'_>) -> Option<u32> {
        let (second, from) = (cluster.second(), cluster.ordered());
        let readings = &cluster.observe(&self.policy.signals).readings;
        let known = readings.iter().any(|reading| !matches!(reading, Reading::Failed(_)));
        if readings.iter().any(|reading| matches!(reading, Reading::Total(sample) if sample.value > self.activation)) {
            self.active = second;
            return (from == 0).then_some(self.min.max(1));
        }
        if !known {
            return self
                .fallback
                .filter(|fallback| from == 0 && self.failures >= fallback.failure_threshold)
                .map(|fallback| fallback.replicas);
        }
        // CPU and memory cannot tell whether a workload may sleep.
        let asleep = self.min == 0 && readings.iter().any(|reading| matches!(reading, Reading::Total(_)));
        (from > 0 && asleep && second > self.active + COOLDOWN.as_secs()).then_some(0)
    }

    /// What the HPA decides.
    fn decide(&mut self, cluster: &mut Cluster<'_>) -> Decision {
        let now = cluster.now();
        let seen = cluster.observe(&self.policy.signals);
        let made_up =
            self.fallback.filter(|fallback| self.failures >= fallback.failure_threshold).map(|fallback| self.made_up(seen, fallback, now));
        let decision = core::decide(&self.policy, &mut self.memory, made_up.as_ref().unwrap_or(seen), now);
        if decision.to != decision.from {
            self.memory.rescaled(&self.policy, decision.from, decision.to, now);
        }
        decision
    }

    /// A metric that fails is as high as the fallback's replicas would make it.
    fn made_up(&self, seen: &Observation, fallback: KedaFallback, now: Time) -> Observation {
        let mut seen = seen.clone();
        for (signal, reading) in self.policy.signals.iter().zip(&mut seen.readings) {
            if let (Reading::Failed(_), Target::AverageValue(target)) = (&*reading, signal.target) {
                let value = target * f64::from(fallback.replicas);
                *reading = Reading::Total(Sample { value, time: now, window: POLLING });
            }
        }
        seen
    }
}

impl Autoscaler for Keda {
    fn min_replicas(&self) -> u32 {
        self.min
    }

    fn look(&mut self, cluster: &mut Cluster<'_>) -> Look {
        let second = cluster.second();
        let mut look = Look { replicas: cluster.ordered(), next: Duration::ZERO, decision: None };
        let mut own = None;
        if second >= self.sync {
            self.sync = second + self.policy.interval.as_secs().max(1);
            let failed = cluster.observe(&self.policy.signals).readings.iter().any(|reading| matches!(reading, Reading::Failed(_)));
            self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
            if look.replicas > 0 {
                let decision = self.decide(cluster);
                (look.replicas, look.decision) = (decision.to, Some(decision));
            }
        }
        if second >= self.poll {
            self.poll = second + POLLING.as_secs();
            own = self.operate(cluster);
        }
        if let Some(replicas) = own {
            (look.replicas, look.decision) = (replicas.min(self.policy.max_replicas), None);
        }
        look.next = Duration::from_secs(self.sync.min(self.poll) - second);
        look
    }
}
