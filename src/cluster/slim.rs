//! What is watched of the API's objects: the fields that are read, and nothing else.
//!
//! A watch delivers these types, and the index keeps the rows made from them; no object is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::{apps, autoscaling, core as corev1};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time};
use kube::Resource;
use kube::core::Selector;
use serde::{Deserialize, Serialize};

use super::labels::{Labels, PodSelector};
use super::selector;
use super::starting::{ContainerStatus, served, trouble};
use crate::api::ScalePolicy;
use crate::api::quantity::Quantity;
use crate::api::time::to_core as time;
use crate::core::{Phase, Pod, Ready};
use crate::source::direct::{self, Endpoint, Refused, Says};

/// Where `kubectl apply` keeps the whole manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A pod as watched.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(inherit = "corev1::v1::Pod")]
pub struct SlimPod {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    resources: Resources,
    host_network: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    restart_policy: Option<String>,
    resources: Resources,
    ports: Vec<ContainerPort>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct ContainerPort {
    name: Option<String>,
    #[serde(rename = "containerPort")]
    number: u16,
    protocol: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Resources {
    requests: BTreeMap<String, Quantity>,
    limits: BTreeMap<String, Quantity>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    phase: Option<String>,
    start_time: Option<Time>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "hostIP")]
    host_ip: Option<String>,
    conditions: Vec<PodCondition>,
    init_container_statuses: Vec<ContainerStatus>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
    last_transition_time: Option<Time>,
}

/// A pod as kept.
#[derive(Clone, Debug)]
pub struct PodRow {
    /// What the core sees of it.
    pub pod: Pod,
    /// UID and kind of the controller that owns it.
    pub owner: Option<Arc<Owner>>,
    /// Its labels, for the selector; pods with the same ones share them.
    pub labels: Arc<Labels>,
    /// What its containers ask for and may use; pods of one set share it.
    pub resources: Arc<PodResources>,
    /// Where its own metrics are, or why they cannot be asked for.
    pub endpoint: Result<Box<Endpoint>, Refused>,
}

/// Requests and limits of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodResources {
    /// Requests of the pod as a whole, by resource, in thousandths; these replace the containers' where set.
    pub pod_requests: BTreeMap<String, i64>,
    /// Requests of each container and restartable init container, by resource, in thousandths.
    pub containers: Vec<(String, BTreeMap<String, i64>)>,
    /// CPU limit of the pod as a whole, in thousandths of a core; it bounds the sum of the containers'.
    pub pod_cpu_limit: Option<i64>,
    /// CPU limits in the order of `containers`.
    pub cpu_limits: Vec<Option<i64>>,
    /// How many of `containers`, from the front, are plain containers, which a signal may name.
    pub plain: usize,
}

/// The controller of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its UID.
    pub uid: Arc<str>,
    /// Its kind.
    pub kind: String,
}

/// A workload as watched: Deployment, `StatefulSet`, `ReplicaSet` and `ReplicationController` differ only in their address here.
macro_rules! workload {
    ($name:ident, $inherit:literal, $kind:ident) => {
        #[doc = concat!("A ", stringify!($kind), " as watched.")]
        #[derive(Clone, Debug, Serialize, Deserialize, Resource)]
        #[resource(inherit = $inherit)]
        pub struct $name {
            metadata: ObjectMeta,
            #[serde(default)]
            spec: WorkloadSpec,
            #[serde(default)]
            status: WorkloadStatus,
        }

        impl From<$name> for WorkloadRow {
            fn from(object: $name) -> Self {
                row(WorkloadKind::$kind, object.metadata, object.spec, &object.status)
            }
        }
    };
}

workload!(SlimDeployment, "apps::v1::Deployment", Deployment);
workload!(SlimStatefulSet, "apps::v1::StatefulSet", StatefulSet);
workload!(SlimReplicaSet, "apps::v1::ReplicaSet", ReplicaSet);
workload!(SlimReplicationController, "corev1::v1::ReplicationController", ReplicationController);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct WorkloadSpec {
    replicas: Option<i32>,
    selector: AnySelector,
}

