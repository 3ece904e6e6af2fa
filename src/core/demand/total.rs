//! Signals with one value for the whole: Object, External, Prometheus.

use super::estimate::{Seen, Smooth};
use super::sums::Arithmetic;
use super::{Context, Form, Outcome, PodCounts, Proposal, positive, resize, staffing, usable, whole_replicas};
use crate::core::{Current, Sample, Target, pods};

pub(super) fn propose(
    context: Context<'_>,
    target: Target,
    sample: &Sample,
    filter: impl FnOnce(Seen) -> Smooth,
) -> Result<(Proposal, Smooth, Sample), String> {
    if !usable(sample) {
        return Err(format!("the value {} is not a quantity", sample.value / 1000.0));
    }
    let arithmetic = Arithmetic::of(context.kind.is_whole());
    let raw = arithmetic.value(sample.value);
    let setpoint = match target {
        Target::Value(target) | Target::AverageValue(target) | Target::Capacity(target) => positive(target)?,
        Target::Utilization(_) => return Err("a utilization needs one value per pod and the pods' requests".to_owned()),
    };
    // A value with a target of its own asks for more of what is there, so the demand behind it is the value times the pods: filtered
    // by itself it would still be high when the pods it asked for have come, and would ask for as many again.
    let sharing = match target {
        Target::Value(_) => pods::ready(context.observation).max(1),
        _ => 1,
    };
    let smooth = filter(Seen { raw: raw * sharing as f64, saturated: false, whole: true, newest: *sample });
    let value = arithmetic.value(smooth.apply(raw, sharing));
    let ruled = match target {
        Target::Value(_) => whole(&context, value, setpoint)?,
        Target::Capacity(_) => capacity(&context, value, setpoint, smooth.noise()),
        _ => per_replica(&context, value, setpoint),
    };
    let pods = PodCounts { ready: u32::try_from(ruled.pods).unwrap_or(u32::MAX), ..PodCounts::default() };
    let current = match target {
        // What a reader compares with the target is the share of one replica.
        Target::AverageValue(_) | Target::Capacity(_) if context.base > 0 => {
            let average = raw / f64::from(context.base);
            Current {
                utilization: None,
                average: Some(if arithmetic == Arithmetic::Whole { average.ceil() } else { average }),
                value: None,
            }
        }
        _ => Current { utilization: None, average: None, value: Some(raw) },
    };
    let (replicas, outcome) = ruled.result;
    let proposal = Proposal { replicas, outcome, form: ruled.form, value, target: setpoint, ratio: ruled.ratio, pods, current };
    Ok((proposal, smooth, *sample))
}

struct Ruled {
    result: (u32, Outcome),
    form: Form,
    ratio: f64,
    pods: usize,
}

/// The value against a target of its own: the pods found, times the ratio.
fn whole(context: &Context<'_>, value: f64, target: f64) -> Result<Ruled, String> {
    let ratio = value / target;
    let ready = pods::ready(context.observation);
    let result = if context.base == 0 {
        (whole_replicas(ratio), Outcome::Needs)
    } else if context.tolerance.contains(ratio) {
        (context.base, Outcome::Within)
    } else if context.observation.pods.is_empty() {
        return Err("the target has no pods".to_owned());
    } else {
        resize(ratio, ready, context.base, context.tolerance)
    };
    Ok(Ruled { result, form: Form::Whole, ratio, pods: ready })
}

/// The value shared by the replicas.
///
/// Difference from stock: the band's base is `spec.replicas`, and inside the band that is what is proposed. Stock uses
/// `status.replicas` for both and so writes a rollout's surge back as the new size (kubernetes/kubernetes#141134).
fn per_replica(context: &Context<'_>, value: f64, target: f64) -> Ruled {
    let serving = pods::serving(context.observation);
    let needed = whole_replicas(value / target);
    let ratio_over = |replicas: f64| value / (target * replicas);
    let (ratio, result) = if context.base == 0 {
        (value / target, (needed, Outcome::Needs))
    } else {
        let ratio = ratio_over(f64::from(context.base));
        (ratio, settle(context, ratio, needed, serving, || ratio_over(serving as f64)))
    };
    Ruled { result, form: Form::PerReplica, ratio, pods: serving }
}

/// The value against what one replica bears, with headroom.
fn capacity(context: &Context<'_>, value: f64, capacity: f64, noise: f64) -> Ruled {
    let serving = pods::serving(context.observation);
    let (load, noise) = (value / capacity, noise / capacity);
    let need = staffing(load, noise);
    let base = f64::from(context.base);
    let (ratio, result) = if context.base == 0 {
        (need, (whole_replicas(need), Outcome::Needs))
    } else {
        (need / base, settle(context, need / base, whole_replicas(need), serving, || staffing(load * base / serving as f64, noise) / base))
    };
    Ruled { result, form: Form::Capacity, ratio, pods: serving }
}

/// Tolerance, then the need; while surge pods serve, growth must also be needed if they brought their share of the value with
/// them (a sum over pods that idle), see [`resize`].
fn settle(context: &Context<'_>, ratio: f64, needed: u32, serving: usize, ratio_with_surge: impl Fn() -> f64) -> (u32, Outcome) {
    if context.tolerance.contains(ratio) {
        (context.base, Outcome::Within)
    } else if needed > context.base && serving as f64 > f64::from(context.base) && ratio_with_surge() <= 1.0 + context.tolerance.up {
        (context.base, Outcome::Surge)
    } else {
        (needed, Outcome::Needs)
    }
}
