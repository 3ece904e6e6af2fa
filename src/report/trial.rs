//! A trial as a terminal page: the scores side by side, then the decisions.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::Style;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;

use super::span::length;
use crate::sim::{Figures, Told, Trial};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// How to render.
#[derive(Clone, Copy, Debug)]
pub struct TrialView<'a> {
    /// Columns of the terminal.
    pub width: usize,
    /// Moves shown at most; `usize::MAX`: all decisions.
    pub decisions: usize,
    /// What was made of the load.
    pub note: &'a str,
}

/// Name, meaning and value of a figure.
type Row = (&'static str, &'static str, fn(&Figures) -> String);

/// The figures in the order in which they are read, with what they mean.
const FIGURES: [Row; 15] = [
    ("violation_seconds", "more to do than ready pods can", |f| f.violation_seconds.to_string()),
    ("violation_percent", "share of the time", |f| decimals(f.violation_percent)),
    ("tight_percent", "above 90 % of what they can", |f| decimals(f.tight_percent)),
    ("lost_percent", "load never borne", |f| decimals(f.lost_percent)),
    ("pod_hours", "pods paid for", |f| decimals(f.pod_hours)),
    ("cost", "against the clairvoyant's 1", |f| decimals(f.cost)),
    ("actions", "changes of the size", |f| f.actions.to_string()),
    ("actions_per_hour", "", |f| decimals(f.actions_per_hour)),
    ("reversals", "turns up to down or back", |f| f.reversals.to_string()),
    ("under_percent", "pods short, on average", |f| decimals(f.under_percent)),
    ("over_percent", "pods spare, on average", |f| decimals(f.over_percent)),
    ("under_time_percent", "time with pods short", |f| decimals(f.under_time_percent)),
    ("over_time_percent", "time with pods to spare", |f| decimals(f.over_time_percent)),
    ("jitter_per_hour", "changes beyond demand's own", |f| decimals(f.jitter_per_hour)),
    ("instability_percent", "time moving against demand", |f| decimals(f.instability_percent)),
];

/// The page, with ANSI styles: whoever prints it strips them where they are not wanted.
pub fn trial_page(trial: &Trial, view: &TrialView<'_>) -> String {
    let mut text = head(trial, view);
    text.push('\n');
    push(&mut text, &scores(trial, view));
    let Some(subject) = trial.contenders.first() else { return text };
    if view.decisions == 0 || subject.decisions.is_empty() {
        return text;
    }
    let all = view.decisions == usize::MAX;
    // Unless everything is wanted, moves say most.
    let shown: Vec<&Told> = subject.decisions.iter().filter(|told| all || told.from != told.to).take(view.decisions).collect();
    let _ = writeln!(text, "\n{BOLD}DECISIONS OF {}{BOLD:#}", subject.name);
    if !shown.is_empty() {
        push(&mut text, &decisions(trial, &shown, view));
    }
    let left = subject.decisions.len() - shown.len();
    if left > 0 {
        let _ = writeln!(text, "{DIM}and {left} more: --decisions all{DIM:#}");
    }
    text
}

fn head(trial: &Trial, view: &TrialView<'_>) -> String {
    let subject = trial.contenders.first().map_or("nobody", |outcome| outcome.name.as_str());
    let (low, high) = trial.load.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), load| (low.min(*load), high.max(*load)));
    let seconds = trial.load.len() as u64 * trial.slot_seconds;
    let start = trial.start.and_then(|start| Timestamp::from_second(start).ok()).map(|start| format!(" from {start}")).unwrap_or_default();
    format!(
        "{BOLD}{subject} under {}{BOLD:#}{start}: {}, {} to {} pods at 100 %, the first {} not scored\n{DIM}{}{DIM:#}\n",
        trial.load_name,
        length(Duration::from_secs(seconds)),
        decimals(if low.is_finite() { low } else { 0.0 }),
        decimals(high),
        length(Duration::from_secs(trial.warm_up_seconds)),
        view.note
    )
}

fn scores(trial: &Trial, view: &TrialView<'_>) -> Table {
    let mut table = plain(view);
    let mut head = vec!["FIGURE".to_owned()];
    head.extend(trial.contenders.iter().map(|outcome| outcome.name.clone()));
    head.push(String::new());
    table.set_header(head);
    for (name, meaning, value) in FIGURES {
        let mut cells = vec![name.to_owned()];
        cells.extend(trial.contenders.iter().map(|outcome| value(&outcome.score)));
        cells.push(meaning.to_owned());
        table.add_row(cells);
    }
    for index in 1..=trial.contenders.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn decisions(trial: &Trial, list: &[&Told], view: &TrialView<'_>) -> Table {
    let mut table = plain(view);
    table.set_header(vec!["AT", "VERDICT", "WHY"]);
    for told in list {
        // The reason begins with the sizes.
        let verdict = told.verdict.map_or("", |verdict| verdict.word());
        let why = if told.reason.is_empty() { format!("{} to {}", told.from, told.to) } else { told.reason.clone() };
        table.add_row(vec![at(trial.start, told.second), verdict.to_owned(), why]);
    }
    table
}

fn plain(view: &TrialView<'_>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(view.width).unwrap_or(u16::MAX));
    table
}

fn push(text: &mut String, table: &Table) {
    for (index, line) in table.lines().enumerate() {
        // Cells have a blank in front.
        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned();
        let _ = if index == 0 { writeln!(text, "{BOLD}{line}{BOLD:#}") } else { writeln!(text, "{line}") };
    }
}

/// Time of day where that is known, else time since the start: `1d 02:03:15`.
fn at(start: Option<i64>, second: u64) -> String {
    let time = start.and_then(|start| Timestamp::from_second(start.checked_add_unsigned(second)?).ok());
    if let Some(time) = time {
        return time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    }
    let (days, rest) = (second / 86_400, second % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days > 0 { format!("{days}d {clock}") } else { clock }
}

/// Two places for what is small, one for what is not.
fn decimals(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}
