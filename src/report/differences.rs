//! A policy beside a `HorizontalPodAutoscaler`: what they say, field by field, and what each makes of this moment.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::columns::{Cell, Columns};
use super::page::wrap;
use super::span::length;
use crate::api::report::{metrics_text, signal_reports, value_and_target};
use crate::api::scale_policy::Mode;
use crate::api::{Compiled, ScalePolicySpec, ScalePolicyStatus};
use crate::core::{Amount, Behavior, RatePolicy, ScalingRules, Select, Target};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const DIFFERENT: Style = AnsiColor::Yellow.on_default();

/// A policy, or a `HorizontalPodAutoscaler` read as one: its spec is one.
pub struct Side {
    /// As kind and name.
    pub name: String,
    /// What is written.
    pub spec: ScalePolicySpec,
    /// What it means.
    pub compiled: Compiled,
    /// What was seen and decided last; absent where there is only a file.
    pub status: Option<ScalePolicyStatus>,
}

/// The comparison, as `ballast diff -o json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Differences {
    /// Namespace of both.
    pub namespace: String,
    /// The policy.
    pub policy: String,
    /// The `HorizontalPodAutoscaler`.
    pub hpa: String,
    /// Whether all fields mean the same. What each decides now does not count.
    pub same: bool,
    /// Row by field.
    pub fields: Vec<Row>,
    /// What each makes of this moment.
    pub now: Vec<Row>,
}

/// One field of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its path.
    pub field: String,
    /// What the policy has; null where it has none.
    pub policy: Option<String>,
    /// What the `HorizontalPodAutoscaler` has.
    pub hpa: Option<String>,
    /// Whether that is the same.
    pub same: bool,
}

// === impl Row ===

impl Row {
    fn new(field: impl Into<String>, policy: Option<String>, hpa: Option<String>) -> Self {
        let same = policy == hpa;
        Self { field: field.into(), policy, hpa, same }
    }

    fn both(field: &str, policy: &impl ToString, hpa: &impl ToString) -> Self {
        Self::new(field, Some(policy.to_string()), Some(hpa.to_string()))
    }
}

// === impl Differences ===

impl Differences {
    /// Compares them, with defaults filled in on both sides.
    pub fn of(namespace: &str, policy: &Side, hpa: &Side) -> Self {
        let mut fields = vec![
            Row::both("scaleTargetRef", &policy.compiled.target, &hpa.compiled.target),
            Row::both("minReplicas", &policy.compiled.policy.min_replicas, &hpa.compiled.policy.min_replicas),
            Row::both("maxReplicas", &policy.compiled.policy.max_replicas, &hpa.compiled.policy.max_replicas),
        ];
        fields.extend(metrics(policy, hpa));
        fields.extend(behavior(policy, hpa));
        fields.push(Row::both("sync period", &interval(policy), &interval(hpa)));
        fields.extend(own(&policy.spec).into_iter().map(|(field, text)| Row::new(field, Some(text), None)));
        let same = fields.iter().all(|field| field.same);
        let (namespace, policy_name, hpa_name) = (namespace.to_owned(), policy.name.clone(), hpa.name.clone());
        Self { namespace, policy: policy_name, hpa: hpa_name, same, fields, now: now(policy, hpa) }
    }
}

/// The targets of the metrics that both have, then of those that one has.
fn metrics(policy: &Side, hpa: &Side) -> Vec<Row> {
    let (ours, theirs) = (targets(policy), targets(hpa));
    let find = |side: &[Metric], name: &str| side.iter().find(|metric| metric.name == name).cloned();
    let mut fields: Vec<Row> = ours
        .iter()
        .map(|metric| {
            let other = find(&theirs, &metric.name);
            let field =
                Row::new(format!("metrics[{}]", metric.name), Some(metric.target.clone()), other.as_ref().map(|m| m.target.clone()));
            match other {
                // Alike in name and target, but another series.
                Some(other) if field.same && other.query != metric.query => {
                    Row { hpa: Some(format!("{} of another selector or object", other.target)), same: false, ..field }
                }
                _ => field,
            }
        })
        .collect();
    let only = theirs.iter().filter(|metric| find(&ours, &metric.name).is_none());
    fields.extend(only.map(|metric| Row::new(format!("metrics[{}]", metric.name), None, Some(metric.target.clone()))));
    fields
}

#[derive(Clone)]
struct Metric {
    name: String,
    target: String,
    query: String,
}

