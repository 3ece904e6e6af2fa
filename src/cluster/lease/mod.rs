//! Leader election by Lease: one process decides, the others stand by.
//!
//! Expiry is measured by our own clock from when we saw the lease change, as client-go does, so clocks of machines need not agree.
//! What is led is kept in [`super::Shards`] with the time up to which the lease surely holds; whoever writes asks there at the write.
//! `io` and `evaluate` are used for the leases of several shards as well.

mod evaluate;
mod io;
mod task;

use std::time::Duration;

pub use task::run;

pub(super) use evaluate::{Observed, Seen, Step, evaluate};
pub(super) use io::{Failed, Leases, holder, version};

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
    /// Time between two tries, or two renewals. Default 2 s.
    pub retry_period: Duration,
}
