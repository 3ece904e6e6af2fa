//! The table at the end.

use std::fmt::Write;

use super::run::{Comparison, Outcome};

/// Prints one line per scenario and returns all mismatches, by name of the scenario.
pub fn print(comparisons: &[Comparison]) -> Vec<(&'static str, String)> {
    let mut rows = vec![["SCENARIO", "STOCK", "BALLAST", "RESULT"].map(str::to_owned)];
    let mut mismatches = Vec::new();
    for comparison in comparisons {
        let (name, stock, ballast) = (comparison.scenario.name, &comparison.stock, comparison.ballast.as_ref());
        let mut verdict = match (&comparison.scenario.differs, ballast) {
            (_, None) => "not compared".to_owned(),
            (Some(difference), _) => format!("differs: {}", difference.reason),
            (None, Some(ballast)) if ballast.same_as(stock, &comparison.scenario) => {
                if comparison.scenario.only_first { "same first decision; then smoothed" } else { "same" }.to_owned()
            }
            (None, Some(ballast)) => {
                format!("NOT THE SAME: {:?} {:?}, stock {:?} {:?}", ballast.told, ballast.status, stock.told, stock.status)
            }
        };
        for (who, outcome) in [("stock", Some(stock)), ("Ballast", ballast)] {
            if let Some(mismatch) = outcome.and_then(|o| o.mismatch.as_ref()) {
                let _ = write!(verdict, "; {who} not as expected");
                mismatches.push((name, format!("{who}: {mismatch}")));
            }
        }
        if verdict.starts_with("NOT") {
            mismatches.push((name, verdict.clone()));
        }
        rows.push([name.to_owned(), sizes(Some(stock)), sizes(ballast), verdict]);
    }
    for [name, stock, ballast, verdict] in rows {
        println!("{name:26} {stock:14} {ballast:14} {verdict}");
    }
    mismatches
}

fn sizes(outcome: Option<&Outcome>) -> String {
    outcome.map_or_else(|| "-".into(), |o| o.sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}
