//! The level filter: total demand without its noise.
//!
//! Per signal, over total demand `a` (not replica ratios, so that replica changes do not disturb it), with irregular steps `dt`:
//!
//! ```text
//! m      = m + (1 - exp(-dt / theta)) * (a - m)                 level, theta 30 s
//! sigma2 = sigma2 + dt / (T + dt) * (e^2 - sigma2)              e = a - m clipped to +-(4 sigma + 5 % of m); T = min(t + 2 min, 2 h)
//! D      = max(m, a - z * sigma * sqrt(T / 2 h))                demand that is acted on, z 1.5
//! ```
//!
//! What the past adds may hold a size but never raises it (see `demand`): a size grows only if the measured value asks for it too.
//! `t` is the time since the first sample: a young filter takes what it has seen for typical, as a mean would, instead of for next to no noise.
//! `sigma` is also the noise that a `Capacity` target leaves room for (see `demand::staffing`).
//! A rise beyond the noise is followed in the decision that sees it; a drop only through `m`. `e` and the `sigma` in `D` use the
//! values from before the sample, so a sample is not judged by the noise it brings, and more demand never gives a smaller `D`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{SmoothParameters, Time};

/// Memory of the noise: bursts that come once an hour belong to it. Half an hour gave 5 % more violations for as many pod-hours.
const NOISE_TIME: Duration = Duration::from_hours(2);
/// What a fresh filter is taken to have seen, without any noise: eight samples of 15 s.
const NOISE_PRIOR: Duration = Duration::from_mins(2);
/// A deviation counts as noise up to this many standard deviations ...
const CLIP_SIGMAS: f64 = 4.0;
/// ... plus this share of the level, without which a noise of 0 could never grow.
const CLIP_SHARE: f64 = 0.05;

/// State of the filter of one signal, in the signal's own unit (target-free: editing a target keeps it).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// End of the newest sample consumed.
    time: Time,
    /// `m`.
    #[serde(with = "super::bits")]
    mean: f64,
    /// `sigma2`.
    #[serde(with = "super::bits")]
    variance: f64,
    /// `sigma` by which the newest sample is judged.
    #[serde(with = "super::bits")]
    noise: f64,
    /// Time over which the noise was learned, up to `NOISE_TIME`.
    learned: Duration,
    /// Time in which samples were lost, until the next one: it may raise the level, but does not let it fall.
    #[serde(skip)]
    lost: Duration,
}

impl Level {
    /// A level below this, in thousandths of the unit, is nothing once nothing is measured.
    pub(super) const NOTHING: f64 = 0.5;

    /// Starts at the first sample, which is then followed exactly.
    pub fn start(raw: f64, time: Time) -> Self {
        Self { time, mean: raw, variance: 0.0, noise: 0.0, learned: NOISE_PRIOR, lost: Duration::ZERO }
    }

    /// Consumes a sample. One that is not newer than the last is a repetition and changes nothing.
    pub fn consume(&mut self, parameters: SmoothParameters, raw: f64, time: Time) {
        if time <= self.time {
            return;
        }
        let innovation = raw - self.mean;
        let lost = std::mem::take(&mut self.lost);
        let step = time.since(self.time).saturating_sub(if innovation < 0.0 { lost } else { Duration::ZERO });
        self.noise = self.variance.sqrt();
        let clip = CLIP_SIGMAS * self.noise + CLIP_SHARE * self.mean;
        let error = innovation.max(-clip).min(clip);
        let span = self.learned + step;
        self.variance += step.div_duration_f64(span) * (error * error - self.variance);
        self.learned = span.min(NOISE_TIME);
        self.mean += weight(step, parameters.time_constant) * innovation;
        self.time = time;
    }

    /// Demand to act on when `raw` was measured.
    pub fn demand(&self, parameters: SmoothParameters, raw: f64) -> f64 {
        let demand = self.mean.max(raw - parameters.noise_band.max(0.0) * self.doubt());
        // An average never quite reaches 0, and a replica must not stay up for its tail.
        if raw <= 0.0 && demand < Self::NOTHING { 0.0 } else { demand }
    }

    /// The part of the noise by which a rise is doubted: what a filter learned in a few minutes may have been one rise, and doubting the
    /// next for it would answer a step by too little.
    fn doubt(&self) -> f64 {
        self.noise * self.learned.div_duration_f64(NOISE_TIME).min(1.0).sqrt()
    }

    /// The level `m`.
    pub fn level(&self) -> f64 {
        self.mean
    }

    /// The noise `sigma` by which the newest sample was judged.
    pub fn sigma(&self) -> f64 {
        self.noise
    }

    /// End of the newest sample.
    pub(super) fn time(&self) -> Time {
        self.time
    }

    /// After a hole of this length in which the level may have grown by `growth`: the level is as high and the noise as low as they can
    /// be, so that a restored filter neither lets go earlier nor follows a rise later.
    pub(super) fn resume(&mut self, hole: Duration, growth: f64) {
        let kept = (-hole.as_secs_f64() / NOISE_TIME.as_secs_f64()).exp();
        self.lost = hole;
        self.mean *= growth;
        self.variance *= kept;
        self.noise *= kept.sqrt();
    }

    /// After the clock went back, times in the future would freeze the filter.
    pub(super) fn not_after(&mut self, now: Time) {
        self.time = self.time.min(now);
    }
}

/// Weight of a new value after `step` in an average of time constant `constant`.
fn weight(step: Duration, constant: Duration) -> f64 {
    if constant.is_zero() { 1.0 } else { -(-step.as_secs_f64() / constant.as_secs_f64()).exp_m1() }
}
