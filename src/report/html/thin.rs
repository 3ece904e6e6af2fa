//! Series of any length as few points, without losing what matters: extremes, and every shortage.

use crate::sim::{State, Trial};

/// Most points of a series. A browser draws a few dozen such series at once without delay, and there are more of them than pixels.
pub const POINTS: usize = 4000;
/// Most steps that are drawn as they are: a point at the end comes to them.
const EXACT: usize = POINTS - 2;
/// Most shortages that are drawn apart from each other.
const SPANS: usize = 1300;

/// A value that holds from its second on.
pub type Step = (u64, f64);

/// Whether a trial has more to draw than points: then some of its series are thinned.
pub fn is_thinned(trial: &Trial) -> bool {
    trial.load.len() > EXACT || trial.contenders.iter().any(|contender| contender.states.len() > EXACT)
}

/// Load by slot, ended by its last value at the end.
pub fn load(trial: &Trial) -> Vec<Step> {
    let steps: Vec<Step> = trial.load.iter().enumerate().map(|(slot, &load)| (slot as u64 * trial.slot_seconds, round(load))).collect();
    thin(steps, seconds(trial))
}

/// A number of each state, ended by its last value at the end.
pub fn states(trial: &Trial, states: &[State], number: impl Fn(&State) -> f64) -> Vec<Step> {
    let mut steps: Vec<Step> = states.iter().map(|state| (state.second, number(state))).collect();
    // By its order: unknown is NaN, which is equal to nothing.
    steps.dedup_by(|later, earlier| later.1.total_cmp(&earlier.1).is_eq());
    thin(steps, seconds(trial))
}

/// Length of a trial.
pub fn seconds(trial: &Trial) -> u64 {
    trial.load.len() as u64 * trial.slot_seconds
}

/// At most [`POINTS`] steps, with a point at the end. Few steps get points between them, for the pointer to find.
fn thin(steps: Vec<Step>, end: u64) -> Vec<Step> {
    let mut steps = if steps.len() > EXACT {
        envelope(&steps, end)
    } else if steps.len() <= POINTS / 2 {
        with_grid(&steps, end)
    } else {
        steps
    };
    if let Some(&last) = steps.last().filter(|last| last.0 < end) {
        steps.push((end, last.1));
    }
    steps
}

/// The smallest and the largest value of each of many equal parts, in the order of their times.
fn envelope(steps: &[Step], end: u64) -> Vec<Step> {
    let part = end.div_ceil(POINTS as u64 / 2 - 1).max(1);
    let mut out = Vec::with_capacity(POINTS);
    for group in steps.chunk_by(|a, b| a.0 / part == b.0 / part) {
        let known = group.iter().filter(|step| !step.1.is_nan());
        let least = known.clone().min_by(|a, b| a.1.total_cmp(&b.1)).or(group.first());
        let most = known.max_by(|a, b| a.1.total_cmp(&b.1)).or(group.first());
        let (Some(&least), Some(&most)) = (least, most) else { continue };
        let (first, second) = if least.0 <= most.0 { (least, most) } else { (most, least) };
        out.push(first);
        if second.0 != first.0 {
            out.push(second);
        }
    }
    out
}

/// The steps, and points between them at equal distances.
fn with_grid(steps: &[Step], end: u64) -> Vec<Step> {
    let part = end.div_ceil(POINTS as u64 / 2 - 2).max(1);
    let mut out: Vec<Step> = Vec::with_capacity(POINTS);
    for (index, &(second, value)) in steps.iter().enumerate() {
        let until = steps.get(index + 1).map_or(end, |next| next.0);
        out.push((second, value));
        let mut next = (second / part + 1) * part;
        while next < until {
            out.push((next, value));
            next += part;
        }
    }
    out
}

