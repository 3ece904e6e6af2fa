//! What breaks while the soak lasts, by turns.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::plane_support::{Fault as ApiFault, MetricsApi, Tunnel};
use crate::support_faults::{Fault, FaultProxy};

/// How long each state lasts.
const TURN: Duration = Duration::from_secs(20);

/// The API server is out of reach for so long: the watches break.
const DROP: Duration = Duration::from_secs(2);

/// The same, so long that the lease is lost.
const OUTAGE: Duration = Duration::from_secs(14);

/// Ways in which a Prometheus fails. In between it works.
const WAYS: [Fault; 6] =
    [Fault::Status(503), Fault::Slow(Duration::from_secs(3)), Fault::Garbage, Fault::Down, Fault::Truncate, Fault::Empty];

/// Everything between Ballast and the world, and what of it is broken.
pub struct Faults {
    pub usage: &'static MetricsApi,
    /// Before the source `default`.
    pub default: FaultProxy,
    /// Before the `MetricSource`s.
    pub sources: FaultProxy,
    /// Before the API server.
    pub tunnel: tokio::sync::Mutex<Tunnel>,
    /// An app whose pods' usage cannot be read spoils every list that it is in.
    pub victim: String,
    pub now: Arc<Mutex<String>>,
}

// === impl Faults ===

impl Faults {
    /// Breaks one thing after the other, for ever.
    pub async fn run(&self) {
        for turn in 0_usize.. {
            let way = WAYS[turn / 2 % WAYS.len()];
            let (default, sources) = if turn % 2 == 0 { (way, Fault::Pass) } else { (Fault::Pass, way) };
            let usage = (turn % 5 == 3).then_some(ApiFault::Status(503));
            *self.now.lock() = format!("default {default:?}, sources {sources:?}, usage {usage:?}");
            self.default.set(default).await;
            self.sources.set(sources).await;
            self.usage.fault(&self.victim, "resource", usage);
            if turn % 6 == 5 {
                self.drop_watches(if turn % 30 == 29 { OUTAGE } else { DROP }).await;
            }
            tokio::time::sleep(TURN).await;
        }
    }

    async fn drop_watches(&self, time: Duration) {
        let mut tunnel = self.tunnel.lock().await;
        tunnel.cut().await;
        tokio::time::sleep(time).await;
        tunnel.open().await;
    }

    /// Everything works.
    pub async fn mend(&self) {
        "none".clone_into(&mut self.now.lock());
        self.default.set(Fault::Pass).await;
        self.sources.set(Fault::Pass).await;
        self.usage.fault(&self.victim, "resource", None);
    }
}
