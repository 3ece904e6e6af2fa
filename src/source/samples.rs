//! What the metrics APIs have in common: quantities with a time and a window.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::api::quantity::Quantity;
use crate::core::{Sample, Time};

/// Window of a value that names none, as in the stock autoscaler.
pub(super) const DEFAULT_WINDOW: Duration = Duration::from_mins(1);

/// A list of the metrics APIs.
#[derive(Deserialize)]
pub(super) struct List<T> {
    /// Its entries; adapters written in Go answer `null` for none.
    items: Option<Vec<T>>,
}

impl<T> List<T> {
    pub fn into_items(self) -> Vec<T> {
        self.items.unwrap_or_default()
    }
}

/// One value of custom.metrics.k8s.io or external.metrics.k8s.io.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricValue {
    /// The object it is about; external metrics have none.
    #[serde(default)]
    pub described_object: Described,
    timestamp: Option<String>,
    /// custom v1beta2 writes `windowSeconds`, custom v1beta1 and external write `window`.
    #[serde(alias = "window")]
    window_seconds: Option<i64>,
    value: Quantity,
}

/// The object a value is about.
#[derive(Default, Deserialize)]
pub(super) struct Described {
    #[serde(default)]
    pub name: String,
}

impl MetricValue {
    /// The value in thousandths, and when it was taken.
    pub fn read(&self) -> Result<(i64, Time, Duration), String> {
        let milli = self.value.milli().map_err(|error| format!("value {:?} {error}", self.value.0))?;
        let time = self.timestamp.as_deref().and_then(time).ok_or("a value without a readable timestamp")?;
        let window = self.window_seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(DEFAULT_WINDOW, Duration::from_secs);
        Ok((milli, time, window))
    }

    /// The value as a sample.
    pub fn sample(&self) -> Result<Sample, String> {
        self.read().map(|(milli, time, window)| Sample { value: milli as f64, time, window })
    }
}

/// A time as Kubernetes writes it.
pub(super) fn time(text: &str) -> Option<Time> {
    text.parse::<Timestamp>().ok().map(|time| Time::from_millis(time.as_millisecond()))
}

/// A duration as Go writes it: `15.2s`, `1m0s`.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok())
}
