//! A rolling update, look by look: the load decides the size, not the surge.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{Decision, Policy, Reading, SmoothParameters, Smoothing, Target};
use core_support::*;
use rstest::rstest;

/// Pods of a Deployment that replaces its old pods by new ones.
struct Rollout {
    story: Story,
    old: u32,
    /// Looks since each new pod was created; Ready from the third look on.
    new: Vec<u32>,
    surge: u32,
    unavailable: u32,
}

impl Rollout {
    fn new(policy: Policy, replicas: u32, surge: u32, unavailable: u32) -> Self {
        Self { story: Story::new(policy, replicas), old: replicas, new: Vec::new(), surge, unavailable }
    }

    fn ready(&self) -> u32 {
        self.old + u32::try_from(self.new.iter().filter(|&&age| age >= 3).count()).unwrap()
    }

    /// What the Deployment controller does between two looks: create up to the surge, remove old pods while enough are ready.
    fn step(&mut self) {
        // Old pods go for the new ones that were ready at this look, so that every look at new ready pods sees the surge.
        while self.ready() > self.story.replicas.saturating_sub(self.unavailable) && self.old > 0 {
            self.old -= 1;
        }
        self.new.iter_mut().for_each(|age| *age += 1);
        while self.old + u32::try_from(self.new.len()).unwrap() < self.story.replicas + self.surge
            && u32::try_from(self.new.len()).unwrap() < self.story.replicas
        {
            self.new.push(0);
        }
    }

    /// One look; the ready pods share `load`, each also uses `idle`, and starting pods burn CPU.
    fn look(&mut self, load: f64, idle: f64) -> Decision {
        let each = idle + load / f64::from(self.ready());
        let mut pods = many(self.old as usize, &ready(each));
        for &age in &self.new {
            pods.push(match age {
                0 => pending(),
                1 | 2 => ready(1900.0).started(u64::from(age) * 15).readiness(Some((false, u64::from(age) * 15))),
                // Ready since the third look; the first full window lies after it one look later.
                3 => ready(1900.0).started(45).readiness(Some((true, 5))),
                _ => ready(each).started(u64::from(age) * 15).readiness(Some((true, (u64::from(age) - 3) * 15 + 20))),
            });
        }
        // A custom metric knows no start-up rules: every ready pod reports at once.
        let reports = |p: &P| p.pod.ready.filter(|ready| ready.status && p.sample.is_some()).map(|_| sample(each));
        let custom = Reading::PerPod { samples: pods.iter().map(reports).collect(), requests: vec![], limits: vec![] };
        let mut observation = seen(self.story.replicas, pods);
        observation.readings.push(custom);
        let sum = load + idle * f64::from(self.ready());
        observation.readings.push(total(sum));
        let late = self.story.now.since(NOW);
        for reading in &mut observation.readings {
            match reading {
                Reading::PerPod { samples, .. } => samples.iter_mut().flatten().for_each(|sample| sample.time = sample.time + late),
                Reading::Total(sample) => sample.time = sample.time + late,
                Reading::Failed(_) => {}
            }
        }
        for pod in &mut observation.pods {
            pod.start_time = pod.start_time.map(|time| time + late);
            pod.ready.iter_mut().for_each(|ready| ready.since = ready.since + late);
        }
        let decision = self.story.look(&observation, 15);
        self.step();
        decision
    }
}

fn policy_of(smoothing: Smoothing, down_window: u64) -> Policy {
    Policy {
        smoothing,
        downscale_stabilization: secs(down_window),
        ..policy(vec![cpu(60), pods_metric(600.0), external(Target::AverageValue(600.0))])
    }
}

#[rstest]
#[case::stock_surge_25_percent(Smoothing::None, 8, 2, 0)]
#[case::stock_surge_and_unavailable_25_percent(Smoothing::None, 8, 2, 2)]
#[case::stock_surge_100_percent(Smoothing::None, 8, 8, 0)]
#[case::smooth_surge_25_percent(Smoothing::Smooth(SmoothParameters::default()), 8, 2, 0)]
#[case::smooth_surge_and_unavailable_25_percent(Smoothing::Smooth(SmoothParameters::default()), 8, 2, 2)]
#[case::smooth_surge_100_percent(Smoothing::Smooth(SmoothParameters::default()), 8, 8, 0)]
fn constant_load_never_adds_a_replica(
    #[case] smoothing: Smoothing,
    #[case] replicas: u32,
    #[case] surge: u32,
    #[case] unavailable: u32,
    #[values(0.0, 300.0, 540.0)] idle: f64,
    #[values(0.95, 1.0, 1.05)] share: f64,
) {
    let mut rollout = Rollout::new(policy_of(smoothing, 300), replicas, surge, unavailable);
    let load = (600.0 - idle) * share * f64::from(replicas);
    for look in 0..60 {
        let decision = rollout.look(load, idle);
        assert_eq!(decision.to, replicas, "look {look}: {}", decision.headline());
    }
    assert_eq!(rollout.old, 0, "the rollout has ended");
}

#[rstest]
#[case::surge_25_percent(8, 2)]
#[case::surge_100_percent(8, 8)]
fn growth_during_a_rollout_scales_out(#[case] replicas: u32, #[case] surge: u32) {
    for smoothing in [Smoothing::None, Smoothing::Smooth(SmoothParameters::default())] {
        let mut rollout = Rollout::new(policy_of(smoothing, 300), replicas, surge, 0);
        for _ in 0..4 {
            rollout.look(600.0 * f64::from(replicas), 0.0);
        }
        let grown = 2.5 * 600.0 * f64::from(replicas);
        let first = rollout.look(grown, 0.0);
        assert!(first.to > replicas, "{}", first.headline());
        let sizes: Vec<u32> = (0..40).map(|_| rollout.look(grown, 0.0).to).collect();
        assert_eq!(sizes.last(), Some(&20), "{sizes:?}");
        assert!(sizes.iter().all(|&size| size <= 20), "and not beyond the need: {sizes:?}");
    }
}
