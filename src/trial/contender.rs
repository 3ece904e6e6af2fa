//! Who bears the load: a policy as the controller decides it, or a rival with the same metrics and bounds.

use std::path::Path;

use serde_json::{Value, json};

use super::calendar::ByCalendar;
use super::error::TrialError;
use super::policy_file::{Written, policy};
use crate::api::quantity::Quantity;
use crate::api::{Compiled, Defaults, ScalePolicy, compile};
use crate::core::{Mode, Role, Signal, Smoothing};
use crate::sim::{Autoscaler, Ballast, Cluster, Keda, Kpa, Look};
use crate::source::preset;

/// A model that stands beside a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    /// The stock `HorizontalPodAutoscaler`: the same metrics, bounds and behavior under its own rule.
    Hpa,
    /// KEDA with the same metrics, bounds and behavior: an HPA, but for what happens between 0 and 1.
    Keda,
    /// Knative's KPA between the same bounds.
    Kpa,
}

impl Rival {
    /// All of them with their names on the command line.
    pub const ALL: [(&'static str, Self); 3] = [("hpa", Self::Hpa), ("keda", Self::Keda), ("kpa", Self::Kpa)];
}

/// What is tried, with a name for people and assertions.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its name.
    pub name: String,
    /// Where it comes from, for messages.
    pub place: String,
    /// The rules, also those of which a model takes its bounds.
    pub compiled: Compiled,
    /// The model that decides instead of the rules.
    pub model: Option<Rival>,
}

impl Contender {
    /// A policy as it is written. One that only recommends is tried as if its decisions were written. Guards and brakes are left out: the model
    /// knows the load, and not what memory or databases make of it.
    pub fn policy(written: &Written) -> Self {
        let mut compiled = written.compiled.drivers();
        compiled.policy.mode = Mode::Enforce;
        Self { name: written.name.clone(), place: written.place.clone(), compiled, model: None }
    }

    /// What stands behind `--against`: a model of that name, or else a policy in a file.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn against(argument: &str, subject: &Written, defaults: &Defaults, utilization: f64) -> Result<Self, TrialError> {
        let Some((_, rival)) = Rival::ALL.into_iter().find(|(name, _)| *name == argument) else {
            let is_word = argument.chars().all(char::is_alphanumeric);
            if is_word && !Path::new(argument).exists() {
                let names: Vec<&str> = Rival::ALL.iter().map(|(name, _)| *name).collect();
                return Err(TrialError::option("--against", format!("{argument}: must be {} or a file with a policy", names.join(", "))));
            }
            return policy(argument, defaults).map(|written| Self::policy(&written));
        };
        let place = format!("{} as {argument}", subject.place);
        let compiled = match rival {
            Rival::Hpa | Rival::Keda => {
                compile(&stock(&subject.policy, utilization), &Defaults { smoothing: Smoothing::None, ..Defaults::default() })
                    .map_err(|errors| TrialError::Fields { place: place.clone(), errors })?
            }
            Rival::Kpa => subject.compiled.clone(),
        };
        Ok(Self { name: argument.to_owned(), place, compiled, model: Some(rival) })
    }

    /// The signals that the cluster must show it.
    pub fn signals(&self) -> &[Signal] {
        if self.model == Some(Rival::Kpa) { &[] } else { &self.compiled.policy.signals }
    }

    /// Whether it decides by the calendar, so that it matters when the load was.
    pub fn needs_calendar(&self) -> bool {
        let paused = self.compiled.policy.pause.as_ref().is_some_and(|pause| pause.until.is_some());
        self.model.is_none() && (!self.compiled.schedules.is_empty() || paused)
    }

    /// Ready to decide, from this Unix time in seconds on.
    pub fn autoscaler(&self, start: i64) -> Decider {
        let (min, max) = (self.compiled.policy.min_replicas, self.compiled.policy.max_replicas);
        match self.model {
            Some(Rival::Kpa) => Decider::Kpa(Kpa::new(min, max)),
            Some(Rival::Keda) => Decider::Keda(Box::new(Keda::new(self.compiled.policy.clone()))),
            Some(Rival::Hpa) => Decider::Hpa(Box::new(Ballast::stock(self.compiled.policy.clone()))),
            None => Decider::Rules(Box::new(ByCalendar::new(&self.compiled, start))),
        }
    }
}

/// Names that differ, as assertions need them: a policy whose name is taken gets a number, e.g. `web-2`.
pub fn distinct(contenders: &mut [Contender]) {
    for index in 1..contenders.len() {
        let (earlier, rest) = contenders.split_at_mut(index);
        let this = &mut rest[0];
        let taken = |name: &str| earlier.iter().any(|other| other.name == name);
        let name = this.name.clone();
        let mut number = 1;
        while taken(&this.name) {
            number += 1;
            this.name = format!("{name}-{number}");
        }
    }
}

