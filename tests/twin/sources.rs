//! First decisions from one number for the whole: Object and External metrics; and several metrics together.

use serde_json::json;

use super::scenario::{CPU, Scenario, cpu, external, object, once, pods, spec};
use crate::plane_support::{Load, PodState, Source};

const REQUESTS: Source = Source::Object { metric: "requests" };
const QUEUE: Source = Source::External { metric: "queue", labels: &[] };
const QPS: Source = Source::Pods { metric: "qps" };

/// All of them.
pub fn all() -> Vec<Scenario> {
    [objects(), externals(), several()].concat()
}

fn objects() -> Vec<Scenario> {
    let value = |name, target| Scenario::first(name, 4, spec(1, 20, &[object("requests", "Value", target)]));
    let average = |name| Scenario::first(name, 6, spec(1, 20, &[object("requests", "AverageValue", "100")]));
    let unready = [PodState::READY, PodState::READY, PodState::READY, PodState::NEVER_READY];
    vec![
        value("object-value-up", "100").load(REQUESTS, once(4, 150_000, 100_000)).sizes(&[6]),
        value("object-value-down", "100").load(REQUESTS, once(4, 40_000, 100_000)).sizes(&[2]),
        value("object-value-in-tolerance", "100").load(REQUESTS, once(4, 109_000, 100_000)).sizes(&[]),
        // The multiplier is the number of ready pods: 2.0 x 3.
        value("object-value-unready", "100").shape(&unready).load(REQUESTS, once(4, 200_000, 100_000)).sizes(&[6]),
        average("object-average-up").load(REQUESTS, Load::Each(1_000_000)).sizes(&[10]),
        average("object-average-down").load(REQUESTS, Load::Each(250_000)).sizes(&[3]),
        average("object-average-in-tolerance").load(REQUESTS, Load::Each(640_000)).sizes(&[]),
    ]
}

fn externals() -> Vec<Scenario> {
    let labelled = |queue: &'static [(&str, &str)]| Source::External { metric: "queue", labels: queue };
    let mut selected = external("queue", "AverageValue", "100");
    selected["external"]["metric"]["selector"] = json!({"matchLabels": {"queue": "mail"}});
    let mut either = external("queue", "AverageValue", "100");
    either["external"]["metric"]["selector"] =
        json!({"matchExpressions": [{"key": "queue", "operator": "In", "values": ["mail", "print"]}]});
    let average = || external("queue", "AverageValue", "100");
    vec![
        Scenario::first("external-value-up", 4, spec(1, 20, &[external("queue", "Value", "100")]))
            .load(QUEUE, once(4, 150_000, 100_000))
            .sizes(&[6]),
        Scenario::first("external-average-up", 4, spec(1, 20, &[average()])).load(QUEUE, Load::Each(650_000)).sizes(&[7]),
        Scenario::first("external-average-down", 4, spec(1, 20, &[average()])).load(QUEUE, Load::Each(150_000)).sizes(&[2]),
        Scenario::first("external-in-tolerance", 4, spec(1, 20, &[average()])).load(QUEUE, Load::Each(430_000)).sizes(&[]),
        Scenario::first("external-several-series", 4, spec(1, 20, &[average()]))
            .load(labelled(&[("queue", "mail"), ("shard", "1")]), Load::Each(300_000))
            .load(labelled(&[("queue", "mail"), ("shard", "2")]), Load::Each(250_000))
            .sizes(&[6]),
        Scenario::first("external-selector", 4, spec(1, 20, &[selected]))
            .load(labelled(&[("queue", "mail"), ("shard", "1")]), Load::Each(300_000))
            .load(labelled(&[("queue", "mail"), ("shard", "2")]), Load::Each(250_000))
            .load(labelled(&[("queue", "print")]), Load::Each(900_000))
            .sizes(&[6]),
        Scenario::first("external-selector-set", 4, spec(1, 20, &[either]))
            .load(labelled(&[("queue", "mail")]), Load::Each(400_000))
            .load(labelled(&[("queue", "print")]), Load::Each(250_000))
            .load(labelled(&[("queue", "scan")]), Load::Each(900_000))
            .sizes(&[7]),
        // An empty queue is a value: 0 asks for no pods, and the minimum holds.
        Scenario::first("external-zero", 4, spec(1, 20, &[average()]))
            .load(QUEUE, Load::Each(0))
            .sizes(&[1])
            .conditions("ReadyForNewScale ValidMetricFound TooFewReplicas"),
    ]
}

fn several() -> Vec<Scenario> {
    vec![
        Scenario::first("several-highest-wins", 4, spec(1, 20, &[cpu(50), pods("qps", "10")]))
            .load(CPU, once(4, 20, 20))
            .load(QPS, once(4, 15_000, 10_000))
            .sizes(&[6]),
        // One metric inside its band vetoes a scale-down.
        Scenario::first("several-band-vetoes-down", 4, spec(1, 20, &[cpu(50), external("queue", "AverageValue", "100")]))
            .load(CPU, once(4, 10, 10))
            .load(QUEUE, Load::Each(400_000))
            .sizes(&[]),
        Scenario::first("several-all-down", 6, spec(1, 20, &[cpu(50), external("queue", "AverageValue", "100")]))
            .load(CPU, once(6, 10, 50))
            .load(QUEUE, Load::Each(300_000))
            .sizes(&[3]),
    ]
}
