//! What is taken out of an exposition, whichever format it has: the series of a few families, and of those their sum's worth.

use std::sync::Arc;

use thiserror::Error;

use crate::hashing::{fnv1a, mix};

/// Most series of the wanted families of one pod. A service with more labels than that is for Prometheus; what is kept of a pod between two
/// scrapes is 16 bytes for each.
pub(super) const MOST_SERIES: usize = 5000;
/// Longest line or protobuf metric. Exemplars and long help texts are far below.
pub(super) const LONGEST_LINE: usize = 64 << 10;

/// A family of metrics that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Want {
    /// Its name, as a series has it; `_sum` of a histogram is one as well.
    pub name: &'static str,
    /// How its values are read.
    pub kind: Kind,
    /// Only series whose label has this value, if any.
    pub only: Option<(&'static str, Arc<str>)>,
}

/// How values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// They grow, and begin at 0 with the process.
    Counter,
    /// Such a counter of one in so many events, which stands for all.
    Sampled(u32),
    /// They are what they are.
    Gauge,
}

/// A series: its labels' hash, and its value.
pub(super) type Series = (u64, f64);

/// The series of one wanted family, by hash.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Family {
    /// Sorted, each labels once.
    pub series: Vec<Series>,
    /// Some value is no number of now (NaN, infinite, a negative counter, with a time of its own), so nothing can be said of all.
    pub broken: bool,
}

/// Why an exposition cannot be used.
#[derive(Debug, Error, PartialEq)]
pub(super) enum Unreadable {
    #[error("line {0} cannot be read: {1}")]
    Line(usize, &'static str),
    #[error("a line or metric is longer than {} KiB", LONGEST_LINE >> 10)]
    TooLong,
    #[error("more than {MOST_SERIES} series of the wanted metrics")]
    TooMany,
    #[error("it ends in the middle")]
    Cut,
    #[error("protobuf cannot be read: {0}")]
    Message(&'static str),
}

/// Takes the series of wanted families.
pub(super) struct Taker {
    wanted: Arc<[Want]>,
    families: Vec<Family>,
    count: usize,
}

/// A series of which labels are being read.
pub(super) struct Taking {
    family: usize,
    hash: u64,
    /// It has the label that it needs.
    fits: bool,
}

// === impl Taker ===

impl Taker {
    pub fn new(wanted: Arc<[Want]>) -> Self {
        let families = vec![Family::default(); wanted.len()];
        Self { wanted, families, count: 0 }
    }

    /// Names of the wanted families, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.wanted.iter().map(|want| want.name)
    }

    /// Begins a series of the family at this place.
    pub fn begin(&self, family: usize) -> Taking {
        Taking { family, hash: 0, fits: self.wanted[family].only.is_none() }
    }

    /// Adds a label. Their order is of no account.
    pub fn label(&self, taking: &mut Taking, name: &[u8], value: &[u8]) {
        let pair = fnv1a(name).rotate_left(17) ^ fnv1a(value);
        taking.hash = taking.hash.wrapping_add(mix(pair));
        if let Some((label, wanted)) = &self.wanted[taking.family].only {
            taking.fits |= name == label.as_bytes() && value == wanted.as_bytes();
        }
    }

    /// Ends it with its value. `stamped`: it has a time of its own, so it is not of now.
    pub fn end(&mut self, taking: &Taking, value: f64, stamped: bool) -> Result<(), Unreadable> {
        if !taking.fits {
            return Ok(());
        }
        if self.count == MOST_SERIES {
            return Err(Unreadable::TooMany);
        }
        self.count += 1;
        let negative = self.wanted[taking.family].kind != Kind::Gauge && value < 0.0;
        let usable = value.is_finite() && !negative && !stamped;
        self.families[taking.family].series.push((taking.hash, if usable { value } else { f64::NAN }));
        Ok(())
    }

    /// All that was taken, in the order in which it was wanted. Of equal series the first one counts, as with Prometheus.
    pub fn finish(mut self) -> Vec<Family> {
        for family in &mut self.families {
            family.series.sort_by_key(|(hash, _)| *hash);
            family.series.dedup_by_key(|(hash, _)| *hash);
            family.broken = family.series.iter().any(|(_, value)| value.is_nan());
            family.series.shrink_to_fit();
        }
        self.families
    }
}

#[cfg(test)]
pub(super) fn wants(names: &[&'static str]) -> Arc<[Want]> {
    names.iter().map(|name| Want { name, kind: Kind::Counter, only: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(taker: &mut Taker, labels: &[(&str, &str)], value: f64) -> Result<(), Unreadable> {
        let mut taking = taker.begin(0);
        for (name, label) in labels {
            taker.label(&mut taking, name.as_bytes(), label.as_bytes());
        }
        taker.end(&taking, value, false)
    }

    #[test]
    fn series_are_told_apart_by_labels_in_any_order_and_the_first_one_counts() {
        let mut taker = Taker::new(wants(&["a"]));
        for (labels, value) in [
            (&[("x", "1"), ("y", "2")][..], 1.0),
            (&[("y", "2"), ("x", "1")], 2.0),
            (&[("x", "2"), ("y", "1")], 4.0),
            (&[("y", "1"), ("x", "1")], 8.0),
            (&[], 16.0),
        ] {
            add(&mut taker, labels, value).unwrap();
        }
        let [family] = &taker.finish()[..] else { panic!() };
        assert_eq!(family.series.len(), 4);
        assert!((family.series.iter().map(|(_, value)| value).sum::<f64>() - 29.0).abs() < 1e-9);
        assert!(!family.broken);
    }

    #[test]
    fn only_series_with_the_label_count() {
        let wanted: Arc<[Want]> = Arc::from([Want { name: "a", kind: Kind::Counter, only: Some(("db", "orders".into())) }]);
        let mut taker = Taker::new(wanted);
        for labels in [&[("db", "orders")][..], &[("db", "other")], &[("name", "orders")], &[]] {
            // Broken values of others are of no interest.
            let value = if labels == [("db", "orders")] { 3.0 } else { f64::NAN };
            add(&mut taker, labels, value).unwrap();
        }
        let [family] = &taker.finish()[..] else { panic!() };
        assert_eq!((family.series.len(), family.broken), (1, false));
    }

    #[test]
    fn what_is_no_number_of_now_breaks_its_family_alone() {
        for (kind, value, stamped, broken) in [
            (Kind::Counter, -1.0, false, true),
            (Kind::Gauge, -1.0, false, false),
            (Kind::Gauge, f64::NAN, false, true),
            (Kind::Gauge, f64::INFINITY, false, true),
            (Kind::Gauge, 1.0, true, true),
            (Kind::Counter, 0.0, false, false),
        ] {
            let mut taker = Taker::new(Arc::from(["a", "b"].map(|name| Want { name, kind, only: None })));
            taker.end(&taker.begin(0), value, stamped).unwrap();
            taker.end(&taker.begin(1), 1.0, false).unwrap();
            let families = taker.finish();
            assert_eq!((families[0].broken, families[1].broken), (broken, false), "{kind:?} {value} {stamped}");
        }
    }

    #[test]
    fn a_pod_cannot_fill_the_memory() {
        let mut taker = Taker::new(wants(&["a"]));
        let label = |n: usize| n.to_string();
        for n in 0..MOST_SERIES {
            add(&mut taker, &[("n", &label(n))], 1.0).unwrap();
        }
        assert_eq!(add(&mut taker, &[("n", "x")], 1.0), Err(Unreadable::TooMany));
    }
}
