//! Triggers: CPU and memory, Prometheus, cron; of all others why not.

use serde_json::{Value, json};

use super::size::{Sizes, of_pods};
use super::{Faults, Spec, Trigger, cron, prometheus};
use crate::api::FieldError;
use crate::api::nearest::hint;
use crate::convert::{Options, Remarks};

/// What became of the triggers.
#[derive(Default)]
pub struct Triggers {
    /// `spec.metrics`.
    pub metrics: Vec<Value>,
    /// `spec.schedules`.
    pub schedules: Vec<Value>,
    /// `MetricSource` objects.
    pub sources: Vec<Value>,
}

/// Where a trigger stands.
pub struct At<'a> {
    /// `spec.triggers[0]`.
    pub path: String,
    /// The trigger.
    pub trigger: &'a Trigger,
}

// === impl Triggers ===

impl Triggers {
    /// Converts all of them, and settles whether the workload may go to zero.
    pub fn convert(spec: &Spec, sizes: &mut Sizes, options: &Options, namespace: Option<&str>, out: &mut Remarks) -> Result<Self, Faults> {
        let has = |kind: &str| spec.triggers.iter().any(|trigger| trigger.kind == kind);
        if sizes.min == 0 {
            if !has("prometheus") {
                sizes.min = sizes.active;
                let path = if spec.idle_replica_count.is_some() { "spec.idleReplicaCount" } else { "spec.minReplicaCount" };
                if spec.triggers.iter().all(of_pods) {
                    out.note(path, 0, format!("{}: KEDA does not go lower by CPU and memory either, which need a pod", sizes.min));
                } else {
                    out.lost(
                        path,
                        0,
                        format!("0 needs a prometheus trigger, since others cannot be measured without pods; {} instead", sizes.min),
                    );
                }
            } else if spec.triggers.iter().any(of_pods) {
                out.lost(
                    "spec.minReplicaCount",
                    0,
                    "pods that use any CPU or memory ask for at least 1 replica: remove that trigger to reach 0",
                );
            }
        }
        let mut made = Self::default();
        let mut faults = Vec::new();
        for (index, trigger) in spec.triggers.iter().enumerate() {
            let at = At { path: format!("spec.triggers[{index}]"), trigger };
            let result = match trigger.kind.as_str() {
                "cpu" | "memory" => at.resource(out).map(|metric| made.metrics.push(metric)),
                "prometheus" => prometheus::convert(&at, index, sizes, options, namespace, out).map(|metric| made.add(metric)),
                "cron" => cron::convert(&at, index, sizes, out).map(|schedule| made.schedules.extend(schedule)),
                other => {
                    out.lost(format!("{}.type", at.path), other, why_not(other));
                    Ok(())
                }
            };
            faults.extend(result.err().into_iter().flatten());
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if made.metrics.is_empty() && !made.schedules.is_empty() {
            made.schedules.push(cron::otherwise(sizes));
            let message =
                "no metric but cron: a ceiling at minReplicas holds outside of the windows, so that CPU, the default metric, has no say";
            out.note("spec.triggers", "", message);
        }
        Ok(made)
    }

    fn add(&mut self, (metric, source): (Value, Option<Value>)) {
        self.metrics.push(metric);
        self.sources.extend(source.filter(|source| !self.sources.contains(source)));
    }
}

/// Why a kind of trigger has no counterpart.
fn why_not(kind: &str) -> String {
    let what = match kind {
        "external-push" | "external" => "it is a gRPC service of KEDA's own protocol",
        "kafka" | "apache-kafka" | "rabbitmq" | "nats-jetstream" | "redis" | "redis-streams" | "aws-sqs-queue" | "azure-servicebus"
        | "gcp-pubsub" | "pulsar" | "activemq" => "Ballast asks no queue or broker itself",
        "kubernetes-workload" => "Ballast counts no other workload's pods itself",
        "metrics-api" => "Ballast asks no HTTP interface but Prometheus'",
        _ => "Ballast asks Prometheus and the Kubernetes metrics APIs only",
    };
    format!("{what}; export the number to Prometheus (most brokers have an exporter) and convert a prometheus trigger with its query")
}

// === impl At ===

impl At<'_> {
    /// A value of the metadata.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.trigger.metadata.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A value that must be there.
    pub fn need(&self, key: &str) -> Result<&str, Faults> {
        self.get(key).ok_or_else(|| vec![FieldError::new(self.of(key), "", "must be given")])
    }

    /// Path of a value.
    pub fn of(&self, key: &str) -> String {
        format!("{}.metadata.{key}", self.path)
    }

    /// A number that must be above 0, or at least 0.
    pub fn number(&self, key: &str, zero: bool) -> Result<Option<f64>, Faults> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && (*number > 0.0 || zero && *number == 0.0));
        let allowed = if zero { "must be a number of at least 0" } else { "must be a number above 0" };
        number.map(Some).ok_or_else(|| vec![FieldError::new(self.of(key), text, allowed)])
    }

    /// Remarks on values that no one reads.
    pub fn unknown(&self, known: &[&str], out: &mut Remarks) {
        for (key, value) in self.trigger.metadata.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            out.lost(self.of(key), value, format!("unknown field of this trigger; {}", hint(key, known)));
        }
    }

    /// Bounds a type of target.
    pub fn metric_type(&self, default: &'static str, allowed: &[&'static str]) -> Result<&'static str, Faults> {
        let Some(given) = &self.trigger.metric_type else { return Ok(default) };
        let found = allowed.iter().find(|allowed| **allowed == given.as_str()).copied();
        let path = format!("{}.metricType", self.path);
        found.ok_or_else(|| vec![FieldError::new(path, given, format!("must be {}", allowed.join(" or ")))])
    }

    /// CPU or memory.
    fn resource(&self, out: &mut Remarks) -> Result<Value, Faults> {
        self.unknown(&["type", "value", "containerName"], out);
        let value = self.need("value")?;
        // Older manifests have the type among the metadata.
        let old = self.get("type").filter(|_| self.trigger.metric_type.is_none());
        let kind = match old {
            Some("AverageValue") => "AverageValue",
            _ => self.metric_type("Utilization", &["Utilization", "AverageValue"])?,
        };
        let target = if kind == "AverageValue" {
            json!({ "type": kind, "averageValue": value })
        } else {
            let percent = value.parse::<i32>().ok().filter(|percent| *percent > 0);
            let percent =
                percent.ok_or_else(|| vec![FieldError::new(self.of("value"), value, "must be a whole number of at least 1 percent")])?;
            json!({ "type": kind, "averageUtilization": percent })
        };
        let name = self.trigger.kind.as_str();
        Ok(match self.get("containerName") {
            Some(container) => {
                json!({ "type": "ContainerResource", "containerResource": { "name": name, "container": container, "target": target } })
            }
            None => json!({ "type": "Resource", "resource": { "name": name, "target": target } }),
        })
    }
}
