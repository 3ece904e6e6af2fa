//! Who is compared: policies as people write them, compiled as the controller does.

use ballast::api::{Defaults, ScalePolicy, compile};
use ballast::core::Policy;
use ballast::sim::{Ballast, Keda, Kpa, Meter, Run, Score, Workload, run};
use serde_json::{Value, json};

/// Bounds of every policy.
pub const BOUNDS: (u32, u32) = (2, 80);
/// Peak of every trace, in pods at 100 %.
pub const PEAK: f64 = 40.0;

/// A pod uses up its core of CPU, and serves 100 requests per second, at 100 %.
pub fn workload() -> Workload {
    Workload::default().with("cpu", Meter::cpu(1.0)).with("rps", Meter::new(100.0))
}

/// `spec.forecast` of the column that has one; `None`: there is no such column.
const FORECAST: Option<&str> = Some(r#"{"mode":"On"}"#);

/// One column of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    HpaCpu,
    HpaRps,
    HpaTuned,
    Keda,
    Kpa,
    BallastCapacity,
    BallastAverage,
    BallastCpu,
    BallastForecast,
}

impl Rival {
    const ALL: [Self; 9] = [
        Self::HpaCpu,
        Self::HpaRps,
        Self::HpaTuned,
        Self::Keda,
        Self::Kpa,
        Self::BallastCapacity,
        Self::BallastAverage,
        Self::BallastCpu,
        Self::BallastForecast,
    ];

    /// Those that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|rival| *rival != Self::BallastForecast || FORECAST.is_some())
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::HpaCpu => "HPA cpu",
            Self::HpaRps => "HPA rps",
            Self::HpaTuned => "HPA tuned",
            Self::Keda => "KEDA",
            Self::Kpa => "KPA",
            Self::BallastCapacity => "Ballast rps capacity",
            Self::BallastAverage => "Ballast rps average",
            Self::BallastCpu => "Ballast cpu",
            Self::BallastForecast => "Ballast forecast",
        }
    }

    pub fn is_ballast(self) -> bool {
        matches!(self, Self::BallastCapacity | Self::BallastAverage | Self::BallastCpu | Self::BallastForecast)
    }

    /// Runs it. `patch` is merged into the spec of Ballast's own policies.
    pub fn run(self, plan: Run<'_>, patch: &Value, watch: impl FnMut(&ballast::sim::Cluster<'_>, &ballast::sim::Look)) -> Score {
        match self {
            Self::Kpa => run(plan, &mut Kpa::new(BOUNDS.0, BOUNDS.1), watch),
            Self::Keda => run(plan, &mut Keda::new(Hpa::default().policy()), watch),
            Self::HpaCpu | Self::HpaRps => run(plan, &mut Ballast::stock(self.policy(patch)), watch),
            _ => run(plan, &mut Ballast::new(self.policy(patch)), watch),
        }
    }

    fn policy(self, patch: &Value) -> Policy {
        let capacity = prometheus(&json!({ "type": "Capacity", "capacity": 100 }));
        match self {
            Self::HpaCpu => stock(&cpu(70), &json!({})),
            Self::HpaRps => Hpa::default().policy(),
            Self::BallastCapacity => policy(&capacity, patch),
            Self::BallastAverage => policy(&prometheus(&json!({ "type": "AverageValue", "averageValue": 70 })), patch),
            Self::BallastCpu => policy(&cpu(70), patch),
            Self::BallastForecast => policy(&capacity, &merged(patch, &forecast())),
            Self::HpaTuned => unreachable!("has a policy for each load"),
            Self::Keda | Self::Kpa => unreachable!("has no policy"),
        }
    }
}

fn forecast() -> Value {
    let spec = FORECAST.unwrap_or("{}");
    json!({ "forecast": serde_json::from_str::<Value>(spec).unwrap_or_else(|error| panic!("FORECAST: {error}")) })
}

/// The stock autoscaler on the request rate.
#[derive(Clone, Copy, Debug)]
pub struct Hpa {
    /// Share of a pod's capacity.
    pub target: f64,
    /// Scale-down window in seconds, if it is not the default.
    pub window: Option<u32>,
}

impl Default for Hpa {
    fn default() -> Self {
        Self { target: 0.7, window: None }
    }
}

impl Hpa {
    pub fn policy(self) -> Policy {
        let milli = format!("{:.0}m", self.target * 100_000.0);
        let metric = json!({ "type": "External", "external": {
            "metric": { "name": "rps" }, "target": { "type": "AverageValue", "averageValue": milli },
        } });
        let window = |seconds| json!({ "behavior": { "scaleDown": { "stabilizationWindowSeconds": seconds } } });
        stock(&metric, &self.window.map_or_else(|| json!({}), window))
    }
}

fn stock(metric: &Value, patch: &Value) -> Policy {
    policy(metric, &merged(&json!({ "smoothing": { "type": "None" } }), patch))
}

/// The fields of both, those of the second where both have them.
fn merged(first: &Value, second: &Value) -> Value {
    let fields = [first, second].into_iter().filter_map(Value::as_object).flatten();
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn cpu(percent: u32) -> Value {
    json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": percent } } })
}

fn prometheus(target: &Value) -> Value {
    json!({ "type": "Prometheus", "prometheus": { "name": "rps", "query": "sum(rate(http_requests_total[1m]))", "target": target } })
}

fn policy(metric: &Value, patch: &Value) -> Policy {
    let spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "minReplicas": BOUNDS.0, "maxReplicas": BOUNDS.1, "metrics": [metric],
    });
    let spec = merged(&spec, patch);
    let spec = serde_json::from_value(spec).unwrap_or_else(|error| panic!("--spec: {error}"));
    match compile(&ScalePolicy::new("web", spec), &Defaults::default()) {
        Ok(compiled) => compiled.policy,
        Err(errors) => panic!("--spec: {errors:?}"),
    }
}
