//! The highest of recent values.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::Time;
use crate::core::bits;

/// Resolution: time is cut into slots, and of each the highest value is kept for as long as the slot counts, at most one slot too long.
const SLOTS: i64 = 16;

/// Past values as far as they can still be the highest: falling, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Peaks(Vec<Peak>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Peak {
    time: Time,
    #[serde(with = "bits")]
    value: f64,
}

impl Peaks {
    /// The highest value within `back`; forgets older ones.
    pub fn highest(&mut self, back: Duration, now: Time) -> Option<f64> {
        let oldest = slot(now - back, back);
        self.0.retain(|peak| slot(peak.time, back) >= oldest);
        self.0.first().map(|peak| peak.value)
    }

    /// Adds a value, to be looked back at over `back`.
    pub fn add(&mut self, value: f64, back: Duration, time: Time) {
        // A restart leaves a peak that may be later.
        while self.0.last().is_some_and(|peak| peak.value <= value && peak.time <= time) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|peak| peak.value <= value || slot(peak.time, back) < slot(time, back)) {
            self.0.push(Peak { time, value });
        }
    }

    /// After a restart: this value, and the last one, count as seen now.
    pub fn resume(&mut self, value: f64, now: Time) {
        let value = self.0.last().map_or(value, |last| last.value.max(value));
        self.0.retain(|peak| peak.value > value);
        self.0.push(Peak { time: now, value });
    }

    /// Keeps so many entries at most: the older ones hold longer, never shorter.
    pub fn compact(&mut self, entries: usize) {
        while self.0.len() > entries.max(1) {
            let highest = self.0.remove(0).value;
            self.0[0].value = highest;
        }
    }

    /// Moves times in the future to `now`.
    pub fn not_after(&mut self, now: Time) {
        for peak in &mut self.0 {
            peak.time = peak.time.min(now);
        }
    }
}

fn slot(time: Time, back: Duration) -> i64 {
    time.as_millis().div_euclid(i64::try_from(back.as_millis()).unwrap_or(i64::MAX) / SLOTS + 1)
}
