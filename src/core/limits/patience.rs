//! The adaptive scale-in window, where the policy gives none: a scale-in that proved wrong makes the next ones wait longer.
//!
//! The window `W` starts at the default `w` (the controller's flag, 300 s). Demand that asks for more replicas within `2 W` after a scale-in
//! proves it wrong: `W = min(1.5 W, 900 s)`. What was added goes back linearly in 6 h. So a service whose load swings with a period
//! of some minutes stops following each swing after two or three of them, and one that sleeps at night does not pay for it in the morning.
//!
//! The limits: 1.5, so that one accident costs minutes; 900 s, since no swing longer than half an hour is worth paying idle replicas for;
//! 6 h, a working day's half, so that what a rush hour taught still holds in the next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::Time;

/// Growth of the window with each scale-in that proved wrong.
const GROWTH: f64 = 1.5;
/// Longest window that is learned.
pub(super) const LONGEST: Duration = Duration::from_mins(15);
/// Time in which what was learned is forgotten.
const FORGOTTEN: Duration = Duration::from_hours(6);

/// What past scale-ins taught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Patience {
    /// The newest own scale-in, until it proved right or wrong.
    shrunk: Option<Time>,
    /// What the window was longer by, at `learned`.
    extra: Duration,
    learned: Time,
}

impl Patience {
    /// The window now, where the default is `window`.
    pub fn window(&self, window: Duration, now: Time) -> Duration {
        let left = 1.0 - now.since(self.learned).as_secs_f64() / FORGOTTEN.as_secs_f64();
        // To the second, so that a reader who compares two looks is not puzzled by milliseconds.
        window.saturating_add(Duration::from_secs(self.extra.mul_f64(left.clamp(0.0, 1.0)).as_secs()))
    }

    /// An own scale-in was written.
    pub fn shrunk(&mut self, now: Time) {
        self.shrunk = Some(now);
    }

    /// Demand asks for more than the present size.
    pub fn grew(&mut self, window: Duration, now: Time) {
        let Some(shrunk) = self.shrunk.take() else { return };
        let present = self.window(window, now);
        if window < LONGEST && now.since(shrunk) <= 2 * present {
            (self.extra, self.learned) = (present.mul_f64(GROWTH).min(LONGEST) - window, now);
        }
    }

    /// Whether it waits longer than another, which was saved.
    pub fn outlasts(&self, saved: &Self) -> bool {
        self.extra > saved.extra || self.learned > saved.learned && self.extra > Duration::ZERO
    }

    /// After the clock went back.
    pub fn not_after(&mut self, now: Time) {
        self.shrunk = self.shrunk.map(|time| time.min(now));
        self.learned = self.learned.min(now);
    }
}
