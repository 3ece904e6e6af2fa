//! What a signal's value is, from what its target's pods said.

use std::time::Duration;

use super::rate::Value;
use super::sample::{Estimate, estimate};
use crate::core::{Reading, Sample, Time};
use crate::source::preset::Shape;

/// What was heard of one pod that was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// Its place among the target's pods.
    pub place: usize,
    /// It serves, so it should answer.
    pub expected: bool,
    /// It had a value at the last scrape.
    pub known_before: bool,
    /// Its value; `None`: no answer.
    pub value: Option<Value>,
}

/// A reading, and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub reading: Reading,
    /// Pods with a value.
    pub known: usize,
    /// What was estimated from a sample, if not all were asked.
    pub estimate: Option<Estimate>,
}

/// One value of two families: the first one, divided by the second one.
pub(super) fn value(families: &[Value]) -> Value {
    match families {
        [value] => *value,
        [Value::Known(over), Value::Known(under)] if *under > 0.0 => Value::Known(over / under),
        [Value::Absent, _] | [_, Value::Absent] => Value::Absent,
        _ => Value::Unknown,
    }
}

/// The reading of a target with so many pods that could be asked, `slots` in all.
///
/// # Errors
/// How many pods gave no value, where fewer than half of those that serve did, or none at all.
pub(super) fn answer(shape: Shape, heard: &[Heard], (able, slots): (usize, usize), time: Time, window: Duration) -> Result<Answer, String> {
    let expected = heard.iter().filter(|heard| heard.expected).count();
    // Of a sum, a pod that answers without such a series adds nothing, as in a query, if only others show that the name is right.
    let shown = shape == Shape::Sum && heard.iter().any(|heard| matches!(heard.value, Some(Value::Known(_))));
    let number = |heard: &Heard| match heard.value {
        Some(Value::Known(value)) if value.is_finite() => Some(value),
        Some(Value::Absent) if shown => Some(0.0),
        _ => None,
    };
    let known = heard.iter().filter(|heard| number(heard).is_some()).count();
    let answered = heard.iter().filter(|heard| heard.expected && number(heard).is_some()).count();
    if known == 0 || 2 * answered < expected {
        let silent = heard.iter().filter(|heard| heard.expected && heard.value.is_none()).count();
        return Err(format!("{answered} of {expected} pods have a value of their own, {silent} did not answer"));
    }
    let sample = |value: f64| Sample { value: value * 1000.0, time, window };
    let whole = heard.len() >= able;
    if shape == Shape::PerPod && whole {
        let mut samples = vec![None; slots];
        for one in heard {
            if let (Some(slot), Some(value)) = (samples.get_mut(one.place), number(one)) {
                *slot = Some(sample(value));
            }
        }
        return Ok(Answer { reading: Reading::PerPod { samples, requests: Vec::new(), limits: Vec::new() }, known, estimate: None });
    }
    // A pod that had a value and lost it bears what the others do. One that never had any is about to begin: to take it for as busy as the
    // others would double the load whenever the size doubles.
    let values: Vec<f64> = match shape {
        Shape::PerPod => heard.iter().filter_map(number).collect(),
        _ => heard.iter().filter_map(|one| number(one).or_else(|| (!(one.expected && one.known_before)).then_some(0.0))).collect(),
    };
    let of = if whole { heard.len() } else { able };
    let Some(estimate) = estimate(&values, of) else { return Err("no pod has a value".to_owned()) };
    Ok(Answer { reading: Reading::Total(sample(estimate.total)), known, estimate: (!whole).then_some(estimate) })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const T: Time = Time::from_secs(100);
    const S: Duration = Duration::from_secs(1);

    fn heard(values: &[Option<Value>]) -> Vec<Heard> {
        let one = |(place, value): (usize, &Option<Value>)| Heard { place, expected: true, known_before: true, value: *value };
        values.iter().enumerate().map(one).collect()
    }

    fn total(heard: &[Heard], able: usize) -> Result<f64, String> {
        match answer(Shape::Sum, heard, (able, able), T, S)?.reading {
            Reading::Total(sample) => Ok((sample.value / 1000.0 * 1e6).round() / 1e6),
            other => panic!("{other:?}"),
        }
    }

    #[allow(clippy::unnecessary_wraps)] // As it stands in the tables.
    const fn known(value: f64) -> Option<Value> {
        Some(Value::Known(value))
    }

    #[rstest]
    #[case::all(&[known(1.0), known(2.0), known(3.0)], Ok(6.0))]
    #[case::one_is_silent(&[known(1.0), known(3.0), None], Ok(6.0))]
    #[case::one_is_broken(&[known(1.0), known(3.0), Some(Value::Unknown)], Ok(6.0))]
    #[case::one_was_never_called(&[known(1.0), known(3.0), Some(Value::Absent)], Ok(4.0))]
    #[case::idle(&[known(0.0), known(0.0)], Ok(0.0))]
    #[case::half(&[known(1.0), None], Ok(2.0))]
    #[case::less_than_half(&[known(1.0), None, None], Err("1 of 3 pods have a value of their own, 2 did not answer"))]
    #[case::a_wrong_name(&[Some(Value::Absent), Some(Value::Absent)], Err("0 of 2 pods have a value of their own, 0 did not answer"))]
    #[case::first_scrape(&[Some(Value::Unknown)], Err("0 of 1 pods have a value of their own, 0 did not answer"))]
    #[case::no_pods(&[], Err("0 of 0 pods have a value of their own, 0 did not answer"))]
    fn sums(#[case] values: &[Option<Value>], #[case] expected: Result<f64, &str>) {
        assert_eq!(total(&heard(values), values.len()), expected.map_err(str::to_owned));
    }

    #[test]
    fn new_pods_do_not_multiply_the_load() {
        let mut pods = heard(&[known(50.0), known(50.0), None, Some(Value::Unknown), Some(Value::Unknown)]);
        pods[2].expected = false;
        pods[3].known_before = false;
        pods[4].known_before = false;
        pods[4].expected = false;
        assert_eq!(total(&pods, 5), Ok(100.0));
    }

    #[test]
    fn values_per_pod_keep_their_places() {
        let mut pods = heard(&[known(0.5), Some(Value::Absent), known(0.7), None]);
        pods[2].place = 4;
        let Ok(Answer { reading: Reading::PerPod { samples, .. }, known, estimate }) = answer(Shape::PerPod, &pods, (4, 6), T, S) else {
            panic!()
        };
        let values: Vec<Option<f64>> = samples.iter().map(|sample| sample.map(|sample| sample.value)).collect();
        assert_eq!(values, [Some(500.0), None, None, None, Some(700.0), None]);
        assert_eq!((known, estimate), (2, None));
        assert_eq!(samples[0].map(|sample| (sample.time, sample.window)), Some((T, S)));
    }

    #[test]
    fn a_sample_stands_for_all() {
        let pods = heard(&[known(1.0), known(3.0)]);
        for shape in [Shape::Sum, Shape::PerPod] {
            let Answer { reading, estimate, .. } = answer(shape, &pods, (100, 120), T, S).unwrap();
            assert_eq!(reading, Reading::Total(Sample { value: 200_000.0, time: T, window: S }), "{shape:?}");
            assert!(estimate.unwrap().error > 0.0);
        }
    }

    #[rstest]
    #[case(&[Value::Known(3.0)], Value::Known(3.0))]
    #[case(&[Value::Known(3.0), Value::Known(4.0)], Value::Known(0.75))]
    #[case(&[Value::Known(3.0), Value::Known(0.0)], Value::Unknown)]
    #[case(&[Value::Unknown, Value::Known(4.0)], Value::Unknown)]
    #[case(&[Value::Unknown, Value::Absent], Value::Absent)]
    #[case(&[], Value::Unknown)]
    fn one_value_of_two_families(#[case] families: &[Value], #[case] expected: Value) {
        assert_eq!(value(families), expected);
    }
}
