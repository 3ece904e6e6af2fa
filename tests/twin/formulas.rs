//! First decisions from the pods' own numbers: formulas, pod classes, tolerance. Requests are 100m and 100Mi, so usage reads as percent.

use serde_json::json;

use super::act::Act;
use super::scenario::{CPU, MEMORY, Scenario, behaving, container_cpu, cpu, each, once, pods, resource, spec};
use crate::plane_support::{Container, PodState, Source};

const SIDECAR: Container = Container { name: "sidecar", ..Container::APP };
const QPS: Source = Source::Pods { metric: "qps" };

/// All of them.
pub fn all() -> Vec<Scenario> {
    [ratios(), classes(), kinds()].concat()
}

/// Four pods, target 50 %, all with the same usage.
fn uniform(name: &'static str, usage: i64) -> Scenario {
    Scenario::first(name, 4, spec(1, 20, &[cpu(50)])).load(CPU, once(4, usage, 50))
}

fn ratios() -> Vec<Scenario> {
    let whole = Container { cpu: Some(1000), ..Container::APP };
    let tolerance = |side: &str, value: &str| json!({side: {"tolerance": value}});
    vec![
        uniform("cpu-up", 80).sizes(&[7]),
        uniform("cpu-down", 20).sizes(&[2]),
        uniform("cpu-in-tolerance", 54).sizes(&[]),
        uniform("cpu-at-upper-bound", 55).sizes(&[]),
        uniform("cpu-at-lower-bound", 45).sizes(&[]),
        uniform("cpu-just-above-band", 56).sizes(&[5]),
        // 55.9 % reads as 55 %, inside the band; exactly it would be 1.118 times the target.
        Scenario::first("cpu-truncated", 4, spec(1, 20, &[cpu(50)]))
            .with(|s| s.workload.containers = vec![whole])
            .load(CPU, once(4, 559, 500))
            .sizes(&[]),
        Scenario::first("tolerance-up", 4, behaving(1, 20, &[cpu(50)], &tolerance("scaleUp", "0.05")))
            .load(CPU, once(4, 54, 50))
            .sizes(&[5]),
        Scenario::first("tolerance-down", 10, behaving(1, 20, &[cpu(50)], &tolerance("scaleDown", "0.05")))
            .load(CPU, once(10, 45, 50))
            .sizes(&[9]),
        Scenario::first("tolerance-wide", 4, behaving(1, 20, &[cpu(50)], &tolerance("scaleUp", "0.5")))
            .load(CPU, once(4, 70, 50))
            .sizes(&[]),
    ]
}

fn classes() -> Vec<Scenario> {
    let one = |state| [PodState::READY, PodState::READY, PodState::READY, state];
    let some = |values: [i64; 4]| each(4, &values.map(|v| (v >= 0).then_some(v)), 50);
    let cpu_first = |name| Scenario::first(name, 4, spec(1, 20, &[cpu(50)]));
    vec![
        // Ratio 1.8 over three; with the missing one at 0: 67 %, 1.34 x 4.
        cpu_first("missing-up").only_first().load(CPU, some([90, 90, 90, -1])).sizes(&[6]),
        // Ratio 0.2 over three; with the missing one at its whole request: 32 %, 0.64 x 4.
        cpu_first("missing-down").load(CPU, some([10, 10, 10, -1])).sizes(&[3]),
        // 1.4 up, but with the missing ones at 0 it is 0.7 down: keep.
        cpu_first("missing-flip").load(CPU, some([70, 70, -1, -1])).sizes(&[]),
        cpu_first("missing-into-tolerance").load(CPU, some([70, 70, 70, -1])).sizes(&[]),
        cpu_first("never-ready-up").shape(&one(PodState::NEVER_READY)).load(CPU, some([90, 90, 90, 90])).sizes(&[6]),
        // Unready ones are not filled on the way down: 0.4 x 3.
        cpu_first("never-ready-down").shape(&one(PodState::NEVER_READY)).load(CPU, some([20, 20, 20, 20])).sizes(&[2]),
        cpu_first("lost-readiness").shape(&one(PodState::LOST_READINESS)).load(CPU, some([80, 80, 80, 80])).sizes(&[7]),
        cpu_first("warming-up").shape(&one(PodState::WARMING_UP)).load(CPU, some([90, 90, 90, 400])).sizes(&[6]),
        cpu_first("pending-up").shape(&one(PodState::PENDING)).load(CPU, some([90, 90, 90, -1])).sizes(&[6]),
        cpu_first("failed-pod")
            .shape(&[PodState::READY, PodState::FAILED])
            .load(CPU, each(4, &[Some(80), Some(900), Some(80), Some(80), Some(80)], 50))
            .sizes(&[7]),
        cpu_first("deleting-pod")
            .with(|s| s.workload.finalizer = true)
            .load(CPU, each(4, &[Some(900), Some(80), Some(80), Some(80), Some(80)], 50))
            .setup(Act::DeletePod(0))
            .sizes(&[7]),
        cpu_first("succeeded-pod")
            .shape(&[PodState::READY, PodState::SUCCEEDED])
            .load(CPU, each(4, &[Some(20), None, Some(20), Some(20), Some(20)], 50))
            .sizes(&[])
            .differs("pods that have ended well are ignored", &[(&[2], super::scenario::FINE)]),
        cpu_first("foreign-pod")
            .load(CPU, each(5, &[Some(80); 5], 50))
            .setup(Act::ForeignPod)
            .with(|s| s.alive = Some(5))
            .sizes(&[8])
            .differs("only the target's own pods count", &[(&[7], super::scenario::FINE)]),
    ]
}

