//! Pods by their labels, so that those a selector chooses are found without going through a whole namespace: with ten thousand targets in
//! one, that would be most of the controller's work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use kube::core::{Expression, Selector, SelectorExt};

use super::Key;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// A selector, with what it can be looked up by.
#[derive(Clone, Debug, Default)]
pub struct PodSelector {
    selector: Selector,
    /// Marks of the labels that whatever it chooses must have.
    marks: Vec<u64>,
}

/// Pods of one namespace by their labels. The pods of a `ReplicaSet` have the same ones, which are kept once.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    sets: HashMap<Arc<Labels>, BTreeSet<Key>>,
    /// Label sets by the mark of a label in them. Two labels may have the same mark, so the selector has the last word.
    by_mark: HashMap<u64, Vec<Arc<Labels>>>,
}

// === impl PodSelector ===

impl From<Selector> for PodSelector {
    fn from(selector: Selector) -> Self {
        let marks = selector.clone().into_iter().filter_map(|expression| match expression {
            Expression::Equal(key, value) => Some(mark(&key, &value)),
            _ => None,
        });
        Self { marks: marks.collect(), selector }
    }
}

impl PodSelector {
    /// Whether it chooses an object with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.selector.matches(labels)
    }
}

// === impl Labelled ===

impl Labelled {
    /// Takes a pod and returns its labels as they are kept.
    pub fn insert(&mut self, pod: Key, labels: &Arc<Labels>) -> Arc<Labels> {
        let labels = Arc::clone(self.sets.get_key_value(labels).map_or(labels, |(known, _)| known));
        let pods = self.sets.entry(Arc::clone(&labels)).or_default();
        if pods.is_empty() {
            for (key, value) in &*labels {
                self.by_mark.entry(mark(key, value)).or_default().push(Arc::clone(&labels));
            }
        }
        pods.insert(pod);
        labels
    }

    /// Drops a pod that has these labels.
    pub fn remove(&mut self, pod: &Key, labels: &Arc<Labels>) {
        let Some(pods) = self.sets.get_mut(labels) else { return };
        pods.remove(pod);
        if !pods.is_empty() {
            return;
        }
        self.sets.remove(labels);
        for (key, value) in &**labels {
            let mark = mark(key, value);
            if let Some(sets) = self.by_mark.get_mut(&mark) {
                sets.retain(|set| set != labels);
                if sets.is_empty() {
                    self.by_mark.remove(&mark);
                }
            }
        }
    }

    /// Another pod with the same labels.
    pub fn twin(&self, pod: &Key, labels: &Arc<Labels>) -> Option<&Key> {
        self.sets.get(labels)?.iter().find(|twin| *twin != pod)
    }

    /// Whether no pod is left.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Pods that the selector chooses, by label set and in each by name.
    pub fn chosen<'a>(&'a self, selector: &'a PodSelector) -> impl Iterator<Item = &'a Key> {
        let rarest = selector.marks.iter().map(|mark| self.by_mark.get(mark).map_or(&[][..], Vec::as_slice)).min_by_key(|sets| sets.len());
        let all = rarest.is_none().then(|| self.sets.keys()).into_iter().flatten();
        let sets = rarest.into_iter().flatten().chain(all).filter(|labels| selector.matches(labels));
        sets.filter_map(|labels| self.sets.get(labels)).flatten()
    }
}

fn mark(key: &str, value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::selector;

    fn labels(pairs: &[(u8, u8)]) -> Labels {
        pairs.iter().map(|(key, value)| (format!("k{key}"), format!("v{value}"))).collect()
    }

    fn all_selectors() -> Vec<PodSelector> {
        let texts = ["", "k0=v0", "k0=v0,k1=v1", "k0 in (v0,v1)", "!k0", "k1=v1,k0!=v0", "k2", "k9=v9", "k0=v0,k9=v9"];
        texts.iter().map(|text| selector::parse(text).unwrap().into()).collect()
    }

    proptest! {
        /// Whatever comes and goes, a look-up finds what going through all pods would find, and nothing is left behind.
        #[test]
        fn a_look_up_finds_what_a_scan_would(steps in prop::collection::vec((0..12_u8, prop::option::of(prop::collection::vec((0..3_u8, 0..3_u8), 0..3))), 0..60)) {
            let mut index = Labelled::default();
            let mut pods: BTreeMap<Key, Arc<Labels>> = BTreeMap::new();
            for (name, next) in steps {
                let key = Key::new("n", &format!("p{name}"));
                if let Some(old) = pods.remove(&key) {
                    index.remove(&key, &old);
                }
                if let Some(next) = next {
                    let kept = index.insert(key.clone(), &Arc::new(labels(&next)));
                    pods.insert(key, kept);
                }
                for selector in all_selectors() {
                    let found: BTreeSet<&Key> = index.chosen(&selector).collect();
                    let expected: BTreeSet<&Key> = pods.iter().filter(|(_, labels)| selector.matches(labels)).map(|(key, _)| key).collect();
                    prop_assert_eq!(index.chosen(&selector).count(), found.len(), "each pod once");
                    prop_assert_eq!(found, expected);
                }
            }
            for (key, labels) in pods {
                index.remove(&key, &labels);
            }
            prop_assert!(index.is_empty() && index.by_mark.is_empty());
        }
    }

    #[test]
    fn pods_of_one_set_share_their_labels() {
        let mut index = Labelled::default();
        let of = |pod| Key::new("n", pod);
        let (a, b) = (index.insert(of("a"), &Arc::new(labels(&[(0, 0)]))), index.insert(of("b"), &Arc::new(labels(&[(0, 0)]))));
        assert!(Arc::ptr_eq(&a, &b));
    }
}
