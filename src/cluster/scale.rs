//! The size of any kind of workload, through its scale subresource.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::autoscaling::v1::Scale;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersion;
use kube::{Api, Client, Error, Resource, discovery};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;

use super::index::{Index, WorkloadKey};
use super::labels::PodSelector;
use super::slim::{SlimDeployment, SlimReplicaSet, SlimReplicationController, SlimStatefulSet, WorkloadKind, WorkloadRow, parsed};
use super::writer::writer;
use super::{CALL_TIMEOUT, Key, in_words};
use crate::api::TargetRef;
use crate::clock::Clock;
use crate::core::Writer;

/// How long an answer of discovery is trusted, and how long a "no": a CRD may appear at any time.
const DISCOVERY_FRESH: Duration = Duration::from_secs(300);
const DISCOVERY_RETRY: Duration = Duration::from_secs(10);

/// A target's size as it was read.
#[derive(Clone, Debug)]
pub struct ScaleView {
    /// Where its scale subresource is.
    pub resource: ApiResource,
    /// UID of the target.
    pub uid: Option<Arc<str>>,
    /// What was last asked for.
    pub spec_replicas: u32,
    /// Pods that exist.
    pub status_replicas: u32,
    /// Selector of its pods as text; may be empty.
    pub selector_text: Arc<str>,
    /// The same, parsed.
    pub selector: Arc<PodSelector>,
    /// Why the selector cannot be used.
    pub selector_error: Option<String>,
    /// Version that a write must still find.
    pub resource_version: String,
}

/// Why a size cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum ScaleError {
    /// The API server does not know the kind.
    #[error("the API server knows no kind {kind} in {api_version}; check spec.scaleTargetRef.apiVersion and kind")]
    UnknownKind {
        /// The kind.
        kind: String,
        /// Its group and version.
        api_version: String,
    },
    /// The kind has no scale subresource.
    #[error(
        "a {0} has no scale subresource, so its size cannot be set; kinds that can be scaled: Deployment, StatefulSet, ReplicaSet, ReplicationController, and custom resources with a scale subresource"
    )]
    NotScalable(String),
    /// There is no such object.
    #[error("{0} does not exist")]
    NotFound(String),
    /// Permissions are missing.
    #[error("not permitted: {0} (see rbac.extraScaleResources of the chart for kinds beyond the built-in ones)")]
    Forbidden(String),
    /// No answer, or an error of the server.
    #[error("{0}")]
    Failed(String),
}

/// Reads sizes: of watched kinds from the index, of all others from the API server.
#[derive(Clone)]
pub struct ScaleClient {
    client: Client,
    index: Arc<Index>,
    clock: Clock,
    kinds: Arc<Mutex<Kinds>>,
}

/// What discovery said about kinds, and when.
type Kinds = HashMap<(String, String), (Instant, Result<ApiResource, ScaleError>)>;

// === impl ScaleClient ===

impl ScaleClient {
    /// A reader.
    pub fn new(client: Client, index: Arc<Index>, clock: Clock) -> Self {
        Self { client, index, clock, kinds: Arc::default() }
    }

    /// The size of a target; `afresh`: not as the watch has it, which may be behind or, on a connection that died silently, stand still.
    pub async fn read(&self, namespace: &str, target: &TargetRef, afresh: bool) -> Result<ScaleView, ScaleError> {
        match WorkloadKind::find(&target.api_version, &target.kind) {
            Some(_) if !afresh => return self.watched(namespace, target),
            Some(WorkloadKind::Deployment) => return self.fetch::<SlimDeployment>(WorkloadKind::Deployment, namespace, target).await,
            Some(WorkloadKind::StatefulSet) => return self.fetch::<SlimStatefulSet>(WorkloadKind::StatefulSet, namespace, target).await,
            Some(WorkloadKind::ReplicaSet) => return self.fetch::<SlimReplicaSet>(WorkloadKind::ReplicaSet, namespace, target).await,
            Some(kind @ WorkloadKind::ReplicationController) => {
                return self.fetch::<SlimReplicationController>(kind, namespace, target).await;
            }
            None => {}
        }
        let resource = self.resource(&target.api_version, &target.kind).await?;
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let scale = tokio::time::timeout(CALL_TIMEOUT, api.get_scale(&target.name))
            .await
            .map_err(|_| ScaleError::Failed(format!("no answer within {} s", CALL_TIMEOUT.as_secs())))?
            .map_err(|error| from_api(target, error))?;
        Ok(view(resource, scale))
    }

