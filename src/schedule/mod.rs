//! Sizes by the clock: which floors and ceilings hold at a time.
//!
//! Calendar and time zones stay outside of the decision core, which only gets the result of [`at`]. The controller, the simulator and the
//! replay ask the same function.

mod effective;
mod window;

use std::sync::Arc;
use std::time::Duration;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::core::Time;

pub use effective::at;

/// A compiled schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name, for reasons.
    pub name: Arc<str>,
    /// When it holds.
    pub windows: Windows,
    /// The time zone that the cron expression is read in and times are shown in.
    pub zone: TimeZone,
    /// Lowest size while it holds.
    pub floor: Option<u32>,
    /// Highest size while it holds.
    pub ceiling: Option<u32>,
    /// How long before a window the floor begins to rise.
    pub ramp: Duration,
}

/// When a schedule holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Windows {
    /// From each time that the expression names, for a while of elapsed time: a window over a change of the clocks keeps its length.
    Cron {
        /// Five fields: minute, hour, day of month, month, day of week.
        pattern: Box<Cron>,
        /// Length of each window.
        duration: Duration,
    },
    /// Once.
    Once {
        /// Included.
        start: Time,
        /// Excluded.
        end: Time,
    },
}

/// Reads a cron expression of five fields.
///
/// # Errors
/// What is wrong with it; also when no day of the calendar ever matches, such as 30 February.
pub fn pattern(text: &str) -> Result<Box<Cron>, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|error| match error {
        CronError::EmptyPattern => "must not be empty".to_owned(),
        CronError::InvalidPattern(message) | CronError::IllegalCharacters(message) | CronError::ComponentError(message) => message,
        other => other.to_string(),
    })?;
    // Far enough in the past for every day of the calendar, 29 February on each day of the week included, to come round often.
    let start = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    match cron.find_next_occurrence(&start, true) {
        Ok(_) => Ok(Box::new(cron)),
        Err(_) => Err("names no day that exists".to_owned()),
    }
}

/// A time zone by its IANA name.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())
}

/// A time of the core on the clock of a zone; `None` beyond the calendar.
fn zoned(time: Time, zone: &TimeZone) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(time.as_millis()).ok()?.to_zoned(zone.clone()))
}

fn instant(zoned: &Zoned) -> Time {
    Time::from_millis(zoned.timestamp().as_millisecond())
}
