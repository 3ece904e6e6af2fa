//! Total demand of one signal: what is measured, and what the filters make of it.

use std::sync::Arc;
use std::time::Duration;

use super::Context;
use crate::core::collapse::Drop;
use crate::core::forecast::{self, Outlook};
use crate::core::memory::Filter;
use crate::core::reason::{Reason, Smoothed, Unit};
use crate::core::smooth::Level;
use crate::core::trend::{self, Trail};
use crate::core::{Estimate, ForecastMode, Memory, Sample, SmoothParameters, Smoothing, Target, lead};

/// Total demand after the level filter, against what was measured.
#[derive(Clone, Copy)]
pub(super) struct Smooth {
    pub raw: f64,
    /// To be acted on.
    pub demand: f64,
    /// The same without the look ahead.
    pub present: f64,
    pub level: Option<Level>,
    pub trend: Trend,
    /// See [`Seen`].
    pub saturated: bool,
    /// The sample is one that the collapse guard does not believe.
    pub drop: Option<Drop>,
    pub outlook: Option<Outlook>,
}

/// What is measured of the total demand.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub raw: f64,
    /// The pods use all they can, so that there may be any load behind it.
    pub saturated: bool,
    /// No pod bears load that is not counted yet: what such pods take over comes back, and would look like a rise.
    pub whole: bool,
    pub newest: Sample,
}

/// Usage from which pods are at their limit: throttling sets in before the mean reaches it.
pub(super) const SATURATED: f64 = 0.95;

impl Seen {
    /// The demand to reckon with at least. Behind pods that are at their limit it is taken to be twice what they bear: the ratio to the
    /// target would answer a tenfold load by a factor of 1.4 per start of a pod. As it is tied to the pods that were measured, the same
    /// sample never doubles twice.
    pub fn least(self) -> f64 {
        if self.saturated { 2.0 * self.raw } else { self.raw }
    }

    /// Runs it through the filter of the policy's signal at `index`.
    pub fn smooth(self, context: &Context<'_>, index: usize, memory: &mut Memory) -> Smooth {
        let Smoothing::Smooth(parameters) = context.policy.smoothing else { return Smooth::plain(self.raw) };
        let (least, Self { raw, saturated, whole, newest }) = (self.least(), self);
        let (filter, drop) = memory.filter(context.policy, index, parameters, least, newest);
        if saturated {
            // What comes next is a step: the load that did not fit before.
            filter.trail = Trail::start(least, newest.time);
        } else if whole {
            filter.trail.add(least, newest.time, newest.window);
        }
        let target = context.policy.signals[index].target;
        let trend = Trend::of(context, target, parameters, &filter.trail, newest);
        let present = filter.level.demand(parameters, least);
        let demand = trend.ahead(present);
        // What pods at their limit bear is known, what they should bear is a guess that must not come back tomorrow.
        let outlook = self.outlook(context, target, filter, if saturated { raw } else { present }, demand);
        Smooth { raw, demand, present, level: Some(filter.level), trend, saturated, drop, outlook }
    }

    /// What the past of the signal says about the time in which pods ordered now bear load.
    fn outlook(self, context: &Context<'_>, target: Target, filter: &mut Filter, demand: f64, reactive: f64) -> Option<Outlook> {
        let forecast = context.policy.forecast;
        if forecast.mode == ForecastMode::Off || matches!(target, Target::Value(_)) {
            return Outlook::unsuitable(forecast);
        }
        let Self { newest, .. } = self;
        let lead = match forecast.horizon {
            Some(horizon) => context.now.since(newest.time).saturating_add(horizon),
            None => lead::dead_time(context.observation, newest, context.policy.interval, context.now),
        };
        let seen = forecast::Seen { time: newest.time.min(context.now), demand, reactive, lead };
        Some(filter.seasonal.get_or_insert_default().look(forecast.mode, seen))
    }
}

/// A rise that is followed ahead of time.
#[derive(Clone, Copy, Default)]
pub(super) struct Trend {
    /// Per second.
    pub slope: f64,
    pub lead: Duration,
}

impl Trend {
    /// The trend to follow. A value with a target of its own has none: the demand behind it is the value times the pods, and jumps with them.
    fn of(context: &Context<'_>, target: Target, parameters: SmoothParameters, trail: &Trail, newest: Sample) -> Self {
        if matches!(target, Target::Value(_)) || parameters.lead == Some(Duration::ZERO) {
            return Self::default();
        }
        let slope = trail.slope(newest.window, context.tolerance.up);
        if slope <= 0.0 {
            return Self::default();
        }
        let learned = || lead::dead_time(context.observation, newest, context.policy.interval, context.now);
        Self { slope, lead: parameters.lead.unwrap_or_else(learned) }
    }

    pub fn ahead(self, demand: f64) -> f64 {
        trend::ahead(demand, self.slope, self.lead)
    }
}

impl Smooth {
    pub fn plain(raw: f64) -> Self {
        Self { raw, demand: raw, present: raw, level: None, trend: Trend::default(), saturated: false, drop: None, outlook: None }
    }

    pub fn estimate(self) -> Estimate {
        let Self { raw, demand, level, trend, .. } = self;
        let (level, sigma) = level.map_or((raw, 0.0), |level| (level.level(), level.sigma()));
        Estimate { raw, level, sigma, demand, slope: trend.slope, lead: trend.lead }
    }

    /// Standard deviation of the total demand's noise.
    pub fn noise(&self) -> f64 {
        self.level.map_or(0.0, |level| level.sigma())
    }

    /// The same without the look ahead at the trend.
    pub fn present(self) -> Self {
        Self { demand: self.present, trend: Trend::default(), ..self }
    }

    /// One pod's sample, moved so that the sum is the filtered demand. Exactly the sample itself where the filter changed nothing.
    pub fn apply(&self, value: f64, pods: usize) -> f64 {
        if self.demand.to_bits() == self.raw.to_bits() {
            value
        } else if self.raw > 0.0 {
            value * (self.demand / self.raw)
        } else {
            self.demand / pods.max(1) as f64
        }
    }

    /// What the filter did to the measured demand, if it did anything.
    pub fn reason(&self, name: &Arc<str>, unit: Unit) -> Option<Reason> {
        let changed = self.level.is_some() && self.demand.to_bits() != self.raw.to_bits();
        changed.then(|| Reason::Smoothed(Smoothed { signal: Arc::clone(name), unit, estimate: self.estimate(), saturated: self.saturated }))
    }
}
