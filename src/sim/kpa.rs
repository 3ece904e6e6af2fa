//! Knative's KPA, as a rival: a tick of 2 s, a stable window and a panic window over the load.
//!
//! Formulas and defaults: knative/serving, `pkg/autoscaler/scaling` and the config map `config-autoscaler`. Metrics are its own, scraped
//! from the pods and about 2 s old.

use std::time::Duration;

use super::autoscaler::{Autoscaler, Look};
use super::plant::Cluster;

/// Time between decisions.
const TICK: Duration = Duration::from_secs(2);
/// `stable-window`, in seconds.
const STABLE: u64 = 60;
/// `panic-window-percentage` of it: 10 %.
const PANIC: u64 = 6;
/// `panic-threshold-percentage`: panic begins when the panic window asks for twice the ready pods.
const PANIC_THRESHOLD: f64 = 2.0;
/// `max-scale-up-rate`, against the ready pods.
const MAX_UP: f64 = 1000.0;
/// `max-scale-down-rate`.
const MAX_DOWN: f64 = 2.0;

/// The autoscaler and its memory.
#[derive(Clone, Debug)]
pub struct Kpa {
    /// Lowest size.
    pub min: u32,
    /// Highest size.
    pub max: u32,
    /// Share of a pod's capacity to use (`container-concurrency-target-percentage`), default 0.7.
    pub target: f64,
    /// Age of its metrics in seconds, default 2.
    pub age: u64,
    /// While it panics: when the threshold was last met, in seconds.
    panic: Option<u64>,
    /// Highest size wanted while it panics; it does not shrink then.
    highest: f64,
}

impl Kpa {
    /// Defaults, between these bounds.
    pub fn new(min: u32, max: u32) -> Self {
        Self { min, max, target: 0.7, age: 2, panic: None, highest: 0.0 }
    }
}

impl Autoscaler for Kpa {
    fn min_replicas(&self) -> u32 {
        self.min
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped.
    fn look(&mut self, cluster: &mut Cluster<'_>) -> Look {
        let ready = f64::from(cluster.ready().max(1));
        let now = cluster.second();
        let (least, most) = ((ready / MAX_DOWN).floor(), (ready * MAX_UP).ceil());
        let wanted = |window| (cluster.recent(window, self.age) / self.target).ceil();
        let (stable, panic) = (wanted(STABLE).clamp(least, most), wanted(PANIC).clamp(least, most));
        // The threshold is met before rates are applied.
        let over = wanted(PANIC) / ready >= PANIC_THRESHOLD;
        match self.panic {
            _ if over => {
                if self.panic.is_none() {
                    self.highest = 0.0;
                }
                self.panic = Some(now);
            }
            Some(since) if now > since + STABLE => self.panic = None,
            _ => {}
        }
        let size = if self.panic.is_some() {
            self.highest = self.highest.max(stable).max(panic).max(ready);
            self.highest
        } else {
            stable
        };
        Look { replicas: (size as u32).clamp(self.min, self.max), next: TICK, decision: None }
    }
}
