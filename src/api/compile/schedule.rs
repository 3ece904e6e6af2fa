//! `spec.schedules` and `spec.fallback`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::super::error::{FieldError, Problems};
use super::super::schedule::{self as written, Fallback};
use super::super::time::to_core;
use super::seconds;
use crate::core;
use crate::schedule::{Schedule, Windows, pattern, zone};

/// Most schedules of one policy: all are asked at each look.
const MOST: usize = 32;
/// Longest window of a cron expression.
const LONGEST: i32 = 31 * 86400;

/// Reads the list; `bounds` are the policy's own.
pub(super) fn compile(list: &[written::Schedule], bounds: &RangeInclusive<i32>, out: &mut Problems) -> Vec<Schedule> {
    if list.len() > MOST {
        out.add("spec.schedules", list.len(), format!("must be at most {MOST} schedules"));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let schedules = list.iter().enumerate().filter_map(|(index, schedule)| {
        let path = format!("spec.schedules[{index}]");
        if schedule.name.is_empty() {
            out.add(format!("{path}.name"), "", "must not be empty");
        } else if !names.insert(&schedule.name) {
            out.add(format!("{path}.name"), &schedule.name, "names of schedules must differ");
        }
        one(&path, schedule, bounds, out)
    });
    schedules.collect()
}

/// The faults of one schedule, with paths that begin at it.
pub(crate) fn check_schedule(schedule: &written::Schedule, bounds: RangeInclusive<i32>) -> Vec<FieldError> {
    let mut out = Problems::default();
    one("schedule", schedule, &bounds, &mut out);
    out.errors
}

fn one(path: &str, schedule: &written::Schedule, bounds: &RangeInclusive<i32>, out: &mut Problems) -> Option<Schedule> {
    let written::Schedule { time_zone, min_replicas, max_replicas, replicas, .. } = schedule;
    let name = time_zone.as_deref().unwrap_or("UTC");
    let zone = zone(name);
    if zone.is_none() {
        out.add(format!("{path}.timeZone"), name, "is not a known IANA time zone, such as UTC or Europe/Berlin");
    }
    let windows = windows(path, schedule, out);
    let mut size = |field: &str, size: Option<i32>| within(&format!("{path}.{field}"), size, bounds, out);
    let (floor, ceiling, count) = (size("minReplicas", *min_replicas), size("maxReplicas", *max_replicas), size("replicas", *replicas));
    match (floor, ceiling, count) {
        (None, None, None) => out.add(path, "", "needs minReplicas, maxReplicas or replicas"),
        (None, None, Some(_)) | (_, _, None) => {}
        (_, _, Some(count)) => {
            out.add(format!("{path}.replicas"), count, "may not be given together with minReplicas or maxReplicas");
        }
    }
    if let (Some(floor), Some(ceiling)) = (floor, ceiling)
        && ceiling < floor
    {
        out.add(format!("{path}.maxReplicas"), ceiling, format!("must be at least minReplicas ({floor})"));
    }
    let ramp = seconds(&format!("{path}.rampSeconds"), schedule.ramp_seconds, 0..=86400, Duration::ZERO, out);
    let floor = floor.or(count);
    if floor.is_none() && schedule.ramp_seconds.is_some() {
        out.add(format!("{path}.rampSeconds"), ramp.as_secs(), "needs minReplicas or replicas to rise to");
    }
    Some(Schedule { name: Arc::from(schedule.name.as_str()), windows: windows?, zone: zone?, floor, ceiling: ceiling.or(count), ramp })
}

fn windows(path: &str, schedule: &written::Schedule, out: &mut Problems) -> Option<Windows> {
    let written::Schedule { cron, duration_seconds, start, end, .. } = schedule;
    match (cron, start, end) {
        (Some(cron), None, None) => {
            let duration_path = format!("{path}.durationSeconds");
            if duration_seconds.is_none() {
                out.add(&duration_path, "", "is missing: cron needs a length of its windows");
            }
            let duration = seconds(&duration_path, *duration_seconds, 1..=LONGEST, Duration::ZERO, out);
            let pattern = pattern(cron);
            if let Err(message) = &pattern {
                let allowed = "must be minute, hour, day of month, month and day of week, such as 0 8 * * 1-5";
                out.add(format!("{path}.cron"), cron, format!("{allowed}: {message}"));
            }
            Some(Windows::Cron { pattern: pattern.ok()?, duration })
        }
        (None, Some(start), Some(end)) => {
            if duration_seconds.is_some() {
                out.add(format!("{path}.durationSeconds"), "", "may be given with cron only");
            }
            if start.0 >= end.0 {
                out.add(format!("{path}.end"), end.0, format!("must be after start ({})", start.0));
            }
            Some(Windows::Once { start: to_core(start), end: to_core(end) })
        }
        (None, Some(_), None) => {
            out.add(format!("{path}.end"), "", "is missing: start and end belong together");
            None
        }
        (None, None, Some(_)) => {
            out.add(format!("{path}.start"), "", "is missing: start and end belong together");
            None
        }
        _ => {
            out.add(path, "", "needs either cron and durationSeconds, or start and end");
            None
        }
    }
}

/// A size that must lie within the policy's own bounds: those are what its owner promised.
fn within(path: &str, size: Option<i32>, bounds: &RangeInclusive<i32>, out: &mut Problems) -> Option<u32> {
    let size = size?;
    // Bounds that are wrong themselves have been told already.
    if !bounds.is_empty() && !bounds.contains(&size) {
        out.add(path, size, format!("must be spec.minReplicas ({}) to spec.maxReplicas ({})", bounds.start(), bounds.end()));
    }
    Some(u32::try_from(size).unwrap_or_default())
}

/// Reads `spec.fallback`.
pub(super) fn fallback(fallback: Option<&Fallback>, bounds: &RangeInclusive<i32>, out: &mut Problems) -> core::Fallback {
    let default = core::Fallback::default();
    let Some(Fallback { hold_seconds, replicas }) = fallback else { return default };
    let hold = seconds("spec.fallback.holdSeconds", *hold_seconds, 0..=86400, default.hold, out);
    let size = |field: &str, size, out: &mut Problems| within(&format!("spec.fallback.replicas.{field}"), size, bounds, out);
    let (floor, count) =
        replicas.as_ref().map_or((None, None), |replicas| (size("floor", replicas.floor, out), size("count", replicas.count, out)));
    let replicas = match (floor, count) {
        (Some(_), Some(count)) => {
            out.add("spec.fallback.replicas.count", count, "may not be given together with floor");
            default.replicas
        }
        (Some(floor), None) => core::FallbackReplicas::Floor(floor),
        (None, Some(count)) => core::FallbackReplicas::Count(count),
        (None, None) => core::FallbackReplicas::Current,
    };
    core::Fallback { hold, replicas }
}
