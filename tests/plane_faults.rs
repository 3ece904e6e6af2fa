//! Everything that can go wrong with what is measured, on a real control plane: real Prometheus behind a proxy that breaks, exporters that
//! lie, metrics APIs that fail behind their real `APIService`, rollouts, pods that crash, another writer, and a controller that is killed meanwhile. The windows are short,
//! so that nothing but the rule for the fault keeps the size, and every size that a Deployment has meanwhile is watched.
//!
//! Outages in more forms: `plane_metrics`; windows and budgets across restarts: `plane_memory`, `plane_ha`.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod drills;
mod plane_support;
mod support_faults;

use std::time::Duration;

use drills::{After, Break, Drill, World};
use futures::future::join_all;
use plane_support::{Fault as ApiFault, Load, cpu, metric, prometheus, run};
use serde_json::{Value, json};
use support_faults::Fault;

const QUEUE: &str = r#"queue{namespace="${namespace}",app="${name}"}"#;

/// A Prometheus gauge that asks for 6 replicas.
fn queue() -> Value {
    json!({ "metrics": [prometheus("queue", QUEUE, ("AverageValue", "10"))] })
}

/// A collapse is believed after so many seconds.
fn guarded(mut spec: Value, seconds: u32) -> Value {
    spec["smoothing"] = json!({ "type": "Smooth", "collapseHoldSeconds": seconds });
    spec
}

/// The filter takes no old sample at all; without it the rule alone holds.
fn unsmoothed(mut spec: Value) -> Value {
    spec["smoothing"] = json!({ "type": "None" });
    spec
}

fn drill(name: &'static str, fault: &'static str, spec: Value, breaks: Break, code: &'static str, words: &'static str) -> Drill {
    Drill { name, fault, spec, replicas: 6, breaks, code, words, lasts: Duration::from_secs(6), after: After::Steady }
}

#[test]
fn no_fault_takes_a_replica_away() {
    run(async {
        let world = World::begin().await;
        let usage = || json!({ "metrics": [cpu(50)] });
        let jobs = |name: &str| {
            let name = json!({ "metric": { "name": format!("jobs.{}", world.scene.name(name)) } });
            json!({ "metrics": [metric("External", name, ("averageValue", json!(10)))] })
        };
        let hits = || json!({ "metrics": [prometheus("hits", r#"sum(rate(hits{namespace="${namespace}",app="${name}"}[10s]))"#, ("AverageValue", "10"))] });
        let (failed, unknown) = ("SignalFailed", "queue unknown: query queue");
        #[rustfmt::skip]
        let drills = [
            drill("empty", "Prometheus: the series is gone", queue(), Break::Gone, failed, "returned no series"),
            drill("nan", "Prometheus: NaN", queue(), Break::Says(f64::NAN), failed, "returned NaN"),
            drill("infinite", "Prometheus: infinity", queue(), Break::Says(f64::INFINITY), failed, "returned inf"),
            drill("negative", "Prometheus: negative", queue(), Break::Says(-60.0), failed, "the value -60 is not a quantity"),
            drill("down", "Prometheus: connection refused", queue(), Break::Proxy(0, Fault::Down), failed, unknown),
            drill("overloaded", "Prometheus: 503", queue(), Break::Proxy(1, Fault::Status(503)), failed, "503 Service Unavailable"),
            drill("slow", "Prometheus: no answer in time", queue(), Break::Proxy(2, Fault::Slow(Duration::from_secs(3))), failed, "no answer within 1 s"),
            drill("broken-off", "Prometheus: answer breaks off", queue(), Break::Proxy(3, Fault::Truncate), failed, unknown),
            drill("strange", "Prometheus: answer is no JSON", queue(), Break::Proxy(4, Fault::Garbage), failed, "not one of a Prometheus API"),
            drill("huge", "Prometheus: answer of 12 MiB", queue(), Break::Proxy(5, Fault::Huge(12 << 20)), failed, "larger than 8 MiB"),
            drill("endless", "Prometheus: answer without an end", queue(), Break::Proxy(6, Fault::Endless), failed, unknown),
            Drill { after: After::Says("Returned", "its source was away and the window is not full again"),
                ..drill("rate", "Prometheus: exporter away and back, rate over 10 s", hits(), Break::Gone, failed, "returned no series") },
            drill("lie", "exporter says 0 (Prometheus)", guarded(queue(), 60), Break::Says(0.0), "Collapsed", "fell from 60 to 0 too fast to be believed"),
            drill("usage-lie", "all pods use 0 (metrics.k8s.io)", guarded(usage(), 60), Break::Uses(Load::Each(0)), "Collapsed", "too fast to be believed"),
            Drill { lasts: Duration::ZERO, after: After::Believed(Duration::from_secs(12)),
                ..drill("ends", "the load is really gone; believed after 12 s", guarded(queue(), 12), Break::Says(1.0), "Collapsed", "fell from 60 to 1") },
            drill("usage-503", "metrics.k8s.io: 503", usage(), Break::Api("resource", ApiFault::Status(503)), failed, "503 injected fault"),
            drill("usage-empty", "metrics.k8s.io: empty list", usage(), Break::Api("resource", ApiFault::Empty), failed, "cpu unknown: "),
            drill("usage-old", "metrics.k8s.io: samples of 10 minutes ago", unsmoothed(usage()), Break::Old(Load::Each(5)), "Stale", "too old to shrink on"),
            drill("usage-partly", "metrics.k8s.io: 4 of 6 pods without sample", usage(),
                Break::Uses(Load::Pods { alive: 6, values: vec![Some(20), Some(20), None, None, None, None], otherwise: 50 }),
                "SamplesMissing", "no move is sure"),
            drill("jobs-garbage", "external.metrics.k8s.io: answer is no JSON", jobs("jobs-garbage"), Break::Api("jobs", ApiFault::Garbage), failed, "cannot be read"),
            drill("jobs-429", "external.metrics.k8s.io: 429", jobs("jobs-429"), Break::Api("jobs", ApiFault::Status(429)), failed, "429 injected fault"),
            drill("jobs-empty", "external.metrics.k8s.io: no series", jobs("jobs-empty"), Break::Api("jobs", ApiFault::Empty), failed, "no series"),
            Drill { replicas: 8, ..drill("surge-25", "rollout with a surge of 25 %, pods with a load of their own", usage(), Break::Rollout("25%"), "Surge", "surge pods") },
            drill("surge-100", "rollout with a surge of 100 %, pods with a load of their own", usage(), Break::Rollout("100%"), "Surge", "surge pods"),
        ];
        tokio::join!(
            join_all(drills.iter().map(|drill| drill.run(&world))),
            drills::killed(&world, "kill"),
            drills::killed(&world, "failover"),
            drills::stuck(&world),
            drills::contested(&world),
        );
        world.table.finish("Faults, windows of 2 s, a look each second:");
    });
}
