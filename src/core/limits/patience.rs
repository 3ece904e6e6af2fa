//! The adaptive scale-in window, where the policy gives none: a scale-in that proved wrong makes the next ones wait longer.
//!
//! The window `W` starts at the default `w` (the controller's flag, 300 s). Demand that asks for more replicas within `2 W` after a scale-in
//! proves it wrong: `W = min(1.5 W, 3 w)`. What was added goes back linearly in 6 h. So a service whose load swings with a period
//! of some minutes stops following each swing after two or three of them, and one that sleeps at night does not pay for it in the morning.
//!
//! The limits: 1.5, so that one accident costs minutes; 3, since a swing slower than half an hour is not worth paying idle replicas for;
//! 6 h, half a working day, so that what one rush hour taught still holds in the next.
//!
//! A small scale-in, by less than 20 %, saves little and is undone often, so it drains slowly: all proposals of the last `6 w` (30 min)
//! must agree to it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::Time;

/// The window grows by this part of itself with each scale-in that proved wrong.
const GROWTH: u32 = 2;
/// Longest window that is learned, in defaults.
const LONGEST: u32 = 3;
/// Window of a small scale-in, in defaults.
const DRAIN: u32 = 6;
/// A scale-in that keeps more than this share of the replicas is small.
const SMALL: f64 = 0.8;
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

/// How far back proposals can matter, where the default window is `window`.
pub(super) fn longest(window: Duration) -> Duration {
    window.saturating_mul(DRAIN)
}

impl Patience {
    /// The window now, where the default is `window`.
    pub fn window(&self, window: Duration, now: Time) -> Duration {
        let left = 1.0 - now.since(self.learned).as_secs_f64() / FORGOTTEN.as_secs_f64();
        // To the second, so that a reader who compares two looks is not puzzled by milliseconds.
        window.saturating_add(Duration::from_secs(self.extra.mul_f64(left.clamp(0.0, 1.0)).as_secs()))
    }

    /// The window of a scale-in from `current` to `size`, the longest of which is the drain's.
    pub fn window_of(&self, default: Duration, current: u32, size: u32, now: Time) -> Duration {
        let small = size < current && f64::from(size) > SMALL * f64::from(current);
        if small { longest(default) } else { self.window(default, now) }
    }

    /// An own scale-in was written.
    pub fn shrunk(&mut self, now: Time) {
        self.shrunk = Some(now);
    }

    /// Demand asks for more than the present size.
    pub fn grew(&mut self, window: Duration, now: Time) {
        let Some(shrunk) = self.shrunk.take() else { return };
        let present = self.window(window, now);
        if now.since(shrunk) <= present.saturating_mul(2) {
            (self.extra, self.learned) =
                (present.saturating_add(present / GROWTH).min(window.saturating_mul(LONGEST)).saturating_sub(window), now);
        }
    }

    /// Whether it waits longer than another, which was saved.
    pub fn outlasts(&self, saved: &Self) -> bool {
        self.extra > saved.extra || self.learned > saved.learned && self.extra > Duration::ZERO
    }

    /// Replaces all times.
    pub fn adjust(&mut self, by: impl Fn(Time) -> Time) {
        self.shrunk = self.shrunk.map(&by);
        self.learned = by(self.learned);
    }
}
