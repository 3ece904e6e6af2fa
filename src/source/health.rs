//! How each source fares, for metrics and readiness.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::core::{Failure, FailureKind, Time};

/// Counters of one source. A request that answers several asks counts once; an answer without a usable value is the query's fault and counts
/// as a success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceHealth {
    /// Requests that ended, well or badly.
    pub requests: u64,
    /// Those without an answer.
    pub unreachable: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those whose answer could not be read.
    pub invalid: u64,
    /// Sum of all durations.
    pub latency_total: Duration,
    /// Duration of the last request.
    pub latency_last: Duration,
    /// When a request last succeeded.
    pub last_success: Option<Time>,
    /// When a request last failed, and what it met.
    pub last_failure: Option<(Time, String)>,
}

// === impl SourceHealth ===

impl SourceHealth {
    /// All failures.
    pub fn failures(&self) -> u64 {
        self.unreachable + self.refused + self.invalid
    }

    /// Whether the server answered the last request, be it with a refusal; `None` before the first one.
    pub fn is_up(&self) -> Option<bool> {
        match (self.last_success, &self.last_failure) {
            (None, None) => None,
            (success, failure) => Some(success >= failure.as_ref().map(|(time, _)| *time)),
        }
    }
}

/// Counts the requests of one source.
pub(super) struct Health {
    clock: Clock,
    counts: Mutex<SourceHealth>,
}

// === impl Health ===

impl Health {
    pub fn new(clock: Clock) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    pub fn snapshot(&self) -> SourceHealth {
        self.counts.lock().clone()
    }

    /// Awaits a request and counts it.
    pub async fn count<T>(&self, request: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let start = self.clock.instant();
        let result = request.await;
        self.record(start, result.as_ref().err());
        result
    }

    fn record(&self, start: Instant, failure: Option<&Failure>) {
        let (now, latency) = (self.clock.now(), self.clock.instant().saturating_duration_since(start));
        let mut counts = self.counts.lock();
        counts.requests += 1;
        counts.latency_total += latency;
        counts.latency_last = latency;
        match failure.map(|failure| failure.kind) {
            None | Some(FailureKind::Empty) => {
                counts.last_success = Some(now);
                return;
            }
            Some(FailureKind::Unreachable) => counts.unreachable += 1,
            Some(FailureKind::Refused) => counts.refused += 1,
            Some(FailureKind::Invalid) => counts.invalid += 1,
        }
        counts.last_failure = failure.map(|failure| (now, failure.message.clone()));
    }
}
