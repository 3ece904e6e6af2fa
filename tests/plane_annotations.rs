//! Every annotation, from the workload to its size, with values of a real Prometheus where it asks one.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod plane_support;
mod source_support;

use std::collections::BTreeSet;

use ballast::api::annotations::KEYS;
use plane_support::{AT_ONCE, Ballast, Flags, Load, Options, SOON, Source, Story, Workload, eventually, plane, run};
use serde_json::{Value, json};
use source_support::live::Exporter;
use source_support::prometheus::{Prometheus, Web};
use tokio::sync::OnceCell;

struct World {
    exporter: Exporter,
    _prometheus: Prometheus,
    _ballast: Ballast,
}

async fn begin() -> (Story, &'static World) {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    let world = WORLD
        .get_or_init(async || {
            let exporter = Exporter::start().await;
            let prometheus = Prometheus::start(Some(exporter.address), Web::default()).await;
            let config = plane.dir.join("ballast.yaml");
            std::fs::write(&config, format!("sources: [{{name: other, url: '{}'}}]\n", prometheus.url)).unwrap();
            let more = ["--prometheus-url", &prometheus.url, "--config", config.to_str().unwrap()].map(str::to_owned).to_vec();
            let ballast = Ballast::start(plane, "annotations", &Flags { more, ..Flags::default() }).await;
            World { exporter, _prometheus: prometheus, _ballast: ballast }
        })
        .await;
    (story, world)
}

/// Sets annotations under Ballast's prefix.
async fn annotate(story: &Story, object: &str, annotations: &[(&str, &str)]) {
    let pairs: Vec<String> = annotations.iter().map(|(key, value)| format!("ballast.dev/{key}={value}")).collect();
    let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    story.kubectl(&[&["annotate", "--overwrite", object], &pairs[..]].concat()).await;
}

/// Annotations besides `max-replicas: 6`, `min-replicas: 2` and `interval: 1s`, and what the policy and the size must become for four
/// pods with 300m CPU and 300Mi memory in all, 57 requests per second in all, and 14.5 requests in flight each.
struct Case {
    name: &'static str,
    annotations: &'static [(&'static str, &'static str)],
    /// Parts of the policy's spec.
    spec: Value,
    size: i32,
}