    /// Who set the size of a target last; `None`: this controller did.
    pub async fn writer(&self, target: &Key, resource: &ApiResource) -> Option<Writer> {
        writer(&self.client, resource, target).await
    }

    /// Whether the size of a target is known without asking.
    pub fn is_watched(&self, target: &TargetRef) -> bool {
        WorkloadKind::find(&target.api_version, &target.kind).is_some()
    }

    /// The size of a target of a watched kind, as it was seen last.
    pub fn watched(&self, namespace: &str, target: &TargetRef) -> Result<ScaleView, ScaleError> {
        let kind = WorkloadKind::find(&target.api_version, &target.kind).ok_or_else(|| ScaleError::NotFound(target.to_string()))?;
        let key = WorkloadKey { kind, key: Key::new(namespace, &target.name) };
        let row = self.index.workload(&key).ok_or_else(|| ScaleError::NotFound(target.to_string()))?;
        Ok(view_of(kind, &row))
    }

    /// What is known of watched kinds, from the server.
    async fn fetch<K>(&self, kind: WorkloadKind, namespace: &str, target: &TargetRef) -> Result<ScaleView, ScaleError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Into<WorkloadRow>,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let object = tokio::time::timeout(CALL_TIMEOUT, api.get(&target.name))
            .await
            .map_err(|_| ScaleError::Failed(format!("no answer within {} s", CALL_TIMEOUT.as_secs())))?
            .map_err(|error| from_api(target, error))?;
        Ok(view_of(kind, &object.into()))
    }

    /// Address of a kind, if it can be scaled.
    async fn resource(&self, api_version: &str, kind: &str) -> Result<ApiResource, ScaleError> {
        let key = (api_version.to_owned(), kind.to_owned());
        let now = self.clock.instant();
        if let Some((at, known)) = self.kinds.lock().get(&key)
            && now.saturating_duration_since(*at) < fresh(known)
        {
            return known.clone();
        }
        let found = self.discover(api_version, kind).await;
        // A server that cannot be asked says nothing about the kind.
        if !matches!(found, Err(ScaleError::Failed(_))) {
            let mut kinds = self.kinds.lock();
            // Names come from policies: those that nobody asks about any more must not stay.
            kinds.retain(|_, (at, known)| now.saturating_duration_since(*at) < fresh(known));
            kinds.insert(key, (now, found.clone()));
        }
        found
    }

    async fn discover(&self, api_version: &str, kind: &str) -> Result<ApiResource, ScaleError> {
        let unknown = || ScaleError::UnknownKind { kind: kind.to_owned(), api_version: api_version.to_owned() };
        let version: GroupVersion = api_version.parse().map_err(|_| unknown())?;
        let group = tokio::time::timeout(CALL_TIMEOUT, discovery::pinned_group(&self.client, &version))
            .await
            .map_err(|_| ScaleError::Failed(format!("discovery of {api_version}: no answer within {} s", CALL_TIMEOUT.as_secs())))?
            .map_err(|error| match error {
                // The answer for a group that is not served is a bare 404 without a reason.
                Error::Api(status) if status.code == 404 => unknown(),
                Error::Discovery(_) => unknown(),
                other => ScaleError::Failed(format!("discovery of {api_version}: {}", in_words(&other))),
            })?;
        let resources = group.versioned_resources(&version.version);
        let (resource, capabilities) = resources.into_iter().find(|(resource, _)| resource.kind == kind).ok_or_else(unknown)?;
        let scale = format!("{}/scale", resource.plural);
        let scalable = capabilities.subresources.iter().any(|(sub, _)| sub.plural == scale || sub.plural == "scale");
        if scalable { Ok(resource) } else { Err(ScaleError::NotScalable(kind.to_owned())) }
    }
}

