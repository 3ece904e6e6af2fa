//! The I/O around a lease: read, take, renew, release, each write under the version it was read with.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, Error};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::evaluate::{Observed, Seen, Step, evaluate};
use super::{Leadership, LeaseOptions};
use crate::clock::Clock;
use crate::cluster::{CALL_TIMEOUT, in_words};

/// Holds the lease as long as it can, until `shutdown`; then releases it so that a standby takes over at once. Release comes after
/// `drained` so that nothing is written without the lease.
pub async fn run(client: Client, options: LeaseOptions, leadership: Leadership, shutdown: CancellationToken, drained: CancellationToken) {
    let mut task =
        Task { api: Api::namespaced(client, &options.namespace), clock: leadership.clock.clone(), options, leadership, observed: None };
    loop {
        if let Err(error) = task.step().await {
            warn!(lease = %format_args!("{}/{}", task.options.namespace, task.options.name), %error, "cannot work on the lease (--lease-namespace)");
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(task.options.retry_period) => {}
        }
    }
    drained.cancelled().await;
    if let Err(error) = task.release().await {
        warn!(lease = %task.options.name, %error, "cannot release the lease; standbys wait until it expires");
    }
}

struct Task {
    api: Api<Lease>,
    clock: Clock,
    options: LeaseOptions,
    leadership: Leadership,
    observed: Option<Observed>,
}

// === impl Task ===

impl Task {
    async fn step(&mut self) -> Result<(), String> {
        let Some(lease) = call(self.api.get_opt(&self.options.name)).await? else {
            let lease = self.lease(None, true);
            return self.write(async |api| api.create(&PostParams::default(), &lease).await, "created and took the lease").await;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let seen = Seen {
            holder: spec.holder_identity.clone(),
            version: lease.metadata.resource_version.clone().unwrap_or_default(),
            duration: spec
                .lease_duration_seconds
                .map_or(self.options.duration, |s| Duration::from_secs(u64::try_from(s).unwrap_or_default())),
        };
        let (step, observed) = evaluate(&self.options.identity, &seen, self.observed.take(), self.clock.instant());
        self.observed = Some(observed);
        self.leadership.held_by(seen.holder.as_deref());
        let name = self.options.name.clone();
        match step {
            Step::Wait => {
                self.leadership.give_up();
                Ok(())
            }
            Step::Acquire => {
                let next = self.lease(Some(&lease), true);
                self.write(async |api| api.replace(&name, &PostParams::default(), &next).await, "took the lease").await
            }
            Step::Renew => {
                let next = self.lease(Some(&lease), false);
                self.write(async |api| api.replace(&name, &PostParams::default(), &next).await, "leading").await
            }
        }
    }

    /// Writes, and leads for the renewal deadline counted from before the write: the server may have taken it at any time since.
    async fn write(&self, write: impl AsyncFnOnce(&Api<Lease>) -> Result<Lease, Error>, what: &'static str) -> Result<(), String> {
        let before = self.clock.instant();
        let led = self.leadership.is_leader();
        call(write(&self.api)).await?;
        self.leadership.hold_until(before + self.options.renew_deadline);
        if !led {
            info!(lease = %self.options.name, identity = %self.options.identity, what);
        }
        Ok(())
    }

    /// The lease as held by us; `acquired` says whether this is a take-over.
    fn lease(&self, old: Option<&Lease>, acquired: bool) -> Lease {
        let now = MicroTime(jiff::Timestamp::from_millisecond(self.clock.now().as_millis()).unwrap_or_default());
        let old_spec = old.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let changed_hands = old_spec.holder_identity.as_deref() != Some(self.options.identity.as_str());
        let transitions = old_spec.lease_transitions.unwrap_or_default() + i32::from(old.is_some() && changed_hands);
        Lease {
            metadata: old.map_or_else(
                || ObjectMeta { name: Some(self.options.name.clone()), ..ObjectMeta::default() },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.options.identity.clone()),
                lease_duration_seconds: Some(i32::try_from(self.options.duration.as_secs()).unwrap_or(i32::MAX)),
                acquire_time: if acquired { Some(now.clone()) } else { old_spec.acquire_time },
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..old_spec
            }),
        }
    }

    async fn release(&mut self) -> Result<(), String> {
        self.leadership.give_up();
        let Some(mut lease) = call(self.api.get_opt(&self.options.name)).await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(self.options.identity.as_str()) {
            return Ok(());
        }
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        call(self.api.replace(&self.options.name, &PostParams::default(), &lease)).await?;
        info!(lease = %self.options.name, "released the lease");
        Ok(())
    }
}

/// One call, with an end.
async fn call<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(CALL_TIMEOUT, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(in_words(&error)),
        Err(_) => Err(format!("no answer within {} s", CALL_TIMEOUT.as_secs())),
    }
}
