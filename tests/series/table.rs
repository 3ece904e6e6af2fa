//! What came of it, for people.

use std::fmt::Write;

use super::controls::Control;
use super::real::Comparison;
use crate::plane_support::document as write_between_marks;

/// Prints all series and controls.
pub fn print(comparisons: &[Comparison], controls: &[Control]) {
    println!("{:16} {:>5} {:>5} {:>5}  SIZES", "SERIES", "LOOKS", "EQUAL", "MOVES");
    for comparison in comparisons {
        let mut sizes: Vec<u32> = comparison.real.iter().map(|row| row.size).collect();
        let (name, looks, equal) = (comparison.series.name, sizes.len(), comparison.equal());
        sizes.dedup();
        let moves = sizes.len() - 1;
        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        println!("{name:16} {looks:5} {equal:5} {moves:5}  {}", sizes.join(" "));
    }
    for Control { change, told_by } in controls {
        println!("control: {change}: {} series differ: {}", told_by.len(), told_by.join(" "));
    }
}

/// With `UPDATE` set, writes what is the same in every run into the docs.
pub fn document(comparisons: &[Comparison], controls: &[Control]) {
    let mut figures = String::from("\n| Series | What it shows | Signal | Sizes and reasons |\n|---|---|---|---|\n");
    for comparison in comparisons {
        let series = &comparison.series;
        let signals: Vec<_> = super::simulated::policy(series)
            .signals
            .iter()
            .map(|signal| if signal.kind.is_cpu() { "CPU per pod" } else { "total" })
            .collect();
        let equal = if comparison.difference().is_none() { "equal at every look" } else { "DIFFERENT" };
        writeln!(figures, "| {} | {} | {} | {equal} |", series.name, series.shows, signals.join(", ")).unwrap();
    }
    figures += "\n| Changed in the simulation only | Noticed |\n|---|---|\n";
    for Control { change, told_by } in controls {
        writeln!(figures, "| {change} | {} |", if told_by.is_empty() { "NO" } else { "yes" }).unwrap();
    }
    write_between_marks("docs/simulator.md", &figures);
}
