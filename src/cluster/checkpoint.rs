//! Checkpoints as `ConfigMap`s `<name>-<n>` in the controller's namespace. Of S shards, number s has the objects with n mod S = s.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client, Error};
use parking_lot::Mutex;
use thiserror::Error;

use super::{CALL_TIMEOUT, MANAGER, Shards, in_words};
use crate::checkpoint::OBJECTS;

/// Objects read at once.
const READS: usize = 8;

/// Key of the bytes.
const KEY: &str = "memory";

/// Marks the objects for people.
const LABEL: &str = "ballast.dev/checkpoint";

/// Why checkpoints could not be read or written.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// Not permitted, or no such namespace: trying again is no help.
    #[error("{0}")]
    Refused(String),
    /// Somebody else wrote meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// Leadership has gone.
    #[error("no longer leading")]
    NotLeading,
    /// The server cannot be reached, or fails.
    #[error("{0}")]
    Unavailable(String),
}

/// Reads and writes checkpoints; clones share what is known of them.
#[derive(Clone)]
pub struct Checkpoints {
    api: Api<ConfigMap>,
    name: Arc<str>,
    shards: Shards,
    /// Versions by number.
    versions: Arc<Mutex<HashMap<usize, String>>>,
}

// === impl Checkpoints ===

impl Checkpoints {
    /// Checkpoints called `<name>-<n>`.
    pub fn new(client: Client, namespace: &str, name: &str, shards: Shards) -> Self {
        Self { api: Api::namespaced(client, namespace), name: Arc::from(name), shards, versions: Arc::default() }
    }

    /// Name of one object.
    pub fn name(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    /// Reads all objects there are, whoever wrote them. With another number of shards they were others'.
    pub async fn read(&self) -> Result<BTreeMap<usize, Vec<u8>>, CheckpointError> {
        let read = |number| async move { call(self.api.get_opt(&self.name(number))).await.map(|object| (number, object)) };
        let mut answers = stream::iter(0..OBJECTS).map(read).buffer_unordered(READS);
        let mut found = BTreeMap::new();
        while let Some(answer) = answers.next().await {
            let (number, object) = answer?;
            let Some(object) = object else {
                self.versions.lock().remove(&number);
                continue;
            };
            self.know(number, &object);
            let bytes = object.binary_data.and_then(|mut data| data.remove(KEY)).map(|bytes| bytes.0);
            found.insert(number, bytes.unwrap_or_default());
        }
        Ok(found)
    }

    /// Writes one object, provided that nobody else did since we saw it.
    pub async fn write(&self, number: usize, bytes: Vec<u8>) -> Result<(), CheckpointError> {
        let (name, params) = (self.name(number), PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() });
        let version = self.versions.lock().get(&number).cloned();
        let object = ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                resource_version: version.clone(),
                labels: Some([("app.kubernetes.io/managed-by", MANAGER), (LABEL, "true")].map(|(k, v)| (k.into(), v.into())).into()),
                ..ObjectMeta::default()
            },
            binary_data: Some([(KEY.to_owned(), ByteString(bytes))].into()),
            ..ConfigMap::default()
        };
        if !self.shards.leads_shard(number % self.shards.count()) {
            return Err(CheckpointError::NotLeading);
        }
        let written = match version {
            Some(_) => call(self.api.replace(&name, &params, &object)).await,
            None => call(self.api.create(&params, &object)).await,
        };
        match written {
            Ok(object) => {
                self.know(number, &object);
                Ok(())
            }
            // Deleted, made or edited by hand: what we have in memory is newer, so the next write takes its place.
            Err(error) => {
                match call(self.api.get_opt(&name)).await {
                    Ok(Some(object)) => self.know(number, &object),
                    Ok(None) => drop(self.versions.lock().remove(&number)),
                    Err(_) => {}
                }
                Err(error)
            }
        }
    }

    fn know(&self, number: usize, object: &ConfigMap) {
        self.versions.lock().insert(number, object.metadata.resource_version.clone().unwrap_or_default());
    }
}

/// One call, with an end.
async fn call<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, CheckpointError> {
    match tokio::time::timeout(CALL_TIMEOUT, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error::Api(status))) if status.code == 409 => Err(CheckpointError::Conflict(status.message.clone())),
        Ok(Err(Error::Api(status))) if [401, 403, 404, 413, 422].contains(&status.code) => {
            Err(CheckpointError::Refused(status.message.clone()))
        }
        Ok(Err(error)) => Err(CheckpointError::Unavailable(in_words(&error))),
        Err(_) => Err(CheckpointError::Unavailable(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}
