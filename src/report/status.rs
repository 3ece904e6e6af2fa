//! Policies as lines of a table: what `ballast status` shows.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::columns::{Cell, Columns};
use super::page::{colour, stage};
use super::record::{DecisionRecord, PauseRecord, Record, SignalRecord};
use super::span::{between, clock, length};

const HEADER: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();
const HELD: Style = AnsiColor::Yellow.on_default();

/// A policy as a line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What its status tells.
    pub record: Record,
    /// Current value and target of each metric as one text.
    pub metrics: String,
    /// When the policy was made.
    pub created: Option<Timestamp>,
    /// It does not exist any more.
    pub deleted: bool,
}

/// The reader.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// Their time.
    pub now: Timestamp,
    /// Their time zone.
    pub zone: &'a TimeZone,
    /// Characters per line.
    pub width: usize,
}

/// What the table shows.
#[derive(Clone, Debug, Default)]
pub struct StatusTable {
    namespaces: bool,
    wide: bool,
    columns: Columns,
}

// === impl StatusTable ===

impl StatusTable {
    /// A table with or without namespaces; `wide` adds mode, last change of the size and the whole reason.
    pub fn new(namespaces: bool, wide: bool) -> Self {
        Self { namespaces, wide, columns: Columns::default() }
    }

    /// The head and these lines.
    pub fn page(&mut self, lines: &[Line], reader: &Reader<'_>) -> String {
        let rows: Vec<Vec<Cell>> = std::iter::once(self.head()).chain(lines.iter().map(|line| self.cells(line, reader))).collect();
        for row in &rows {
            self.columns.fit(row);
        }
        rows.iter().map(|row| self.columns.line(row, reader.width) + "\n").collect()
    }

    /// One more line under those before.
    pub fn line(&mut self, line: &Line, reader: &Reader<'_>) -> String {
        let cells = self.cells(line, reader);
        self.columns.fit(&cells);
        self.columns.line(&cells, reader.width) + "\n"
    }

    fn head(&self) -> Vec<Cell> {
        let mut names = Vec::new();
        names.extend(self.namespaces.then_some("NAMESPACE"));
        names.extend(["NAME", "TARGET", "METRICS", "MIN", "MAX", "REPLICAS", "DESIRED", "VERDICT", "WHY", "AGE"]);
        if self.wide {
            names.extend(["MODE", "LAST CHANGE", "REASON"]);
        }
        names.into_iter().map(|name| Cell::styled(name.to_owned(), HEADER)).collect()
    }

    fn cells(&self, line: &Line, reader: &Reader<'_>) -> Vec<Cell> {
        let Line { record, metrics, created, .. } = line;
        let mut cells = Vec::new();
        cells.extend(self.namespaces.then(|| Cell::new(&record.namespace)));
        let text = |text: &str| Cell::new(if text.is_empty() { "-" } else { text });
        let count = |count: Option<u32>| Cell::new(count.map_or_else(|| "-".to_owned(), |count| count.to_string()));
        cells.extend([Cell::new(&record.name), text(&record.target), text(metrics)]);
        cells.extend([record.min_replicas, record.max_replicas].map(|size| count(Some(size))));
        cells.extend([record.current_replicas, record.desired_replicas].map(count));
        cells.push(verdict(line));
        cells.push(why(line, reader));
        cells.push(Cell::new(created.map_or_else(|| "-".to_owned(), |created| age(between(created, reader.now)))));
        if self.wide {
            let last = record.scale_events.first();
            let last = last.map(|event| format!("{} → {}, {} ago", event.from, event.to, length(between(event.time, reader.now))));
            let reason = record.decision.as_ref().map(|decision| decision.message.clone());
            cells.extend([text(&record.mode), text(&last.unwrap_or_default()), text(&reason.unwrap_or_default())]);
        }
        cells
    }
}

fn verdict(line: &Line) -> Cell {
    match &line.record.decision {
        _ if line.deleted => Cell::new("Deleted"),
        _ if !line.record.faults.is_empty() => Cell::styled("Invalid".to_owned(), BAD),
        Some(decision) => Cell::styled(decision.verdict.clone(), colour(&decision.verdict)),
        None => Cell::new("-"),
    }
}

