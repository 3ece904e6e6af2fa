//! Every annotation on a real control plane: the policy it makes, the size it leads to, and what is said about a wrong one.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod annotated;
mod annotation_cases;
mod plane_support;

use std::collections::BTreeSet;
use std::time::Duration;

use annotated::{Annotations, begin, policy_of, workload};
use ballast::api::annotations::KEYS;
use futures::future::join_all;
use plane_support::{Level, Load, Source, Workload, run};
use serde_json::{Value, json};

/// The spec of `max-replicas: 10` alone, with these fields instead.
fn spec(workload: &Workload, fields: &Value) -> Value {
    let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } });
    let mut spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": workload.kind, "name": workload.name },
        "minReplicas": 1, "maxReplicas": 10, "mode": "Enforce", "metrics": [cpu],
    });
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    spec
}

fn resource(name: &str, target: &Value) -> Value {
    json!({ "type": "Resource", "resource": { "name": name, "target": target } })
}

fn prometheus(name: &str, query: &str, kind: &str, target: &str, source: &str) -> Value {
    let field = kind[..1].to_lowercase() + &kind[1..];
    let target = json!({ "type": kind, field: target });
    json!({ "type": "Prometheus", "prometheus":
        { "name": name, "query": query, "source": source, "target": target, "whenEmpty": "Absent" } })
}

const RPS: &str = r#"sum(rate(http_requests_total{namespace="${namespace}",pod=~"${pods}"}[1m]))"#;
const QUEUE: &str = r#"sum(queue{namespace="${namespace}",app="${name}"})"#;

