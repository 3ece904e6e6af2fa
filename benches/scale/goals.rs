//! What was to be reached, and whether it was.

use comfy_table::Table;

use crate::options::{Contender, Signal};
use crate::results::{Report, Row, Step};
use crate::tables::{self, seconds};

use Contender::{Ballast, Ballast5s, HpaTuned, Keda};
use Signal::{Cpu, Prometheus};

/// One line: the figure that is wanted of Ballast's row, and of the rival's beside it.
struct Goal {
    what: String,
    rival: Option<f64>,
    ballast: Option<f64>,
    limit: f64,
    unit: &'static str,
}

/// Every goal; one for which nothing was measured says so.
pub fn table(report: &Report) -> Table {
    let lines = goals(report).into_iter().map(|goal| {
        let figure = |value: Option<f64>| match value {
            None => "-".to_owned(),
            Some(value) if value.is_infinite() => "not all answered".to_owned(),
            Some(value) => format!("{} {}", round(value), goal.unit).trim_end().to_owned(),
        };
        let met = match goal.ballast {
            None => "not measured",
            Some(value) if value <= goal.limit => "met",
            Some(_) => "**missed**",
        };
        vec![goal.what.clone(), figure(goal.rival), figure(goal.ballast), format!("≤ {}", figure(Some(goal.limit))), met.to_owned()]
    });
    tables::table(&["what", "rival", "Ballast", "goal", ""], lines)
}

fn goals(report: &Report) -> Vec<Goal> {
    let row = |contender, signal, targets| report.row(contender, signal, targets);
    let mut goals = Vec::new();
    let mut add = |what: &str, rival: Option<f64>, ballast: Option<f64>, limit: f64, unit: &'static str| {
        goals.push(Goal { what: what.to_owned(), rival, ballast, limit, unit });
    };
    let last = |row: Option<&Row>| worst(row, |step| step.done.last.filter(|_| step.answered == step.targets));
    let median = |row: Option<&Row>| worst(row, |step| step.done.median);
    for (ballast, interval) in [(Ballast, 15), (Ballast5s, 5)] {
        let beside = format!("CPU, 2,000 targets, last size reached (Ballast: {interval} s interval; rival: tuned HPA, 15 s)");
        add(&beside, last(row(HpaTuned, Cpu, 2000)), last(row(ballast, Cpu, 2000)), 8.0, "s");
    }
    add(
        "CPU, 10,000 targets, last size reached (rival: tuned HPA)",
        last(row(HpaTuned, Cpu, 10_000)),
        last(row(Ballast, Cpu, 10_000)),
        25.0,
        "s",
    );
    add("the same, median", median(row(HpaTuned, Cpu, 10_000)), median(row(Ballast, Cpu, 10_000)), 10.0, "s");
    let (tuned, ballast) = (row(HpaTuned, Cpu, 2000), row(Ballast, Cpu, 2000));
    add(
        "CPU, 2,000 targets, steady: API requests/s",
        tuned.map(|row| row.steady.requests),
        ballast.map(|row| row.steady.requests),
        2.0,
        "",
    );
    add("the same, writes/s", tuned.map(|row| row.steady.writes), ballast.map(|row| row.steady.writes), 0.0, "");
    add("the same, CPU cores", tuned.map(|row| row.steady.contender.cores), ballast.map(|row| row.steady.contender.cores), 0.05, "");
    let peak = |row: &Row| row.steps.iter().map(|step| step.contender.peak_mib).fold(row.steady.contender.peak_mib, f64::max);
    let (tuned, ballast) = (row(HpaTuned, Cpu, 10_000), row(Ballast, Cpu, 10_000));
    add(
        "CPU, 10,000 targets with 20,000 pods, resident memory",
        tuned.map(|row| row.steady.contender.rss_mib),
        ballast.map(|row| row.steady.contender.rss_mib),
        200.0,
        "MiB",
    );
    add("the same, peak with load steps", tuned.map(peak), ballast.map(peak), 200.0, "MiB");
    for targets in [500, 2000, 10_000] {
        let queries = |contender| row(contender, Prometheus, targets).and_then(|row| row.steady.queries);
        add(
            &format!("Prometheus queries per interval for {targets} policies (rival: KEDA)"),
            queries(Keda),
            queries(Ballast),
            targets as f64 / 50.0,
            "",
        );
    }
    let first = |row: Option<&Row>| worst(row, |step| step.first.last.filter(|_| step.answered == step.targets));
    let what = "metric visible to size written, 5 s interval, 2,000 targets, last (rival: tuned HPA, 15 s)";
    add(what, first(row(HpaTuned, Cpu, 2000)), first(row(Ballast5s, Cpu, 2000)), 6.0, "s");
    goals
}

/// The worst of a row's steps, which is infinite where targets were left without an answer.
fn worst(row: Option<&Row>, figure: impl Fn(&Step) -> Option<f64>) -> Option<f64> {
    let row = row.filter(|row| !row.steps.is_empty())?;
    Some(row.steps.iter().map(|step| figure(step).unwrap_or(f64::INFINITY)).fold(0.0, f64::max))
}

fn round(value: f64) -> String {
    if value == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        seconds(Some(value))
    } else {
        format!("{value:.3}")
    }
}
