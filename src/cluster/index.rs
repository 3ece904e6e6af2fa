//! The cluster as the engine sees it: rows made from watch events, looked up by owner and by target.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::mpsc;

use super::Key;
use super::labels::Labelled;
use super::slim::{PodRow, WorkloadKind, WorkloadRow};
use super::sources::SourceRow;
use crate::api::ScalePolicy;
use crate::api::scale_policy::CrossVersionObjectReference;

/// Which workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadKey {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its namespace and name.
    pub key: Key,
}

/// A workload as looked up.
pub type Workload = Arc<WorkloadRow>;

/// Something that may need a look at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A policy was written or deleted.
    Policy(Key),
    /// A workload came, went, was scaled, or its annotations changed.
    Workload(WorkloadKey),
    /// A `MetricSource` was written or deleted.
    Source(Key),
    /// A `MetricSource` did not work and does now.
    SourceWorks(Key),
    /// Somebody else took up the target of these policies, or let it go.
    Rivals(Vec<Key>),
}

/// A policy that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Its UID, for Events.
    pub uid: String,
    /// What is wrong with it.
    pub error: String,
}

/// So many of those who name one target are told of each other, and named, at most. More are a mistake or an attack, which must cost the others
/// nothing: thousands that are told of each other are millions. All see their rivals at their next interval anyway.
pub const MOST_RIVALS: usize = 10;

/// Who else names a target, [`MOST_RIVALS`] of each kind at most.
#[derive(Clone, Debug, Default)]
pub struct Rivals {
    /// Policies.
    pub policies: Vec<Key>,
    /// Stock autoscalers.
    pub hpas: Vec<Key>,
}

/// Watched state. Reads are short; writers are the watches.
#[derive(Debug)]
pub struct Index {
    pub(super) state: RwLock<State>,
    changes: mpsc::UnboundedSender<Change>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pods: HashMap<Key, Arc<PodRow>>,
    /// The pods of each namespace by their labels.
    pub(super) labelled: HashMap<Arc<str>, Labelled>,
    pub(super) workloads: BTreeMap<WorkloadKey, Workload>,
    /// UIDs of workloads by the UID of their controller: a Deployment's `ReplicaSet`s, an operator's Deployments.
    pub(super) sets_of: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    policies: BTreeMap<Key, Arc<ScalePolicy>>,
    /// Policies whose fields have the wrong type: older than the CRD's rules, or written around them.
    malformed: BTreeMap<Key, Arc<Malformed>>,
    /// Policies by what they scale.
    by_target: HashMap<Target, BTreeSet<Key>>,
    pub(super) sources: BTreeMap<Key, SourceRow>,
    /// Number of changes of sources so far.
    pub(super) source_revision: u64,
    hpas: HashMap<Key, Target>,
    hpas_of: HashMap<Target, BTreeSet<Key>>,
}

/// What is scaled. The version is left out: all versions of a group name the same objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Target {
    namespace: Arc<str>,
    group: String,
    kind: String,
    name: String,
}

// === impl Target ===

impl Target {
    fn new(namespace: &Arc<str>, api_version: &str, kind: &str, name: &str) -> Self {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Self { namespace: Arc::clone(namespace), group: group.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
    }

    fn of(namespace: &Arc<str>, target: &CrossVersionObjectReference) -> Self {
        Self::new(namespace, target.api_version_or_default(), &target.kind, &target.name)
    }
}

// === impl Index ===

impl Index {
    /// An empty index, and the stream of what changes in it.
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Change>) {
        let (changes, receiver) = mpsc::unbounded_channel();
        (Arc::new(Self { state: RwLock::default(), changes }), receiver)
    }

    /// All policies.
    pub fn policies(&self) -> Vec<(Key, Arc<ScalePolicy>)> {
        self.state.read().policies.iter().map(|(key, policy)| (key.clone(), Arc::clone(policy))).collect()
    }

    /// One policy.
    pub fn policy(&self, key: &Key) -> Option<Arc<ScalePolicy>> {
        self.state.read().policies.get(key).cloned()
    }

    /// All policies that cannot be read.
    pub fn malformed_policies(&self) -> Vec<Key> {
        self.state.read().malformed.keys().cloned().collect()
    }

    /// Why a policy cannot be read.
    pub fn malformed(&self, key: &Key) -> Option<Arc<Malformed>> {
        self.state.read().malformed.get(key).cloned()
    }

    /// One workload.
    pub fn workload(&self, key: &WorkloadKey) -> Option<Workload> {
        self.state.read().workloads.get(key).cloned()
    }

    /// Workloads of these kinds that carry any of Ballast's annotations.
    pub fn annotated(&self) -> Vec<WorkloadKey> {
        self.state.read().workloads.iter().filter(|(_, row)| !row.annotations.is_empty()).map(|(key, _)| key.clone()).collect()
    }