#[test]
fn every_annotation_makes_its_part_of_the_policy() {
    run(async {
        let (scene, _) = begin().await;
        let rps = |kind: &str, target: &str, source: &str| prometheus("requests-per-second", RPS, kind, target, source);
        let preset = |name: &str, target: &str| {
            let mut preset = json!({ "name": name, "source": "default" });
            if !target.is_empty() {
                preset["target"] = json!({ "averageValue": target });
            }
            json!({ "type": "Preset", "preset": preset })
        };
        let (percent, amount) = (
            |percent: i32| json!({ "type": "Utilization", "averageUtilization": percent }),
            |amount: &str| json!({ "type": "AverageValue", "averageValue": amount }),
        );
        let pause = json!({ "direction": "Down", "until": "2030-12-24T18:00:00Z", "by": "ana", "reason": "sales week, ask = me" });
        #[rustfmt::skip]
        let rows: Vec<(Annotations, Value)> = vec![
            (&[], json!({})),
            (&[("max-replicas", " 2147483647 ")], json!({ "maxReplicas": 2_147_483_647 })),
            (&[("min-replicas", "3")], json!({ "minReplicas": 3 })),
            (&[("min-replicas", "0"), ("target-rps", "100")], json!({ "minReplicas": 0, "metrics": [rps("AverageValue", "100", "default")] })),
            (&[("target-cpu", "70%")], json!({ "metrics": [resource("cpu", &percent(70))] })),
            (&[("target-cpu", "350m")], json!({ "metrics": [resource("cpu", &amount("350m"))] })),
            (&[("target-memory", "75 %")], json!({ "metrics": [resource("memory", &percent(75))] })),
            (&[("target-memory", "512Mi")], json!({ "metrics": [resource("memory", &amount("512Mi"))] })),
            (&[("target-rps", "0.5")], json!({ "metrics": [rps("AverageValue", "0.5", "default")] })),
            (&[("target-rps", "2k"), ("source", "scoped")], json!({ "metrics": [rps("AverageValue", "2k", "scoped")] })),
            (&[("capacity-rps", "150")], json!({ "metrics": [rps("Capacity", "150", "default")] })),
            (&[("query", QUEUE), ("query-target", "30")],
                json!({ "metrics": [prometheus("query", QUEUE, "AverageValue", "30", "default")] })),
            (&[("query", QUEUE), ("query-capacity", "50m"), ("source", "no-such-source-yet")],
                json!({ "metrics": [prometheus("query", QUEUE, "Capacity", "50m", "no-such-source-yet")] })),
            (&[("preset", "http-requests"), ("preset-target", "10")], json!({ "metrics": [preset("http-requests", "10")] })),
            (&[("preset", "http-in-flight"), ("preset-target", "5")], json!({ "metrics": [preset("http-in-flight", "5")] })),
            (&[("preset", "grpc-requests"), ("preset-target", "1e3")], json!({ "metrics": [preset("grpc-requests", "1e3")] })),
            (&[("preset", "go-cpu")], json!({ "metrics": [preset("go-cpu", "")] })),
            (&[("preset", "go-run-queue, sql-pool-wait")], json!({ "metrics": [preset("go-run-queue", ""), preset("sql-pool-wait", "")] })),
            (&[("preset", "go-cpu"), ("preset-freshness", "direct")], 
                json!({ "metrics": [{ "type": "Preset", "preset": { "name": "go-cpu", "source": "default", "freshness": "Direct" } }] })),
            (&[("target-cpu", "70%"), ("target-memory", "80%"), ("capacity-rps", "9"), ("preset", "go-cpu"), ("preset-target", "0.6")],
                json!({ "metrics": [resource("cpu", &percent(70)), resource("memory", &percent(80)), rps("Capacity", "9", "default"),
                    preset("go-cpu", "0.6")] })),
            (&[("interval", "5m")], json!({ "intervalSeconds": 300 })),
            (&[("interval", "7")], json!({ "intervalSeconds": 7 })),
            (&[("mode", "recommend")], json!({ "mode": "Recommend" })),
            (&[("forecast", "shadow")], json!({ "forecast": { "mode": "Shadow" } })),
            (&[("pause", "true")], json!({ "pause": { "direction": "All" } })),
            (&[("pause", "UP")], json!({ "pause": { "direction": "Up" } })),
            (&[("pause", "down until=2030-12-24T18:00:00Z by=ana reason=sales week, ask = me")], json!({ "pause": pause })),
            (&[("pause", "false")], json!({})),
            (&[("schedule", "0 8 * * 1-5  for 10h min=5 max=9 tz=Europe/Berlin ramp=15m")],
                json!({ "schedules": [{ "name": "annotation", "cron": "0 8 * * 1-5", "durationSeconds": 36000, "timeZone": "Europe/Berlin",
                    "minReplicas": 5, "maxReplicas": 9, "rampSeconds": 900 }] })),
            (&[("schedule", "2026-11-27T00:00:00+01:00 to 2026-11-28T00:00:00+01:00 replicas=9")],
                json!({ "schedules": [{ "name": "annotation", "start": "2026-11-26T23:00:00Z", "end": "2026-11-27T23:00:00Z", "replicas": 9 }] })),
        ];
        let named: BTreeSet<_> = rows.iter().flat_map(|(annotations, _)| annotations.iter().map(|(key, _)| *key)).collect();
        assert!(KEYS.iter().all(|key| named.contains(key.name)), "every key has a row: {named:?}");
        let check = async |index: usize, (annotations, fields): &(Annotations, Value)| {
            // Without replicas it is switched off, so that nothing but the policy comes of it.
            let workload = workload(&scene, index, &format!("row{index}"), 0);
            let all: Vec<_> = [("max-replicas", "10")].into_iter().chain(annotations.iter().copied()).collect();
            scene.create(&workload, &all).await;
            let wanted = spec(&workload, fields);
            scene
                .until(&format!("made from {annotations:?}"), "ScalePolicy", &policy_of(&workload), |policy| {
                    let owner = &policy["metadata"]["ownerReferences"][0];
                    assert_eq!(
                        (&owner["kind"], &owner["name"], &owner["controller"]),
                        (&json!(workload.kind), &json!(workload.name), &json!(true))
                    );
                    if policy["spec"] == wanted { Ok(()) } else { Err(format!("{} instead of {wanted}", policy["spec"])) }
                })
                .await;
            assert_eq!(scene.notes(workload.kind, &workload.name, "InvalidAnnotation").await, Ok(vec![]));
        };
        join_all(rows.iter().enumerate().map(|(index, row)| check(index, row))).await;
    });
}

/// Annotations that take a workload from 4 replicas to another size.
struct Row {
    name: &'static str,
    annotations: Annotations,
    size: i64,
    why: &'static [&'static str],
}