/// A label selector, or the plain map that a `ReplicationController` has. The map is tried first: a selector's fields are no texts, but
/// any map would pass for a selector with fields that nobody knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum AnySelector {
    Map(BTreeMap<String, String>),
    Full(LabelSelector),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct WorkloadStatus {
    replicas: Option<i32>,
}

/// Kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    ReplicaSet,
    ReplicationController,
}

/// A workload as kept.
#[derive(Clone, Debug)]
pub struct WorkloadRow {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its UID.
    pub uid: Arc<str>,
    /// Version of the object, the precondition of a write.
    pub resource_version: String,
    /// `spec.replicas`; 1 where it is not set, as the API has it.
    pub spec_replicas: u32,
    /// `status.replicas`.
    pub status_replicas: u32,
    /// Its pod selector as text and parsed.
    pub selector: (Arc<str>, Arc<PodSelector>),
    /// Its annotations under Ballast's prefix.
    pub annotations: BTreeMap<String, String>,
    /// Its controller.
    pub owner: Option<Owner>,
    /// It is being deleted.
    pub deleting: bool,
}

/// A stock autoscaler as watched: only what it scales.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(inherit = "autoscaling::v2::HorizontalPodAutoscaler")]
pub struct SlimHpa {
    metadata: ObjectMeta,
    /// Its spec.
    #[serde(default)]
    pub spec: HpaSpec,
}

/// Spec of a stock autoscaler.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HpaSpec {
    /// What it scales.
    pub scale_target_ref: crate::api::scale_policy::CrossVersionObjectReference,
}

/// The policy without what nobody here reads, and without the room that lists are read with.
pub fn policy(mut policy: ScalePolicy) -> ScalePolicy {
    // Together more than half of an object's bytes.
    policy.metadata.managed_fields = None;
    if let Some(annotations) = &mut policy.metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    policy.spec.metrics.shrink_to_fit();
    if let Some(status) = &mut policy.status {
        status.current_metrics.shrink_to_fit();
        status.conditions.shrink_to_fit();
        status.scale_events.shrink_to_fit();
    }
    policy
}

// === impl AnySelector ===

impl Default for AnySelector {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

impl AnySelector {
    fn parse(self) -> Selector {
        match self {
            Self::Full(selector) => Selector::try_from(selector).unwrap_or_default(),
            Self::Map(labels) => labels.into_iter().collect(),
        }
    }
}

// === impl WorkloadKind ===

impl WorkloadKind {
    /// The kind's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
        }
    }

    /// The kind's group and version.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::ReplicationController => "v1",
            _ => "apps/v1",
        }
    }

    /// The watched kind of this group, version and name; any version of the group names the same objects.
    pub fn find(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        [Self::Deployment, Self::StatefulSet, Self::ReplicaSet, Self::ReplicationController]
            .into_iter()
            .find(|known| known.name() == kind && known.api_version().rsplit_once('/').map_or("", |(known, _)| known) == group)
    }
}

// === impl PodRow ===

