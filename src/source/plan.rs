//! From the questions of a tick to the fewest requests that answer them.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::preset::Filled;
use super::presets;
use super::prometheus::{self, Server, Turn};
use super::usage::{Scope, Wanted};
use super::{Ask, Batch, PrometheusQuery, Query, direct};
use crate::core::Failure;

/// Where an ask stands: its batch, and its place among the batch's asks.
pub(super) type Place = (usize, usize);

/// An ask and where it stands.
pub(super) type Placed<'a> = (Place, &'a Ask);

/// Something to be done, and the asks that wait for it.
pub(super) struct Job {
    pub work: Work,
    pub places: Vec<Place>,
}

/// What can be done for asks.
pub(super) enum Work {
    /// Find out which server the namespace means by this name; what is asked of it follows.
    Find { namespace: Arc<str>, source: String },
    /// Usage of pods.
    Usage { scope: Scope, wanted: Wanted },
    /// A metric of the pods that a selector selects.
    Pods { namespace: Arc<str>, pods: Arc<str>, metric: String, selector: String },
    /// A metric of one object, or an external one.
    Total { namespace: Arc<str>, query: Query },
    /// The pods of one target, for all of these asks.
    Direct { asks: Vec<Ask> },
    /// A Prometheus query.
    Prometheus { turn: Arc<Turn>, query: String },
    /// A preset's query about many targets. `cuts`: how often it was cut in half because it was too large.
    Preset { turn: Arc<Turn>, preset: Arc<Filled>, query: String, pods: usize, cuts: u8 },
}

/// What two asks must have in common to share a request.
#[derive(PartialEq, Eq, Hash)]
enum Same<'a> {
    Pods { namespace: &'a str, pods: &'a str, query: &'a Query },
    Total { namespace: &'a str, query: &'a Query },
    Source { own: Option<&'a str>, name: &'a str },
}

/// The first jobs of a tick. `pays` says whether listing the cluster is cheaper than listing so many namespaces for so many pods; `own` whether
/// a namespace has a source of that name for itself.
pub(super) fn plan(batches: &[Batch], pays: impl Fn(usize, usize) -> bool, own: impl Fn(&str, &str) -> bool) -> Vec<Job> {
    let asks = batches.iter().enumerate();
    let asks = asks.flat_map(|(batch, Batch { asks, .. })| asks.iter().enumerate().map(move |(n, ask)| ((batch, n), ask)));
    let (direct, asks): (Vec<Placed<'_>>, Vec<Placed<'_>>) = asks.partition(|(_, ask)| direct::is_direct(ask));
    let (usage, other): (Vec<Placed<'_>>, Vec<Placed<'_>>) =
        asks.into_iter().partition(|(_, ask)| matches!(ask.query, Query::Resource { .. }));
    let namespaces: HashSet<&str> = usage.iter().map(|(_, ask)| &*ask.namespace).collect();
    let pods = usage.iter().map(|(_, ask)| ask.pods.len()).sum();
    let mut jobs = if pays(namespaces.len(), pods) { by_scope(usage, |_| Scope::Cluster) } else { by_namespace(usage) };
    jobs.extend(by_target(direct));
    jobs.extend(by_source(other, own));
    jobs
}

/// The jobs of asks that are not for usage.
pub(super) fn by_source(asks: Vec<Placed<'_>>, own: impl Fn(&str, &str) -> bool) -> Vec<Job> {
    group(asks, |ask| same(ask, &own), work)
}

/// The pods of each target are asked once for all of its asks.
fn by_target(asks: Vec<Placed<'_>>) -> Vec<Job> {
    type Asked = (Vec<Ask>, Vec<Place>);
    let mut targets: HashMap<(&str, &str), Asked> = HashMap::new();
    for (place, ask) in asks {
        let (asks, places) = targets.entry((&ask.namespace, &ask.target)).or_default();
        asks.push(ask.clone());
        places.push(place);
    }
    targets.into_values().map(|(asks, places)| Job { work: Work::Direct { asks }, places }).collect()
}

fn same(ask: &Ask, own: impl Fn(&str, &str) -> bool) -> Same<'_> {
    let namespace = &*ask.namespace;
    match &ask.query {
        query @ Query::Pods { .. } => Same::Pods { namespace, pods: &ask.selector, query },
        Query::Prometheus(PrometheusQuery { source, .. }) => {
            Same::Source { own: own(namespace, source).then_some(namespace), name: source }
        }
        query => Same::Total { namespace, query },
    }
}

