//! All schedules together at one time.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;

use super::window::Window;
use super::{Schedule, zoned};
use crate::core::{BySchedule, Scheduled, ScheduledBound, Time};

/// The bounds that `schedules` set at `now`: of several the highest floor and the lowest ceiling.
///
/// `base` is the floor that holds without schedules (`spec.minReplicas`); a ramp starts from it.
pub fn at(schedules: &[Schedule], base: u32, now: Time) -> Scheduled {
    let states: Vec<State> = schedules.iter().map(|schedule| schedule.state(base, now)).collect();
    // Of equal bounds the one that holds longest is told.
    let floor = states.iter().filter_map(|state| state.floor.as_ref()).max_by_key(|bound| (bound.replicas, bound.until));
    let ceiling = states.iter().filter_map(|state| state.ceiling.as_ref()).max_by_key(|bound| (Reverse(bound.replicas), bound.until));
    let next_change = states.iter().filter_map(|state| state.next_change).min();
    Scheduled { floor: floor.map(Bound::told), ceiling: ceiling.map(Bound::told), next_change }
}

/// What one schedule says.
struct State<'a> {
    floor: Option<Bound<'a>>,
    ceiling: Option<Bound<'a>>,
    next_change: Option<Time>,
}

struct Bound<'a> {
    replicas: u32,
    until: Time,
    window: Window,
    /// The size that a ramp rises to.
    rising_to: Option<u32>,
    schedule: &'a Schedule,
}

impl Schedule {
    fn state(&self, base: u32, now: Time) -> State<'_> {
        if let Some(window) = self.current(now) {
            let bound = |replicas| Bound { replicas, until: window.end, window, rising_to: None, schedule: self };
            return State { floor: self.floor.map(bound), ceiling: self.ceiling.map(bound), next_change: Some(window.end) };
        }
        let mut state = State { floor: None, ceiling: None, next_change: None };
        let Some(window) = self.next(now) else { return state };
        state.next_change = Some(window.start);
        let Some(floor) = self.floor.filter(|floor| *floor > base && !self.ramp.is_zero()) else { return state };
        let begin = window.start - self.ramp;
        if now < begin {
            state.next_change = Some(begin);
            return state;
        }
        let (replicas, next_step) = ramp(base, floor, self.ramp, now.since(begin));
        state.floor = Some(Bound { replicas, until: window.start, window, rising_to: Some(floor), schedule: self });
        state.next_change = next_step.map(|step| begin + step).filter(|step| *step < window.start).or(state.next_change);
        state
    }
}

/// The floor after `elapsed` of a ramp of whole seconds, and when the next step comes.
///
/// It is `base + ceil((floor - base) · t / ramp)` with the time `t` rounded up to the second: the floor is complete before the ramp ends,
/// and even a steep ramp calls for one look a second at most.
fn ramp(base: u32, floor: u32, ramp: Duration, elapsed: Duration) -> (u32, Option<Duration>) {
    let (rise, whole) = (u64::from(floor - base), ramp.as_secs().max(1));
    let seconds = elapsed.as_secs() + u64::from(elapsed.subsec_nanos() > 0);
    let risen = rise.saturating_mul(seconds).div_ceil(whole).min(rise);
    let next_second = risen.saturating_mul(whole) / rise + 1;
    let next = Duration::from_secs(next_second - 1) + Duration::from_millis(1);
    (base + u32::try_from(risen).unwrap_or(floor - base), (risen < rise).then_some(next))
}

impl Bound<'_> {
    fn told(&self) -> ScheduledBound {
        let Schedule { name, zone, .. } = self.schedule;
        let clock = |time| zoned(time, zone);
        let zone = zone.iana_name().unwrap_or("UTC");
        let span = match (self.rising_to, clock(self.window.start), clock(self.window.end)) {
            (Some(floor), Some(start), _) => format!("rising to {floor} at {} {zone}", time_of_day(&start)),
            (None, Some(start), Some(end)) if start.date() == end.date() => format!("until {} {zone}", time_of_day(&end)),
            (None, _, Some(end)) => format!("until {} {} {zone}", end.date(), time_of_day(&end)),
            _ => String::new(),
        };
        ScheduledBound { replicas: self.replicas, by: BySchedule { name: Arc::clone(name), span: Arc::from(span) } }
    }
}

/// Seconds only where there are any.
fn time_of_day(time: &Zoned) -> impl std::fmt::Display {
    time.strftime(if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" })
}
