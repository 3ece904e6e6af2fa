//! What is random in the cluster; the same seed gives the same.

use std::time::Duration;

use statrs::distribution::{ContinuousCDF, Normal};

use super::setup::Setup;

/// Draws, in whole seconds. What the setup does not make random draws nothing.
#[derive(Clone, Debug)]
pub struct Chance {
    random: fastrand::Rng,
}

impl Chance {
    /// From the setup's seed.
    pub fn new(setup: &Setup) -> Self {
        Self { random: fastrand::Rng::with_seed(setup.seed) }
    }

    /// Time from a pod's order, or from its node, to its readiness.
    pub fn start(&mut self, setup: &Setup) -> u64 {
        let seconds = setup.pod_start.as_secs();
        match (setup.pod_start_p99, setup.pod_start_spread.as_secs()) {
            (Some(p99), _) => self.log_normal(setup.pod_start, p99),
            (None, 0) => seconds,
            (None, spread) => seconds + self.random.u64(0..=spread),
        }
    }

    /// Time from a failure to readiness.
    pub fn restart(&mut self, setup: &Setup) -> u64 {
        setup.restart.map_or_else(|| self.start(setup), |restart| restart.as_secs())
    }

    /// Time until a pod that is ready now crashes, exponentially distributed; `None`: never.
    pub fn crash(&mut self, setup: &Setup) -> Option<u64> {
        (setup.crashes_per_pod_hour > 0.0).then(|| whole(-self.uniform().ln() * 3600.0 / setup.crashes_per_pod_hour).max(1))
    }

    /// So many of the items, any of them.
    pub fn choose(&mut self, mut from: Vec<usize>, count: usize) -> Vec<usize> {
        for index in 0..count.min(from.len()) {
            let other = self.random.usize(index..from.len());
            from.swap(index, other);
        }
        from.truncate(count);
        from
    }

    /// With this median and this 99th percentile.
    fn log_normal(&mut self, p50: Duration, p99: Duration) -> u64 {
        let standard = Normal::standard();
        let sigma = (p99.as_secs_f64() / p50.as_secs_f64()).ln() / standard.inverse_cdf(0.99);
        whole(p50.as_secs_f64() * (sigma * standard.inverse_cdf(self.uniform())).exp())
    }

    /// Open at both ends, where a normal variable and a logarithm are infinite.
    fn uniform(&mut self) -> f64 {
        self.random.f64().clamp(f64::EPSILON, 1.0 - f64::EPSILON)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Not negative; more than there is saturates.
fn whole(seconds: f64) -> u64 {
    seconds.round() as u64
}
