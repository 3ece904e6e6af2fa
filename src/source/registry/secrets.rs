//! Values of Secrets and `ConfigMap`s, each read by its name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use crate::api::metric_source::KeyRef;
use crate::core::Failure;
use crate::source::apiserver::{TIMEOUT, from_api};

/// Reads keys of one namespace, each object once.
pub(super) struct Secrets<'a> {
    client: &'a Client,
    namespace: &'a str,
    read: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

// === impl Secrets ===

impl<'a> Secrets<'a> {
    pub const fn new(client: &'a Client, namespace: &'a str) -> Self {
        Self { client, namespace, read: BTreeMap::new() }
    }

    /// The bytes of a Secret's key.
    pub async fn bytes(&mut self, key: &KeyRef) -> Result<Vec<u8>, Failure> {
        let data = match self.read.entry(key.name.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(slot) => slot.insert(secret(self.client, self.namespace, &key.name).await?),
        };
        data.get(&key.key)
            .cloned()
            .ok_or_else(|| Failure::refused(format!("Secret {}/{} has no key {}", self.namespace, key.name, key.key)))
    }

    /// The text of a Secret's key, without the line break editors add.
    pub async fn text(&mut self, key: &KeyRef) -> Result<String, Failure> {
        let bytes = self.bytes(key).await?;
        let not_text = |_| Failure::refused(format!("key {} of Secret {}/{} is not text", key.key, self.namespace, key.name));
        Ok(String::from_utf8(bytes).map_err(not_text)?.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The bytes of a `ConfigMap`'s key.
    pub async fn config_map(&self, key: &KeyRef) -> Result<Vec<u8>, Failure> {
        let (namespace, name) = (self.namespace, &key.name);
        let map: ConfigMap = object(self.client, namespace, name, "ConfigMap", "configmaps").await?;
        let text = map.data.and_then(|mut data| data.remove(&key.key)).map(String::into_bytes);
        let found = text.or_else(|| map.binary_data.and_then(|mut data| data.remove(&key.key)).map(|bytes| bytes.0));
        found.ok_or_else(|| Failure::refused(format!("ConfigMap {namespace}/{name} has no key {}", key.key)))
    }
}

async fn secret(client: &Client, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let secret: Secret = object(client, namespace, name, "Secret", "secrets").await?;
    Ok(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
}

/// Reads one object by name; a refusal says which Role is missing.
async fn object<K>(client: &Client, namespace: &str, name: &str, kind: &str, plural: &str) -> Result<K, Failure>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    K::DynamicType: Default,
{
    let what = format!("{kind} {namespace}/{name}");
    let api = Api::<K>::namespaced(client.clone(), namespace);
    match tokio::time::timeout(TIMEOUT, api.get_opt(name)).await {
        Err(_) => Err(Failure::unreachable(format!("{what}: no answer of the API server within {} s", TIMEOUT.as_secs()))),
        Ok(Ok(Some(object))) => Ok(object),
        Ok(Ok(None)) => Err(Failure::refused(format!("{what} does not exist"))),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => Err(Failure::refused(format!(
            "{what} may not be read: bind a Role in namespace {namespace} with verb get on {plural}, resourceNames [{name}], to the \
             controller's ServiceAccount"
        ))),
        Ok(Err(error)) => Err(from_api(&error, &what, "")),
    }
}
