//! Scores as Markdown.

use ballast::sim::Score;
use comfy_table::{Table, presets};

use crate::loads::Named;
use crate::policies::Rival;

/// Keeps the geometric mean finite where nothing was violated; in percent.
const LEAST: f64 = 0.01;

pub fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    table
}

pub fn header(first: &[&str], rivals: &[Rival]) -> Vec<String> {
    first.iter().map(|&text| text.to_owned()).chain(rivals.iter().map(|rival| rival.name().to_owned())).collect()
}

pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

pub fn geometric(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    mean(values.map(|value| (value + LEAST).ln())).exp()
}

/// One row per trace, one column per rival.
pub fn compact(loads: &[Named], rivals: &[Rival], scores: &[Vec<Score>]) {
    let mut table = table(header(&["trace", "mean pods"], rivals));
    for (load, row) in loads.iter().zip(scores) {
        let cells = row.iter().map(|score| format!("{:.3} / {:.2} / {:.0}", score.violation(), score.cost(), score.actions_per_day()));
        table.add_row([load.name.clone(), format!("{:.1}", load.load.mean())].into_iter().chain(cells));
    }
    println!("{table}\n");
}

/// The same for short loads, with the number of actions.
pub fn synthetic(loads: &[Named], rivals: &[Rival], scores: &[Vec<Score>]) {
    let mut table = table(header(&["load"], rivals));
    for (load, row) in loads.iter().zip(scores) {
        let cells = row.iter().map(|score| format!("{:.3} / {:.2} / {}", score.violation(), score.cost(), score.actions));
        table.add_row(std::iter::once(load.name.clone()).chain(cells));
    }
    println!("{table}\n");
}

/// Means over all traces.
pub fn summary(rivals: &[Rival], scores: &[Vec<Score>]) {
    let names = ["mean of all traces", "V %", "geo V", "V90 %", "lost %", "C", "geo C", "actions/d", "reversals/d", "aU %", "aO %", "tO %"];
    let mut table = table(header(&names, &[]));
    for (index, rival) in rivals.iter().enumerate() {
        let of = |value: fn(&Score) -> f64| mean(scores.iter().map(|row| value(&row[index])));
        let geo_cost = mean(scores.iter().map(|row| row[index].cost().ln())).exp();
        table.add_row([
            rival.name().to_owned(),
            format!("{:.3}", of(Score::violation)),
            format!("{:.4}", geometric(scores.iter().map(|row| row[index].violation()))),
            format!("{:.2}", of(Score::tight)),
            format!("{:.3}", of(Score::lost)),
            format!("{:.3}", of(Score::cost)),
            format!("{geo_cost:.3}"),
            format!("{:.0}", of(Score::actions_per_day)),
            format!("{:.0}", of(Score::reversals_per_day)),
            format!("{:.2}", of(Score::under)),
            format!("{:.0}", of(Score::over)),
            format!("{:.0}", of(Score::over_time)),
        ]);
    }
    println!("{table}\n");
}

/// All scores of each load.
pub fn long(loads: &[Named], rivals: &[Rival], scores: &[Vec<Score>]) {
    let names = [
        "",
        "V %",
        "V90 %",
        "short s",
        "lost %",
        "C",
        "pod-hours",
        "actions/d",
        "reversals/d",
        "aU %",
        "aO %",
        "tU %",
        "tO %",
        "jitter/h",
        "unstable %",
        "J5",
        "J20",
        "J60",
    ];
    for (load, row) in loads.iter().zip(scores) {
        println!("{}: {:.1} h, mean {:.1} pods\n", load.name, load.load.seconds() as f64 / 3600.0, load.load.mean());
        let mut table = table(header(&names, &[]));
        for (rival, score) in rivals.iter().zip(row) {
            table.add_row([
                rival.name().to_owned(),
                format!("{:.3}", score.violation()),
                format!("{:.2}", score.tight()),
                score.violation_seconds.to_string(),
                format!("{:.3}", score.lost()),
                format!("{:.3}", score.cost()),
                format!("{:.1}", score.pod_hours()),
                format!("{:.1}", score.actions_per_day()),
                format!("{:.1}", score.reversals_per_day()),
                format!("{:.2}", score.under()),
                format!("{:.1}", score.over()),
                format!("{:.2}", score.under_time()),
                format!("{:.1}", score.over_time()),
                format!("{:.2}", score.jitter()),
                format!("{:.1}", score.instability()),
                format!("{:.0}", score.bill(5.0)),
                format!("{:.0}", score.bill(20.0)),
                format!("{:.0}", score.bill(60.0)),
            ]);
        }
        println!("{table}\n");
    }
}

/// Each rival against the stock autoscaler on the request rate with its target set, per trace, to the same pod-hours.
pub fn equal_cost(loads: &[Named], rivals: &[Rival], scores: &[Vec<Score>], sweep: &[Vec<Score>]) {
    println!("V % / V % of the HPA on the request rate with its target retuned, per trace, to the same pod-hours:\n");
    let mut table = table(header(&["trace"], rivals));
    let at_cost = |load: usize, cost: f64| violation_at(&sweep[load], cost);
    for (index, (load, row)) in loads.iter().zip(scores).enumerate() {
        let cells = row.iter().map(|score| format!("{:.3} / {:.3}", score.violation(), at_cost(index, score.cost())));
        table.add_row(std::iter::once(load.name.clone()).chain(cells));
    }
    let columns = 0..rivals.len();
    let pairs =
        |column: usize| scores.iter().enumerate().map(move |(index, row)| (row[column].violation(), at_cost(index, row[column].cost())));
    let means = columns.clone().map(|column| format!("{:.3} / {:.3}", mean(pairs(column).map(|p| p.0)), mean(pairs(column).map(|p| p.1))));
    table.add_row(std::iter::once("mean".to_owned()).chain(means));
    let ratios = columns.map(|column| {
        let (own, stock) = (geometric(pairs(column).map(|p| p.0)), geometric(pairs(column).map(|p| p.1)));
        format!("{own:.4} / {stock:.4} ({:+.0} %)", 100.0 * (own / stock - 1.0))
    });
    table.add_row(std::iter::once("geometric mean of V + 0.01".to_owned()).chain(ratios));
    println!("{table}\n");
}

/// Violation at a cost, interpolated linearly between the targets tried; beyond them that of the last.
pub fn violation_at(sweep: &[Score], cost: f64) -> f64 {
    let mut points: Vec<(f64, f64)> = sweep.iter().map(|score| (score.cost(), score.violation())).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let after = points.partition_point(|point| point.0 < cost);
    match (after.checked_sub(1).map(|before| points[before]), points.get(after)) {
        (Some(before), Some(&after)) => before.1 + (after.1 - before.1) * (cost - before.0) / (after.0 - before.0),
        (None, Some(&only)) | (Some(only), None) => only.1,
        (None, None) => f64::NAN,
    }
}
