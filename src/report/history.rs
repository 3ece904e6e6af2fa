//! What became of a policy over time: sizes and demand as plots, then the decisions that a reader would tell apart.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde::Serialize;

use super::curve::Curve;
use super::page::{AREA, CROSSING, LINE, View, aside, colour, from_events, size, wrap};
use super::plot::{Plot, State};
use super::record::{Change, DecisionRecord, History, Point, Record, ScaleRecord};
use super::span::{between, clock, length};
use crate::core::reason::{Quantity, Unit};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const DEMAND: Style = AnsiColor::Magenta.on_default();

/// The past of a policy, as `ballast history -o json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyHistory {
    /// Namespace of the policy.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The workload as kind and name.
    pub target: String,
    /// `controller`: all decisions it remembers; `status`: changes of the size and the last decision only.
    pub source: &'static str,
    /// Size at the last decision.
    pub current_replicas: Option<u32>,
    /// Size last decided.
    pub desired_replicas: Option<u32>,
    /// Decisions, sizes and demand.
    #[serde(flatten)]
    pub history: History,
    /// Units of the signals' demand; null if unknown.
    pub units: Vec<Option<Unit>>,
    /// Roles of the signals, Guard or Brake; null for those that drive.
    pub roles: Vec<Option<String>>,
    /// The last changes of the size, newest first.
    pub scale_events: Vec<ScaleRecord>,
}

// === impl PolicyHistory ===

impl PolicyHistory {
    /// What the record tells of the past; one that was made from a status has no decisions but the moves.
    pub fn of(record: &Record, now: Timestamp) -> Self {
        let (source, history) = match &record.history {
            Some(history) => ("controller", history.clone()),
            None => ("status", from_status(record, now)),
        };
        let signal = |name: &String| record.signals.iter().find(|signal| signal.name == *name);
        let unit = |name: &String| signal(name)?.estimate.map(|estimate| estimate.unit);
        let role = |name: &String| signal(name)?.role.clone();
        Self {
            namespace: record.namespace.clone(),
            name: record.name.clone(),
            target: record.target.clone(),
            source,
            current_replicas: record.current_replicas,
            desired_replicas: record.desired_replicas,
            units: history.signals.iter().map(unit).collect(),
            roles: history.signals.iter().map(role).collect(),
            history,
            scale_events: record.scale_events.clone(),
        }
    }
}

/// Moves as decisions, and the last decision, if that was none of them.
fn from_status(record: &Record, now: Timestamp) -> History {
    let moved = |event: &ScaleRecord| Change {
        time: event.time,
        from: event.from,
        to: event.to,
        verdict: if event.to > event.from { "ScaleUp" } else { "ScaleDown" }.to_owned(),
        message: event.message.clone(),
    };
    let mut changes: Vec<Change> = record.scale_events.iter().rev().map(moved).collect();
    let is_move = |decision: &&DecisionRecord| changes.last().is_some_and(|last| (last.from, last.to) == (decision.from, decision.to));
    if let Some(decision) = record.decision.as_ref().filter(|decision| !is_move(decision)) {
        let DecisionRecord { time, from, to, verdict, message, .. } = decision.clone();
        changes.push(Change { time, from, to, verdict, message });
    }
    let point = |state: State| Point {
        time: state.time,
        replicas: state.replicas,
        wanted: None,
        desired: Some(state.replicas),
        demand: Vec::new(),
    };
    let points = from_events(record, now, Duration::MAX).into_iter().map(point).collect();
    History { changes, points, end: Some(now), ..History::default() }
}

/// The page: at most `limit` decisions, the newest last.
pub fn history_page(past: &PolicyHistory, record: &Record, view: &View<'_>, limit: usize) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    let PolicyHistory { namespace, name, target, history, .. } = past;
    line(&format!("{BOLD}{namespace}/{name} → {target}{BOLD:#}"));
    let style = record.decision.as_ref().map_or(BOLD, |decision| colour(&decision.verdict));
    line(&[vec![format!("{style}{}{style:#}", size(record))], aside(record)].concat().join(" · "));
    for row in plots(past, view) {
        line(&row);
    }
    let hidden = history.changes.len().saturating_sub(limit);
    let changes = &history.changes[hidden..];
    if changes.is_empty() {
        line("\nnothing was decided yet");
    } else {
        let title = if past.source == "status" { "CHANGES OF THE SIZE" } else { "DECISIONS" };
        line(&format!("\n{BOLD}{title}{BOLD:#}"));
    }
    for row in decisions(changes, view) {
        line(&row);
    }
    if hidden > 0 {
        line(&format!("{DIM}and {hidden} before: --limit {} shows them{DIM:#}", history.changes.len()));
    }
    if let Some(note) = view.note {
        line("");
        for words in wrap(note, view.width) {
            line(&format!("{DIM}{words}{DIM:#}"));
        }
    }
    text
}

