//! Load in pods: 1 is what one pod bears at 100 %.

use std::f64::consts::TAU;
use std::ops::Range;

use statrs::distribution::{ContinuousCDF, Normal};

use super::trace::{Point, Trace};

/// Length of a slot in seconds. The load is constant within one: what happens faster is for the queues of the pods, not for an autoscaler.
pub const SLOT: u64 = 15;

/// Load over time, one value per slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    slots: Vec<f64>,
}

/// Randomness of arrivals, one independent draw per slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Counted arrivals: a pod bears `rate` requests per second, and the variance of a count is `dispersion` times its mean (1: Poisson).
    Arrivals {
        /// Requests per second that fill one pod.
        rate: f64,
        /// Variance of a count over its mean.
        dispersion: f64,
    },
    /// Uniform, up to this share of the load in both directions.
    Uniform(f64),
}

/// Synthetic load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Always the same.
    Constant(f64),
    /// From one level to another at a time.
    Step {
        /// Before.
        from: f64,
        /// From then on.
        to: f64,
        /// When, in seconds.
        at: u64,
    },
    /// Linear from one level to another, constant before and after.
    Ramp {
        /// Before.
        from: f64,
        /// After.
        to: f64,
        /// When it rises, in seconds.
        during: (u64, u64),
    },
    /// `mean + amplitude * sin(2 pi t / period)`.
    Sine {
        /// Middle.
        mean: f64,
        /// Half of the distance between the extremes.
        amplitude: f64,
        /// Seconds.
        period: f64,
    },
}

impl Load {
    /// A trace whose peak within `days` needs `peak` pods.
    pub fn of_trace(trace: &Trace, days: Range<f64>, peak: f64) -> Self {
        let load = Self::of_values(trace, days);
        let highest = load.peak();
        if highest > 0.0 { load.scaled(peak / highest) } else { load }
    }

    /// A trace as it is within `days` from its first row, in its own unit: to be scaled to pods.
    ///
    /// Coarse traces are interpolated linearly to slots, finer ones averaged. A gap of the trace is interpolated over.
    pub fn of_values(trace: &Trace, days: Range<f64>) -> Self {
        let points = trace.points();
        let first = points[0].second + days.start * 86_400.0;
        let last = points[points.len() - 1].second.min(points[0].second + days.end * 86_400.0);
        let mut slots = Vec::new();
        let mut next = points.partition_point(|point| point.second < first);
        let mut start = first;
        while start + SLOT as f64 <= last {
            let end = start + SLOT as f64;
            let inside = points[next..].iter().take_while(|point| point.second < end).count();
            slots.push(if inside > 1 { mean(&points[next..next + inside]) } else { interpolate(points, next, start) });
            next += inside;
            start = end;
        }
        Self { slots }
    }

    /// Every value times this factor.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        for load in &mut self.slots {
            *load *= factor;
        }
        self
    }

    /// The highest value, 0 without any.
    pub fn peak(&self) -> f64 {
        self.slots.iter().copied().fold(0.0, f64::max)
    }

    /// A synthetic load of some hours.
    pub fn of_shape(shape: Shape, hours: f64) -> Self {
        let mut slots = Vec::new();
        let mut second = 0;
        while (second as f64) < hours * 3600.0 {
            slots.push(shape.at(second).max(0.0));
            second += SLOT;
        }
        Self { slots }
    }

    /// The load with noise; the same seed gives the same noise.
    #[must_use]
    pub fn with_noise(mut self, noise: Noise, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        for load in &mut self.slots {
            // Open at both ends, where a normal variable is infinite.
            let uniform = random.f64().clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            *load = (*load + noise.deviation(*load, uniform)).max(0.0);
        }
        self
    }

    /// Load at a second; before the start and past the end that of the nearest slot.
    pub fn at(&self, second: u64) -> f64 {
        let slot = usize::try_from(second / SLOT).unwrap_or(usize::MAX).min(self.slots.len().saturating_sub(1));
        self.slots.get(slot).copied().unwrap_or_default()
    }

    /// The value of each slot.
    pub fn slots(&self) -> &[f64] {
        &self.slots
    }

    /// Length in seconds.
    pub fn seconds(&self) -> u64 {
        self.slots.len() as u64 * SLOT
    }

    /// Mean over all of it.
    pub fn mean(&self) -> f64 {
        self.slots.iter().sum::<f64>() / self.slots.len().max(1) as f64
    }
}

impl Noise {
    fn deviation(self, load: f64, uniform: f64) -> f64 {
        match self {
            Self::Arrivals { rate, dispersion } => {
                let standard = Normal::standard().inverse_cdf(uniform);
                (dispersion * load / (rate * SLOT as f64)).sqrt() * standard
            }
            Self::Uniform(share) => load * share * (2.0 * uniform - 1.0),
        }
    }
}

