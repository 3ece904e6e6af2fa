//! The pods of one signal, by what they are to it.

use std::time::Duration;

use smallvec::SmallVec;

use super::sums::{Arithmetic, Part, Parts};
use super::{Context, PodCounts, usable};
use crate::core::pods::{Class, classify};
use crate::core::{Request, Sample, Time};

/// The pods of a signal by class; the requests of those without a usable sample are kept for filling.
pub(super) struct Group {
    pub ready: Parts,
    pub missing: SmallVec<[f64; 8]>,
    pub unready: SmallVec<[f64; 8]>,
    pub ignored: u32,
    /// Unready ones that are Ready: they bear load already, and their samples show their start still.
    pub warming: bool,
    /// Newest sample that counts.
    pub newest: Sample,
    /// What the counted pods can use at most; `None` where one of them has no limit that is known.
    pub limit: Option<f64>,
}

/// A reading per pod, see [`Reading::PerPod`](crate::core::Reading::PerPod).
#[derive(Clone, Copy)]
pub(super) struct PerPod<'a> {
    pub samples: &'a [Option<Sample>],
    pub requests: &'a [Request],
    pub limits: &'a [Option<f64>],
}

impl Group {
    /// Sorts the pods; values are taken as `arithmetic` sees them.
    pub fn new(context: &Context<'_>, arithmetic: Arithmetic, reading: PerPod<'_>) -> Self {
        let PerPod { samples, requests, limits } = reading;
        let pods = &context.observation.pods;
        let warm_up = context.kind.is_cpu().then_some(&context.policy.warm_up);
        let mut group = Self {
            ready: Parts::with_capacity(pods.len()),
            missing: SmallVec::new(),
            unready: SmallVec::new(),
            ignored: 0,
            warming: false,
            newest: Sample { value: 0.0, time: Time::from_millis(i64::MIN), window: Duration::ZERO },
            limit: Some(0.0),
        };
        for (index, pod) in pods.iter().enumerate() {
            let sample = samples.get(index).and_then(Option::as_ref).filter(|sample| usable(sample));
            let request = match requests.get(index) {
                Some(Request::Milli(milli)) => Arithmetic::Whole.value(*milli),
                _ => 0.0,
            };
            match (classify(pod, sample, warm_up, context.now), sample) {
                (Class::Ready, Some(sample)) => {
                    if sample.time > group.newest.time {
                        group.newest = *sample;
                    }
                    let limit = limits.get(index).copied().flatten();
                    group.limit = group.limit.zip(limit).map(|(sum, limit)| sum + limit);
                    group.ready.push(Part { usage: arithmetic.value(sample.value), request });
                }
                (Class::Ready | Class::Missing, _) => group.missing.push(request),
                (Class::Unready, _) => {
                    group.unready.push(request);
                    group.warming |= pod.ready.is_some_and(|ready| ready.status);
                }
                (Class::Ignored, _) => group.ignored += 1,
            }
        }
        group
    }

    /// An error where no pod has a sample that counts: a mean of nothing is not 0.
    pub fn not_empty(&self) -> Result<(), String> {
        if self.ready.is_empty() {
            let PodCounts { missing, unready, ignored, .. } = self.counts();
            return Err(format!("no pod has a usable sample ({missing} without, {unready} starting, {ignored} ending)"));
        }
        Ok(())
    }

    pub fn counts(&self) -> PodCounts {
        PodCounts {
            ready: count(self.ready.len()),
            missing: count(self.missing.len()),
            unready: count(self.unready.len()),
            ignored: self.ignored,
        }
    }
}

/// One pod without a request fails the signal: a percentage of part of the pods would mislead.
pub(super) fn check_requests(context: &Context<'_>, requests: &[Request]) -> Result<(), String> {
    for (index, pod) in context.observation.pods.iter().enumerate() {
        let kind = context.kind;
        match requests.get(index) {
            Some(Request::Milli(_)) => {}
            Some(Request::Unset { container }) => {
                return Err(format!("no request for {kind} in container {container} of pod {}", pod.name));
            }
            Some(Request::NoContainer { container }) => return Err(format!("no container {container} in pod {}", pod.name)),
            None => return Err(format!("the requests of pod {} are unknown", pod.name)),
        }
    }
    Ok(())
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}
