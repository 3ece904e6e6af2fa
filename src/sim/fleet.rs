//! The pods of the workload: as they are, and as an autoscaler sees them.

use super::chance::Chance;
use super::counter::Counter;
use super::faults::{Incident, IncidentKind};
use super::plant::at;
use super::setup::Setup;
use crate::core::{Observation, Phase, Pod, Ready, Trouble};

/// Age in seconds of the pods that are there at the start.
const OLD: i64 = 86_400;

/// All pods.
#[derive(Debug)]
pub struct Fleet<'a> {
    setup: &'a Setup,
    /// What an autoscaler sees; its pods are these.
    pub seen: Observation,
    /// What cannot be seen of them, in the same order.
    lives: Vec<Life>,
    ready: u32,
    named: u64,
}

/// What cannot be seen of a pod.
#[derive(Clone, Debug)]
pub struct Life {
    /// The version it is of, counted in rollouts.
    pub revision: u32,
    /// It never becomes ready.
    broken: bool,
    stage: Stage,
    /// When the stage ends by itself; never: `i64::MAX`.
    until: i64,
    /// When it was placed on a node.
    placed: i64,
    /// When it was ready first.
    served: i64,
    /// Times since in which it was not.
    gaps: Vec<Gap>,
    restarts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is no room.
    Unplaced,
    Starting,
    Serving,
    /// Not ready any more.
    Down,
}

/// A time without readiness.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: i64,
    to: i64,
    /// It began with the end of its container.
    restart: bool,
}

impl<'a> Fleet<'a> {
    /// So many pods that have been ready for long.
    pub fn new(setup: &'a Setup, replicas: u32, chance: &mut Chance) -> Self {
        let mut fleet = Self { setup, seen: Observation::default(), lives: Vec::new(), ready: 0, named: 0 };
        for _ in 0..replicas {
            fleet.create(-OLD, 0, false);
            fleet.put(fleet.lives.len() - 1, -OLD, -OLD);
        }
        fleet.settle(-OLD, chance);
        fleet
    }

    /// Pods that bear load.
    pub fn ready(&self) -> u32 {
        self.ready
    }

    /// All pods.
    pub fn len(&self) -> u32 {
        count(self.lives.len())
    }

    /// Pods like that.
    pub fn count(&self, which: impl Fn(&Life) -> bool) -> u32 {
        count(self.lives.iter().filter(|life| which(life)).count())
    }

    /// Each pod with what cannot be seen of it.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// When something happens next by itself.
    pub fn due(&self) -> i64 {
        self.lives.iter().map(|life| life.until).min().unwrap_or(i64::MAX)
    }

    /// A pod that is not on a node yet.
    pub fn create(&mut self, now: i64, revision: u32, broken: bool) {
        self.named += 1;
        self.seen.pods.push(Pod {
            name: format!("web-{}", self.named).into(),
            phase: Phase::Pending,
            created: Some(at(now)),
            trouble: Some(Trouble::Unschedulable),
            ..Pod::default()
        });
        let (never, gaps) = (i64::MAX, Vec::new());
        let stage = Stage::Unplaced;
        self.lives.push(Life { revision, broken, stage, until: never, placed: never, served: never, gaps, restarts: 0 });
    }

    /// Puts pods on nodes while these have room for so many in all, the oldest first.
    pub fn place(&mut self, now: i64, room: u32, chance: &mut Chance) {
        let mut placed = self.count(Life::is_placed);
        for index in 0..self.lives.len() {
            if placed < room && !self.lives[index].is_placed() {
                let ready = now.saturating_add_unsigned(chance.start(self.setup));
                self.put(index, now, ready);
                placed += 1;
            }
        }
    }

    fn put(&mut self, index: usize, now: i64, ready: i64) {
        let (pod, life) = (&mut self.seen.pods[index], &mut self.lives[index]);
        (life.stage, life.until, life.placed) = (Stage::Starting, ready, now);
        (pod.phase, pod.trouble) = (Phase::Running, None);
        pod.start_time = Some(at(now));
        pod.ready = Some(Ready { status: false, since: at(now) });
    }

