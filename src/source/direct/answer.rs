//! What a signal's value is, from what its target's pods said.

use std::time::Duration;

use super::rate::Value;
use super::sample::{Estimate, estimate};
use crate::core::{Poll, Reading, Sample, Time};
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
    /// Whom it was made of.
    pub poll: Poll,
    /// How far the pods differ, see [`Estimate::variation`].
    pub variation: f64,
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

/// How many pods a target has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    /// In all, whatever their state.
    pub slots: usize,
    /// That run and can be asked.
    pub able: usize,
    /// That serve and cannot be asked: silent ones.
    pub mute: usize,
}

/// The reading of a target with so many pods. `last`: the total before.
///
/// # Errors
/// How many pods gave no value, where fewer than half of those that serve did, or none at all.
pub(super) fn answer(
    shape: Shape,
    heard: &[Heard],
    count: Count,
    last: Option<f64>,
    (time, window): (Time, Duration),
) -> Result<Answer, String> {
    let Count { slots, able, mute } = count;
    let whole = heard.len() >= able;
    // Of a sample, the pods that cannot be asked would have had their share of the places.
    let unheard = if whole { mute } else { (heard.len() * mute).div_ceil(able) };
    let expected = heard.iter().filter(|heard| heard.expected).count() + unheard;
    // Of a sum, a pod that answers without such a series adds nothing, as in a query, if only others show that the name is right.
    let shown = shape == Shape::Sum && heard.iter().any(|heard| matches!(heard.value, Some(Value::Known(_))));
    let number = |heard: &Heard| match heard.value {
        Some(Value::Known(value)) if value.is_finite() => Some(value),
        Some(Value::Absent) if shown => Some(0.0),
        _ => None,
    };
    let numbers: Vec<f64> = heard.iter().filter_map(number).collect();
    let answered = heard.iter().filter(|heard| heard.expected && number(heard).is_some()).count();
    if numbers.is_empty() || 2 * answered < expected {
        let silent = heard.iter().filter(|heard| heard.expected && heard.value.is_none()).count() + unheard;
        return Err(format!("{answered} of {expected} pods have a value of their own, {silent} did not answer"));
    }
    let sample = |value: f64| Sample { value: value * 1000.0, time, window };
    let number_of = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let of = able + mute;
    let poll = Poll { answered: number_of(numbers.len()), asked: number_of(heard.len()), of: number_of(of), error: None };
    let among = |values: &[f64]| estimate(values, of).ok_or_else(|| "no pod has a value".to_owned());
    let Estimate { variation, total, error } = among(&numbers)?;
    if shape == Shape::PerPod && whole {
        let mut samples = vec![None; slots];
        for one in heard {
            if let (Some(slot), Some(value)) = (samples.get_mut(one.place), number(one)) {
                *slot = Some(sample(value));
            }
        }
        return Ok(Answer { reading: Reading::PerPod { samples, requests: Vec::new(), limits: Vec::new() }, poll, variation });
    }
    let error = (!whole && total > 0.0).then(|| error / total);
    let total = if shape == Shape::PerPod {
        total
    } else {
        // A pod that had a value and lost it bears what the others do. Of one that serves and never had any, nothing is known but that it
        // bears something between nothing and that: to take it for as busy as the others would double the load whenever the size does, and
        // for idle would halve it once the others have handed over half of theirs. Where both can be, the load is what it was.
        let with = |silent: fn(&Heard) -> bool| {
            let values: Vec<f64> = heard.iter().filter_map(|one| number(one).or_else(|| silent(one).then_some(0.0))).collect();
            among(&values).map(|estimate| estimate.total)
        };
        let (low, high) = (with(|one| !(one.expected && one.known_before))?, with(|one| !one.expected)?);
        last.map_or(low, |last| last.min(high).max(low))
    };
    Ok(Answer { reading: Reading::Total(sample(total)), poll: Poll { error, ..poll }, variation })
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

    fn all(able: usize) -> Count {
        Count { slots: able, able, mute: 0 }
    }

    fn poll(answered: u32, asked: u32, of: u32) -> Poll {
        Poll { answered, asked, of, error: None }
    }

    fn total(heard: &[Heard], able: usize) -> Result<f64, String> {
        match answer(Shape::Sum, heard, all(able), None, (T, S))?.reading {
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

    /// Four pods, and four new ones of which nothing is known yet.
    #[rstest]
    #[case::nothing_known_before(20.0, None, 80.0)]
    #[case::still_borne_by_the_old_ones(20.0, Some(80.0), 80.0)]
    #[case::half_of_it_handed_over(10.0, Some(80.0), 80.0)]
    #[case::less_than_it_can_have_been(8.0, Some(80.0), 64.0)]
    #[case::more_whatever_the_new_ones_bear(30.0, Some(80.0), 120.0)]
    fn what_new_pods_bear_is_not_made_up(#[case] each: f64, #[case] last: Option<f64>, #[case] expected: f64) {
        let unknown = Some(Value::Unknown);
        let mut pods = heard(&[known(each), known(each), known(each), known(each), unknown, unknown, unknown, unknown]);
        pods.iter_mut().skip(4).for_each(|pod| pod.known_before = false);
        let Answer { reading, .. } = answer(Shape::Sum, &pods, all(8), last, (T, S)).unwrap();
        assert_eq!(reading, Reading::Total(Sample { value: expected * 1000.0, time: T, window: S }));
    }

    #[test]
    fn values_per_pod_keep_their_places() {
        let mut pods = heard(&[known(0.5), Some(Value::Absent), known(0.7), None]);
        pods[2].place = 4;
        let Ok(Answer { reading: Reading::PerPod { samples, .. }, poll: whom, .. }) =
            answer(Shape::PerPod, &pods, Count { slots: 6, ..all(4) }, None, (T, S))
        else {
            panic!()
        };
        let values: Vec<Option<f64>> = samples.iter().map(|sample| sample.map(|sample| sample.value)).collect();
        assert_eq!(values, [Some(500.0), None, None, None, Some(700.0), None]);
        assert_eq!(whom, poll(2, 4, 4));
        assert_eq!(samples[0].map(|sample| (sample.time, sample.window)), Some((T, S)));
    }

    #[test]
    fn a_sample_stands_for_all() {
        let pods = heard(&[known(1.0), known(3.0)]);
        for shape in [Shape::Sum, Shape::PerPod] {
            let count = Count { slots: 120, ..all(100) };
            let Answer { reading, variation, poll: whom } = answer(shape, &pods, count, Some(7.0), (T, S)).unwrap();
            assert_eq!(reading, Reading::Total(Sample { value: 200_000.0, time: T, window: S }), "{shape:?}");
            // 2 of 100, with a deviation of the root of 2 around 2.
            let error = 0.98_f64.sqrt() / 2.0;
            assert!(whom.error.is_some_and(|found| (found - error).abs() < 1e-9) && (variation - 0.5_f64.sqrt()).abs() < 1e-9, "{whom:?}");
            assert_eq!(Poll { error: None, ..whom }, poll(2, 2, 100));
        }
    }

    /// Those that serve and say nowhere where their metrics are bear load all the same.
    #[test]
    fn pods_that_cannot_be_asked_are_silent_ones() {
        let pods = heard(&[known(10.0), known(30.0)]);
        let of = |mute| answer(Shape::Sum, &pods, Count { mute, ..all(2) }, None, (T, S));
        let Answer { reading: Reading::Total(sample), poll: whom, .. } = of(2).unwrap() else { panic!() };
        assert!((sample.value - 80_000.0).abs() < 1e-6, "{sample:?}");
        assert_eq!(whom, poll(2, 2, 4));
        assert_eq!(of(3), Err("2 of 5 pods have a value of their own, 3 did not answer".to_owned()));
        let sampled = |mute| answer(Shape::Sum, &pods, Count { mute, ..all(20) }, None, (T, S));
        assert!(sampled(20).is_ok());
        assert!(sampled(40).is_err());
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