fn work(ask: &Ask) -> Work {
    let namespace = Arc::clone(&ask.namespace);
    match &ask.query {
        Query::Prometheus(PrometheusQuery { source, .. }) => Work::Find { namespace, source: source.clone() },
        Query::Pods { metric, selector } => {
            Work::Pods { namespace, pods: Arc::clone(&ask.selector), metric: metric.clone(), selector: selector.clone() }
        }
        query => Work::Total { namespace, query: query.clone() },
    }
}

/// One list of usage per namespace.
pub(super) fn by_namespace<'a>(usage: impl IntoIterator<Item = Placed<'a>>) -> Vec<Job> {
    by_scope(usage, |ask| Scope::Namespace(Arc::clone(&ask.namespace)))
}

fn by_scope<'a>(usage: impl IntoIterator<Item = Placed<'a>>, scope: impl Fn(&Ask) -> Scope) -> Vec<Job> {
    let mut lists: HashMap<Scope, (Wanted, Vec<Place>)> = HashMap::new();
    for (place, ask) in usage {
        let (wanted, places) = lists.entry(scope(ask)).or_default();
        wanted.add(ask);
        places.push(place);
    }
    lists.into_iter().map(|(scope, (wanted, places))| Job { work: Work::Usage { scope, wanted }, places }).collect()
}

/// The queries for a server that was found, and the asks whose query cannot be sent. Nobody of those who wait does so longer than `deadline`
/// at the least.
pub(super) fn queries<'a>(
    server: &Arc<Server>,
    asks: impl Iterator<Item = Placed<'a>>,
    deadline: Duration,
) -> (Vec<Job>, Vec<(Place, Failure)>) {
    let mut texts = Vec::new();
    let mut of_presets: Vec<(Arc<Filled>, Vec<Placed<'a>>)> = Vec::new();
    for (place, ask) in asks {
        match query_of(ask).and_then(|query| query.preset.as_ref()) {
            None => texts.push((place, ask)),
            Some(preset) => match of_presets.iter_mut().find(|(known, _)| known.many == preset.many) {
                Some((_, asks)) => asks.push((place, ask)),
                None => of_presets.push((Arc::clone(preset), vec![(place, ask)])),
            },
        }
    }
    let mut parts = Vec::new();
    for (preset, asks) in of_presets {
        for part in presets::parts(server, asks) {
            // Nothing is gained, and the plain form is the policy's own words.
            if part.len() == 1 { texts.extend(part) } else { parts.push((Arc::clone(&preset), part)) }
        }
    }
    let mut refused = Vec::new();
    let mut by_text: HashMap<String, Vec<Place>> = HashMap::new();
    for (place, ask) in texts {
        match text(server, ask) {
            Ok(query) => by_text.entry(query).or_default().push(place),
            Err(failure) => refused.push((place, failure)),
        }
    }
    let spread = server.spread(by_text.len() + parts.len(), deadline);
    let mut jobs = Vec::with_capacity(by_text.len() + parts.len());
    for (preset, part) in parts {
        match presets::job(server, &preset, &part, 0, spread) {
            Ok(job) => jobs.push(job),
            Err(failure) => refused.extend(part.iter().map(|(place, _)| (*place, failure.clone()))),
        }
    }
    jobs.extend(by_text.into_iter().map(|(query, places)| {
        let turn = Turn::new(server, &query, spread);
        Job { work: Work::Prometheus { turn, query }, places }
    }));
    (jobs, refused)
}

fn query_of(ask: &Ask) -> Option<&PrometheusQuery> {
    match &ask.query {
        Query::Prometheus(query) => Some(query),
        _ => None,
    }
}

/// The text of an ask's query as the server gets it.
fn text(server: &Server, ask: &Ask) -> Result<String, Failure> {
    let query = &query_of(ask).ok_or_else(|| Failure::refused("no such request"))?.query;
    match &server.material().enforce_label {
        Some(label) => prometheus::substitute(&prometheus::enforce(query, label, &ask.namespace)?, ask),
        None => prometheus::substitute(query, ask),
    }
}

/// One job for all asks that have the same key, in order of their first one.
fn group<'a, K: Eq + Hash>(asks: Vec<Placed<'a>>, key: impl Fn(&'a Ask) -> K, work: impl Fn(&'a Ask) -> Work) -> Vec<Job> {
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
