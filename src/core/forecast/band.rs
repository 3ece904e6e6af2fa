//! By how much a prediction must be raised so that four fifths of what comes stay below it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Share of what comes that lies below the band.
pub(super) const QUANTILE: f64 = 0.8;
/// Weight kept from one score to the next: half of it is gone after two days of slots.
const KEPT: f64 = 0.998_797;
/// Bins of a factor of 1.02 from [`LOWEST`]: fine against the tolerance. A ratio of 1 is the middle of one.
const BINS: usize = 128;
const STEP: f64 = 0.02;
/// Logarithm of the lowest ratio.
const LOWEST: f64 = -1.29;

/// Decayed histogram of what came over what was predicted, by its logarithm.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Band([f32; BINS]);

impl Default for Band {
    fn default() -> Self {
        Self([0.0; BINS])
    }
}

impl Band {
    /// Takes in what came of a prediction; of none, nothing can be learned.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped before.
    pub fn add(&mut self, actual: f64, predicted: f64) {
        if predicted <= 0.0 {
            return;
        }
        let bin = (((actual / predicted).ln() - LOWEST) / STEP).clamp(0.0, (BINS - 1) as f64) as usize;
        for weight in &mut self.0 {
            *weight *= KEPT as f32;
        }
        self.0[bin] += 1.0;
    }

    /// The factor; 1 while nothing is known.
    pub fn factor(&self) -> f64 {
        let total: f64 = self.0.iter().map(|weight| f64::from(*weight)).sum();
        let mut left = QUANTILE * total;
        for (bin, weight) in (0u32..).zip(self.0.map(f64::from)) {
            if weight > 0.0 && weight >= left {
                return (LOWEST + STEP * (f64::from(bin) + left / weight)).exp();
            }
            left -= weight;
        }
        1.0
    }
}

impl Serialize for Band {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|weight| weight.to_bits()))
    }
}

impl<'de> Deserialize<'de> for Band {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bits = Vec::<u32>::deserialize(deserializer)?;
        let bits: [u32; BINS] =
            bits.try_into().map_err(|bits: Vec<u32>| serde::de::Error::invalid_length(bits.len(), &"one number for each bin"))?;
        Ok(Self(bits.map(f32::from_bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_fifths_lie_below_the_band() {
        let mut band = Band::default();
        assert!((band.factor() - 1.0).abs() < f64::EPSILON);
        let mut random = fastrand::Rng::with_seed(1);
        let mut below = 0;
        for draw in 0..3000 {
            let (predicted, actual) = (100.0, 100.0 * (0.9 + 0.4 * random.f64()));
            below += usize::from(draw >= 1000 && actual <= predicted * band.factor());
            band.add(actual, predicted);
        }
        assert!((below as f64 / 2000.0 - QUANTILE).abs() < 0.03, "{below}");
        assert!((band.factor() - 1.22).abs() < 0.02, "{}", band.factor());
    }

    #[test]
    fn anything_may_come() {
        let mut band = Band::default();
        for (actual, predicted) in [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (f64::MAX, f64::MIN_POSITIVE), (1.0, 1.0)] {
            band.add(actual, predicted);
            assert!(band.factor().is_finite() && band.factor() > 0.0);
        }
    }
}