/// How long what is known of a kind is taken as it is.
const fn fresh(known: &Result<ApiResource, ScaleError>) -> Duration {
    if known.is_ok() { DISCOVERY_FRESH } else { DISCOVERY_RETRY }
}

/// Address of a watched kind.
pub fn builtin(kind: WorkloadKind) -> ApiResource {
    use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
    use k8s_openapi::api::core::v1::ReplicationController;
    match kind {
        WorkloadKind::Deployment => ApiResource::erase::<Deployment>(&()),
        WorkloadKind::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
        WorkloadKind::ReplicaSet => ApiResource::erase::<ReplicaSet>(&()),
        WorkloadKind::ReplicationController => ApiResource::erase::<ReplicationController>(&()),
    }
}

fn view_of(kind: WorkloadKind, row: &WorkloadRow) -> ScaleView {
    ScaleView {
        resource: builtin(kind),
        uid: Some(Arc::clone(&row.uid)),
        spec_replicas: row.spec_replicas,
        status_replicas: row.status_replicas,
        selector_text: Arc::clone(&row.selector.0),
        selector: Arc::clone(&row.selector.1),
        selector_error: None,
        resource_version: row.resource_version.clone(),
    }
}

fn view(resource: ApiResource, scale: Scale) -> ScaleView {
    let size = |replicas: Option<i32>| replicas.map_or(0, |n| u32::try_from(n).unwrap_or_default());
    let text = scale.status.as_ref().and_then(|status| status.selector.clone()).unwrap_or_default();
    let (selector, selector_error) = match parsed(&text) {
        Ok(selector) => (selector, None),
        Err(error) => (Arc::default(), Some(error)),
    };
    ScaleView {
        resource,
        uid: scale.metadata.uid.as_deref().map(Arc::from),
        spec_replicas: size(scale.spec.as_ref().and_then(|spec| spec.replicas)),
        status_replicas: scale.status.as_ref().map_or(0, |status| size(Some(status.replicas))),
        selector_text: Arc::from(text),
        selector,
        selector_error,
        resource_version: scale.metadata.resource_version.unwrap_or_default(),
    }
}

fn from_api(target: &TargetRef, error: Error) -> ScaleError {
    match error {
        Error::Api(status) if status.is_not_found() => ScaleError::NotFound(target.to_string()),
        Error::Api(status) if status.is_forbidden() => ScaleError::Forbidden(status.message),
        other => ScaleError::Failed(in_words(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Time;

    #[tokio::test]
    async fn kinds_that_nobody_asks_about_any_more_are_forgotten() {
        let nothing = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            let status = r#"{"kind":"Status","status":"Failure","code":404,"reason":"NotFound","message":"no such group"}"#;
            http::Response::builder().status(404).body(kube::client::Body::from(status.as_bytes().to_vec()))
        });
        let clock = Clock::manual(Time::from_secs(0));
        let client = ScaleClient::new(Client::new(nothing, "default"), Index::new().0, clock.clone());
        for number in 0..9 {
            let target = TargetRef { api_version: format!("g{number}.example/v1"), kind: "Widget".to_owned(), name: "web".to_owned() };
            let error = client.read("shop", &target, false).await.unwrap_err();
            assert!(matches!(error, ScaleError::UnknownKind { .. }), "{error}");
            assert_eq!(client.kinds.lock().len(), 1);
            clock.advance(DISCOVERY_RETRY);
        }
    }
}
