//! The validated policy: what the owner of a workload asked for, in domain types that cannot hold an invalid value.
//!
//! Built by `api::compile` from a `ScalePolicy`; every default has been filled in and every quantity parsed by then.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything the decision needs to know about one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Lowest size; 0 only where a signal exists that can be seen without pods.
    pub min_replicas: u32,
    /// Highest size, at least `min_replicas`.
    pub max_replicas: u32,
    /// What drives the size, in the order of the spec; never empty.
    pub signals: Vec<Signal>,
    /// Rate and stabilization rules with all gaps filled, or `None` where the policy names none: then the size may at most double
    /// (or reach 4) per decision, and shrinks only after `downscale_stabilization`.
    pub behavior: Option<Behavior>,
    /// Band around the target in which nothing is done, each direction (`behavior.*.tolerance`, else the controller's default 0.1).
    pub tolerance: Tolerance,
    /// Look-back for scale-in of a policy without behavior (the controller's flag, default 300 s).
    pub downscale_stabilization: Duration,
    /// Estimator in front of the rules.
    pub smoothing: Smoothing,
    /// Look-ahead by season, in front of the rules as well.
    pub forecast: Forecast,
    /// When a young pod's CPU sample counts.
    pub warm_up: WarmUp,
    /// How often this policy is decided.
    pub interval: Duration,
    /// Whether the decision is written.
    pub mode: Mode,
    /// Directions that are held by hand, while it lasts.
    pub pause: Option<Pause>,
    /// What to do while signals are unknown.
    pub fallback: super::Fallback,
    /// Whether a target at 0 that was put there by an autoscaler may be woken: `min_replicas` 0 or raised, and a signal that needs no pods.
    pub zero: ScaleToZero,
}

/// One input of the decision with its setpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// What is measured.
    pub kind: SignalKind,
    /// What one pod, or all of them, should bear.
    pub target: Target,
    /// What it may do to the size.
    pub role: Role,
    /// The kind as text, made once: every look names its signals.
    name: Arc<str>,
}

impl Signal {
    /// A driver of this kind with its setpoint.
    pub fn new(kind: SignalKind, target: Target) -> Self {
        let name = kind.to_string().into();
        Self { kind, target, role: Role::Driver, name }
    }

    /// The same signal in another role.
    #[must_use]
    pub fn with_role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Its name for people, e.g. `cpu` or `http-requests-per-second`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// What a signal may do to the size.
///
/// Guards and brakes ask for no size: they only hold moves that the drivers ask for, while their value is above the target. The band of
/// tolerance is about small moves, so it does not apply to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Asks for a size; the largest wins.
    #[default]
    Driver,
    /// Holds scale-in, e.g. while memory is short. Unknown, it holds as well.
    Guard,
    /// Holds growth, e.g. while a database is saturated. Unknown, it holds nothing: growth is the safe direction.
    Brake,
}

/// What a signal measures; the strings are for people (reasons, conditions, Events).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignalKind {
    /// Usage of a compute resource summed over the pod's containers.
    Resource { resource: String },
    /// Usage of a compute resource by one container of each pod.
    ContainerResource { resource: String, container: String },
    /// A custom metric with one value per pod.
    Pods { metric: String },
    /// A custom metric of one other object, named `kind` and `name`.
    Object { metric: String, kind: String, name: String },
    /// A metric from outside the cluster; `selector` is its label selector as text, empty for none.
    External { metric: String, selector: String },
    /// A Prometheus query called `name`.
    Prometheus { name: String },
}

/// The setpoint. Values are in thousandths of the metric's unit (as Kubernetes' milli quantities) and above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// Percent of the pods' requests, at least 1. Resource signals only.
    Utilization(u32),
    /// Mean per pod.
    AverageValue(f64),
    /// The metric as a whole.
    Value(f64),
    /// What one replica bears at 100 %; headroom is chosen by square-root staffing and the noise of the load (see `demand::staffing`).
    Capacity(f64),
}

/// Tolerances as ratios: 0.1 keeps the size while usage is within 10 % of the target. Both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// For growth.
    pub up: f64,
    /// For shrinking.
    pub down: f64,
}

