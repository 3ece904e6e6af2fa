//! Current values of the metrics, as status and `kubectl get sp` show them.

use std::fmt::Write;

use crate::api::metrics::{MetricSpec, MetricType, PrometheusTargetType};
use crate::api::quantity::Quantity;
use crate::api::status::{
    ContainerResourceMetricStatus, MetricStatus, MetricValueStatus, ObjectMetricStatus, PodsMetricStatus, PrometheusMetricStatus,
    ResourceMetricStatus,
};
use crate::core::{Current, SignalReport};

/// One entry per metric of the spec; a metric without a known value has no current values, and never shows an old or invented one.
pub fn metrics(specs: &[MetricSpec], reports: &[SignalReport]) -> Vec<MetricStatus> {
    specs.iter().enumerate().map(|(i, spec)| metric(spec, reports.get(i))).collect()
}

fn metric(spec: &MetricSpec, report: Option<&SignalReport>) -> MetricStatus {
    let current = values(spec, report.and_then(|report| report.current));
    MetricStatus {
        kind: spec.kind,
        resource: spec.resource.as_ref().map(|s| ResourceMetricStatus { name: s.name.clone(), current: current.clone() }),
        container_resource: spec.container_resource.as_ref().map(|s| ContainerResourceMetricStatus {
            name: s.name.clone(),
            container: s.container.clone(),
            current: current.clone(),
        }),
        pods: spec.pods.as_ref().map(|s| PodsMetricStatus { metric: s.metric.clone(), current: current.clone() }),
        object: spec.object.as_ref().map(|s| ObjectMetricStatus {
            described_object: s.described_object.clone(),
            metric: s.metric.clone(),
            current: current.clone(),
        }),
        external: spec.external.as_ref().map(|s| PodsMetricStatus { metric: s.metric.clone(), current: current.clone() }),
        prometheus: spec.prometheus.as_ref().map(|s| PrometheusMetricStatus { name: s.name.clone(), current: current.clone() }),
        age_seconds: report.and_then(|report| report.age_millis).map(|age| i64::try_from(age / 1000).unwrap_or(i64::MAX)),
    }
}

fn values(spec: &MetricSpec, current: Option<Current>) -> MetricValueStatus {
    let Some(current) = current else { return MetricValueStatus::default() };
    MetricValueStatus {
        average_utilization: current.utilization.map(|percent| i32::try_from(percent).unwrap_or(i32::MAX)),
        average_value: current.average.map(|milli| quantity(spec, milli)),
        value: current.value.map(|milli| quantity(spec, milli)),
    }
}

/// Memory in binary units, all else as it is: what people know from the HPA.
fn quantity(spec: &MetricSpec, milli: f64) -> Quantity {
    let resource = spec.resource.as_ref().map(|s| &s.name).or(spec.container_resource.as_ref().map(|s| &s.name));
    // Saturates; a quantity beyond i64 has no meaning in Kubernetes either.
    #[allow(clippy::cast_possible_truncation)]
    let milli = milli.round() as i64;
    if resource.is_some_and(|name| name == "memory") { Quantity::from_milli_bytes(milli) } else { Quantity::from_milli(milli) }
}

/// All metrics in one line: `cpu: 45%/70%, http-requests: 18.2/20 (avg)`; `<unknown>` where there is no value.
pub fn text(specs: &[MetricSpec], statuses: &[MetricStatus]) -> String {
    let mut line = String::new();
    for (spec, status) in specs.iter().zip(statuses) {
        let separator = if line.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(line, "{separator}{}: {}", name(spec), against_target(spec, value_of(status)));
    }
    line
}

fn name(spec: &MetricSpec) -> String {
    match spec.kind {
        MetricType::Resource => spec.resource.as_ref().map(|s| s.name.clone()),
        MetricType::ContainerResource => spec.container_resource.as_ref().map(|s| format!("{}({})", s.name, s.container)),
        MetricType::Pods => spec.pods.as_ref().map(|s| s.metric.name.clone()),
        MetricType::Object => spec.object.as_ref().map(|s| s.metric.name.clone()),
        MetricType::External => spec.external.as_ref().map(|s| s.metric.name.clone()),
        MetricType::Prometheus => spec.prometheus.as_ref().map(|s| s.name.clone()),
    }
    .unwrap_or_default()
}

fn value_of(status: &MetricStatus) -> MetricValueStatus {
    let s = status;
    s.resource
        .as_ref()
        .map(|s| &s.current)
        .or(s.container_resource.as_ref().map(|s| &s.current))
        .or(s.pods.as_ref().map(|s| &s.current))
        .or(s.object.as_ref().map(|s| &s.current))
        .or(s.external.as_ref().map(|s| &s.current))
        .or(s.prometheus.as_ref().map(|s| &s.current))
        .cloned()
        .unwrap_or_default()
}

fn against_target(spec: &MetricSpec, current: MetricValueStatus) -> String {
    let unknown = || "<unknown>".to_owned();
    let shown = |value: Option<Quantity>| value.map_or_else(unknown, |q| q.0);
    if let Some(metric) = &spec.prometheus {
        return match metric.target.kind {
            PrometheusTargetType::Value => format!("{}/{}", shown(current.value.or(current.average_value)), of(metric.target.value.as_ref())),
            PrometheusTargetType::AverageValue => {
                format!("{}/{} (avg)", shown(current.average_value), of(metric.target.average_value.as_ref()))
            }
            PrometheusTargetType::Capacity => format!("{}/{} (cap)", shown(current.average_value), of(metric.target.capacity.as_ref())),
        };
    }
    let target = [
        spec.resource.as_ref().map(|s| &s.target),
        spec.container_resource.as_ref().map(|s| &s.target),
        spec.pods.as_ref().map(|s| &s.target),
        spec.object.as_ref().map(|s| &s.target),
        spec.external.as_ref().map(|s| &s.target),
    ]
    .into_iter()
    .flatten()
    .next();
    match target {
        Some(target) if target.average_utilization.is_some() => {
            let percent = current.average_utilization.map_or_else(unknown, |percent| format!("{percent}%"));
            format!("{percent}/{}%", target.average_utilization.unwrap_or_default())
        }
        Some(target) if target.average_value.is_some() => {
            format!("{}/{} (avg)", shown(current.average_value), of(target.average_value.as_ref()))
        }
        Some(target) => format!("{}/{}", shown(current.value), of(target.value.as_ref())),
        None => unknown(),
    }
}

fn of(target: Option<&Quantity>) -> &str {
    target.map_or("", |quantity| &quantity.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(current: Option<Current>) -> SignalReport {
        SignalReport { name: "cpu".to_owned(), current, proposal: None, age_millis: Some(12_900), failure: None }
    }

    #[test]
    fn a_known_utilization_shows_percent_average_and_age() {
        let specs = crate::api::metrics::default_metrics();
        let statuses = metrics(&specs, &[report(Some(Current { utilization: Some(45), average: Some(225.0), value: None }))]);
        assert_eq!(text(&specs, &statuses), "cpu: 45%/80%");
        assert_eq!(statuses[0].resource.as_ref().map(|r| r.current.average_value.clone()), Some(Some(Quantity("225m".to_owned()))));
        assert_eq!(statuses[0].age_seconds, Some(12));
    }

    #[test]
    fn an_unknown_value_is_unknown_and_not_zero() {
        let specs = crate::api::metrics::default_metrics();
        let statuses = metrics(&specs, &[report(None)]);
        assert_eq!(text(&specs, &statuses), "cpu: <unknown>/80%");
    }
}