    /// Policies whose target this workload is.
    pub fn policies_of(&self, workload: &WorkloadKey) -> Vec<Key> {
        let target = Target::new(&workload.key.namespace, workload.kind.api_version(), workload.kind.name(), &workload.key.name);
        self.state.read().by_target.get(&target).into_iter().flatten().cloned().collect()
    }

    /// Others that name the same target; of the policies those that count.
    pub fn rivals(&self, of: &Key, target: &CrossVersionObjectReference, counts: impl Fn(&Key) -> bool) -> Rivals {
        let state = self.state.read();
        let target = Target::of(&of.namespace, target);
        let policies = state.by_target.get(&target).into_iter().flatten().filter(|key| *key != of && counts(key));
        let hpas = state.hpas_of.get(&target).into_iter().flatten();
        Rivals { policies: policies.take(MOST_RIVALS).cloned().collect(), hpas: hpas.take(MOST_RIVALS).cloned().collect() }
    }

    /// Reads the state; for lookups of other modules of this one.
    pub(super) fn read<T>(&self, f: impl FnOnce(&State) -> T) -> T {
        f(&self.state.read())
    }

    pub(super) fn changed(&self, change: Change) {
        // Without a receiver the engine has gone and nothing needs a look.
        let _ = self.changes.send(change);
    }

    // Pods

    /// Takes a pod.
    pub fn apply_pod(&self, mut key: Key, mut row: PodRow) {
        let mut state = self.state.write();
        if let Some(old) = state.forget_pod(&key) {
            row.follow(&old);
        }
        let state = &mut *state;
        if let Some((namespace, _)) = state.labelled.get_key_value(&key.namespace) {
            key.namespace = Arc::clone(namespace);
        }
        row.pod.name = Arc::clone(&key.name);
        let labelled = state.labelled.entry(Arc::clone(&key.namespace)).or_default();
        // What twins have in common is kept once: it is most of a row.
        row.labels = labelled.insert(key.clone(), &row.labels);
        if let Some(twin) = labelled.twin(&key, &row.labels).and_then(|twin| state.pods.get(twin)) {
            row.share(twin);
        }
        state.pods.insert(key, Arc::new(row));
    }

    /// Drops a pod.
    pub fn delete_pod(&self, key: &Key) {
        self.state.write().forget_pod(key);
    }

    /// Keys of all pods.
    pub fn pods(&self) -> Vec<Key> {
        self.state.read().pods.keys().cloned().collect()
    }

    // Workloads

    /// Takes a workload.
    pub fn apply_workload(&self, key: WorkloadKey, row: WorkloadRow) {
        let row = Arc::new(row);
        let old = {
            let mut state = self.state.write();
            let old = state.forget_workload(&key);
            if let Some(owner) = &row.owner {
                state.sets_of.entry(Arc::clone(&owner.uid)).or_default().insert(Arc::clone(&row.uid));
            }
            state.workloads.insert(key.clone(), Arc::clone(&row));
            old
        };
        let news = old.is_none_or(|old| {
            old.uid != row.uid
                || old.spec_replicas != row.spec_replicas
                || old.annotations != row.annotations
                || old.selector.0 != row.selector.0
        });
        if news {
            self.changed(Change::Workload(key));
        }
    }

    /// Drops a workload.
    pub fn delete_workload(&self, key: &WorkloadKey) {
        let old = self.state.write().forget_workload(key);
        if old.is_some() {
            self.changed(Change::Workload(key.clone()));
        }
    }

    /// Keys of all workloads of a kind.
    pub fn workloads(&self, kind: WorkloadKind) -> Vec<Key> {
        self.state.read().workloads.keys().filter(|key| key.kind == kind).map(|key| key.key.clone()).collect()
    }

    // Policies

    /// Takes a policy.
    pub fn apply_policy(&self, key: Key, policy: ScalePolicy) {
        let rivals = {
            let mut state = self.state.write();
            let old = state.forget_policy(&key).1;
            let target = Target::of(&key.namespace, &policy.spec.scale_target_ref);
            state.by_target.entry(target.clone()).or_default().insert(key.clone());
            state.policies.insert(key.clone(), Arc::new(policy));
            state.affected(old, Some(target), Some(&key))
        };
        self.changed(Change::Policy(key));
        self.rivals_changed(rivals);
    }

    /// Takes a policy that cannot be read; what it said before holds no longer.
    pub fn apply_malformed(&self, key: Key, malformed: Malformed) {
        let rivals = {
            let mut state = self.state.write();
            let old = state.forget_policy(&key).1;
            state.malformed.insert(key.clone(), Arc::new(malformed));
            state.affected(old, None, Some(&key))
        };
        self.changed(Change::Policy(key));
        self.rivals_changed(rivals);
    }

