//! What came of the tests of policies, as a terminal page.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::trial::fixture::{Suite, Tested};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// The page, with ANSI styles; `verbose` shows the decisions of every test, else of none.
pub fn suite_page(suite: &Suite, verbose: bool) -> String {
    let mut text = String::new();
    for file in &suite.files {
        let _ = writeln!(text, "{BOLD}{}{BOLD:#}", file.file);
        for test in &file.tests {
            one(&mut text, test, verbose);
        }
        for line in file.error.iter().flat_map(|error| error.lines()) {
            let _ = writeln!(text, "  {RED}error{RED:#}   {line}");
        }
    }
    let ok = suite.failed == 0 && suite.broken == 0;
    let (style, word) = if ok { (GREEN, "ok") } else { (RED, "FAILED") };
    let _ = write!(text, "\ntest result: {style}{word}{style:#}. {} passed; {} failed", suite.passed, suite.failed);
    if suite.broken > 0 {
        let _ = write!(text, "; {} files with errors", suite.broken);
    }
    if suite.skipped > 0 {
        let _ = write!(text, "; {} filtered out", suite.skipped);
    }
    text.push('\n');
    text
}

fn one(page: &mut String, test: &Tested, verbose: bool) {
    let (style, word) = if test.ok { (GREEN, "ok") } else { (RED, "FAILED") };
    let _ = writeln!(page, "  {style}{word:<6}{style:#}  {}", test.name);
    for failed in &test.failed {
        for (index, difference) in failed.differences.iter().enumerate() {
            let at = if index == 0 { format!("at {}:", clock(failed.second)) } else { String::new() };
            let _ = writeln!(page, "          {at:<10} {}: expected {}, got {}", difference.field, difference.expected, difference.got);
        }
        let _ = writeln!(page, "          {:<10} {DIM}{} ({}){DIM:#}", "", failed.decision, failed.reasons.join(", "));
    }
    if verbose {
        for told in &test.decisions {
            let _ = writeln!(page, "          {DIM}{:<10} {}{DIM:#}", clock(told.second), told.reason);
        }
    }
}

/// As fixtures have it: `45s`, `2m30s`, `1h5m`.
fn clock(second: u64) -> String {
    let parts = [(second / 86_400, "d"), (second / 3600 % 24, "h"), (second / 60 % 60, "m"), (second % 60, "s")];
    let mut text = String::new();
    for (count, unit) in parts.iter().filter(|(count, _)| *count > 0) {
        let _ = write!(text, "{count}{unit}");
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}
