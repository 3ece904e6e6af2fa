//! Forms of annotation values. Each reader gives `None` for what it does not understand.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::metrics::MetricTarget;
use super::super::quantity::Quantity;
use super::super::scale_policy::{Mode, Pause, PauseDirection};

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

/// `DIRECTION [until=TIME] [by=NAME] [reason=TEXT to the end]`; the inner `None` is "no pause".
#[allow(clippy::option_option)]
pub(super) fn pause(text: &str) -> Option<Option<Pause>> {
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
