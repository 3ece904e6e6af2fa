//! Rate policies and stabilization windows over time.

use serde_json::{Value, json};

use super::act::Act;
use super::scenario::{CPU, FINE, Scenario, behaving, cpu};
use crate::plane_support::Load;

fn rates(direction: &str, select: &str, window: u32, policies: &[(&str, u32, u32)]) -> Value {
    let policies: Vec<Value> =
        policies.iter().map(|(kind, v, period)| json!({"type": kind, "value": v, "periodSeconds": period})).collect();
    json!({direction: {"selectPolicy": select, "stabilizationWindowSeconds": window, "policies": policies}})
}

/// All of them. Loads are totals, 50 for each wanted pod.
pub fn all() -> Vec<Scenario> {
    let run = |name, from, total, behavior: Value| {
        Scenario::new(name, from, behaving(1, 20, &[cpu(50)], &behavior)).load(CPU, Load::Total(total))
    };
    let up = |select, policies| rates("scaleUp", select, 0, policies);
    let down = |select, policies| rates("scaleDown", select, 0, policies);
    vec![
        run("up-pods", 2, 400, up("Max", &[("Pods", 2, 6)])).sizes(&[4, 6, 8]),
        run("up-percent", 4, 600, up("Max", &[("Percent", 50, 6)])).sizes(&[6, 9, 12]),
        run("up-select-min", 2, 250, up("Min", &[("Pods", 1, 6), ("Percent", 100, 6)])).sizes(&[3, 4, 5]),
        run("up-select-max", 2, 450, up("Max", &[("Pods", 1, 6), ("Percent", 100, 6)])).sizes(&[4, 8, 9]),
        run("up-budget-is-used-up", 2, 400, up("Max", &[("Pods", 2, 600)]))
            .sizes(&[4])
            .conditions("ReadyForNewScale ValidMetricFound ScaleUpLimit"),
        run("up-disabled", 4, 400, json!({"scaleUp": {"selectPolicy": "Disabled"}}))
            .conditions("ReadyForNewScale ValidMetricFound ScaleUpLimit"),
        run("down-pods", 6, 150, down("Max", &[("Pods", 1, 6)])).sizes(&[5, 4, 3]),
        run("down-percent", 10, 100, down("Max", &[("Percent", 50, 6)])).sizes(&[5, 2]),
        run("down-select-min", 8, 200, down("Min", &[("Pods", 1, 6), ("Percent", 50, 6)])).sizes(&[7, 6, 5, 4]),
        run("down-disabled", 6, 150, json!({"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}}))
            .conditions("ReadyForNewScale ValidMetricFound ScaleDownLimit"),
        run("down-at-once", 10, 100, json!({"scaleDown": {"stabilizationWindowSeconds": 0}})).sizes(&[2]),
        run("down-default-window", 8, 200, json!({})).sizes(&[4]),
        run("down-window", 8, 200, json!({"scaleDown": {"stabilizationWindowSeconds": 20}})).sizes(&[4]),
        run("up-window", 4, 300, json!({"scaleUp": {"stabilizationWindowSeconds": 8}})).sizes(&[6]),
        run("up-window-holds", 4, 300, json!({"scaleUp": {"stabilizationWindowSeconds": 600}}))
            .conditions("ScaleUpStabilized ValidMetricFound DesiredWithinRange"),
        run("down-window-holds", 4, 100, json!({"scaleDown": {"stabilizationWindowSeconds": 600}}))
            .conditions("ScaleDownStabilized ValidMetricFound DesiredWithinRange"),
        run("disabled-then-enabled", 4, 300, json!({"scaleUp": {"selectPolicy": "Disabled"}}))
            .conditions("ReadyForNewScale ValidMetricFound ScaleUpLimit")
            .then(Act::Edit(json!({"behavior": {"scaleUp": {"selectPolicy": "Max"}}})))
            .sizes(&[6]),
        // Sizes that fall give the budget of growth back.
        run(
            "up-then-down-then-up",
            4,
            400,
            json!({
                "scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 600}]},
                "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}]},
            }),
        )
        .sizes(&[8])
        .then(Act::Load(CPU, Load::Total(300)))
        .sizes(&[6])
        .then(Act::Load(CPU, Load::Total(400)))
        .sizes(&[8])
        .conditions(FINE),
    ]
}