#[test]
fn every_annotation_has_its_effect_on_the_size() {
    run(async {
        let (scene, scraped) = begin().await;
        let row = |name, annotations, size, why| Row { name, annotations, size, why };
        #[rustfmt::skip]
        let rows = [
            row("plain", &[], 8, &["cpu 150% of request, target 80%: needs 8"]),
            row("max", &[("max-replicas", "3")], 3, &["size 4 is above maxReplicas 3"]),
            row("min", &[("min-replicas", "7"), ("query", "vector(1)"), ("query-target", "1")], 7, &["size 4 is below minReplicas 7"]),
            row("clock", &[("schedule", "* * * * * for 1h min=7 tz=Europe/Berlin"), ("query", "vector(1)"), ("query-target", "1")], 7,
                &["size 4 is below minReplicas 7 by schedule annotation until ", " Europe/Berlin"]),
            row("cpu", &[("target-cpu", "100%")], 6, &["cpu 150% of request, target 100%: needs 6"]),
            row("cores", &[("target-cpu", "120m")], 5, &["cpu 150m per pod, target 120m: needs 5"]),
            row("memory", &[("target-memory", "60%")], 7, &["memory 100% of request, target 60%: needs 7"]),
            row("bytes", &[("target-memory", "80Mi")], 5, &["memory 100Mi per pod, target 80Mi: needs 5"]),
            row("rps", &[("target-rps", "10")], 7, &["requests-per-second 6", "/s in all, target 10/s per replica: needs 7"]),
            row("bears", &[("capacity-rps", "15")], 6, &["requests-per-second 6", "/s in all, capacity 15/s per replica: needs 6"]),
            row("query", &[("query", QUEUE), ("query-target", "8")], 6, &["query 48 in all, target 8 per replica: needs 6"]),
            row("staffed", &[("query", QUEUE), ("query-capacity", "11")], 6, &["query 48 in all, capacity 11 per replica: needs 6"]),
            // Without its namespace this would count the queues of all.
            row("scoped", &[("query", "sum(backlog)"), ("query-target", "8"), ("source", "scoped")], 5,
                &["query 40 in all, target 8 per replica: needs 5"]),
            row("http", &[("preset", "http-requests"), ("preset-target", "12")], 6, &["http-requests 6", "target 12 per replica: needs 6"]),
            row("flight", &[("preset", "http-in-flight"), ("preset-target", "6")], 8, &["http-in-flight 48 in all, target 6 per replica: needs 8"]),
            row("grpc", &[("preset", "grpc-requests"), ("preset-target", "10")], 7, &["grpc-requests 6", "target 10 per replica: needs 7"]),
            row("go-cpu", &[("preset", "go-cpu")], 6, &["go-cpu 0.9", " per pod, target 0.7: needs 6"]),
            row("go-queue", &[("preset", "go-run-queue")], 7, &["go-run-queue 1.", " per pod, target 1: needs 7"]),
        ];
        let workloads: Vec<_> = rows.iter().enumerate().map(|(index, row)| workload(&scene, index, row.name, 4)).collect();
        join_all(workloads.iter().map(|workload| scene.create(workload, &[]))).await;
        join_all(workloads.iter().map(|workload| scene.ready(&workload.name, 4))).await;
        let metrics = scene.plane.metrics().await;
        // Over the last minute a counter that jumped by 60 in it rose by 1 per second, however long it has been watched.
        let counters = async |jump: f64| {
            for workload in &workloads {
                for pod in scene.pods(&workload.name).await {
                    let labels = format!("namespace=\"{}\",pod=\"{pod}\"", scene.namespace);
                    // Of the 64 to 67 per second each of four pods serves its part; the measured rate is a little higher than the jump's.
                    for (counter, per_second) in [
                        ("http_requests_total", 16.0),
                        ("grpc_server_started_total", 16.0),
                        ("process_cpu_seconds_total", 3.68),
                        ("go_sched_latencies_seconds_sum", 0.8),
                    ] {
                        scraped.set(&format!("{counter}{{{labels}}}"), Level::At(10_000.0 + jump * 60.0 * per_second));
                    }
                    for (gauge, level) in [("http_requests_in_flight", 12.0), ("go_sched_gomaxprocs_threads", 4.0)] {
                        scraped.set(&format!("{gauge}{{{labels}}}"), Level::At(level));
                    }
                }
            }
        };
        counters(0.0).await;
        for workload in &workloads {
            let labels = format!("namespace=\"{}\",app=\"{}\"", scene.namespace, workload.name);
            scraped.set(&format!("queue{{{labels}}}"), Level::At(48.0));
            metrics.set(&workload.name, Source::Cpu { container: "app" }, Load::Total(600));
            metrics.set(&workload.name, Source::Memory { container: "app" }, Load::Total(400));
        }
        scraped.set(&format!("backlog{{namespace=\"{}\"}}", scene.namespace), Level::At(40.0));
        scraped.set("backlog{namespace=\"elsewhere\"}", Level::At(1000.0));
        let counter = format!("http_requests_total{{namespace=\"{}\"}}", scene.namespace);
        scraped.shows(&format!("min(count_over_time({counter}[1m])) >= bool 25"), "1").await;
        counters(1.0).await;
        scraped.shows(&format!("min(increase({counter}[1m])) > bool 900"), "1").await;

        let check = async |row: &Row, workload: &Workload| {
            let all = [("max-replicas", "10")].into_iter().chain(row.annotations.iter().copied());
            scene.annotate(workload.kind, &workload.name, &all.map(|(key, value)| (key, json!(value))).collect::<Vec<_>>()).await;
            let policy = policy_of(workload);
            scene.moved(&policy, &[(4, row.size)]).await;
            let start = format!("New size: {} (was 4): ", row.size);
            let words: Vec<&str> = std::iter::once(start.as_str()).chain(row.why.iter().copied()).collect();
            scene.event(workload.kind, &workload.name, "SuccessfulRescale", &words).await;
            scene.event("ScalePolicy", &policy, "SuccessfulRescale", &words).await;
            scene.condition(&policy, "ScalingActive", "True", "ValidMetricFound", &[]).await;
            scene.moved(&policy, &[(4, row.size)]).await;
        };
        join_all(rows.iter().zip(&workloads).map(|(row, workload)| check(row, workload))).await;
    });
}

