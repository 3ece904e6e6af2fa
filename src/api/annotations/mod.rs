//! Annotations on a workload, read as a `ScalePolicy`.

pub mod admission;
mod keys;
mod owned;
mod values;

use std::collections::BTreeMap;

pub use keys::{KEYS, Key, Syntax};
pub use owned::{MANAGED_BY, Workload, desired, is_annotation_owned, policy_name};
pub use values::{pause as parse_pause, pause_text};

use super::compile::{TargetRef, check_query, check_schedule, directs, unknown_preset};
use super::error::{FieldError, Problems};
use super::metrics::{
    Freshness, MetricSpec, MetricTarget, PresetMetricSource, PresetTarget, PrometheusMetricSource, PrometheusTarget, PrometheusTargetType,
    WhenEmpty, default_metrics,
};
use super::quantity::Quantity;
use super::scale_policy::{CrossVersionObjectReference, Forecast, Mode, ScalePolicySpec};
use super::schedule::Schedule;
use crate::core::Role;
use crate::source::preset::{self, AUTO};

/// Prefix of every key.
pub const PREFIX: &str = "ballast.dev/";

/// The spec that the annotations of `target` ask for; `None` where there are none of Ballast's.
///
/// # Errors
/// Every fault of the annotations: unknown keys, wrong values, keys that contradict each other or are switched on by nothing.
pub fn parse(annotations: &BTreeMap<String, String>, target: &TargetRef) -> Result<Option<ScalePolicySpec>, Vec<FieldError>> {
    let mut reader = Reader { values: BTreeMap::new(), out: Problems::default() };
    for (key, value) in annotations {
        if let Some(name) = key.strip_prefix(PREFIX) {
            reader.take(name, value.trim());
        }
    }
    if reader.values.is_empty() && reader.out.errors.is_empty() {
        return Ok(None);
    }
    let spec = reader.spec(target);
    if reader.out.errors.is_empty() { Ok(Some(spec)) } else { Err(reader.out.errors) }
}

/// Whether a workload has any of Ballast's annotations.
pub fn any(annotations: &BTreeMap<String, String>) -> bool {
    annotations.keys().any(|key| key.starts_with(PREFIX))
}

struct Reader<'a> {
    values: BTreeMap<&'static str, &'a str>,
    out: Problems,
}

impl<'a> Reader<'a> {
    fn take(&mut self, name: &str, value: &'a str) {
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            self.values.insert(key.name, value);
            return;
        }
        let hint = keys::nearest(name).map_or_else(
            || format!("unknown key; there are {}", KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")),
            |near| format!("unknown key; did you mean {PREFIX}{near}?"),
        );
        self.out.add(path(name), value, hint);
    }