fn cases() -> Vec<Case> {
    let case = |name, annotations, spec, size| Case { name, annotations, spec, size };
    let prometheus = |more: Value| json!({ "type": "Prometheus", "prometheus": more });
    vec![
        case("bounds", &[("max-replicas", "3")], json!({ "maxReplicas": 3, "minReplicas": 2, "intervalSeconds": 1 }), 3),
        case("least", &[("min-replicas", "5"), ("target-cpu", "100%")], json!({ "minReplicas": 5 }), 5),
        case(
            "cpu",
            &[("target-cpu", "50%")],
            json!({ "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "averageUtilization": 50 } } }] }),
            6,
        ),
        case(
            "cores",
            &[("target-cpu", "60m")],
            json!({ "metrics": [{ "resource": { "target": { "type": "AverageValue", "averageValue": "60m" } } }] }),
            5,
        ),
        case(
            "memory",
            &[("target-memory", "60Mi")],
            json!({ "metrics": [{ "resource": { "name": "memory", "target": { "averageValue": "60Mi" } } }] }),
            5,
        ),
        case("rps", &[("target-rps", "10")], json!({ "metrics": [prometheus(json!({ "target": { "averageValue": "10" } }))] }), 6),
        case(
            "crps",
            &[("capacity-rps", "15")],
            json!({ "metrics": [prometheus(json!({ "target": { "type": "Capacity", "capacity": "15" } }))] }),
            6,
        ),
        case(
            "query",
            &[("query", "sum(hits{app=\"${name}\"})"), ("query-target", "12")],
            json!({ "metrics": [prometheus(json!({ "query": "sum(hits{app=\"${name}\"})" }))] }),
            5,
        ),
        case(
            "qcap",
            &[("query", "sum(hits{app=\"${name}\"})"), ("query-capacity", "15")],
            json!({ "metrics": [prometheus(json!({ "target": { "type": "Capacity" } }))] }),
            6,
        ),
        case(
            "preset",
            &[("preset", "http-in-flight"), ("preset-target", "10")],
            json!({ "metrics": [prometheus(json!({ "name": "http-in-flight" }))] }),
            6,
        ),
        case("gocpu", &[("preset", "go-cpu")], json!({ "metrics": [prometheus(json!({ "target": { "averageValue": "700m" } }))] }), 6),
        case("source", &[("target-rps", "12"), ("source", "other")], json!({ "metrics": [prometheus(json!({ "source": "other" }))] }), 5),
        case("mode", &[("target-cpu", "50%"), ("mode", "Recommend")], json!({ "mode": "Recommend" }), 4),
        case(
            "pause",
            &[("target-cpu", "50%"), ("pause", "up by=ana reason=sales week")],
            json!({ "pause": { "direction": "Up", "by": "ana", "reason": "sales week" } }),
            4,
        ),
        case(
            "schedule",
            &[("schedule", "* * * * * for 1h min=5 tz=Europe/Berlin ramp=10m")],
            json!({ "schedules": [{ "name": "annotation", "cron": "* * * * *", "durationSeconds": 3600, "minReplicas": 5,
                                    "timeZone": "Europe/Berlin", "rampSeconds": 600 }] }),
            5,
        ),
    ]
}

/// Whether `all` holds everything that `part` does.
fn holds(all: &Value, part: &Value) -> bool {
    match (all, part) {
        (Value::Object(all), Value::Object(part)) => part.iter().all(|(key, part)| all.get(key).is_some_and(|all| holds(all, part))),
        (Value::Array(all), Value::Array(part)) => all.len() == part.len() && all.iter().zip(part).all(|(all, part)| holds(all, part)),
        (all, part) => all == part,
    }
}

async fn metrics_of(story: &Story, world: &World, app: &str) {
    let metrics = story.plane.metrics().await;
    metrics.set(app, Source::Cpu { container: "app" }, Load::Total(300));
    metrics.set(app, Source::Memory { container: "app" }, Load::Total(300));
    world.exporter.gauge(&format!("hits{{app=\"{app}\"}}"), 57.0);
    let pods = story.kubectl(&["get", "pods", "-l", &format!("app={app}"), "-o", "jsonpath={.items[*].metadata.name}"]).await;
    for (index, pod) in pods.split(' ').enumerate() {
        let labels = format!("{{namespace=\"{}\",pod=\"{pod}\"}}", story.namespace);
        // All requests are served by the first, so that the total is what it is however many pods come.
        world.exporter.counter(&format!("http_requests_total{labels}"), if index == 0 { 57.0 } else { 0.0 });
        world.exporter.gauge(&format!("http_requests_in_flight{labels}"), 14.5);
        world.exporter.counter(&format!("process_cpu_seconds_total{labels}"), 1.05);
        world.exporter.gauge(&format!("go_sched_gomaxprocs_threads{labels}"), 1.0);
    }
}

#[test]
fn each_annotation_has_its_effect() {
    run(async {
        let (story, world) = begin().await;
        let cases = cases();
        let mut keys: BTreeSet<&str> = cases.iter().flat_map(|case| case.annotations.iter().map(|(key, _)| *key)).collect();
        // Set for every case.
        keys.insert("interval");
        let all: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(keys, all, "a case for every annotation");

        let mut names = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            let kind = if index % 2 == 0 { "Deployment" } else { "StatefulSet" };
            let name = format!("{}-{}", case.name, story.namespace);
            Workload { kind, ..Workload::deployment(&story.namespace, &name, 4) }.create(&story.plane.client).await;
            story.ready(&name, 4).await;
            metrics_of(&story, world, &name).await;
            let common = [("max-replicas", "6"), ("min-replicas", "2"), ("interval", "1s")];
            let rest = common.iter().filter(|(key, _)| case.annotations.iter().all(|(other, _)| other != key));
            let annotations: Vec<(&str, &str)> = rest.chain(case.annotations).copied().collect();
            annotate(&story, &format!("{kind}/{name}"), &annotations).await;
            names.push((kind, name));
        }
        for (case, (kind, name)) in cases.iter().zip(&names) {
            let policy = format!("sp/{name}.{}", kind.to_lowercase());
            eventually(&format!("the policy of {}", case.name), SOON, async || {
                let text = story.get(&policy, "{.spec}").await;
                let spec = serde_json::from_str(&text).map_err(|_| text.clone())?;
                if holds(&spec, &case.spec) { Ok(()) } else { Err(text) }
            })
            .await;
            let (object, size) = (format!("{kind}/{name}"), case.size.to_string());
            eventually(&format!("the size of {} is {size}", case.name), SOON, async || {
                let now = story.get(&object, "{.spec.replicas}").await;
                let decided = story.get(&policy, "{.status.decision.time}").await;
                if now == size && !decided.is_empty() { Ok(()) } else { Err(format!("{now}; {}", story.get(&policy, "{.status}").await)) }
            })
            .await;
        }
        story.shows(SOON, &format!("sp/mode-{}.deployment", story.namespace), "{.status.desiredReplicas}", "6").await;
        story.shows(SOON, &format!("sp/pause-{}.statefulset", story.namespace), "{.status.decision.message}", "sales week").await;
        let message = "minReplicas 5 by schedule annotation until";
        story.shows(SOON, &format!("sp/schedule-{}.deployment", story.namespace), "{.status.decision.message}", message).await;
    });
}

#[test]
fn each_wrong_value_is_named_and_changes_nothing() {
    run(async {
        let (story, _) = begin().await;
        let web = story.deployment("web", 4, Load::Each(50)).await;
        story.ready(&web, 4).await;
        let object = format!("deployment/{web}");
        let policy = format!("sp/{web}.deployment");
        annotate(&story, &object, &[("max-replicas", "9"), ("min-replicas", "4")]).await;
        story.shows(AT_ONCE, &policy, "{.spec.maxReplicas}", "9").await;
        let wrong = [
            ("max-replicas", "0", "whole number from 1"),
            ("min-replicas", "12", "9"),
            ("target-cpu", "70", "percentage such as 70%"),
            ("target-memory", "lots", "bytes with a unit"),
            ("target-rps", "-1", "above 0"),
            ("capacity-rps", "0", "above 0"),
            ("query", "sum(up)", "needs ballast.dev/query-target or ballast.dev/query-capacity"),
            ("query-target", "5", "query"),
            ("query-capacity", "5", "query"),
            ("preset", "go-magic", "http-requests"),
            ("preset-target", "1", "preset"),
            ("interval", "1h", "1s to 300s"),
            ("mode", "Observe", "Enforce or Recommend"),
            ("pause", "sideways", "true, all, up, down or false"),
            ("schedule", "0 8 * * *", "for and a length such as 10h"),
            ("schedule", "* * * * * for 1h min=12", "schedule.minReplicas: 12: must be spec.minReplicas (4) to spec.maxReplicas (9)"),
            ("schedule", "* * * * * for 1h min=5 tz=Mars", "schedule.timeZone: Mars: is not a known IANA time zone"),
            ("max-replica", "9", "max-replicas"),
        ];
        for (key, value, says) in wrong {
            let before = story.get(&object, "{.metadata.annotations}").await;
            annotate(&story, &object, &[(key, value)]).await;
            story.describes("deployment", &web, &["Warning", "InvalidAnnotation", &format!("ballast.dev/{key}"), value, says]).await;
            assert_eq!(story.get(&policy, "{.spec.minReplicas} {.spec.maxReplicas}").await, "4 9", "{key}");
            match key {
                "max-replicas" => annotate(&story, &object, &[(key, "9")]).await,
                "min-replicas" => annotate(&story, &object, &[(key, "4")]).await,
                _ => drop(story.kubectl(&["annotate", &object, &format!("ballast.dev/{key}-")]).await),
            }
            let after = story.get(&object, "{.metadata.annotations}").await;
            assert_eq!(before, after);
        }
        annotate(&story, &object, &[("max-replicas", "8")]).await;
        story.shows(AT_ONCE, &policy, "{.spec.maxReplicas}", "8").await;
    });
}
