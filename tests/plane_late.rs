//! Policies that are not decided in time show in the metrics, and only as long as they are late.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;
mod support_faults;

use std::time::Duration;

use plane_support::{Ballast, Flags, Level, Options, Plane, Scene, Workload, eventually, plane, prometheus, run};
use serde_json::json;
use support_faults::{Fault, FaultProxy};

/// Many tests run at once on a small machine.
const SOON: Duration = Duration::from_secs(40);

async fn shows(ballast: &Ballast, what: &str, check: impl Fn(&str) -> bool) {
    eventually(what, SOON, async || {
        let metrics = ballast.metrics().await;
        let lines: Vec<&str> = metrics.lines().filter(|line| line.contains("overdue") || line.contains("lateness")).collect();
        if metrics.lines().any(&check) { Ok(()) } else { Err(lines.join("\n")) }
    })
    .await;
}

async fn start(plane: &Plane, proxy: &FaultProxy, namespace: &str) -> Ballast {
    let more = ["--prometheus-url", &proxy.url, "--namespaces", namespace].map(str::to_owned).to_vec();
    Ballast::start(plane, "late", &Flags { more, ..Flags::default() }).await
}

#[test]
fn a_policy_whose_source_hangs_is_overdue_until_it_answers() {
    run(async {
        let plane = plane(Options::default()).await;
        let scene = Scene::new(plane).await;
        plane.fleet().await;
        let scraped = plane.prometheus().await;
        let proxy = FaultProxy::start(&scraped.url).await;
        let web = scene.name("web");
        scene.create(&Workload::deployment(&scene.namespace, &web, 2), &[]).await;
        scene.ready(&web, 2).await;
        scraped.set(&format!("queue{{app=\"{web}\"}}"), Level::At(20.0));
        let query = format!("sum(last_over_time(queue{{app=\"{web}\"}}[1m]))");
        scene.policy(&web, json!({ "metrics": [prometheus("queue", &query, ("AverageValue", "10"))] })).await;

        let ballast = start(plane, &proxy, &scene.namespace).await;
        shows(&ballast, "it is decided in time", |line| line.starts_with("ballast_policy_signal_load")).await;
        shows(&ballast, "nothing is overdue", |line| line == "ballast_policies_overdue 0").await;
        // It is looked at every second, and a look waits 5 s for its sources.
        proxy.set(Fault::Slow(Duration::from_secs(60))).await;
        shows(&ballast, "it is overdue", |line| line == "ballast_policies_overdue 1").await;
        proxy.set(Fault::Pass).await;
        shows(&ballast, "it is decided again", |line| line == "ballast_policies_overdue 0").await;
        let all = ballast.metrics().await;
        let count = |le: &str| {
            let bucket = format!("ballast_decision_lateness_seconds_bucket{{le=\"{le}\"}} ");
            all.lines().find_map(|line| line.strip_prefix(&bucket)?.parse::<u64>().ok()).unwrap_or_else(|| panic!("{all}"))
        };
        assert!(count("2.5") < count("+Inf"), "the late decision is counted as late");

        scene.delete("ScalePolicy", &web).await;
        shows(&ballast, "its series end with it", |line| line == "ballast_policies 0").await;
        let left = ballast.metrics().await;
        assert!(!left.contains(&format!("name=\"{web}\"")), "{left}");
    });
}