    fn spec(&mut self, target: &TargetRef) -> ScalePolicySpec {
        let max_replicas = self.count("max-replicas", 1);
        let min_replicas = self.count("min-replicas", 0).unwrap_or(1);
        if !self.values.contains_key("max-replicas") {
            self.out.add(path("max-replicas"), "", "is missing: it switches Ballast on for the workload, e.g. \"10\"");
        }
        if let Some(max) = max_replicas.filter(|max| *max < min_replicas) {
            self.out.add(path("max-replicas"), max, format!("must be at least {PREFIX}min-replicas ({min_replicas})"));
        }
        let metrics = self.metrics();
        if min_replicas == 0 && !metrics.iter().any(MetricSpec::works_without_pods) {
            self.out.add(
                path("min-replicas"),
                0,
                "0 needs target-rps, capacity-rps, query, or a preset of a mesh or ingress: others cannot be measured without pods",
            );
        }
        let schedule = self.schedule(min_replicas, max_replicas);
        ScalePolicySpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some(target.api_version.clone()),
                kind: target.kind.clone(),
                name: target.name.clone(),
            },
            min_replicas: Some(min_replicas),
            max_replicas: max_replicas.unwrap_or(min_replicas),
            metrics,
            behavior: None,
            interval_seconds: self.read("interval", values::interval),
            mode: self.read("mode", values::mode).unwrap_or(Mode::Enforce),
            pause: self.read("pause", values::pause).flatten(),
            schedules: schedule.into_iter().collect(),
            fallback: None,
            smoothing: None,
            forecast: self.read("forecast", values::forecast).map(|mode| Forecast { mode, horizon_seconds: None }),
            warm_up_seconds: None,
        }
    }

    fn schedule(&mut self, min: i32, max: Option<i32>) -> Option<Schedule> {
        let schedule = self.read("schedule", values::schedule)?;
        // Without a highest size everything would be beyond it, and that it is missing has been told.
        for error in max.map(|max| check_schedule(&schedule, min..=max)).into_iter().flatten() {
            self.out.add(path("schedule"), self.values["schedule"], error.to_string());
        }
        Some(schedule)
    }

    fn metrics(&mut self) -> Vec<MetricSpec> {
        let mut metrics = Vec::new();
        self.read("source", |name| (1..=253).contains(&name.len()).then_some(()));
        for (key, resource) in [("target-cpu", "cpu"), ("target-memory", "memory")] {
            metrics.extend(self.read(key, values::resource_target).map(|target: MetricTarget| MetricSpec::resource(resource, target)));
        }
        if let (Some(rps), Some(target)) = (preset::find("http-requests"), self.load("target-rps", "capacity-rps")) {
            metrics.push(self.prometheus("requests-per-second", &rps.query(), target));
        }
        metrics.extend(self.query());
        metrics.extend(self.presets());
        if metrics.iter().all(|metric| metric.prometheus.is_none() && metric.preset.is_none())
            && let Some(source) = self.values.get("source")
        {
            self.out.add(path("source"), source, "is used by target-rps, capacity-rps, query and preset only");
        }
        // Guards and brakes only hold what something else asks for.
        if metrics.iter().all(|metric| metric.preset.as_ref().is_some_and(|source| !drives(&source.name))) {
            metrics.splice(0..0, default_metrics());
        }
        metrics
    }

    fn query(&mut self) -> Option<MetricSpec> {
        let target = self.load("query-target", "query-capacity");
        let given = ["query-target", "query-capacity"].into_iter().find(|key| self.values.contains_key(key));
        match (self.values.get("query").copied(), given) {
            (None, None) => None,
            (None, Some(key)) => {
                self.out.add(path(key), self.values[key], format!("needs {PREFIX}query"));
                None
            }
            (Some(query), None) => {
                self.out.add(path("query"), query, format!("needs {PREFIX}query-target or {PREFIX}query-capacity"));
                None
            }
            (Some(query), Some(_)) => {
                check_query(&path("query"), query, &mut self.out);
                target.map(|target| self.prometheus("query", query, target))
            }
        }
    }

    fn presets(&mut self) -> Vec<MetricSpec> {
        let mut target = self.read("preset-target", values::quantity);
        let freshness = self.read("preset-freshness", values::freshness).unwrap_or_default();
        let Some(list) = self.values.get("preset").copied() else {
            for key in ["preset-target", "preset-freshness"] {
                if let Some(value) = self.values.get(key) {
                    self.out.add(path(key), value, format!("needs {PREFIX}preset"));
                }
            }
            return Vec::new();
        };
        let shown = |name: &str| name == AUTO || preset::find(name).is_some_and(|preset| preset.direct.is_some());
        if freshness == Freshness::Direct && !list.split(',').map(str::trim).any(shown) {
            let value = self.values.get("preset-freshness").copied().unwrap_or_default();
            self.out.add(path("preset-freshness"), value, format!("needs a preset that the workload's own pods show: {}", directs()));
        }
        let mut metrics: Vec<MetricSpec> = Vec::new();
        for name in list.split(',').map(str::trim) {
            let preset = preset::find(name);
            if preset.is_none() && name != AUTO {
                self.out.add(path("preset"), if name.is_empty() { "\"\"" } else { name }, unknown_preset(name));
                continue;
            }
            if metrics.iter().filter_map(|metric| metric.preset.as_ref()).any(|earlier| earlier.name == name) {
                self.out.add(path("preset"), name, "is named twice");
            }
            let target = target.take();
            if let Some(preset) = preset.filter(|preset| preset.default_target.is_none())
                && target.is_none()
                && (!metrics.is_empty() || !self.values.contains_key("preset-target"))
            {
                self.out.add(
                    path("preset"),
                    name,
                    format!("needs {PREFIX}preset-target, which is for the first preset: {}", preset.reason),
                );
            }
            metrics.push(MetricSpec::preset(PresetMetricSource {
                name: name.to_owned(),
                target: target.map(|average| PresetTarget { average_value: Some(average), capacity: None }),
                source: self.source(),
                parameters: BTreeMap::new(),
                freshness: if shown(name) { freshness } else { Freshness::Stored },
            }));
        }
        metrics
    }

    fn source(&self) -> String {
        self.values.get("source").copied().unwrap_or("default").to_owned()
    }

    /// A load per replica, given as a setpoint or as a capacity.
    fn load(&mut self, target: &'static str, capacity: &'static str) -> Option<PrometheusTarget> {
        if let (Some(_), Some(value)) = (self.values.get(target), self.values.get(capacity)) {
            self.out.add(path(capacity), value, format!("may not be given together with {PREFIX}{target}"));
        }
        let setpoint = self.read(target, values::quantity).map(average);
        let capacity = self.read(capacity, values::quantity).map(|value| PrometheusTarget {
            kind: PrometheusTargetType::Capacity,
            value: None,
            average_value: None,
            capacity: Some(value),
        });
        setpoint.or(capacity)
    }

    fn prometheus(&self, name: &str, query: &str, target: PrometheusTarget) -> MetricSpec {
        MetricSpec::prometheus(PrometheusMetricSource {
            name: name.to_owned(),
            query: query.to_owned(),
            source: self.source(),
            target,
            when_empty: WhenEmpty::Absent,
            freshness: Freshness::Stored,
        })
    }

    fn count(&mut self, key: &'static str, least: i32) -> Option<i32> {
        self.read(key, |text| text.parse().ok().filter(|count| *count >= least))
    }

    /// The value of a key as `read` understands it; what it does not understand is a fault that names the allowed form.
    fn read<T>(&mut self, key: &'static str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = *self.values.get(key)?;
        let value = read(text);
        if value.is_none() {
            let form = KEYS.iter().find(|known| known.name == key).map_or("", |known| known.form);
            let shown = if text.is_empty() { "\"\"" } else { text };
            self.out.add(path(key), shown, format!("must be {form}"));
        }
        value
    }
}

fn average(value: Quantity) -> PrometheusTarget {
    PrometheusTarget { kind: PrometheusTargetType::AverageValue, value: None, average_value: Some(value), capacity: None }
}

fn drives(preset: &str) -> bool {
    preset::find(preset).is_none_or(|preset| preset.default_role() == Role::Driver)
}

fn path(name: &str) -> String {
    format!("metadata.annotations[{PREFIX}{name}]")
}
