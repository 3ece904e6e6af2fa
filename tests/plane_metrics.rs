//! Every metric type, from its source to the size: the metrics APIs, and a real Prometheus.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod plane_support;
mod source_support;
mod support_faults;

use plane_support::{ACTIVE, Ballast, Flags, Load, Options, SOON, Source, Story, plane, run};
use serde_json::{Value, json};
use source_support::live::Exporter;
use source_support::prometheus::{Prometheus, Web};
use support_faults::{Fault, FaultProxy};
use tokio::sync::OnceCell;

struct World {
    exporter: Exporter,
    /// In front of the source called `flaky`.
    proxy: FaultProxy,
    _prometheus: Prometheus,
    _ballast: Ballast,
}

/// A namespace of the test's own; Prometheus and controller are for all tests.
async fn begin() -> (Story, &'static World) {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    let world = WORLD
        .get_or_init(async || {
            let exporter = Exporter::start().await;
            let prometheus = Prometheus::start(Some(exporter.address), Web::default()).await;
            let proxy = FaultProxy::start(&prometheus.url).await;
            let config = plane.dir.join("ballast.yaml");
            std::fs::write(&config, format!("sources:\n- {{name: flaky, url: '{}', timeoutSeconds: 1}}\n", proxy.url)).unwrap();
            let more = ["--prometheus-url", &prometheus.url, "--config", config.to_str().unwrap()].map(str::to_owned).to_vec();
            let flags = Flags { downscale_stabilization: "2s", more, ..Flags::default() };
            let ballast = Ballast::start(plane, "metrics", &flags).await;
            World { exporter, proxy, _prometheus: prometheus, _ballast: ballast }
        })
        .await;
    (story, world)
}

/// Four ready pods at 50 % of their CPU, which the policy does not look at unless it says so.
async fn deployment(story: &Story, name: &str) -> String {
    let name = story.deployment(name, 4, Load::Total(200)).await;
    story.ready(&name, 4).await;
    name
}

fn prometheus(app: &str, query: &str, target: &Value) -> Value {
    json!({ "type": "Prometheus", "prometheus": { "name": "load", "query": query.replace("APP", app), "target": target } })
}

fn average(value: &str) -> Value {
    json!({ "type": "AverageValue", "averageValue": value })
}

/// A policy with these metrics, decided every second.
async fn policy(story: &Story, target: &str, metrics: Value) {
    story.policy(target, "Deployment", target, json!({ "intervalSeconds": 1, "maxReplicas": 6, "metrics": metrics })).await;
}

#[test]
fn every_type_of_the_metrics_apis() {
    run(async {
        let (story, _) = begin().await;
        let (cpu, memory) = (Source::Cpu { container: "app" }, Source::Memory { container: "app" });
        let pods = Source::Pods { metric: "in-flight" };
        let object = Source::Object { metric: "queued" };
        let external = Source::External { metric: "jobs", labels: &[] };
        let shared = || Load::Total(300);
        let until_six = || Load::At { pods: 4, value: 45_000, otherwise: 30_000 };
        let half = json!({ "type": "Utilization", "averageUtilization": 50 });
        let value = json!({ "type": "Value", "value": "30" });
        let ten = average("10");
        let resource = |name: &str, target: &Value| json!({ "type": "Resource", "resource": { "name": name, "target": target } });
        let container = json!({ "type": "ContainerResource", "containerResource": { "name": "cpu", "container": "app", "target": half } });
        let per_pod = json!({ "type": "Pods", "pods": { "metric": { "name": "in-flight" }, "target": ten } });
        let described = json!({ "apiVersion": "v1", "kind": "Service", "name": "APP" });
        let of_object = |target: &Value| json!({ "type": "Object", "object": { "describedObject": described, "metric": { "name": "queued" }, "target": target } });
        let outside = |target: &Value| json!({ "type": "External", "external": { "metric": { "name": "jobs.APP" }, "target": target } });
        let cases = [
            ("cpu-percent", cpu.clone(), shared(), resource("cpu", &half), "cpu 75% of request, target 50%"),
            ("cpu-cores", cpu.clone(), shared(), resource("cpu", &average("50m")), "cpu 75m"),
            ("memory", memory, shared(), resource("memory", &half), "memory 75% of request"),
            ("container", cpu, shared(), container, "cpu of container app 75% of request"),
            ("pods", pods, Load::Total(60_000), per_pod, "in-flight 15"),
            ("object", object.clone(), until_six(), of_object(&value), "queued of Service/"),
            ("object-each", object, Load::Each(60_000), of_object(&ten), "queued of Service/"),
            ("external", external.clone(), until_six(), outside(&value), "jobs."),
            ("external-each", external, Load::Each(60_000), outside(&ten), "jobs."),
        ];
        for (name, source, load, metric, says) in cases {
            let app = deployment(&story, name).await;
            story.plane.metrics().await.set(&app, source, load);
            let metric: Value = serde_json::from_str(&metric.to_string().replace("APP", &app)).unwrap();
            policy(&story, &app, json!([metric])).await;
            story.size(SOON, &app, 6).await;
            story.describes("deployment", &app, &["SuccessfulRescale", "New size: 6 (was 4)", says]).await;
            story.shows(SOON, &format!("sp/{app}"), ACTIVE, "ValidMetricFound").await;
        }
    });
}

