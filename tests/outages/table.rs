//! What is demanded of each fault, and the table of them all.

use parking_lot::Mutex;

use super::{INTERVAL, long};
use crate::plane_support::document_part;

/// A fault is over when load is answered again, at most so many intervals after its end. The short form shares its machine with other tests.
fn intervals() -> f64 {
    if long() { 2.0 } else { 3.0 }
}

/// Lines that the eight watches may log together: each says what ended it, and what keeps it from being made anew.
const OF_WATCHES: f64 = 24.0;
/// A log that says more per second, for each policy, drowns what matters.
const LINES: f64 = 1.0;

/// The row without a fault.
pub const NONE: &str = "none, to compare with";

/// One fault.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What was broken.
    pub fault: String,
    /// Seconds from its begin to its end.
    pub lasted: f64,
    /// What became of the load that grew when it began.
    pub meanwhile: String,
    /// Seconds from its end until the load that grew then was answered for all.
    pub back: f64,
    /// Policies that there are.
    pub policies: usize,
    /// Policies that never answered.
    pub lost: usize,
    /// Moves that should not have been.
    pub wrong: usize,
    /// Writes of sizes, by outcome.
    pub writes: String,
    /// Lines of the log that warn or tell an error.
    pub errors: usize,
}

impl Row {
    /// Whether it shows something that must not be; `well` is how long an answer takes without a fault.
    pub fn is_bad(&self, well: f64) -> bool {
        let flood = OF_WATCHES + LINES * self.policies as f64 * (self.lasted + self.back);
        // A machine that is too busy to answer within an interval shows in all rows alike.
        let busy = if well > f64::from(INTERVAL) { well } else { 0.0 };
        let late = self.back > intervals() * f64::from(INTERVAL) + busy;
        self.wrong > 0 || self.lost > 0 || late || self.errors as f64 > flood
    }
}

/// All rows.
#[derive(Default)]
pub struct Table(Mutex<Vec<Row>>);

impl Table {
    /// Adds a row.
    pub fn add(&self, row: Row) {
        println!("{row:?}");
        self.0.lock().push(row);
    }

    /// Prints the rows, writes those of the long form into the docs if that is wanted, and demands that none is bad.
    pub fn finish(&self, part: &str) {
        let mut rows = self.0.lock().clone();
        rows.sort_by_key(|row| (row.fault != NONE, row.fault.clone()));
        let head = "| fault | lasted s | load that grew at its begin | back after s | intervals | policies | lost | wrong scale-ins | writes | warnings logged |\n|---|---|---|---|---|---|---|---|---|---|";
        let lines = rows.iter().map(|row| {
            let Row { fault, lasted, meanwhile, back, policies, lost, wrong, writes, errors } = row;
            let intervals = back / f64::from(INTERVAL);
            format!(
                "| {fault} | {lasted:.0} | {meanwhile} | {back:.1} | {intervals:.1} | {policies} | {lost} | {wrong} | {writes} | {errors} |"
            )
        });
        let table = [head.to_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
        println!("\n{table}");
        if long() {
            document_part("docs/faults.md", part, &table);
        }
        let well = rows.iter().find(|row| row.fault == NONE).map_or(0.0, |row| row.back);
        let bad: Vec<_> = rows.iter().filter(|row| row.is_bad(well)).collect();
        assert!(bad.is_empty(), "back within {} intervals, nothing lost, nothing wrong, no flood of warnings: {bad:#?}", intervals());
    }
}