fn targets(side: &Side) -> Vec<Metric> {
    let Compiled { policy, queries, .. } = &side.compiled;
    // Without metrics in the spec there is the default one, a Resource.
    let kind = |index: usize| side.spec.metrics.get(index).map_or_else(|| "Resource".to_owned(), |metric| format!("{:?}", metric.kind));
    let signals = policy.signals.iter().zip(queries).enumerate();
    signals
        .map(|(index, (signal, query))| {
            let text = value_and_target(&signal.target, query, None).1;
            let target = match signal.target {
                Target::Utilization(_) => text,
                Target::AverageValue(_) => format!("{text} per pod"),
                Target::Value(_) => format!("{text} in all"),
                Target::Capacity(_) => format!("{text} per pod at most"),
            };
            let name = match kind(index).as_str() {
                "Resource" | "ContainerResource" => signal.name().to_string(),
                kind => format!("{kind} {}", signal.name()),
            };
            Metric { name, target, query: format!("{query:?}") }
        })
        .collect()
}

fn behavior(policy: &Side, hpa: &Side) -> Vec<Row> {
    let (ours, theirs) = (&policy.compiled.policy, &hpa.compiled.policy);
    let mut fields = Vec::new();
    if ours.behavior.is_none() && theirs.behavior.is_none() {
        fields.push(Row::both("behavior", &"default", &"default"));
    } else {
        type Direction = fn(&Behavior) -> &ScalingRules;
        let directions: [(&str, Direction, Duration); 2] =
            [("scaleUp", |behavior| &behavior.up, Duration::ZERO), ("scaleDown", |behavior| &behavior.down, ours.downscale_stabilization)];
        for (name, direction, window) in directions {
            let [ours, theirs] = [&ours.behavior, &theirs.behavior].map(|behavior| behavior.as_ref().map(direction));
            let windows = [ours, theirs].map(|rules| length(rules.map_or(window, |rules| rules.window)));
            fields.push(Row::both(&format!("behavior.{name}.stabilizationWindow"), &windows[0], &windows[1]));
            let policies = [ours, theirs].map(|rules| rules.map_or_else(|| without(name), rates));
            fields.push(Row::both(&format!("behavior.{name}.policies"), &policies[0], &policies[1]));
        }
    }
    let percent = |ratio: f64| format!("{}%", (ratio * 100_000.0).round() / 1000.0);
    for (name, ours, theirs) in
        [("scaleUp", ours.tolerance.up, theirs.tolerance.up), ("scaleDown", ours.tolerance.down, theirs.tolerance.down)]
    {
        fields.push(Row::both(&format!("behavior.{name}.tolerance"), &percent(ours), &percent(theirs)));
    }
    fields
}

/// How fast the size may go where no behavior is given.
fn without(direction: &str) -> String {
    if direction == "scaleUp" { "to the double, or 4, per decision" } else { "any" }.to_owned()
}

fn rates(rules: &ScalingRules) -> String {
    let word = match rules.select {
        Select::Disabled => return "Disabled".to_owned(),
        Select::Max => " or ",
        Select::Min => " and ",
    };
    let rate = |policy: &RatePolicy| {
        let amount = match policy.amount {
            Amount::Pods(pods) => format!("{pods} pods"),
            Amount::Percent(percent) => format!("{percent}%"),
        };
        format!("{amount} per {}", length(policy.period))
    };
    rules.policies.iter().map(rate).collect::<Vec<_>>().join(word)
}

fn interval(side: &Side) -> String {
    let text = length(side.compiled.policy.interval);
    if side.spec.interval_seconds.is_some() { text } else { format!("{text} (controller's default)") }
}

/// What a policy may say and a `HorizontalPodAutoscaler` may not, where this one does.
fn own(spec: &ScalePolicySpec) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if spec.mode == Mode::Recommend {
        fields.push(("mode", "Recommend".to_owned()));
    }
    if let Some(pause) = &spec.pause {
        fields.push(("pause", format!("{:?}", pause.direction)));
    }
    let names: Vec<&str> = spec.schedules.iter().map(|schedule| schedule.name.as_str()).collect();
    if !names.is_empty() {
        fields.push(("schedules", names.join(", ")));
    }
    if let Some(smoothing) = &spec.smoothing {
        fields.push(("smoothing", format!("{:?}", smoothing.kind)));
    }
    if let Some(forecast) = &spec.forecast {
        fields.push(("forecast", format!("{:?}", forecast.mode)));
    }
    if spec.fallback.is_some() {
        fields.push(("fallback", "given".to_owned()));
    }
    if let Some(seconds) = spec.warm_up_seconds {
        fields.push(("warmUpSeconds", seconds.to_string()));
    }
    fields
}

