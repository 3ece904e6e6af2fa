//! One signal: from its reading to the replicas it asks for.

mod group;
mod per_pod;
mod staffing;
mod sums;
mod total;

use std::sync::Arc;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use super::collapse::{Drop, Freeze};
use super::reason::{Demand, Form, Outcome, PodCounts, Reason, Smoothed, Unit};
use super::smooth::Level;
use super::trend::{self, Trail};
use super::{
    Current, Estimate, Memory, Observation, Policy, Reading, Sample, SignalReport, SmoothParameters, Smoothing, Target, Time, Tolerance,
    lead,
};
use crate::core::policy::SignalKind;
use group::PerPod;
pub use staffing::staffing;

/// What one signal contributes to the decision.
pub(super) struct Measured {
    pub report: SignalReport,
    /// The demand, then what the filter did to it; or the failure.
    pub reasons: SmallVec<[Reason; 2]>,
    /// What the collapse guard keeps.
    pub freeze: Option<Freeze>,
}

/// What the rules need to know besides the reading.
#[derive(Clone, Copy)]
struct Context<'a> {
    kind: &'a SignalKind,
    observation: &'a Observation,
    /// `spec.replicas`: what tolerance keeps, and the base of every comparison.
    base: u32,
    tolerance: Tolerance,
    policy: &'a Policy,
    now: Time,
}

/// A proposal before it is put into words.
struct Proposal {
    replicas: u32,
    outcome: Outcome,
    form: Form,
    value: f64,
    target: f64,
    ratio: f64,
    pods: PodCounts,
    /// As measured, before smoothing.
    current: Current,
}

/// Total demand after the level filter, against what was measured.
#[derive(Clone, Copy)]
struct Smooth {
    raw: f64,
    demand: f64,
    level: Option<Level>,
    trend: Trend,
    saturated: bool,
    /// The sample is one that the collapse guard does not believe.
    drop: Option<Drop>,
}

/// What is measured of the total demand.
#[derive(Clone, Copy)]
struct Seen {
    raw: f64,
    /// The pods use all they can, so that there may be any load behind it.
    saturated: bool,
    /// No pod bears load that is not counted yet: what such pods take over comes back, and would look like a rise.
    whole: bool,
    newest: Sample,
}

/// Usage from which pods are at their limit: throttling sets in before the mean reaches it.
const SATURATED: f64 = 0.95;

impl Seen {
    /// The demand to reckon with at least. Behind pods that are at their limit it is taken to be twice what they bear: the ratio to the
    /// target would answer a tenfold load by a factor of 1.4 per start of a pod. As it is tied to the pods that were measured, the same
    /// sample never doubles twice.
    fn least(self) -> f64 {
        if self.saturated { 2.0 * self.raw } else { self.raw }
    }
}

/// A rise that is followed ahead of time.
#[derive(Clone, Copy, Default)]
struct Trend {
    /// Per second.
    slope: f64,
    lead: Duration,
}

impl Trend {
    fn ahead(self, demand: f64) -> f64 {
        trend::ahead(demand, self.slope, self.lead)
    }
}

impl Smooth {
    fn plain(raw: f64) -> Self {
        Self { raw, demand: raw, level: None, trend: Trend::default(), saturated: false, drop: None }
    }

    fn estimate(self) -> Estimate {
        let Self { raw, demand, level, trend, .. } = self;
        let (level, sigma) = level.map_or((raw, 0.0), |level| (level.level(), level.sigma()));
        Estimate { raw, level, sigma, demand, slope: trend.slope, lead: trend.lead }
    }
}

impl Context<'_> {
    /// The trend to follow. A value with a target of its own has none: the demand behind it is the value times the pods, and jumps with them.
    fn trend(&self, target: Target, parameters: SmoothParameters, trail: &Trail, newest: Sample) -> Trend {
        if matches!(target, Target::Value(_)) || parameters.lead == Some(Duration::ZERO) {
            return Trend::default();
        }
        let slope = trail.slope(newest.window, self.tolerance.up);
        if slope <= 0.0 {
            return Trend::default();
        }
        let learned = || lead::dead_time(self.observation, newest, self.policy.interval, self.now);
        Trend { slope, lead: parameters.lead.unwrap_or_else(learned) }
    }
}

