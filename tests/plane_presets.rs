//! Presets and roles on a real control plane: a guard and a brake that hold, and `auto` that chooses by what a real Prometheus has.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use plane_support::{Ballast, Flags, Level, Options, Scene, Scraped, plane, run};
use serde_json::json;
use tokio::sync::OnceCell;

/// One controller for all tests.
async fn begin() -> (Scene, &'static Scraped) {
    static BALLAST: OnceCell<Ballast> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let prometheus = plane.prometheus().await;
    let start = async || {
        let more = vec!["--prometheus-url".to_owned(), prometheus.url.clone()];
        Ballast::start(plane, "presets", &Flags { downscale_stabilization: "1s", more, ..Flags::default() }).await
    };
    BALLAST.get_or_init(start).await;
    (Scene::new(plane).await, prometheus)
}

/// A metric that asks for as many replicas as a gauge says.
fn asked(app: &str) -> serde_json::Value {
    json!({ "type": "Prometheus", "prometheus": { "name": "asked", "query": format!("asked{{namespace=\"${{namespace}}\",app=\"{app}\"}}"),
        "target": { "type": "AverageValue", "averageValue": 1 } } })
}

#[test]
fn a_guard_and_a_brake_hold_what_the_driver_asks_for() {
    run(async {
        let (scene, scraped) = begin().await;
        let app = scene.deployment("held", 4).await;
        let pods = scene.pods(&app).await;
        let asks = |replicas: f64| scraped.set(&format!("asked{{namespace=\"{}\",app=\"{app}\"}}", scene.namespace), Level::At(replicas));
        let all = |metric: &str, level: Level| {
            for pod in &pods {
                scraped.set(&format!("{metric}{{namespace=\"{}\",pod=\"{pod}\"}}", scene.namespace), level);
            }
        };
        asks(4.0);
        all("go_gc_gomemlimit_bytes", Level::At(1e9));
        all("go_gc_heap_live_bytes", Level::At(9.3e8));
        all("go_sql_wait_duration_seconds_total", Level::Rising(3.0));
        let window = json!({ "window": "10s" });
        scene
            .policy(
                &app,
                json!({
                    "smoothing": { "type": "None" },
                    "metrics": [
                        asked(&app),
                        { "type": "Preset", "preset": { "name": "go-memory-headroom", "parameters": window } },
                        { "type": "Preset", "preset": { "name": "sql-pool-wait", "parameters": window } },
                    ],
                }),
            )
            .await;

        scene.shows(&app, "/status/currentMetrics/2/holds", "true").await;
        asks(8.0);
        scene
            .event("ScalePolicy", &app, "ScalingHeld", &["held at 4: wants 8; sql-pool-wait", "per pod, brake at 1: above, holds growth"])
            .await;
        scene.event("Deployment", &app, "ScalingHeld", &["holds growth"]).await;
        scene.condition(&app, "ScalingLimited", "True", "ScaleUpBraked", &["stays at 4 because sql-pool-wait is above its target"]).await;

        asks(2.0);
        scene
            .event("ScalePolicy", &app, "ScalingHeld", &["held at 4: wants 2; go-memory-headroom 0.93 per pod, guard at 0.8: above"])
            .await;
        scene.condition(&app, "AbleToScale", "True", "ScaleDownGuarded", &["stays at 4 because go-memory-headroom"]).await;
        scene.size("Deployment", &app, 4).await;

        all("go_gc_heap_live_bytes", Level::At(4e8));
        scene.moved(&app, &[(4, 2)]).await;
        all("go_sql_wait_duration_seconds_total", Level::At(0.0));
        scene.shows(&app, "/status/currentMetrics/2/holds", "false").await;
        asks(6.0);
        scene.moved(&app, &[(4, 2), (2, 6)]).await;
    });
}

#[test]
fn auto_takes_what_fits_and_says_why() {
    run(async {
        let (scene, scraped) = begin().await;
        let app = scene.deployment("auto", 3).await;
        let preset = json!({ "type": "Preset", "preset": { "name": "auto", "parameters": { "window": "10s" } } });
        scene.policy(&app, json!({ "minReplicas": 3, "smoothing": { "type": "None" }, "metrics": [preset] })).await;
        scene.condition(&app, "ScalingActive", "False", "FailedGetPrometheusMetric", &["none of go-run-queue, go-cpu has series"]).await;

        for pod in scene.pods(&app).await {
            let labels = format!("{{namespace=\"{}\",pod=\"{pod}\"}}", scene.namespace);
            for (metric, level) in [
                ("process_cpu_seconds_total", Level::Rising(2.8)),
                ("go_sched_gomaxprocs_threads", Level::At(2.0)),
                ("go_gc_gomemlimit_bytes", Level::At(9.223_372_036_854_776e18)),
                ("go_memstats_heap_alloc_bytes", Level::At(1e8)),
                ("go_sql_wait_duration_seconds_total", Level::At(0.0)),
            ] {
                scraped.set(&format!("{metric}{labels}"), level);
            }
        }
        let why = [
            "go-cpu drives: the one of go-run-queue, go-cpu",
            "sql-pool-wait beside as brake",
            "without series: go-run-queue, go-memory-headroom",
        ];
        scene.event("ScalePolicy", &app, "PresetsChosen", &why).await;
        scene.event("Deployment", &app, "PresetsChosen", &why).await;
        scene.shows(&app, "/status/presets/chosen", r#"["go-cpu","sql-pool-wait"]"#).await;
        // 1.4 of 0.7 is twice as much, once the window is full.
        scene
            .until("grown by go-cpu", "ScalePolicy", &app, |policy| {
                let event = &policy["status"]["scaleEvents"][0];
                let by_cpu =
                    event["reason"].as_str().is_some_and(|reason| reason.contains("go-cpu ") && reason.contains("target 0.7: needs"));
                if by_cpu && event["to"].as_i64() > Some(3) { Ok(()) } else { Err(event.to_string()) }
            })
            .await;
    });
}
