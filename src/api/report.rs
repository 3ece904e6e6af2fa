//! What a decision says about its signals, in the terms of a policy's status.

use super::compile::Compiled;
use super::metrics::{MetricIdentifier, MetricType};
use super::quantity::Quantity;
use super::scale_policy::CrossVersionObjectReference;
use super::status::{
    ContainerResourceMetricStatus, DecisionStatus, MetricStatus, MetricValueStatus, ObjectMetricStatus, OriginStatus, PodsMetricStatus,
    PrometheusMetricStatus, ResourceMetricStatus,
};
use super::time::{end_from_core, from_core};
use crate::core::reason::{Quantity as Shown, Unit};
use crate::core::{Current, Decision, Reason, Role, Signal, SignalKind, SignalReport, Target, Verdict};
use crate::source::Query;

/// `status.currentMetrics` after a decision: one entry per signal in the order of the policy, without values where there are none.
pub fn current_metrics(compiled: &Compiled, reports: &[SignalReport]) -> Vec<MetricStatus> {
    compiled.queries.iter().zip(reports).map(|(query, report)| metric(query, report)).collect()
}

/// `status.decision` after a decision.
pub fn decision_status(decision: &Decision) -> DecisionStatus {
    DecisionStatus {
        time: from_core(decision.time),
        from: count(decision.from),
        to: count(decision.to),
        verdict: decision.verdict.word().to_owned(),
        reason: decision.reasons.first().map_or("Unknown", Reason::code).to_owned(),
        message: decision.headline(),
        held_by: decision.held_by().map(str::to_owned),
        wanted: decision.wanted.map(count),
        until: decision.held_until().map(end_from_core),
    }
}

/// Replicas as the API writes them.
pub fn count(replicas: u32) -> i32 {
    i32::try_from(replicas).unwrap_or(i32::MAX)
}

fn metric(query: &Query, report: &SignalReport) -> MetricStatus {
    let quantity = unit(query);
    let current = report.current.map_or_else(MetricValueStatus::default, |Current { utilization, average, value }| MetricValueStatus {
        average_utilization: utilization.map(|percent| i32::try_from(percent).unwrap_or(i32::MAX)),
        average_value: average.map(quantity),
        value: value.map(quantity),
    });
    let mut status = MetricStatus {
        kind: MetricType::Resource,
        resource: None,
        container_resource: None,
        pods: None,
        object: None,
        external: None,
        prometheus: None,
        age_seconds: report.age_millis.map(|millis| i64::try_from(millis / 1000).unwrap_or(i64::MAX)),
        origin: report.origin.as_ref().map(|origin| OriginStatus { from: origin.word().to_owned(), message: origin.message() }),
        proposal: report.proposal.map(|replicas| i32::try_from(replicas).unwrap_or(i32::MAX)),
        holds: (report.role != Role::Driver && report.failure.is_none()).then_some(report.holds),
    };
    let identifier = |name: &String| MetricIdentifier { name: name.clone(), selector: None };
    match query {
        Query::Resource { resource: name, container: None } => {
            status.resource = Some(Box::new(ResourceMetricStatus { name: name.clone(), current }));
        }
        Query::Resource { resource: name, container: Some(container) } => {
            status.kind = MetricType::ContainerResource;
            let (name, container) = (name.clone(), container.clone());
            status.container_resource = Some(Box::new(ContainerResourceMetricStatus { name, container, current }));
        }
        Query::Pods { metric, .. } => {
            status.kind = MetricType::Pods;
            status.pods = Some(Box::new(PodsMetricStatus { metric: identifier(metric), current }));
        }
        Query::Object { metric, api_version, kind, name, .. } => {
            status.kind = MetricType::Object;
            let described_object =
                CrossVersionObjectReference { api_version: Some(api_version.clone()), kind: kind.clone(), name: name.clone() };
            status.object = Some(Box::new(ObjectMetricStatus { described_object, metric: identifier(metric), current }));
        }
        Query::External { metric, .. } => {
            status.kind = MetricType::External;
            status.external = Some(Box::new(PodsMetricStatus { metric: identifier(metric), current }));
        }
        Query::Prometheus(query) => {
            status.kind = MetricType::Prometheus;
            status.prometheus = Some(Box::new(PrometheusMetricStatus { name: query.name.clone(), current }));
        }
    }
    status
}

