//! From the questions of a tick to the fewest requests that answer them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::prometheus::{self, Server};
use super::{Ask, Batch, PrometheusQuery, Query};
use crate::core::Failure;

/// Where an ask stands: its batch, and its place among the batch's asks.
pub(super) type Place = (usize, usize);

/// Something to be done, and the asks that wait for it.
pub(super) struct Job {
    pub work: Work,
    pub places: Vec<Place>,
}

/// What can be done for asks.
pub(super) enum Work {
    /// Find out which server the namespace means by this name; what is asked of it follows.
    Find { namespace: Arc<str>, source: String },
    /// Ask.
    Ask(Request),
}

/// One request.
pub(super) enum Request {
    /// Usage in the whole cluster, of which so many pods are asked about.
    Everywhere { pods: usize },
    /// Usage in a namespace.
    Usage { namespace: Arc<str> },
    /// A metric of the pods that a selector selects.
    Pods { namespace: Arc<str>, pods: Arc<str>, metric: String, selector: String },
    /// A metric of one object, or an external one.
    Total { namespace: Arc<str>, query: Query },
    /// A Prometheus query.
    Prometheus { server: Arc<Server>, query: String },
}

/// What two asks must have in common to share a request.
#[derive(PartialEq, Eq, Hash)]
enum Same<'a> {
    Usage { namespace: &'a str },
    Pods { namespace: &'a str, pods: &'a str, query: &'a Query },
    Total { namespace: &'a str, query: &'a Query },
    Source { own: Option<&'a str>, name: &'a str },
}

/// The first jobs of a tick. `pays` says whether listing the cluster is cheaper than listing so many namespaces; `own` whether a namespace has a
/// source of that name for itself.
pub(super) fn plan(batches: &[Batch], pays: impl Fn(usize) -> bool, own: impl Fn(&str, &str) -> bool) -> Vec<Job> {
    let all = || {
        batches.iter().enumerate().flat_map(|(batch, Batch { asks, .. })| asks.iter().enumerate().map(move |(n, ask)| ((batch, n), ask)))
    };
    let (usage, other): (Vec<_>, Vec<_>) = all().partition(|(_, ask)| matches!(ask.query, Query::Resource { .. }));
    let namespaces: HashSet<&str> = usage.iter().map(|(_, ask)| &*ask.namespace).collect();
    let mut jobs = if pays(namespaces.len()) {
        let pods = usage.iter().map(|(_, ask)| ask.pods.len()).sum();
        vec![Job { work: Work::Ask(Request::Everywhere { pods }), places: usage.into_iter().map(|(place, _)| place).collect() }]
    } else {
        by_namespace(usage)
    };
    jobs.extend(group(
        other.into_iter(),
        |ask| match &ask.query {
            query @ Query::Pods { .. } => Same::Pods { namespace: &ask.namespace, pods: &ask.selector, query },
            Query::Prometheus(PrometheusQuery { source, .. }) => {
                Same::Source { own: own(&ask.namespace, source).then_some(&ask.namespace), name: source }
            }
            query => Same::Total { namespace: &ask.namespace, query },
        },
        |ask| {
            let namespace = Arc::clone(&ask.namespace);
            match &ask.query {
                Query::Prometheus(PrometheusQuery { source, .. }) => Work::Find { namespace, source: source.clone() },
                Query::Pods { metric, selector } => {
                    let pods = Arc::clone(&ask.selector);
                    Work::Ask(Request::Pods { namespace, pods, metric: metric.clone(), selector: selector.clone() })
                }
                query => Work::Ask(Request::Total { namespace, query: query.clone() }),
            }
        },
    ));
    jobs
}

/// One list of usage per namespace.
pub(super) fn by_namespace<'a>(usage: impl IntoIterator<Item = (Place, &'a Ask)>) -> Vec<Job> {
    let usage_in = |ask: &Ask| Work::Ask(Request::Usage { namespace: Arc::clone(&ask.namespace) });
    group(usage.into_iter(), |ask| Same::Usage { namespace: &ask.namespace }, usage_in)
}

/// The queries for a server that was found, and the asks whose query cannot be sent.
pub(super) fn queries<'a>(server: &Arc<Server>, asks: impl Iterator<Item = (Place, &'a Ask)>) -> (Vec<Job>, Vec<(Place, Failure)>) {
    let (mut sendable, mut refused) = (Vec::new(), Vec::new());
    for (place, ask) in asks {
        match text(server, ask) {
            Ok(query) => sendable.push((place, query)),
            Err(failure) => refused.push((place, failure)),
        }
    }
    let mut jobs: HashMap<String, Vec<Place>> = HashMap::new();
    for (place, query) in sendable {
        jobs.entry(query).or_default().push(place);
    }
    let job = |(query, places)| Job { work: Work::Ask(Request::Prometheus { server: Arc::clone(server), query }), places };
    (jobs.into_iter().map(job).collect(), refused)
}

/// The text of an ask's query as the server gets it.
fn text(server: &Server, ask: &Ask) -> Result<String, Failure> {
    let Query::Prometheus(PrometheusQuery { query, .. }) = &ask.query else { return Err(Failure::refused("no such request")) };
    match &server.material().enforce_label {
        Some(label) => prometheus::substitute(&prometheus::enforce(query, label, &ask.namespace)?, ask),
        None => prometheus::substitute(query, ask),
    }
}

/// One job for all asks that have the same key, in order of their first one.
fn group<'a, K: Eq + std::hash::Hash>(
    asks: impl Iterator<Item = (Place, &'a Ask)>,
    key: impl Fn(&'a Ask) -> K,
    work: impl Fn(&'a Ask) -> Work,
) -> Vec<Job> {
    let (mut jobs, mut known): (Vec<Job>, HashMap<K, usize>) = (Vec::new(), HashMap::new());
    for (place, ask) in asks {
        let job = *known.entry(key(ask)).or_insert_with(|| {
            jobs.push(Job { work: work(ask), places: Vec::new() });
            jobs.len() - 1
        });
        jobs[job].places.push(place);
    }
    jobs
}
