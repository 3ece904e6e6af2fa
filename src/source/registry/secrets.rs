//! Values of Secrets and `ConfigMap`s, each read by its name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use crate::api::metric_source::KeyRef;
use crate::core::Failure;
use crate::source::apiserver::{TIMEOUT, from_api};
use crate::source::{Cause, Fault};

/// Reads keys of one namespace, each object once. `path` is where the reference stands, for messages.
pub(super) struct Secrets<'a> {
    client: &'a Client,
    namespace: &'a str,
    read: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

/// How messages and causes call a kind of object.
struct Kind {
    name: &'static str,
    plural: &'static str,
    not_found: Cause,
    forbidden: Cause,
}

const SECRET: Kind = Kind { name: "Secret", plural: "secrets", not_found: Cause::SecretNotFound, forbidden: Cause::SecretForbidden };
const CONFIG_MAP: Kind =
    Kind { name: "ConfigMap", plural: "configmaps", not_found: Cause::ConfigMapNotFound, forbidden: Cause::ConfigMapForbidden };

// === impl Secrets ===

impl<'a> Secrets<'a> {
    pub const fn new(client: &'a Client, namespace: &'a str) -> Self {
        Self { client, namespace, read: BTreeMap::new() }
    }

    /// The bytes of a Secret's key.
    pub async fn bytes(&mut self, path: &str, key: &KeyRef) -> Result<Vec<u8>, Fault> {
        let data = match self.read.entry(key.name.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(slot) => {
                let secret: Secret = object(self.client, self.namespace, &key.name, &SECRET).await.map_err(|fault| fault.of(path))?;
                slot.insert(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
            }
        };
        let absent = || Failure::refused(format!("{path}: Secret {}/{} has no key {}", self.namespace, key.name, key.key));
        data.get(&key.key).cloned().ok_or_else(|| absent().because(Cause::SecretKeyNotFound))
    }

    /// The text of a Secret's key, without the line break editors add.
    pub async fn text(&mut self, path: &str, key: &KeyRef) -> Result<String, Fault> {
        let bytes = self.bytes(path, key).await?;
        let not_text = |_| Failure::refused(format!("{path}: key {} of Secret {}/{} is not text", key.key, self.namespace, key.name));
        let text = String::from_utf8(bytes).map_err(|error| not_text(error).because(Cause::InvalidCredentials))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The bytes of a `ConfigMap`'s key.
    pub async fn config_map(&self, path: &str, key: &KeyRef) -> Result<Vec<u8>, Fault> {
        let map: ConfigMap = object(self.client, self.namespace, &key.name, &CONFIG_MAP).await.map_err(|fault| fault.of(path))?;
        let text = map.data.and_then(|mut data| data.remove(&key.key)).map(String::into_bytes);
        let found = text.or_else(|| map.binary_data.and_then(|mut data| data.remove(&key.key)).map(|bytes| bytes.0));
        let absent = || Failure::refused(format!("{path}: ConfigMap {}/{} has no key {}", self.namespace, key.name, key.key));
        found.ok_or_else(|| absent().because(Cause::ConfigMapKeyNotFound))
    }
}

/// Reads one object by name; a refusal says which Role is missing.
async fn object<K>(client: &Client, namespace: &str, name: &str, kind: &Kind) -> Result<K, Fault>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    K::DynamicType: Default,
{
    let what = format!("{} {namespace}/{name}", kind.name);
    let api = Api::<K>::namespaced(client.clone(), namespace);
    match tokio::time::timeout(TIMEOUT, api.get_opt(name)).await {
        Err(_) => Err(Failure::unreachable(format!("{what}: no answer of the API server within {} s", TIMEOUT.as_secs())).into()),
        Ok(Ok(Some(object))) => Ok(object),
        Ok(Ok(None)) => Err(Failure::refused(format!("{what} does not exist")).because(kind.not_found)),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            let role = format!("bind a Role in namespace {namespace} with verb get on {}, resourceNames [{name}]", kind.plural);
            Err(Failure::refused(format!("{what} may not be read: {role}, to the controller's ServiceAccount")).because(kind.forbidden))
        }
        Ok(Err(error)) => Err(from_api(&error, &what, "").into()),
    }
}
