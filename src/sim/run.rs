//! One load, one cluster, one autoscaler: one score.

use std::time::Duration;

use super::autoscaler::{Autoscaler, Look};
use super::load::Load;
use super::plant::Cluster;
use super::problem::Problem;
use super::score::Score;
use super::setup::Setup;
use super::workload::Workload;
use crate::core::Signal;

/// Utilisation at which the workload starts.
const START_UTILIZATION: f64 = 0.7;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The cluster.
    pub setup: &'a Setup,
    /// What its pods show.
    pub workload: &'a Workload,
    /// What it has to bear.
    pub load: &'a Load,
    /// Time at the start that is not scored: it shows the size the workload happened to start with.
    pub warm_up: Duration,
}

impl Run<'_> {
    /// Why it cannot be run with these signals; empty if it can. A run does not check: a signal that is not modelled fails at each look.
    pub fn check(&self, signals: &[Signal]) -> Vec<Problem> {
        let mut problems = self.setup.check();
        problems.extend(self.workload.check(signals));
        problems
    }
}

/// Runs an autoscaler over the whole load. `watch` sees every look, with the cluster as it was just before the size is set.
///
/// The workload starts at 70 % utilisation under the first load, which it has borne for ever.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped by the autoscaler's own bounds at its first look.
pub fn run(run: Run<'_>, autoscaler: &mut impl Autoscaler, mut watch: impl FnMut(&Cluster<'_>, &Look)) -> Score {
    let min = autoscaler.min_replicas();
    let start = (run.load.at(0) / START_UTILIZATION).ceil() as u32;
    let mut cluster = Cluster::new(run, start.max(min));
    let mut score = Score::new(min);
    let mut next = 0;
    let first_scored = run.warm_up.as_secs();
    for second in 0..run.load.seconds() {
        if second >= next {
            let look = autoscaler.look(&mut cluster);
            watch(&cluster, &look);
            // A look that is due within a second takes place at its end.
            next = second + (look.next.as_millis().div_ceil(1000) as u64).max(1);
            cluster.scale(look.replicas);
        }
        let passed = cluster.pass();
        if second >= first_scored {
            score.add(&passed);
        }
    }
    score
}