impl From<SlimPod> for PodRow {
    fn from(object: SlimPod) -> Self {
        let SlimPod { metadata, spec, status } = object;
        let ready = status.conditions.iter().find(|condition| condition.kind == "Ready").and_then(|condition| {
            Some(Ready { status: condition.status == "True", since: time(condition.last_transition_time.as_ref()?) })
        });
        let started = status.start_time.as_ref().map(time);
        let unschedulable = status.conditions.iter().any(|c| c.kind == "PodScheduled" && c.reason.as_deref() == Some("Unschedulable"));
        let containers = status.init_container_statuses.iter().chain(&status.container_statuses);
        let trouble = if ready.is_some_and(|ready| ready.status) { None } else { trouble(unschedulable, containers) };
        let pod = Pod {
            name: Arc::from(metadata.name.as_deref().unwrap_or_default()),
            phase: match status.phase.as_deref() {
                Some("Running") => Phase::Running,
                Some("Succeeded") => Phase::Succeeded,
                Some("Failed") => Phase::Failed,
                Some("Unknown") => Phase::Unknown,
                _ => Phase::Pending,
            },
            deleting: metadata.deletion_timestamp.is_some(),
            start_time: started,
            ready,
            created: metadata.creation_timestamp.as_ref().map(time),
            served: served(started, ready),
            trouble,
        };
        let endpoint = endpoint(&metadata, &spec, &status).map(Box::new);
        let plain = spec.containers.len();
        let sidecars = spec.init_containers.into_iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
        let containers = spec.containers.into_iter().chain(sidecars);
        let (cpu_limits, containers) = containers.map(|c| (cpu_limit(&c.resources), (c.name, milli(c.resources)))).unzip();
        Self {
            pod,
            owner: owner(&metadata).map(Arc::new),
            endpoint,
            labels: Arc::new(metadata.labels.unwrap_or_default()),
            resources: Arc::new(PodResources {
                pod_cpu_limit: cpu_limit(&spec.resources),
                pod_requests: milli(spec.resources),
                containers,
                cpu_limits,
                plain,
            }),
        }
    }
}

impl PodRow {
    /// Keeps what it has in common with a twin only once.
    pub(super) fn share(&mut self, twin: &Self) {
        if self.owner == twin.owner {
            self.owner.clone_from(&twin.owner);
        }
        if self.resources == twin.resources {
            self.resources = Arc::clone(&twin.resources);
        }
        if let (Ok(own), Ok(other)) = (&mut self.endpoint, &twin.endpoint)
            && own.path == other.path
        {
            own.path.clone_from(&other.path);
        }
    }
}

fn endpoint(metadata: &ObjectMeta, spec: &PodSpec, status: &PodStatus) -> Result<Endpoint, Refused> {
    let ports = spec.containers.iter().chain(&spec.init_containers).flat_map(|container| &container.ports);
    let tcp = ports.filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
    let ports: Vec<_> = tcp.map(|port| (port.name.as_deref(), port.number)).collect();
    direct::endpoint(&Says {
        annotations: metadata.annotations.as_ref(),
        host_network: spec.host_network,
        pod_ip: status.pod_ip.as_deref(),
        host_ip: status.host_ip.as_deref(),
        ports: &ports,
    })
}

fn cpu_limit(resources: &Resources) -> Option<i64> {
    resources.limits.get("cpu")?.milli().ok()
}

fn milli(resources: Resources) -> BTreeMap<String, i64> {
    resources.requests.into_iter().filter_map(|(name, quantity)| Some((name, quantity.milli().ok()?))).collect()
}

fn owner(metadata: &ObjectMeta) -> Option<Owner> {
    let owner = metadata.owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))?;
    Some(Owner { uid: Arc::from(owner.uid.as_str()), kind: owner.kind.clone() })
}

fn row(kind: WorkloadKind, metadata: ObjectMeta, spec: WorkloadSpec, status: &WorkloadStatus) -> WorkloadRow {
    let owner = owner(&metadata);
    let parsed = spec.selector.parse();
    let size = |replicas: Option<i32>, default| replicas.map_or(default, |n| u32::try_from(n).unwrap_or_default());
    WorkloadRow {
        kind,
        uid: Arc::from(metadata.uid.as_deref().unwrap_or_default()),
        resource_version: metadata.resource_version.unwrap_or_default(),
        spec_replicas: size(spec.replicas, 1),
        status_replicas: size(status.replicas, 0),
        selector: (Arc::from(parsed.to_string()), Arc::new(parsed.into())),
        annotations: metadata.annotations.unwrap_or_default().into_iter().filter(|(key, _)| key.starts_with(PREFIX)).collect(),
        owner,
        deleting: metadata.deletion_timestamp.is_some(),
    }
}

/// Prefix of Ballast's annotations.
const PREFIX: &str = "ballast.dev/";

/// Parses a selector that came as text.
pub fn parsed(text: &str) -> Result<Arc<PodSelector>, String> {
    selector::parse(text).map(|selector| Arc::new(selector.into()))
}
