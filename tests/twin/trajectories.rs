//! Loads that change, edits, and hands on the replica count.

use serde_json::json;

use super::act::Act;
use super::scenario::{CPU, FINE, MEMORY, Scenario, container_cpu, cpu, external, object, once, pods, resource, spec, widget};
use crate::plane_support::{Load, PodState, Source};

const QPS: Source = Source::Pods { metric: "qps" };
const QUEUE: Source = Source::External { metric: "queue", labels: &[] };
const REQUESTS: Source = Source::Object { metric: "requests" };

/// All of them.
pub fn all() -> Vec<Scenario> {
    [waves(), edits(), hands(), surges()].concat()
}

fn total(source: &Source, value: i64) -> Act {
    Act::Load(source.clone(), Load::Total(value))
}

/// Up, half way down, up again: 4, 8, 4 and 6 pods' worth of load.
fn wave(name: &'static str, metric: serde_json::Value, source: &Source, pod: i64) -> Scenario {
    Scenario::new(name, 4, spec(1, 20, &[metric]))
        .load(source.clone(), Load::Total(4 * pod))
        .then(total(source, 8 * pod))
        .sizes(&[8])
        .then(total(source, 4 * pod))
        .sizes(&[4])
        .then(total(source, 6 * pod))
        .sizes(&[6])
}

fn waves() -> Vec<Scenario> {
    let queue = |value| Act::Load(QUEUE, Load::Each(value));
    vec![
        wave("cpu-wave", cpu(50), &CPU, 50),
        wave("memory-wave", resource("memory", "Utilization", &json!(50)), &MEMORY, 50),
        wave("container-wave", container_cpu("app", "Utilization", &json!(50)), &CPU, 50),
        wave("pods-wave", pods("qps", "10"), &QPS, 10_000),
        wave("object-value-wave", object("requests", "Value", "10"), &REQUESTS, 10_000),
        wave("statefulset-wave", cpu(50), &CPU, 50).with(|s| s.workload.kind = "StatefulSet"),
        wave("replicaset-wave", cpu(50), &CPU, 50).with(|s| s.workload.kind = "ReplicaSet"),
        // Any kind with a scale subresource; this one's status never follows.
        Scenario::new("custom-kind", 2, spec(1, 20, &[external("queue", "AverageValue", "100")]))
            .with(|s| s.target = Some(widget("custom-kind")))
            .setup(Act::Widget("app=custom-kind".into()))
            .load(QUEUE, Load::Each(650_000))
            .sizes(&[2, 4, 7])
            .then(Act::Load(QUEUE, Load::Each(300_000)))
            .sizes(&[3]),
        Scenario::new("queue-wave", 4, spec(1, 12, &[external("queue", "AverageValue", "100")]))
            .load(QUEUE, Load::Each(400_000))
            .then(queue(1_000_000))
            .sizes(&[8, 10])
            .then(queue(2_000_000))
            .sizes(&[12])
            .conditions("ReadyForNewScale ValidMetricFound TooManyReplicas")
            .then(queue(0))
            .sizes(&[1])
            .conditions("ReadyForNewScale ValidMetricFound TooFewReplicas"),
        Scenario::new("climb-doubles", 1, spec(1, 20, &[cpu(50)])).load(CPU, Load::Total(600)).sizes(&[4, 8, 12]),
        Scenario::new("two-metrics-take-turns", 4, spec(1, 20, &[cpu(50), pods("qps", "10")]))
            .load(CPU, Load::Total(200))
            .load(QPS, Load::Total(10_000))
            .then(total(&QPS, 60_000))
            .sizes(&[6])
            .then(total(&CPU, 400))
            .sizes(&[8])
            .then(total(&CPU, 100))
            .sizes(&[6]),
        // A dip shorter than the window is not followed; what comes after it is.
        Scenario::new("small-steps", 10, spec(1, 20, &[cpu(50)]))
            .load(CPU, Load::Total(500))
            .then(total(&CPU, 520))
            .then(total(&CPU, 560))
            .sizes(&[12]),
    ]
}

fn edits() -> Vec<Scenario> {
    let start = |name| Scenario::new(name, 4, spec(1, 20, &[cpu(50)])).load(CPU, Load::Total(200));
    vec![
        start("target-edited").then(Act::Edit(json!({"metrics": [cpu(25)]}))).sizes(&[8]),
        start("metric-added")
            .then(Act::Load(QUEUE, Load::Each(600_000)))
            .and(Act::Edit(json!({"metrics": [cpu(50), {"type": "External", "external": {
                "metric": {"name": "queue.metric-added"}, "target": {"type": "AverageValue", "averageValue": "100"}}}]})))
            .sizes(&[6]),
        start("tolerance-edited")
            .then(total(&CPU, 216))
            .then(Act::Edit(json!({"behavior": {"scaleUp": {"tolerance": "0.05"}}})))
            .sizes(&[5]),
        start("unready-then-ready")
            .then(Act::Shape(vec![PodState::READY, PodState::READY, PodState::READY, PodState::NEVER_READY]))
            // 1.3 over the three that are ready; with the other one at 0 it is below the target: keep.
            .then(total(&CPU, 260))
            .then(Act::Shape(vec![]))
            .sizes(&[6]),
    ]
}

fn hands() -> Vec<Scenario> {
    let start = |name| Scenario::new(name, 4, spec(1, 20, &[cpu(50)])).load(CPU, Load::Total(200));
    vec![
        start("hand-up").then(Act::Scale(8)).sizes(&[8, 4]),
        start("hand-down").then(Act::Scale(2)).sizes(&[2, 4]),
        start("hand-above-max").then(Act::Scale(25)).sizes(&[25, 20, 4]),
        start("hand-within-behavior")
            .with(|s| s.spec["behavior"] = json!({"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 5}]}}))
            .then(Act::Scale(6))
            .sizes(&[6, 5, 4]),
    ]
}

/// Four pods and one that a rollout has surged above them, all ready.
fn surges() -> Vec<Scenario> {
    let surge = |name, metric| {
        Scenario::new(name, 4, spec(1, 20, &[metric]))
            .with(|s| {
                // Never available, so the rollout stops with its first surge pod.
                s.workload.min_ready_seconds = 100_000;
                s.alive = Some(5);
            })
            .setup(Act::Rollout)
    };
    vec![
        surge("surge-cpu", cpu(50)).load(CPU, once(5, 60, 50)).sizes(&[6]).differs("a surge doesn't raise the base", &[(&[5], FINE)]),
        surge("surge-average", external("queue", "AverageValue", "100"))
            .load(QUEUE, Load::Each(440_000))
            .sizes(&[5])
            .differs("an average is taken over spec.replicas", &[(&[], FINE)]),
    ]
}
