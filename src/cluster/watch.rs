//! Watches: one plain watcher per kind (and namespace, where those are limited), all feeding the index.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, DefaultBackoff, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client, Resource};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::guard::{Guarded, Unreadable};
use super::index::{Index, Malformed, WorkloadKey};
use super::outage::Outage;
use super::slim::{self, SlimDeployment, SlimHpa, SlimPod, SlimReplicaSet, SlimReplicationController, SlimStatefulSet, WorkloadKind};
use super::sources::WatchedSource;
use super::{Key, in_words};
use crate::api::ScalePolicy;

/// Seconds after which the server ends a watch. A connection that died silently is noticed only then, and a stale replica count for
/// kube's default of five minutes is too long for an autoscaler (kube-rs/kube#1945): pods that nobody sees bear load that nobody counts. A
/// watch that goes on where the last one ended costs the server next to nothing.
const WATCH_SECONDS: u32 = 20;

/// Longest pause between two tries of a failing watch. kube's default goes up to 30 s, for which a CRD that was installed again or a
/// server that is back would not be noticed; few watches that try this often are no load.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// State of all watches.
#[derive(Clone, Default)]
pub struct Watches(Arc<Mutex<Vec<Arc<Watch>>>>);

struct Watch {
    what: String,
    state: Mutex<WatchState>,
}

#[derive(Clone, Debug)]
enum WatchState {
    /// The first list is not complete; why, if the server said so.
    Listing(Option<String>),
    Ready,
}

/// client-go's pauses as kube has them, but never longer than [`LONGEST_PAUSE`].
#[derive(Default)]
struct Pauses(DefaultBackoff);

/// How objects of a kind go into the index.
trait Indexed: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    fn apply(self, key: Key, index: &Index);
    fn delete(key: &Key, index: &Index);
    fn keys(index: &Index) -> Vec<Key>;
}

// === impl Pauses ===

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(LONGEST_PAUSE))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

// === impl Watches ===

impl Watches {
    /// What is still waited for, or `None` when every first list is complete.
    pub fn waiting(&self) -> Option<String> {
        let waiting: Vec<String> = self
            .0
            .lock()
            .iter()
            .filter_map(|watch| match &*watch.state.lock() {
                WatchState::Ready => None,
                WatchState::Listing(None) => Some(watch.what.clone()),
                WatchState::Listing(Some(error)) => Some(format!("{} ({error})", watch.what)),
            })
            .collect();
        (!waiting.is_empty()).then(|| waiting.join(", "))
    }

    fn add(&self, what: String) -> Arc<Watch> {
        let watch = Arc::new(Watch { what, state: Mutex::new(WatchState::Listing(None)) });
        self.0.lock().push(Arc::clone(&watch));
        watch
    }
}

/// Starts all watches; `namespaces` empty means the whole cluster.
pub fn start(client: &Client, index: &Arc<Index>, namespaces: &[String], tasks: &TaskTracker, shutdown: &CancellationToken) -> Watches {
    let watches = Watches::default();
    let scopes: Vec<Option<&String>> = if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(Some).collect() };
    for scope in scopes {
        let mut start = Start { client, index, scope, watches: &watches, tasks, shutdown };
        start.watch::<SlimPod>();
        start.watch::<SlimReplicaSet>();
        start.watch::<SlimDeployment>();
        start.watch::<SlimStatefulSet>();
        start.watch::<SlimReplicationController>();
        start.watch::<SlimHpa>();
        start.watch::<Guarded<ScalePolicy>>();
        start.watch::<WatchedSource>();
    }
    watches
}

struct Start<'a> {
    client: &'a Client,
    index: &'a Arc<Index>,
    scope: Option<&'a String>,
    watches: &'a Watches,
    tasks: &'a TaskTracker,
    shutdown: &'a CancellationToken,
}

// === impl Start ===

impl Start<'_> {
    fn watch<K: Indexed<Scope = k8s_openapi::NamespaceResourceScope>>(&mut self) {
        let api: Api<K> = match self.scope {
            None => Api::all(self.client.clone()),
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
        };
        let plural = K::plural(&()).into_owned();
        let what = self.scope.map_or_else(|| plural.clone(), |namespace| format!("{plural} in {namespace}"));
        let watch = self.watches.add(what);
        let scope = self.scope.map(|namespace| Arc::from(namespace.as_str()));
        self.tasks.spawn(feed(api, Arc::clone(self.index), watch, scope, self.shutdown.clone()));
    }
}

