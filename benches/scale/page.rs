//! The document and its parts.

use std::fmt::Write as _;
use std::path::Path;

use crate::goals;
use crate::options::Signal;
use crate::results::{Report, Row};
use crate::tables;

/// All rows as tables.
pub fn tables(report: &Report) -> String {
    let mut text = String::new();
    for signal in [Signal::Cpu, Signal::Prometheus] {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.signal == signal).collect();
        if rows.is_empty() {
            continue;
        }
        let title = signal.title();
        let _ = write!(text, "## {title}: answers to a load step\n\n{}\n\n", tables::steps(&rows));
        let _ = write!(text, "## {title}: steady state\n\n{}\n\n", tables::steady(&rows));
    }
    text
}

/// docs/scale.md.
pub fn document(report: &Report, plot: Option<&Path>) -> String {
    let mut text = include_str!("preface.md").to_owned();
    let machine = &report.machine;
    let versions: Vec<String> = machine.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let _ = write!(
        text,
        "\nMeasured {} on {} cores ({}), {:.0} GiB, Linux {}; {}. CPU noise {} %. Load average before the run: {}.\n\n",
        report.date,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        versions.join(", "),
        report.noise * 100.0,
        machine.load_before,
    );
    let setup: Vec<String> = report.setup_seconds.iter().map(|(targets, seconds)| format!("{targets} targets: {seconds:.0} s")).collect();
    let total = report.setup_seconds.values().chain(report.rows.iter().map(|row| &row.seconds)).sum::<f64>() / 60.0;
    let _ = write!(text, "Objects made up to {}. The whole run took {total:.0} min.\n\n", setup.join(", "));
    let _ = write!(text, "## Goals\n\n{}\n\n", goals::table(report));
    if let Some(file) = plot.and_then(Path::file_name) {
        let _ = write!(
            text,
            "## Answers to a load step\n\n![Share of targets with their new size over the time since a load step](images/{})\n\n\
             One line per step; it stops where targets are left without an answer. The time axis is logarithmic.\n\n",
            file.to_string_lossy()
        );
    }
    text + &tables(report) + include_str!("bounds.md") + "\n" + &kinds(report)
}

/// What was asked of the API server, row by row.
fn kinds(report: &Report) -> String {
    let mut text = "## What was asked in the steady state\n\nRequests of each row, over its whole steady state.\n\n".to_owned();
    for row in &report.rows {
        let _ =
            write!(text, "- {}, {} targets, {} ({:.0} s): ", row.contender.title(), row.targets, row.signal.title(), row.steady.seconds);
        let kinds: Vec<String> = row
            .steady
            .by_kind
            .iter()
            .map(|(kind, count)| {
                let what = kind.rsplit_once(": ").map_or(kind.as_str(), |(_, what)| what);
                format!("{count} × {what}")
            })
            .collect();
        let _ = writeln!(text, "{}", if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") });
    }
    text
}
