//! How the sources of numbers fare.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::report::timestamp;
use crate::source::SourceHealth;

/// Rows at most; those that do not answer come first.
const ROWS: usize = 100;
/// What a source met is cut here.
const TEXT: usize = 400;

#[derive(Debug, Serialize)]
pub(super) struct Table<'a> {
    /// Sources there are.
    total: usize,
    /// Those that do not answer.
    down: usize,
    rows: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    name: &'a str,
    /// Absent before the first request.
    up: Option<bool>,
    asks: u64,
    requests: u64,
    failures: u64,
    /// Of all requests.
    mean_seconds: Option<f64>,
    /// Of the last one.
    last_seconds: f64,
    last_success: Option<Timestamp>,
    last_failure: Option<Timestamp>,
    /// What the last failure was.
    met: Option<String>,
}

pub(super) fn table(all: &BTreeMap<String, SourceHealth>) -> Table<'_> {
    let mut rows: Vec<_> = all.iter().map(|(name, health)| row(name, health)).collect();
    // Stable: within a group they stay in the order of names.
    rows.sort_by_key(|row| match row.up {
        Some(false) => 0,
        Some(true) => 1,
        None => 2,
    });
    let down = rows.iter().filter(|row| row.up == Some(false)).count();
    rows.truncate(ROWS);
    Table { total: all.len(), down, rows }
}

fn row<'a>(name: &'a str, health: &SourceHealth) -> Row<'a> {
    let seconds = health.latency_total.as_secs_f64();
    Row {
        name,
        up: health.is_up(),
        asks: health.asks,
        requests: health.requests,
        failures: health.failures(),
        mean_seconds: (health.requests > 0).then(|| seconds / health.requests as f64),
        last_seconds: health.latency_last.as_secs_f64(),
        last_success: health.last_success.map(timestamp),
        last_failure: health.last_failure.as_ref().map(|(time, _)| timestamp(*time)),
        met: health.last_failure.as_ref().map(|(_, message)| message.chars().take(TEXT).collect()),
    }
}
