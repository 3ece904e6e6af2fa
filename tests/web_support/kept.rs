//! One policy over time: each look decides by the real core, and moves are written, as the engine does it.

use std::time::Duration;

use ballast::api::conditions::merge;
use ballast::api::report::{count, current_metrics, decision_status, metrics_text};
use ballast::api::status::{PresetChoice, ScaleEvent};
use ballast::api::time::from_core;
use ballast::api::{Compiled, Defaults, FieldError, ScalePolicy, ScalePolicyStatus, compile};
use ballast::core::{
    Decision, Failure, FailureKind, Memory, Observation, Phase, Pod, Reading, Ready, Request, Sample, Time, Verdict, bounds, decide,
};
use ballast::report::{Record, Ring, Summary};
use ballast::schedule;
use ballast::source::Query;
use ballast::source::preset::auto;
use serde_json::{Value, json};

/// A metric of requests, 100 per replica.
pub fn rate(name: &str) -> Value {
    let target = json!({ "type": "AverageValue", "averageValue": "100" });
    json!({ "type": "Prometheus", "prometheus": { "name": name, "query": "sum(rate(http_requests_total[1m]))", "target": target } })
}

/// A metric of CPU, 70 % of what a pod requests.
pub fn cpu() -> Value {
    json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } })
}

pub struct Kept {
    policy: ScalePolicy,
    compiled: Result<Compiled, Vec<FieldError>>,
    status: ScalePolicyStatus,
    memory: Memory,
    ring: Ring,
    last: Option<Decision>,
    pub replicas: u32,
}

impl Kept {
    /// A policy on requests, with more and other fields.
    pub fn new(namespace: &str, name: &str, more: &Value, replicas: u32) -> Self {
        let mut spec = json!({
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name }, "minReplicas": 2, "maxReplicas": 20,
            "metrics": [rate("http-requests-per-second")],
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut policy = ScalePolicy::new(name, serde_json::from_value(spec).unwrap());
        (policy.metadata.namespace, policy.metadata.generation) = (Some(namespace.to_owned()), Some(1));
        let compiled = compile(&policy, &Defaults::default());
        let (status, memory, ring) = Default::default();
        Self { policy, compiled, status, memory, ring, last: None, replicas }
    }

    pub fn name(&self) -> &str {
        self.policy.metadata.name.as_deref().unwrap()
    }

    /// Takes what `auto` makes of a probe with this value.
    pub fn choose(&mut self, now: Time, probed: f64) {
        let rates = self.compiled.as_ref().unwrap().auto.as_ref().unwrap().rates;
        let choice = auto::choose(probed, rates).unwrap();
        let chosen = choice.presets.iter().map(ToString::to_string).collect();
        self.status.presets = Some(PresetChoice { chosen, message: choice.message, time: from_core(now) });
        self.policy.status = Some(self.status.clone());
        self.compiled = compile(&self.policy, &Defaults::default());
    }

    /// Looks once: requests per second over all pods, a request taking 5 ms of CPU; an error: what the source of them said.
    pub fn look(&mut self, now: Time, requests: Result<f64, &str>) {
        let replicas = self.replicas;
        let each = Sample {
            value: (requests.unwrap_or(700.0) * 5.0 / f64::from(replicas.max(1))).round(),
            time: now - Duration::from_secs(12),
            window: Duration::from_secs(15),
        };
        let pods = usize::try_from(replicas).unwrap();
        self.see(now, |query| match (query, requests) {
            (Query::Resource { .. }, _) => {
                Reading::PerPod { samples: vec![Some(each); pods], requests: vec![Request::Milli(1000.0); pods], limits: vec![] }
            }
            (_, Ok(rate)) => Reading::Total(Sample { value: rate * 1000.0, time: now, window: Duration::from_mins(1) }),
            (_, Err(message)) => Reading::Failed(Failure { kind: FailureKind::Unreachable, message: message.to_owned() }),
        });
    }

    /// Looks once at what each query gives.
    pub fn see(&mut self, now: Time, reading: impl Fn(&Query) -> Reading) {
        let Ok(compiled) = &self.compiled else { return };
        let replicas = self.replicas;
        let pod = |index| Pod {
            name: format!("{}-{index}", self.name()).into(),
            phase: Phase::Running,
            start_time: Some(now - Duration::from_hours(2)),
            ready: Some(Ready { status: true, since: now - Duration::from_hours(1) }),
            ..Pod::default()
        };
        let observation = Observation {
            spec_replicas: replicas,
            status_replicas: replicas,
            pods: (0..replicas).map(pod).collect(),
            readings: compiled.queries.iter().map(reading).collect(),
            scheduled: schedule::at(&compiled.schedules, compiled.policy.min_replicas, now),
            ..Observation::default()
        };
        self.ring.bound(now, bounds(&compiled.policy, &observation.scheduled));
        let decision = decide(&compiled.policy, &mut self.memory, &observation, now);
        self.ring.push(&decision, &decision.headline());
        if decision.to != decision.from {
            self.memory.rescaled(&compiled.policy, decision.from, decision.to, now);
            self.replicas = decision.to;
            let (from, to) = (count(decision.from), count(decision.to));
            self.status.scale_events.insert(0, ScaleEvent { time: from_core(now), from, to, reason: decision.headline() });
            self.status.last_scale_time = Some(from_core(now));
        }
        show(&mut self.status, compiled, &decision);
        self.last = Some(decision);
    }

    /// The last decision.
    pub const fn decision(&self) -> Option<&Decision> {
        self.last.as_ref()
    }

    pub fn summary(&self) -> Summary {
        Summary::of(&self.policy, &self.status, self.compiled.as_ref().err().and_then(|faults| faults.first()))
    }

    pub fn record(&self) -> Record {
        let record = Record::of(&self.policy, &self.status, self.compiled.as_ref().map_err(Vec::as_slice));
        let mut record = match (&self.compiled, &self.last) {
            (Ok(compiled), Some(last)) => record.with(compiled, last),
            _ => record,
        };
        record.history = Some(self.ring.history());
        record
    }
}

fn show(status: &mut ScalePolicyStatus, compiled: &Compiled, decision: &Decision) {
    status.current_replicas = Some(count(decision.from));
    if decision.verdict != Verdict::Unknown {
        status.desired_replicas = Some(count(decision.to));
    }
    status.observed_generation = Some(1);
    merge(&mut status.conditions, &decision.conditions, Some(1), &from_core(decision.time));
    status.current_metrics = current_metrics(compiled, &decision.signals);
    status.metrics_text = Some(metrics_text(compiled, &decision.signals));
    status.decision = Some(decision_status(decision));
}
