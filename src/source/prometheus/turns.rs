//! How much a server is asked at once and per second, and when each query has its turn.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::Server;
use super::material::Material;
use crate::api::metric_source::{default_concurrency, default_queries_per_second};
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::core::Failure;
use crate::source::{Cause, Fault};

/// A query waits this many timeouts for its turn.
const PATIENCE: u32 = 3;
/// The queries of a tick that do not all run at once are spread over so much of the shortest deadline of those who wait, or so long each,
/// whichever is less.
const SPREAD: f64 = 0.05;
const SPREAD_EACH: Duration = Duration::from_millis(1);

/// How much a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Queries under way at once.
    pub concurrency: usize,
    /// Queries per second on average; as many may come at once.
    pub per_second: u32,
}

/// Gives queries their turns.
pub(super) struct Turns {
    slots: Semaphore,
    bucket: Bucket,
    budget: Budget,
    patience: Duration,
}

/// One query's turn: after a while, when there is room.
pub struct Turn {
    /// Whom it asks.
    pub server: Arc<Server>,
    after: Duration,
    had: AtomicBool,
}

// === impl Budget ===

impl Budget {
    /// A budget of numbers that were validated; each is 1 at least.
    pub fn new(concurrency: i32, per_second: i32) -> Self {
        Self { concurrency: usize::try_from(concurrency).unwrap_or(0).max(1), per_second: u32::try_from(per_second).unwrap_or(0).max(1) }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(default_concurrency(), default_queries_per_second())
    }
}

// === impl Turns ===

impl Turns {
    pub fn new(material: &Material, clock: Clock) -> Self {
        let budget = material.budget;
        let rate = f64::from(budget.per_second);
        Self {
            slots: Semaphore::new(budget.concurrency),
            bucket: Bucket::new(clock, rate, rate),
            budget,
            patience: material.timeout * PATIENCE,
        }
    }

    /// Waits for a turn. Only who has a slot owes the bucket something, so that those who give up waiting leave no debt.
    pub async fn take(&self) -> Result<SemaphorePermit<'_>, Fault> {
        let turn = async {
            let slot = self.slots.acquire().await.ok()?;
            self.bucket.take().await;
            Some(slot)
        };
        match tokio::time::timeout(self.patience, turn).await {
            Ok(Some(slot)) => Ok(slot),
            _ => Err(self.no_room(self.patience).because(Cause::Timeout)),
        }
    }

    /// Why a query was not even sent.
    pub fn no_room(&self, waited: Duration) -> Failure {
        Failure::unreachable(format!(
            "its budget of {} queries at once and {} per second had no room within {} s; ask fewer different queries, or raise concurrency or \
             queriesPerSecond of the source",
            self.budget.concurrency,
            self.budget.per_second,
            waited.as_secs_f64()
        ))
    }

    /// The time over which so many queries are spread.
    pub fn spread(&self, queries: usize, deadline: Duration) -> Duration {
        if queries <= self.budget.concurrency {
            return Duration::ZERO;
        }
        let each = SPREAD_EACH.saturating_mul(u32::try_from(queries).unwrap_or(u32::MAX));
        if deadline == Duration::MAX { each } else { each.min(deadline.mul_f64(SPREAD)) }
    }
}

// === impl Turn ===

impl Turn {
    /// A turn within `spread`: always at the same moment of a tick for the same query, so that its answers are equally far apart.
    pub fn new(server: &Arc<Server>, query: &str, spread: Duration) -> Arc<Self> {
        let mut hasher = DefaultHasher::new();
        query.hash(&mut hasher);
        let share = f64::from(u16::try_from(hasher.finish() >> 48).unwrap_or(0)) / f64::from(u16::MAX);
        Arc::new(Self { server: Arc::clone(server), after: spread.mul_f64(share), had: AtomicBool::new(false) })
    }

    /// The moment has come to ask for room.
    pub(super) async fn comes(&self) {
        if !self.after.is_zero() {
            tokio::time::sleep(self.after).await;
        }
    }

    pub(super) fn begin(&self) {
        self.had.store(true, Ordering::Relaxed);
    }

    /// Why there is no answer after so long: the server's silence, or none was asked for yet.
    pub fn late(&self, deadline: Duration) -> Option<Failure> {
        (!self.had.load(Ordering::Relaxed)).then(|| self.server.no_room(deadline))
    }
}
