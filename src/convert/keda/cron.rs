//! Cron triggers as schedules: two expressions become one with a length.

use croner::errors::CronError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Faults;
use super::size::Sizes;
use super::triggers::At;
use crate::api::FieldError;
use crate::convert::Remarks;
use crate::schedule::{pattern, zone};

/// Windows compared: more than a year of daily ones.
const WINDOWS: usize = 400;
/// Longest window of a schedule.
const LONGEST: i64 = 31 * 86400;
/// Names that stand for expressions.
const NAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The schedule; `None` where it would do nothing, or cannot be told.
pub fn convert(at: &At<'_>, index: usize, sizes: &Sizes, out: &mut Remarks) -> Result<Option<Value>, Faults> {
    at.unknown(&["timezone", "start", "end", "desiredReplicas"], out);
    let time_zone = at.need("timezone")?;
    if zone(time_zone).is_none() {
        let message = "is not a known IANA time zone, such as UTC or Europe/Berlin";
        return Err(vec![FieldError::new(at.of("timezone"), time_zone, message)]);
    }
    let (start, end) = (expression(at, "start")?, expression(at, "end")?);
    let replicas = at.need("desiredReplicas")?;
    let Some(count) = replicas.parse::<i64>().ok().filter(|count| *count >= 0) else {
        return Err(vec![FieldError::new(at.of("desiredReplicas"), replicas, "must be a whole number of at least 0")]);
    };
    let floor = sizes.clamp(count);
    if floor != count {
        out.note(at.of("desiredReplicas"), count, format!("becomes {floor}: a policy's bounds hold for its schedules"));
    }
    let length = match lengths(&start, &end).map_err(|message| vec![FieldError::new(at.of("start"), &start, message)])? {
        Lengths::Same(length) if length <= LONGEST => length,
        Lengths::Same(length) => {
            let days = length / 86400;
            out.lost(at.of("end"), &end, format!("windows of {days} days: a schedule's are of 31 days at most; write several"));
            return Ok(None);
        }
        Lengths::Different(one, other) => {
            let message = format!("windows of different lengths, such as {one} s and {other} s: write a schedule for each length");
            out.lost(at.of("end"), &end, message);
            return Ok(None);
        }
    };
    let name = at.trigger.name.clone().unwrap_or_else(|| format!("cron-{index}"));
    out.note(
        &at.path,
        &name,
        format!(
            "becomes a floor of {floor} from `{start}` for {length} s; on days when the clocks change it ends an hour earlier or later"
        ),
    );
    Ok(Some(json!({ "name": name, "cron": start, "durationSeconds": length, "timeZone": time_zone, "minReplicas": floor })))
}

/// A ceiling at the minimum at all times: floors hold over ceilings, so only schedules set the size.
pub fn otherwise(sizes: &Sizes) -> Value {
    json!({ "name": "otherwise", "cron": "0 0 * * *", "durationSeconds": 86400, "maxReplicas": sizes.min })
}

fn expression(at: &At<'_>, key: &str) -> Result<String, Faults> {
    let text = at.need(key)?;
    let plain = NAMES.iter().find(|(name, _)| *name == text).map_or(text, |(_, plain)| *plain);
    let allowed = "must be minute, hour, day of month, month and day of week, such as 0 8 * * 1-5";
    match pattern(plain) {
        Ok(_) => Ok(plain.to_owned()),
        Err(message) => Err(vec![FieldError::new(at.of(key), text, format!("{allowed}: {message}"))]),
    }
}

/// Lengths of the windows in seconds.
#[derive(Debug, PartialEq, Eq)]
enum Lengths {
    Same(i64),
    Different(i64, i64),
}

/// A trigger is active while its end comes next, so each start lasts until the last end before the next start. Days without a change of the
/// clocks are compared.
fn lengths(start: &str, end: &str) -> Result<Lengths, String> {
    let (start, end) = (pattern(start)?, pattern(end)?);
    let (mut first, mut empty) = (None, false);
    let none = |_: CronError| "no window begins in the years that are looked at".to_owned();
    let mut at = start.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), true).map_err(none)?;
    for _ in 0..WINDOWS {
        let next = start.find_next_occurrence(&at, false).map_err(none)?;
        let last = end.find_previous_occurrence(&next, false).map_err(none)?;
        let length = last.timestamp().as_second() - at.timestamp().as_second();
        empty |= length <= 0;
        match first {
            _ if length <= 0 => {}
            None => first = Some(length),
            Some(first) if first == length => {}
            Some(first) => return Ok(Lengths::Different(first, length)),
        }
        at = next;
    }
    match first {
        None => Err("no window ends before the next begins: start and end must differ".to_owned()),
        Some(first) if empty => Ok(Lengths::Different(first, 0)),
        Some(first) => Ok(Lengths::Same(first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_expressions_are_one_with_a_length() {
        for (start, end, lengths) in [
            ("0 8 * * *", "0 18 * * *", Ok(Lengths::Same(36_000))),
            ("0 8 * * 1-5", "0 18 * * 1-5", Ok(Lengths::Same(36_000))),
            ("0 8 * * 1-5", "0 18 * * *", Ok(Lengths::Different(36_000, 208_800))),
            ("30 22 * * *", "0 6 * * *", Ok(Lengths::Same(27_000))),
            ("0 8 * * *", "0 18 * * 1-5", Ok(Lengths::Different(36_000, 0))),
            ("0 0 1 1 *", "0 0 1 3 *", Ok(Lengths::Different(5_097_600, 5_184_000))),
            ("*/30 * * * *", "10,40 * * * *", Ok(Lengths::Same(600))),
        ] {
            assert_eq!(super::lengths(start, end), lengths, "{start} to {end}");
        }
        assert!(super::lengths("0 8 * * *", "0 8 * * *").is_err());
    }
}
