//! What the fake metrics APIs know: the load of each app, as a function of how many of its pods are alive.

use std::collections::HashMap;

use super::fleet::{FleetPod, Pods};

/// Labels of a series.
pub type Labels = &'static [(&'static str, &'static str)];

/// Where a number appears. `app` is the value of the pods' label `app`; the same numbers hold in every namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// metrics.k8s.io, thousandths of a core.
    Cpu { container: &'static str },
    /// metrics.k8s.io, MiB.
    Memory { container: &'static str },
    /// custom.metrics.k8s.io, thousandths, per pod.
    Pods { metric: &'static str },
    /// custom.metrics.k8s.io, thousandths, of the object that is called like the app.
    Object { metric: &'static str },
    /// external.metrics.k8s.io, thousandths, one series with these labels. The metric's name in a policy is `<metric>.<app>`.
    External { metric: &'static str, labels: Labels },
}

/// How large it is.
#[derive(Clone, Debug)]
pub enum Load {
    /// Each pod, or the one series, has this.
    Each(i64),
    /// Shared evenly by the pods that are alive, as a load balancer would; the others have no sample.
    Total(i64),
    /// `value` while exactly `pods` are alive, else `otherwise`: asks for one change and is content with the result.
    At { pods: usize, value: i64, otherwise: i64 },
    /// By the pods' numbers, `None` for no sample, while exactly `alive` pods are alive; else `otherwise` for each.
    Pods { alive: usize, values: Vec<Option<i64>>, otherwise: i64 },
}

impl Load {
    fn value(&self, alive: usize, ordinal: usize) -> Option<i64> {
        match self {
            Self::Each(value) => Some(*value),
            Self::Total(total) => Some(total / i64::try_from(alive.max(1)).unwrap()),
            Self::At { pods, value, otherwise } => Some(if *pods == alive { *value } else { *otherwise }),
            Self::Pods { alive: n, values, .. } if *n == alive => values.get(ordinal).copied().flatten(),
            Self::Pods { otherwise, .. } => Some(*otherwise),
        }
    }
}

/// A failure of a metrics API, for one app and one metric (`cpu` and `memory` fail together, as `resource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status code.
    Status(u16),
    /// An empty list.
    Empty,
    /// Something that is no JSON.
    Garbage,
    /// The values, as of so many seconds ago.
    Old(i64),
}

/// Loads and faults by app.
#[derive(Default)]
pub struct Table {
    loads: HashMap<String, Vec<(Source, Load)>>,
    faults: HashMap<(String, String), Fault>,
}

impl Table {
    /// Sets one source of an app.
    pub fn set(&mut self, app: &str, source: Source, load: Load) {
        let loads = self.loads.entry(app.to_owned()).or_default();
        loads.retain(|(known, _)| *known != source);
        loads.push((source, load));
    }

    /// Sets or ends a fault.
    pub fn fault(&mut self, app: &str, metric: &str, fault: Option<Fault>) {
        let key = (app.to_owned(), metric.to_owned());
        match fault {
            Some(fault) => drop(self.faults.insert(key, fault)),
            None => drop(self.faults.remove(&key)),
        }
    }

    /// The fault in force.
    pub fn faulty(&self, app: &str, metric: &str) -> Option<Fault> {
        self.faults.get(&(app.to_owned(), metric.to_owned())).copied()
    }

    /// Value of a per-pod source for one pod of an app with so many `alive`.
    pub fn of_pod(&self, alive: usize, pod: &FleetPod, wanted: impl Fn(&Source) -> bool) -> Option<i64> {
        let (_, load) = self.loads.get(pod.app())?.iter().find(|(source, _)| wanted(source))?;
        if matches!(load, Load::Total(_)) && !pod.alive {
            return None;
        }
        load.value(alive, pod.ordinal)
    }

    /// Value of an object's metric.
    pub fn of_object(&self, pods: &Pods, namespace: &str, object: &str, metric: &str) -> Option<i64> {
        let (_, load) =
            self.loads.get(object)?.iter().find(|(source, _)| matches!(source, Source::Object { metric: m } if *m == metric))?;
        load.value(pods.alive(namespace, object), 0)
    }

    /// Labels and value of each series of an app's external metric.
    pub fn series(&self, pods: &Pods, namespace: &str, app: &str, metric: &str) -> Vec<(Labels, i64)> {
        let alive = pods.alive(namespace, app);
        let series = self.loads.get(app).into_iter().flatten().filter_map(|(source, load)| match source {
            Source::External { metric: m, labels } if *m == metric => Some((*labels, load.value(alive, 0)?)),
            _ => None,
        });
        series.collect()
    }
}