#[test]
fn every_form_of_a_prometheus_metric() {
    run(async {
        let (story, world) = begin().await;
        let six = "New size: 6 (was 4)";
        let cases = [
            ("whole", "sum(depth{app=\"APP\"})", average("10"), 57.0, six, "load 57 in all, target 10 per replica: needs 6"),
            ("value", "sum(depth{app=\"APP\"})", json!({ "type": "Value", "value": "40" }), 57.0, six, "load 57, target 40: needs 6"),
            (
                "capacity",
                "sum(depth{app=\"APP\"})",
                json!({ "type": "Capacity", "capacity": "10" }),
                38.0,
                six,
                "load 38 in all, capacity 10 per replica",
            ),
            ("rate", "sum(rate(hits_total{app=\"APP\"}[1m]))", average("10"), 57.0, six, "load 5"),
            (
                "by-pod",
                "depth_by_pod{namespace=\"${namespace}\",pod=~\"${pods}\"}",
                average("10"),
                14.5,
                six,
                "load 14.5 per pod, target 10",
            ),
            ("by-name", "sum(depth{app=\"${name}\",namespace=\"${namespace}\"})", average("10"), 57.0, six, "load 57 in all"),
        ];
        for (name, query, target, value, says, numbers) in cases {
            let app = deployment(&story, name).await;
            world.exporter.gauge(&format!("depth{{app=\"{app}\",namespace=\"{}\"}}", story.namespace), value);
            world.exporter.counter(&format!("hits_total{{app=\"{app}\"}}"), value);
            let pods = story.kubectl(&["get", "pods", "-l", &format!("app={app}"), "-o", "jsonpath={.items[*].metadata.name}"]).await;
            for pod in pods.split(' ') {
                world.exporter.gauge(&format!("depth_by_pod{{namespace=\"{}\",pod=\"{pod}\"}}", story.namespace), value);
            }
            policy(&story, &app, json!([prometheus(&app, query, &target)])).await;
            story.describes("deployment", &app, &["SuccessfulRescale", says, numbers]).await;
            story.size(SOON, &app, 6).await;
        }
    });
}

#[test]
fn an_answer_that_is_no_number_is_no_zero() {
    run(async {
        let (story, world) = begin().await;
        let cases = [
            ("empty", "sum(nobody_exports_this{app=\"APP\"})", "returned no series"),
            ("nan", "sum(depth{app=\"APP\"}) * 0 / 0", "NaN"),
            ("several", "depth{app=\"APP\"}", "2 series"),
            ("unknown-source", "sum(depth{app=\"APP\"})", "source elsewhere is unknown"),
        ];
        for (name, query, says) in cases {
            let app = deployment(&story, name).await;
            for index in 0..2 {
                world.exporter.gauge(&format!("depth{{app=\"{app}\",shard=\"{index}\"}}"), 0.0);
            }
            let mut metric = prometheus(&app, query, &average("10"));
            if name == "unknown-source" {
                metric["prometheus"]["source"] = json!("elsewhere");
            }
            policy(&story, &app, json!([metric])).await;
            let policy = format!("sp/{app}");
            story.shows(SOON, &policy, ACTIVE, "FailedGetPrometheusMetric").await;
            story.shows(SOON, &policy, ACTIVE, says).await;
            story.describes("deployment", &app, &["Warning", "FailedGetPrometheusMetric", says]).await;
            story.size(SOON, &app, 4).await;
        }
        // Whoever writes that nothing means none gets zero.
        let app = deployment(&story, "none").await;
        let mut metric = prometheus(&app, "sum(nobody_exports_this{app=\"APP\"})", &average("10"));
        metric["prometheus"]["whenEmpty"] = json!("Zero");
        policy(&story, &app, json!([metric])).await;
        story.size(SOON, &app, 1).await;
    });
}

