//! Pods that are asked themselves, on a real control plane with a real Prometheus beside it: what decides, what takes their place, what the
//! record says of it, and that no pod can do harm.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use std::time::Duration;

use plane_support::{Ballast, Exporters, Flags, Level, Options, Says, Scene, Scraped, eventually, plane, run};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

struct World {
    ballast: Ballast,
    exporters: Exporters,
    scraped: &'static Scraped,
}

/// One controller and one set of pods for all tests.
async fn begin() -> (Scene, &'static World) {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let start = async || {
        let scraped = plane.prometheus().await;
        let more = vec!["--prometheus-url".to_owned(), scraped.url.clone()];
        let flags = Flags { downscale_stabilization: "1s", smoothing: "none", more, ..Flags::default() };
        World { ballast: Ballast::start(plane, "direct", &flags).await, exporters: Exporters::start(plane).await, scraped }
    };
    let world = WORLD.get_or_init(start).await;
    (Scene::new(plane).await, world)
}

/// Ten requests per second for each replica, looked at by the pods' own counters.
fn spec(more: &Value) -> Value {
    let preset =
        json!({ "name": "http-requests", "freshness": "Direct", "target": { "averageValue": "10" }, "parameters": { "window": "10s" } });
    let mut spec = json!({ "maxReplicas": 90, "metrics": [{ "type": "Preset", "preset": preset }] });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// What the server knows of each pod.
async fn stored(scene: &Scene, world: &World, app: &str, per_pod: f64) {
    for pod in scene.pods(app).await {
        let series = format!("http_requests_total{{namespace=\"{}\",pod=\"{pod}\"}}", scene.namespace);
        world.scraped.set(&series, Level::Rising(per_pod));
    }
}

impl World {
    async fn record(&self, scene: &Scene, name: &str) -> Result<Value, String> {
        let url = format!("http://{}/debug/policies/{}/{name}", self.ballast.admin, scene.namespace);
        reqwest::get(url).await.map_err(|error| error.to_string())?.json().await.map_err(|error| error.to_string())
    }

    /// Waits until the controller's record is as wanted.
    async fn recorded(&self, scene: &Scene, name: &str, what: &str, check: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("the record of {name}: {what}"), Duration::from_secs(40), async || {
            let record = self.record(scene, name).await?;
            if check(&record) { Ok(record) } else { Err(format!("{:#}\n{}", record["signals"], self.ballast.tail())) }
        })
        .await
    }
}

#[test]
fn the_pods_own_values_decide_and_the_record_says_so() {
    run(async {
        let (scene, world) = begin().await;
        let app = scene.name("fresh");
        world.exporters.set(&app, 40.0, &[]);
        scene.deployment("fresh", 4).await;
        stored(&scene, world, &app, 1.0).await;
        // By the server's numbers it would shrink.
        scene.policy(&app, spec(&json!({ "minReplicas": 4, "maxReplicas": 8 }))).await;
        scene.shows(&app, "/status/currentMetrics/0/origin/from", "Pods").await;
        scene.shows(&app, "/status/currentMetrics/0/origin/message", "asked its 4 pods").await;

        world.exporters.set(&app, 80.0, &[]);
        scene.size("Deployment", &app, 8).await;
        scene.event("Deployment", &app, "SuccessfulRescale", &["(was 4): http-requests ", "(asked its 4 pods)"]).await;
        let record = world.recorded(&scene, &app, "eight pods", |record| record["signals"][0]["origin"]["of"] == 8).await;
        let origin = &record["signals"][0]["origin"];
        assert_eq!((&origin["from"], &origin["asked"], &origin["errorPercent"]), (&json!("Pods"), &json!(8), &Value::Null), "{origin}");
        // Not for a moment did the four old ones' share pass for all of it.
        let grew = |event: &Value| event["to"].as_u64() > event["from"].as_u64();
        let policy = scene.get("ScalePolicy", &app).await.unwrap();
        assert!(policy["status"]["scaleEvents"].as_array().unwrap().iter().all(grew), "{:#}", policy["status"]);
    });
}

