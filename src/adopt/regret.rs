//! Regret: what a policy that only recommends would have done, against what the HPA beside it did.
//!
//! Read from the controller's last decisions, each of which has the size that the HPA had set, the size that the policy would have set from
//! there, and the size that the signals asked for. It is an open loop: had the policy scaled, its later decisions would have begun elsewhere.
//! For a closed loop over days there is `ballast replay NAMESPACE/NAME --against hpa`.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::report::{History, Record};

/// What was seen so far, from one or more looks at the record.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Size decided, from each time on.
    decided: BTreeMap<Timestamp, u32>,
    /// Size found, and size that the signals ask for, from each time on.
    found: BTreeMap<Timestamp, (u32, Option<u32>)>,
    end: Option<Timestamp>,
}

/// One side of the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Replicas over time.
    pub replica_minutes: f64,
    /// Changes of the size.
    pub moves: usize,
    /// Time with fewer replicas than the signals asked for.
    pub minutes_below_demand: f64,
    /// Replicas over what the signals asked for, over time.
    pub spare_replica_minutes: f64,
}

/// Both sides over the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Regret {
    /// Time covered.
    pub minutes: f64,
    /// Of it, time in which the signals were known; the time below demand is part of that.
    pub minutes_known: f64,
    /// What the HPA did.
    pub hpa: Side,
    /// What the policy would have done.
    pub policy: Side,
    /// Time below demand that the policy would have added, at least 0: what one would regret.
    pub regret_minutes: f64,
    /// Replica minutes that the policy would have added; negative: saved.
    pub replica_minutes_difference: f64,
}

// === impl Seen ===

impl Seen {
    /// Takes up what a record knows of the last decisions.
    pub fn take(&mut self, record: &Record) {
        let Some(History { changes, points, end, .. }) = &record.history else { return };
        // Points go back much further than texts; a controller of an older version tells no decided sizes with them.
        self.decided.extend(changes.iter().map(|change| (change.time, change.to)));
        self.decided.extend(points.iter().filter_map(|point| Some((point.time, point.desired?))));
        self.found.extend(points.iter().map(|point| (point.time, (point.replicas, point.wanted))));
        self.end = self.end.max(*end);
    }

    /// The comparison, over the time of which both sides are known; `None` before there is any.
    pub fn regret(&self) -> Option<Regret> {
        let start = (*self.decided.first_key_value()?.0).max(*self.found.first_key_value()?.0);
        let end = self.end.filter(|end| *end > start)?;
        let mut times: Vec<Timestamp> = self.decided.keys().chain(self.found.keys()).copied().collect();
        times.extend([start, end]);
        times.retain(|time| (start..=end).contains(time));
        times.sort_unstable();
        times.dedup();
        let mut regret = Regret::default();
        let mut last: Option<(u32, u32)> = None;
        for (index, time) in times.iter().enumerate() {
            // What was found last lasts no time yet, but may be a move.
            let minutes = times.get(index + 1).map_or(0.0, |next| next.duration_since(*time).as_secs_f64() / 60.0);
            let (Some((_, decided)), Some((_, (found, wanted)))) =
                (self.decided.range(..=*time).next_back(), self.found.range(..=*time).next_back())
            else {
                continue;
            };
            regret.minutes += minutes;
            regret.hpa.add(*found, *wanted, minutes);
            regret.policy.add(*decided, *wanted, minutes);
            if wanted.is_some() {
                regret.minutes_known += minutes;
            }
            if let Some((found_before, decided_before)) = last {
                regret.hpa.moves += usize::from(found_before != *found);
                regret.policy.moves += usize::from(decided_before != *decided);
            }
            last = Some((*found, *decided));
        }
        regret.regret_minutes = (regret.policy.minutes_below_demand - regret.hpa.minutes_below_demand).max(0.0);
        regret.replica_minutes_difference = regret.policy.replica_minutes - regret.hpa.replica_minutes;
        Some(regret)
    }
}

// === impl Side ===

impl Side {
    fn add(&mut self, replicas: u32, wanted: Option<u32>, minutes: f64) {
        self.replica_minutes += f64::from(replicas) * minutes;
        if let Some(wanted) = wanted {
            if replicas < wanted {
                self.minutes_below_demand += minutes;
            }
            self.spare_replica_minutes += f64::from(replicas.saturating_sub(wanted)) * minutes;
        }
    }
}

// === impl Regret ===

