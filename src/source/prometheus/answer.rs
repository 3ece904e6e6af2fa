//! From a query's answer to a reading: one number, or one per pod.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::decode::{Answer, Number, Series};
use crate::core::{Failure, Reading, Sample};
use crate::source::{PrometheusQuery, WhenEmpty};

/// Reads an answer for the pods of one target. `now` dates the zero of an empty answer that means zero.
///
/// Elements with a `pod` label make a value per pod; otherwise there must be exactly one element or a scalar.
pub fn reading(answer: &Answer, query: &PrometheusQuery, pods: &[Arc<str>], now: crate::core::Time) -> Result<Reading, Failure> {
    match answer {
        Answer::Scalar(number) => total(*number, query.window),
        Answer::Vector { series, histograms: 0 } if series.is_empty() => match query.when_empty {
            WhenEmpty::Absent => Err(Failure::empty(match &query.preset {
                Some(preset) => format!("returned no series: {}", preset.empty),
                None => "returned no series".to_owned(),
            })),
            WhenEmpty::Zero => Ok(Reading::Total(Sample { value: 0.0, time: now, window: Duration::ZERO })),
        },
        Answer::Vector { series, .. } if series.is_empty() => Err(Failure::invalid(
            "returned native histograms, which are not numbers; wrap them in histogram_quantile(), histogram_avg() or histogram_count()",
        )),
        Answer::Vector { series, .. } => match (series.as_slice(), series.iter().filter(|series| series.pod.is_some()).count()) {
            ([Series { pod: None, number }], _) => total(*number, query.window),
            (all, 0) => Err(Failure::invalid(format!("returned {} series, one is needed (or one per pod, with a label pod)", all.len()))),
            (all, labelled) if labelled < all.len() => {
                let without = all.len() - labelled;
                Err(Failure::invalid(format!(
                    "returned {} series of which {without} have no label pod; all or none must have it",
                    all.len()
                )))
            }
            (all, _) => per_pod(all, pods, query.window),
        },
    }
}

fn total(number: Number, window: Duration) -> Result<Reading, Failure> {
    sample(number, window)
        .map(Reading::Total)
        .ok_or_else(|| Failure::invalid(format!("returned {}, which is not a usable number", number.value)))
}

fn per_pod(series: &[Series], pods: &[Arc<str>], window: Duration) -> Result<Reading, Failure> {
    let slots: HashMap<&str, usize> = pods.iter().enumerate().map(|(slot, pod)| (&**pod, slot)).collect();
    let mut found: Vec<Option<Number>> = vec![None; pods.len()];
    for Series { pod, number } in series {
        let Some(&slot) = pod.as_deref().and_then(|pod| slots.get(pod)) else { continue };
        if found[slot].replace(*number).is_some() {
            return Err(Failure::invalid(format!(
                "returned several series of pod {}; aggregate them, e.g. with sum by (pod) (…)",
                pods[slot]
            )));
        }
    }
    Ok(Reading::PerPod {
        samples: found.into_iter().map(|number| number.and_then(|number| sample(number, window))).collect(),
        requests: Vec::new(),
        limits: Vec::new(),
    })
}

/// In thousandths; `None` for what is no number or becomes none.
fn sample(number: Number, window: Duration) -> Option<Sample> {
    let value = number.value * 1000.0;
    value.is_finite().then_some(Sample { value, time: number.time, window })
}