/// Spans of seconds in which load exceeds ready capacity, as far as the states tell. Spans that are too close to be told apart are one.
pub fn shortages(trial: &Trial, states: &[State]) -> Vec<(u64, u64)> {
    let gap = seconds(trial) / SPANS as u64;
    let mut spans: Vec<(u64, u64)> = Vec::new();
    let mut add = |from: u64, to: u64| match spans.last_mut() {
        Some(last) if from <= last.1 + gap => last.1 = to,
        _ => spans.push((from, to)),
    };
    for (index, state) in states.iter().enumerate() {
        let until = states.get(index + 1).map_or(seconds(trial), |next| next.second);
        let mut second = state.second;
        while second < until {
            let slot = second / trial.slot_seconds;
            let next = ((slot + 1) * trial.slot_seconds).min(until);
            let load = usize::try_from(slot).ok().and_then(|slot| trial.load.get(slot)).copied().unwrap_or_default();
            if load > f64::from(state.ready) + 1e-9 {
                add(second, next);
            }
            second = next;
        }
    }
    spans
}

/// Thousandths of a pod are finer than a line.
fn round(pods: f64) -> f64 {
    (pods * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(load: Vec<f64>) -> Trial {
        Trial { load_name: "t".into(), start: None, slot_seconds: 15, load, warm_up_seconds: 0, contenders: Vec::new() }
    }

    fn state(second: u64, ready: u32) -> State {
        State { second, ready, ordered: ready, wanted: None }
    }

    #[test]
    fn a_long_load_keeps_its_extremes_and_its_length() {
        let mut values: Vec<f64> = (0..345_600).map(|slot| 10.0 + f64::from(slot % 7) / 10.0).collect();
        values[123_456] = 99.0;
        values[200_001] = 0.5;
        let trial = trial(values);
        let steps = load(&trial);
        assert!(steps.len() <= POINTS, "{}", steps.len());
        assert!(steps.contains(&(123_456 * 15, 99.0)));
        assert!(steps.contains(&(200_001 * 15, 0.5)));
        assert_eq!(steps.last().unwrap().0, 345_600 * 15);
        assert!(steps.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn many_changes_keep_the_extremes_of_replicas() {
        let trial = trial(vec![1.0; 345_600]);
        let all: Vec<State> = (0..100_000).map(|i| state(i * 50, if i == 77_777 { 40 } else { 2 + (i % 2) as u32 })).collect();
        let steps = states(&trial, &all, |state| f64::from(state.ready));
        assert!(steps.len() <= POINTS, "{}", steps.len());
        assert!(steps.contains(&(77_777 * 50, 40.0)));
    }

    #[test]
    fn few_changes_stay_exact_and_get_points_between_them() {
        let trial = trial(vec![1.0; 1000]);
        let steps = states(&trial, &[state(0, 2), state(100, 5), state(7000, 3)], |state| f64::from(state.ready));
        let at = |second: u64| steps[steps.partition_point(|step| step.0 <= second) - 1].1;
        assert_eq!([at(0), at(99), at(100), at(6999), at(7000), at(15_000)], [2.0, 2.0, 5.0, 5.0, 3.0, 3.0]);
        assert!(steps.len() > 1000, "{}", steps.len());
    }

    #[test]
    fn unknown_stays_a_gap() {
        let trial = trial(vec![1.0; 4]);
        let states_seen = [state(0, 2), State { wanted: Some(3), ..state(15, 2) }, state(30, 2)];
        let steps = states(&trial, &states_seen, |state| state.wanted.map_or(f64::NAN, f64::from));
        assert!(steps[0].1.is_nan());
        assert!(steps.contains(&(15, 3.0)));
        assert!(steps.last().unwrap().1.is_nan());
    }

    #[test]
    fn shortages_follow_load_and_capacity() {
        let trial = trial(vec![1.0, 5.0, 5.0, 1.0, 3.0]);
        let spans = shortages(&trial, &[state(0, 2), state(35, 5), state(50, 2)]);
        assert_eq!(spans, [(15, 35), (60, 75)]);
    }

    #[test]
    fn no_shortage_of_a_long_trial_is_lost() {
        let mut values = vec![1.0; 345_600];
        for slot in (0..345_600).step_by(17) {
            values[slot] = 3.0;
        }
        let trial = trial(values);
        let spans = shortages(&trial, &[state(0, 2)]);
        assert!(spans.len() <= SPANS + 1, "{}", spans.len());
        for slot in (0..345_600_u64).step_by(17) {
            assert!(spans.iter().any(|&(from, to)| from <= slot * 15 && slot * 15 + 15 <= to), "{slot}");
        }
    }
}