/// What a stock HPA knows of a policy. A Prometheus query comes to it through an adapter, as an external metric.
fn stock(policy: &ScalePolicy, utilization: f64) -> ScalePolicy {
    let mut stock = policy.clone();
    let spec = serde_json::to_value(&policy.spec).unwrap_or_default();
    let mut known = json!({});
    for field in ["scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior"] {
        if let Some(value) = spec.get(field) {
            known[field] = value.clone();
        }
    }
    if let Some(metrics) = known["metrics"].as_array_mut() {
        metrics.retain(|metric| metric["role"].as_str().map_or_else(|| !only_holds(&metric["preset"]), |role| role == "Driver"));
    }
    for metric in known["metrics"].as_array_mut().into_iter().flatten() {
        if let Some(object) = metric.as_object_mut() {
            object.remove("role");
        }
        if let Some(query) = metric.get("preset").map(as_query) {
            metric["prometheus"] = query;
        }
        if let Some(external) = metric.get("prometheus").map(|prometheus| external(prometheus, utilization)) {
            *metric = json!({ "type": "External", "external": external });
        }
    }
    if let Ok(spec) = serde_json::from_value(known) {
        stock.spec = spec;
    }
    stock
}

/// Whether a metric's preset is one that only holds moves.
fn only_holds(source: &Value) -> bool {
    let preset = source["name"].as_str().and_then(preset::find);
    preset.is_some_and(|preset| preset.default_role() != Role::Driver)
}

/// A preset as name and target of a query.
fn as_query(source: &Value) -> Value {
    let default = || source["name"].as_str().and_then(preset::find).and_then(|preset| preset.default_target);
    let target = match &source["target"] {
        Value::Null => json!({ "type": "AverageValue", "averageValue": default() }),
        given if given["capacity"].is_null() => json!({ "type": "AverageValue", "averageValue": given["averageValue"] }),
        given => json!({ "type": "Capacity", "capacity": given["capacity"] }),
    };
    json!({ "name": source["name"], "target": target })
}

/// The stock rule knows no capacity, only the share of it that people set as a target.
fn external(prometheus: &Value, utilization: f64) -> Value {
    let target = &prometheus["target"];
    let target = match target["type"].as_str() {
        Some("Capacity") => {
            let capacity: Quantity = serde_json::from_value(target["capacity"].clone()).unwrap_or_default();
            let milli = capacity.milli().unwrap_or_default() as f64;
            json!({ "type": "AverageValue", "averageValue": Quantity::from_milli(milli * utilization) })
        }
        _ => target.clone(),
    };
    json!({ "metric": { "name": prometheus["name"] }, "target": target })
}

/// An autoscaler of any kind.
#[derive(Debug)]
pub enum Decider {
    /// Ballast's decision.
    Rules(Box<ByCalendar>),
    /// The stock one's.
    Hpa(Box<Ballast>),
    /// KEDA's.
    Keda(Box<Keda>),
    /// Knative's.
    Kpa(Kpa),
}

impl Autoscaler for Decider {
    fn min_replicas(&self) -> u32 {
        match self {
            Self::Rules(rules) => rules.min_replicas(),
            Self::Hpa(hpa) => hpa.min_replicas(),
            Self::Keda(keda) => keda.min_replicas(),
            Self::Kpa(kpa) => kpa.min_replicas(),
        }
    }

    fn look(&mut self, cluster: &mut Cluster<'_>) -> Look {
        match self {
            Self::Rules(rules) => rules.look(cluster),
            Self::Hpa(hpa) => hpa.look(cluster),
            Self::Keda(keda) => keda.look(cluster),
            Self::Kpa(kpa) => kpa.look(cluster),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_autoscaler_has_the_drivers_only_and_presets_by_an_adapter() {
        let spec = json!({
            "scaleTargetRef": { "kind": "Deployment", "name": "web" }, "maxReplicas": 9,
            "metrics": [
                { "type": "Preset", "preset": { "name": "go-cpu" } },
                { "type": "Preset", "preset": { "name": "http-requests", "target": { "capacity": "100" } } },
                { "type": "Preset", "preset": { "name": "go-sched-latency" }, "role": "Driver" },
                { "type": "Preset", "preset": { "name": "go-memory-headroom" } },
                { "type": "Resource", "role": "Guard", "resource": { "name": "memory", "target": { "type": "Utilization", "averageUtilization": 80 } } },
            ],
        });
        let policy = ScalePolicy::new("web", serde_json::from_value(spec).unwrap_or_else(|error| panic!("{error}")));
        let compiled = compile(&stock(&policy, 0.7), &Defaults::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
        let signals: Vec<_> = compiled.policy.signals.iter().map(|signal| (signal.name().to_string(), signal.target)).collect();
        let average = |name: &str, milli: f64| (name.to_owned(), crate::core::Target::AverageValue(milli));
        assert_eq!(signals, [average("go-cpu", 700.0), average("http-requests", 70_000.0), average("go-sched-latency", 10.0)]);
    }
}
