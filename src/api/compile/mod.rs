//! From a written policy to the core's terms: every default filled in, every bound checked again.
//!
//! The API server checks the same bounds, but objects may be older than its rules.

mod auto;
mod behavior;
mod metrics;
mod preset;
mod schedule;

pub use auto::Auto;
pub(crate) use metrics::check_query;
pub(crate) use preset::{directs, unknown as unknown_preset};
pub(crate) use schedule::check_schedule;

use std::time::Duration;

use super::error::{FieldError, Problems};
use super::metrics::default_metrics;
use super::scale_policy::{
    CrossVersionObjectReference, Forecast, ForecastMode, Mode, Pause, PauseDirection, ScalePolicy, Smoothing, SmoothingType,
};
use super::time::to_core;
use crate::core;
use crate::replay::look::fingerprint;
use crate::schedule::Schedule;
use crate::source::Query;

/// What the controller's flags set for policies that do not say it themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Tolerance of both directions as a ratio (stock flag `horizontal-pod-autoscaler-tolerance`), default 0.1.
    pub tolerance: f64,
    /// Look-back of scale-in (stock flag `horizontal-pod-autoscaler-downscale-stabilization`), default 300 s.
    pub downscale_stabilization: Duration,
    /// Time between decisions (stock flag `horizontal-pod-autoscaler-sync-period`), default 15 s.
    pub interval: Duration,
    /// When CPU samples of young pods count (stock flags `…-cpu-initialization-period`, `…-initial-readiness-delay`).
    pub warm_up: core::WarmUp,
    /// Estimator of policies that name none, default Smooth.
    pub smoothing: core::Smoothing,
    /// Whether `minReplicas: 0` is allowed and honoured (stock gate `HPAScaleToZero`), default on as in Kubernetes 1.37.
    pub scale_to_zero: core::ScaleToZero,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            downscale_stabilization: Duration::from_mins(5),
            interval: Duration::from_secs(15),
            warm_up: core::WarmUp::default(),
            smoothing: core::Smoothing::Smooth(core::SmoothParameters::default()),
            scale_to_zero: core::ScaleToZero::On,
        }
    }
}

/// A policy ready to be decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// The rules.
    pub policy: core::Policy,
    /// Whose size they set.
    pub target: TargetRef,
    /// Where the signals come from, one per signal of the policy, in the same order.
    pub queries: Vec<Query>,
    /// A choice among presets that the controller makes, and that it makes again from time to time.
    pub auto: Option<Auto>,
    /// Bounds by the clock.
    pub schedules: Vec<Schedule>,
    /// What looks wrong but is not refused, e.g. `PromQL` that this version cannot parse.
    pub warnings: Vec<FieldError>,
}

impl Compiled {
    /// The same without guards and brakes.
    #[must_use]
    pub fn drivers(&self) -> Self {
        let mut compiled = self.clone();
        let mut drives = self.policy.signals.iter().map(|signal| signal.role == core::Role::Driver);
        compiled.queries.retain(|_| drives.next().unwrap_or(true));
        compiled.policy.signals.retain(|signal| signal.role == core::Role::Driver);
        compiled
    }

    /// A number per signal that tells it from others, whatever its target.
    pub fn fingerprints(&self) -> Vec<u32> {
        self.policy.signals.iter().zip(&self.queries).map(|(signal, query)| fingerprint(&signal.kind, query)).collect()
    }
}

/// The scaled object, in the policy's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetRef {
    /// Group and version; `v1` for the core group.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for TargetRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Turns a policy into the core's terms.
