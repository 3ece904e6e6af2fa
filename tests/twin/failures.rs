//! Metrics, targets and selectors that fail.

use serde_json::json;

use super::act::Act;
use super::scenario::{CPU, FINE, Scenario, container_cpu, cpu, external, object, once, pods, spec, widget};
use crate::plane_support::{Container, Fault, Load, Source};

const QUEUE: Source = Source::External { metric: "queue", labels: &[] };
const COMPUTE: &str = "FailedComputeMetricsReplicas";

/// All of them.
pub fn all() -> Vec<Scenario> {
    [metrics(), several(), targets()].concat()
}

/// Nothing is done, and the conditions and Warnings name the metric.
fn silent(scenario: Scenario, reason: &'static str) -> Scenario {
    scenario.sizes(&[]).conditions(&format!("SucceededGetScale {reason} -")).warnings(&[reason, COMPUTE])
}

fn metrics() -> Vec<Scenario> {
    let first = |name, metric| Scenario::first(name, 4, spec(1, 20, &[metric]));
    let alone = |s: &mut Scenario| s.alone = true;
    let bare = Container { name: "bare", cpu: None, memory: None };
    let resource = "FailedGetResourceMetric";
    vec![
        silent(first("request-missing", cpu(50)), resource)
            .with(|s| s.workload.containers = vec![Container::APP, bare])
            .load(CPU, Load::Each(80))
            .load(Source::Cpu { container: "bare" }, Load::Each(80)),
        silent(first("container-absent", container_cpu("nobody", "Utilization", &json!(50))), "FailedGetContainerResourceMetric")
            .load(CPU, Load::Each(80)),
        silent(first("resource-empty", cpu(50)), resource),
        silent(first("resource-500", cpu(50)), resource).with(alone).load(CPU, Load::Each(80)).fault("resource", Fault::Status(500)),
        silent(first("resource-garbage", cpu(50)), resource).with(alone).load(CPU, Load::Each(80)).fault("resource", Fault::Garbage),
        silent(first("pods-empty", pods("qps", "10")), "FailedGetPodsMetric"),
        silent(first("pods-500", pods("qps", "10")), "FailedGetPodsMetric").fault("qps", Fault::Status(500)),
        silent(first("object-404", object("requests", "Value", "100")), "FailedGetObjectMetric"),
        silent(first("object-empty", object("requests", "AverageValue", "100")), "FailedGetObjectMetric").fault("requests", Fault::Empty),
        silent(first("external-empty", external("queue", "AverageValue", "100")), "FailedGetExternalMetric"),
        silent(first("external-500", external("queue", "Value", "100")), "FailedGetExternalMetric").fault("queue", Fault::Status(500)),
        silent(first("external-garbage", external("queue", "AverageValue", "100")), "FailedGetExternalMetric")
            .fault("queue", Fault::Garbage),
    ]
}

fn several() -> Vec<Scenario> {
    let two = |name| Scenario::first(name, 4, spec(1, 20, &[external("queue", "AverageValue", "100"), cpu(50)]));
    vec![
        two("one-fails-other-up").load(CPU, once(4, 80, 50)).sizes(&[7]).warnings(&["FailedGetExternalMetric"]),
        two("one-fails-other-steady").load(CPU, once(4, 52, 50)).sizes(&[]).warnings(&["FailedGetExternalMetric"]),
        silent(two("one-fails-other-down").load(CPU, once(4, 20, 50)), "FailedGetExternalMetric"),
        // The first failing metric names the condition; every failing one has its own Warning.
        silent(two("all-fail"), "FailedGetExternalMetric").warnings(&["FailedGetExternalMetric", "FailedGetResourceMetric", COMPUTE]),
        Scenario::new("outage-and-return", 4, spec(1, 20, &[external("queue", "AverageValue", "100")]))
            .load(QUEUE, Load::Each(400_000))
            .then(Act::Fault("queue", Some(Fault::Status(503))))
            .conditions("SucceededGetScale FailedGetExternalMetric DesiredWithinRange")
            .then(Act::Fault("queue", None))
            .and(Act::Load(QUEUE, Load::Each(600_000)))
            .sizes(&[6])
            .warnings(&["FailedGetExternalMetric", COMPUTE]),
    ]
}

fn targets() -> Vec<Scenario> {
    let missing = |name, target: serde_json::Value| {
        Scenario::first(name, 4, spec(1, 20, &[cpu(50)]))
            .with(|s| s.target = Some(target))
            .conditions("FailedGetScale - -")
            .warnings(&["FailedGetScale"])
    };
    let selector = |name, text: &str, reason: &str, warning| {
        missing(name, widget(name))
            .setup(Act::Widget(text.to_owned()))
            .sizes(&[2])
            .conditions(&format!("SucceededGetScale {reason} -"))
            .warnings(&[warning, COMPUTE])
    };
    vec![
        missing("target-missing", json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"})),
        missing("target-kind-unknown", json!({"apiVersion": "shop.test/v1", "kind": "Gadget", "name": "nobody"})),
        missing("target-without-scale", json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "nobody"})),
        selector("selector-empty", "", "InvalidSelector", "SelectorRequired"),
        // The stock client refuses to decode such a Scale.
        selector("selector-unparsable", "app in (", "InvalidSelector", "InvalidSelector")
            .conditions("FailedGetScale - -")
            .warnings(&["FailedGetScale"])
            .differs("an unreadable selector is called that", &[(&[2], "SucceededGetScale InvalidSelector -")])
            .with(|s| s.differs.as_mut().unwrap().warnings = Some(vec!["InvalidSelector", COMPUTE])),
        Scenario::first("selector-ambiguous", 4, spec(1, 20, &[cpu(50)]))
            .load(CPU, Load::Each(50))
            .setup(Act::SecondPolicy)
            .conditions("SucceededGetScale AmbiguousSelector -")
            .then(Act::Load(CPU, Load::Each(80)))
            .conditions("SucceededGetScale AmbiguousSelector -")
            .warnings(&["AmbiguousSelector", COMPUTE]),
        Scenario::new("target-comes-back", 4, spec(1, 20, &[cpu(50)]))
            .load(CPU, Load::Total(200))
            .then(Act::DeleteTarget)
            .conditions("FailedGetScale * DesiredWithinRange")
            .then(Act::CreateTarget(2))
            .sizes(&[2, 4])
            .conditions(FINE)
            .warnings(&["FailedGetScale"])
            // For a moment the target has no pods.
            .with(|s| s.may_warn = vec!["FailedGetResourceMetric", COMPUTE]),
    ]
}
