//! The windows of one schedule around a time.

use super::{Schedule, Windows, instant, zoned};
use crate::core::Time;

/// A stretch of time, its end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub start: Time,
    pub end: Time,
}

/// Windows that overlap are followed this far to find their common end; a schedule whose windows never end is told to end there, and is
/// asked again then.
const FOLLOWED: usize = 16;

impl Schedule {
    /// The window that `now` lies in.
    pub(super) fn current(&self, now: Time) -> Option<Window> {
        match &self.windows {
            Windows::Once { start, end } => (*start <= now && now < *end).then_some(Window { start: *start, end: *end }),
            Windows::Cron { pattern, duration } => {
                let at = zoned(now, &self.zone)?;
                let start = instant(&pattern.find_previous_occurrence(&at, true).ok()?);
                let mut end = start + *duration;
                if end <= now {
                    return None;
                }
                let mut last = start;
                for _ in 0..FOLLOWED {
                    match self.start_after(last) {
                        Some(next) if next <= end => (last, end) = (next, next + *duration),
                        _ => break,
                    }
                }
                Some(Window { start, end })
            }
        }
    }

    /// The first window that starts after `now`.
    pub(super) fn next(&self, now: Time) -> Option<Window> {
        match &self.windows {
            Windows::Once { start, end } => (now < *start).then_some(Window { start: *start, end: *end }),
            Windows::Cron { duration, .. } => self.start_after(now).map(|start| Window { start, end: start + *duration }),
        }
    }

    fn start_after(&self, time: Time) -> Option<Time> {
        let Windows::Cron { pattern, .. } = &self.windows else { return None };
        let at = zoned(time, &self.zone)?;
        pattern.find_next_occurrence(&at, false).ok().map(|next| instant(&next))
    }
}