/// What keeps the size, and until when; what is wrong; or the move that was made.
fn why(line: &Line, reader: &Reader<'_>) -> Cell {
    let record = &line.record;
    let problem = |kind: &str| record.problems.iter().find(|problem| problem.kind == kind).map(|problem| problem.reason.clone());
    if line.deleted {
        return Cell::new("-");
    }
    if let Some(fault) = record.faults.first() {
        return Cell::styled(fault.clone(), BAD);
    }
    if let Some(reason) = problem("AbleToScale") {
        return Cell::styled(reason, BAD);
    }
    let Some(decision) = &record.decision else {
        return problem("ScalingActive").map_or_else(|| Cell::new("not decided yet"), |reason| Cell::styled(reason, BAD));
    };
    if record.edited {
        return Cell::new("edited, not decided yet");
    }
    let pause = record.pause.as_ref().filter(|pause| pause.until.is_none_or(|until| until > reader.now));
    match decision.verdict.as_str() {
        "Unknown" => Cell::styled(problem("ScalingActive").unwrap_or_else(|| decision.reason.clone()), BAD),
        "Held" => Cell::styled(held(decision, pause, reader), HELD),
        _ if problem("ReplicasContested").is_some() => Cell::styled("other writer".to_owned(), BAD),
        "ScaleUp" | "ScaleDown" if record.mode == "Recommend" => Cell::new("recommended"),
        "ScaleUp" | "ScaleDown" => {
            Cell::new(format!("{} → {}, {} ago", decision.from, decision.to, length(between(decision.time, reader.now))))
        }
        _ => match (pause, unknown(record)) {
            (Some(pause), _) => Cell::new(paused(pause, reader)),
            (None, Some(signal)) => Cell::styled(format!("{signal} unknown"), BAD),
            (None, None) => Cell::new("-"),
        },
    }
}

/// A signal without a value where others have one: the size is right by those, but it is not all there is to know.
fn unknown(record: &Record) -> Option<&str> {
    let known = record.signals.iter().any(|signal| signal.value.is_some());
    let unknown = |signal: &&SignalRecord| signal.value.is_none() && signal.proposal.is_none();
    record.signals.iter().find(unknown).filter(|_| known).map(|signal| signal.name.as_str())
}

fn held(decision: &DecisionRecord, pause: Option<&PauseRecord>, reader: &Reader<'_>) -> String {
    let by = decision.held_by.as_deref().unwrap_or("held");
    if let ("Paused", Some(pause)) = (by, pause) {
        return paused(pause, reader);
    }
    match decision.until.filter(|until| *until > reader.now) {
        Some(until) => format!("{}, {} left", stage(by), length(between(reader.now, until))),
        None => stage(by).to_owned(),
    }
}

fn paused(pause: &PauseRecord, reader: &Reader<'_>) -> String {
    let direction = match pause.direction.as_str() {
        "All" => String::new(),
        one => format!(" ({one})"),
    };
    let until = pause.until.map(|until| format!(" until {}", clock(until, reader.now, reader.zone)));
    format!("pause{direction}{}", until.unwrap_or_default())
}

