//! The record as a terminal page: size, why, what comes next, then the evidence.

use std::time::Duration;

use anstyle::{AnsiColor, Color, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::tz::TimeZone;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use super::next::next;
use super::plot::{Plot, State};
use super::record::{ConditionRecord, DecisionRecord, EstimateRecord, ForecastRecord, Record, SignalRecord};
use super::span::{between, clock, length};
use crate::core::reason::Quantity;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
pub(super) const AREA: Style = AnsiColor::Blue.on_default().bg_color(Some(Color::Ansi(AnsiColor::Blue)));
pub(super) const LINE: Style = AnsiColor::Yellow.on_default().bold();
/// Where the line runs over the area, the area goes on behind it: else a size that is wanted would look smaller by a row.
pub(super) const CROSSING: Style = AnsiColor::BrightYellow.on_default().bg_color(Some(Color::Ansi(AnsiColor::Blue))).bold();

/// Scale events shown; status holds more.
const EVENTS: usize = 5;
/// Without a history the sizes are drawn from the scale events as far back as this.
const EVENTS_SPAN: Duration = Duration::from_hours(6);
/// A decision older than so many intervals says that nobody decides any more.
const LATE: u64 = 4;

/// How to render.
pub struct View<'a> {
    /// The reader's time.
    pub now: Timestamp,
    /// The reader's time zone.
    pub zone: &'a TimeZone,
    /// Columns of the terminal.
    pub width: usize,
    /// Where the record comes from, if that leaves something out.
    pub note: Option<&'a str>,
}

/// The page, with ANSI styles: whoever prints it strips them where they are not wanted.
pub fn page(record: &Record, view: &View<'_>) -> String {
    let mut page = Page { view, text: String::new() };
    page.head(record);
    page.signals(record);
    page.events(record);
    page.plot(record);
    if let Some(note) = view.note {
        page.text.push('\n');
        page.paragraph(&format!("{DIM}"), "", note, &format!("{DIM:#}"));
    }
    page.text
}