/// Feeds one kind into the index until `shutdown`. Errors are retried with back-off; a kind the server does not know (its CRD is not
/// installed yet) or does not let us see is waited for, and readiness says so.
async fn feed<K: Indexed>(api: Api<K>, index: Arc<Index>, watch: Arc<Watch>, scope: Option<Arc<str>>, shutdown: CancellationToken) {
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let stream = watch_objects(api, config).backoff(Pauses::default()).take_until(shutdown.cancelled_owned());
    let mut stream = std::pin::pin!(stream);
    let mut listed = HashSet::new();
    let mut outage = Outage::default();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Apply(object)) => object.apply_to(&index),
            Ok(Event::Delete(object)) => K::delete(&Key::of(object.meta()), &index),
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(Key::of(object.meta()));
                object.apply_to(&index);
            }
            Ok(Event::InitDone) => {
                // What the list no longer has was deleted while nobody watched.
                let mine = |key: &Key| scope.as_ref().is_none_or(|namespace| *namespace == key.namespace);
                for gone in K::keys(&index).into_iter().filter(|key| mine(key) && !listed.contains(key)) {
                    K::delete(&gone, &index);
                }
                listed.clear();
                outage.end();
                *watch.state.lock() = WatchState::Ready;
                debug!(what = %watch.what, "listed");
            }
            Err(error) => {
                let error = watch_error(&error);
                if outage.is_news(&error) {
                    warn!(what = %watch.what, %error, "cannot watch; trying again");
                }
                let mut state = watch.state.lock();
                if let WatchState::Listing(why) = &mut *state {
                    *why = Some(error);
                }
            }
        }
    }
}

/// An error of a watch in the server's own words.
pub fn watch_error(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            in_words(error)
        }
        watcher::Error::WatchError(status) => status.message.clone(),
        other @ watcher::Error::NoResourceVersion => other.to_string(),
    }
}

trait ApplyTo {
    fn apply_to(self, index: &Index);
}

impl<K: Indexed> ApplyTo for K {
    fn apply_to(self, index: &Index) {
        let key = Key::of(self.meta());
        self.apply(key, index);
    }
}

// === impl Indexed ===

impl Indexed for SlimPod {
    fn apply(self, key: Key, index: &Index) {
        index.apply_pod(key, self.into());
    }

    fn delete(key: &Key, index: &Index) {
        index.delete_pod(key);
    }

    fn keys(index: &Index) -> Vec<Key> {
        index.pods()
    }
}

/// One policy with a field of the wrong type must not stop the list of all others.
impl Indexed for Guarded<ScalePolicy> {
    fn apply(self, key: Key, index: &Index) {
        match self.0 {
            Ok(policy) => index.apply_policy(key, slim::policy(policy)),
            Err(Unreadable { metadata, error }) => {
                index.apply_malformed(key, Malformed { uid: metadata.uid.unwrap_or_default(), error: error.to_string() });
            }
        }
    }

    fn delete(key: &Key, index: &Index) {
        index.delete_policy(key);
    }

    fn keys(index: &Index) -> Vec<Key> {
        index.policies().into_iter().map(|(key, _)| key).chain(index.malformed_policies()).collect()
    }
}

impl Indexed for WatchedSource {
    fn apply(self, key: Key, index: &Index) {
        index.apply_source(key, self.into());
    }

    fn delete(key: &Key, index: &Index) {
        index.delete_source(key);
    }

    fn keys(index: &Index) -> Vec<Key> {
        index.sources()
    }
}

impl Indexed for SlimHpa {
    fn apply(self, key: Key, index: &Index) {
        let target = &self.spec.scale_target_ref;
        index.apply_hpa(&key, target.api_version_or_default(), &target.kind, &target.name);
    }

    fn delete(key: &Key, index: &Index) {
        index.delete_hpa(key);
    }

    fn keys(index: &Index) -> Vec<Key> {
        index.hpas()
    }
}

macro_rules! indexed_workload {
    ($slim:ty, $kind:expr) => {
        impl Indexed for $slim {
            fn apply(self, key: Key, index: &Index) {
                index.apply_workload(WorkloadKey { kind: $kind, key }, self.into());
            }

            fn delete(key: &Key, index: &Index) {
                index.delete_workload(&WorkloadKey { kind: $kind, key: key.clone() });
            }

            fn keys(index: &Index) -> Vec<Key> {
                index.workloads($kind)
            }
        }
    };
}

indexed_workload!(SlimDeployment, WorkloadKind::Deployment);
indexed_workload!(SlimStatefulSet, WorkloadKind::StatefulSet);
indexed_workload!(SlimReplicaSet, WorkloadKind::ReplicaSet);
indexed_workload!(SlimReplicationController, WorkloadKind::ReplicationController);
