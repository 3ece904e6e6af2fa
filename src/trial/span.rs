//! Lengths and points of time as people give them on the command line.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};

/// A length of time: `45s`, `2m`, `1h30m`, `3d`.
///
/// # Errors
/// A text for the user.
pub fn span(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(|_| "must be a length such as 45s, 2m, 1h30m or 3d".to_owned())?;
    let length =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| "must be in days, hours, minutes and seconds".to_owned())?;
    Duration::try_from(length).map_err(|_| "must not be negative".to_owned())
}

/// A length of time that is not zero.
///
/// # Errors
/// A text for the user.
pub fn some_span(text: &str) -> Result<Duration, String> {
    span(text).and_then(|length| if length.is_zero() { Err("must be above 0".to_owned()) } else { Ok(length) })
}

/// A place in a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after its start.
    After(Duration),
    /// At this time, where that of the start is known.
    At(Timestamp),
}

impl Moment {
    /// Reads `36h`, `1d` or `2026-11-02T08:00:00Z`.
    ///
    /// # Errors
    /// A text for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        let after = span(text).map_err(|_| "must be a length from the start such as 36h or 1d, or a time such as 2026-11-02T08:00:00Z")?;
        Ok(Self::After(after))
    }

    /// Seconds from the start of the load, which was at this Unix time.
    ///
    /// # Errors
    /// A text for the user.
    pub fn seconds(self, start: Option<i64>) -> Result<f64, String> {
        match (self, start) {
            (Self::After(after), _) => Ok(after.as_secs_f64()),
            (Self::At(time), Some(start)) => Ok((time.as_second() - start) as f64),
            (Self::At(time), None) => Err(format!("{time}: a time needs that of the load's start: give --start, or a length such as 36h")),
        }
    }
}

/// A share: `70%` or `0.7`; above 0 and at most 100 %.
///
/// # Errors
/// A text for the user.
pub fn share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse().map(|percent: f64| percent / 100.0),
        None => text.parse(),
    };
    share
        .ok()
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "must be above 0% and at most 100%, such as 70% or 0.7".to_owned())
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Exact by construction.
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, seconds) in [("45s", 45), ("2m", 120), ("1h30m", 5400), ("3d", 259_200), ("1d 2h", 93_600), ("0s", 0)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "-5s", "1 month", "x"] {
            assert!(span(text).is_err(), "{text}");
        }
        assert!(some_span("0s").is_err());
    }

    #[test]
    fn moments_count_from_the_start() {
        let noon = Moment::parse("2026-11-02T12:00:00Z").unwrap();
        let morning = "2026-11-02T08:00:00Z".parse::<Timestamp>().unwrap().as_second();
        assert_eq!(noon.seconds(Some(morning)), Ok(4.0 * 3600.0));
        assert!(noon.seconds(None).unwrap_err().contains("--start"));
        assert_eq!(Moment::parse("1d").unwrap().seconds(None), Ok(86_400.0));
    }

    #[test]
    fn shares_are_percents_or_fractions() {
        assert_eq!((share("70%"), share("0.7"), share("100%")), (Ok(0.7), Ok(0.7), Ok(1.0)));
        assert!(["70", "0", "101%", "x", "NaN"].iter().all(|text| share(text).is_err()));
    }
}