struct Page<'a> {
    view: &'a View<'a>,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text += line.trim_end();
        self.text.push('\n');
    }

    /// Words broken at the width, with a label before the first line and as much room before the others.
    fn paragraph(&mut self, start: &str, label: &str, words: &str, end: &str) {
        let indent = label.chars().count();
        for (index, line) in wrap(words, self.view.width.saturating_sub(indent).max(20)).into_iter().enumerate() {
            let label = if index == 0 { format!("{BOLD}{label}{BOLD:#}") } else { " ".repeat(indent) };
            self.line(&format!("{label}{start}{line}{end}"));
        }
    }

    fn labelled(&mut self, label: &str, words: &str) {
        self.paragraph("", &format!("{label:<6}"), words, "");
    }

    fn warn(&mut self, words: &str) {
        let red = AnsiColor::Red.on_default();
        self.paragraph(&format!("{red}"), "!     ", words, &format!("{red:#}"));
    }

    fn head(&mut self, record: &Record) {
        let now = self.view.now;
        let clock_now = self.view.now.to_zoned(self.view.zone.clone()).strftime("%H:%M:%S %Z").to_string();
        let title = format!("{}/{} → {}", record.namespace, record.name, record.target);
        let gap = self.view.width.saturating_sub(title.chars().count() + clock_now.len()).max(2);
        self.line(&format!("{BOLD}{title}{BOLD:#}{}{DIM}{clock_now}{DIM:#}", " ".repeat(gap)));

        let decision = record.decision.as_ref();
        let style = decision.map_or(BOLD, |decision| colour(&decision.verdict));
        let size = [vec![format!("{style}{}{style:#}", size(record))], aside(record)].concat().join(" · ");
        let age = decision.map(|decision| format!("  {DIM}(decided {} ago){DIM:#}", length(between(decision.time, now))));
        self.line(&format!("{BOLD}{:<6}{BOLD:#}{size}{}", "Size", age.unwrap_or_default()));
        if let Some(decision) = decision {
            self.labelled("Why", &decision.message);
        }
        self.labelled("Next", &next(record, |time| self.when(time)));
        if let Some(presets) = &record.presets {
            self.labelled("Auto", presets);
        }
        if let Some(decision) = decision.filter(|decision| !decision.clamps.is_empty()) {
            let steps = decision.clamps.iter().map(|clamp| format!(" → {} {}", stage(&clamp.reason.code), clamp.after));
            let start = decision.clamps.first().map_or(0, |clamp| clamp.before);
            let steps = format!("signals {start}{}", steps.collect::<String>());
            self.paragraph(&format!("{DIM}"), "Steps ", &steps, &format!("{DIM:#}"));
        }
        self.warnings(record);
    }

    fn warnings(&mut self, record: &Record) {
        for fault in &record.faults {
            self.warn(&format!("the spec cannot be used: {fault}"));
        }
        let message = record.decision.as_ref().map(|decision| decision.message.as_str()).unwrap_or_default();
        // What the decision says already need not be said twice.
        let unknown = record.decision.as_ref().is_some_and(|decision| decision.verdict == "Unknown");
        let said = |kind: &str, text: &str| text == message || (kind == "ScalingActive" && unknown);
        let news = |problem: &&ConditionRecord| !said(&problem.kind, &problem.message) && problem.reason != "ScalingDisabled";
        for problem in record.problems.iter().filter(news) {
            self.warn(&format!("{}: {}", problem.reason, problem.message));
        }
        if let Some(pause) = record.pause.as_ref().filter(|pause| pause.until.is_none_or(|until| until > self.view.now)) {
            let held = record.decision.as_ref().is_some_and(|decision| decision.held_by.as_deref() == Some("Paused"));
            if !held {
                let until = pause.until.map_or_else(|| "until it is removed".to_owned(), |until| format!("until {}", self.clock(until)));
                self.warn(&format!("a pause ({}) is in force {until}; it holds nothing back now", pause.direction));
            }
        }
        let end = record.history.as_ref().and_then(|history| history.end);
        if let (Some(end), Some(interval)) = (end, record.interval_seconds)
            && between(end, self.view.now).as_secs() > interval * LATE
        {
            self.warn(&format!("the last decision is {} old although one is due every {interval} s", length(between(end, self.view.now))));
        }
    }

    fn signals(&mut self, record: &Record) {
        if record.signals.is_empty() {
            return;
        }
        let estimated = record.signals.iter().any(|signal| signal.estimate.is_some());
        let ranged = record.signals.iter().any(|signal| signal.grows_above.is_some() || signal.shrinks_below.is_some());
        let mut head = vec!["SIGNAL", "VALUE", "TARGET", "AGE", "WANTS"];
        head.extend(ranged.then_some("STEADY AT"));
        head.extend(estimated.then_some("IN ALL"));
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(self.view.width).unwrap_or(u16::MAX));
        table.set_header(head);
        for signal in &record.signals {
            let mut cells = vec![
                named(signal),
                signal.value.clone().unwrap_or_else(|| "unknown".to_owned()),
                target(signal),
                signal.age_seconds.map_or_else(|| "-".to_owned(), |age| length(Duration::from_secs_f64(age.clamp(0.0, 1e9)))),
                wants(signal),
            ];
            if ranged {
                cells.push(range(signal));
            }
            if estimated {
                cells.push(signal.estimate.as_ref().map_or_else(|| "-".to_owned(), demand));
            }
            table.add_row(cells);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for index in [1, 2, 3, 4] {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.text.push('\n');
        let lines: Vec<String> = table.lines().collect();
        // Cells that were broken in two take more lines; then none can be told by its number.
        let whole = lines.len() == record.signals.len() + 1;
        for (index, line) in lines.iter().enumerate() {
            let style = match index.checked_sub(1).and_then(|index| record.signals.get(index)) {
                None => BOLD,
                Some(signal) if whole => emphasis(signal, record.decision.as_ref()),
                Some(_) => Style::new(),
            };
            self.line(&format!("{style}{}{style:#}", line.trim_end()));
        }
        for signal in &record.signals {
            if let Some(forecast) = &signal.forecast {
                let foretold = self.foretold(forecast);
                self.paragraph("", "", &format!("{} forecast {}{foretold}", signal.name, forecast.message), "");
            }
        }
        for signal in &record.signals {
            if let Some(origin) = &signal.origin {
                let what = if origin.from == "Pods" { String::new() } else { "asked the source in place of the pods; ".to_owned() };
                self.paragraph("", "", &format!("{}: {what}{}", signal.name, origin.message), "");
            }
        }
        let why = record.decision.as_ref().map(|decision| decision.message.clone()).unwrap_or_default();
        for signal in &record.signals {
            if let Some(failure) = signal.failure.as_ref().filter(|failure| !why.contains(failure.as_str())) {
                self.warn(&format!("{}: {failure}", signal.name));
            }
        }
    }

    /// What a forecast asks for, by what, and its errors.
    fn foretold(&self, forecast: &ForecastRecord) -> String {
        let ahead = forecast.demand.zip(forecast.unit).zip(forecast.time).map(|((demand, unit), time)| {
            let asks = forecast.replicas.map(|replicas| format!(" asks for {replicas}")).unwrap_or_default();
            let source = forecast.learned_from.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
            format!("; {} at {}{asks}{source}", Quantity(demand * 1000.0, unit), self.clock(time))
        });
        let errors = forecast.error_percent.zip(forecast.error_without_percent);
        let errors = errors.map(|(with, without)| format!("; error {with:.1}% against {without:.1}% without"));
        format!("{}{}", ahead.unwrap_or_default(), errors.unwrap_or_default())
    }

    fn events(&mut self, record: &Record) {
        if record.scale_events.is_empty() {
            return;
        }
        self.line(&format!("\n{BOLD}LAST CHANGES OF THE SIZE{BOLD:#}"));
        for event in record.scale_events.iter().take(EVENTS) {
            let ago = format!("{} ago", length(between(event.time, self.view.now)));
            // The sizes stand in the line already.
            let why = event.message.split_once("): ").map_or(event.message.as_str(), |(_, why)| why);
            let label = format!("{}  {:>4} → {:<4} {ago:<14}  ", self.clock(event.time), event.from, event.to);
            let indent = label.chars().count();
            for (index, line) in wrap(why, self.view.width.saturating_sub(indent).max(20)).into_iter().enumerate() {
                let label = if index == 0 { label.clone() } else { " ".repeat(indent) };
                self.line(&format!("{label}{line}"));
            }
        }
    }

    fn plot(&mut self, record: &Record) {
        let (states, end, signals) = match &record.history {
            Some(history) => {
                let states = history.points.iter().map(|p| State { time: p.time, replicas: p.replicas, wanted: p.wanted });
                (states.collect(), history.end.unwrap_or(self.view.now), true)
            }
            None => (from_events(record, self.view.now, EVENTS_SPAN), self.view.now, false),
        };
        let plot = Plot { states: &states, end, width: self.view.width, zone: self.view.zone, area: AREA, line: LINE, crossing: CROSSING };
        let lines = plot.lines();
        let Some(first) = states.first().filter(|_| !lines.is_empty()) else { return };
        let wanted = if signals { format!("   {LINE}━{LINE:#} wanted by the signals") } else { String::new() };
        let span = length(between(first.time, end));
        self.line(&format!("\n{BOLD}THE LAST {}{BOLD:#}   {AREA}▒{AREA:#} replicas{wanted}", span.to_uppercase()));
        for line in lines {
            self.line(&line);
        }
    }

    fn clock(&self, time: Timestamp) -> String {
        clock(time, self.view.now, self.view.zone)
    }

    fn when(&self, time: Timestamp) -> String {
        if time <= self.view.now {
            return "with the next look".to_owned();
        }
        let second = time.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).unwrap_or(time);
        format!("at {} (in {})", self.clock(second), length(between(self.view.now, time)))
    }
}

