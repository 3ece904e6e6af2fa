//! Plays the kubelet: every pod with a label `app` gets the status that the test wants, at once.
//!
//! Pods of one app in one namespace are numbered in order of creation, the lowest free number first. The highest number is the first
//! that a `ReplicaSet` removes (by the deletion-cost annotation), so equal sizes mean equal sets of numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{Selector, SelectorExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use serde_json::{Value, json};

use super::wait::eventually;

/// Status of a pod as the kubelet would report it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PodState {
    /// `status.phase`.
    pub phase: &'static str,
    /// Status of the Ready condition, if there is one.
    pub ready: Option<bool>,
    /// `status.startTime`, seconds ago; none: not started.
    pub started: Option<i64>,
    /// `lastTransitionTime` of the Ready condition, seconds ago; negative is in the future.
    pub transition: i64,
    /// Why it is not scheduled.
    pub unscheduled: Option<&'static str>,
    /// What its first container waits for.
    pub waiting: Option<&'static str>,
}

impl PodState {
    /// Runs and has been ready for long.
    pub const READY: Self =
        Self { phase: "Running", ready: Some(true), started: Some(3600), transition: 3590, unscheduled: None, waiting: None };
    /// Has run for long and never was ready.
    pub const NEVER_READY: Self = Self { ready: Some(false), ..Self::READY };
    /// Has run for long, was ready, and is not any more.
    pub const LOST_READINESS: Self = Self { transition: 60, ..Self::NEVER_READY };
    /// Started a minute ago; no CPU sample lies a whole window after its readiness.
    pub const WARMING_UP: Self = Self { started: Some(60), transition: -3600, ..Self::READY };
    /// Not running yet.
    pub const PENDING: Self = Self { phase: "Pending", ready: None, started: None, transition: 0, ..Self::READY };
    /// No node takes it.
    pub const UNSCHEDULABLE: Self = Self { unscheduled: Some("Unschedulable"), ..Self::PENDING };
    /// Ends each time soon after its start.
    pub const CRASHING: Self = Self { waiting: Some("CrashLoopBackOff"), ..Self::NEVER_READY };
    /// Ended badly.
    pub const FAILED: Self = Self { phase: "Failed", ..Self::LOST_READINESS };
    /// Ended well.
    pub const SUCCEEDED: Self = Self { phase: "Succeeded", ..Self::LOST_READINESS };

    fn status(self) -> Value {
        let ago = |seconds: i64| (super::now() - jiff::SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut status = json!({"phase": self.phase, "startTime": self.started.map(ago), "conditions": []});
        if let Some(ready) = self.ready {
            let ready = if ready { "True" } else { "False" };
            status["conditions"] = json!([{"type": "Ready", "status": ready, "lastTransitionTime": ago(self.transition)}]);
        }
        if let Some(reason) = self.unscheduled {
            status["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": reason}]);
        }
        status["containerStatuses"] = self.waiting.map_or(json!(null), |reason| {
            let state = json!({"waiting": {"reason": reason}});
            json!([{"name": "app", "image": "x", "imageID": "", "ready": false, "restartCount": 3, "state": state}])
        });
        status
    }
}

/// A pod as the fleet knows it.
#[derive(Clone, Debug)]
pub struct FleetPod {
    /// Number within its app and namespace.
    pub ordinal: usize,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Names of its containers.
    pub containers: Vec<String>,
    /// Not being deleted, and neither failed nor succeeded.
    pub alive: bool,
    /// Its status has been written.
    pub reported: bool,
}

impl FleetPod {
    /// The value of its label `app`.
    pub fn app(&self) -> &str {
        self.labels.get("app").map_or("", String::as_str)
    }
}

/// All pods, by namespace and name.
#[derive(Default)]
pub struct Pods(BTreeMap<(String, String), FleetPod>);

impl Pods {
    /// Those of a namespace (all if `None`) whose labels match.
    pub fn select(&self, namespace: Option<&str>, wanted: &Selector) -> impl Iterator<Item = (&(String, String), &FleetPod)> {
        self.0.iter().filter(move |((ns, _), pod)| namespace.is_none_or(|n| n == ns) && wanted.matches(&pod.labels))
    }

    /// Those of one app.
    pub fn of(&self, namespace: &str, app: &str) -> impl Iterator<Item = (&(String, String), &FleetPod)> {
        self.0.iter().filter(move |((ns, _), pod)| ns == namespace && pod.app() == app)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&(String, String), &FleetPod)> {
        self.0.iter()
    }

    /// How many of an app are alive.
    pub fn alive(&self, namespace: &str, app: &str) -> usize {
        self.of(namespace, app).filter(|(_, pod)| pod.alive).count()
    }