/// Sizes, and below them, on the same axis of time, the demand of each signal.
fn plots(past: &PolicyHistory, view: &View<'_>) -> Vec<String> {
    let history = &past.history;
    let states: Vec<State> =
        history.points.iter().map(|point| State { time: point.time, replicas: point.replicas, wanted: point.wanted }).collect();
    let end = history.end.unwrap_or(view.now);
    let Some(first) = states.first() else { return Vec::new() };
    let plot = Plot { states: &states, end, width: view.width, zone: view.zone, area: AREA, line: LINE, crossing: CROSSING };
    let wanted = if past.source == "status" { String::new() } else { format!("   {LINE}━{LINE:#} wanted by the signals") };
    let span = length(between(first.time, end)).to_uppercase();
    let mut lines = vec![format!("\n{BOLD}THE LAST {span}{BOLD:#}   {AREA}▒{AREA:#} replicas{wanted}")];
    lines.extend(plot.lines());
    for (index, ((signal, unit), role)) in history.signals.iter().zip(&past.units).zip(&past.roles).enumerate() {
        let value = |point: &Point| point.demand.get(index).copied().flatten().map(f64::from);
        let values: Vec<(Timestamp, Option<f64>)> = history.points.iter().map(|point| (point.time, value(point))).collect();
        let curve = Curve { values: &values, end, width: view.width, style: DEMAND };
        let Some(top) = curve.top() else { continue };
        let show = |value: f64| Quantity(value * 1000.0, unit.unwrap_or(Unit::Plain)).to_string();
        let now = values.last().and_then(|(_, value)| *value).map_or_else(|| "unknown".to_owned(), show);
        let what = role.as_ref().map_or_else(|| "demand over all pods".to_owned(), |role| role.to_lowercase());
        lines.push(format!("{BOLD}{signal}{BOLD:#}, {what}: {now} now, at most {}", show(top)));
        lines.extend(curve.lines());
    }
    lines
}

fn decisions(changes: &[Change], view: &View<'_>) -> Vec<String> {
    let times: Vec<String> = changes.iter().map(|change| clock(change.time, view.now, view.zone)).collect();
    let width = times.iter().map(String::len).max().unwrap_or_default();
    let mut lines = Vec::new();
    for (time, change) in times.iter().zip(changes) {
        let style = colour(&change.verdict);
        let label = format!("{time:<width$}  {:>4} → {:<4}  {style}{:<9}{style:#}  ", change.from, change.to, change.verdict);
        let indent = width + 26;
        for (index, words) in wrap(why(&change.message), view.width.saturating_sub(indent).max(20)).iter().enumerate() {
            let label = if index == 0 { label.clone() } else { " ".repeat(indent) };
            lines.push(format!("{label}{words}"));
        }
    }
    lines
}