/// Sizes and values of both as their status has them.
fn now(policy: &Side, hpa: &Side) -> Vec<Row> {
    let row = |field: &str, show: &dyn Fn(&ScalePolicyStatus, &Compiled) -> Option<String>| {
        let show = |side: &Side| decided(side).and_then(|status| show(status, &side.compiled));
        Row::new(field, show(policy), show(hpa))
    };
    let number = |number: Option<i32>| number.map(|number| number.to_string());
    let mut fields = vec![
        row("replicas", &|status, _| number(status.current_replicas)),
        row("desired", &|status, _| number(status.desired_replicas)),
        row("wanted by the metrics", &|status, _| number(status.decision.as_ref()?.wanted)),
        row("metrics", &|status, compiled| Some(metrics_text(compiled, &signal_reports(compiled, &status.current_metrics)))),
    ];
    let why = |side: &Side| match decided(side) {
        Some(status) => said(status),
        None => side.status.as_ref().map(|_| "not decided yet".to_owned()),
    };
    fields.push(Row::new("why", why(policy), why(hpa)));
    fields.retain(|field| field.policy.is_some() || field.hpa.is_some());
    fields
}

/// The status of one that was looked at; before, it has a desired size of 0 that nobody desires.
fn decided(side: &Side) -> Option<&ScalePolicyStatus> {
    side.status.as_ref().filter(|status| status.decision.is_some() || !status.conditions.is_empty())
}

/// The reason of the decision, or, where none is told, the first condition that is not as it should be, or else what limits the size.
fn said(status: &ScalePolicyStatus) -> Option<String> {
    if let Some(decision) = &status.decision {
        return Some(decision.message.clone());
    }
    let find = |kinds: &[&str], bad: &str| status.conditions.iter().find(|c| kinds.contains(&c.type_.as_str()) && c.status == bad);
    if let Some(failing) = find(&["AbleToScale", "ScalingActive"], "False") {
        return Some(format!("{}: {}", failing.reason, failing.message));
    }
    let told = find(&["ScalingLimited"], "True").or_else(|| find(&["AbleToScale"], "True"));
    told.map(|condition| condition.message.clone())
}

