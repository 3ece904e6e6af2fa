//! How well demand was met, and at what cost.
//!
//! With the load `l`, the work `w` that waits and the ready pods `s` of each second, and the demand `D = ceil(max(l, min))`, the fewest whole pods that bear it:
//!
//! - `V`, violation: share of time in which `l + w > s`; `V90` the same for `l + w > 0.9 s`; lost: share of the load that was never borne.
//! - `C`, cost: pod-hours ordered over those of a clairvoyant who has exactly `D` pods at all times. A controller that always runs many
//!   pods at 70 % has a cost of 1.43.
//! - Actions: changes of the size ordered; reversals: actions in the other direction than the one before.
//! - Elasticity after Herbst, Kounev and Reussner (ICAC 2013) and Herbst et al. (BUNGEE, SEAMS 2015), with `D` as demand: accuracy
//!   `aU = mean max(D - s, 0) / D` and `aO = mean max(s - D, 0) / D`; timeshares `tU` and `tO` of `D > s` and `D < s`; jitter: changes of
//!   `s` less changes of `D`, per hour; instability: share of slots in which `s` and `D` do not change in the same direction.

use serde::{Deserialize, Serialize};

use super::load::SLOT;

/// Rounding of sums must not look like a shortage.
const EPSILON: f64 = 1e-9;
/// Utilisation above which latency suffers.
const TIGHT: f64 = 0.9;

/// What happened in a second; load and work in pods and pod-seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Second {
    /// Load that arrived.
    pub load: f64,
    /// Work that waited at its start.
    pub waiting: f64,
    /// Work that was given up.
    pub lost: f64,
    /// Pods that bore load.
    pub ready: u32,
    /// The size asked for.
    pub ordered: u32,
}

/// Sums over the scored seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    min: f64,
    /// Seconds scored.
    pub seconds: u64,
    /// Seconds with more to do than the ready pods can.
    pub violation_seconds: u64,
    /// Seconds with more to do than 90 % of that.
    pub tight_seconds: u64,
    /// Changes of the size ordered.
    pub actions: u64,
    /// Changes in the other direction than the one before.
    pub reversals: u64,
    load: f64,
    lost: f64,
    ordered: u64,
    ideal: f64,
    under: f64,
    over: f64,
    under_seconds: u64,
    over_seconds: u64,
    supply_changes: u64,
    demand_changes: u64,
    slots: u64,
    unstable_slots: u64,
    last: Option<Last>,
    slot: Option<Last>,
    grew: Option<bool>,
}

/// What a second is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Last {
    ready: u32,
    ordered: u32,
    demand: f64,
}

/// The scores under the names by which they are printed and asserted. Percentages are of the time scored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Hours scored.
    pub hours: f64,
    /// Seconds with more to do than the ready pods can.
    pub violation_seconds: u64,
    /// `V`.
    pub violation_percent: f64,
    /// `V90`.
    pub tight_percent: f64,
    /// Load that was not borne.
    pub lost_percent: f64,
    /// Pod-hours ordered.
    pub pod_hours: f64,
    /// Pod-hours of the clairvoyant.
    pub ideal_pod_hours: f64,
    /// `C`.
    pub cost: f64,
    /// Changes of the size ordered.
    pub actions: u64,
    /// Changes of the size ordered, per hour.
    pub actions_per_hour: f64,
    /// Changes in the other direction than the one before.
    pub reversals: u64,
    /// The same per hour.
    pub reversals_per_hour: f64,
    /// `aU`.
    pub under_percent: f64,
    /// `aO`.
    pub over_percent: f64,
    /// `tU`.
    pub under_time_percent: f64,
    /// `tO`.
    pub over_time_percent: f64,
    /// Changes of the ready pods less changes of demand, per hour.
    pub jitter_per_hour: f64,
    /// Slots in which supply and demand do not change in the same direction.
    pub instability_percent: f64,
}

impl Score {
    /// All of it by name.
    pub fn figures(&self) -> Figures {
        Figures {
            hours: self.hours(),
            violation_seconds: self.violation_seconds,
            violation_percent: self.violation(),
            tight_percent: self.tight(),
            lost_percent: self.lost(),
            pod_hours: self.pod_hours(),
            ideal_pod_hours: self.ideal / 3600.0,
            cost: self.cost(),
            actions: self.actions,
            actions_per_hour: self.per_hour(self.actions as f64),
            reversals: self.reversals,
            reversals_per_hour: self.per_hour(self.reversals as f64),
            under_percent: self.under(),
            over_percent: self.over(),
            under_time_percent: self.under_time(),
            over_time_percent: self.over_time(),
            jitter_per_hour: self.jitter(),
            instability_percent: self.instability(),
        }
    }