/// What a status says about its signals: the inverse of [`current_metrics`], without what a status does not hold.
pub fn signal_reports(compiled: &Compiled, metrics: &[MetricStatus]) -> Vec<SignalReport> {
    compiled.policy.signals.iter().enumerate().map(|(index, signal)| signal_report(signal, metrics.get(index))).collect()
}

fn signal_report(signal: &Signal, metric: Option<&MetricStatus>) -> SignalReport {
    let current = metric.and_then(|metric| {
        let resource = metric.resource.as_ref().map(|resource| &resource.current);
        let container = metric.container_resource.as_ref().map(|resource| &resource.current);
        let pods = metric.pods.as_ref().or(metric.external.as_ref()).map(|pods| &pods.current);
        let object = metric.object.as_ref().map(|object| &object.current);
        resource.or(container).or(pods).or(object).or(metric.prometheus.as_ref().map(|prometheus| &prometheus.current))
    });
    let milli = |quantity: &Option<Quantity>| quantity.as_ref().and_then(|quantity| quantity.milli().ok()).map(|milli| milli as f64);
    let current = current.map(|current| Current {
        utilization: current.average_utilization.and_then(|percent| u32::try_from(percent).ok()),
        average: milli(&current.average_value),
        value: milli(&current.value),
    });
    SignalReport {
        holds: metric.and_then(|metric| metric.holds).unwrap_or_default(),
        current: current.filter(|current| current.utilization.is_some() || current.average.is_some() || current.value.is_some()),
        proposal: metric.and_then(|metric| metric.proposal).and_then(|replicas| u32::try_from(replicas).ok()),
        age_millis: metric.and_then(|metric| metric.age_seconds).and_then(|age| u64::try_from(age).ok()).map(|age| age * 1000),
        ..SignalReport::unknown(signal, None)
    }
}

/// How many metrics the text for tables names; more would push the sizes off the screen.
const SHOWN: usize = 2;

/// `status.metricsText`: current value and target of the first metrics, e.g. `cpu: 45%/70%, rps: 82/100 (avg)`.
pub fn metrics_text(compiled: &Compiled, reports: &[SignalReport]) -> String {
    let signals = compiled.policy.signals.iter().zip(&compiled.queries).zip(reports);
    let shown = signals.take(SHOWN).map(|((signal, query), report)| {
        let (current, target) = value_and_target(&signal.target, query, report.current);
        let average = !matches!(signal.kind, SignalKind::Resource { .. } | SignalKind::ContainerResource { .. } | SignalKind::Pods { .. });
        let suffix = match signal.target {
            Target::AverageValue(_) if average => " (avg)",
            Target::Capacity(_) => " (capacity)",
            _ => "",
        };
        format!("{}: {}/{target}{suffix}", report.name, current.as_deref().unwrap_or("<unknown>"))
    });
    let text = shown.collect::<Vec<_>>().join(", ");
    match reports.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} + {more} more"),
    }
}

/// Current value, if known, and target of one signal.
pub fn value_and_target(target: &Target, query: &Query, current: Option<Current>) -> (Option<String>, String) {
    let unit = shown_unit(query);
    let quantity = |milli| Shown(milli, unit).to_string();
    match *target {
        Target::Utilization(percent) => {
            (current.and_then(|current| current.utilization).map(|percent| format!("{percent}%")), format!("{percent}%"))
        }
        Target::Value(value) => (current.and_then(|current| current.value).map(quantity), quantity(value)),
        Target::AverageValue(value) | Target::Capacity(value) => {
            // Without replicas there is no mean, and the whole is what the first one would bear.
            (current.and_then(|current| current.average.or(current.value)).map(quantity), quantity(value))
        }
    }
}

/// In text for people, numbers are short: `13.6` and not `13644m`.
fn shown_unit(query: &Query) -> Unit {
    match query {
        Query::Resource { resource, .. } => Unit::of(&SignalKind::Resource { resource: resource.clone() }),
        _ => Unit::Plain,
    }
}

/// Memory is shown in binary units, everything else in decimal ones.
fn unit(query: &Query) -> fn(f64) -> Quantity {
    match query {
        Query::Resource { resource, .. } if resource == "memory" => Quantity::from_milli_bytes,
        _ => Quantity::from_milli,
    }
}

/// `status.decision.verdict`.
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::ScaleUp => "ScaleUp",
        Verdict::ScaleDown => "ScaleDown",
        Verdict::Steady => "Steady",
        Verdict::Held => "Held",
        Verdict::Unknown => "Unknown",
        Verdict::Disabled => "Disabled",
    }
}
