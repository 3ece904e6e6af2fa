//! Columns as kubectl prints them: as wide as their widest cell, never broken. No table crate is used, because lines come one by one while a
//! watch goes on, and stand under those before.

use std::fmt::Write as _;

use anstyle::Style;

/// Room between two columns.
const GAP: usize = 3;

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    pub style: Style,
}

/// Widths of columns. They only grow.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    widths: Vec<usize>,
}

// === impl Cell ===

impl Cell {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new() }
    }

    pub const fn styled(text: String, style: Style) -> Self {
        Self { text, style }
    }
}

// === impl Columns ===

impl Columns {
    /// Makes room for these cells.
    pub fn fit(&mut self, cells: &[Cell]) {
        self.widths.resize(self.widths.len().max(cells.len()), 0);
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.text.chars().count());
        }
    }

    /// The cells as a line of at most `limit` characters; what is cut off is replaced by an ellipsis.
    pub fn line(&self, cells: &[Cell], limit: usize) -> String {
        let mut line = String::new();
        let (mut at, mut gap) = (0, 0);
        for (index, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            if cell.text.is_empty() {
                gap += width + GAP;
                continue;
            }
            let room = limit.saturating_sub(at + gap);
            if room == 0 {
                break;
            }
            let length = cell.text.chars().count();
            let style = cell.style;
            // Later cells need a place too, at least to show that there are some.
            let cut = length > room || (length == room && cells[index + 1..].iter().any(|cell| !cell.text.is_empty()));
            let text: String = if cut { cell.text.chars().take(room - 1).chain(['…']).collect() } else { cell.text.clone() };
            // Writing to a String cannot fail.
            let _ = write!(line, "{}{style}{text}{style:#}", " ".repeat(gap));
            if cut {
                break;
            }
            (at, gap) = (at + gap + length, width - length + GAP);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<Cell> {
        texts.iter().map(|text| Cell::new(*text)).collect()
    }

    #[test]
    fn columns_stand_under_each_other_and_a_line_ends_with_its_last_text() {
        let mut columns = Columns::default();
        let rows = [cells(&["NAME", "SIZE", "WHY"]), cells(&["web", "12", ""]), cells(&["checkout", "", "pause"])];
        for row in &rows {
            columns.fit(row);
        }
        let lines: Vec<String> = rows.iter().map(|row| columns.line(row, 100)).collect();
        assert_eq!(lines, ["NAME       SIZE   WHY", "web        12", "checkout          pause"]);
    }

    #[test]
    fn a_narrow_screen_cuts_lines_and_shows_it() {
        let mut columns = Columns::default();
        let row = cells(&["web", "Deployment/web", "9"]);
        columns.fit(&row);
        assert_eq!(columns.line(&row, 12), "web   Deplo…");
        assert_eq!(columns.line(&row, 20), "web   Deployment/we…");
        assert_eq!(columns.line(&row, 24), "web   Deployment/web   9");
        assert_eq!(columns.line(&row, 3), "we…");
        assert_eq!(columns.line(&row, 0), "");
    }

    #[test]
    fn styles_take_no_room() {
        let mut columns = Columns::default();
        let row = vec![Cell::styled("Held".to_owned(), Style::new().bold()), Cell::new("x")];
        columns.fit(&row);
        assert_eq!(columns.line(&row, 8), "\u{1b}[1mHeld\u{1b}[0m   x");
    }
}