/// The verdict and the size.
pub(super) fn size(record: &Record) -> String {
    let now = record.current_replicas.map_or_else(|| "?".to_owned(), |size| size.to_string());
    let Some(decision) = &record.decision else { return format!("{now} replicas") };
    let (verdict, to) = (&decision.verdict, decision.to);
    match verdict.as_str() {
        "ScaleUp" | "ScaleDown" if record.mode == "Recommend" => format!("{verdict} to {to} recommended, {now} replicas now"),
        "ScaleUp" | "ScaleDown" => format!("{verdict} {} → {to} replicas", decision.from),
        "Unknown" => format!("{verdict}, kept at {now} replicas"),
        _ => format!("{verdict} at {now} replicas"),
    }
}

/// What the signals ask for, where that is something else, and the bounds.
pub(super) fn aside(record: &Record) -> Vec<String> {
    let wanted = record.decision.as_ref().and_then(|decision| decision.wanted.filter(|wanted| *wanted != decision.to));
    let mut parts: Vec<String> = wanted.map(|wanted| format!("signals want {wanted}")).into_iter().collect();
    parts.push(format!("min {}, max {}", record.min_replicas, record.max_replicas));
    if record.mode != "Enforce" {
        parts.push(format!("mode {}", record.mode));
    }
    parts
}