/// Runs the reading of the policy's signal at `index` through filter and rule.
pub(super) fn measure(policy: &Policy, index: usize, observation: &Observation, memory: &mut Memory, now: Time) -> Measured {
    let signal = &policy.signals[index];
    let reading = observation.readings.get(index);
    let context = Context { kind: &signal.kind, observation, base: observation.spec_replicas, tolerance: policy.tolerance, policy, now };
    let name = signal.name();
    let filter = |seen: Seen| match policy.smoothing {
        Smoothing::None => Smooth::plain(seen.raw),
        Smoothing::Smooth(parameters) => {
            let Seen { raw, saturated, whole, newest } = seen;
            let (filter, drop) = memory.filter(policy, index, parameters, seen.least(), newest);
            if whole {
                filter.trail.add(seen.least(), newest.time, newest.window);
            }
            if saturated {
                // What comes next is a step: the load that did not fit before.
                filter.trail = Trail::start(seen.least(), newest.time);
            }
            let trend = context.trend(signal.target, parameters, &filter.trail, newest);
            let demand = trend.ahead(filter.level.demand(parameters, seen.least()));
            Smooth { raw, demand, level: Some(filter.level), trend, saturated, drop }
        }
    };
    let result = match propose(context, signal.target, reading, filter) {
        Ok((proposal, smooth, newest)) if smooth.demand > smooth.raw && proposal.replicas > context.base => {
            hold_the_past(context, signal.target, reading, smooth.trend, proposal).map(|proposal| (proposal, smooth, newest))
        }
        result => result,
    };
    let gap = gap(&signal.kind, &result, memory, now);
    let result = result.map(|(proposal, smooth, newest)| (trusted(context, proposal, newest, gap), smooth, newest));
    match result {
        Ok((proposal, smooth, newest)) => {
            let unit = Unit::of(&signal.kind);
            let mut reasons = smallvec![proposal.reason(name, unit)];
            if let Some(level) = smooth.level.filter(|_| smooth.demand.to_bits() != smooth.raw.to_bits()) {
                let Smooth { raw, demand, trend: Trend { slope, lead }, saturated, .. } = smooth;
                let numbers = Smoothed {
                    signal: Arc::clone(name),
                    unit,
                    raw,
                    level: level.level(),
                    sigma: level.sigma(),
                    demand,
                    slope,
                    lead,
                    saturated,
                };
                reasons.push(Reason::Smoothed(numbers));
            }
            let age = u64::try_from(now.since(newest.time).as_millis()).ok();
            let drop = smooth.drop.map(|drop| (drop, size_before(context, signal.target, reading, drop)));
            let freeze = memory.freeze(policy, index, drop, now);
            let estimate = Some(smooth.estimate());
            let (current, proposal) = (Some(proposal.current), Some(proposal.replicas));
            let name = Arc::clone(name);
            let report = SignalReport { name, current, proposal, age_millis: age, estimate, failure: None };
            Measured { report, reasons, freeze }
        }
        Err(message) => {
            let failure = Some(message.clone());
            let report = SignalReport { name: Arc::clone(name), current: None, proposal: None, age_millis: None, estimate: None, failure };
            Measured { report, reasons: smallvec![Reason::SignalFailed { signal: Arc::clone(name), message }], freeze: None }
        }
    }
}

/// Applies the rule of the reading's shape.
fn propose(
    context: Context<'_>,
    target: Target,
    reading: Option<&Reading>,
    filter: impl FnOnce(Seen) -> Smooth,
) -> Result<(Proposal, Smooth, Sample), String> {
    match reading {
        Some(Reading::PerPod { samples, requests, limits }) => {
            per_pod::propose(context, target, PerPod { samples, requests, limits }, filter)
        }
        Some(Reading::Total(sample)) => total::propose(context, target, sample, filter),
        Some(Reading::Failed(failure)) => Err(failure.message.clone()),
        None => Err("no reading".to_owned()),
    }
}

/// Growth that only the filter's past asks for is no growth: a total falls with the pods that bore it, be it a rollout's surge or a
/// size that was reduced by hand, and the level follows late. The measured value, with its trend, must ask for more as well.
fn hold_the_past(
    context: Context<'_>,
    target: Target,
    reading: Option<&Reading>,
    trend: Trend,
    smoothed: Proposal,
) -> Result<Proposal, String> {
    let (measured, ..) = propose(context, target, reading, |seen| Smooth { demand: trend.ahead(seen.least()), ..Smooth::plain(seen.raw) })?;
    Ok(if measured.replicas <= context.base { smoothed.kept(context.base, Outcome::Past) } else { smoothed })
}

/// The size that the demand before a drop asks for, at most the present one.
fn size_before(context: Context<'_>, target: Target, reading: Option<&Reading>, drop: Drop) -> u32 {
    let before = propose(context, target, reading, |seen| Smooth { demand: drop.from, ..Smooth::plain(seen.raw) });
    before.map_or(context.base, |(proposal, ..)| proposal.replicas.min(context.base))
}

