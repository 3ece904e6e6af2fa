//! Seconds of a trial as times for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const DAY: i64 = 86_400;

/// How seconds since the start are shown. plotly.js knows dates but no lengths of time, so time since the start is drawn as a date of 1970, and
/// formatted such that no date is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// The load was recorded at a known time: this Unix time is second 0.
    Absolute(i64),
    /// Up to a day since the start.
    Hours,
    /// Up to a year since the start, whose first day is day 1.
    Days,
    /// More than that: a calendar that begins in 1970.
    Years,
}

impl Clock {
    /// For a trial of this start, if known, and length.
    pub fn new(start: Option<i64>, seconds: u64) -> Self {
        match (start, seconds) {
            (Some(start), _) if in_calendar(start) => Self::Absolute(start),
            (_, 0..=86_400) => Self::Hours,
            (_, 86_401..=31_536_000) => Self::Days,
            _ => Self::Years,
        }
    }

    /// Position on a date axis of plotly.js: milliseconds since 1970.
    pub fn position(self, second: u64) -> i64 {
        self.unix(second).saturating_mul(1000)
    }

    /// The time as text.
    pub fn text(self, second: u64) -> String {
        let unix = self.unix(second);
        let format = match self {
            Self::Absolute(_) => "%Y-%m-%d %H:%M:%S",
            // 24:00:00 is the only time of such a trial on another day.
            Self::Hours if unix == DAY => return "24:00:00".to_owned(),
            Self::Hours => "%H:%M:%S",
            Self::Days => "day %-j, %H:%M:%S",
            Self::Years => "%Y-%m-%d %H:%M",
        };
        // Bounded in `new`, but for a second far beyond the end.
        Timestamp::from_second(unix)
            .map_or_else(|_| format!("{second} s"), |time| time.to_zoned(TimeZone::UTC).strftime(format).to_string())
    }

    /// Format of plotly.js (d3) for the time under the pointer.
    pub fn hover_format(self) -> &'static str {
        match self {
            Self::Absolute(_) => "%Y-%m-%d %H:%M:%S",
            Self::Hours => "%H:%M:%S",
            Self::Days => "day %-j, %H:%M:%S",
            Self::Years => "%Y-%m-%d %H:%M",
        }
    }

    /// The same for ticks, where plotly.js does not choose a good one itself.
    pub fn tick_format(self) -> Option<&'static str> {
        match self {
            Self::Hours => Some("%H:%M:%S"),
            Self::Days => Some("day %-j\n%H:%M"),
            Self::Absolute(_) | Self::Years => None,
        }
    }

    /// What the times are, as a sentence.
    pub fn note(self) -> &'static str {
        match self {
            Self::Absolute(_) => "Times are UTC.",
            Self::Hours => "Times are counted from the start of the load.",
            Self::Days => "Times are counted from the start of the load; its first day is day 1.",
            Self::Years => "The load has no times of its own: dates are those of a load that began on 1970-01-01.",
        }
    }

    fn unix(self, second: u64) -> i64 {
        let second = i64::try_from(second).unwrap_or(i64::MAX);
        if let Self::Absolute(start) = self { start.saturating_add(second) } else { second }
    }
}

/// Years that both plotly.js and people write with four digits.
fn in_calendar(start: i64) -> bool {
    (0..=200 * 365 * DAY).contains(&start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_the_length() {
        assert_eq!(Clock::new(Some(1_700_000_000), 60).text(60), "2023-11-14 22:14:20");
        assert_eq!(Clock::new(None, 86_400).text(3_661), "01:01:01");
        assert_eq!(Clock::new(None, 86_400).text(86_400), "24:00:00");
        assert_eq!(Clock::new(None, 86_401).text(90_061), "day 2, 01:01:01");
        assert_eq!(Clock::new(None, 400 * 86_400).text(366 * 86_400), "1971-01-02 00:00");
    }

    #[test]
    fn a_start_that_is_no_date_is_not_used() {
        assert_eq!(Clock::new(Some(i64::MAX), 60), Clock::Hours);
        assert_eq!(Clock::new(Some(-5), 60), Clock::Hours);
        assert_eq!(Clock::Hours.text(u64::MAX), format!("{} s", u64::MAX));
    }
}
