//! One query for the many targets of a preset: which go together, and what happens when that was too much.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::plan::{Job, Placed, Work};
use super::preset::Filled;
use super::prometheus::{self, Server, Turn};
use super::{PrometheusQuery, Query};
use crate::core::Failure;

/// Most bytes of names in one query; it has them once per selector.
const MOST_BYTES: usize = 96 << 10;
/// How often one query is cut in half within a tick. The next tick begins with what was small enough.
const MOST_CUTS: u8 = 2;

/// Asks that go into one query. Where a label is enforced, a query sees one namespace; names that a server cannot look up in a table keep to
/// themselves, as one of them slows a whole query down.
pub(super) fn parts<'a>(server: &Server, mut asks: Vec<Placed<'a>>) -> Vec<Vec<Placed<'a>>> {
    let is_plain = |placed: &Placed<'_>| names(placed).iter().all(|name| prometheus::is_plain(name));
    // Stable, and pods of a namespace together: alternatives of few namespaces match few pods that are nobody's.
    asks.sort_by_cached_key(|placed| (!is_plain(placed), Arc::clone(&placed.1.namespace)));
    let one_namespace = server.material().enforce_label.is_some();
    let mut parts: Vec<Vec<Placed<'a>>> = Vec::new();
    let (mut pods, mut bytes) = (0, 0);
    for placed in asks {
        let ((_, ask), names) = (&placed, names(&placed));
        let more = (names.len(), names.iter().map(|name| name.len() + 1).sum::<usize>() + ask.namespace.len() + 1);
        let part = parts.last_mut().filter(|part| {
            let (_, before) = &part[0];
            let fits = pods + more.0 <= server.most_pods() && bytes + more.1 <= MOST_BYTES;
            fits && !(one_namespace && before.namespace != ask.namespace) && is_plain(&part[0]) == is_plain(&placed)
        });
        if let Some(part) = part {
            (pods, bytes) = (pods + more.0, bytes + more.1);
            part.push(placed);
        } else {
            (pods, bytes) = more;
            parts.push(vec![placed]);
        }
    }
    parts
}

/// The names by which a preset finds the target of an ask.
fn names<'a>((_, ask): &Placed<'a>) -> &'a [Arc<str>] {
    match &ask.query {
        Query::Prometheus(PrometheusQuery { preset: Some(preset), .. }) => preset.names(ask),
        _ => &ask.pods,
    }
}

/// The query for a part.
pub(super) fn job(server: &Arc<Server>, preset: &Arc<Filled>, part: &[Placed<'_>], cuts: u8, spread: Duration) -> Result<Job, Failure> {
    let namespaces: BTreeSet<&str> = part.iter().map(|(_, ask)| &*ask.namespace).collect();
    // Pods of StatefulSets have the same names in many namespaces, and so have workloads and Services.
    let found_by: BTreeSet<&str> = part.iter().flat_map(|placed| names(placed).iter().map(|name| &**name)).collect();
    let limited = match (&server.material().enforce_label, part.first()) {
        (Some(label), Some((_, ask))) => Some(prometheus::enforce(&preset.many, label, &ask.namespace)?),
        _ => None,
    };
    let query = prometheus::substitute_all(limited.as_deref().unwrap_or(&preset.many), &namespaces, &found_by)?;
    // The names change with every rollout, the moment should not.
    let turn = Turn::new(server, preset.name, spread);
    let pods = part.iter().map(|placed| names(placed).len()).sum();
    let places = part.iter().map(|(place, _)| *place).collect();
    Ok(Job { work: Work::Preset { turn, preset: Arc::clone(preset), query, pods, cuts }, places })
}

/// The halves of a query that was too large, if it may be cut once more.
pub(super) fn halves(server: &Arc<Server>, preset: &Arc<Filled>, part: &[Placed<'_>], cuts: u8) -> Option<Result<Vec<Job>, Failure>> {
    let (first, second) = part.split_at(part.len() / 2);
    if cuts >= MOST_CUTS || first.is_empty() {
        return None;
    }
    let jobs = [first, second].into_iter().map(|half| job(server, preset, half, cuts + 1, Duration::ZERO));
    Some(jobs.collect())
}
