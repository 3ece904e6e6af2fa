//! Two times: that of the model, and the real one in which the real autoscaler lives.
//!
//! A look every 15 s of the model takes place every 0.8 s, so 1 s is 18.75 s of the model. The real autoscaler's windows are whole seconds; those
//! of 2, 6, 10, 14 and 18 s end half-way between two looks, so that nothing depends on a few milliseconds.

use std::time::Duration;

use ballast::core::Time;
use jiff::{SignedDuration, Timestamp};

use crate::plane_support::now;

/// Time between two looks.
pub const PACE: Duration = Duration::from_millis(800);
/// The same in seconds of the model.
pub const LOOK: u64 = 15;
/// `--horizontal-pod-autoscaler-sync-period`: time between the end of a look and the first call of the next, which is then made to wait for its time.
/// More than half the pace: what is enqueued while it waits is due after the wait, or the next look would begin at once, with an old
/// object in the autoscaler's cache.
pub const SYNC: Duration = Duration::from_millis(450);
/// A look that takes this long may remember times on the wrong side of a window's end.
pub const LATE: Duration = Duration::from_millis(300);

/// A real time in the model.
pub fn in_model(real: Duration) -> Duration {
    real * u32::try_from(LOOK * 1000).unwrap() / u32::try_from(PACE.as_millis()).unwrap()
}

/// When a run began.
#[derive(Clone, Copy)]
pub struct Clock {
    pub real: Timestamp,
    pub model: Time,
}

impl Clock {
    /// A run that begins now, at this time of the model.
    pub fn start(model: Time) -> Self {
        Self { real: now(), model }
    }

    /// When a second of the model comes.
    pub fn due(&self, second: u64) -> Timestamp {
        self.real + PACE * u32::try_from(second / LOOK).unwrap()
    }

    /// How long ago that was; zero before it.
    pub fn since(&self, second: u64) -> Duration {
        Duration::try_from(now().duration_since(self.due(second))).unwrap_or_default()
    }

    /// Waits for it.
    pub async fn wait(&self, second: u64) {
        let rest = Duration::try_from(self.due(second).duration_since(now())).unwrap_or_default();
        tokio::time::sleep(rest).await;
    }

    /// A pod's start, which the real autoscaler compares with its clock.
    pub fn scaled(&self, time: Time) -> String {
        let model = time.as_millis() - self.model.as_millis();
        rfc3339(
            self.real + SignedDuration::from_millis(model * i64::try_from(PACE.as_millis()).unwrap() / i64::try_from(LOOK * 1000).unwrap()),
        )
    }

    /// Samples and readiness, which it only compares with each other: API times are whole seconds, and so are those of the model.
    pub fn unscaled(&self, time: Time) -> String {
        rfc3339(self.real + SignedDuration::from_millis(time.as_millis() - self.model.as_millis()))
    }
}

fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
