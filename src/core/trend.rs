//! The trend of total demand over the last few minutes: robust, positive only, and blind to steps.
//!
//! New replicas bear load only after the dead time `h` (age of the sample, start of a pod, one interval), so what they must be sized for
//! is the demand of then:
//!
//! ```text
//! b = median of the slopes between all pairs of points        Theil-Sen; 29 % of the points may be wrong
//! b = min(b, slope of the last three points)                  a rise that has ended is none
//! b = min(b, the same slope one metric window before)         a step seen through an average is a ramp of the window's length
//! b = 0 unless Kendall's tau >= 0.5, and where the points lie within the tolerance of each other
//! F = max(D, min(D + b * h, 2 D))
//! ```
//!
//! Sources: Theil 1950, Sen 1968 (slope), Kendall 1938 (tau). `2 D` bounds what a wrong trend can cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use statrs::statistics::{Data, OrderStatistics};

use super::Time;

/// Points kept.
const POINTS: usize = 9;
/// Pairs of points.
const PAIRS: usize = POINTS * (POINTS - 1) / 2;
/// Least distance of points: a scrape or look more often says little that is new about a trend.
const SPACING: Duration = Duration::from_secs(15);
/// Time that the points span, and that a size which was asked for ahead of time is kept: by then it is measured, or the rise has ended.
pub(super) const SPAN: Duration = Duration::from_mins(2);
/// Least rank correlation of value and time.
const TAU: f64 = 0.5;
/// Most that the look ahead may add, as a multiple of the demand.
const MOST: f64 = 2.0;

/// The last points, oldest first; a fresh trail is the first sample throughout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trail([Point; POINTS]);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    time: Time,
    #[serde(with = "super::bits")]
    value: f64,
}

impl Trail {
    pub fn start(value: f64, time: Time) -> Self {
        Self([Point { time, value }; POINTS])
    }

    /// Adds a sample that looks back over `window`; it takes the place of the newest point while that is too near to the one before.
    pub fn add(&mut self, value: f64, time: Time, window: Duration) {
        let [.., before, last] = self.0;
        if time <= last.time {
            return;
        }
        // A look comes a little early sometimes.
        let near = last.time.since(before.time) < SPACING.max(window / 4).mul_f64(0.75);
        if !near || last.time == self.0[0].time {
            self.0.rotate_left(1);
        }
        self.0[POINTS - 1] = Point { time, value };
    }

    /// Change per second that can be counted on; 0 without a rise. `tolerance`: points within this ratio of each other are flat.
    pub fn slope(&self, window: Duration, tolerance: f64) -> f64 {
        let points = &self.0;
        // Of fewer points a step is no longer the smaller part.
        let full = points[1].time > points[0].time;
        let least = points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min);
        let most = points.iter().map(|point| point.value).fold(0.0, f64::max);
        if !full || most <= least * (1.0 + tolerance) {
            return 0.0;
        }
        let recent = self.local(POINTS - 1);
        let before = if window > 2 * SPACING { self.before(window).map_or(0.0, |index| self.local(index)) } else { recent };
        let limit = recent.min(before);
        if limit > 0.0 { self.typical().min(limit).max(0.0) } else { 0.0 }
    }

    /// The last point whose slope lies a whole window before that of the newest.
    fn before(&self, window: Duration) -> Option<usize> {
        let end = self.0[POINTS - 3].time - window;
        self.0.iter().rposition(|point| point.time <= end).filter(|&index| index >= 2)
    }

    /// Slope over the three points that end here.
    fn local(&self, index: usize) -> f64 {
        slope(self.0[index - 2], self.0[index]).unwrap_or(0.0)
    }

    /// Median slope of all pairs; 0 where the ranks of value and time do not go together.
    fn typical(&self) -> f64 {
        let mut slopes = [0.0; PAIRS];
        let (mut pairs, mut ranks) = (0, 0.0);
        for (index, &late) in self.0.iter().enumerate() {
            for slope in self.0[..index].iter().filter_map(|&early| slope(early, late)) {
                slopes[pairs] = slope;
                pairs += 1;
                ranks += if slope == 0.0 { 0.0 } else { slope.signum() };
            }
        }
        if pairs == 0 || ranks < TAU * pairs as f64 { 0.0 } else { Data::new(&mut slopes[..pairs]).median() }
    }

    /// After the clock went back, points in the future count as of now.
    pub fn not_after(&mut self, now: Time) {
        for point in &mut self.0 {
            point.time = point.time.min(now);
        }
    }
}

/// Per second; `None` for points of one time.
fn slope(early: Point, late: Point) -> Option<f64> {
    (late.time > early.time).then(|| (late.value - early.value) / late.time.since(early.time).as_secs_f64())
}

/// Demand after `lead`, when it rises by `slope` per second.
pub(super) fn ahead(demand: f64, slope: f64, lead: Duration) -> f64 {
    demand.max((demand + slope * lead.as_secs_f64()).min(MOST * demand))
}
