//! How often the pods of a policy are asked between its decisions: the more often, the more its load moves.

use std::time::{Duration, Instant};

use super::early::REST;
use crate::core::Reading;

/// Between two looks while the load moves.
pub const MOVING: Duration = Duration::from_secs(1);
/// Between two looks while it does not: half of it passes on average before new load is seen.
const AT_REST: Duration = Duration::from_secs(5);
/// Changes below this share are no move.
const STILL: f64 = 0.1;
/// Nor are those of so many standard deviations of a count. Two would happen by chance with every twentieth look.
const DEVIATIONS: f64 = 3.0;
/// A look of which nothing was heard for so long is over: longer than any may take.
const LOST: Duration = Duration::from_secs(20);

/// The pace of one policy.
#[derive(Clone, Debug)]
pub struct Pace {
    period: Duration,
    /// When the last look ended, and what each signal was then.
    last: Option<(Instant, Vec<Option<Level>>)>,
    /// When the look under way began.
    looking: Option<Instant>,
    /// No look before: the last one took long.
    rest: Option<Instant>,
}

/// A signal at one look.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    /// Over all pods, in the metric's unit.
    total: f64,
    /// Variance of a count over that time, if it is one.
    variance: f64,
}

// === impl Pace ===

impl Default for Pace {
    fn default() -> Self {
        Self { period: AT_REST, last: None, looking: None, rest: None }
    }
}

impl Pace {
    /// Time between two looks as it stands.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// Whether the next look may be made.
    pub fn is_due(&self, now: Instant) -> bool {
        let busy = self.looking.is_some_and(|since| now.saturating_duration_since(since) < LOST);
        if busy || self.rest.is_some_and(|rest| now < rest) {
            return false;
        }
        // The loop that asks comes round once in the shortest period, not to the millisecond.
        self.last.as_ref().is_none_or(|(last, _)| now.saturating_duration_since(*last) + MOVING / 4 >= self.period)
    }

    /// A look begins.
    pub fn begin(&mut self, now: Instant) {
        self.looking = Some(now);
    }

    /// A look that took that long has ended at `now`. Slow pods cost their own policy looks, and nobody else's.
    pub fn ended(&mut self, took: Duration, now: Instant) {
        self.looking = None;
        self.rest = Some(now + REST * took);
    }

    /// Takes what a look saw. A move makes the pace the fastest at once; without one, each look doubles the time to the next.
    pub fn saw(&mut self, readings: &[Reading], now: Instant) {
        let levels: Vec<Option<Level>> = readings.iter().map(level).collect();
        let moves = self.last.as_ref().is_some_and(|(_, before)| {
            before.iter().zip(&levels).any(|(before, now)| matches!((before, now), (Some(before), Some(now)) if before.moved(*now)))
        });
        self.period = if moves { MOVING } else { (2 * self.period).min(AT_REST) };
        self.last = Some((now, levels));
    }
}

impl Level {
    fn moved(self, to: Self) -> bool {
        let by_chance = DEVIATIONS * (self.variance + to.variance).sqrt();
        (self.total - to.total).abs() > by_chance.max(STILL * self.total.max(to.total))
    }
}

fn level(reading: &Reading) -> Option<Level> {
    match reading {
        // Of requests that come by themselves, as many as come in a time scatter by the root of their number.
        Reading::Total(sample) => {
            let (total, window) = (sample.value / 1000.0, sample.window.as_secs_f64());
            let variance = if window > 0.0 { total.max(0.0) / window } else { total.max(0.0) };
            total.is_finite().then_some(Level { total, variance })
        }
        Reading::PerPod { samples, .. } => {
            let known: Vec<f64> = samples.iter().flatten().map(|sample| sample.value / 1000.0).collect();
            // As many pods more or less are no move of the load.
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            mean.is_finite().then_some(Level { total: mean, variance: 0.0 })
        }
        Reading::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::core::{Failure, FailureKind, Sample, Time};

    const S: Duration = Duration::from_secs(1);

    fn sample(value: f64) -> Sample {
        Sample { value: value * 1000.0, time: Time::from_secs(0), window: S }
    }

    fn total(rate: f64) -> Vec<Reading> {
        vec![Reading::Total(sample(rate))]
    }

    /// The periods after each of these looks.
    fn periods(looks: &[Vec<Reading>]) -> Vec<u64> {
        let t0 = Clock::real().instant();
        let mut pace = Pace::default();
        let periods = looks.iter().map(|readings| {
            pace.saw(readings, t0);
            pace.period().as_secs()
        });
        periods.collect()
    }

    #[test]
    fn it_quickens_at_once_and_slows_down_by_and_by() {
        let looks = [1000.0, 1010.0, 2000.0, 3000.0, 3010.0, 3000.0, 3005.0, 3000.0].map(total);
        assert_eq!(periods(&looks), [5, 5, 1, 1, 2, 4, 5, 5]);
    }

    #[test]
    fn noise_is_no_move() {
        // The standard deviation of 25 requests in a second is 5.
        assert_eq!(periods(&[total(25.0), total(38.0), total(20.0)]), [5, 5, 5]);
        assert_eq!(periods(&[total(25.0), total(75.0)]), [5, 1]);
        assert_eq!(periods(&[total(0.0), total(0.0)]), [5, 5]);
    }

    #[test]
    fn pods_are_judged_by_their_mean_and_what_is_unknown_not_at_all() {
        let pods = |values: &[f64]| {
            let samples = values.iter().map(|value| Some(sample(*value))).chain([None]).collect();
            vec![Reading::PerPod { samples, requests: Vec::new(), limits: Vec::new() }]
        };
        assert_eq!(periods(&[pods(&[0.5, 0.5]), pods(&[0.5, 0.5, 0.5, 0.5]), pods(&[0.5, 0.8])]), [5, 5, 1]);
        let failed = || vec![Reading::Failed(Failure { kind: FailureKind::Empty, message: String::new() })];
        assert_eq!(periods(&[total(10.0), failed(), total(1000.0), pods(&[])]), [5, 5, 5, 5]);
    }

    #[test]
    fn looks_are_due_by_the_pace() {
        let t0 = Clock::real().instant();
        let mut pace = Pace::default();
        assert!(pace.is_due(t0));
        pace.saw(&total(1.0), t0);
        assert_eq!([1, 4, 5].map(|at| pace.is_due(t0 + at * S)), [false, false, true]);
        pace.saw(&total(1000.0), t0);
        assert!(pace.is_due(t0 + 4 * S / 5));
    }

    #[test]
    fn slow_pods_are_asked_less_often_and_never_twice_at_once() {
        let t0 = Clock::real().instant();
        let mut pace = Pace::default();
        pace.begin(t0);
        assert_eq!([1, 19, 20].map(|at| pace.is_due(t0 + at * S)), [false, false, true], "it may be lost");
        pace.ended(3 * S, t0 + 3 * S);
        assert_eq!([4, 14, 15].map(|at| pace.is_due(t0 + at * S)), [false, false, true]);
    }
}
