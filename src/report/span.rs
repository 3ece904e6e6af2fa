//! Times for people: how long, and at what time of day.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A length of time with its one or two largest units: `48 s`, `4 min 10 s`, `3 h 5 min`, `2 d`.
pub fn length(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let (size, name) = units[first];
    let mut text = format!("{} {name}", seconds / size);
    // Ten minutes and more need no seconds, ten hours no minutes.
    if let Some((smaller, name)) = units.get(first + 1).filter(|(smaller, _)| seconds / size < 10 && seconds % size >= *smaller) {
        text = format!("{text} {} {name}", seconds % size / smaller);
    }
    text
}

/// Time from `earlier` to `later`, zero if it is the other way round.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// Time of day, with the date where it is not the day of `now`.
pub fn clock(time: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (local, today) = (time.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let format = if local.date() == today.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    local.strftime(format).to_string()
}
