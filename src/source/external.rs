//! external.metrics.k8s.io: values that belong to no object of the cluster.

use kube::Client;

use super::apiserver::{self, Path};
use super::samples::{List, MetricValue};
use crate::core::{Failure, Reading, Sample, Time};

const API: &str = "external.metrics.k8s.io";
const HINT: &str = "install an adapter that provides external metrics, or use a Prometheus metric";

/// The sum of all series of a metric that match.
pub(super) async fn total(client: &Client, namespace: &str, metric: &str, selector: &str) -> Result<Reading, Failure> {
    let segments = ["apis", API, "v1beta1", "namespaces", namespace, metric];
    let path = Path::new(&segments, &[("labelSelector", selector)])?;
    let list: List<MetricValue> =
        apiserver::get(client, &path, API, HINT).await.map_err(|failure| failure.of(&format!("metric {metric}")))?;
    sum(&list.into_items(), metric)
}

/// The sum, as old as its oldest part.
fn sum(values: &[MetricValue], metric: &str) -> Result<Reading, Failure> {
    let mut total: Option<(i64, Time, std::time::Duration)> = None;
    for value in values {
        let (milli, time, window) = value.read().map_err(|error| Failure::invalid(format!("metric {metric}: {API}: {error}")))?;
        total = Some(
            total.map_or((milli, time, window), |(sum, oldest, widest)| (sum.saturating_add(milli), oldest.min(time), widest.max(window))),
        );
    }
    let (milli, time, window) = total.ok_or_else(|| Failure::empty(format!("metric {metric}: {API}: no series")))?;
    Ok(Reading::Total(Sample { value: milli as f64, time, window }))
}
