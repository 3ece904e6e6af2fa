//! Which pods of a large target are asked, and how far the answer may be off.
//!
//! The pods asked are those with the smallest hashes ("bottom-k"): as random as any other choice, yet the same pods from one look to the next,
//! as a rate needs two scrapes of the same pod, and while pods come and go only their own places change. Each pod gets a new hash every
//! [`TERM`], at a moment of its own, so that an unlucky choice does not last.

use std::sync::Arc;
use std::time::Duration;

use crate::core::Time;
use crate::hashing::{fnv1a, mix};

/// Least pods of a sample; so many are always asked if there are.
const LEAST: usize = 20;
/// Most pods of a target that are asked. Above it, only the error is larger.
const MOST: usize = 400;
/// Standard error to stay below, as a share of the total.
const ERROR: f64 = 0.05;
/// Coefficient of variation between pods that is assumed before it was seen: half of the mean, as behind a balancer that picks at random.
const VARIATION: f64 = 0.5;
/// How long a pod keeps its hash.
const TERM: Duration = Duration::from_mins(10);

/// A sum over all pods, estimated from some.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// The sum over all pods.
    pub total: f64,
    /// Its standard error: 0 if all were asked.
    pub error: f64,
    /// Coefficient of variation between the pods, with which the next sample's size is chosen.
    pub variation: f64,
}