///
/// # Errors
/// Every fault of the spec, in the order of its fields.
pub fn compile(policy: &ScalePolicy, defaults: &Defaults) -> Result<Compiled, Vec<FieldError>> {
    let spec = &policy.spec;
    let mut problems = Problems::default();
    let out = &mut problems;
    let target = reference("spec.scaleTargetRef", &spec.scale_target_ref, out);
    let default_list = default_metrics();
    let list = if spec.metrics.is_empty() { &default_list } else { &spec.metrics };
    let (min_replicas, max_replicas) = bounds(policy, list, defaults, out);
    let allowed = spec.min_replicas.unwrap_or(1)..=spec.max_replicas;
    let schedules = schedule::compile(&spec.schedules, &allowed, out);
    let fallback = schedule::fallback(spec.fallback.as_ref(), &allowed, out);
    let chosen = policy.status.as_ref().and_then(|status| status.presets.as_ref()).map_or(&[][..], |presets| &presets.chosen);
    let (signals, queries, auto) = metrics::compile(list, chosen, out);
    let (behavior, tolerance) = behavior::compile(spec.behavior.as_ref(), defaults, out);
    let interval = seconds("spec.intervalSeconds", spec.interval_seconds, 1..=300, defaults.interval, out);
    let cpu_initialization = seconds("spec.warmUpSeconds", spec.warm_up_seconds, 0..=3600, defaults.warm_up.cpu_initialization, out);
    let smoothing = smoothing(spec.smoothing.as_ref(), defaults, out);
    let forecast = forecast(spec.forecast.as_ref(), smoothing, out);
    if !problems.errors.is_empty() {
        return Err(problems.errors);
    }
    let policy = core::Policy {
        min_replicas,
        max_replicas,
        signals,
        behavior,
        tolerance,
        downscale_stabilization: defaults.downscale_stabilization,
        smoothing,
        forecast,
        warm_up: core::WarmUp { cpu_initialization, ..defaults.warm_up },
        interval,
        mode: match spec.mode {
            Mode::Enforce => core::Mode::Enforce,
            Mode::Recommend => core::Mode::Recommend,
        },
        pause: spec.pause.as_ref().map(pause),
        fallback,
        zero: defaults.scale_to_zero,
    };
    Ok(Compiled { policy, target, queries, auto, schedules, warnings: problems.warnings })
}

fn bounds(policy: &ScalePolicy, list: &[super::metrics::MetricSpec], defaults: &Defaults, out: &mut Problems) -> (u32, u32) {
    let (min, max) = (policy.spec.min_replicas.unwrap_or(1), policy.spec.max_replicas);
    if min < 0 {
        out.add("spec.minReplicas", min, "must be at least 0");
    } else if min == 0 && defaults.scale_to_zero == core::ScaleToZero::Off {
        out.add("spec.minReplicas", min, "must be at least 1: the controller runs with scaling to zero switched off");
    } else if min == 0 && !list.iter().any(super::metrics::MetricSpec::works_without_pods) {
        out.add("spec.minReplicas", min, "0 needs a metric of type Object, External or Prometheus, or a preset of a mesh or ingress: others cannot be measured without pods");
    }
    if max < 1 {
        out.add("spec.maxReplicas", max, "must be at least 1");
    } else if max < min {
        out.add("spec.maxReplicas", max, format!("must be at least spec.minReplicas ({min})"));
    }
    (u32::try_from(min).unwrap_or(1), u32::try_from(max).unwrap_or(1))
}

/// Checks a reference and fills in its API version.
fn reference(path: &str, reference: &CrossVersionObjectReference, out: &mut Problems) -> TargetRef {
    let CrossVersionObjectReference { kind, name, .. } = reference;
    path_segment(&format!("{path}.kind"), kind, out);
    path_segment(&format!("{path}.name"), name, out);
    let api_version = reference.api_version_or_default();
    if api_version.split('/').any(str::is_empty) || api_version.split('/').count() > 2 {
        out.add(format!("{path}.apiVersion"), api_version, "must be a version such as v1, or a group and version such as apps/v1");
    }
    TargetRef { api_version: api_version.to_owned(), kind: kind.clone(), name: name.clone() }
}

/// Names become parts of URLs.
fn path_segment(path: &str, name: &str, out: &mut Problems) {
    if name.is_empty() {
        out.add(path, "", "must not be empty");
    } else if matches!(name, "." | "..") || name.contains(['/', '%']) {
        out.add(path, name, "must not be '.' or '..', nor contain '/' or '%'");
    }
}

