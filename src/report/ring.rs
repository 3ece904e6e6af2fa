//! The last decisions of one policy in bounded memory: those that a reader would tell from the one before as text, all others as a thin
//! series of sizes and demand. At most about 14 KiB per policy, and a few hundred bytes for one whose load is steady.

use std::collections::VecDeque;

use super::build::timestamp;
use super::record::{BoundsRecord, Change, History, Point};
use crate::core::{Decision, Reason, Role, SignalReport, Time, Verdict};

/// Points kept: half an hour of a noisy load at an interval of 15 s, longer for a steady one.
const POINTS: usize = 120;
/// Texts kept.
const CHANGES: usize = 16;
/// Changes of the bounds kept; schedules make a few a day.
const BOUNDS: usize = 16;
/// A text is cut here; failures of sources can be long.
const TEXT: usize = 400;
/// Signals whose demand is kept.
const SIGNALS: usize = 8;
/// Demand that moved less than this share is told by the point before.
const SAME: f32 = 0.02;
/// No size: a decision without a wanted one. Sizes are below 2^31.
const UNKNOWN: u32 = u32::MAX;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    changes: VecDeque<Told>,
    points: VecDeque<Packed>,
    /// As many numbers per point as there are names, in the signals' units; NaN: unknown.
    demand: VecDeque<f32>,
    names: Vec<Box<str>>,
    bounds: VecDeque<(Time, u32, u32)>,
    end: Option<Time>,
}

#[derive(Clone, Debug)]
struct Told {
    time: Time,
    from: u32,
    to: u32,
    verdict: Verdict,
    code: &'static str,
    message: Box<str>,
}

#[derive(Clone, Copy, Debug)]
struct Packed {
    time: Time,
    replicas: u32,
    wanted: u32,
    desired: u32,
}

// === impl Ring ===

impl Ring {
    /// Takes up a decision with its headline.
    pub fn push(&mut self, decision: &Decision, message: &str) {
        self.tell(decision, message);
        self.measure(decision);
        self.end = Some(decision.time);
    }

    /// Takes up the lowest and the highest size in force at a decision.
    pub fn bound(&mut self, time: Time, (min, max): (u32, u32)) {
        if self.bounds.back().is_some_and(|&(_, low, high)| (low, high) == (min, max)) {
            return;
        }
        if self.bounds.len() == BOUNDS {
            self.bounds.pop_front();
        }
        self.bounds.push_back((time, min, max));
    }

    fn tell(&mut self, decision: &Decision, message: &str) {
        let Decision { time, from, to, verdict, .. } = *decision;
        let code = decision.reasons.first().map_or("Unknown", Reason::code);
        if self.changes.back().is_some_and(|last| (last.from, last.to, last.verdict, last.code) == (from, to, verdict, code)) {
            return;
        }
        if self.changes.len() == CHANGES {
            self.changes.pop_front();
        }
        let message = message.chars().take(TEXT).collect::<String>().into_boxed_str();
        self.changes.push_back(Told { time, from, to, verdict, code, message });
    }

    fn measure(&mut self, decision: &Decision) {
        let signals = &decision.signals[..decision.signals.len().min(SIGNALS)];
        // Sizes settled without asking the signals say nothing of them.
        if !signals.is_empty() && !self.names.iter().map(|name| &**name).eq(signals.iter().map(|signal| &*signal.name)) {
            // Numbers of other signals mean other things.
            self.points.clear();
            self.demand.clear();
            self.names = signals.iter().map(|signal| (&*signal.name).into()).collect();
        }
        let width = self.names.len();
        let new = Packed { time: decision.time, replicas: decision.from, wanted: decision.wanted.unwrap_or(UNKNOWN), desired: decision.to };
        let demand = || (0..width).map(|index| signals.get(index).map_or(f32::NAN, demand));
        let last = self.demand.iter().skip(self.demand.len() - width.min(self.demand.len()));
        let same =
            self.points.back().is_some_and(|last| (last.replicas, last.wanted, last.desired) == (new.replicas, new.wanted, new.desired));
        if same && last.copied().zip(demand()).all(|(old, new)| alike(old, new)) {
            return;
        }
        if self.points.len() == POINTS {
            self.points.pop_front();
            self.demand.drain(..width);
        }
        self.points.push_back(new);
        self.demand.extend(demand());
    }

    /// All of it, for people.
    pub fn history(&self) -> History {
        let width = self.names.len();
        let change = |told: &Told| Change {
            time: timestamp(told.time),
            from: told.from,
            to: told.to,
            verdict: told.verdict.word().to_owned(),
            message: told.message.to_string(),
        };
        let point = |(index, packed): (usize, &Packed)| Point {
            time: timestamp(packed.time),
            replicas: packed.replicas,
            wanted: Some(packed.wanted).filter(|wanted| *wanted != UNKNOWN),
            desired: Some(packed.desired),
            demand: self.demand.range(index * width..(index + 1) * width).map(|demand| Some(*demand).filter(|d| d.is_finite())).collect(),
        };
        History {
            changes: self.changes.iter().map(change).collect(),
            signals: self.names.iter().map(ToString::to_string).collect(),
            points: self.points.iter().enumerate().map(point).collect(),
            bounds: self.bounds.iter().map(|&(time, min, max)| BoundsRecord { time: timestamp(time), min, max }).collect(),
            end: self.end.map(timestamp),
        }
    }
}