/// Decided every five minutes; only a look in between can see the step so soon. Others' pods that hang meanwhile do not matter.
#[test]
fn growth_does_not_wait_for_the_interval() {
    run(async {
        let (scene, world) = begin().await;
        let (app, slow) = (scene.name("early"), scene.name("slow"));
        world.exporters.set(&app, 40.0, &[]);
        world.exporters.set(&slow, 40.0, &[Says::Slow; 4]);
        for name in ["early", "slow"] {
            scene.deployment(name, 4).await;
            stored(&scene, world, &scene.name(name), 1.0).await;
            scene.policy(&scene.name(name), spec(&json!({ "minReplicas": 4, "maxReplicas": 8, "intervalSeconds": 300 }))).await;
        }
        // No rate yet at the first look.
        scene.shows(&app, "/status/currentMetrics/0/origin/from", "Source").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.exporters.set(&app, 80.0, &[]);
        scene.size("Deployment", &app, 8).await;
        scene.event("Deployment", &app, "SuccessfulRescale", &["(was 4): http-requests ", "(asked its 4 pods)"]).await;
    });
}

/// Four look while one answers: whoever hangs, sends without an end or points elsewhere is given up, and the server answers in their place.
#[test]
fn hostile_pods_cost_a_bounded_time_and_the_server_takes_their_place() {
    run(async {
        let (scene, world) = begin().await;
        let app = scene.name("hostile");
        world.exporters.set(&app, 1000.0, &[Says::Counts, Says::Slow, Says::Endless, Says::Crowded, Says::Elsewhere]);
        scene.deployment("hostile", 5).await;
        stored(&scene, world, &app, 14.0).await;
        scene.policy(&app, spec(&json!({ "minReplicas": 5, "maxReplicas": 9 }))).await;
        // 70 by the server, where the one pod that answers would stand for a thousand.
        scene.size("Deployment", &app, 7).await;
        scene.event("Deployment", &app, "SuccessfulRescale", &["New size: 7 (was ", "(asked the source in place of the pods)"]).await;
        // The two new ones count, which is still less than half of seven.
        let why = |record: &Value| {
            let origin = &record["signals"][0]["origin"];
            let message = origin["message"].as_str().unwrap_or_default();
            origin["from"] == "Source" && message.contains("of 7 pods have a value of their own, 4 did not answer; hostile-")
        };
        let record = world.recorded(&scene, &app, "why the server was asked", why).await;
        let time = |record: &Value| record["decision"]["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let next = world.recorded(&scene, &app, "another decision", |next| time(next) > time(&record)).await;
        // A pod may take a second, and the server is asked after that; the rest is for a machine that has other work.
        assert!(time(&next).duration_since(time(&record)).as_secs() < 10, "{record} {next}");
        let resident = std::fs::read_to_string(format!("/proc/{}/status", world.ballast.pid())).unwrap();
        let peak: u64 = resident.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()).unwrap().parse().unwrap();
        assert!(peak < 400 << 10, "{peak} KiB");
    });
}

#[test]
fn of_a_large_workload_some_stand_for_all_and_the_record_says_how_far_they_may_be_off() {
    run(async {
        let (scene, world) = begin().await;
        let app = scene.name("large");
        world.exporters.set(&app, 400.0, &[]);
        scene.deployment("large", 40).await;
        scene.policy(&app, spec(&json!({ "minReplicas": 40 }))).await;
        let sampled = |record: &Value| record["signals"][0]["origin"]["errorPercent"].is_f64();
        let record = world.recorded(&scene, &app, "a sampling error", sampled).await;
        let signal = &record["signals"][0];
        let (asked, of, error) = (&signal["origin"]["asked"], &signal["origin"]["of"], signal["origin"]["errorPercent"].as_f64().unwrap());
        assert!(asked.as_u64().is_some_and(|asked| (20..35).contains(&asked)) && of == 40, "{signal}");
        assert!((0.0..20.0).contains(&error), "{signal}");
        scene.shows(&app, "/status/currentMetrics/0/origin/message", ", standard error ").await;
        // Five standard errors and what time does to the counters around.
        let close = |record: &Value| {
            let signal = &record["signals"][0];
            let raw = signal["estimate"]["raw"].as_f64().unwrap_or_default();
            (raw - 400.0).abs() / 400.0 < 0.05 + 5.0 * signal["origin"]["errorPercent"].as_f64().unwrap_or_default() / 100.0
        };
        world.recorded(&scene, &app, "near the truth", close).await;
    });
}
