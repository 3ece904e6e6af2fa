//! One lease on the API server: read, taken, renewed and released, each write under the version it was read with.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Error};
use thiserror::Error;

use super::{LeaseOptions, Seen};
use crate::clock::Clock;
use crate::cluster::{CALL_TIMEOUT, in_words};

/// Why a call failed.
#[derive(Debug, Error)]
pub enum Failed {
    /// Somebody else has written, made or removed the lease meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// Everything else.
    #[error("{0}")]
    Other(String),
}

/// Leases of one namespace, as this process writes them.
pub struct Leases {
    api: Api<Lease>,
    clock: Clock,
    options: LeaseOptions,
}

// === impl Leases ===

impl Leases {
    pub fn new(client: Client, clock: Clock, options: LeaseOptions) -> Self {
        Self { api: Api::namespaced(client, &options.namespace), clock, options }
    }

    pub const fn options(&self) -> &LeaseOptions {
        &self.options
    }

    pub async fn get(&self, name: &str) -> Result<Option<Lease>, Failed> {
        call(self.api.get_opt(name)).await
    }

    /// Those with a label, as `key=value`.
    pub async fn list(&self, label: &str) -> Result<Vec<Lease>, Failed> {
        Ok(call(self.api.list(&ListParams::default().labels(label))).await?.items)
    }

    /// Makes the lease ours, or `holder`'s: `old` is it as last seen, `None` if there is none. `labels` are added.
    pub async fn hold(&self, name: &str, holder: &str, old: Option<&Lease>, labels: &[(&str, &str)]) -> Result<Lease, Failed> {
        let now = MicroTime(jiff::Timestamp::from_millisecond(self.clock.now().as_millis()).unwrap_or_default());
        let old_spec = old.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let changed_hands = old_spec.holder_identity.as_deref() != Some(holder);
        let transitions = old_spec.lease_transitions.unwrap_or_default() + i32::from(old.is_some() && changed_hands);
        let mut metadata =
            old.map_or_else(|| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, |lease| lease.metadata.clone());
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        metadata.labels.get_or_insert_default().extend(labels);
        let lease = Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(i32::try_from(self.options.duration.as_secs()).unwrap_or(i32::MAX)),
                acquire_time: if changed_hands { Some(now.clone()) } else { old_spec.acquire_time },
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..old_spec
            }),
        };
        self.write(name, old.is_some(), &lease).await
    }

    /// Leaves the lease to whoever comes first.
    pub async fn release(&self, name: &str, mut lease: Lease) -> Result<Lease, Failed> {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        self.write(name, true, &lease).await
    }

    async fn write(&self, name: &str, exists: bool, lease: &Lease) -> Result<Lease, Failed> {
        let params = PostParams::default();
        if exists { call(self.api.replace(name, &params, lease)).await } else { call(self.api.create(&params, lease)).await }
    }

    /// What is to be known of a lease before it is taken.
    pub fn seen(&self, lease: &Lease) -> Seen {
        let spec = lease.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
        Seen {
            holder: holder(lease).map(str::to_owned),
            version: version(lease).to_owned(),
            duration: seconds.map_or(self.options.duration, |s| std::time::Duration::from_secs(u64::try_from(s).unwrap_or_default())),
        }
    }
}

/// Who holds a lease; nobody after a release.
pub fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// Changes with every write.
pub fn version(lease: &Lease) -> &str {
    lease.metadata.resource_version.as_deref().unwrap_or_default()
}

/// One call, with an end.
async fn call<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
    match tokio::time::timeout(CALL_TIMEOUT, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error::Api(status))) if status.code == 409 || status.is_not_found() => Err(Failed::Conflict(status.message.clone())),
        Ok(Err(error)) => Err(Failed::Other(in_words(&error))),
        Err(_) => Err(Failed::Other(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}
