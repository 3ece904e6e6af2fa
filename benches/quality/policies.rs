//! Who is compared: policies as people write them, compiled as the controller does.

use ballast::api::{Defaults, ScalePolicy, compile};
use ballast::core::Policy;
use ballast::sim::{Ballast, Kpa, Meter, Run, Score, Workload, run};
use serde_json::{Value, json};

/// Bounds of every policy.
pub const BOUNDS: (u32, u32) = (2, 80);
/// Peak of every trace, in pods at 100 %.
pub const PEAK: f64 = 40.0;

/// A pod uses up its core of CPU, and serves 100 requests per second, at 100 %.
pub fn workload() -> Workload {
    Workload::default().with("cpu", Meter::cpu(1.0)).with("rps", Meter::new(100.0))
}

/// One column of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    HpaCpu,
    HpaRps,
    Kpa,
    BallastCapacity,
    BallastAverage,
    BallastCpu,
}

impl Rival {
    pub const ALL: [Self; 6] = [Self::HpaCpu, Self::HpaRps, Self::Kpa, Self::BallastCapacity, Self::BallastAverage, Self::BallastCpu];

    pub fn name(self) -> &'static str {
        match self {
            Self::HpaCpu => "HPA cpu",
            Self::HpaRps => "HPA rps",
            Self::Kpa => "KPA",
            Self::BallastCapacity => "Ballast rps capacity",
            Self::BallastAverage => "Ballast rps average",
            Self::BallastCpu => "Ballast cpu",
        }
    }

    pub fn is_ballast(self) -> bool {
        matches!(self, Self::BallastCapacity | Self::BallastAverage | Self::BallastCpu)
    }

    /// Runs it. `patch` is merged into the spec of Ballast's own policies.
    pub fn run(self, plan: Run<'_>, patch: &Value, watch: impl FnMut(&ballast::sim::Cluster<'_>, &ballast::sim::Look)) -> Score {
        match self {
            Self::Kpa => run(plan, &mut Kpa::new(BOUNDS.0, BOUNDS.1), watch),
            _ => run(plan, &mut Ballast::new(self.policy(patch)), watch),
        }
    }

    fn policy(self, patch: &Value) -> Policy {
        match self {
            Self::HpaCpu => stock(&cpu(70)),
            Self::HpaRps => hpa_rps(0.7),
            Self::BallastCapacity => policy(&prometheus(&json!({ "type": "Capacity", "capacity": 100 })), patch),
            Self::BallastAverage => policy(&prometheus(&json!({ "type": "AverageValue", "averageValue": 70 })), patch),
            Self::BallastCpu => policy(&cpu(70), patch),
            Self::Kpa => unreachable!("has no policy"),
        }
    }
}

/// The stock autoscaler on the request rate, for any share of a pod's capacity as target.
pub fn hpa_rps(target: f64) -> Policy {
    let milli = format!("{:.0}m", target * 100_000.0);
    stock(&json!({ "type": "External", "external": {
        "metric": { "name": "rps" }, "target": { "type": "AverageValue", "averageValue": milli },
    } }))
}

fn stock(metric: &Value) -> Policy {
    policy(metric, &json!({ "smoothing": { "type": "None" } }))
}

fn cpu(percent: u32) -> Value {
    json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": percent } } })
}

fn prometheus(target: &Value) -> Value {
    json!({ "type": "Prometheus", "prometheus": { "name": "rps", "query": "sum(rate(http_requests_total[1m]))", "target": target } })
}

fn policy(metric: &Value, patch: &Value) -> Policy {
    let mut spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "minReplicas": BOUNDS.0, "maxReplicas": BOUNDS.1, "metrics": [metric],
    });
    if let (Some(spec), Some(patch)) = (spec.as_object_mut(), patch.as_object()) {
        spec.extend(patch.clone());
    }
    let spec = serde_json::from_value(spec).unwrap_or_else(|error| panic!("--spec: {error}"));
    match compile(&ScalePolicy::new("web", spec), &Defaults::default()) {
        Ok(compiled) => compiled.policy,
        Err(errors) => panic!("--spec: {errors:?}"),
    }
}