/// A signal that failed stands out, and the one that asks for a move, in the colour of the verdict.
fn emphasis(signal: &SignalRecord, decision: Option<&DecisionRecord>) -> Style {
    let asks = |decision: &&DecisionRecord| {
        matches!(decision.verdict.as_str(), "Held" | "ScaleUp" | "ScaleDown")
            && signal.proposal.is_some_and(|size| decision.wanted == Some(size))
    };
    match decision.filter(asks) {
        _ if signal.failure.is_some() => AnsiColor::Red.on_default(),
        Some(decision) => colour(&decision.verdict),
        None => Style::new(),
    }
}

/// Sizes as the scale events tell them; the oldest event also tells the size before it.
pub(super) fn from_events(record: &Record, now: Timestamp, span: Duration) -> Vec<State> {
    let recent: Vec<_> = record.scale_events.iter().filter(|event| between(event.time, now) <= span).collect();
    let Some(oldest) = recent.last() else { return Vec::new() };
    // A little of the time before the first change, so that it is seen as one.
    let before = oldest.time - jiff::SignedDuration::try_from(between(oldest.time, now) / 20).unwrap_or_default();
    let first = State { time: before, replicas: oldest.from, wanted: None };
    let events = recent.iter().rev().map(|event| State { time: event.time, replicas: event.to, wanted: None });
    std::iter::once(first).chain(events).collect()
}

fn show(count: Option<u32>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

fn named(signal: &SignalRecord) -> String {
    signal.role.as_ref().map_or_else(|| signal.name.clone(), |role| format!("{} ({})", signal.name, role.to_lowercase()))
}

/// Replicas, or what a guard or brake does.
fn wants(signal: &SignalRecord) -> String {
    match (signal.role.as_deref(), signal.holds) {
        (Some("Guard"), Some(true)) => "no scale-in".to_owned(),
        (Some("Brake"), Some(true)) => "no growth".to_owned(),
        (Some(_), Some(false)) => "holds nothing".to_owned(),
        _ => show(signal.proposal),
    }
}

fn target(signal: &SignalRecord) -> String {
    match signal.kind.as_str() {
        "Capacity" => format!("{} max", signal.target),
        _ => signal.target.clone(),
    }
}

/// Values at which the signal keeps the present size.
fn range(signal: &SignalRecord) -> String {
    match (&signal.shrinks_below, &signal.grows_above) {
        (Some(below), Some(above)) => format!("{below}..{above}"),
        (None, Some(above)) => format!("≤ {above}"),
        (Some(below), None) => format!("≥ {below}"),
        (None, None) => "-".to_owned(),
    }
}

/// Measured, and what the filter made of it where that differs.
fn demand(estimate: &EstimateRecord) -> String {
    let quantity = |value: f64| Quantity(value * 1000.0, estimate.unit).to_string();
    let (raw, used) = (quantity(estimate.raw), quantity(estimate.demand));
    if raw == used { raw } else { format!("{raw} → {used}") }
}

/// The stage that a reason's code belongs to, in the policy's words.
pub(super) fn stage(code: &str) -> &str {
    match code {
        "Stabilized" => "window",
        "Collapsed" => "collapse guard",
        "RateLimited" => "rate",
        "DirectionDisabled" => "disabled",
        "BoundedByMinimum" | "BelowMinimum" => "minReplicas",
        "BoundedByMaximum" | "AboveMaximum" => "maxReplicas",
        "PodsNotStarting" => "pods",
        "Guarded" | "GuardedLately" => "guard",
        "Braked" => "brake",
        "Contested" => "other writer",
        "Paused" => "pause",
        other => other,
    }
}

pub(super) fn colour(verdict: &str) -> Style {
    match verdict {
        "Steady" => AnsiColor::Green.on_default().bold(),
        "ScaleUp" | "ScaleDown" => AnsiColor::Cyan.on_default().bold(),
        "Held" => AnsiColor::Yellow.on_default().bold(),
        "Unknown" => AnsiColor::Red.on_default().bold(),
        _ => BOLD,
    }
}

/// Words in lines of at most `width` characters; a longer word stands alone.
pub(super) fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
