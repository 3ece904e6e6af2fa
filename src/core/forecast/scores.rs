//! What became of forecasts, against what became of demand as it was.

use serde::{Deserialize, Serialize};

use super::band::{Band, QUANTILE};
use super::{Errors, SLOT, Standing};

/// Slots ahead that are foretold at most: an hour.
pub(super) const FARTHEST: i64 = 12;
/// Predictions that wait: those of the slots ahead, and of the one that is not over.
const PENDING: u8 = 13;
/// Weight of a new score: a time constant of a day.
const WEIGHT: f64 = 1.0 / 288.0;
/// Scores before any of it is trusted: a day of them.
const ENOUGH: u32 = 288;
/// A forecast must be better than reactive by this factor.
const BETTER: f64 = 0.8;

/// Predictions that wait for their slot, and what became of earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Scores {
    pending: [Option<Promise>; PENDING as usize],
    forecast: Band,
    reactive: Band,
    /// Decayed losses, and the demand they were made at.
    losses: Option<Losses>,
    /// How many scores there were.
    count: u32,
}

/// What was predicted for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Promise {
    slot: i64,
    #[serde(with = "crate::core::bits")]
    forecast: f64,
    #[serde(with = "crate::core::bits")]
    most: f64,
    #[serde(with = "crate::core::bits")]
    reactive: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Losses {
    #[serde(with = "crate::core::bits")]
    forecast: f64,
    #[serde(with = "crate::core::bits")]
    reactive: f64,
    #[serde(with = "crate::core::bits")]
    demand: f64,
}

impl Scores {
    /// Predicts the demand of a slot, by the forecast (with its band at most `most`) and by demand as it is.
    pub fn promise(&mut self, slot: i64, forecast: f64, most: f64, reactive: f64) {
        self.pending[index(slot)] = Some(Promise { slot, forecast, most, reactive });
    }

    /// The demand of a slot is known.
    pub fn score(&mut self, slot: i64, actual: f64) {
        let Some(Promise { forecast, most, reactive, .. }) = self.pending[index(slot)].take_if(|promise| promise.slot == slot) else {
            return;
        };
        let new = Losses {
            forecast: pinball(actual, (forecast * self.forecast.factor()).min(most)),
            reactive: pinball(actual, reactive * self.reactive.factor()),
            demand: actual,
        };
        // From nothing: only shares of each other are told, and those are right from the first score on.
        let old = self.losses.unwrap_or_default();
        let mix = |old: f64, new: f64| old + WEIGHT * (new - old);
        let losses = Losses {
            forecast: mix(old.forecast, new.forecast),
            reactive: mix(old.reactive, new.reactive),
            demand: mix(old.demand, new.demand),
        };
        self.losses = Some(losses);
        self.forecast.add(actual, forecast);
        self.reactive.add(actual, reactive);
        self.count = self.count.saturating_add(1);
    }

    /// The factor of the forecast's band.
    pub fn band(&self) -> f64 {
        self.forecast.factor()
    }

    pub fn standing(&self) -> Standing {
        match self.losses {
            Some(losses) if self.count >= ENOUGH => {
                if losses.forecast < BETTER * losses.reactive {
                    Standing::Better
                } else {
                    Standing::NoBetter
                }
            }
            _ => Standing::Learning(SLOT * self.count),
        }
    }

    pub fn errors(&self) -> Option<Errors> {
        let Losses { forecast, reactive, demand } = self.losses.filter(|losses| losses.demand > 0.0)?;
        Some(Errors { forecast: forecast / demand, reactive: reactive / demand })
    }

    /// Forgets predictions for slots that a clock which went back makes the future.
    pub fn not_after(&mut self, slot: i64) {
        for pending in &mut self.pending {
            pending.take_if(|promise| promise.slot > slot);
        }
    }
}

fn pinball(actual: f64, predicted: f64) -> f64 {
    if actual > predicted { QUANTILE * (actual - predicted) } else { (1.0 - QUANTILE) * (predicted - actual) }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Within 0..PENDING.
fn index(slot: i64) -> usize {
    slot.rem_euclid(i64::from(PENDING)) as usize
}
