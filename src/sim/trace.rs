//! Recorded load: CSV with the header `timestamp_seconds,value`, plain or gzipped.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// First bytes of a gzip stream (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A recorded series: seconds from its start, rising, and values in any unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    points: Vec<Point>,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds from the start of the series.
    pub second: f64,
    /// What was measured from then on.
    pub value: f64,
}

/// Why a trace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It cannot be read or unpacked.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A row is no pair of usable numbers.
    #[error("line {line}: {text:?} is not `seconds,value` with finite numbers of at least 0")]
    Row {
        /// Counted from 1, header included.
        line: usize,
        /// The row.
        text: String,
    },
    /// Time does not rise.
    #[error("line {line}: second {second} does not come after the row before")]
    Order {
        /// Counted from 1, header included.
        line: usize,
        /// The time of the row.
        second: f64,
    },
    /// Nothing to interpolate between.
    #[error("has {0} rows; at least 2 are needed")]
    Short(usize),
}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    /// With the line, where a row is wrong.
    pub fn read(source: impl Read) -> Result<Self, TraceError> {
        let mut source = BufReader::new(source);
        if source.fill_buf()?.starts_with(&GZIP) { Self::parse(BufReader::new(MultiGzDecoder::new(source))) } else { Self::parse(source) }
    }

    fn parse(source: impl BufRead) -> Result<Self, TraceError> {
        let mut points: Vec<Point> = Vec::new();
        for (index, text) in source.lines().enumerate() {
            let (line, text) = (index + 1, text?);
            // The header, and an empty last line.
            if (line == 1 && text.starts_with(|first: char| first.is_alphabetic())) || text.trim().is_empty() {
                continue;
            }
            let Some(point) = row(&text) else { return Err(TraceError::Row { line, text }) };
            if points.last().is_some_and(|last| last.second >= point.second) {
                return Err(TraceError::Order { line, second: point.second });
            }
            points.push(point);
        }
        if points.len() < 2 { Err(TraceError::Short(points.len())) } else { Ok(Self { points }) }
    }

    /// The rows, in order of time.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Seconds from the first row to the last.
    pub fn seconds(&self) -> f64 {
        self.points[self.points.len() - 1].second - self.points[0].second
    }
}

fn row(text: &str) -> Option<Point> {
    let (second, value) = text.split_once(',')?;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    Some(Point { second: number(second)?, value: number(value)? })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(text: &str) -> Result<Trace, TraceError> {
        Trace::read(text.as_bytes())
    }

    #[test]
    fn rows_are_read_with_or_without_a_header() {
        let expected = [Point { second: 0.0, value: 1.5 }, Point { second: 60.0, value: 0.0 }];
        assert_eq!(read("timestamp_seconds,value\n0,1.5\n60,0\n").unwrap().points(), expected);
        assert_eq!(read("0,1.5\r\n60,0").unwrap().points(), expected);
    }

    #[test]
    fn a_gzipped_trace_is_the_same_trace() {
        let text = "timestamp_seconds,value\n0,1\n60,2\n";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(text.as_bytes()).unwrap();
        assert_eq!(Trace::read(packed.finish().unwrap().as_slice()).unwrap(), read(text).unwrap());
    }

    #[test]
    fn bad_rows_are_named() {
        for (text, said) in [
            ("a,b\n0,1\n60,NaN\n", "line 3: \"60,NaN\""),
            ("a,b\n0,1\n60,-1\n", "line 3: \"60,-1\""),
            ("a,b\n0,1\n60\n", "line 3: \"60\""),
            ("a,b\n0,1\n60,1\n60,2\n", "line 4: second 60"),
            ("a,b\n0,1\n", "has 1 rows"),
            ("", "has 0 rows"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