/// Demand acted on, in the signal's unit; of a guard or brake, which has none, the value that is compared with its target.
#[allow(clippy::cast_possible_truncation)] // Seven digits are enough to look at.
fn demand(signal: &SignalReport) -> f32 {
    let value = match (signal.role, signal.current) {
        (Role::Driver, _) => signal.estimate.map(|estimate| estimate.demand / 1000.0),
        (_, Some(current)) => {
            let milli = current.average.or(current.value).map(|value| value / 1000.0);
            current.utilization.map(f64::from).or(milli)
        }
        (_, None) => None,
    };
    value.map_or(f32::NAN, |value| value as f32)
}

fn alike(old: f32, new: f32) -> bool {
    (old.is_nan() && new.is_nan()) || (old - new).abs() <= SAME * old.abs()
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::core::{Estimate, Signal, SignalKind, Target};

    fn decision(second: i64, replicas: u32, load: f64) -> Decision {
        let estimate = Some(Estimate { raw: load, level: load, sigma: 0.0, demand: load, slope: 0.0, lead: std::time::Duration::ZERO });
        let signal = SignalReport {
            proposal: Some(replicas),
            estimate,
            ..SignalReport::unknown(&Signal::new(SignalKind::Prometheus { name: "rps".into() }, Target::Value(1.0)), None)
        };
        Decision {
            time: Time::from_secs(second),
            from: replicas,
            to: replicas,
            wanted: Some(replicas),
            verdict: Verdict::Steady,
            reasons: smallvec![Reason::SwitchedOff],
            signals: smallvec![signal],
            clamps: smallvec![],
            conditions: smallvec![],
            warnings: Vec::new(),
            next_look: None,
        }
    }

    #[test]
    fn a_steady_load_costs_one_point_and_its_end_is_known() {
        let mut ring = Ring::default();
        for second in 0..500 {
            ring.push(&decision(second, 3, 1000.0 + (second % 2) as f64), "stays at 3");
        }
        let history = ring.history();
        assert_eq!((history.points.len(), history.changes.len()), (1, 1));
        assert_eq!(history.end, Some(timestamp(Time::from_secs(499))));
        assert_eq!(history.points[0].demand, [Some(1.0)]);
    }

    #[test]
    fn a_restless_load_is_bounded_and_the_newest_is_kept() {
        let mut ring = Ring::default();
        for second in 0..1000_i64 {
            let size = u32::try_from(second % 7).unwrap();
            ring.push(&decision(second, size, f64::from(size) * 1000.0), &"x".repeat(10_000));
        }
        let history = ring.history();
        assert_eq!((history.points.len(), history.changes.len()), (POINTS, CHANGES));
        assert_eq!(history.points[POINTS - 1].time, timestamp(Time::from_secs(999)));
        assert_eq!(history.changes[0].message.len(), TEXT);
        assert!(
            ring.demand.len() == POINTS && POINTS * (size_of::<Packed>() + 4 * SIGNALS) + CHANGES * (TEXT + size_of::<Told>()) < 16 << 10
        );
    }

    #[test]
    fn bounds_are_told_when_they_move() {
        let mut ring = Ring::default();
        for second in 0..100 {
            ring.bound(Time::from_secs(second), (2, if second < 50 { 10 } else { 20 }));
        }
        let bounds: Vec<_> = ring.history().bounds.iter().map(|bounds| (bounds.time.as_second(), bounds.min, bounds.max)).collect();
        assert_eq!(bounds, [(0, 2, 10), (50, 2, 20)]);
        for second in 100..1000 {
            ring.bound(Time::from_secs(second), (2, u32::try_from(second).unwrap()));
        }
        assert_eq!((ring.bounds.len(), ring.bounds[BOUNDS - 1].2), (BOUNDS, 999));
    }

    #[test]
    fn unknown_is_not_zero_and_other_signals_start_again() {
        let mut ring = Ring::default();
        ring.push(&decision(0, 3, 1000.0), "");
        let mut unknown = decision(1, 3, 0.0);
        (unknown.wanted, unknown.signals[0].estimate) = (None, None);
        ring.push(&unknown, "");
        let history = ring.history();
        assert_eq!((history.points[1].wanted, &history.points[1].demand[..]), (None, &[None][..]));
        let mut other = decision(2, 3, 1000.0);
        other.signals[0].name = "cpu".into();
        ring.push(&other, "");
        assert_eq!(ring.history().signals, ["cpu"]);
        assert_eq!(ring.history().points.len(), 1);
    }
}