    /// Drops a policy.
    pub fn delete_policy(&self, key: &Key) {
        let (known, rivals) = {
            let mut state = self.state.write();
            let (known, old) = state.forget_policy(key);
            (known, state.affected(old, None, Some(key)))
        };
        if known {
            self.changed(Change::Policy(key.clone()));
        }
        self.rivals_changed(rivals);
    }

    // Stock autoscalers

    /// Takes a stock autoscaler.
    pub fn apply_hpa(&self, key: &Key, api_version: &str, kind: &str, name: &str) {
        let rivals = {
            let mut state = self.state.write();
            let old = state.forget_hpa(key);
            let target = Target::new(&key.namespace, api_version, kind, name);
            state.hpas_of.entry(target.clone()).or_default().insert(key.clone());
            state.hpas.insert(key.clone(), target.clone());
            state.affected(old, Some(target), None)
        };
        self.rivals_changed(rivals);
    }

    /// Drops a stock autoscaler.
    pub fn delete_hpa(&self, key: &Key) {
        let rivals = {
            let mut state = self.state.write();
            let old = state.forget_hpa(key);
            state.affected(old, None, None)
        };
        self.rivals_changed(rivals);
    }

    fn rivals_changed(&self, policies: Vec<Key>) {
        if !policies.is_empty() {
            self.changed(Change::Rivals(policies));
        }
    }

    /// Keys of all stock autoscalers.
    pub fn hpas(&self) -> Vec<Key> {
        self.state.read().hpas.keys().cloned().collect()
    }
}

// === impl State ===

impl State {
    fn forget_pod(&mut self, key: &Key) -> Option<Arc<PodRow>> {
        let old = self.pods.remove(key)?;
        if let Some(labelled) = self.labelled.get_mut(&key.namespace) {
            labelled.remove(key, &old.labels);
            if labelled.is_empty() {
                self.labelled.remove(&key.namespace);
            }
        }
        Some(old)
    }

    fn forget_workload(&mut self, key: &WorkloadKey) -> Option<Workload> {
        let old = self.workloads.remove(key)?;
        if let Some(owner) = &old.owner {
            remove_from(&mut self.sets_of, &owner.uid, &old.uid);
        }
        Some(old)
    }

    /// Whether it was known, and what it scaled.
    fn forget_policy(&mut self, key: &Key) -> (bool, Option<Target>) {
        let malformed = self.malformed.remove(key).is_some();
        let Some(old) = self.policies.remove(key) else { return (malformed, None) };
        let target = Target::of(&key.namespace, &old.spec.scale_target_ref);
        remove_from(&mut self.by_target, &target, key);
        (true, Some(target))
    }

    /// What it scaled.
    fn forget_hpa(&mut self, key: &Key) -> Option<Target> {
        let target = self.hpas.remove(key)?;
        remove_from(&mut self.hpas_of, &target, key);
        Some(target)
    }

    /// Policies that got or lost a rival when something (this policy, unless it is a stock autoscaler) went from one target to another.
    fn affected(&self, from: Option<Target>, to: Option<Target>, mover: Option<&Key>) -> Vec<Key> {
        if from == to {
            return Vec::new();
        }
        let on = |target| self.by_target.get(&target).into_iter().flatten().filter(|key| Some(*key) != mover).take(MOST_RIVALS).cloned();
        from.into_iter().chain(to).flat_map(on).collect()
    }
}

/// Removes a value from a set of a map, and the set when it is empty, so that what is gone leaves nothing behind.
fn remove_from<K: Eq + std::hash::Hash, V: Ord>(map: &mut HashMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(target: &str) -> ScalePolicy {
        let spec = serde_json::json!({ "scaleTargetRef": { "kind": "Deployment", "name": target }, "maxReplicas": 2 });
        ScalePolicy::new("p", serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn rivals_are_told_of_each_other_and_any_number_of_them_costs_little() {
        let (index, mut changes) = Index::new();
        let key = |n: usize| Key::new("shop", &format!("p{n:04}"));
        let mut told = || {
            let changes = std::iter::from_fn(|| changes.try_recv().ok());
            changes.flat_map(|change| if let Change::Rivals(keys) = change { keys } else { Vec::new() }).collect::<Vec<_>>()
        };
        index.apply_policy(key(0), policy("web"));
        assert_eq!(told(), []);
        index.apply_policy(key(1), policy("web"));
        assert_eq!(told(), [key(0)]);
        index.delete_policy(&key(0));
        assert_eq!(told(), [key(1)]);
        let many = 1000;
        (2..many).for_each(|n| index.apply_policy(key(n), policy("web")));
        assert!(told().len() <= MOST_RIVALS * many);
        let target = policy("web").spec.scale_target_ref;
        assert_eq!(index.rivals(&key(1), &target, |_| true).policies.len(), MOST_RIVALS);
        assert_eq!(index.rivals(&key(1), &target, |rival| *rival == key(999)).policies, [key(999)]);
        assert!(index.rivals(&key(1), &target, |rival| *rival == key(1)).policies.is_empty());
    }
}
