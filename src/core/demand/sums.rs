//! Sums and means, with the stock rule's integer steps where it has them.

use smallvec::SmallVec;

/// Largest value of a Kubernetes quantity in thousandths; also keeps squares and sums finite.
pub(super) const LARGEST: f64 = 9.2e18;

/// One pod's part: its usage and what it requests, in thousandths of the unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub usage: f64,
    pub request: f64,
}

/// Pods in place, before a workload of more of them costs an allocation.
const IN_PLACE: usize = 32;

/// The parts of a signal's pods.
pub(super) type Parts = SmallVec<[Part; IN_PLACE]>;

/// How sums are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// Whole thousandths, quotients truncated, as the stock rule computes Kubernetes' quantities.
    Whole,
    /// Real numbers.
    Real,
}

impl Arithmetic {
    pub fn of(whole: bool) -> Self {
        if whole { Self::Whole } else { Self::Real }
    }

    /// A value as this arithmetic sees it.
    pub fn value(self, value: f64) -> f64 {
        let value = value.clamp(0.0, LARGEST);
        if self == Self::Whole { value.round() } else { value }
    }

    pub fn sum(self, values: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::Whole => exact(values) as f64,
            Self::Real => {
                // In order of size, so that the order of the pods cannot change the last bit.
                let mut values: SmallVec<[f64; IN_PLACE]> = values.collect();
                values.sort_by(f64::total_cmp);
                values.into_iter().sum()
            }
        }
    }

    /// Mean usage; of nothing there is none.
    pub fn mean(self, parts: &[Part]) -> Option<f64> {
        if parts.is_empty() {
            return None;
        }
        let usages = parts.iter().map(|part| part.usage);
        Some(match self {
            Self::Whole => (exact(usages) / i128::try_from(parts.len()).unwrap_or(i128::MAX)) as f64,
            Self::Real => self.sum(usages) / parts.len() as f64,
        })
    }
}

/// Usage in whole percent of the requests, truncated; `None` where nothing is requested.
pub(super) fn percent(parts: &[Part]) -> Option<u32> {
    let usage = exact(parts.iter().map(|part| part.usage));
    let request = exact(parts.iter().map(|part| part.request));
    let percent = usage.saturating_mul(100).checked_div(request)?;
    // A scale's numbers are 32 bits wide with a sign, and so is the status field.
    u32::try_from(percent.min(i128::from(i32::MAX))).ok()
}

/// `percent` of a request, truncated.
pub(super) fn share(request: f64, percent: u32) -> f64 {
    (exact(std::iter::once(request)).saturating_mul(i128::from(percent)) / 100) as f64
}

#[allow(clippy::cast_possible_truncation)] // Values are whole and far below 2^127.
fn exact(values: impl Iterator<Item = f64>) -> i128 {
    values.map(|value| value as i128).sum()
}