#[test]
fn of_several_metrics_the_highest_wins_and_an_unknown_one_holds() {
    run(async {
        let (story, world) = begin().await;
        let cpu =
            json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } });
        let app = deployment(&story, "both").await;
        let depth = format!("depth{{app=\"{app}\"}}");
        world.exporter.gauge(&depth, 57.0);
        policy(&story, &app, json!([cpu, prometheus(&app, "sum(depth{app=\"APP\"})", &average("10"))])).await;
        story.size(SOON, &app, 6).await;
        story.describes("deployment", &app, &["SuccessfulRescale", "load 57 in all"]).await;
        let metrics = "{.status.currentMetrics[*].type}";
        story.shows(SOON, &format!("sp/{app}"), metrics, "Resource Prometheus").await;

        let grows = deployment(&story, "grows").await;
        story.plane.metrics().await.set(&grows, Source::Cpu { container: "app" }, Load::Total(300));
        let unknown = |app: &str| prometheus(app, "sum(nobody_exports_this{app=\"APP\"})", &average("10"));
        policy(&story, &grows, json!([cpu, unknown(&grows)])).await;
        story.size(SOON, &grows, 6).await;
        story.describes("deployment", &grows, &["Warning", "FailedGetPrometheusMetric", "load"]).await;

        let holds = deployment(&story, "holds").await;
        story.plane.metrics().await.set(&holds, Source::Cpu { container: "app" }, Load::Total(100));
        policy(&story, &holds, json!([cpu, unknown(&holds)])).await;
        story.shows(SOON, &format!("sp/{holds}"), ACTIVE, "FailedGetPrometheusMetric").await;
        story.shows(SOON, &format!("sp/{holds}"), "{.status.decision.message}", "kept at 4: load unknown").await;
        story.size(SOON, &holds, 4).await;
    });
}

#[test]
fn an_outage_holds_the_size_and_ends_by_itself() {
    run(async {
        let (story, world) = begin().await;
        let app = deployment(&story, "outage").await;
        let depth = format!("depth{{app=\"{app}\"}}");
        world.exporter.gauge(&depth, 57.0);
        let mut metric = prometheus(&app, "sum(depth{app=\"APP\"})", &average("10"));
        metric["prometheus"]["source"] = json!("flaky");
        let plain = json!({ "intervalSeconds": 1, "metrics": [metric], "smoothing": { "type": "None" } });
        story.policy(&app, "Deployment", &app, plain).await;
        story.size(SOON, &app, 6).await;
        let policy = format!("sp/{app}");
        story.shows(SOON, &policy, ACTIVE, "ValidMetricFound").await;
        let faults = [
            (Fault::Down, "source flaky"),
            (Fault::Status(503), "503"),
            (Fault::Slow(std::time::Duration::from_secs(3)), "source flaky"),
            (Fault::Garbage, "source flaky"),
            (Fault::Truncate, "source flaky"),
            (Fault::NaN, "NaN"),
            (Fault::Empty, "returned no series"),
        ];
        world.proxy.set(faults[0].0).await;
        story.shows(SOON, &policy, ACTIVE, "FailedGetPrometheusMetric").await;
        // The load has gone, but nobody can know.
        world.exporter.gauge(&depth, 8.0);
        for (fault, says) in faults {
            world.proxy.set(fault).await;
            story.shows(SOON, &policy, ACTIVE, says).await;
            story.shows(SOON, &policy, ACTIVE, "\"status\":\"False\"").await;
            assert_eq!(story.get(&format!("deployment/{app}"), "{.spec.replicas}").await, "6", "{fault:?}");
        }
        world.proxy.set(Fault::Pass).await;
        story.shows(SOON, &policy, ACTIVE, "ValidMetricFound").await;
        story.size(SOON, &app, 1).await;
    });
}
