//! Signals with one value per pod: utilization of requests, mean per pod, capacity.

use super::estimate::{SATURATED, Seen, Smooth};
use super::group::{Group, PerPod, check_requests};
use super::sums::{Arithmetic, Part, percent, share};
use super::{Context, Form, Outcome, Proposal, positive, resize, staffing, whole_replicas};
use crate::core::{Current, Sample, Smoothing, Target};

pub(super) fn propose(
    context: Context<'_>,
    target: Target,
    reading: PerPod<'_>,
    filter: impl FnOnce(Seen) -> Smooth,
) -> Result<(Proposal, Smooth, Sample), String> {
    if context.observation.pods.is_empty() {
        return Err("the target has no pods".to_owned());
    }
    let arithmetic = Arithmetic::of(context.kind.is_whole());
    let mut group = Group::new(&context, arithmetic, reading);
    group.not_empty()?;
    if matches!(target, Target::Utilization(_)) {
        check_requests(&context, reading.requests)?;
    }
    let counts = group.counts();
    let mean = arithmetic.mean(&group.ready).unwrap_or_default();
    let setpoint = Setpoint::new(target, arithmetic)?;
    let current = Current { utilization: setpoint.utilization(&group.ready)?, average: Some(mean), value: None };

    // Pods without a sample are taken to bear as much as the others, or one lost sample would look like a drop of the load.
    let known = group.ready.len() as f64;
    let sum = arithmetic.sum(group.ready.iter().map(|part| part.usage));
    let raw = sum * ((known + group.missing.len() as f64) / known);
    let saturated = group.limit.is_some_and(|limit| limit > 0.0 && sum >= SATURATED * limit);
    let smooth = filter(Seen { raw, saturated, whole: !group.warming, newest: group.newest });
    let all = group.ready.len() + group.missing.len();
    for part in &mut group.ready {
        part.usage = arithmetic.value(smooth.apply(part.usage, all));
    }
    let newest = group.newest;
    let (ruled, value) = if let Setpoint::Capacity(capacity) = setpoint {
        let total = arithmetic.sum(group.ready.iter().map(|part| part.usage));
        (by_capacity(&context, &group, setpoint, total, capacity, smooth.noise()), total)
    } else {
        let value = setpoint.value(&group.ready)?;
        (by_ratio(&context, setpoint, &mut group)?, value)
    };
    let (replicas, outcome) = ruled.result;
    let (form, target) = setpoint.shown();
    Ok((Proposal { replicas, outcome, form, value, target, ratio: ruled.ratio, pods: counts, current }, smooth, newest))
}

/// What the mean or the sum is compared with.
#[derive(Clone, Copy)]
enum Setpoint {
    Percent(u32),
    Mean(f64, Arithmetic),
    Capacity(f64),
}

impl Setpoint {
    fn new(target: Target, arithmetic: Arithmetic) -> Result<Self, String> {
        Ok(match target {
            Target::Utilization(target) => {
                positive(f64::from(target))?;
                Self::Percent(target)
            }
            Target::AverageValue(target) | Target::Value(target) => Self::Mean(positive(target)?, arithmetic),
            Target::Capacity(capacity) => Self::Capacity(positive(capacity)?),
        })
    }

    fn utilization(self, parts: &[Part]) -> Result<Option<u32>, String> {
        match self {
            Self::Percent(_) => percent(parts).map(Some).ok_or_else(|| "the pods with samples request nothing".to_owned()),
            _ => Ok(None),
        }
    }

    /// What is compared with the target: percent, or the mean in thousandths.
    fn value(self, parts: &[Part]) -> Result<f64, String> {
        match self {
            Self::Percent(_) => Ok(self.utilization(parts)?.map(f64::from).unwrap_or_default()),
            Self::Mean(_, arithmetic) => Ok(arithmetic.mean(parts).unwrap_or_default()),
            Self::Capacity(_) => Err("a capacity has no ratio".to_owned()),
        }
    }

    fn ratio(self, parts: &[Part]) -> Result<f64, String> {
        Ok(self.value(parts)? / self.shown().1)
    }

    fn shown(self) -> (Form, f64) {
        match self {
            Self::Percent(target) => (Form::Utilization, f64::from(target)),
            Self::Mean(target, _) => (Form::PerPod, target),
            Self::Capacity(capacity) => (Form::Capacity, capacity),
        }
    }

