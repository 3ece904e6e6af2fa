//! `spec.metrics` as signals and the queries that feed them.

use std::time::Duration;

use super::super::error::Problems;
use super::super::metrics::{
    ContainerResourceMetricSource, ExternalMetricSource, Freshness, MetricIdentifier, MetricSpec, MetricTarget, MetricTargetType,
    MetricType, ObjectMetricSource, PodsMetricSource, PrometheusMetricSource, PrometheusTarget, PrometheusTargetType, ResourceMetricSource,
    WhenEmpty,
};
use super::super::quantity::Quantity;
use super::auto::{self, Auto};
use super::{path_segment, preset, reference};
use crate::core::{Role, Signal, SignalKind, Target};
use crate::source::preset::AUTO;
use crate::source::{self, PrometheusQuery, Query};

/// Most characters of a query: enough for the longest in common rule sets, small enough for the URL-less POST of every server.
const MAX_QUERY: usize = 4096;

/// Most evaluations by subqueries: as many as Prometheus takes points of a range query. It takes any number of a subquery, and a server that
/// makes room for billions of them ends for lack of memory.
const MAX_STEPS: f64 = 11_000.0;

/// A metric without its role.
pub(super) type Measured = (SignalKind, Query, Target);
type Compiled = Option<Measured>;

/// Signals with their queries, and what is to be chosen; `chosen` is what was until now.
pub(super) fn compile(metrics: &[MetricSpec], chosen: &[String], out: &mut Problems) -> (Vec<Signal>, Vec<Query>, Option<Auto>) {
    let (mut signals, mut queries) = (Vec::with_capacity(metrics.len()), Vec::with_capacity(metrics.len()));
    let mut choice = None;
    for (index, metric) in metrics.iter().enumerate() {
        let path = format!("spec.metrics[{index}]");
        if let Some(source) = metric.preset.as_ref().filter(|source| source.name == AUTO && metric.kind == MetricType::Preset) {
            if metric.role.is_some() {
                out.add(format!("{path}.role"), "", "may not be given with auto: what is chosen has roles of its own");
            }
            let named: Vec<&str> = metrics.iter().filter_map(name).collect();
            let (auto, expanded) = auto::expand(&format!("{path}.preset"), source, (chosen, &named), out);
            choice = Some(auto);
            for (role, (kind, query, target)) in expanded {
                signals.push(Signal::new(kind, target).with_role(role));
                queries.push(query);
            }
            continue;
        }
        let role = preset::role(&path, metric, out);
        if let Some((kind, query, target)) = self::metric(&path, metric, out) {
            signals.push(Signal::new(kind, target).with_role(role));
            queries.push(query);
        }
    }
    for (index, metric) in metrics.iter().enumerate() {
        let Some(name) = name(metric) else { continue };
        if metrics[..index].iter().any(|earlier| self::name(earlier) == Some(name)) {
            let field = metric.kind.field();
            out.add(format!("spec.metrics[{index}].{field}.name"), name, "names of Prometheus metrics and presets must differ");
        }
    }
    if out.errors.is_empty() && signals.iter().all(|signal| signal.role != Role::Driver) {
        out.add("spec.metrics", "", "one metric at least must have the role Driver: guards and brakes ask for no size");
    }
    (signals, queries, choice)
}

/// What a Prometheus metric is told from others by.
fn name(metric: &MetricSpec) -> Option<&str> {
    let query = metric.prometheus.as_ref().map(|query| query.name.as_str());
    query.or_else(|| metric.preset.as_ref().map(|preset| preset.name.as_str()))
}

