//! The model cluster: one workload whose pods take time to start, and metrics that come late.
//!
//! Time passes in steps of one second. All ready pods bear equal shares of the load; what exceeds their capacity waits in one queue, first
//! come, first served, until there is capacity for it; what has waited for as long as it can is lost.

use super::chance::Chance;
use super::faults::Incident;
use super::fleet::{Fleet, Life};
use super::nodes::NodeGroup;
use super::pipeline::Pipeline;
use super::rollout::Deployment;
use super::run::Run;
use super::score::Second;
use crate::core::{Observation, Reading, Scheduled, Signal, Time};

/// When the simulation begins; any time would do. Who decides by the calendar counts from here.
pub const EPOCH: Time = Time::from_secs(1_000_000);

/// The cluster at a second.
#[derive(Debug)]
pub struct Cluster<'a> {
    run: Run<'a>,
    /// Seconds since the start.
    second: u64,
    fleet: Fleet<'a>,
    deployment: Deployment<'a>,
    nodes: NodeGroup<'a>,
    /// Incidents to come, the next one last.
    incidents: Vec<&'a Incident>,
    /// When something happens next by itself.
    due: i64,
    /// Work that waits, in pod-seconds.
    backlog: f64,
    chance: Chance,
    pipeline: Pipeline,
}

impl<'a> Cluster<'a> {
    /// A cluster of so many ready pods which has borne the first load for ever.
    pub fn new(run: Run<'a>, replicas: u32) -> Self {
        let setup = run.setup;
        let mut chance = Chance::new(setup);
        let mut incidents: Vec<&Incident> = setup.incidents.iter().collect();
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.at));
        let mut cluster = Self {
            run,
            second: 0,
            fleet: Fleet::new(setup, replicas, &mut chance),
            deployment: Deployment::new(&setup.rollouts, replicas),
            nodes: NodeGroup::new(setup.nodes.as_ref(), replicas),
            incidents,
            due: 0,
            backlog: 0.0,
            chance,
            pipeline: Pipeline::new(setup.history(), run.load.at(0), replicas),
        };
        cluster.scale(replicas);
        cluster
    }

    /// The time.
    pub fn now(&self) -> Time {
        at(signed(self.second))
    }

    /// Seconds since the start.
    pub fn second(&self) -> u64 {
        self.second
    }

    /// The size that was asked for.
    pub fn ordered(&self) -> u32 {
        self.fleet.seen.spec_replicas
    }

    /// Pods that bear load.
    pub fn ready(&self) -> u32 {
        self.fleet.ready()
    }

    /// Load of this second, in pods.
    pub fn load(&self) -> f64 {
        self.run.load.at(self.second)
    }

    /// Mean load in pods over a time of so many seconds that ended so many seconds ago, as a metrics pipeline of its own would see it.
    pub fn recent(&self, window: u64, age: u64) -> f64 {
        let end = signed(self.second) - signed(age);
        self.pipeline.arrivals(end - signed(window), end)
    }

    /// Asks for a size. New pods exist at once, those that are too many are gone at once.
    pub fn scale(&mut self, replicas: u32) {
        let seen = &mut self.fleet.seen;
        let same = seen.spec_replicas == replicas;
        seen.spec_replicas = replicas;
        seen.scaled_to_zero = replicas == 0;
        if !same {
            self.settle();
        }
    }

    /// The load of this second is borne, and the next one begins.
    pub fn pass(&mut self) -> Second {
        let (load, ready, waiting) = (self.load(), self.fleet.ready(), self.backlog);
        let served = (load + waiting).min(f64::from(ready));
        let rest = load + waiting - served;
        self.backlog = if rest > 0.0 { rest.min(self.pipeline.patient(load, self.run.setup.patience)) } else { 0.0 };
        self.pipeline.count(load, served, ready, self.backlog);
        self.second += 1;
        let second = Second { load, waiting, lost: rest - self.backlog, ready, ordered: self.ordered() };
        if signed(self.second) >= self.due {
            self.settle();
        }
        second
    }

    /// Sets the bounds of schedules, as they are seen from now on.
    pub fn schedule(&mut self, scheduled: Scheduled) {
        self.fleet.seen.scheduled = scheduled;
    }

    /// What an autoscaler with these signals sees now.
    pub fn observe(&mut self, signals: &[Signal]) -> &Observation {
        let mut readings = std::mem::take(&mut self.fleet.seen.readings);
        readings.resize_with(signals.len(), || Reading::PerPod { samples: Vec::new(), requests: Vec::new(), limits: Vec::new() });
        for (signal, reading) in signals.iter().zip(&mut readings) {
            self.pipeline.read(self.run, self.second, signal, self.fleet.lives(), reading);
        }
        self.fleet.seen.status_replicas = self.fleet.len();
        self.fleet.seen.readings = readings;
        &self.fleet.seen
    }

    /// What was to happen by now happens: pods fail and become ready, nodes come, the Deployment sees to its pods.
    fn settle(&mut self) {
        let (now, replicas) = (signed(self.second), self.ordered());
        while let Some(incident) = self.incidents.pop_if(|incident| signed(incident.at.as_secs()) <= now) {
            self.fleet.strike(incident, now, &mut self.chance);
        }
        self.fleet.settle(now, &mut self.chance);
        self.deployment.reconcile(&mut self.fleet, replicas, now);
        self.nodes.arrive(now);
        self.fleet.place(now, self.nodes.room(), &mut self.chance);
        let placed = self.fleet.count(Life::is_placed);
        self.nodes.adapt(now, placed, self.fleet.len() - placed);
        let incident = self.incidents.last().map_or(i64::MAX, |incident| signed(incident.at.as_secs()));
        self.due = self.fleet.due().min(self.deployment.due()).min(self.nodes.due()).min(incident);
    }
}

/// The time of a second since the start.
pub(super) fn at(second: i64) -> Time {
    Time::from_millis(EPOCH.as_millis() + second * 1000)
}

pub(super) fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
