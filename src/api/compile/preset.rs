//! Metrics of type Preset, and the roles of all metrics.

use std::sync::Arc;

use super::super::error::Problems;
use super::super::metrics::{Freshness, MetricSpec, PresetMetricSource, PresetTarget, Role};
use super::super::quantity::Quantity;
use super::metrics::{Measured, milli, window};
use crate::api::nearest;
use crate::core::{self, SignalKind, Target};
use crate::source::preset::{self, Preset, parameter};
use crate::source::{PrometheusQuery, Query, WhenEmpty};

pub(super) fn preset(path: &str, source: &PresetMetricSource, out: &mut Problems) -> Option<Measured> {
    let PresetMetricSource { name, target, source: server, parameters, freshness } = source;
    if server.is_empty() {
        out.add(format!("{path}.source"), "", "must not be empty");
    }
    let Some(preset) = preset::find(name) else {
        out.add(format!("{path}.name"), name, unknown(name));
        return None;
    };
    for (parameter, value) in parameters {
        let path = format!("{path}.parameters.{parameter}");
        match parameter::find(preset.parameters, parameter).map(|parameter| parameter.check(value)) {
            Ok(Ok(())) => {}
            Ok(Err(why)) | Err(why) => {
                out.add(path, value, why);
                return None;
            }
        }
    }
    let target = self::target(&format!("{path}.target"), preset, target.as_ref(), out)?;
    let filled = match freshness {
        Freshness::Stored => Some(preset.fill(parameters)),
        Freshness::Direct => preset.fill_direct(parameters),
    };
    let Some((query, filled)) = filled else {
        out.add(format!("{path}.freshness"), "Direct", format!("is for presets that the workload's own pods show: {}", directs()));
        return None;
    };
    let query = PrometheusQuery {
        name: name.clone(),
        source: server.clone(),
        window: window(&query),
        query,
        when_empty: WhenEmpty::Absent,
        preset: Some(Arc::new(filled)),
    };
    Some((SignalKind::Prometheus { name: name.clone() }, Query::Prometheus(query), target))
}

/// Names of the presets that pods can be asked for.
pub(crate) fn directs() -> String {
    preset::PRESETS.iter().filter(|preset| preset.direct.is_some()).map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

/// What to say of a name that is no preset's.
pub(crate) fn unknown(name: &str) -> String {
    match nearest::nearest(name, preset::PRESETS.iter().map(|preset| preset.name)) {
        Some(near) => format!("is not a preset; did you mean {near}?"),
        None => format!("is not a preset; there are {}", preset::names()),
    }
}

fn target(path: &str, preset: &Preset, given: Option<&PresetTarget>, out: &mut Problems) -> Option<Target> {
    let Some(PresetTarget { average_value, capacity }) = given else {
        let Some(default) = preset.default_target else {
            out.add(path, "", format!("must be given: {}", preset.reason));
            return None;
        };
        return milli(path, &Quantity::from(default), out).map(Target::AverageValue);
    };
    match (average_value, capacity) {
        (Some(average), None) => milli(&format!("{path}.averageValue"), average, out).map(Target::AverageValue),
        (None, Some(capacity)) => milli(&format!("{path}.capacity"), capacity, out).map(Target::Capacity),
        _ => {
            out.add(path, "", "must have averageValue or capacity, and not both");
            None
        }
    }
}

/// The role of a metric: the one that is written, or the preset's, or driver.
pub(super) fn role(path: &str, metric: &MetricSpec, out: &mut Problems) -> core::Role {
    let preset = metric.preset.as_ref().and_then(|source| preset::find(&source.name));
    let role = match metric.role {
        None => preset.map_or(core::Role::Driver, Preset::default_role),
        Some(Role::Driver) => core::Role::Driver,
        Some(Role::Guard) => core::Role::Guard,
        Some(Role::Brake) => core::Role::Brake,
    };
    if let Some(preset) = preset.filter(|preset| !preset.roles.contains(&role)) {
        let allowed: Vec<_> = preset.roles.iter().map(|role| role.word()).collect();
        out.add(format!("{path}.role"), role.word(), format!("{} may be {} only: {}", preset.name, allowed.join(" or "), preset.reason));
    }
    role
}