    /// Usage assumed of a pod without a sample when shrinking: its whole request (or the target if that is higher), or the target; but at
    /// least what the busiest pod uses, relative to its request where the target is.
    ///
    /// The end of the interval in which the load may lie; the other end, for growth, is 0. The stock rule has no `busiest`: but whoever is
    /// too busy to serve its metrics has no sample either.
    fn most(self, request: f64, busiest: f64) -> f64 {
        match self {
            Self::Percent(target) => share(request, target.max(100)).max((request * busiest).round()),
            Self::Mean(target, _) | Self::Capacity(target) => target.max(busiest),
        }
    }

    /// The highest usage, per request where the target is.
    fn busiest(self, parts: &[Part]) -> f64 {
        let usage = |part: &Part| match self {
            Self::Percent(_) if part.request > 0.0 => part.usage / part.request,
            Self::Percent(_) => 0.0,
            Self::Mean(..) | Self::Capacity(_) => part.usage,
        };
        parts.iter().map(usage).fold(0.0, f64::max)
    }
}

struct Ruled {
    result: (u32, Outcome),
    ratio: f64,
}

/// The ratio rule: tolerance, fills for pods without a sample and starting pods, no change of direction by them.
fn by_ratio(context: &Context<'_>, setpoint: Setpoint, group: &mut Group) -> Result<Ruled, String> {
    let (base, tolerance) = (context.base, context.tolerance);
    let parts = &mut group.ready;
    let ratio = setpoint.ratio(parts)?;
    let fill_unready = !group.unready.is_empty() && ratio > 1.0;
    if !fill_unready && group.missing.is_empty() {
        let result = if tolerance.contains(ratio) { (base, Outcome::Within) } else { resize(ratio, parts.len(), base, tolerance) };
        return Ok(Ruled { result, ratio });
    }
    if ratio < 1.0 {
        let busiest = if context.policy.smoothing == Smoothing::None { 0.0 } else { setpoint.busiest(parts) };
        parts.extend(group.missing.iter().map(|&request| Part { usage: setpoint.most(request, busiest), request }));
    } else if ratio > 1.0 {
        parts.extend(group.missing.iter().map(|&request| Part { usage: 0.0, request }));
    }
    if fill_unready {
        parts.extend(group.unready.iter().map(|&request| Part { usage: 0.0, request }));
    }
    let filled = setpoint.ratio(parts)?;
    if tolerance.contains(filled) || (ratio < 1.0 && filled > 1.0) || (ratio > 1.0 && filled < 1.0) {
        let outcome = if tolerance.contains(ratio) { Outcome::Within } else { Outcome::Unsure };
        return Ok(Ruled { result: (base, outcome), ratio: filled });
    }
    let (replicas, outcome) = resize(filled, parts.len(), base, tolerance);
    // The pods that exist may be fewer or more than were asked for; their number alone must not turn the move around.
    if (filled < 1.0 && replicas > base) || (filled > 1.0 && replicas < base) {
        return Ok(Ruled { result: (base, Outcome::Unsure), ratio: filled });
    }
    Ok(Ruled { result: (replicas, outcome), ratio: filled })
}

/// The sum against what one replica bears. Pods without a sample may be idle or full, or as busy as the busiest: a move must be right in
/// both cases.
fn by_capacity(context: &Context<'_>, group: &Group, setpoint: Setpoint, total: f64, capacity: f64, noise: f64) -> Ruled {
    let (base, tolerance) = (context.base, context.tolerance);
    let (least, noise) = (total / capacity, noise / capacity);
    let most = least + group.missing.len() as f64 * setpoint.most(0.0, setpoint.busiest(&group.ready)) / capacity;
    let asked = f64::from(base);
    let (low, high) = (staffing(least, noise), staffing(most, noise));
    if base == 0 {
        return Ruled { result: (whole_replicas(low), Outcome::Needs), ratio: low };
    }
    let counted = group.ready.len() as f64;
    // Surge pods may only have brought their own overhead: growth must be needed without them too, see `resize`.
    let sure = if counted > asked { staffing(least * asked / counted, noise) } else { low };
    let result = if sure / asked > 1.0 + tolerance.up {
        (whole_replicas(low), Outcome::Needs)
    } else if high / asked < 1.0 - tolerance.down {
        (whole_replicas(high), Outcome::Needs)
    } else if tolerance.contains(low / asked) {
        (base, Outcome::Within)
    } else {
        (base, if low / asked > 1.0 + tolerance.up { Outcome::Surge } else { Outcome::Unsure })
    };
    Ruled { result, ratio: low / asked }
}
