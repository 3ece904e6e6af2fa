//! The last decisions as a small plot: replicas as an area, what the signals asked for as a line over it. Both can be told apart without
//! colour, which is why no line-chart crate is used: those tell series apart by colour only.

use anstyle::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Rows of the plot at most.
const ROWS: u32 = 10;
/// Columns at most: more would only repeat what a few hundred decisions have to show.
pub const COLUMNS: usize = 100;
/// Columns of the axis on the left.
pub const AXIS: usize = 6;

/// A state that holds until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub time: Timestamp,
    pub replicas: u32,
    pub wanted: Option<u32>,
}

/// What is drawn, and how.
pub struct Plot<'a> {
    /// Oldest first.
    pub states: &'a [State],
    /// Up to when the last one holds.
    pub end: Timestamp,
    /// Width of the whole in columns.
    pub width: usize,
    /// Time zone of the axis.
    pub zone: &'a TimeZone,
    /// Style of the area.
    pub area: Style,
    /// Style of the line.
    pub line: Style,
    /// Style of the line over the area.
    pub crossing: Style,
}

/// One column: the state at its end, and the most that was wanted in it.
#[derive(Clone, Copy)]
struct Column {
    replicas: u32,
    wanted: Option<u32>,
}

impl Plot<'_> {
    /// The plot's lines, axis included; empty without states.
    pub fn lines(&self) -> Vec<String> {
        let Some(start) = self.states.first().map(|state| state.time) else { return Vec::new() };
        let columns = self.columns(start);
        let top = columns.iter().map(|column| column.replicas.max(column.wanted.unwrap_or_default())).max().unwrap_or_default().max(2);
        // Whole replicas per row, so that no row stands for half of one.
        let step = top.div_ceil(ROWS);
        let rows = top.div_ceil(step);
        let mut lines: Vec<String> = (1..=rows).rev().map(|row| self.row(&columns, row, step)).collect();
        lines.push(format!("{:>4} ┴{}", 0, "─".repeat(columns.len())));
        lines.push(self.times(start, columns.len()));
        lines
    }

    fn columns(&self, start: Timestamp) -> Vec<Column> {
        let count = self.width.saturating_sub(AXIS).clamp(10, COLUMNS);
        let span = self.end.duration_since(start).as_millis().max(1);
        let mut next = 0;
        let mut at = Column { replicas: 0, wanted: None };
        (1..=count)
            .map(|column| {
                // The last column shows the last state, however short it has been one.
                let until = if column == count { i128::MAX } else { span * column as i128 / count as i128 };
                let mut most = at.wanted;
                while let Some(state) =
                    self.states.get(next).filter(|state| state.time.duration_since(start).as_millis() < until || next == 0)
                {
                    at = Column { replicas: state.replicas, wanted: state.wanted };
                    most = most.max(state.wanted);
                    next += 1;
                }
                // What was wanted before counts for the column it ended in, so that a peak of one decision is seen.
                Column { replicas: at.replicas, wanted: if at.wanted.is_some() { most } else { None } }
            })
            .collect()
    }

    /// Row `row` from below, which stands for sizes up to `row * step`.
    fn row(&self, columns: &[Column], row: u32, step: u32) -> String {
        let mut text = format!("{:>4} ┤", row * step);
        let mut last = Style::new();
        for column in columns {
            let level = |size: u32| size.div_ceil(step);
            let wanted = column.wanted.is_some_and(|wanted| level(wanted) == row);
            let covered = level(column.replicas) >= row;
            let (glyph, style) = match (wanted, covered) {
                (true, true) => ('━', self.crossing),
                (true, false) => ('━', self.line),
                (false, true) => ('▒', self.area),
                (false, false) => (' ', Style::new()),
            };
            if style != last {
                text.extend([last.render_reset().to_string(), style.render().to_string()]);
                last = style;
            }
            text.push(glyph);
        }
        format!("{}{last:#}", text.trim_end())
    }

    fn times(&self, start: Timestamp, columns: usize) -> String {
        let format = if self.end.duration_since(start).as_secs() < 600 { "%H:%M:%S" } else { "%H:%M" };
        let label = |time: Timestamp| time.to_zoned(self.zone.clone()).strftime(format).to_string();
        let (from, to) = (label(start), label(self.end));
        let gap = columns.saturating_sub(from.len() + to.len()).max(1);
        format!("{}{from}{}{to}", " ".repeat(AXIS), " ".repeat(gap))
    }
}
