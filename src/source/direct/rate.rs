//! Rates between two scrapes of one pod.

use std::time::{Duration, Instant};

use super::take::{Family, Kind, MOST_SERIES, Series, Want};

/// Scrapes nearer to each other than this give no rate: a counter of CPU time has steps of 10 ms, and requests come one by one.
pub(super) const SHORTEST: Duration = Duration::from_millis(500);
/// The mean rate of a longer time than this is nothing fresh.
pub(super) const LONGEST: Duration = Duration::from_mins(5);

/// What is kept of a pod between two scrapes.
#[derive(Debug)]
pub(super) struct Before {
    /// When it was scraped.
    pub at: Instant,
    families: Vec<Family>,
}

/// The value of a family in one pod.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// A counter's growth per second, or a gauge, summed over the series.
    Known(f64),
    /// The pod answered, but it has no such series.
    Absent,
    /// Scraped for the first time, or nothing that a number can be made of.
    Unknown,
}

// === impl Before ===

impl Before {
    /// What is seen first: no counter has a rate yet.
    pub fn new(at: Instant, families: Vec<Family>) -> Self {
        Self { at, families }
    }

    /// So many more families are wanted from now on; they are seen first by the next scrape.
    pub fn widen(&mut self, by: usize) {
        self.families.resize(self.families.len() + by, Family::default());
    }

    /// Series that are kept.
    pub fn series(&self) -> usize {
        self.families.iter().map(|family| family.series.len()).sum()
    }

    /// The values of this scrape, over the time since the one before; it takes its place.
    pub fn next(&mut self, wanted: &[Want], at: Instant, families: Vec<Family>) -> Vec<Value> {
        let distance = at.saturating_duration_since(self.at);
        let comparable = (SHORTEST..=LONGEST).contains(&distance);
        let values = wanted.iter().zip(self.families.iter_mut()).zip(families).map(|((want, before), now)| {
            // The first series of a family may be as old as the pod, if what collects it failed before.
            let counted = comparable && !before.broken && !before.series.is_empty();
            let value = value(want, &now, || counted.then(|| growth(&before.series, &now.series) / distance.as_secs_f64()));
            *before = match want.kind {
                Kind::Gauge => Family::default(),
                Kind::Counter | Kind::Sampled(_) => kept(std::mem::take(before), now),
            };
            value
        });
        let values = values.collect();
        self.at = at;
        values
    }
}

/// The values of a first scrape: gauges.
pub(super) fn first(wanted: &[Want], families: &[Family]) -> Vec<Value> {
    wanted.iter().zip(families).map(|(want, now)| value(want, now, || None)).collect()
}

/// A family's value; a counter's rate is `rate`, if there is one.
fn value(want: &Want, now: &Family, rate: impl FnOnce() -> Option<f64>) -> Value {
    match want.kind {
        _ if now.broken => Value::Unknown,
        _ if now.series.is_empty() => Value::Absent,
        Kind::Gauge => Value::Known(now.series.iter().map(|(_, value)| value).sum()),
        Kind::Counter => rate().map_or(Value::Unknown, Value::Known),
        Kind::Sampled(of) => rate().map_or(Value::Unknown, |rate| Value::Known(rate * f64::from(of))),
    }
}

/// How much a family's counters grew. One that is lower than before began again at 0, and one that was not there began at 0 meanwhile. Those
/// that are gone are not known to have grown.
fn growth(before: &[Series], now: &[Series]) -> f64 {
    let mut before = before.iter().peekable();
    let mut sum = 0.0;
    for (hash, value) in now {
        while before.next_if(|(known, _)| known < hash).is_some() {}
        let from = before.next_if(|(known, _)| known == hash).map_or(0.0, |(_, from)| *from);
        sum += if *value >= from { value - from } else { *value };
    }
    sum
}