fn seconds(path: &str, value: Option<i32>, allowed: std::ops::RangeInclusive<i32>, default: Duration, out: &mut Problems) -> Duration {
    let Some(value) = value else { return default };
    if !allowed.contains(&value) {
        out.add(path, value, format!("must be {} to {} seconds", allowed.start(), allowed.end()));
    }
    Duration::from_secs(u64::try_from(value).unwrap_or_default())
}

fn smoothing(smoothing: Option<&Smoothing>, defaults: &Defaults, out: &mut Problems) -> core::Smoothing {
    // Whoever waits for scale-in for so long by default waits as long before a collapse is believed.
    let collapse_hold = defaults.downscale_stabilization;
    let Some(smoothing) = smoothing else {
        return match defaults.smoothing {
            core::Smoothing::Smooth(parameters) => core::Smoothing::Smooth(core::SmoothParameters { collapse_hold, ..parameters }),
            core::Smoothing::None => core::Smoothing::None,
        };
    };
    let defaults = core::SmoothParameters { collapse_hold, ..core::SmoothParameters::default() };
    let path = "spec.smoothing.timeConstantSeconds";
    let time_constant = seconds(path, smoothing.time_constant_seconds, 1..=3600, defaults.time_constant, out);
    let noise_band = smoothing.noise_band.unwrap_or(defaults.noise_band);
    if !(0.0..=10.0).contains(&noise_band) {
        out.add("spec.smoothing.noiseBand", noise_band, "must be 0 to 10 standard deviations");
    }
    let lead_path = "spec.smoothing.leadSeconds";
    let lead = smoothing.lead_seconds.map(|_| seconds(lead_path, smoothing.lead_seconds, 0..=3600, Duration::ZERO, out));
    let hold_path = "spec.smoothing.collapseHoldSeconds";
    let collapse_hold = seconds(hold_path, smoothing.collapse_hold_seconds, 0..=3600, defaults.collapse_hold, out);
    match smoothing.kind {
        SmoothingType::Smooth => core::Smoothing::Smooth(core::SmoothParameters { time_constant, noise_band, lead, collapse_hold }),
        SmoothingType::None => {
            let only = "may be given with type Smooth only";
            if smoothing.time_constant_seconds.is_some() {
                out.add(path, time_constant.as_secs(), only);
            }
            if smoothing.noise_band.is_some() {
                out.add("spec.smoothing.noiseBand", noise_band, only);
            }
            if let Some(lead) = lead {
                out.add(lead_path, lead.as_secs(), only);
            }
            if smoothing.collapse_hold_seconds.is_some() {
                out.add(hold_path, collapse_hold.as_secs(), only);
            }
            core::Smoothing::None
        }
    }
}

fn forecast(forecast: Option<&Forecast>, smoothing: core::Smoothing, out: &mut Problems) -> core::Forecast {
    let Some(forecast) = forecast else { return core::Forecast::default() };
    let mode = match forecast.mode {
        ForecastMode::Off => core::ForecastMode::Off,
        ForecastMode::Shadow => core::ForecastMode::Shadow,
        ForecastMode::On => core::ForecastMode::On,
    };
    if mode != core::ForecastMode::Off && smoothing == core::Smoothing::None {
        let why = "needs spec.smoothing.type Smooth: it learns from filtered demand";
        out.add("spec.forecast.mode", format!("{mode:?}"), why);
    }
    let path = "spec.forecast.horizonSeconds";
    let horizon = forecast.horizon_seconds.map(|_| seconds(path, forecast.horizon_seconds, 1..=3600, Duration::ZERO, out));
    core::Forecast { mode, horizon }
}

fn pause(pause: &Pause) -> core::Pause {
    core::Pause {
        direction: match pause.direction {
            PauseDirection::All => core::PauseDirection::All,
            PauseDirection::Up => core::PauseDirection::Up,
            PauseDirection::Down => core::PauseDirection::Down,
        },
        until: pause.until.as_ref().map(to_core),
        reason: pause.reason.as_deref().unwrap_or_default().into(),
        by: pause.by.as_deref().unwrap_or_default().into(),
    }
}