/// Rules for both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behavior {
    /// Rules for growth.
    pub up: ScalingRules,
    /// Rules for shrinking.
    pub down: ScalingRules,
}

/// How fast one direction may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingRules {
    /// Look-back over past proposals: the least favourable one for this direction wins. 0..=3600 s.
    pub window: Duration,
    /// The window is a default that the policy does not name, so scale-in may learn a longer one (see `limits::patience`).
    pub adaptive: bool,
    /// Which of the policies binds.
    pub select: Select,
    /// Limits; not empty.
    pub policies: Vec<RatePolicy>,
}

/// `selectPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Select {
    /// The policy that allows the largest change.
    Max,
    /// The policy that allows the smallest change.
    Min,
    /// This direction is off.
    Disabled,
}

/// One limit: at most `amount` within `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatePolicy {
    /// Allowed change.
    pub amount: Amount,
    /// Trailing period, 1..=1800 s.
    pub period: Duration,
}

/// Size of an allowed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    /// Number of pods, above 0.
    Pods(u32),
    /// Percent of the size at the start of the period, above 0.
    Percent(u32),
}

/// Estimator in front of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Smoothing {
    /// The plain HPA rule.
    None,
    /// Asymmetric level filter over total demand; see `smooth`.
    Smooth(SmoothParameters),
}

/// Parameters of the level filter; see `smooth::Level` for the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothParameters {
    /// Time constant of the level, default 30 s: two sync periods, so that one outlier weighs less than half.
    pub time_constant: Duration,
    /// Noise, in standard deviations, that a rise must exceed to be followed at once, default 1.5.
    pub noise_band: f64,
    /// How far ahead a rising trend is followed; zero switches that off. `None`: the dead time, learned at each look (see `lead`).
    pub lead: Option<Duration>,
    /// How long an implausible collapse of demand is not believed; see `collapse`. Default: the controller's look-back of scale-in (300 s),
    /// so that by default the end of a load test costs next to nothing more. 0 switches the guard off.
    pub collapse_hold: Duration,
}

impl Default for SmoothParameters {
    fn default() -> Self {
        Self { time_constant: Duration::from_secs(30), noise_band: 1.5, lead: None, collapse_hold: Duration::from_secs(300) }
    }
}

/// Seasonal look-ahead; see `forecast`. It needs the level filter: without it there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// What is done with it.
    pub mode: ForecastMode,
    /// How far ahead, at most an hour. `None`: the dead time, learned at each look (see `lead`).
    pub horizon: Option<Duration>,
}

/// What is done with a forecast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForecastMode {
    /// Nothing is learned.
    #[default]
    Off,
    /// Learned, scored and told; adds nothing.
    Shadow,
    /// Adds replicas while it is trusted.
    On,
}

/// When CPU samples of young pods count (stock flags `cpu-initialization-period` and `initial-readiness-delay`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    /// A pod younger than this is judged by its readiness and by whether a full sample window lies after it. Default 5 min.
    pub cpu_initialization: Duration,
    /// An unready older pod counts as never ready if it became unready within this time of its start. Default 30 s.
    pub initial_readiness_delay: Duration,
}

impl Default for WarmUp {
    fn default() -> Self {
        Self { cpu_initialization: Duration::from_mins(5), initial_readiness_delay: Duration::from_secs(30) }
    }
}

/// Whether decisions are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Decide and write.
    #[default]
    Enforce,
    /// Decide and report; write nothing.
    Recommend,
}

/// A hold by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Which moves are held.
    pub direction: PauseDirection,
    /// End of the pause; `None`: until removed.
    pub until: Option<super::Time>,
    /// Why, in the words of who paused.
    pub reason: Arc<str>,
    /// Who paused.
    pub by: Arc<str>,
}

/// Which moves a pause holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PauseDirection {
    /// Both.
    All,
    /// Growth only.
    Up,
    /// Shrinking only.
    Down,
}

/// What a size of zero means (hpa.md calls this the pause switch of the stock autoscaler).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScaleToZero {
    /// A target at 0 is switched off and stays there.
    Off,
    /// `min_replicas` may be 0, and a target that Ballast itself put to 0 is woken by its signals.
    On,
}
