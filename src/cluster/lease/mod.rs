//! Leader election by Lease: one process decides, the others stand by.
//!
//! Expiry is measured by our own clock from when we saw the lease change, as client-go does, so clocks of machines need not agree.
//! Leadership is a point in time up to which the lease surely holds; whoever writes asks at the write.

mod evaluate;
mod task;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::Clock;

pub use task::run;

/// How a lease is held; the meanings and defaults are those of client-go's flags.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are; unique per process.
    pub identity: String,
    /// How long others wait without seeing a renewal before they take over. Default 15 s.
    pub duration: Duration,
    /// Time since the last renewal after which we stop leading ourselves; below `duration`. Default 10 s.
    pub renew_deadline: Duration,
    /// Time between two tries. Default 2 s.
    pub retry_period: Duration,
}

/// Whether this process leads; clones share it.
#[derive(Clone, Debug)]
pub struct Leadership {
    clock: Clock,
    until: Arc<Mutex<Until>>,
    holder: Arc<Mutex<Option<String>>>,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    Never,
    At(Instant),
    Always,
}

// === impl Leadership ===

impl Leadership {
    /// Leads without a lease: for a single process (`--leader-elect=false`).
    pub fn always(clock: Clock) -> Self {
        Self { clock, until: Arc::new(Mutex::new(Until::Always)), holder: Arc::default() }
    }

    /// Does not lead until the lease is taken.
    pub fn standby(clock: Clock) -> Self {
        Self { clock, until: Arc::new(Mutex::new(Until::Never)), holder: Arc::default() }
    }

    /// Whether this process may write now.
    pub fn is_leader(&self) -> bool {
        match *self.until.lock() {
            Until::Never => false,
            Until::Always => true,
            Until::At(until) => self.clock.instant() < until,
        }
    }

    /// Who held the lease when it was read last, while others do.
    pub fn holder(&self) -> Option<String> {
        self.holder.lock().clone()
    }

    fn held_by(&self, holder: Option<&str>) {
        *self.holder.lock() = holder.filter(|holder| !holder.is_empty()).map(str::to_owned);
    }

    fn hold_until(&self, until: Instant) {
        *self.until.lock() = Until::At(until);
    }

    fn give_up(&self) {
        *self.until.lock() = Until::Never;
    }
}
