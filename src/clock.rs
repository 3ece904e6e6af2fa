//! The only reader of time. Everybody else gets a [`Clock`] or a point in time as an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::core::Time;

/// Readings this close are one.
const SAME_MOMENT: Duration = Duration::from_millis(100);

/// Wall time for what is shown and stored, monotonic time for deadlines.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Real,
    /// Moved by hand; the wall and the monotonic clock move together.
    Manual(Arc<Mutex<(Time, Instant)>>),
}

// === impl Clock ===

#[allow(clippy::disallowed_methods)]
impl Clock {
    /// The machine's clock.
    pub const fn real() -> Self {
        Self(Kind::Real)
    }

    /// A clock that stands at `now` until it is advanced, for tests.
    pub fn manual(now: Time) -> Self {
        Self(Kind::Manual(Arc::new(Mutex::new((now, Instant::now())))))
    }

    /// Wall time.
    pub fn now(&self) -> Time {
        match &self.0 {
            Kind::Real => Time::from_millis(jiff::Timestamp::now().as_millisecond()),
            Kind::Manual(state) => state.lock().0,
        }
    }

    /// Monotonic time.
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Kind::Real => Instant::now(),
            Kind::Manual(state) => state.lock().1,
        }
    }

    /// Both, read at the same moment: their difference tells whether the wall clock was set meanwhile.
    pub fn both(&self) -> (Time, Instant) {
        loop {
            let (before, instant, after) = (self.now(), self.instant(), self.now());
            // A process that was stopped in between would take that for a clock that was set.
            if after >= before && after.since(before) < SAME_MOMENT {
                return (before, instant);
            }
        }
    }

    /// Moves a manual clock; the machine's clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual(state) = &self.0 {
            let mut state = state.lock();
            *state = (state.0 + by, state.1 + by);
        }
    }
}