/// Age as kubectl shows it: one unit, of which there are at least two.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.iter().find(|(size, _)| seconds >= 2 * size);
    unit.map_or_else(|| format!("{seconds}s"), |(size, name)| format!("{}{name}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ScaleRecord;

    fn now() -> Timestamp {
        "2026-07-01T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + jiff::SignedDuration::from_secs(seconds)
    }

    fn decision(verdict: &str, to: u32) -> DecisionRecord {
        DecisionRecord {
            time: after(-12),
            from: 4,
            to,
            wanted: Some(to),
            verdict: verdict.into(),
            reason: "x".into(),
            message: format!("{verdict}: because"),
            held_by: None,
            until: None,
            then: None,
            reasons: Vec::new(),
            clamps: Vec::new(),
        }
    }

    fn line(name: &str, decision: Option<DecisionRecord>) -> Line {
        let record = Record {
            namespace: "shop".into(),
            name: name.into(),
            target: format!("Deployment/{name}"),
            mode: "Enforce".into(),
            min_replicas: 2,
            max_replicas: 12,
            current_replicas: Some(4),
            desired_replicas: decision.as_ref().map(|decision| decision.to),
            decision,
            ..Record::default()
        };
        Line { record, metrics: "cpu: 45%/70%".into(), created: Some(after(-7300)), deleted: false }
    }

    fn reader(zone: &TimeZone) -> Reader<'_> {
        Reader { now: now(), zone, width: 200 }
    }

    fn plain(styled: &str) -> String {
        anstream::adapter::strip_str(styled).to_string()
    }

    #[test]
    fn the_table_says_what_holds_and_what_failed() {
        let mut window = line("web", Some(DecisionRecord { held_by: Some("Stabilized".into()), ..decision("Held", 4) }));
        window.record.decision.as_mut().unwrap().until = Some(after(57));
        let mut paused = line("api", Some(DecisionRecord { held_by: Some("Paused".into()), ..decision("Held", 4) }));
        paused.record.pause = Some(PauseRecord { direction: "Down".into(), until: Some(after(3600)), reason: None, by: None });
        let mut unknown = line("queue", Some(decision("Unknown", 4)));
        let failed = serde_json::json!({ "type": "ScalingActive", "reason": "FailedGetResourceMetric", "message": "m" });
        unknown.record.problems = vec![serde_json::from_value(failed).unwrap()];
        let mut fault = line("bad", None);
        fault.record.faults = vec!["spec.maxReplicas: 0: must be at least 1".into()];
        let lines = [window, paused, unknown, line("up", Some(decision("ScaleUp", 6))), line("new", None), fault];
        let page = StatusTable::new(true, false).page(&lines, &reader(&TimeZone::UTC));
        let expected = "\
NAMESPACE   NAME    TARGET             METRICS        MIN   MAX   REPLICAS   DESIRED   VERDICT   WHY                                       AGE
shop        web     Deployment/web     cpu: 45%/70%   2     12    4          4         Held      window, 57 s left                         2h
shop        api     Deployment/api     cpu: 45%/70%   2     12    4          4         Held      pause (Down) until 13:00:00               2h
shop        queue   Deployment/queue   cpu: 45%/70%   2     12    4          4         Unknown   FailedGetResourceMetric                   2h
shop        up      Deployment/up      cpu: 45%/70%   2     12    4          6         ScaleUp   4 → 6, 12 s ago                           2h
shop        new     Deployment/new     cpu: 45%/70%   2     12    4          -         -         not decided yet                           2h
shop        bad     Deployment/bad     cpu: 45%/70%   2     12    4          -         Invalid   spec.maxReplicas: 0: must be at least 1   2h
";
        assert_eq!(plain(&page), expected);
        // The verdict has a colour, and what failed has one.
        assert!(
            page.contains("\u{1b}[33mwindow, 57 s left\u{1b}[0m") && page.contains("\u{1b}[31mFailedGetResourceMetric\u{1b}[0m"),
            "{page}"
        );
    }

    #[test]
    fn wide_adds_mode_last_change_and_reason() {
        let mut web = line("web", Some(decision("Steady", 4)));
        web.record.scale_events = vec![ScaleRecord { time: after(-300), from: 3, to: 4, message: "m".into() }];
        let page = plain(&StatusTable::new(false, true).page(&[web], &reader(&TimeZone::UTC)));
        assert!(page.lines().next().unwrap().ends_with("AGE   MODE      LAST CHANGE        REASON"), "{page}");
        assert!(page.ends_with("2h    Enforce   3 → 4, 5 min ago   Steady: because\n"), "{page}");
    }

    #[test]
    fn lines_of_a_watch_stand_under_the_first_ones_and_tell_a_deletion() {
        let zone = TimeZone::UTC;
        let mut table = StatusTable::new(false, false);
        let mut web = line("checkout-service", Some(decision("Steady", 4)));
        let page = plain(&table.page(std::slice::from_ref(&web), &reader(&zone)));
        web.record.name = "web".into();
        web.deleted = true;
        let line = plain(&table.line(&web, &reader(&zone)));
        assert_eq!(page.lines().next().unwrap().find("TARGET"), line.find("Deployment"));
        assert!(line.contains("Deleted"), "{line}");
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [(0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (86_400, "24h"), (200_000, "2d")] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_steady_policy_shows_its_pause_and_an_edit_that_nobody_saw() {
        let zone = TimeZone::UTC;
        let mut web = line("web", Some(decision("Steady", 4)));
        assert_eq!(why(&web, &reader(&zone)).text, "-");
        let signal =
            |name: &str, value: Option<&str>| SignalRecord { name: name.into(), value: value.map(Into::into), ..SignalRecord::default() };
        web.record.signals = vec![signal("cpu", Some("45%")), signal("rps", None)];
        assert_eq!(why(&web, &reader(&zone)), Cell::styled("rps unknown".into(), BAD));
        web.record.pause = Some(PauseRecord { direction: "All".into(), until: None, reason: None, by: None });
        assert_eq!(why(&web, &reader(&zone)).text, "pause");
        web.record.edited = true;
        assert_eq!(why(&web, &reader(&zone)).text, "edited, not decided yet");
    }
}
