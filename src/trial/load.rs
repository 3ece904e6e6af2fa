//! A trace as load in pods: which part of it, and what one pod bears.

use std::fs::File;
use std::path::Path;

use jiff::Timestamp;

use super::cluster::Model;
use super::contender::Contender;
use super::error::TrialError;
use super::span::Moment;
use crate::core::{Signal, SignalKind, Target};
use crate::sim::{Load, Noise, Trace};

/// Seconds from which on the times of a trace are taken for Unix times: nobody records for thirty years.
const UNIX: f64 = 1e9;
/// Slots of a load at most: ten years.
const LONGEST: f64 = 3660.0 * 86_400.0;

/// How values become pods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// By the target of the policy's first signal that measures load.
    Target,
    /// One pod at 100 % bears this much of the trace's unit.
    Capacity(f64),
    /// The peak needs this many pods at 100 %.
    Peak(f64),
}

/// Randomness that is added to a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blur {
    /// Uniform, up to this share in both directions.
    Uniform(f64),
    /// Counted arrivals: the trace's values are events per second, and their variance is this many times their mean.
    Poisson(f64),
}

/// What part of a trace, and how it is scaled.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Where it begins.
    pub from: Option<Moment>,
    /// Where it ends.
    pub to: Option<Moment>,
    /// Unix time of the trace's first row.
    pub start: Option<Timestamp>,
    /// Values to pods.
    pub scale: Scale,
    /// Share of a pod's capacity that an average stands for.
    pub utilization: f64,
    /// Added randomness.
    pub noise: Option<Blur>,
    /// Its seed.
    pub seed: u64,
}

/// A load, and where it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its name: the trace's file.
    pub name: String,
    /// In pods at 100 %.
    pub load: Load,
    /// Unix time of its first second.
    pub start: Option<i64>,
    /// What one pod bears of the trace's unit at 100 %, where that was said and not concluded.
    pub capacity: Option<f64>,
    /// What was made of the trace, for people.
    pub note: String,
}

impl Blur {
    /// Reads `9%`, `poisson` or `poisson:3`.
    ///
    /// # Errors
    /// A text for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = || "must be a share such as 9%, or poisson, or poisson:3 for three times its variance".to_owned();
        match text.strip_prefix("poisson") {
            Some("") => Ok(Self::Poisson(1.0)),
            Some(rest) => {
                let dispersion = rest.strip_prefix(':').and_then(|number| number.parse().ok());
                dispersion.filter(|number: &f64| number.is_finite() && *number > 0.0).map(Self::Poisson).ok_or_else(allowed)
            }
            None => super::span::share(text).map(Self::Uniform).map_err(|_| allowed()),
        }
    }
}

/// Whether a signal measures load in a unit of its own, so that a trace can be in that unit.
pub(super) fn measures_load(signal: &Signal) -> bool {
    let resource = matches!(signal.kind, SignalKind::Resource { .. } | SignalKind::ContainerResource { .. });
    !resource && matches!(signal.target, Target::AverageValue(_) | Target::Capacity(_))
}

/// What one pod bears at 100 %, in the unit of the policy's first signal that measures load, and that signal's name.
fn capacity(subject: &Contender, model: &Model, utilization: f64) -> Option<(f64, String)> {
    let signal = subject.compiled.policy.signals.iter().find(|signal| measures_load(signal))?;
    Some((model.full(signal, utilization)?, signal.name().to_string()))
}

/// Reads a trace and makes it the subject's load.
///
/// # Errors
/// A trace that cannot be read, an empty part of it, or values that cannot be turned into pods.
pub fn load(path: &Path, choice: &Choice, subject: &Contender, model: &Model) -> Result<Loaded, TrialError> {
    let file = File::open(path).map_err(|error| TrialError::Read { path: path.to_owned(), error })?;
    let trace = Trace::read(file).map_err(|error| TrialError::Trace { path: path.to_owned(), error })?;
    let first = trace.points()[0].second;
    #[allow(clippy::cast_possible_truncation)] // Seconds of a calendar.
    let recorded = (first >= UNIX).then_some(first as i64);
    let start = choice.start.map(Timestamp::as_second).or(recorded);
    let seconds = |option: &str, moment: Option<Moment>, default: f64| match moment {
        Some(moment) => moment.seconds(start).map_err(|message| TrialError::option(option, message)),
        None => Ok(default),
    };
    let (from, to) = (seconds("--from", choice.from, 0.0)?, seconds("--to", choice.to, trace.seconds())?);
    if from < 0.0 || to <= from || from >= trace.seconds() {
        let message = format!("the part from {from} s to {to} s must be one of the trace's {} s", trace.seconds());
        return Err(TrialError::option("--from, --to", message));
    }
    if to - from > LONGEST {
        return Err(TrialError::option("--from, --to", "more than ten years: choose a part".to_owned()));
    }
    let values = Load::of_values(&trace, from / 86_400.0..to / 86_400.0);
    if values.slots().is_empty() {
        return Err(TrialError::option("--from, --to", "the part must be at least 15 s long"));
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let (per_pod, note) = per_pod(&values, choice, subject, model)?;
    let mut load = values.scaled(1.0 / per_pod);
    if let Some(blur) = choice.noise {
        let noise = match blur {
            Blur::Uniform(share) => Noise::Uniform(share),
            Blur::Poisson(dispersion) => Noise::Arrivals { rate: per_pod, dispersion },
        };
        load = load.with_noise(noise, choice.seed);
    }
    #[allow(clippy::cast_possible_truncation)] // Within the trace.
    let start = start.map(|start| start + from as i64);
    let capacity = if let Scale::Capacity(capacity) = choice.scale { Some(capacity) } else { None };
    Ok(Loaded { name, load, start, capacity, note })
}

/// What one pod bears of the trace's unit, and where that is known from.
fn per_pod(values: &Load, choice: &Choice, subject: &Contender, model: &Model) -> Result<(f64, String), TrialError> {
    match choice.scale {
        Scale::Capacity(capacity) => Ok((capacity, format!("a pod bears {capacity} (--capacity)"))),
        Scale::Peak(pods) => {
            let peak = values.peak();
            if peak <= 0.0 {
                return Err(TrialError::option("--peak", "this part of the trace is 0 throughout"));
            }
            Ok((peak / pods, format!("the peak of {} needs {pods} pods (--peak)", rounded(peak))))
        }
        Scale::Target => {
            let known = capacity(subject, model, choice.utilization);
            let (per_pod, signal) = known.ok_or_else(|| {
                let names: Vec<&str> = subject.compiled.policy.signals.iter().map(|signal| &**signal.name()).collect();
                let message = format!(
                    "cannot tell how many pods a value of the trace needs: {} follows {}, whose target says nothing about load; give --capacity \
                     (what one pod at 100 % bears of the trace's unit) or --peak (how many pods the peak needs)",
                    subject.name,
                    names.join(", ")
                );
                TrialError::option("--trace", message)
            })?;
            Ok((per_pod, format!("a pod bears {} of {signal}", rounded(per_pod))))
        }
    }
}

/// Four digits are enough for people.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    #[allow(clippy::cast_possible_truncation)] // The exponent of a float.
    let factor = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * factor).round() / factor
}