/// What the next scrape is compared with: the series of this one, and those that were there before and are not now. What is away for a while,
/// as when a collector fails once, would come back as if it had grown from 0.
fn kept(before: Family, now: Family) -> Family {
    if now.broken {
        // Nothing is known of these numbers.
        return now;
    }
    let away = |hash: u64| now.series.binary_search_by_key(&hash, |(known, _)| *known).is_err();
    let gone: Vec<Series> = before.series.into_iter().filter(|(hash, _)| !before.broken && away(*hash)).collect();
    if gone.is_empty() || gone.len() + now.series.len() > MOST_SERIES {
        return now;
    }
    let mut series = [now.series, gone].concat();
    series.sort_unstable_by_key(|(hash, _)| *hash);
    Family { series, broken: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::take::wants;
    use super::*;
    use crate::clock::Clock;

    const S: Duration = Duration::from_secs(1);

    fn family(series: &[Series]) -> Vec<Family> {
        vec![Family { series: series.to_vec(), broken: false }]
    }

    /// The values of scrapes that are a second apart, after the first one.
    fn seen(scrapes: &[Vec<Family>]) -> Vec<Value> {
        let t0 = Clock::real().instant();
        let wanted = wants(&["a"]);
        let mut before = Before::new(t0, scrapes[0].clone());
        (1..scrapes.len()).map(|n| before.next(&wanted, t0 + S * u32::try_from(n).unwrap(), scrapes[n].clone())[0]).collect()
    }

    #[test]
    fn counters_grow_begin_again_and_appear() {
        use Value::Known;
        let grown = seen(&[family(&[(1, 10.0), (2, 5.0)]), family(&[(1, 13.0), (2, 5.5)])]);
        assert_eq!(grown, [Known(3.5)]);
        assert_eq!(seen(&[family(&[(1, 10.0)]), family(&[(1, 4.0)])]), [Known(4.0)], "a restart");
        assert_eq!(seen(&[family(&[(1, 10.0)]), family(&[(1, 10.0), (2, 6.0)])]), [Known(6.0)], "a code that was not seen before");
        assert_eq!(seen(&[family(&[(1, 10.0), (2, 7.0)]), family(&[(2, 8.0)])]), [Known(1.0)], "one that is gone");
    }

    #[test]
    fn what_was_away_does_not_come_back_as_growth() {
        let all = family(&[(1, 1000.0), (2, 5.0)]);
        let some = family(&[(2, 6.0)]);
        let back = family(&[(1, 1001.0), (2, 6.0)]);
        assert_eq!(seen(&[all.clone(), some, back.clone()]), [Value::Known(1.0), Value::Known(1.0)]);
        assert_eq!(seen(&[all, family(&[]), back]), [Value::Absent, Value::Known(2.0)]);
        assert_eq!(seen(&[family(&[]), family(&[(1, 1000.0)]), family(&[(1, 1001.0)])]), [Value::Unknown, Value::Known(1.0)]);
    }

    #[test]
    fn broken_values_give_none_until_two_are_good_again() {
        let broken = vec![Family { series: vec![(1, f64::NAN)], broken: true }];
        let good = |value| family(&[(1, value)]);
        assert_eq!(seen(&[good(1.0), broken, good(5.0), good(6.0)]), [Value::Unknown, Value::Unknown, Value::Known(1.0)]);
    }

    #[test]
    fn scrapes_must_be_neither_too_near_nor_too_far() {
        let t0 = Clock::real().instant();
        let rate = |distance| Before::new(t0, family(&[(1, 0.0)])).next(&wants(&["a"]), t0 + distance, family(&[(1, 60.0)]))[0];
        assert_eq!(rate(S / 10), Value::Unknown);
        assert_eq!(rate(S / 2), Value::Known(120.0));
        assert_eq!(rate(60 * S), Value::Known(1.0));
        assert_eq!(rate(3600 * S), Value::Unknown);
    }

    #[test]
    fn what_is_sampled_stands_for_all() {
        let wanted = [Want { name: "s", kind: Kind::Sampled(8), only: None }];
        assert_eq!(first(&wanted, &family(&[(1, 3.0)])), [Value::Unknown]);
        let t0 = Clock::real().instant();
        let mut before = Before::new(t0, family(&[(1, 3.0)]));
        assert_eq!(before.next(&wanted, t0 + S, family(&[(1, 3.5)])), [Value::Known(4.0)]);
    }

    #[test]
    fn gauges_need_one_scrape() {
        let wanted = [Want { name: "g", kind: Kind::Gauge, only: None }];
        let now = family(&[(1, 3.0), (2, 4.0)]);
        assert_eq!(first(&wanted, &now), [Value::Known(7.0)]);
        let t0 = Clock::real().instant();
        let mut before = Before::new(t0, now);
        assert_eq!(before.next(&wanted, t0 + S, family(&[(1, 1.0)])), [Value::Known(1.0)]);
        assert_eq!(before.series(), 0, "nothing needs to be kept of it");
    }

    proptest! {
        /// Series come, go, and restart; whatever happens, growth is what was really counted since, or less.
        #[test]
        fn growth_is_never_more_than_was_counted(steps in proptest::collection::vec((0..4_u64, 0..100_u32, any::<bool>()), 1..40)) {
            let t0 = Clock::real().instant();
            let wanted = wants(&["a"]);
            let mut counters = std::collections::BTreeMap::from([(9_u64, 1000.0)]);
            let mut before = Before::new(t0, family(&[(9, 1000.0)]));
            for (n, (which, more, shown)) in steps.into_iter().enumerate() {
                *counters.entry(which).or_insert(0.0) += f64::from(more);
                let visible: Vec<Series> = counters.iter().filter(|(key, _)| shown || **key == 9).map(|(key, value)| (*key, *value)).collect();
                let total: f64 = counters.values().sum::<f64>() - 1000.0;
                let at = t0 + S * u32::try_from(n + 1).unwrap();
                if let Value::Known(rate) = before.next(&wanted, at, family(&visible))[0] {
                    prop_assert!((0.0..=total).contains(&rate), "{rate} of {total}");
                }
            }
        }
    }
}
