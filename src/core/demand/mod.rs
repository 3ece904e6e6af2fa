//! One signal: from its reading to the replicas it asks for.

mod estimate;
mod group;
mod per_pod;
mod staffing;
mod standing;
mod sums;
mod total;

use std::sync::Arc;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use super::collapse::{Drop, Freeze};
use super::forecast::{self, Outlook};
use super::reason::{Demand, Form, Outcome, PodCounts, Reason, Unit};
use super::{Current, Memory, Observation, Policy, Reading, Role, Sample, Signal, SignalReport, Target, Time, Tolerance};
use crate::core::policy::SignalKind;
use estimate::{Seen, Smooth, Trend};
use group::PerPod;
pub use staffing::staffing;

/// What one signal contributes to the decision.
pub(super) struct Measured {
    pub report: SignalReport,
    /// The demand, then what the filter did to it, before both the forecast if it asks for more; or the failure.
    pub reasons: SmallVec<[Reason; 3]>,
    /// What the collapse guard keeps.
    pub freeze: Option<Freeze>,
    /// The proposal without the look ahead at a trend: what the scale-in window remembers in full.
    pub lasting: Option<u32>,
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

/// Runs the reading of the policy's signal at `index` through filter and rule.
pub(super) fn measure(policy: &Policy, index: usize, observation: &Observation, memory: &mut Memory, now: Time) -> Measured {
    let mut measured = of_signal(policy, index, observation, memory, now);
    let Some(Some(origin)) = observation.origins.get(index) else { return measured };
    measured.report.origin = Some(Arc::clone(origin));
    for reason in &mut measured.reasons {
        if let Reason::Demand(Demand { origin: by, .. }) = reason {
            *by = Some(Arc::clone(origin));
        }
    }
    measured
}

fn of_signal(policy: &Policy, index: usize, observation: &Observation, memory: &mut Memory, now: Time) -> Measured {
    let signal = &policy.signals[index];
    let reading = observation.readings.get(index);
    let context = Context { kind: &signal.kind, observation, base: observation.spec_replicas, tolerance: policy.tolerance, policy, now };
    if signal.role != Role::Driver {
        return standing::watch(context, signal, reading, memory);
    }
    let name = signal.name();
    let filter = |seen: Seen| seen.smooth(&context, index, memory);
    let result = match propose(context, signal.target, reading, filter) {
        Ok((proposal, smooth, newest)) if smooth.demand > smooth.raw && proposal.replicas > context.base => {
            hold_the_past(context, signal.target, reading, smooth.trend, proposal).map(|proposal| (proposal, smooth, newest))
        }
        result => result,
    };
    let gap = gap(&signal.kind, result.as_ref().ok().map(|(_, _, newest)| *newest), memory, now);
    let result = result.map(|(proposal, smooth, newest)| (trusted(context, proposal, newest, gap), smooth, newest));
    match result {
        Ok((proposal, smooth, newest)) => {
            let unit = Unit::of(&signal.kind);
            let mut reasons = smallvec![proposal.reason(name, unit)];
            reasons.extend(smooth.reason(name, unit));
            let age = u64::try_from(now.since(newest.time).as_millis()).ok();
            let drop = smooth.drop.map(|drop| (drop, size_before(context, signal.target, reading, smooth, drop)));
            let lasting = lasting(context, signal.target, reading, smooth, proposal.replicas);
            let freeze = memory.freeze(policy, index, drop, now);
            let estimate = Some(smooth.estimate());
            let outlook = smooth.outlook.map(|outlook| foresee(context, signal.target, reading, outlook, proposal.replicas));
            // A forecast is scored as one that is kept for the whole window.
            let raised = outlook.and_then(|outlook| outlook.raised(name, unit, proposal.replicas));
            let (current, proposal) = (Some(proposal.current), Some(raised.as_ref().map_or(proposal.replicas, |raised| raised.replicas)));
            let lasting = Some(raised.as_ref().map_or(lasting, |raised| raised.replicas));
            if let Some(raised) = raised {
                reasons.insert(0, Reason::Forecast(raised));
            }
            let report = SignalReport { current, proposal, age_millis: age, estimate, outlook, ..SignalReport::unknown(signal, None) };
            Measured { report, reasons, freeze, lasting }
        }
        Err(message) => failed(signal, message),
    }
}

/// A signal that cannot be used. Its name stands before the message wherever that is told, and needs no second mention.
fn failed(signal: &Signal, message: String) -> Measured {
    let named = message.strip_prefix("metric ").and_then(|rest| rest.split_once(": "));
    let message = match named {
        Some((metric, rest)) if signal.name().starts_with(metric) => rest.to_owned(),
        _ => message,
    };
    let report = SignalReport::unknown(signal, Some(message.clone()));
    let reason = Reason::SignalFailed { signal: Arc::clone(signal.name()), message, needed: report.is_missing() };
    Measured { report, reasons: smallvec![reason], freeze: None, lasting: None }
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
fn size_before(context: Context<'_>, target: Target, reading: Option<&Reading>, smooth: Smooth, drop: Drop) -> u32 {
    let before = propose(context, target, reading, |_| Smooth { demand: drop.from, ..smooth });
    before.map_or(context.base, |(proposal, ..)| proposal.replicas.min(context.base))
}

/// What is asked for without the look ahead at a trend.
fn lasting(context: Context<'_>, target: Target, reading: Option<&Reading>, smooth: Smooth, proposed: u32) -> u32 {
    if smooth.trend.slope <= 0.0 {
        return proposed;
    }
    let present = propose(context, target, reading, |_| smooth.present());
    present.map_or(proposed, |(proposal, ..)| proposal.replicas.min(proposed))
}

/// The outlook with the size that the foretold demand asks for by the same rule, at most twice what demand itself asks for.
fn foresee(context: Context<'_>, target: Target, reading: Option<&Reading>, mut outlook: Outlook, reactive: u32) -> Outlook {
    if let Some(ahead) = &mut outlook.ahead {
        let foretold = propose(context, target, reading, |seen| Smooth { demand: ahead.demand, ..Smooth::plain(seen.raw) });
        ahead.replicas = foretold.ok().map(|(proposal, ..)| proposal.replicas.min(reactive.saturating_mul(forecast::MOST)));
    }
    outlook
}

/// Until when a rate or average over time has a gap: the source of a Prometheus signal was away, and what it did not see counts as nothing in
/// a rate, so the load looks smaller than it is. The values of other kinds look back over a few seconds only.
fn gap(kind: &SignalKind, newest: Option<Sample>, memory: &mut Memory, now: Time) -> Option<Time> {
    if !matches!(kind, SignalKind::Prometheus { .. }) {
        return None;
    }
    let Some(newest) = newest else {
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
    if proposal.replicas >= context.base {
        proposal
    } else if is_stale(context, newest) {
        proposal.kept(context.base, Outcome::Stale)
    } else if gap.is_some() {
        proposal.kept(context.base, Outcome::Returned)
    } else {
        proposal
    }
}

fn is_stale(context: Context<'_>, newest: Sample) -> bool {
    context.now.since(newest.time) > FRESH.max(3 * context.policy.interval) + newest.window
}

impl Proposal {
    /// The present size instead, and why.
    fn kept(self, base: u32, outcome: Outcome) -> Self {
        Self { replicas: base, outcome, ..self }
    }

    fn reason(&self, name: &Arc<str>, unit: Unit) -> Reason {
        let Self { replicas, outcome, form, value, target, ratio, pods, .. } = *self;
        let (signal, proposal, origin) = (Arc::clone(name), replicas, None);
        Reason::Demand(Demand { signal, form, unit, value, target, ratio, pods, outcome, proposal, origin })
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
