//! How many writes of replica counts are not done yet, for those whose writes matter less.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

/// Longest wait of others for the writes of replica counts: what people read must not wait for ever when sizes move all the time.
const LONGEST: Duration = Duration::from_secs(10);

/// A count that can be waited for; clones share it.
#[derive(Clone, Debug)]
pub struct Backlog {
    count: watch::Sender<usize>,
    shown: Gauge,
}

// === impl Backlog ===

impl Backlog {
    /// Nothing is waiting; `shown` follows the count.
    pub fn new(shown: Gauge) -> Self {
        Self { count: watch::channel(0).0, shown }
    }

    /// Lets writes of replica counts pass: while any waits, statuses and Events would only take turns at the API server from them.
    pub async fn give_way(&self) {
        // The sender is ours, so the only other end is that of the patience.
        let _ = tokio::time::timeout(LONGEST, self.count.subscribe().wait_for(|count| *count == 0)).await;
    }

    pub(super) fn add(&self) {
        self.count.send_modify(|count| *count += 1);
        self.shown.inc();
    }

    pub(super) fn done(&self) {
        self.count.send_modify(|count| *count = count.saturating_sub(1));
        self.shown.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn others_wait_for_the_last_write_but_not_for_ever() {
        let backlog = Backlog::new(Gauge::default());
        backlog.give_way().await;
        backlog.add();
        let waits = tokio::spawn({
            let backlog = backlog.clone();
            async move { backlog.give_way().await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waits.is_finished());
        backlog.done();
        waits.await.unwrap();
        backlog.add();
        tokio::time::timeout(LONGEST * 2, backlog.give_way()).await.unwrap();
        assert_eq!(backlog.shown.get(), 1);
    }
}