/// The comparison for terminals, with ANSI styles.
pub fn differences_page(differences: &Differences, width: usize) -> String {
    let Differences { namespace, policy, hpa, fields, now, same } = differences;
    let mut text = format!("{BOLD}{policy} against {hpa} in {namespace}{BOLD:#}\n\n");
    let row = |field: &Row| {
        let style = if field.same { Style::new() } else { DIFFERENT };
        let show = |text: &Option<String>| Cell::styled(text.clone().unwrap_or_else(|| "-".to_owned()), style);
        let name = format!("{} {}", if field.same { ' ' } else { '~' }, field.field);
        vec![Cell::styled(name, style), show(&field.policy), show(&field.hpa)]
    };
    let head = |name: &str| [name, "POLICY", "HPA"].map(|name| Cell::styled(name.to_owned(), BOLD)).to_vec();
    let rows: Vec<Vec<Cell>> = std::iter::once(head("  FIELD")).chain(fields.iter().map(row)).collect();
    let mut columns = Columns::default();
    for row in &rows {
        columns.fit(row);
    }
    for row in &rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", columns.line(row, usize::MAX));
    }
    if !now.is_empty() {
        let _ = writeln!(text, "\n{BOLD}  AT THIS MOMENT{BOLD:#}");
    }
    for field in now {
        for (side, value) in [("policy", &field.policy), ("HPA", &field.hpa)] {
            let Some(value) = value else { continue };
            let label = format!("  {:<22} {side:<6} ", field.field);
            for (index, words) in wrap(value, width.saturating_sub(label.len()).max(20)).iter().enumerate() {
                let label = if index == 0 { label.clone() } else { " ".repeat(label.len()) };
                let _ = writeln!(text, "{DIM}{label}{DIM:#}{words}");
            }
        }
    }
    let count = fields.iter().filter(|field| !field.same).count();
    let verdict = if *same { "the fields mean the same".to_owned() } else { format!("{count} of {} fields differ", fields.len()) };
    let _ = writeln!(text, "\n{BOLD}{verdict}{BOLD:#}");
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{Defaults, ScalePolicy, compile};

    fn side(kind: &str, more: &Value, status: Option<&Value>) -> Side {
        let mut spec = json!({
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "minReplicas": 2, "maxReplicas": 10,
            "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } }],
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let spec: ScalePolicySpec = serde_json::from_value(spec).unwrap();
        let compiled = compile(&ScalePolicy::new("web", spec.clone()), &Defaults::default()).unwrap();
        let status = status.map(|status| serde_json::from_value(status.clone()).unwrap());
        Side { name: format!("{kind}/web"), spec, compiled, status }
    }

    fn compare(policy: &Value, hpa: &Value) -> Differences {
        Differences::of("shop", &side("ScalePolicy", policy, None), &side("HorizontalPodAutoscaler", hpa, None))
    }

    fn different(differences: &Differences) -> Vec<(&str, Option<&str>, Option<&str>)> {
        let fields = differences.fields.iter().filter(|field| !field.same);
        fields.map(|field| (field.field.as_str(), field.policy.as_deref(), field.hpa.as_deref())).collect()
    }

    #[test]
    fn the_same_spec_means_the_same_also_with_defaults_written_out() {
        let explicit = json!({ "behavior": {
            "scaleUp": { "stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
                { "type": "Pods", "value": 4, "periodSeconds": 15 }, { "type": "Percent", "value": 100, "periodSeconds": 15 }] },
            "scaleDown": { "stabilizationWindowSeconds": 300, "policies": [{ "type": "Percent", "value": 100, "periodSeconds": 15 }], "tolerance": "0.1" } },
        });
        assert!(compare(&json!({}), &json!({})).same);
        let filled = compare(&explicit, &json!({ "behavior": {} }));
        assert!(filled.same, "{:?}", different(&filled));
    }

    #[test]
    fn each_field_that_differs_is_told() {
        let query = json!({ "type": "Prometheus", "prometheus": { "name": "rps", "query": "sum(rate(http_requests_total[1m]))",
            "target": { "type": "AverageValue", "averageValue": "20" } } });
        let cpu =
            json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 60 } } });
        let external =
            json!({ "type": "External", "external": { "metric": { "name": "queue" }, "target": { "type": "Value", "value": "30" } } });
        let policy = json!({ "maxReplicas": 20, "metrics": [cpu, query], "intervalSeconds": 5, "mode": "Recommend", "smoothing": { "type": "None" } });
        let cpu =
            json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } });
        let hpa = json!({ "metrics": [cpu, external], "behavior": { "scaleDown": { "selectPolicy": "Disabled", "tolerance": "0.05" } } });
        let differences = compare(&policy, &hpa);
        assert_eq!(
            different(&differences),
            [
                ("maxReplicas", Some("20"), Some("10")),
                ("metrics[cpu]", Some("60%"), Some("70%")),
                ("metrics[Prometheus rps]", Some("20 per pod"), None),
                ("metrics[External queue]", None, Some("30 in all")),
                ("behavior.scaleUp.policies", Some("to the double, or 4, per decision"), Some("4 pods per 15 s or 100% per 15 s")),
                ("behavior.scaleDown.policies", Some("any"), Some("Disabled")),
                ("behavior.scaleDown.tolerance", Some("10%"), Some("5%")),
                ("sync period", Some("5 s"), Some("15 s (controller's default)")),
                ("mode", Some("Recommend"), None),
                ("smoothing", Some("None"), None),
            ]
        );
        let page = anstream::adapter::strip_str(&differences_page(&differences, 100)).to_string();
        assert!(page.contains("~ maxReplicas") && page.contains("  minReplicas") && page.contains("10 of 15 fields differ"), "{page}");
    }

    #[test]
    fn a_metric_of_another_selector_is_another_one() {
        let external = |queue: &str| {
            json!({ "metrics": [{ "type": "External", "external": { "metric": { "name": "queue", "selector": { "matchLabels": { "queue": queue } } },
                "target": { "type": "Value", "value": "30" } } }] })
        };
        assert!(compare(&external("a"), &external("a")).same);
        assert!(!compare(&external("a"), &external("b")).same);
    }

    #[test]
    fn the_moment_shows_sizes_values_and_reasons_and_does_not_count() {
        let metric = |percent: i32| json!([{ "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": percent, "averageValue": "70m" } } }]);
        let ours = json!({ "currentReplicas": 4, "desiredReplicas": 4, "currentMetrics": metric(71), "decision": { "time": "2026-07-01T12:00:00Z",
            "from": 4, "to": 4, "verdict": "Held", "reason": "Stabilized", "message": "held at 4: wants 3", "wanted": 3 } });
        let condition = json!({ "type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "the desired replica count is more",
            "lastTransitionTime": "2026-07-01T12:00:00Z" });
        let theirs = json!({ "currentReplicas": 4, "desiredReplicas": 5, "currentMetrics": metric(72), "conditions": [condition] });
        let differences = Differences::of(
            "shop",
            &side("ScalePolicy", &json!({}), Some(&ours)),
            &side("HorizontalPodAutoscaler", &json!({}), Some(&theirs)),
        );
        assert!(differences.same);
        let page = anstream::adapter::strip_str(&differences_page(&differences, 100)).to_string();
        for line in [
            "  desired                policy 4\n",
            "  desired                HPA    5\n",
            "  wanted by the metrics  policy 3\n",
            "  metrics                policy cpu: 71%/70%\n",
            "  why                    policy held at 4: wants 3\n",
            "  why                    HPA    the desired replica count is more\n",
            "\nthe fields mean the same\n",
        ] {
            assert!(page.contains(line), "{line}\n---\n{page}");
        }
    }
}