    /// Nothing scored yet, for a workload with this lowest size.
    pub fn new(min: u32) -> Self {
        Self {
            min: f64::from(min),
            seconds: 0,
            violation_seconds: 0,
            tight_seconds: 0,
            actions: 0,
            reversals: 0,
            load: 0.0,
            lost: 0.0,
            ordered: 0,
            ideal: 0.0,
            under: 0.0,
            over: 0.0,
            under_seconds: 0,
            over_seconds: 0,
            supply_changes: 0,
            demand_changes: 0,
            slots: 0,
            unstable_slots: 0,
            last: None,
            slot: None,
            grew: None,
        }
    }

    /// Adds a second.
    pub fn add(&mut self, second: &Second) {
        let &Second { load, waiting, lost, ready, ordered } = second;
        let supply = f64::from(ready);
        let demand = load.max(self.min).ceil();
        self.violation_seconds += u64::from(load + waiting > supply + EPSILON);
        self.tight_seconds += u64::from(load + waiting > TIGHT * supply + EPSILON);
        self.load += load;
        self.lost += lost;
        self.ordered += u64::from(ordered);
        self.ideal += demand;
        if demand > 0.0 {
            self.under += (demand - supply).max(0.0) / demand;
            self.over += (supply - demand).max(0.0) / demand;
        }
        self.under_seconds += u64::from(supply < demand);
        self.over_seconds += u64::from(supply > demand);
        let now = Last { ready, ordered, demand };
        if let Some(last) = self.last {
            self.supply_changes += u64::from(ready != last.ready);
            self.demand_changes += u64::from(now.direction(&last).1 != 0);
            if ordered != last.ordered {
                let grew = ordered > last.ordered;
                self.actions += 1;
                self.reversals += u64::from(self.grew.is_some_and(|before| before != grew));
                self.grew = Some(grew);
            }
        }
        if self.seconds.is_multiple_of(SLOT) {
            if let Some(slot) = self.slot {
                let (supply, demand) = now.direction(&slot);
                self.slots += 1;
                self.unstable_slots += u64::from(supply != demand);
            }
            self.slot = Some(now);
        }
        self.seconds += 1;
        self.last = Some(now);
    }

    /// `V`, in percent.
    pub fn violation(&self) -> f64 {
        self.percent(self.violation_seconds as f64)
    }

    /// `V90`, in percent.
    pub fn tight(&self) -> f64 {
        self.percent(self.tight_seconds as f64)
    }

    /// Load that was not borne, in percent.
    pub fn lost(&self) -> f64 {
        if self.load > 0.0 { 100.0 * self.lost / self.load } else { 0.0 }
    }

    /// `C`.
    pub fn cost(&self) -> f64 {
        if self.ideal > 0.0 { self.ordered as f64 / self.ideal } else { 0.0 }
    }

    /// Pod-hours ordered.
    pub fn pod_hours(&self) -> f64 {
        self.ordered as f64 / 3600.0
    }

    /// Hours scored.
    pub fn hours(&self) -> f64 {
        self.seconds as f64 / 3600.0
    }

    /// Actions per day.
    pub fn actions_per_day(&self) -> f64 {
        self.per_hour(self.actions as f64) * 24.0
    }

    /// Reversals per day.
    pub fn reversals_per_day(&self) -> f64 {
        self.per_hour(self.reversals as f64) * 24.0
    }

    /// `aU`, in percent.
    pub fn under(&self) -> f64 {
        self.percent(self.under)
    }

    /// `aO`, in percent.
    pub fn over(&self) -> f64 {
        self.percent(self.over)
    }

    /// `tU`, in percent.
    pub fn under_time(&self) -> f64 {
        self.percent(self.under_seconds as f64)
    }

    /// `tO`, in percent.
    pub fn over_time(&self) -> f64 {
        self.percent(self.over_seconds as f64)
    }

    /// Jitter per hour: positive where the size changes more often than demand.
    pub fn jitter(&self) -> f64 {
        self.per_hour(self.supply_changes as f64 - self.demand_changes as f64)
    }

    /// Instability, in percent of the slots.
    pub fn instability(&self) -> f64 {
        if self.slots > 0 { 100.0 * self.unstable_slots as f64 / self.slots as f64 } else { 0.0 }
    }

    /// Pod-hours plus a price for each minute of violation, in pod-minutes.
    pub fn bill(&self, pod_minutes: f64) -> f64 {
        self.pod_hours() + pod_minutes * self.violation_seconds as f64 / 3600.0
    }

    fn percent(&self, sum: f64) -> f64 {
        if self.seconds > 0 { 100.0 * sum / self.seconds as f64 } else { 0.0 }
    }

    fn per_hour(&self, sum: f64) -> f64 {
        if self.seconds > 0 { sum / self.hours() } else { 0.0 }
    }
}

impl Last {
    /// Signs of the changes of supply and demand since `earlier`.
    fn direction(&self, earlier: &Self) -> (i8, i8) {
        let sign = |ordering| ordering as i8;
        (sign(self.ready.cmp(&earlier.ready)), sign(self.demand.total_cmp(&earlier.demand)))
    }
}
