//! Times as people give them on a command line.

use jiff::Timestamp;

use crate::core::Time;
use crate::trial::span::span;

/// Reads a time: RFC 3339 (`2026-07-01T12:00:00Z`), `now`, or a time before it: `-6h`, `-7d`, `now-90m`.
///
/// # Errors
/// What is allowed.
pub fn when(text: &str, now: Time) -> Result<Time, String> {
    let before = text.strip_prefix("now").unwrap_or(text);
    if before.is_empty() && text == "now" {
        return Ok(now);
    }
    if let Some(length) = before.strip_prefix('-').and_then(|length| span(length).ok()) {
        return Ok(now - length);
    }
    let time =
        text.parse::<Timestamp>().map_err(|_| format!("{text}: must be a time such as 2026-07-01T12:00:00Z, now, -6h, -7d or now-90m"))?;
    Ok(Time::from_millis(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_before_now() {
        let now = Time::from_secs(1_000_000);
        let seconds = |text| when(text, now).map(|time| time.as_millis() / 1000);
        assert_eq!(seconds("now"), Ok(1_000_000));
        assert_eq!(seconds("-6h"), Ok(1_000_000 - 21_600));
        assert_eq!(seconds("-7d"), Ok(1_000_000 - 7 * 86_400));
        assert_eq!(seconds("now-1m30s"), Ok(1_000_000 - 90));
        assert_eq!(seconds("1970-01-01T01:00:00+01:00"), Ok(0));
        for bad in ["", "6h", "+6h", "yesterday", "--6h", "2026-07-01", "now6h", "-"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