/// Until when a rate or average over time has a gap: the source of a Prometheus signal was away, and what it did not see counts as nothing in
/// a rate, so the load looks smaller than it is. The values of other kinds look back over a few seconds only.
fn gap(kind: &SignalKind, result: &Result<(Proposal, Smooth, Sample), String>, memory: &mut Memory, now: Time) -> Option<Time> {
    if !matches!(kind, SignalKind::Prometheus { .. }) {
        return None;
    }
    let Ok((_, _, newest)) = result else {
        memory.lost(kind);
        return None;
    };
    memory.found(kind, newest.window, now)
}

/// Samples this old are still of now, whatever the interval: a metrics server with its own default of 15 s is never so late.
const FRESH: Duration = Duration::from_mins(1);

/// Nothing shrinks on a value with a gap, nor on what was measured long ago, since the load may have come back meanwhile; both may hold a
/// size or let it grow. Old is what three looks, or [`FRESH`], could have replaced; a sample stands for its whole window, so that is added.
///
/// The stock rule takes samples of any age.
fn trusted(context: Context<'_>, proposal: Proposal, newest: Sample, gap: Option<Time>) -> Proposal {
    let limit = FRESH.max(3 * context.policy.interval) + newest.window;
    if proposal.replicas >= context.base {
        proposal
    } else if context.now.since(newest.time) > limit {
        proposal.kept(context.base, Outcome::Stale)
    } else if gap.is_some() {
        proposal.kept(context.base, Outcome::Returned)
    } else {
        proposal
    }
}

impl Proposal {
    /// The present size instead, and why.
    fn kept(self, base: u32, outcome: Outcome) -> Self {
        Self { replicas: base, outcome, ..self }
    }

    fn reason(&self, name: &Arc<str>, unit: Unit) -> Reason {
        let Self { replicas, outcome, form, value, target, ratio, pods, .. } = *self;
        Reason::Demand(Demand { signal: Arc::clone(name), form, unit, value, target, ratio, pods, outcome, proposal: replicas })
    }
}

impl Smooth {
    /// One pod's sample, moved so that the sum is the filtered demand. Exactly the sample itself where the filter changed nothing.
    fn apply(&self, value: f64, pods: usize) -> f64 {
        if self.demand.to_bits() == self.raw.to_bits() {
            value
        } else if self.raw > 0.0 {
            value * (self.demand / self.raw)
        } else {
            self.demand / pods.max(1) as f64
        }
    }
}

impl Tolerance {
    /// Both ends hold.
    fn contains(&self, ratio: f64) -> bool {
        (1.0 - self.down) <= ratio && ratio <= (1.0 + self.up)
    }
}

/// Resizes by `ratio`, measured over `counted` pods, from a size of `base`.
///
/// Difference from stock while more pods count than were asked for (a rollout's surge): multiplied by the pods found, an idle
/// surge pod adds replicas tick after tick (kubernetes/kubernetes#72775, #84142, DataDog/watermarkpodautoscaler#333). Whether the
/// surge pods share the load or only add their own overhead cannot be seen, so both readings must agree on a move: growth is
/// judged and sized as if they shared nothing (`ratio * base`), shrinking as if they shared all (`ratio * counted`).
fn resize(ratio: f64, counted: usize, base: u32, tolerance: Tolerance) -> (u32, Outcome) {
    let asked = f64::from(base);
    let counted = counted as f64;
    if base == 0 || counted <= asked {
        (whole_replicas(ratio * counted), Outcome::Needs)
    } else if ratio > 1.0 + tolerance.up {
        (whole_replicas(ratio * asked), Outcome::Needs)
    } else if ratio * counted / asked < 1.0 - tolerance.down {
        (whole_replicas(ratio * counted), Outcome::Needs)
    } else {
        (base, Outcome::Surge)
    }
}

/// Rounds up to whole replicas, at most what a scale can hold.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped; NaN becomes 0 and is refused before.
fn whole_replicas(replicas: f64) -> u32 {
    replicas.ceil().clamp(0.0, f64::from(i32::MAX)) as u32
}

/// A number a formula may use. Sources drop the others already; nothing that slips through may look like load.
fn usable(sample: &Sample) -> bool {
    sample.value.is_finite() && sample.value >= 0.0
}

/// The target of a signal, refused where a formula would divide by nothing, at most the largest quantity.
fn positive(target: f64) -> Result<f64, String> {
    if target.is_finite() && target > 0.0 { Ok(target.min(sums::LARGEST)) } else { Err(format!("target {target} is not above 0")) }
}
