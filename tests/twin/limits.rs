//! Bounds, zero, and the rate limit of a policy without behavior.

use serde_json::json;

use super::act::Act;
use super::scenario::{CPU, FINE, Scenario, behaving, cpu, once, spec};
use crate::plane_support::Load;

/// All of them.
pub fn all() -> Vec<Scenario> {
    let first = |name, replicas, min, max| Scenario::first(name, replicas, spec(min, max, &[cpu(50)]));
    let run = |name, replicas, min, max| Scenario::new(name, replicas, spec(min, max, &[cpu(50)]));
    let fewer = "ReadyForNewScale ValidMetricFound TooFewReplicas";
    let more = "ReadyForNewScale ValidMetricFound TooManyReplicas";
    vec![
        // Ratio 4 asks for 12; without behavior the size may double, or reach 4. The proposal stays in the window as it was, so that
        // it is reached even though the load is content with less.
        first("cap-doubles", 3, 1, 20).load(CPU, once(3, 200, 50)).sizes(&[6, 12]),
        first("cap-at-least-four", 1, 1, 20)
            .load(CPU, once(1, 500, 50))
            .sizes(&[4, 8, 10])
            .differs("after the first look the size may grow tenfold", &[(&[4, 10], FINE)]),
        // An empty behavior switches to its own defaults: 4 pods or 100 %.
        Scenario::first("behavior-empty", 3, behaving(1, 20, &[cpu(50)], &json!({}))).only_first().load(CPU, once(3, 200, 50)).sizes(&[7]),
        first("above-max", 8, 1, 5).load(CPU, Load::Each(50)).sizes(&[5]),
        first("below-min", 2, 4, 10).load(CPU, Load::Each(50)).sizes(&[4]),
        first("above-max-without-metrics", 8, 1, 5)
            .sizes(&[5])
            .conditions("SucceededGetScale FailedGetResourceMetric -")
            .warnings(&["FailedGetResourceMetric", "FailedComputeMetricsReplicas"]),
        first("too-many", 4, 1, 5).load(CPU, Load::Each(80)).sizes(&[5]).conditions(more),
        first("too-few", 4, 2, 10).load(CPU, Load::Each(10)).sizes(&[2]).conditions(fewer),
        first("at-max", 5, 1, 5).load(CPU, Load::Each(80)).conditions(more),
        first("at-min", 2, 2, 10).load(CPU, Load::Each(10)).conditions(fewer),
        first("zero-is-off", 0, 1, 10).conditions("SucceededGetScale ScalingDisabled -"),
        run("zero-and-back", 4, 1, 10)
            .load(CPU, Load::Total(200))
            .then(Act::Scale(0))
            .sizes(&[0])
            .conditions("SucceededGetScale ScalingDisabled DesiredWithinRange")
            .then(Act::Scale(2))
            .sizes(&[2, 4])
            .conditions(FINE)
            // The pods may be gone before the watch brings the new size.
            .with(|s| s.may_warn = vec!["FailedGetResourceMetric", "FailedComputeMetricsReplicas"]),
        run("min-raised-and-lowered", 4, 1, 10)
            .load(CPU, Load::Total(200))
            .then(Act::Edit(json!({"minReplicas": 6})))
            .sizes(&[6])
            .conditions(fewer)
            .then(Act::Edit(json!({"minReplicas": 1})))
            .sizes(&[4])
            .conditions(FINE),
        run("max-lowered-and-raised", 8, 1, 10)
            .load(CPU, Load::Total(400))
            .then(Act::Edit(json!({"maxReplicas": 5})))
            .sizes(&[5])
            .conditions(more)
            .then(Act::Edit(json!({"maxReplicas": 10})))
            .sizes(&[8])
            .conditions(FINE),
    ]
}
