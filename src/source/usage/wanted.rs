//! Which numbers are asked for, and those that were found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{API, nothing_in};
use crate::core::{Failure, Reading, Sample, Time};
use crate::source::{Ask, Query};

/// The pods asked about, and what of each.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Resource, and container if not all.
    columns: Vec<(String, Option<String>)>,
    known: HashMap<(String, Option<String>), u32>,
    namespaces: HashMap<Arc<str>, HashMap<Arc<str>, Pod>>,
    /// How many pods.
    pods: usize,
}

/// One pod: its row in what is found, and the columns asked for.
#[derive(Debug)]
struct Pod {
    row: usize,
    columns: SmallVec<[u32; 2]>,
}

/// What a list says about the pods asked about.
#[derive(Debug)]
pub struct Listed {
    wanted: Arc<Wanted>,
    /// `None`: the list has no such pod.
    rows: Vec<Option<Row>>,
    /// Namespaces asked about that have entries, whosever.
    measured: HashSet<Arc<str>>,
    /// Entries of the list, wanted or not.
    entries: usize,
}

/// Usage of one pod.
#[derive(Clone, Debug)]
struct Row {
    time: Option<Time>,
    window: Duration,
    /// In thousandths, in the order of the pod's columns; `None`: unknown.
    values: SmallVec<[Option<i64>; 2]>,
}

/// A pod's usage as the list has it.
pub(super) struct Measured<'a, F> {
    pub namespace: &'a str,
    pub pod: &'a str,
    pub time: Option<Time>,
    pub window: Duration,
    /// The value of a resource, of one container or all.
    pub value: F,
}

// === impl Wanted ===

impl Wanted {
    /// Adds what an ask is about; other questions than for usage add nothing.
    pub fn add(&mut self, ask: &Ask) {
        let Query::Resource { resource, container } = &ask.query else { return };
        let column = self.column(resource, container.as_ref());
        self.pods_of(&ask.namespace, ask.pods.iter(), &[column]);
    }

    /// Adds what somebody else wants.
    pub(super) fn merge(&mut self, other: &Self) {
        let columns: Vec<u32> = other.columns.iter().map(|(resource, container)| self.column(resource, container.as_ref())).collect();
        for (namespace, pods) in &other.namespaces {
            for (name, pod) in pods {
                let columns: SmallVec<[u32; 2]> = pod.columns.iter().filter_map(|&column| columns.get(column as usize).copied()).collect();
                self.pods_of(namespace, std::iter::once(name), &columns);
            }
        }
    }

    /// Whether everything that `other` wants is here.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let columns: Vec<Option<&u32>> = other.columns.iter().map(|column| self.known.get(column)).collect();
        other.namespaces.iter().all(|(namespace, pods)| {
            let Some(mine) = self.namespaces.get(namespace) else { return pods.is_empty() };
            pods.iter().all(|(name, pod)| {
                let has = |column: &u32| columns[*column as usize].is_some_and(|column| mine[name].columns.contains(column));
                mine.contains_key(name) && pod.columns.iter().all(has)
            })
        })
    }

    fn column(&mut self, resource: &str, container: Option<&String>) -> u32 {
        let column = (resource.to_owned(), container.cloned());
        let columns = &mut self.columns;
        *self.known.entry(column).or_insert_with_key(|column| {
            columns.push(column.clone());
            // As many as there are names of containers.
            u32::try_from(columns.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn pods_of<'a>(&mut self, namespace: &Arc<str>, names: impl Iterator<Item = &'a Arc<str>>, columns: &[u32]) {
        let pods = self.namespaces.entry(Arc::clone(namespace)).or_default();
        for name in names {
            let all = &mut self.pods;
            let pod = pods.entry(Arc::clone(name)).or_insert_with(|| {
                *all += 1;
                Pod { row: *all - 1, columns: SmallVec::new() }
            });
            for column in columns {
                if !pod.columns.contains(column) {
                    pod.columns.push(*column);
                }
            }
        }
    }
}

// === impl Listed ===

impl Listed {
    /// Nothing found yet.
    pub(super) fn new(wanted: Arc<Wanted>) -> Self {
        Self { rows: vec![None; wanted.pods], wanted, measured: HashSet::new(), entries: 0 }
    }

    /// Takes an entry of the list, if somebody asked about it.
    pub(super) fn take<F: Fn(&str, Option<&str>) -> Option<i64>>(&mut self, entry: &Measured<'_, F>) {
        self.entries += 1;
        let Some((namespace, pods)) = self.wanted.namespaces.get_key_value(entry.namespace) else { return };
        if !self.measured.contains(namespace) {
            self.measured.insert(Arc::clone(namespace));
        }
        let Some(Pod { row, columns }) = pods.get(entry.pod) else { return };
        let value = |column: &u32| {
            let (resource, container) = &self.wanted.columns[*column as usize];
            (entry.value)(resource, container.as_deref())
        };
        self.rows[*row] = Some(Row { time: entry.time, window: entry.window, values: columns.iter().map(value).collect() });
    }

    /// Entries of the list, wanted or not.
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// The usage of an ask's pods. No entry for any of them is a failure, as it is for the stock autoscaler.
    pub fn reading(&self, ask: &Ask, resource: &str, container: Option<&str>) -> Result<Reading, Failure> {
        let pods = self.wanted.namespaces.get(&ask.namespace).filter(|_| self.measured.contains(&ask.namespace));
        let pods = pods.ok_or_else(|| nothing_in(&ask.namespace))?;
        let row = |name: &Arc<str>| pods.get(name).and_then(|pod| Some((pod, self.rows[pod.row].as_ref()?)));
        if !ask.pods.iter().any(|name| row(name).is_some()) {
            return Err(Failure::empty(format!("{API}: no pod of {}/{} has metrics yet", ask.namespace, ask.target)));
        }
        let column = self.wanted.known.get(&(resource.to_owned(), container.map(str::to_owned)));
        let sample = |name: &Arc<str>| {
            let (pod, row) = row(name)?;
            let place = pod.columns.iter().position(|of| Some(of) == column)?;
            Some(Sample { value: row.values[place]? as f64, time: row.time?, window: row.window })
        };
        Ok(Reading::PerPod { samples: ask.pods.iter().map(sample).collect(), requests: Vec::new(), limits: Vec::new() })
    }
}