/// The reason without the sizes, which stand in the line already.
fn why(message: &str) -> &str {
    let starts = ["New size: ", "Recommended size: ", "held at ", "stays at ", "size unknown, kept at "];
    let Some(rest) = starts.iter().find_map(|start| message.strip_prefix(start)) else { return message };
    rest.split_once(": ").map_or(message, |(_, why)| why)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;
    use crate::report::{EstimateRecord, SignalRecord};

    fn at(second: i64) -> Timestamp {
        "2026-07-01T12:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second)
    }

    fn record() -> Record {
        let estimate = Some(EstimateRecord { unit: Unit::Cores, raw: 0.3, level: 0.3, noise: 0.0, demand: 0.3 });
        let event = |second, from, to| ScaleRecord { time: at(second), from, to, message: format!("New size: {to} (was {from}): because") };
        let decision = DecisionRecord {
            time: at(60),
            from: 6,
            to: 6,
            wanted: Some(2),
            verdict: "Held".into(),
            reason: "Stabilized".into(),
            message: "held at 6: wants 2".into(),
            held_by: Some("Stabilized".into()),
            until: None,
            then: None,
            reasons: Vec::new(),
            clamps: Vec::new(),
        };
        Record {
            namespace: "shop".into(),
            name: "web".into(),
            target: "Deployment/web".into(),
            mode: "Enforce".into(),
            min_replicas: 1,
            max_replicas: 10,
            current_replicas: Some(6),
            desired_replicas: Some(6),
            decision: Some(decision),
            signals: vec![SignalRecord { name: "cpu".into(), estimate, ..SignalRecord::default() }],
            scale_events: vec![event(30, 4, 6), event(0, 3, 4)],
            ..Record::default()
        }
    }

    fn with_history(mut record: Record) -> Record {
        let point = |second, replicas: u32, wanted: u32, demand: Option<f32>| json!({ "time": at(second), "replicas": replicas, "wanted": wanted, "demand": [demand] });
        let change = |second, from: u32, to: u32, verdict: &str, message: &str| json!({ "time": at(second), "from": from, "to": to, "verdict": verdict, "message": message });
        let history = json!({
            "changes": [
                change(0, 4, 4, "Steady", "stays at 4: cpu 50%, target 50%"),
                change(30, 4, 6, "ScaleUp", "New size: 6 (was 4): cpu 75% of request, target 50%: needs 6"),
                change(60, 6, 6, "Held", "held at 6: wants 2; highest proposal of the last 20s was 6"),
            ],
            "signals": ["cpu"],
            "points": [point(0, 4, 4, Some(0.2)), point(30, 4, 6, Some(0.3)), point(31, 6, 6, None), point(60, 6, 2, Some(0.1))],
            "end": at(60),
        });
        record.history = Some(serde_json::from_value(history).unwrap());
        record
    }

    fn page(record: &Record, limit: usize) -> String {
        let view = View { now: at(60), zone: &TimeZone::UTC, width: 80, note: None };
        anstream::adapter::strip_str(&history_page(&PolicyHistory::of(record, at(60)), record, &view, limit)).to_string()
    }

    #[test]
    fn the_page_has_plots_of_sizes_and_demand_and_the_decisions() {
        let page = page(&with_history(record()), 20);
        for part in [
            "shop/web → Deployment/web\nHeld at 6 replicas · signals want 2 · min 1, max 10\n",
            "THE LAST 1 MIN   ▒ replicas   ━ wanted by the signals\n",
            "   0 ┴──────────",
            "12:00:00                                                          12:01:00\n",
            "cpu, demand over all pods: 100m now, at most 300m\n     ┤",
            "DECISIONS\n12:00:00     4 → 4     Steady     cpu 50%, target 50%\n",
            "12:00:30     4 → 6     ScaleUp    cpu 75% of request, target 50%: needs 6\n",
            "12:01:00     6 → 6     Held       wants 2; highest proposal of the last 20s was\n",
        ] {
            assert!(page.contains(part), "{part}\n---\n{page}");
        }
    }

    #[test]
    fn the_limit_keeps_the_newest_and_says_so() {
        let page = page(&with_history(record()), 1);
        assert!(page.contains("Held       wants 2") && !page.contains("ScaleUp"), "{page}");
        assert!(page.contains("and 2 before: --limit 3 shows them"), "{page}");
    }

    #[test]
    fn a_status_alone_tells_the_moves_and_the_last_decision() {
        let record = record();
        let past = PolicyHistory::of(&record, at(60));
        assert_eq!((past.source, past.history.changes.len()), ("status", 3));
        assert_eq!(past.history.points.iter().map(|point| point.replicas).collect::<Vec<_>>(), [3, 4, 6]);
        let page = page(&record, 20);
        assert!(page.contains("CHANGES OF THE SIZE") && page.contains("3 → 4     ScaleUp    because"), "{page}");
        assert!(!page.contains("wanted by"), "{page}");
        let json = serde_json::to_value(&past).unwrap();
        assert_eq!((&json["source"], &json["changes"][2]["verdict"]), (&"status".into(), &"Held".into()));
    }

    #[test]
    fn a_policy_without_a_past_says_so() {
        let record = Record { name: "web".into(), ..Record::default() };
        assert!(page(&record, 20).contains("nothing was decided yet"));
    }
}