fn metric(path: &str, metric: &MetricSpec, out: &mut Problems) -> Compiled {
    let given = [
        (MetricType::Resource, metric.resource.is_some()),
        (MetricType::ContainerResource, metric.container_resource.is_some()),
        (MetricType::Pods, metric.pods.is_some()),
        (MetricType::Object, metric.object.is_some()),
        (MetricType::External, metric.external.is_some()),
        (MetricType::Prometheus, metric.prometheus.is_some()),
        (MetricType::Preset, metric.preset.is_some()),
    ];
    for (kind, given) in given {
        if given != (kind == metric.kind) {
            out.add(format!("{path}.{}", kind.field()), "", format!("must be given with type {kind:?}, and only then"));
        }
    }
    let path = format!("{path}.{}", metric.kind.field());
    match metric.kind {
        MetricType::Resource => resource(&path, metric.resource.as_ref()?, out),
        MetricType::ContainerResource => container(&path, metric.container_resource.as_ref()?, out),
        MetricType::Pods => pods(&path, metric.pods.as_ref()?, out),
        MetricType::Object => object(&path, metric.object.as_ref()?, out),
        MetricType::External => external(&path, metric.external.as_ref()?, out),
        MetricType::Prometheus => prometheus(&path, metric.prometheus.as_ref()?, out),
        MetricType::Preset => preset::preset(&path, metric.preset.as_ref()?, out),
    }
}

fn resource(path: &str, source: &ResourceMetricSource, out: &mut Problems) -> Compiled {
    let target = resource_target(path, &source.name, &source.target, out)?;
    let resource = source.name.clone();
    Some((SignalKind::Resource { resource: resource.clone() }, Query::Resource { resource, container: None }, target))
}

fn container(path: &str, source: &ContainerResourceMetricSource, out: &mut Problems) -> Compiled {
    if source.container.is_empty() {
        out.add(format!("{path}.container"), "", "must not be empty");
    }
    let target = resource_target(path, &source.name, &source.target, out)?;
    let (resource, container) = (source.name.clone(), source.container.clone());
    Some((
        SignalKind::ContainerResource { resource: resource.clone(), container: container.clone() },
        Query::Resource { resource, container: Some(container) },
        target,
    ))
}

/// As the stock autoscaler, by the field that is given, whatever `type` says.
fn resource_target(path: &str, name: &str, target: &MetricTarget, out: &mut Problems) -> Option<Target> {
    if name.is_empty() {
        out.add(format!("{path}.name"), "", "must not be empty");
    }
    let path = format!("{path}.target");
    extra_value(&path, "value", target.value.as_ref(), out);
    if let Some(percent) = target.average_utilization.filter(|percent| *percent < 1) {
        out.add(format!("{path}.averageUtilization"), percent, "must be at least 1 percent");
    }
    let average = target.average_value.as_ref().and_then(|value| milli(&format!("{path}.averageValue"), value, out));
    match (target.average_utilization, &target.average_value) {
        (Some(percent), None) => Some(Target::Utilization(u32::try_from(percent).ok()?)),
        (None, Some(_)) => average.map(Target::AverageValue),
        (Some(_), Some(_)) => {
            out.add(path, "", "may not have both averageUtilization and averageValue");
            None
        }
        (None, None) => {
            out.add(path, "", "must have averageUtilization or averageValue");
            None
        }
    }
}

fn pods(path: &str, source: &PodsMetricSource, out: &mut Problems) -> Compiled {
    let (metric, selector) = identifier(&format!("{path}.metric"), &source.metric, out);
    let path = format!("{path}.target");
    extra_value(&path, "value", source.target.value.as_ref(), out);
    let Some(average) = &source.target.average_value else {
        out.add(format!("{path}.averageValue"), "", "must be given");
        return None;
    };
    let target = Target::AverageValue(milli(&format!("{path}.averageValue"), average, out)?);
    Some((SignalKind::Pods { metric: metric.clone() }, Query::Pods { metric, selector }, target))
}

fn object(path: &str, source: &ObjectMetricSource, out: &mut Problems) -> Compiled {
    let object = reference(&format!("{path}.describedObject"), &source.described_object, out);
    let (metric, selector) = identifier(&format!("{path}.metric"), &source.metric, out);
    let path = format!("{path}.target");
    let value = source.target.value.as_ref().map(|value| milli(&format!("{path}.value"), value, out));
    let average = source.target.average_value.as_ref().map(|value| milli(&format!("{path}.averageValue"), value, out));
    // Both may stand there; then the type chooses, as in the stock autoscaler.
    let target = match (source.target.kind, value, average) {
        (MetricTargetType::Value, Some(value), _) => Target::Value(value?),
        (MetricTargetType::AverageValue, _, Some(average)) => Target::AverageValue(average?),
        (_, None, None) => {
            out.add(path, "", "must have value or averageValue");
            return None;
        }
        (kind, ..) => {
            out.add(format!("{path}.type"), format!("{kind:?}"), "must be Value with value, or AverageValue with averageValue");
            return None;
        }
    };
    let super::TargetRef { api_version, kind, name } = object;
    Some((
        SignalKind::Object { metric: metric.clone(), kind: kind.clone(), name: name.clone() },
        Query::Object { metric, selector, api_version, kind, name },
        target,
    ))
}

