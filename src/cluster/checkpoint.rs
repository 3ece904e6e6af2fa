//! Checkpoints as `ConfigMap`s `<name>-<n>` in the controller's namespace.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client, Error};
use parking_lot::Mutex;
use thiserror::Error;

use super::{CALL_TIMEOUT, Leadership, MANAGER, in_words};

/// Most objects: the chart grants access to so many names, and to no other `ConfigMap`.
pub const OBJECTS: usize = 64;

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
    leadership: Leadership,
    /// Versions by number.
    versions: Arc<Mutex<HashMap<usize, String>>>,
}

// === impl Checkpoints ===

impl Checkpoints {
    /// Checkpoints called `<name>-<n>`.
    pub fn new(client: Client, namespace: &str, name: &str, leadership: Leadership) -> Self {
        Self { api: Api::namespaced(client, namespace), name: Arc::from(name), leadership, versions: Arc::default() }
    }

    /// Name of one object.
    pub fn name(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    /// Reads all objects; `expected` of them are looked for even if some are missing.
    pub async fn read(&self, expected: usize) -> Result<BTreeMap<usize, Vec<u8>>, CheckpointError> {
        let mut found = BTreeMap::new();
        for number in 0..OBJECTS {
            let Some(object) = call(self.api.get_opt(&self.name(number))).await? else {
                self.versions.lock().remove(&number);
                if number < expected {
                    continue;
                }
                break;
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
        if !self.leadership.is_leader() {
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
