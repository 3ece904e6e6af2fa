//! Controls: with a rule of the simulated side changed, the series must tell.

use std::time::Duration;

use ballast::core::{Policy, ScalingRules};
use ballast::sim::Setup;

use super::clock::LOOK;
use super::real::Comparison;
use super::simulated::{policy, simulate};

/// A change to the simulated side only.
pub struct Control {
    /// What is changed.
    pub change: &'static str,
    /// Names of the series that no longer agree.
    pub told_by: Vec<&'static str>,
}

fn each(policy: &mut Policy, change: impl Fn(&mut ScalingRules)) {
    policy.behavior.iter_mut().flat_map(|behavior| [&mut behavior.up, &mut behavior.down]).for_each(change);
}

const ONE_LOOK: Duration = Duration::from_secs(LOOK);

type Change = fn(&mut Policy, &mut Setup);

const CHANGES: [(&str, Change); 14] = [
    ("tolerance for growth 10.1 % instead of 10 %", |policy, _| policy.tolerance.up = 0.101),
    ("tolerance for shrinking 9.9 % instead of 10 %", |policy, _| policy.tolerance.down = 0.099),
    ("scale-in windows without behavior one look longer", |policy, _| policy.downscale_stabilization += ONE_LOOK),
    ("scale-in windows of a behavior one look shorter", |policy, _| {
        policy.behavior.iter_mut().for_each(|behavior| behavior.down.window = behavior.down.window.saturating_sub(ONE_LOOK));
    }),
    ("scale-out windows one look longer", |policy, _| {
        policy.behavior.iter_mut().for_each(|behavior| behavior.up.window += ONE_LOOK);
    }),
    ("periods of rate policies one look longer", |policy, _| {
        each(policy, |rules| rules.policies.iter_mut().for_each(|rate| rate.period += ONE_LOOK));
    }),
    ("no doubling at most where there is no behavior", |policy, _| {
        let free = ScalingRules { window: Duration::ZERO, adaptive: false, select: ballast::core::Select::Max, policies: vec![] };
        let down = ScalingRules { window: policy.downscale_stabilization, ..free.clone() };
        policy.behavior.get_or_insert(ballast::core::Behavior { up: free, down });
    }),
    ("samples of pods count as soon as they are there", |policy, _| policy.warm_up.cpu_initialization = Duration::ZERO),
    ("pods start one look later", |_, setup| setup.pod_start += ONE_LOOK),
    ("metrics are one look older", |_, setup| setup.metric_age += ONE_LOOK),
    ("crashed pods are ready one look later", |_, setup| setup.restart.iter_mut().for_each(|restart| *restart += ONE_LOOK)),
    ("pods fail one look later", |_, setup| setup.incidents.iter_mut().for_each(|incident| incident.at += ONE_LOOK)),
    ("nodes come one look later", |_, setup| setup.nodes.iter_mut().for_each(|nodes| nodes.start += ONE_LOOK)),
    ("rollouts begin one look later", |_, setup| setup.rollouts.iter_mut().for_each(|rollout| rollout.at += ONE_LOOK)),
];

/// Makes each change, and runs the simulated side of every series again.
pub fn controls(comparisons: &[Comparison]) -> Vec<Control> {
    let told_by = |apply: Change| {
        let differs = |comparison: &&Comparison| {
            let (mut policy, mut setup) = (policy(&comparison.series), comparison.series.setup.clone());
            apply(&mut policy, &mut setup);
            let seconds: Vec<u64> = comparison.real.iter().map(|row| row.second).collect();
            let changed = simulate(&comparison.series, &setup, &policy, &seconds);
            changed.iter().zip(&comparison.real).any(|(changed, real)| !changed.agrees(real))
        };
        comparisons.iter().filter(differs).map(|comparison| comparison.series.name).collect()
    };
    CHANGES.into_iter().map(|(change, apply)| Control { change, told_by: told_by(apply) }).collect()
}
