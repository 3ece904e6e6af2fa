//! Plain leader mode: one lease for all policies.
//!
//! A leader renews by one write under the version it wrote last, and reads only when that was refused: half the requests, and a refusal
//! says all that a read would have.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::io::holder;
use super::{Failed, LeaseOptions, Leases, Observed, Step, evaluate};
use crate::cluster::Shards;

/// The only shard.
const ALL: usize = 0;

/// Holds the lease as long as it can, until `shutdown`; then releases it so that a standby takes over at once. Release comes after
/// `drained` so that nothing is written without the lease.
pub async fn run(client: Client, options: LeaseOptions, shards: Shards, shutdown: CancellationToken, drained: CancellationToken) {
    let leases = Leases::new(client, shards.clock().clone(), options);
    let mut task = Task { leases, shards, observed: None, ours: None };
    let retry_period = task.leases.options().retry_period;
    loop {
        if let Err(error) = task.step().await {
            let LeaseOptions { namespace, name, .. } = task.leases.options();
            warn!(lease = %format_args!("{namespace}/{name}"), %error, "cannot work on the lease (--lease-namespace)");
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(retry_period) => {}
        }
    }
    drained.cancelled().await;
    if let Err(error) = task.release().await {
        warn!(lease = %task.leases.options().name, %error, "cannot release the lease; standbys wait until it expires");
    }
}

struct Task {
    leases: Leases,
    shards: Shards,
    observed: Option<Observed>,
    /// As we wrote it last, unless that may no longer be true.
    ours: Option<Lease>,
}

// === impl Task ===

impl Task {
    async fn step(&mut self) -> Result<(), Failed> {
        if let Some(ours) = self.ours.take() {
            match self.write(Some(&ours), "leading").await {
                Err(Failed::Conflict(_)) => {}
                done => return done,
            }
        }
        let Some(lease) = self.leases.get(&self.leases.options().name).await? else {
            return self.write(None, "created and took the lease").await;
        };
        let seen = self.leases.seen(&lease);
        let (step, observed) = evaluate(&self.leases.options().identity, &seen, self.observed.take(), self.shards.clock().instant());
        self.observed = Some(observed);
        match step {
            Step::Wait => {
                self.shards.give_up();
                self.shards.let_go(ALL, seen.holder.as_deref());
                Ok(())
            }
            Step::Acquire => self.write(Some(&lease), "took the lease").await,
            Step::Renew => self.write(Some(&lease), "leading").await,
        }
    }

    /// Writes, and leads for the renewal deadline counted from before the write: the server may have taken it at any time since.
    async fn write(&mut self, old: Option<&Lease>, what: &'static str) -> Result<(), Failed> {
        let before = self.shards.clock().instant();
        let LeaseOptions { name, identity, renew_deadline, .. } = self.leases.options();
        let written = self.leases.hold(name, identity, old, &[]).await?;
        let led = self.shards.leads_any();
        self.shards.extend(before + *renew_deadline);
        self.shards.hold(ALL);
        if !led {
            info!(lease = %name, %identity, what);
        }
        self.ours = Some(written);
        Ok(())
    }

    async fn release(&mut self) -> Result<(), Failed> {
        self.shards.give_up();
        let LeaseOptions { name, identity, .. } = self.leases.options();
        let Some(lease) = self.leases.get(name).await? else { return Ok(()) };
        if holder(&lease) == Some(identity) {
            self.leases.release(name, lease).await?;
            info!(lease = %name, "released the lease");
        }
        Ok(())
    }
}
