//! `MetricSource`s as watched.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::Key;
use super::guard::Guarded;
use super::index::{Change, Index};
use super::shallow::shallow;
use crate::api::metric_source::MetricSourceStatus;
use crate::api::{MetricSource, MetricSourceSpec};
use crate::source::{Catalog, CatalogEntry};

/// A `MetricSource` as kept.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// Its UID.
    pub uid: String,
    /// Generation of its spec.
    pub generation: Option<i64>,
    /// Labels and annotations: a new value of any is a way to have a source looked at again.
    pub marks: [BTreeMap<String, String>; 2],
    /// What it says, or what is wrong with its fields: path, value, what is allowed.
    pub spec: Result<Arc<MetricSourceSpec>, String>,
    /// What it shows.
    pub status: MetricSourceStatus,
    /// Grows with every change of any source.
    pub revision: u64,
}

/// As it comes from the API server: what it shows is known also where what it says cannot be read.
#[derive(Clone, Debug)]
pub(super) struct WatchedSource {
    guarded: Guarded<MetricSource>,
    status: MetricSourceStatus,
}

// === impl WatchedSource ===

impl<'de> Deserialize<'de> for WatchedSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = shallow(deserializer)?;
        let status = MetricSourceStatus::deserialize(&value["status"]).unwrap_or_default();
        Ok(Self { guarded: Guarded::deserialize(value).map_err(D::Error::custom)?, status })
    }
}

impl Resource for WatchedSource {
    type DynamicType = ();
    type Scope = <MetricSource as Resource>::Scope;

    fn kind(dt: &()) -> Cow<'_, str> {
        MetricSource::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        MetricSource::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        MetricSource::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        MetricSource::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        self.guarded.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.guarded.meta_mut()
    }
}

/// A row without a revision, which the index gives.
impl From<WatchedSource> for SourceRow {
    fn from(WatchedSource { mut guarded, status }: WatchedSource) -> Self {
        let meta = std::mem::take(guarded.meta_mut());
        Self {
            uid: meta.uid.unwrap_or_default(),
            generation: meta.generation,
            marks: [meta.labels.unwrap_or_default(), meta.annotations.unwrap_or_default()],
            spec: guarded.0.map(|source| Arc::new(source.spec)).map_err(|unreadable| unreadable.error.to_string()),
            status,
            revision: 0,
        }
    }
}

// === impl SourceRow ===

impl SourceRow {
    fn says_the_same(&self, other: &Self) -> bool {
        self.uid == other.uid && self.generation == other.generation && self.marks == other.marks && self.spec == other.spec
    }
}

impl Index {
    /// Takes a `MetricSource`. A write of its status alone is no change.
    pub(super) fn apply_source(&self, key: Key, mut row: SourceRow) {
        let mut state = self.state.write();
        let same = state.sources.get(&key).filter(|old| old.says_the_same(&row)).map(|old| old.revision);
        row.revision = same.unwrap_or_else(|| {
            state.source_revision += 1;
            state.source_revision
        });
        state.sources.insert(key.clone(), row);
        drop(state);
        if same.is_none() {
            self.changed(Change::Source(key));
        }
    }

    /// Drops a `MetricSource`.
    pub(super) fn delete_source(&self, key: &Key) {
        let known = self.state.write().sources.remove(key).is_some();
        if known {
            self.changed(Change::Source(key.clone()));
        }
    }

    /// One `MetricSource`.
    pub fn source(&self, key: &Key) -> Option<SourceRow> {
        self.read(|state| state.sources.get(key).cloned())
    }

    /// A `MetricSource` did not work and does now: policies that ask it should be looked at.
    pub fn source_works(&self, key: &Key) {
        self.changed(Change::SourceWorks(key.clone()));
    }

    /// Keys of all `MetricSource`s.
    pub fn sources(&self) -> Vec<Key> {
        self.read(|state| state.sources.keys().cloned().collect())
    }
}

impl Catalog for Index {
    fn find(&self, namespace: &str, name: &str) -> Option<CatalogEntry> {
        let key = Key::new(namespace, name);
        self.read(|state| state.sources.get(&key).map(|row| CatalogEntry { revision: row.revision, spec: row.spec.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn source(metadata: &Value, url: &Value) -> SourceRow {
        let object = json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "MetricSource", "metadata": metadata, "spec": { "url": url } });
        serde_json::from_value::<WatchedSource>(object).unwrap().into()
    }

    #[test]
    fn an_edit_a_mark_and_a_namesake_are_changes_and_a_status_is_none() {
        let (index, mut changes) = Index::new();
        let key = Key::new("shop", "main");
        let mut apply = |row: SourceRow| {
            index.apply_source(key.clone(), row);
            (index.find("shop", "main").unwrap().revision, changes.try_recv().is_ok())
        };
        let url = json!("http://prometheus");
        assert_eq!(apply(source(&json!({ "uid": "a", "generation": 1 }), &url)), (1, true));
        let mut shown = source(&json!({ "uid": "a", "generation": 1, "resourceVersion": "7" }), &url);
        shown.status.last_error = Some("down".to_owned());
        assert_eq!(apply(shown), (1, false));
        assert_eq!(apply(source(&json!({ "uid": "a", "generation": 2 }), &json!("http://other"))), (2, true));
        assert_eq!(apply(source(&json!({ "uid": "a", "generation": 2, "annotations": { "x": "y" } }), &json!("http://other"))), (3, true));
        assert_eq!(apply(source(&json!({ "uid": "b", "generation": 2, "annotations": { "x": "y" } }), &json!("http://other"))), (4, true));
        assert_eq!(apply(source(&json!({ "uid": "b", "generation": 3 }), &json!(7))), (5, true));
        let error = index.find("shop", "main").unwrap().spec.unwrap_err();
        assert!(error.starts_with("spec.url: ") && error.contains('7'), "{error}");
        index.delete_source(&key);
        assert!(index.find("shop", "main").is_none() && changes.try_recv().is_ok());
        index.delete_source(&key);
        assert!(changes.try_recv().is_err());
    }

    #[test]
    fn what_cannot_be_read_still_shows_its_status() {
        let status = json!({ "observedGeneration": 4, "conditions": [] });
        let metadata = json!({ "name": "main", "uid": "a", "annotations": { "x": "y" } });
        let object =
            json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "MetricSource", "metadata": metadata, "spec": {}, "status": status });
        let row: SourceRow = serde_json::from_value::<WatchedSource>(object).unwrap().into();
        assert_eq!(row.spec.unwrap_err(), "spec.url: must be given");
        assert_eq!((row.status.observed_generation, row.uid.as_str(), row.marks[1]["x"].as_str()), (Some(4), "a", "y"));
    }
}
