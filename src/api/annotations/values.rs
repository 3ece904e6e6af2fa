//! Forms of annotation values. Each reader gives `None` for what it does not understand.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::metrics::{Freshness, MetricTarget};
use super::super::quantity::Quantity;
use super::super::scale_policy::{ForecastMode, Mode, Pause, PauseDirection};
use super::super::schedule::Schedule;

/// A quantity above 0.
pub(super) fn quantity(text: &str) -> Option<Quantity> {
    let quantity = Quantity::from(text);
    quantity.milli().is_ok_and(|milli| milli > 0).then_some(quantity)
}

/// A percentage of the requests, or an amount with a unit. A bare number is refused: `70` is almost always meant as 70 %, but would be
/// 70 cores or 70 bytes.
pub(super) fn resource_target(text: &str) -> Option<MetricTarget> {
    if let Some(percent) = text.strip_suffix('%') {
        return percent.trim_end().parse().ok().filter(|percent| *percent >= 1).map(MetricTarget::utilization);
    }
    let unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    quantity(text).filter(|_| unit).map(MetricTarget::average_value)
}

/// Seconds, `15`, `15s` or `1m`, from 1 to 300.
pub(super) fn interval(text: &str) -> Option<i32> {
    let (digits, factor) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = digits.parse::<i32>().ok()?.checked_mul(factor)?;
    (1..=300).contains(&seconds).then_some(seconds)
}

/// `Enforce` or `Recommend`, in any case.
pub(super) fn mode(text: &str) -> Option<Mode> {
    match text.to_ascii_lowercase().as_str() {
        "enforce" => Some(Mode::Enforce),
        "recommend" => Some(Mode::Recommend),
        _ => None,
    }
}

/// `Stored` or `Direct`, in any case.
pub(super) fn freshness(text: &str) -> Option<Freshness> {
    match text.to_ascii_lowercase().as_str() {
        "stored" => Some(Freshness::Stored),
        "direct" => Some(Freshness::Direct),
        _ => None,
    }
}

/// `Off`, `Shadow` or `On`, in any case.
pub(super) fn forecast(text: &str) -> Option<ForecastMode> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Some(ForecastMode::Off),
        "shadow" => Some(ForecastMode::Shadow),
        "on" => Some(ForecastMode::On),
        _ => None,
    }
}

/// `DIRECTION [until=TIME] [by=NAME] [reason=TEXT to the end]`; the inner `None` is "no pause".
#[allow(clippy::option_option)]
pub fn pause(text: &str) -> Option<Option<Pause>> {
    let (direction, mut rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let direction = match direction.to_ascii_lowercase().as_str() {
        "true" | "all" => PauseDirection::All,
        "up" => PauseDirection::Up,
        "down" => PauseDirection::Down,
        "false" if rest.is_empty() => return Some(None),
        _ => return None,
    };
    let mut pause = Pause { direction, ..Pause::default() };
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(Some(pause));
        }
        let (option, value) = rest.split_once('=')?;
        let end = if option == "reason" { value.len() } else { value.find(char::is_whitespace).unwrap_or(value.len()) };
        let (value, after) = value.split_at(end);
        let text = (!value.is_empty()).then(|| value.to_owned())?;
        match option {
            "until" if pause.until.is_none() => pause.until = Some(Time(text.parse().ok()?)),
            "by" if pause.by.is_none() && text.len() <= 253 => pause.by = Some(text),
            "reason" if text.len() <= 1024 => pause.reason = Some(text),
            _ => return None,
        }
        rest = after;
    }
}

/// A pause as the value of its annotation: what [`pause`] reads. Its reason has no line breaks, nor `by` any white space.
pub fn pause_text(pause: &Pause) -> String {
    let direction = match pause.direction {
        PauseDirection::All => "all",
        PauseDirection::Up => "up",
        PauseDirection::Down => "down",
    };
    let until = pause.until.as_ref().map(|until| format!(" until={}", until.0));
    let by = pause.by.as_ref().map(|by| format!(" by={by}"));
    let reason = pause.reason.as_ref().map(|reason| format!(" reason={reason}"));
    [Some(direction.to_owned()), until, by, reason].into_iter().flatten().collect()
}

/// Longest cron expression, as in the CRD.
const LONGEST_CRON: usize = 128;

/// `CRON for LENGTH` or `START to END`, then options. Whether sizes and zone are possible is judged with the policy.
pub(super) fn schedule(text: &str) -> Option<Schedule> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut schedule = Schedule { name: "annotation".to_owned(), ..Schedule::default() };
    let options = if let Some(at) = words.iter().position(|word| *word == "for") {
        schedule.cron = Some(words[..at].join(" ")).filter(|cron| (1..=LONGEST_CRON).contains(&cron.len()));
        schedule.cron.as_ref()?;
        schedule.duration_seconds = Some(length(words.get(at + 1)?)?);
        &words[at + 2..]
    } else {
        let [start, "to", end, options @ ..] = words.as_slice() else { return None };
        schedule.start = Some(Time(start.parse().ok()?));
        schedule.end = Some(Time(end.parse().ok()?));
        options
    };
    for option in options {
        let (name, value) = option.split_once('=')?;
        let count = || value.parse::<i32>().ok().filter(|count| *count >= 0);
        match name {
            "min" if schedule.min_replicas.is_none() => schedule.min_replicas = Some(count()?),
            "max" if schedule.max_replicas.is_none() => schedule.max_replicas = Some(count()?),
            "replicas" if schedule.replicas.is_none() => schedule.replicas = Some(count()?),
            "ramp" if schedule.ramp_seconds.is_none() => schedule.ramp_seconds = Some(length(value)?),
            "tz" if schedule.time_zone.is_none() => schedule.time_zone = Some(value.to_owned()),
            _ => return None,
        }
    }
    Some(schedule)
}

/// Seconds of `90s`, `15m`, `1h30m` or `2d`, each unit once and the largest first.
fn length(text: &str) -> Option<i32> {
    let mut units = [('d', 86400), ('h', 3600), ('m', 60), ('s', 1)].into_iter();
    let (mut seconds, mut rest) = (0_i32, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit = rest[end..].chars().next()?;
        let (_, factor) = units.find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(rest[..end].parse::<i32>().ok()?.checked_mul(factor)?)?;
        rest = &rest[end + unit.len_utf8()..];
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_is_written_is_read_as_it_was() {
        let full = Pause {
            direction: PauseDirection::Down,
            until: Some(Time("2030-12-24T18:00:00Z".parse().unwrap())),
            reason: Some("sales week by=all".into()),
            by: Some("ana".into()),
        };
        for pause in [Pause::default(), Pause { direction: PauseDirection::Up, ..Pause::default() }, full] {
            assert_eq!(super::pause(&pause_text(&pause)), Some(Some(pause)));
        }
    }
}
