//! `preset: auto` as what was chosen for it.

use std::time::Duration;

use super::super::error::Problems;
use super::super::metrics::{Freshness, PresetMetricSource};
use super::metrics::Measured;
use super::preset;
use crate::core::{Role, SignalKind, Target};
use crate::source::preset::{AUTO, auto, find};
use crate::source::{PrometheusQuery, Query, WhenEmpty};

/// A choice among presets that the controller makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Auto {
    /// Tells which presets fit.
    pub probe: Query,
    /// Request rates are chosen from: a target is given.
    pub rates: bool,
    /// What was chosen, drivers first; empty as long as nothing was.
    pub chosen: Vec<String>,
}

/// The signals that stand for the metric: those chosen, unless the policy names them itself, or one that is unknown.
pub(super) fn expand(
    path: &str,
    source: &PresetMetricSource,
    (chosen, named): (&[String], &[&str]),
    out: &mut Problems,
) -> (Auto, Vec<(Role, Measured)>) {
    let rates = source.target.is_some();
    // A target that was added or taken away means other candidates.
    let chosen = if auto::is_of(chosen, rates) { chosen } else { &[] };
    if source.source.is_empty() {
        out.add(format!("{path}.source"), "", "must not be empty");
    }
    for name in source.parameters.keys().filter(|name| *name != "window") {
        out.add(format!("{path}.parameters.{name}"), &source.parameters[name], "auto takes the parameter window only");
    }
    let query = |name: &str, query: String, preset| PrometheusQuery {
        name: name.to_owned(),
        source: source.source.clone(),
        query,
        window: Duration::ZERO,
        when_empty: WhenEmpty::Absent,
        preset,
    };
    let probe = Query::Prometheus(query(AUTO, auto::probe(rates, &source.parameters), None));
    let mut signals = Vec::new();
    for preset in chosen.iter().filter_map(|name| find(name)).filter(|preset| !named.contains(&preset.name)) {
        let role = preset.default_role();
        let target = source.target.clone().filter(|_| role == Role::Driver);
        // What pods don't show is asked of the server.
        let freshness = if preset.direct.is_some() { source.freshness } else { Freshness::Stored };
        let source = PresetMetricSource { name: preset.name.to_owned(), target, freshness, ..source.clone() };
        signals.extend(preset::preset(path, &source, out).map(|measured| (role, measured)));
    }
    if chosen.is_empty() {
        let (text, filled) = auto::undecided(rates);
        let kind = SignalKind::Prometheus { name: AUTO.to_owned() };
        signals.push((Role::Driver, (kind, Query::Prometheus(query(AUTO, text, Some(filled))), Target::AverageValue(1000.0))));
    }
    (Auto { probe, rates, chosen: chosen.to_vec() }, signals)
}