/// How many of `pods` are asked: with `n0 = (cv/e)²`, and for a finite population `n = n0 / (1 + (n0 - 1)/N)` (Cochran, Sampling Techniques,
/// 3rd edition, 4.6); all of them if that saves less than a fifth.
pub(super) fn size(pods: usize, variation: Option<f64>) -> usize {
    if pods <= LEAST {
        return pods;
    }
    let first = (variation.unwrap_or(VARIATION) / ERROR).powi(2);
    let needed = first / (1.0 + (first - 1.0) / pods as f64);
    let needed = whole(needed).clamp(LEAST, MOST);
    if needed * 5 > pods * 4 && pods <= MOST { pods } else { needed.min(pods) }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Saturates, and NaN becomes 0: both are clamped.
fn whole(number: f64) -> usize {
    number.ceil() as usize
}

/// The places of the pods that are asked, in order.
pub(super) fn choose(pods: &[Arc<str>], size: usize, now: Time) -> Vec<usize> {
    let mut places: Vec<usize> = (0..pods.len()).collect();
    if size < pods.len() {
        places.sort_by_cached_key(|place| rank(&pods[*place], now));
        places.truncate(size);
        places.sort_unstable();
    }
    places
}

/// A pod's hash, which changes once in a [`TERM`].
fn rank(pod: &str, now: Time) -> u64 {
    let own = mix(fnv1a(pod.as_bytes()));
    let term = u64::try_from(TERM.as_millis()).unwrap_or(u64::MAX);
    let moment = own % term;
    let epoch = now.as_millis().unsigned_abs().wrapping_add(moment) / term;
    mix(own ^ mix(epoch))
}

/// The sum over `of` pods from the values of some, each known: the mean times all, with the error `N · s/√n · √(1 − n/N)` of sampling without
/// replacement (Cochran, 2.6). `None` without values.
pub(super) fn estimate(values: &[f64], of: usize) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let (n, all) = (values.len() as f64, of.max(values.len()) as f64);
    let mean = values.iter().sum::<f64>() / n;
    let deviations: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let spread = if values.len() > 1 { (deviations / (n - 1.0)).sqrt() } else { 0.0 };
    let error = if values.len() < of { all * spread / n.sqrt() * (1.0 - n / all).sqrt() } else { 0.0 };
    let variation = if mean > 0.0 { spread / mean } else { 0.0 };
    Some(Estimate { total: mean * all, error, variation })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn pods(count: usize) -> Vec<Arc<str>> {
        (0..count).map(|n| Arc::from(format!("web-7d4b9c{n:05}-x"))).collect()
    }

    #[rstest]
    #[case::few(20, None, 20)]
    #[case::half(100, None, 51)]
    #[case::large(10_000, None, 100)]
    #[case::even(10_000, Some(0.01), 20)]
    #[case::uneven(10_000, Some(2.0), 400)]
    #[case::almost_all(100, Some(2.0), 100)]
    #[case::hopeless(10_000, Some(1e9), 400)]
    #[case::none(0, None, 0)]
    fn sizes(#[case] pods: usize, #[case] variation: Option<f64>, #[case] expected: usize) {
        assert_eq!(size(pods, variation), expected);
    }

    #[test]
    fn a_sample_stays_the_same_while_pods_come_and_go() {
        let now = Time::from_millis(1_700_000_000_000);
        let all = pods(1000);
        let chosen = |all: &[Arc<str>], now| choose(all, 50, now).into_iter().map(|at| Arc::clone(&all[at])).collect::<Vec<_>>();
        let first = chosen(&all, now);
        assert_eq!(first.len(), 50);
        assert_eq!(chosen(&all, now + Duration::from_millis(10)), first);
        let fewer: Vec<_> = all.iter().filter(|pod| **pod != first[7]).cloned().collect();
        let same = chosen(&fewer, now).iter().filter(|pod| first.contains(pod)).count();
        assert_eq!(same, 49, "one left, one took its place");
        let later = chosen(&all, now + Duration::from_secs(1));
        assert!(later.iter().filter(|pod| first.contains(pod)).count() >= 45, "few change at a time");
        let next = chosen(&all, now + TERM);
        assert!(next.iter().filter(|pod| first.contains(pod)).count() < 15, "in the end all do");
        assert_eq!(choose(&all, 2000, now).len(), 1000);
    }

    /// Over many terms: the estimate is right on average, and its error is what it says.
    #[test]
    fn the_error_is_what_it_says() {
        let mut chance = fastrand::Rng::with_seed(7);
        let all = pods(500);
        // Skewed: most bear little, some a lot.
        let loads: Vec<f64> = all.iter().map(|_| -50.0 * chance.f64().max(1e-9).ln()).collect();
        let truth: f64 = loads.iter().sum();
        let runs = 400;
        let (mut bias, mut within, mut within_two) = (0.0, 0, 0);
        for run in 0..runs {
            let now = Time::from_millis(1_700_000_000_000) + TERM * run;
            let values: Vec<f64> = choose(&all, 100, now).into_iter().map(|at| loads[at]).collect();
            let Estimate { total, error, variation } = estimate(&values, all.len()).unwrap();
            assert!(error / total < 0.15 && (0.6..1.6).contains(&variation));
            bias += (total - truth) / f64::from(runs);
            within += u32::from((total - truth).abs() <= error);
            within_two += u32::from((total - truth).abs() <= 2.0 * error);
        }
        // A mean of 400 has a twentieth of the error of one, which is about 9 %.
        assert!(bias.abs() / truth < 0.02, "{bias} of {truth}");
        // 68 % and 95 % of a normal distribution, with four standard errors of 400 trials around.
        assert!((0.58..0.78).contains(&(f64::from(within) / f64::from(runs))), "{within}");
        assert!(f64::from(within_two) / f64::from(runs) > 0.90, "{within_two}");
    }

    #[test]
    fn the_size_keeps_the_error_within_its_goal() {
        let mut chance = fastrand::Rng::with_seed(11);
        let all = pods(5000);
        let loads: Vec<f64> = all.iter().map(|_| 100.0 + 80.0 * (chance.f64() - 0.5)).collect();
        let now = Time::from_millis(1_700_000_000_000);
        let mut variation = None;
        for _ in 0..3 {
            let values: Vec<f64> = choose(&all, size(all.len(), variation), now).into_iter().map(|at| loads[at]).collect();
            let estimate = estimate(&values, all.len()).unwrap();
            assert!(estimate.error / estimate.total <= 1.1 * ERROR, "{estimate:?}");
            variation = Some(estimate.variation);
        }
        assert!(size(all.len(), variation) < 40, "even loads need few");
    }

    #[test]
    fn all_of_them_have_no_error() {
        assert_eq!(estimate(&[1.0, 3.0], 2), Some(Estimate { total: 4.0, error: 0.0, variation: f64::sqrt(2.0) / 2.0 }));
        assert_eq!(estimate(&[], 5), None);
        assert_eq!(estimate(&[0.0, 0.0], 4).map(|estimate| (estimate.total, estimate.error)), Some((0.0, 0.0)));
    }
}