impl Regret {
    /// The comparison for people.
    pub fn page(&self) -> String {
        let Self { minutes, minutes_known, hpa, policy, regret_minutes, replica_minutes_difference } = self;
        let mut text = format!("Over {minutes:.1} min, of which the signals were known for {minutes_known:.1} min:\n\n");
        let _ = writeln!(text, "{:<24}{:>10}{:>10}", "", "HPA", "policy");
        let rows = [
            ("replica minutes", hpa.replica_minutes, policy.replica_minutes),
            ("spare replica minutes", hpa.spare_replica_minutes, policy.spare_replica_minutes),
            ("minutes below demand", hpa.minutes_below_demand, policy.minutes_below_demand),
        ];
        for (name, hpa, policy) in rows {
            let _ = writeln!(text, "{name:<24}{hpa:>10.1}{policy:>10.1}");
        }
        let _ = writeln!(text, "{:<24}{:>10}{:>10}", "moves", hpa.moves, policy.moves);
        let cost = match *replica_minutes_difference {
            less if less < -0.05 => format!("{:.1} replica minutes fewer ({:.0} %)", -less, -100.0 * less / hpa.replica_minutes),
            more if more > 0.05 => format!("{more:.1} replica minutes more ({:.0} %)", 100.0 * more / hpa.replica_minutes.max(0.1)),
            _ => "as many replica minutes".to_owned(),
        };
        let _ = writeln!(text, "\nRegret: {regret_minutes:.1} min below demand that the HPA did not have, with {cost}.");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Change, Point};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn change(second: i64, from: u32, to: u32) -> Change {
        Change { time: at(second), from, to, verdict: "ScaleUp".to_owned(), message: String::new() }
    }

    fn point(second: i64, replicas: u32, wanted: Option<u32>) -> Point {
        Point { time: at(second), replicas, wanted, desired: None, demand: Vec::new() }
    }

    fn record(changes: Vec<Change>, points: Vec<Point>, end: i64) -> Record {
        let history = History { changes, points, end: Some(at(end)), ..History::default() };
        Record { history: Some(history), ..Record::default() }
    }

    /// The HPA has 4 for a minute, then 6; the policy says 6 at once. Six are asked for from the start, and nothing is known in the last minute.
    #[test]
    fn both_sides_are_counted_over_the_same_time() {
        let mut seen = Seen::default();
        seen.take(&record(
            vec![change(0, 4, 6), change(60, 6, 6)],
            vec![point(0, 4, Some(6)), point(60, 6, Some(6)), point(120, 6, None)],
            180,
        ));
        let regret = seen.regret().unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b} {regret:?}");
        close(regret.minutes, 3.0);
        close(regret.minutes_known, 2.0);
        close(regret.hpa.replica_minutes, 16.0);
        close(regret.policy.replica_minutes, 18.0);
        close(regret.hpa.minutes_below_demand, 1.0);
        close(regret.policy.minutes_below_demand, 0.0);
        close(regret.regret_minutes, 0.0);
        close(regret.replica_minutes_difference, 2.0);
        assert_eq!((regret.hpa.moves, regret.policy.moves), (1, 0));
        assert!(
            regret.page().contains("Regret: 0.0 min below demand that the HPA did not have, with 2.0 replica minutes more (12 %)."),
            "{}",
            regret.page()
        );
    }

    /// Of a load that moves, texts of the last few decisions are there, and sizes of many more.
    #[test]
    fn sizes_decided_before_the_first_text_count() {
        let decided = |second, desired| Point { desired: Some(desired), ..point(second, 4, Some(5)) };
        let mut seen = Seen::default();
        seen.take(&record(vec![change(120, 4, 6)], vec![decided(0, 5), decided(60, 7), decided(120, 6)], 180));
        let regret = seen.regret().unwrap();
        assert!((regret.minutes - 3.0).abs() < 1e-9 && (regret.policy.replica_minutes - 18.0).abs() < 1e-9, "{regret:?}");
        assert_eq!((regret.hpa.moves, regret.policy.moves), (0, 2));
        assert!((regret.hpa.minutes_below_demand - 3.0).abs() < 1e-9 && regret.policy.minutes_below_demand.abs() < 1e-9, "{regret:?}");
    }

    /// What a later record has forgotten is kept.
    #[test]
    fn records_are_joined() {
        let mut seen = Seen::default();
        assert_eq!(seen.regret(), None);
        seen.take(&record(vec![change(0, 4, 4)], vec![point(0, 4, Some(3))], 60));
        seen.take(&record(vec![change(120, 4, 2)], vec![point(90, 4, Some(2))], 180));
        let regret = seen.regret().unwrap();
        assert!((regret.minutes - 3.0).abs() < 1e-9 && (regret.policy.replica_minutes - 10.0).abs() < 1e-9, "{regret:?}");
        assert_eq!((regret.hpa.moves, regret.policy.moves), (0, 1));
    }
}