fn external(path: &str, source: &ExternalMetricSource, out: &mut Problems) -> Compiled {
    let (metric, selector) = identifier(&format!("{path}.metric"), &source.metric, out);
    let path = format!("{path}.target");
    let value = source.target.value.as_ref().map(|value| milli(&format!("{path}.value"), value, out));
    let average = source.target.average_value.as_ref().map(|value| milli(&format!("{path}.averageValue"), value, out));
    let target = match (value, average) {
        (Some(value), None) => Target::Value(value?),
        (None, Some(average)) => Target::AverageValue(average?),
        (None, None) => {
            out.add(path, "", "must have value or averageValue");
            return None;
        }
        (Some(_), Some(_)) => {
            out.add(path, "", "may not have both value and averageValue");
            return None;
        }
    };
    Some((SignalKind::External { metric: metric.clone(), selector: selector.clone() }, Query::External { metric, selector }, target))
}

fn prometheus(path: &str, source: &PrometheusMetricSource, out: &mut Problems) -> Compiled {
    let PrometheusMetricSource { name, query, source: server, target, when_empty, freshness } = source;
    for (field, text) in [("name", name), ("source", server)] {
        if text.is_empty() {
            out.add(format!("{path}.{field}"), "", "must not be empty");
        }
    }
    let window = check_query(&format!("{path}.query"), query, out);
    let target = prometheus_target(&format!("{path}.target"), target, out)?;
    let preset = match freshness {
        Freshness::Stored => source::preset::of(query),
        Freshness::Direct => source::preset::direct_of(query),
    };
    if *freshness == Freshness::Direct && preset.is_none() {
        out.add(format!("{path}.freshness"), "Direct", format!("needs the query of one of these presets: {}", preset::directs()));
    }
    let query = PrometheusQuery {
        name: name.clone(),
        source: server.clone(),
        query: query.clone(),
        window,
        when_empty: match when_empty {
            WhenEmpty::Absent => source::WhenEmpty::Absent,
            WhenEmpty::Zero => source::WhenEmpty::Zero,
        },
        preset,
    };
    Some((SignalKind::Prometheus { name: name.clone() }, Query::Prometheus(query), target))
}

fn prometheus_target(path: &str, target: &PrometheusTarget, out: &mut Problems) -> Option<Target> {
    let fields = [
        (PrometheusTargetType::Value, "value", &target.value),
        (PrometheusTargetType::AverageValue, "averageValue", &target.average_value),
        (PrometheusTargetType::Capacity, "capacity", &target.capacity),
    ];
    let mut chosen = None;
    for (kind, field, value) in fields {
        let path = format!("{path}.{field}");
        match value {
            Some(value) if kind == target.kind => chosen = milli(&path, value, out),
            None if kind != target.kind => {}
            given => {
                let value = given.as_ref().map_or("", |value| &value.0);
                out.add(path, value, format!("must be given with type {kind:?}, and only then"));
            }
        }
    }
    chosen.map(|value| match target.kind {
        PrometheusTargetType::Value => Target::Value(value),
        PrometheusTargetType::AverageValue => Target::AverageValue(value),
        PrometheusTargetType::Capacity => Target::Capacity(value),
    })
}