    /// The same for all apps, by namespace and app.
    pub fn all_alive(&self) -> HashMap<(&str, &str), usize> {
        let mut counts = HashMap::new();
        for ((namespace, _), pod) in self.0.iter().filter(|(_, pod)| pod.alive) {
            *counts.entry((namespace.as_str(), pod.app())).or_default() += 1;
        }
        counts
    }
}

#[derive(Default)]
struct State {
    pods: Pods,
    shapes: HashMap<String, Vec<PodState>>,
}

/// The fake kubelet of all pods; clones share it.
#[derive(Clone)]
pub struct Fleet {
    client: Client,
    state: Arc<Mutex<State>>,
}

impl Fleet {
    /// Starts watching pods.
    pub fn start(client: Client) -> Self {
        let fleet = Self { client, state: Arc::default() };
        tokio::spawn(fleet.clone().follow());
        fleet
    }

    /// From now on pod number `i` of `app`, in every namespace, is in state `states[i]`; further pods are ready.
    pub async fn shape(&self, app: &str, states: &[PodState]) {
        self.state.lock().shapes.insert(app.to_owned(), states.to_vec());
        let all = Selector::from_iter([("app".to_owned(), app.to_owned())]);
        let pods: Vec<_> = self.pods().select(None, &all).map(|(key, pod)| (key.clone(), pod.ordinal)).collect();
        for ((namespace, name), ordinal) in pods {
            self.report(&namespace, &name, app, ordinal).await;
        }
    }

    /// The pods as they are now; they stand still while this is held.
    pub fn pods(&self) -> MappedMutexGuard<'_, Pods> {
        MutexGuard::map(self.state.lock(), |state| &mut state.pods)
    }

    /// Waits until `app` has exactly `alive` live pods in `namespace` and all its pods have the status they should have.
    pub async fn ready(&self, namespace: &str, app: &str, alive: usize) {
        eventually(&format!("{alive} pods of {namespace}/{app}"), Duration::from_mins(1), async || {
            let all = self.pods();
            let pods: Vec<_> = all.of(namespace, app).map(|(_, pod)| pod).collect();
            let done = all.alive(namespace, app) == alive && pods.iter().all(|pod| pod.reported);
            if done { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    }

    async fn follow(self) {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let mut events = std::pin::pin!(watcher(pods, watcher::Config::default().labels("app")).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(pod) | Event::InitApply(pod)) => self.seen(&pod),
                Ok(Event::Delete(pod)) => drop(self.pods().0.remove(&key(&pod))),
                Ok(Event::Init | Event::InitDone) => {}
                Err(error) => eprintln!("fleet: {error}"),
            }
        }
    }

    fn seen(&self, pod: &Pod) {
        let key = key(pod);
        let ended = pod.status.as_ref().and_then(|s| s.phase.as_deref()).is_some_and(|p| p == "Failed" || p == "Succeeded");
        let alive = pod.metadata.deletion_timestamp.is_none() && !ended;
        let mut pods = self.pods();
        if let Some(known) = pods.0.get_mut(&key) {
            known.alive = alive;
            return;
        }
        let app = pod.labels().get("app").cloned().unwrap_or_default();
        let taken: Vec<usize> = pods.of(&key.0, &app).map(|(_, pod)| pod.ordinal).collect();
        let ordinal = (0..=taken.len()).find(|i| !taken.contains(i)).unwrap_or_default();
        let containers = pod.spec.iter().flat_map(|s| &s.containers).map(|c| c.name.clone()).collect();
        pods.0.insert(key.clone(), FleetPod { ordinal, labels: pod.labels().clone(), containers, alive, reported: false });
        let fleet = self.clone();
        tokio::spawn(async move { fleet.report(&key.0, &key.1, &app, ordinal).await });
    }

    async fn report(&self, namespace: &str, name: &str, app: &str, ordinal: usize) {
        let shape = self.state.lock().shapes.get(app).and_then(|states| states.get(ordinal).copied()).unwrap_or(PodState::READY);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let patch = json!({
            "metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": format!("-{}", ordinal + 1)}},
            "status": shape.status(),
        });
        // A pod may go while its status is written; anything else shows as a pod that never gets ready.
        for _ in 0..3 {
            match pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Ok(_) => {
                    let key = (namespace.to_owned(), name.to_owned());
                    self.pods().0.entry(key).and_modify(|pod| pod.reported = true);
                    return;
                }
                Err(kube::Error::Api(status)) if status.is_not_found() => return,
                Err(error) => eprintln!("fleet: status of {namespace}/{name}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn key(pod: &Pod) -> (String, String) {
    (pod.namespace().unwrap_or_default(), pod.name_any())
}
