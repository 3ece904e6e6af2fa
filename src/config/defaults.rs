//! Flags that say what holds for policies which do not say it themselves.

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::{ConfigError, check, duration, seconds, tolerable};
use crate::api::Defaults;
use crate::core;

/// What holds for policies that do not say it themselves: flags of the controller, and of commands that decide as it does.
#[derive(Args, Clone, Debug)]
pub struct PolicyDefaults {
    /// How often a policy is decided that names no `intervalSeconds`; 1s to 5m.
    #[arg(
        long,
        alias = "horizontal-pod-autoscaler-sync-period",
        env = "BALLAST_SYNC_PERIOD",
        value_name = "DURATION",
        default_value = "15s",
        value_parser = duration,
        help_heading = "Defaults of policies"
    )]
    pub sync_period: Duration,
    /// Band around the target, as a ratio, in which nothing is done.
    #[arg(
        long,
        alias = "horizontal-pod-autoscaler-tolerance",
        env = "BALLAST_TOLERANCE",
        value_name = "RATIO",
        default_value_t = 0.1,
        help_heading = "Defaults of policies"
    )]
    pub tolerance: f64,
    /// Look-back for scale-in: the highest proposal of this time counts.
    #[arg(
        long,
        alias = "horizontal-pod-autoscaler-downscale-stabilization",
        env = "BALLAST_DOWNSCALE_STABILIZATION",
        value_name = "DURATION",
        default_value = "5m",
        value_parser = duration,
        help_heading = "Defaults of policies"
    )]
    pub downscale_stabilization: Duration,
    /// Age below which a pod's CPU sample counts only after a full sample window of readiness.
    #[arg(
        long,
        alias = "horizontal-pod-autoscaler-cpu-initialization-period",
        env = "BALLAST_CPU_INITIALIZATION_PERIOD",
        value_name = "DURATION",
        default_value = "5m",
        value_parser = duration,
        help_heading = "Defaults of policies"
    )]
    pub cpu_initialization_period: Duration,
    /// An unready pod counts as never ready if it became unready within this time of its start.
    #[arg(
        long,
        alias = "horizontal-pod-autoscaler-initial-readiness-delay",
        env = "BALLAST_INITIAL_READINESS_DELAY",
        value_name = "DURATION",
        default_value = "30s",
        value_parser = duration,
        help_heading = "Defaults of policies"
    )]
    pub initial_readiness_delay: Duration,
    /// Smoothing of policies that name none; `none` is the stock rule.
    #[arg(long, env = "BALLAST_SMOOTHING", value_enum, default_value_t = DefaultSmoothing::Smooth, help_heading = "Defaults of policies")]
    pub smoothing: DefaultSmoothing,
    /// Whether `minReplicas: 0` is allowed (on Object, External and Prometheus metrics).
    #[arg(long, env = "BALLAST_SCALE_TO_ZERO", default_value_t = true, action = ArgAction::Set, help_heading = "Defaults of policies")]
    pub scale_to_zero: bool,
}

/// Smoothing of policies that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DefaultSmoothing {
    /// The level filter of `spec.smoothing`.
    Smooth,
    /// The plain HPA rule.
    None,
}

// === impl PolicyDefaults ===

impl PolicyDefaults {
    /// Refuses what no policy could work with, naming the flag, the value and the allowed range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let s = Duration::from_secs;
        check((s(1)..=s(300)).contains(&self.sync_period), "--sync-period", seconds(self.sync_period), "1s to 5m")?;
        check(tolerable(self.tolerance), "--tolerance", self.tolerance.to_string(), "a finite number of at least 0")?;
        let window = self.downscale_stabilization;
        check(window <= s(3600), "--downscale-stabilization", seconds(window), "0s to 1h")
    }

    /// As policies are compiled with them.
    pub fn compiled(&self) -> Defaults {
        Defaults {
            tolerance: self.tolerance,
            downscale_stabilization: self.downscale_stabilization,
            interval: self.sync_period,
            warm_up: core::WarmUp {
                cpu_initialization: self.cpu_initialization_period,
                initial_readiness_delay: self.initial_readiness_delay,
            },
            smoothing: match self.smoothing {
                DefaultSmoothing::Smooth => core::Smoothing::Smooth(core::SmoothParameters::default()),
                DefaultSmoothing::None => core::Smoothing::None,
            },
            scale_to_zero: if self.scale_to_zero { core::ScaleToZero::On } else { core::ScaleToZero::Off },
        }
    }
}