fn kinds() -> Vec<Scenario> {
    let average = |value: &str| resource("cpu", "AverageValue", &json!(value));
    let two = |s: &mut Scenario| s.workload.containers = vec![Container::APP, SIDECAR];
    let sidecar = Source::Cpu { container: "sidecar" };
    let lost = [PodState::READY, PodState::READY, PodState::READY, PodState::NEVER_READY];
    vec![
        Scenario::first("cpu-average-up", 4, spec(1, 20, &[average("100m")])).load(CPU, once(4, 150, 100)).sizes(&[6]),
        Scenario::first("cpu-average-missing-down", 4, spec(1, 20, &[average("100m")]))
            .load(CPU, each(4, &[Some(20), Some(20), Some(20), None], 100))
            .sizes(&[2]),
        Scenario::first("memory-up", 4, spec(1, 20, &[resource("memory", "Utilization", &json!(50))]))
            .load(MEMORY, once(4, 80, 50))
            .sizes(&[7]),
        Scenario::first("memory-average-down", 4, spec(1, 20, &[resource("memory", "AverageValue", &json!("100Mi"))]))
            .load(MEMORY, once(4, 40, 100))
            .sizes(&[2]),
        // Memory counts whether a pod is ready or not.
        Scenario::first("memory-unready-counts", 4, spec(1, 20, &[resource("memory", "Utilization", &json!(50))]))
            .shape(&lost)
            .load(MEMORY, once(4, 80, 50))
            .sizes(&[7]),
        Scenario::first("two-containers", 4, spec(1, 20, &[cpu(50)]))
            .with(two)
            .load(CPU, once(4, 120, 50))
            .load(sidecar.clone(), once(4, 40, 50))
            .sizes(&[7]),
        // One container without a value makes the pod's whole sample missing.
        Scenario::first("one-container-silent", 4, spec(1, 20, &[cpu(50)]))
            .only_first()
            .with(two)
            .load(CPU, once(4, 90, 50))
            .load(sidecar.clone(), each(4, &[Some(90), Some(90), Some(90), None], 50))
            .sizes(&[6]),
        Scenario::first("container-up", 4, spec(1, 20, &[container_cpu("app", "Utilization", &json!(50))]))
            .with(two)
            .load(CPU, once(4, 80, 50))
            .load(sidecar.clone(), once(4, 1, 1))
            .sizes(&[7]),
        Scenario::first("container-average-down", 4, spec(1, 20, &[container_cpu("sidecar", "AverageValue", &json!("100m"))]))
            .with(two)
            .load(CPU, once(4, 500, 500))
            .load(sidecar, once(4, 40, 100))
            .sizes(&[2]),
        Scenario::first("pods-up", 4, spec(1, 20, &[pods("qps", "10")])).load(QPS, once(4, 15_000, 10_000)).sizes(&[6]),
        Scenario::first("pods-down", 4, spec(1, 20, &[pods("qps", "10")])).load(QPS, once(4, 4_000, 10_000)).sizes(&[2]),
        Scenario::first("pods-missing-up", 4, spec(1, 20, &[pods("qps", "10")]))
            .only_first()
            .load(QPS, each(4, &[Some(18_000), Some(18_000), Some(18_000), None], 10_000))
            .sizes(&[6]),
        Scenario::first("pods-unready-counts", 4, spec(1, 20, &[pods("qps", "10")]))
            .shape(&lost)
            .load(QPS, once(4, 15_000, 10_000))
            .sizes(&[6]),
        Scenario::first("no-metrics-means-cpu-80", 4, json!({"minReplicas": 1, "maxReplicas": 20})).load(CPU, once(4, 120, 80)).sizes(&[6]),
    ]
}
