//! What both did, for people.

use std::fmt::Write;

use crate::plane_support::document as write_between_marks;

/// One story.
pub struct Row {
    /// What happened.
    pub story: String,
    /// Sizes of the stock autoscaler's workload.
    pub stock: String,
    /// Its condition at the moment that tells.
    pub stock_said: String,
    /// Sizes of Ballast's workload.
    pub ballast: String,
    /// Its reason at that moment.
    pub ballast_said: String,
}

/// Prints all rows.
pub fn print(rows: &[Row]) {
    println!("\n{:66} {:44} BALLAST", "STORY", "STOCK HPA");
    for row in rows {
        println!("{:66} {:44} {}", row.story, row.stock, row.ballast);
        println!("  stock:   {}\n  Ballast: {}", row.stock_said, row.ballast_said);
    }
}

/// With `UPDATE` set, writes them between the marks in the docs.
pub fn document(rows: &[Row]) {
    let mut figures = String::from("\n| | Story | Stock: sizes | Ballast: sizes |\n|---|---|---|---|\n");
    for (number, row) in (1..).zip(rows) {
        writeln!(figures, "| {number} | {} | {} | {} |", row.story, row.stock, row.ballast).unwrap();
    }
    figures += "\nWhat each said meanwhile:\n\n";
    for (number, row) in (1..).zip(rows) {
        writeln!(figures, "{number}. Stock: `{}`\n   Ballast: `{}`", row.stock_said, row.ballast_said).unwrap();
    }
    write_between_marks("docs/beside-hpa.md", &figures);
}
