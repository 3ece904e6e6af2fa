//! The figures as tables.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};

use crate::options::{Contender, Signal};
use crate::results::{Row, Spread};

impl Contender {
    /// Its name in tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Hpa => "stock HPA",
            Self::HpaTuned => "stock HPA, tuned",
            Self::Ballast => "Ballast",
            Self::Ballast5s => "Ballast, 5 s",
            Self::Keda => "KEDA",
        }
    }
}

impl Signal {
    /// Its name in tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Prometheus => "Prometheus",
        }
    }
}

pub fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(head.iter().copied());
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A time, if there is one.
pub fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

/// Answers to load steps, a line each.
pub fn steps(rows: &[&Row]) -> Table {
    let head = [
        "contender",
        "targets",
        "phase s",
        "answered",
        "first write: median / p99 / last s",
        "size reached: median / p99 / last s",
        "size writes",
        "requests",
        "CPU cores",
        "API server cores",
        "late: mean / p99 s",
    ];
    let line = |row: &Row| {
        let spread = |Spread { median, p99, last }: Spread| [median, p99, last].map(seconds).join(" / ");
        let line = |step: &crate::results::Step| {
            vec![
                row.contender.title().to_owned(),
                row.targets.to_string(),
                format!("{:.1}", step.phase),
                step.answered.to_string(),
                spread(step.first),
                spread(step.done),
                step.writes.to_string(),
                step.requests.to_string(),
                format!("{:.2}", step.contender.cores),
                format!("{:.2}", step.api_server_cores),
                lateness(&step.own),
            ]
        };
        row.steps.iter().map(line).collect::<Vec<_>>()
    };
    table(&head, rows.iter().flat_map(|row| line(row)))
}

/// How late decisions were, by the contender's own account.
fn lateness(own: &BTreeMap<String, f64>) -> String {
    let Some((mean, p99)) = own.get("lateness_mean").zip(own.get("lateness_p99_at_most")) else { return String::new() };
    format!("{mean:.2} / ≤ {p99}")
}

/// Steady states.
pub fn steady(rows: &[&Row]) -> Table {
    let head = [
        "contender",
        "targets",
        "settled s",
        "requests/s",
        "writes/s",
        "leases/s",
        "CPU cores",
        "RSS MiB",
        "peak MiB",
        "API server cores",
        "quiet",
        "etcd",
        "metrics",
        "queries per interval",
        "late: mean / p99 s",
    ];
    let line = |row: &&Row| {
        let steady = &row.steady;
        let numbers = [steady.requests, steady.writes, steady.leases].map(|value| format!("{value:.2}"));
        let cores = |value: f64| format!("{value:.3}");
        let memory = [steady.contender.rss_mib, steady.contender.peak_mib].map(|mib| format!("{mib:.0}"));
        let server = [steady.api_server.cores, steady.api_server_quiet_cores, steady.etcd_cores, steady.metrics_cores].map(cores);
        let settled = steady.settled_after.map_or_else(|| "not".to_owned(), |seconds| format!("{seconds:.0}"));
        [row.contender.title().to_owned(), row.targets.to_string(), settled]
            .into_iter()
            .chain(numbers)
            .chain([cores(steady.contender.cores)])
            .chain(memory)
            .chain(server)
            .chain([steady.queries.map_or_else(String::new, |count| format!("{count:.1}")), lateness(&steady.own)])
            .collect()
    };
    table(&head, rows.iter().map(line))
}