#[test]
fn mode_pause_and_interval_hold_what_they_should() {
    run(async {
        let (scene, scraped) = begin().await;
        let metrics = scene.plane.metrics().await;
        let rows: [(&str, Annotations, &str, &[&str]); 3] = [
            ("advice", &[("mode", "Recommend")], "Recommendation", &["Recommended size: 6 (now 4)", "cpu 75% of request"]),
            ("paused", &[("pause", "up by=ana reason=load test")], "ScalingHeld", &["held at 4", "scale-up paused by ana (load test)"]),
            ("all", &[("pause", "true")], "ScalingHeld", &["held at 4: wants 6; scaling paused until the pause is removed"]),
        ];
        let check = async |index: usize, (name, annotations, reason, words): &(&str, Annotations, &str, &[&str])| {
            let workload = workload(&scene, index, name, 4);
            metrics.set(&workload.name, Source::Cpu { container: "app" }, Load::Total(300));
            scene.create(&workload, &[]).await;
            scene.ready(&workload.name, 4).await;
            let base = [("max-replicas", json!("10")), ("target-cpu", json!("50%"))];
            let all: Vec<_> = base.into_iter().chain(annotations.iter().map(|(key, value)| (*key, json!(value)))).collect();
            scene.annotate(workload.kind, &workload.name, &all).await;
            scene.event(workload.kind, &workload.name, reason, words).await;
            scene.size(workload.kind, &workload.name, 4).await;
            // Taken back, it goes on at once.
            scene.annotate(workload.kind, &workload.name, &[(annotations[0].0, Value::Null)]).await;
            scene.moved(&policy_of(&workload), &[(4, 6)]).await;
        };
        // By a query, as CPU is also looked at between two decisions.
        let slow = async {
            let workload = workload(&scene, 0, "slow", 4);
            let queue = format!("queue{{namespace=\"{}\",app=\"{}\"}}", scene.namespace, workload.name);
            scraped.set(&queue, Level::At(24.0));
            scraped.shows(&queue, "24").await;
            scene.create(&workload, &[]).await;
            scene.ready(&workload.name, 4).await;
            let all = [("max-replicas", "10"), ("query", QUEUE), ("query-target", "6"), ("interval", "5m")];
            scene.annotate(workload.kind, &workload.name, &all.map(|(key, value)| (key, json!(value)))).await;
            scene.shows(&policy_of(&workload), "/status/decision/verdict", "Steady").await;
            scraped.set(&queue, Level::At(36.0));
            scraped.shows(&queue, "36").await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            scene.size(workload.kind, &workload.name, 4).await;
            scene.annotate(workload.kind, &workload.name, &[("interval", json!("1s"))]).await;
            scene.moved(&policy_of(&workload), &[(4, 6)]).await;
        };
        tokio::join!(slow, join_all(rows.iter().enumerate().map(|(index, row)| check(index, row))));
    });
}
