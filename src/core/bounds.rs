//! The bounds in force at one look: the policy's own, narrowed by schedules.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::reason::{Bound, Reason};
use super::{Policy, Time, Warning};

/// What schedules say at the time of a look. The clock and the calendar stay outside: the core only gets their result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// The highest floor in force.
    pub floor: Option<ScheduledBound>,
    /// The lowest ceiling in force.
    pub ceiling: Option<ScheduledBound>,
    /// When the next of these bounds begins, ends, or changes.
    pub next_change: Option<Time>,
}

/// A bound and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledBound {
    /// Its size.
    pub replicas: u32,
    /// The schedule that sets it.
    pub by: BySchedule,
}

/// Names a schedule in reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BySchedule {
    /// Its name.
    pub name: Arc<str>,
    /// For how long, in the words of its time zone, e.g. `until 18:00 Europe/Berlin`.
    pub span: Arc<str>,
}

impl fmt::Display for BySchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by schedule {} {}", self.name, self.span)
    }
}

/// Lowest and highest size in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    pub min: u32,
    pub max: u32,
    floor: Option<&'a BySchedule>,
    ceiling: Option<&'a BySchedule>,
}

impl<'a> Bounds<'a> {
    /// The policy's bounds, narrowed. A floor is the stronger: too much capacity costs money, too little costs requests.
    pub fn of(policy: &Policy, scheduled: &'a Scheduled) -> Self {
        let mut bounds = Self { min: policy.min_replicas, max: policy.max_replicas, floor: None, ceiling: None };
        if let Some(floor) = scheduled.floor.as_ref().filter(|floor| floor.replicas > bounds.min) {
            (bounds.min, bounds.floor) = (floor.replicas.min(bounds.max), Some(&floor.by));
        }
        if let Some(ceiling) = scheduled.ceiling.as_ref().filter(|ceiling| ceiling.replicas < bounds.max) {
            (bounds.max, bounds.ceiling) = (ceiling.replicas.max(bounds.min), Some(&ceiling.by));
        }
        bounds
    }

    /// The schedule that sets a bound; `None`: the policy itself does.
    pub fn by(&self, bound: Bound) -> Option<BySchedule> {
        match bound {
            Bound::Minimum => self.floor.cloned(),
            Bound::Maximum => self.ceiling.cloned(),
        }
    }

    /// The bound that a size lies beyond, with its own size.
    pub fn beyond(&self, size: u32) -> Option<(Bound, u32)> {
        if size > self.max {
            Some((Bound::Maximum, self.max))
        } else if size < self.min {
            Some((Bound::Minimum, self.min))
        } else {
            None
        }
    }

    /// A wanted size that was cut to a bound.
    pub fn cut(&self, bound: Bound, wanted: u32) -> Reason {
        let size = if bound == Bound::Minimum { self.min } else { self.max };
        Reason::Bounded { bound, size, wanted, by: self.by(bound) }
    }
}

/// Lowest and highest size in force: the policy's own, narrowed by schedules.
pub fn bounds(policy: &Policy, scheduled: &Scheduled) -> (u32, u32) {
    let Bounds { min, max, .. } = Bounds::of(policy, scheduled);
    (min, max)
}

/// A floor above a ceiling, as a Warning.
pub(super) fn conflict(scheduled: &Scheduled) -> Option<Warning> {
    let Scheduled { floor: Some(floor), ceiling: Some(ceiling), .. } = scheduled else { return None };
    (ceiling.replicas < floor.replicas).then(|| Warning {
        reason: "ScheduleConflict".to_owned(),
        message: format!(
            "minReplicas {} {} is above maxReplicas {} {}; the higher size holds",
            floor.replicas, floor.by, ceiling.replicas, ceiling.by
        ),
    })
}