impl Shape {
    fn at(self, second: u64) -> f64 {
        let time = second as f64;
        match self {
            Self::Constant(load) => load,
            Self::Step { from, to, at } => {
                if second < at {
                    from
                } else {
                    to
                }
            }
            Self::Ramp { from, to, during: (start, end) } => {
                from + (to - from) * ((time - start as f64) / (end - start) as f64).clamp(0.0, 1.0)
            }
            Self::Sine { mean, amplitude, period } => mean + amplitude * (TAU * time / period).sin(),
        }
    }
}

fn mean(points: &[Point]) -> f64 {
    points.iter().map(|point| point.value).sum::<f64>() / points.len() as f64
}

/// Value at a second; `next` is the first point that is not before it.
fn interpolate(points: &[Point], next: usize, second: f64) -> f64 {
    let after = points[next.min(points.len() - 1)];
    if next == 0 || after.second <= second {
        return after.value;
    }
    let before = points[next - 1];
    before.value + (after.value - before.value) * (second - before.second) / (after.second - before.second)
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Exact by construction.
mod tests {
    use super::*;

    fn trace(text: &str) -> Trace {
        Trace::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn coarse_rows_are_interpolated_and_the_peak_scaled() {
        let load = Load::of_trace(&trace("0,1\n60,5\n"), 0.0..1.0, 40.0);
        // 1, 2, 3, 4 of a peak of 4.
        assert_eq!(load.slots, [10.0, 20.0, 30.0, 40.0]);
        assert_eq!((load.at(0), load.at(14), load.at(15), load.at(1000)), (10.0, 10.0, 20.0, 40.0));
    }

    #[test]
    fn fine_rows_are_averaged() {
        let rows: Vec<String> = (0..=30).map(|second| format!("{second},{}", if second < 15 { 2 * (second % 2) } else { 4 })).collect();
        let load = Load::of_trace(&trace(&rows.join("\n")), 0.0..1.0, 4.0);
        // Seven 2s in the first 15 values.
        assert_eq!(load.slots, [14.0 / 15.0, 4.0]);
    }

    #[test]
    fn a_gap_is_interpolated_over() {
        assert_eq!(Load::of_trace(&trace("0,0\n15,3\n75,7\n90,7\n"), 0.0..1.0, 7.0).slots, [0.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn days_cut_a_part_out() {
        let rows: Vec<String> = (0..=48).map(|hour| format!("{},{hour}", hour * 3600)).collect();
        let load = Load::of_trace(&trace(&rows.join("\n")), 1.0..1.5, 10.0);
        assert_eq!(load.seconds(), 43_200);
        assert!((load.at(0) / load.at(43_199) - 24.0 / 36.0).abs() < 0.001);
    }

    #[test]
    fn noise_has_the_variance_it_states_and_the_same_for_a_seed() {
        let constant = Load::of_shape(Shape::Constant(25.0), 1000.0);
        let noise = Noise::Arrivals { rate: 20.0, dispersion: 4.0 };
        let load = constant.clone().with_noise(noise, 1);
        assert_eq!(load, constant.clone().with_noise(noise, 1));
        assert_ne!(load, constant.clone().with_noise(noise, 2));
        assert!((load.mean() - 25.0).abs() < 0.01, "{}", load.mean());
        let variance = load.slots.iter().map(|value| (value - 25.0).powi(2)).sum::<f64>() / load.slots.len() as f64;
        // 4 * 25 * 20 * 15 requests^2 over (20 * 15)^2.
        assert!((variance / (4.0 * 25.0 / 300.0) - 1.0).abs() < 0.02, "{variance}");
        let uniform = constant.with_noise(Noise::Uniform(0.09), 1);
        assert!(uniform.slots.iter().all(|load| (22.75..=27.25).contains(load)));
    }

    #[test]
    fn shapes() {
        let ramp = Load::of_shape(Shape::Ramp { from: 10.0, to: 20.0, during: (60, 120) }, 0.1);
        assert_eq!((ramp.at(59), ramp.at(90), ramp.at(300)), (10.0, 15.0, 20.0));
        let sine = Load::of_shape(Shape::Sine { mean: 20.0, amplitude: 10.0, period: 600.0 }, 1.0);
        assert!((sine.at(150) - 30.0).abs() < 1e-9 && (sine.at(450) - 10.0).abs() < 1e-9);
        assert_eq!(Load::of_shape(Shape::Step { from: 4.0, to: 40.0, at: 3600 }, 2.0).at(3600), 40.0);
    }
}
