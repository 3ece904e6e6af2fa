//! The Deployment: as many pods as were asked for, and rolling updates to new versions.
//!
//! As the Deployment controller does it: new pods while the pods do not exceed the size by more than `maxSurge`, old ones go while no fewer
//! than the size less `maxUnavailable` are ready, old ones that are not ready go first, and a size that changes meanwhile is shared between
//! the versions in proportion. All steps that are possible in a second are made in it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fleet::{Fleet, Life};
use super::problem::Problem;
use super::seconds;

/// A new version is rolled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// When it begins, since the start.
    #[serde(with = "seconds", rename = "atSeconds")]
    pub at: Duration,
    /// Pods that may exist beyond the size, in percent of it, rounded up; default 25.
    #[serde(default = "quarter", rename = "maxSurgePercent")]
    pub max_surge: u32,
    /// Pods that may be missing, in percent of the size, rounded down; default 25. If both come to no pods, one may be missing.
    #[serde(default = "quarter", rename = "maxUnavailablePercent")]
    pub max_unavailable: u32,
    /// Its pods crash when they should become ready; default false.
    #[serde(default)]
    pub broken: bool,
}

fn quarter() -> u32 {
    25
}

impl Rollout {
    /// One with the defaults of a Deployment.
    pub fn at(at: Duration) -> Self {
        Self { at, max_surge: quarter(), max_unavailable: quarter(), broken: false }
    }

    pub(super) fn check(&self, path: &str, problems: &mut Vec<Problem>) {
        if self.max_unavailable > 100 {
            problems.push(Problem::new(format!("{path}.maxUnavailablePercent"), format!("{} is above 100", self.max_unavailable)));
        }
    }

    /// Pods that may be too many and too few.
    fn bounds(&self, replicas: u32) -> (u32, u32) {
        let of = |percent: u32| u64::from(replicas) * u64::from(percent);
        let surge = of(self.max_surge).div_ceil(100);
        let unavailable = (of(self.max_unavailable) / 100).max(u64::from(surge == 0));
        (u32::try_from(surge).unwrap_or(u32::MAX), u32::try_from(unavailable).unwrap_or(u32::MAX))
    }
}

/// The Deployment at a second.
#[derive(Clone, Debug)]
pub struct Deployment<'a> {
    /// In order of time.
    rollouts: Vec<&'a Rollout>,
    /// Of them, those that have begun: the present version.
    begun: usize,
    /// The size when it was last seen to.
    replicas: u32,
}

impl<'a> Deployment<'a> {
    /// Of this size, with these rollouts to come.
    pub fn new(rollouts: &'a [Rollout], replicas: u32) -> Self {
        let mut rollouts: Vec<&Rollout> = rollouts.iter().collect();
        rollouts.sort_by_key(|rollout| rollout.at);
        Self { rollouts, begun: 0, replicas }
    }

    /// When the next rollout begins.
    pub fn due(&self) -> i64 {
        self.rollouts.get(self.begun).map_or(i64::MAX, |rollout| i64::try_from(rollout.at.as_secs()).unwrap_or(i64::MAX))
    }

    /// Creates and removes pods for this size.
    pub fn reconcile(&mut self, fleet: &mut Fleet<'_>, replicas: u32, now: i64) {
        while self.due() <= now {
            self.begun += 1;
        }
        let before = std::mem::replace(&mut self.replicas, replicas);
        let revision = u32::try_from(self.begun).unwrap_or(u32::MAX);
        let current = self.begun.checked_sub(1).map(|last| self.rollouts[last]);
        let versions = Versions { revision, broken: current.is_some_and(|rollout| rollout.broken), now };
        match current.filter(|_| versions.old(fleet) > 0) {
            None => versions.resize(fleet, true, replicas),
            Some(rollout) => {
                if before != replicas {
                    versions.share(fleet, rollout, before, replicas);
                }
                while versions.roll(fleet, rollout, replicas) {}
            }
        }
    }
}

/// The new version and all before it.
#[derive(Clone, Copy)]
struct Versions {
    revision: u32,
    broken: bool,
    now: i64,
}

impl Versions {
    fn is_old(self) -> impl Fn(&Life) -> bool {
        move |life| life.revision != self.revision
    }

    fn old(self, fleet: &Fleet<'_>) -> u32 {
        fleet.count(self.is_old())
    }

    /// So many pods of the new version, or of those before. Old pods that are missing are replaced by ones of the version before.
    fn resize(self, fleet: &mut Fleet<'_>, new: bool, pods: u32) {
        let found = fleet.count(|life| self.is_old()(life) != new);
        fleet.remove(found.saturating_sub(pods), |life| self.is_old()(life) != new);
        for _ in found..pods {
            let (revision, broken) = if new { (self.revision, self.broken) } else { (self.revision.saturating_sub(1), false) };
            fleet.create(self.now, revision, broken);
        }
    }

    /// Shares a new size between the versions, in proportion to their pods; what rounding leaves goes to the larger one.
    #[allow(clippy::cast_possible_truncation)] // Far below.
    fn share(self, fleet: &mut Fleet<'_>, rollout: &Rollout, before: u32, replicas: u32) {
        let most = |replicas: u32| i64::from(if replicas == 0 { 0 } else { replicas + rollout.bounds(replicas).0 });
        let old = i64::from(self.old(fleet));
        let new = i64::from(fleet.len()) - old;
        if new == 0 {
            return self.resize(fleet, false, replicas);
        }
        let add = most(replicas) - old - new;
        let part = |pods: i64, left: i64| {
            let share = (pods as f64 * most(replicas) as f64 / most(before).max(1) as f64).round() as i64 - pods;
            if add > 0 { share.clamp(0, left) } else { share.clamp(left, 0) }
        };
        // The new version first among equals when pods are added, the old one when they go.
        let new_first = if add > 0 { new >= old } else { new > old };
        let (first, second) = if new_first { (new, old) } else { (old, new) };
        let mut of_first = part(first, add);
        let of_second = part(second, add - of_first);
        of_first = (add - of_second).max(-first);
        let sizes = [first + of_first, second + of_second].map(|size| u32::try_from(size).unwrap_or_default());
        self.resize(fleet, new_first, sizes[0]);
        self.resize(fleet, !new_first, sizes[1]);
    }

    /// One step of the update; whether there was anything to do.
    fn roll(self, fleet: &mut Fleet<'_>, rollout: &Rollout, replicas: u32) -> bool {
        let (surge, unavailable) = rollout.bounds(replicas);
        let old = self.old(fleet);
        let new = fleet.len() - old;
        let room = (replicas + surge).saturating_sub(fleet.len()).min(replicas.saturating_sub(new));
        if room > 0 || new > replicas {
            self.resize(fleet, true, (new + room).min(replicas));
            return true;
        }
        let least = replicas.saturating_sub(unavailable);
        let unready = fleet.count(|life| !self.is_old()(life) && !life.is_ready());
        let spare = fleet.len().saturating_sub(least.saturating_add(unready));
        if old == 0 || spare == 0 {
            return false;
        }
        let useless = |life: &Life| self.is_old()(life) && !life.is_ready();
        let first = fleet.count(useless).min(spare);
        fleet.remove(first, useless);
        let rest = fleet.ready().saturating_sub(least).min(old - first);
        fleet.remove(rest, self.is_old());
        first + rest > 0
    }
}
