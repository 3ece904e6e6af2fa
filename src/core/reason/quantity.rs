//! Numbers with units, short and without trailing zeros.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::SignalKind;

/// Unit of a signal's value, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// CPU cores, shown in thousandths as Kubernetes does.
    Cores,
    /// Bytes, shown in binary multiples.
    Bytes,
    /// Per second.
    PerSecond,
    /// Anything else.
    Plain,
}

impl Unit {
    /// The unit of a signal; the ending of a custom metric's name says it by Prometheus' naming rules.
    pub fn of(kind: &SignalKind) -> Self {
        match kind {
            SignalKind::Resource { resource } | SignalKind::ContainerResource { resource, .. } => match resource.as_str() {
                "cpu" => Self::Cores,
                "memory" | "ephemeral-storage" => Self::Bytes,
                other if other.starts_with("hugepages-") => Self::Bytes,
                _ => Self::Plain,
            },
            SignalKind::Pods { metric } | SignalKind::Object { metric, .. } | SignalKind::External { metric, .. } => Self::named(metric),
            SignalKind::Prometheus { name } => Self::named(name),
        }
    }

    fn named(metric: &str) -> Self {
        let last = metric.rsplit(['_', '-', ':', '.']).next().unwrap_or(metric);
        match last {
            "bytes" => Self::Bytes,
            "rps" | "qps" => Self::PerSecond,
            "second" if metric.len() > 10 && metric.as_bytes()[..metric.len() - 7].ends_with(b"per") => Self::PerSecond,
            _ => Self::Plain,
        }
    }
}

/// A value in thousandths of its unit, ready to be shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity(pub f64, pub Unit);

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(milli, unit) = *self;
        match unit {
            Unit::Cores if (milli % 1000.0).abs() > 0.5 => write!(f, "{milli:.0}m"),
            Unit::Cores | Unit::Plain => f.write_str(&short(milli / 1000.0)),
            Unit::PerSecond => write!(f, "{}/s", short(milli / 1000.0)),
            Unit::Bytes => {
                let (mut value, mut suffix) = (milli / 1000.0, "");
                for next in ["Ki", "Mi", "Gi", "Ti", "Pi"] {
                    if value.abs() < 1024.0 {
                        break;
                    }
                    (value, suffix) = (value / 1024.0, next);
                }
                write!(f, "{}{suffix}", short(value))
            }
        }
    }
}

/// About three significant digits; whole numbers from 1000 on.
pub(in crate::core) fn short(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
