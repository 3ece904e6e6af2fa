//! Ballast's decision on a calendar: the model counts from a time of its own, schedules and pauses from that of the load.

use crate::api::Compiled;
use crate::core::Time;
use crate::schedule::{self, Schedule};
use crate::sim::{Autoscaler, Ballast, Cluster, EPOCH, Look};

/// Decides as the controller does at that time, schedules and pause included.
#[derive(Debug)]
pub struct ByCalendar {
    inner: Ballast,
    schedules: Vec<Schedule>,
    calendar: Calendar,
}

/// The calendar's time less the model's, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Calendar(i64);

impl ByCalendar {
    /// A controller that starts with an empty memory when the load begins, which is at this Unix time in seconds.
    pub fn new(compiled: &Compiled, start: i64) -> Self {
        let calendar = Calendar(Time::from_secs(start).as_millis().saturating_sub(EPOCH.as_millis()));
        let mut policy = compiled.policy.clone();
        if let Some(pause) = &mut policy.pause {
            pause.until = pause.until.map(|until| calendar.to_model(until));
        }
        Self { inner: Ballast::new(policy), schedules: compiled.schedules.clone(), calendar }
    }
}

impl Autoscaler for ByCalendar {
    fn min_replicas(&self) -> u32 {
        self.inner.min_replicas()
    }

    fn look(&mut self, cluster: &mut Cluster<'_>) -> Look {
        if self.schedules.is_empty() {
            return self.inner.look(cluster);
        }
        let now = self.calendar.of_model(cluster.now());
        let mut scheduled = schedule::at(&self.schedules, self.inner.min_replicas(), now);
        scheduled.next_change = scheduled.next_change.map(|time| self.calendar.to_model(time));
        cluster.schedule(scheduled);
        self.inner.look(cluster)
    }
}

impl Calendar {
    fn of_model(self, time: Time) -> Time {
        Time::from_millis(time.as_millis().saturating_add(self.0))
    }

    fn to_model(self, time: Time) -> Time {
        Time::from_millis(time.as_millis().saturating_sub(self.0))
    }
}
