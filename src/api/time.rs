//! Times of the API and of the core.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::core;

/// A time of the API in the core's terms, to the millisecond.
pub fn to_core(time: &Time) -> core::Time {
    core::Time::from_millis(time.0.as_millisecond())
}

/// An end as the API writes it: the whole second at or after it, so that what was announced is never announced too early.
pub fn end_from_core(time: core::Time) -> Time {
    from_core(time + std::time::Duration::from_millis(999))
}

/// A time of the core as the API writes it: whole seconds, as its other times; what lies beyond the calendar is its end.
pub fn from_core(time: core::Time) -> Time {
    let seconds = time.as_millis().div_euclid(1000);
    let end = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Time(Timestamp::from_second(seconds).unwrap_or(end))
}
