//! A token bucket: so many per second on average, so many at once.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::Clock;

/// Limits a rate; waiting callers are served in turn.
#[derive(Debug)]
pub struct Bucket {
    clock: Clock,
    per_second: f64,
    burst: f64,
    /// Tokens, possibly owed, at a time.
    state: Mutex<(f64, Instant)>,
}

// === impl Bucket ===

impl Bucket {
    /// A full bucket; `per_second` must be above 0.
    pub fn new(clock: Clock, per_second: f64, burst: f64) -> Self {
        let state = Mutex::new((burst, clock.instant()));
        Self { clock, per_second, burst, state }
    }

    /// Takes a token and waits until it is there.
    pub async fn take(&self) {
        let wait = self.reserve();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a token and says how long to wait for it.
    fn reserve(&self) -> Duration {
        let now = self.clock.instant();
        let mut state = self.state.lock();
        let (tokens, at) = *state;
        let tokens = (tokens + now.saturating_duration_since(at).as_secs_f64() * self.per_second).min(self.burst) - 1.0;
        *state = (tokens, now);
        if tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-tokens / self.per_second) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Time;

    #[test]
    fn a_burst_passes_and_the_rest_waits_its_turn() {
        let clock = Clock::manual(Time::from_secs(0));
        let bucket = Bucket::new(clock.clone(), 10.0, 2.0);
        assert_eq!(bucket.reserve(), Duration::ZERO);
        assert_eq!(bucket.reserve(), Duration::ZERO);
        assert_eq!(bucket.reserve(), Duration::from_millis(100));
        assert_eq!(bucket.reserve(), Duration::from_millis(200));
        clock.advance(Duration::from_secs(1));
        assert_eq!(bucket.reserve(), Duration::ZERO);
    }
}
