//! How each source fares, for metrics and readiness.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Cause, Fault};
use crate::clock::Clock;
use crate::core::{FailureKind, Time};
use crate::telemetry::Step;

/// Counters of one source. A request that answers several asks counts once; an answer without a usable value is the query's fault and counts
/// as a success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceHealth {
    /// Questions of policies; several may share a request.
    pub asks: u64,
    /// Requests that ended, well or badly.
    pub requests: u64,
    /// Sum of the times that requests waited for their turn.
    pub waiting_total: Duration,
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
    /// What the last request met, if it failed.
    pub last_cause: Option<Cause>,
}

// === impl SourceHealth ===

impl SourceHealth {
    /// All failures.
    pub fn failures(&self) -> u64 {
        self.unreachable + self.refused + self.invalid
    }

    /// Whether the server answered the last request, be it that it refused the query; `None` before the first one.
    pub fn is_up(&self) -> Option<bool> {
        match self.last_cause {
            Some(cause) => Some(cause.is_of_query()),
            None => self.last_success.map(|_| true),
        }
    }

    /// Health of a source that cannot even be asked.
    pub(super) fn unusable(fault: &Fault, at: Time) -> Self {
        Self { last_failure: Some((at, fault.failure.message.clone())), last_cause: Some(fault.cause), ..Self::default() }
    }
}

/// Counts the requests of one source.
pub(super) struct Health {
    clock: Clock,
    counts: Mutex<SourceHealth>,
}

/// Somebody who waits for a turn.
struct Waiting<'a> {
    health: &'a Health,
    start: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.health.clock.instant().saturating_duration_since(self.start);
        self.health.counts.lock().waiting_total += waited;
    }
}

// === impl Health ===

impl Health {
    pub fn new(clock: Clock) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    pub fn snapshot(&self) -> SourceHealth {
        self.counts.lock().clone()
    }

    /// Counts questions.
    pub fn asked(&self, asks: usize) {
        self.counts.lock().asks += asks as u64;
    }

    /// Awaits a turn and counts the time, also of those who give up.
    pub async fn waiting<T>(&self, turn: impl Future<Output = T>) -> T {
        let _waiting = Waiting { health: self, start: self.clock.instant() };
        let turn = turn.await;
        Step::moment("turn");
        turn
    }

    /// Awaits a request and counts it.
    pub async fn count<T, E: Clone + Into<Fault>>(&self, request: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let start = self.clock.instant();
        let result = request.await;
        self.record(start, result.as_ref().err().map(|error| error.clone().into()));
        result
    }

    fn record(&self, start: Instant, fault: Option<Fault>) {
        let (now, latency) = (self.clock.now(), self.clock.instant().saturating_duration_since(start));
        let mut counts = self.counts.lock();
        counts.requests += 1;
        counts.latency_total += latency;
        counts.latency_last = latency;
        let Some(Fault { cause, failure }) = fault.filter(|fault| fault.failure.kind != FailureKind::Empty) else {
            counts.last_success = Some(now);
            counts.last_cause = None;
            return;
        };
        match failure.kind {
            FailureKind::Unreachable => counts.unreachable += 1,
            FailureKind::Refused => counts.refused += 1,
            FailureKind::Invalid | FailureKind::Empty => counts.invalid += 1,
        }
        counts.last_cause = Some(cause);
        counts.last_failure = Some((now, failure.message));
    }
}
