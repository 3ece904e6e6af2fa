//! Names of signals for people, and which rules their kind brings along.

use std::fmt;

use super::{Role, Signal, SignalKind};

impl Role {
    /// As policies and people write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Driver => "Driver",
            Self::Guard => "Guard",
            Self::Brake => "Brake",
        }
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource { resource } => f.write_str(resource),
            Self::ContainerResource { resource, container } => write!(f, "{resource} of container {container}"),
            Self::Pods { metric } => f.write_str(metric),
            Self::Object { metric, kind, name } => write!(f, "{metric} of {kind}/{name}"),
            Self::External { metric, selector } if selector.is_empty() => f.write_str(metric),
            Self::External { metric, selector } => write!(f, "{metric}{{{selector}}}"),
            Self::Prometheus { name } => f.write_str(name),
        }
    }
}

impl SignalKind {
    /// Reason of the condition and of the Event when the signal cannot be used; the stock autoscaler's words where it has them.
    pub fn failure_reason(&self) -> &'static str {
        match self {
            Self::Resource { .. } => "FailedGetResourceMetric",
            Self::ContainerResource { .. } => "FailedGetContainerResourceMetric",
            Self::Pods { .. } => "FailedGetPodsMetric",
            Self::Object { .. } => "FailedGetObjectMetric",
            Self::External { .. } => "FailedGetExternalMetric",
            Self::Prometheus { .. } => "FailedGetPrometheusMetric",
        }
    }

    /// Whether start-up rules for CPU samples apply.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Resource { resource } | Self::ContainerResource { resource, .. } if resource == "cpu")
    }

    /// Whether means and percentages are truncated to whole thousandths and percents before they are compared with the target.
    ///
    /// The stock rule does so because Kubernetes' quantities arrive as integers. A Prometheus value is a real number, and a
    /// ratio of 0.5 per second must not lose its fraction.
    pub(super) fn is_whole(&self) -> bool {
        !matches!(self, Self::Prometheus { .. })
    }

    /// Whether the signal can have a value while there are no pods, so that it can wake a target from zero.
    pub(super) fn sees_zero(&self) -> bool {
        matches!(self, Self::Object { .. } | Self::External { .. } | Self::Prometheus { .. })
    }
}

/// Whether any of the signals can be seen while there are no pods and may then ask for some.
pub(super) fn any_sees_zero(signals: &[Signal]) -> bool {
    signals.iter().any(|signal| signal.role == Role::Driver && signal.kind.sees_zero())
}
