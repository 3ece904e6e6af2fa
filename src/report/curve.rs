//! One number over time as a row of bars, in eighths of a line's height: how demand went, under the plot of the sizes and as wide as it.

use anstyle::Style;
use jiff::Timestamp;

use super::plot::{AXIS, COLUMNS};

/// Lines of the curve.
const ROWS: usize = 3;
/// Bars of 0 to 8 eighths.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A time at which the number was not known, which is not zero.
const UNKNOWN: char = '·';

/// What is drawn.
pub struct Curve<'a> {
    /// The number from each time on, oldest first; `None`: unknown.
    pub values: &'a [(Timestamp, Option<f64>)],
    /// Up to when the last one holds.
    pub end: Timestamp,
    /// Width of the whole in columns.
    pub width: usize,
    /// Style of the bars.
    pub style: Style,
}

impl Curve<'_> {
    /// The largest known number.
    pub fn top(&self) -> Option<f64> {
        self.values.iter().filter_map(|(_, value)| *value).reduce(f64::max)
    }

    /// The curve from 0 to its top; empty where nothing is known.
    pub fn lines(&self) -> Vec<String> {
        let (Some(top), Some((start, _))) = (self.top(), self.values.first()) else { return Vec::new() };
        let columns = self.columns(*start);
        let style = self.style;
        let row = |row: usize| {
            let bars: String = columns.iter().map(|value| bar(*value, top, row)).collect();
            format!("{}┤{style}{}{style:#}", " ".repeat(AXIS - 1), bars.trim_end())
        };
        (0..ROWS).rev().map(row).collect()
    }

    /// The peak of each column, so that one high decision among many is seen.
    fn columns(&self, start: Timestamp) -> Vec<Option<f64>> {
        let count = self.width.saturating_sub(AXIS).clamp(10, COLUMNS);
        let span = self.end.duration_since(start).as_millis().max(1);
        let mut rest = self.values.iter().peekable();
        let mut last = None;
        (1..=count)
            .map(|column| {
                let until = if column == count { i128::MAX } else { span * column as i128 / count as i128 };
                let mut peak = last;
                while let Some((_, value)) = rest.next_if(|(time, _)| time.duration_since(start).as_millis() < until) {
                    last = *value;
                    peak = peak.into_iter().chain(last).reduce(f64::max);
                }
                last.and(peak)
            })
            .collect()
    }
}

/// What one column shows in a row; row 0 is the lowest.
fn bar(value: Option<f64>, top: f64, row: usize) -> char {
    let Some(value) = value else { return if row == 0 { UNKNOWN } else { ' ' } };
    if value <= 0.0 || top <= 0.0 {
        return ' ';
    }
    let full = ROWS * 8;
    // Between 0 and the number of eighths: a value is at most the top.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let eighths = ((value / top * full as f64).round() as usize).clamp(1, full);
    BARS[eighths.saturating_sub(8 * row).min(8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lines(values: &[(Timestamp, Option<f64>)], end: i64) -> Vec<String> {
        Curve { values, end: at(end), width: AXIS + 10, style: Style::new() }.lines()
    }

    #[test]
    fn bars_grow_with_the_number_and_the_unknown_is_not_zero() {
        let values = [(at(0), Some(1.0)), (at(20), Some(3.0)), (at(40), None), (at(60), Some(0.0)), (at(80), Some(2.0))];
        assert_eq!(lines(&values, 100), ["     ┤  ██", "     ┤  ██    ██", "     ┤████··  ██"]);
    }

    #[test]
    fn a_short_peak_is_seen_and_a_small_value_is_not_nothing() {
        let values = [(at(0), Some(0.01)), (at(41), Some(9.0)), (at(42), Some(0.01))];
        assert_eq!(lines(&values, 100), ["     ┤    █", "     ┤    █", "     ┤▁▁▁▁█▁▁▁▁▁"]);
    }

    #[test]
    fn what_was_never_known_is_not_drawn() {
        assert!(lines(&[(at(0), None)], 10).is_empty() && lines(&[], 10).is_empty());
        assert_eq!(lines(&[(at(0), Some(0.0))], 10), ["     ┤"; 3]);
    }
}