/// The server is the judge of `PromQL`, so what this parser does not know is only a warning. Gives how far the query looks back, 0 where
/// it cannot be parsed.
pub(crate) fn check_query(path: &str, query: &str, out: &mut Problems) -> Duration {
    if query.trim().is_empty() {
        out.add(path, query, "must not be empty");
        return Duration::ZERO;
    }
    if query.chars().count() > MAX_QUERY {
        // Nor is it parsed: a long one takes seconds, in which no other policy would be decided.
        out.add(path, query, format!("must have at most {MAX_QUERY} characters"));
        return Duration::ZERO;
    }
    let filled = source::PLACEHOLDERS.iter().fold(query.to_owned(), |text, placeholder| text.replace(placeholder, "x"));
    if let Some(start) = filled.find("${") {
        let unknown: String = filled[start..].chars().take_while(|c| *c != '}').chain(['}']).collect();
        out.add(path, unknown, format!("unknown placeholder; there are {}", source::PLACEHOLDERS.join(", ")));
        return Duration::ZERO;
    }
    // A parser that overflows its stack, or computes for seconds, would take all other policies with it.
    if let Err(why) = source::prometheus::check_bounds(&filled) {
        out.warn(path, query, format!("cannot be checked: {why}"));
        return Duration::ZERO;
    }
    match promql_parser::parser::parse(&filled) {
        Ok(expr) => {
            let steps = source::prometheus::steps(&expr);
            if steps > MAX_STEPS {
                out.add(path, query, format!("its subqueries make {steps:.0} steps; at most {MAX_STEPS} are allowed, so make the ranges shorter or the steps longer"));
            }
            source::prometheus::window(&expr)
        }
        Err(error) => {
            out.warn(path, query, format!("may not be PromQL: {error}"));
            Duration::ZERO
        }
    }
}

/// How far back a query looks that is known to be one.
pub(super) fn window(query: &str) -> Duration {
    check_query("", query, &mut Problems::default())
}

fn identifier(path: &str, metric: &MetricIdentifier, out: &mut Problems) -> (String, String) {
    path_segment(&format!("{path}.name"), &metric.name, out);
    let selector = metric.selector.as_ref().map(|selector| selector.to_text(&format!("{path}.selector"), out));
    (metric.name.clone(), selector.unwrap_or_default())
}

/// A field the stock API takes but does not use for this type: it must still be a positive quantity.
fn extra_value(path: &str, field: &str, value: Option<&Quantity>, out: &mut Problems) {
    if let Some(value) = value {
        milli(&format!("{path}.{field}"), value, out);
    }
}

/// A quantity above 0 in thousandths.
pub(super) fn milli(path: &str, value: &Quantity, out: &mut Problems) -> Option<f64> {
    match value.milli() {
        Ok(milli) if milli > 0 => return Some(milli as f64),
        Ok(_) => out.add(path, value, "must be above 0"),
        Err(error) => out.add(path, value, error.to_string()),
    }
    None
}

impl MetricType {
    /// Name of the field that belongs to the type.
    fn field(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::ContainerResource => "containerResource",
            Self::Pods => "pods",
            Self::Object => "object",
            Self::External => "external",
            Self::Prometheus => "prometheus",
            Self::Preset => "preset",
        }
    }
}

impl MetricSpec {
    /// Whether the metric has a value while the workload has no pods.
    pub(crate) fn works_without_pods(&self) -> bool {
        match &self.preset {
            Some(source) => source::preset::find(&source.name).is_some_and(source::preset::Preset::works_without_pods),
            None => matches!(self.kind, MetricType::Object | MetricType::External | MetricType::Prometheus),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subqueries_without_measure_are_refused() {
        for (query, allowed) in [
            ("max_over_time(rate(x[1m])[1h:30s])", true),
            ("max_over_time(rate(x[1m])[7d:])", true),
            ("max_over_time(rate(x[1m])[10y:])", false),
            ("max_over_time(rate(x[1m])[1d:1s])", false),
            ("max_over_time(max_over_time(x[2h:1m])[2h:1m])", false),
        ] {
            let mut problems = Problems::default();
            check_query("query", query, &mut problems);
            assert_eq!(problems.errors.is_empty(), allowed, "{query}");
        }
    }

    #[test]
    fn the_longest_range_counts() {
        for (query, seconds) in [
            ("up", 0),
            ("sum(rate(x{pod=~\"${pods}\"}[1m]))", 60),
            ("rate(a[1m]) / rate(b[5m])", 300),
            ("max_over_time(rate(x[1m])[10m:30s])", 660),
            ("-(quantile_over_time(0.9, x[90s]))", 90),
            ("sum(", 0),
        ] {
            assert_eq!(check_query("query", query, &mut Problems::default()), Duration::from_secs(seconds), "{query}");
        }
    }
}
