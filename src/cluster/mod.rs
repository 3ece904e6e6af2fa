//! Kubernetes I/O: what is watched, the index made of it, and everything that is written.

mod backlog;
mod checkpoint;
mod events;
mod guard;
mod index;
mod labels;
mod lease;
mod outage;
mod ownership;
mod queue;
mod repeats;
mod requests;
mod scale;
mod selector;
mod shallow;
mod shards;
mod slim;
mod sources;
mod starting;
mod status;
mod watch;
mod writer;

use std::fmt;
use std::sync::Arc;

pub use backlog::Backlog;
pub use checkpoint::{CheckpointError, Checkpoints};
pub use events::{EventType, ObjectRef, Recorder};
pub(crate) use guard::{Guarded, Unreadable, fault};
pub use index::{Change, Index, MOST_RIVALS, Malformed, Rivals, Workload, WorkloadKey};
pub use labels::PodSelector;
pub use lease::{LeaseOptions, run as run_lease};
pub use ownership::TargetPods;
pub use queue::{Pace, ScaleWrite, WriteOutcome, WriteQueue, WriteResult};
pub use requests::{cpu_limit_of, request_of};
pub use scale::{ScaleClient, ScaleError, ScaleView};
pub use shards::{Lead, MEMBERS, MOST as MOST_SHARDS, Shards, run_member, shard_of};
pub use slim::{PodResources, PodRow, WorkloadKind};
pub use sources::SourceRow;
pub use status::{StatusWriter, replace_status};
pub use watch::{Watches, start as start_watches, watch_error};

/// Who writes, as `kubectl` shows it: field manager, Event source.
pub const MANAGER: &str = "ballast";

/// Longest wait for one call to the API server: a call that hangs must not outlive the decision it belongs to.
pub const CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// An error of the API server in its own words; kube's text repeats the whole answer.
pub fn in_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

// === impl Key ===

impl Key {
    /// A key.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: Arc::from(namespace), name: Arc::from(name) }
    }

    /// The key of an object.
    pub fn of(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Self {
        Self::new(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