    /// Removes so many of the pods like that, in the order of a `ReplicaSet`: those without a node, those that are not ready, those that have
    /// been ready for the shortest time, those with more restarts, the youngest.
    pub fn remove(&mut self, pods: u32, which: impl Fn(&Life) -> bool) {
        for _ in 0..pods {
            let rank = |index: usize| {
                let (pod, life) = (&self.seen.pods[index], &self.lives[index]);
                let since = pod.ready.filter(|ready| ready.status).map(|ready| ready.since);
                (!life.is_placed(), since.is_none(), since, life.restarts, index)
            };
            let Some(index) = (0..self.lives.len()).filter(|&index| which(&self.lives[index])).max_by_key(|&index| rank(index)) else {
                return;
            };
            self.delete(index);
        }
    }

    fn delete(&mut self, index: usize) {
        self.seen.pods.remove(index);
        self.ready -= u32::from(self.lives.remove(index).is_ready());
    }

    /// What was to happen by now happens.
    pub fn settle(&mut self, now: i64, chance: &mut Chance) {
        for index in 0..self.lives.len() {
            if self.lives[index].until > now {
                continue;
            }
            match self.lives[index].stage {
                Stage::Serving => {
                    let lasting = chance.restart(self.setup);
                    self.fail(index, now, lasting, true);
                }
                Stage::Unplaced | Stage::Starting | Stage::Down => self.recover(index, now, chance),
            }
        }
    }

    fn recover(&mut self, index: usize, now: i64, chance: &mut Chance) {
        let (pod, life) = (&mut self.seen.pods[index], &mut self.lives[index]);
        if life.broken {
            pod.trouble = Some(Trouble::Crash);
            life.until = i64::MAX;
            return;
        }
        match life.gaps.last_mut() {
            Some(gap) => gap.to = now,
            None => life.served = now,
        }
        life.stage = Stage::Serving;
        life.until = chance.crash(self.setup).map_or(i64::MAX, |seconds| now.saturating_add_unsigned(seconds));
        pod.ready = Some(Ready { status: true, since: at(now) });
        pod.trouble = None;
        self.ready += 1;
    }

    /// A ready pod is so no more for some seconds.
    fn fail(&mut self, index: usize, now: i64, lasting: u64, restart: bool) {
        let (pod, life) = (&mut self.seen.pods[index], &mut self.lives[index]);
        let since = pod.ready.map_or(at(now), |ready| ready.since);
        pod.served = pod.served.max(at(now).since(since));
        pod.ready = Some(Ready { status: false, since: at(now) });
        pod.trouble = restart.then_some(Trouble::Crash);
        let forgotten = now.saturating_sub_unsigned(self.setup.history());
        life.gaps.retain(|gap| gap.to > forgotten);
        life.gaps.push(Gap { from: now, to: i64::MAX, restart });
        life.restarts += u32::from(restart);
        (life.stage, life.until) = (Stage::Down, now.saturating_add_unsigned(lasting));
        self.ready -= 1;
    }

    /// An incident takes place.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A share of a number of pods.
    pub fn strike(&mut self, incident: &Incident, now: i64, chance: &mut Chance) {
        let serving: Vec<usize> = (0..self.lives.len()).filter(|&index| self.lives[index].is_ready()).collect();
        let affected = (incident.share * serving.len() as f64).ceil() as usize;
        let mut struck = chance.choose(serving, affected);
        // From the last one, so that those before keep their places.
        struck.sort_unstable_by(|a, b| b.cmp(a));
        for index in struck {
            if incident.kind == IncidentKind::Evict {
                self.delete(index);
            } else {
                let lasting = incident.lasting.map_or_else(|| chance.restart(self.setup), |lasting| lasting.as_secs());
                self.fail(index, now, lasting, incident.kind == IncidentKind::Crash);
            }
        }
    }
}

impl Life {
    /// It is on a node.
    pub fn is_placed(&self) -> bool {
        self.stage != Stage::Unplaced
    }

    /// It bears load.
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Serving
    }

    /// Its mean share of a time, of what each ready pod did in it. A sample covers its whole window only for a pod whose container ran all
    /// the time; `None` of others.
    pub fn share(&self, usage: &Counter, (start, end): (i64, i64)) -> Option<f64> {
        let restarted = |gap: &Gap| gap.restart && gap.from > start && gap.from <= end;
        if self.placed > start || self.gaps.iter().any(restarted) {
            return None;
        }
        let first = self.served.max(start);
        let missed: f64 = self.gaps.iter().map(|gap| usage.sum(gap.from.max(first), gap.to.min(end))).sum();
        Some((usage.sum(first, end) - missed) / (end - start).max(1) as f64)
    }
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}
