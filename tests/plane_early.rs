//! Growth is looked for between two decisions, on a real control plane: all policies here are decided every five minutes.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod plane_support;

use std::time::Duration;

use plane_support::{Ballast, Flags, Load, Options, SOON, Source, Story, cpu, plane, prometheus, run};
use serde_json::json;
use tokio::sync::OnceCell;

/// When the last decision was made, as the status has it.
const DECIDED: &str = "{.status.decision.time}";

const PROMETHEUS: &str = "http://127.0.0.1:9";

async fn begin() -> Story {
    static BALLAST: OnceCell<Ballast> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    let more = ["--scale-out-sync-period=1s", "--prometheus-url", PROMETHEUS].map(str::to_owned).to_vec();
    let flags = Flags { downscale_stabilization: "0s", smoothing: "none", more, ..Flags::default() };
    BALLAST.get_or_init(|| Ballast::start(plane, "early", &flags)).await;
    story
}

/// A policy that found four pods with half of what they asked for.
async fn settled(story: &Story, more: serde_json::Value) -> String {
    let web = story.deployment("web", 4, Load::Total(200)).await;
    story.ready(&web, 4).await;
    let mut spec = json!({ "intervalSeconds": 300 });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    story.policy("web", "Deployment", &web, spec).await;
    story.shows(SOON, "sp/web", "{.status.desiredReplicas}", "4").await;
    web
}

async fn load(story: &Story, web: &str, load: Load) {
    story.plane.metrics().await.set(web, Source::Cpu { container: "app" }, load);
}

#[test]
fn growth_does_not_wait_for_the_interval_and_shrinking_does() {
    run(async {
        let story = begin().await;
        let web = settled(&story, json!({})).await;
        let first = story.get("sp/web", DECIDED).await;
        load(&story, &web, Load::Total(180)).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(story.get("sp/web", DECIDED).await, first, "nothing is decided where nothing grows");

        load(&story, &web, Load::Total(380)).await;
        story.size(SOON, &web, 8).await;
        story.ready(&web, 8).await;
        story.shows(SOON, "sp/web", "{.status.scaleEvents[0].from} {.status.scaleEvents[0].to}", "4 8").await;

        load(&story, &web, Load::Total(50)).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(story.get(&format!("deployment/{web}"), "{.spec.replicas}").await, "8", "scale-in keeps the interval");
    });
}

#[test]
fn a_policy_that_only_recommends_keeps_its_interval() {
    run(async {
        let story = begin().await;
        let web = settled(&story, json!({ "mode": "Recommend" })).await;
        let first = story.get("sp/web", DECIDED).await;
        load(&story, &web, Load::Total(380)).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(story.get("sp/web", DECIDED).await, first);
    });
}

#[test]
fn a_policy_with_a_signal_that_costs_a_question_of_its_own_keeps_its_interval() {
    run(async {
        let story = begin().await;
        let queue = prometheus("queue", "sum(queue)", ("AverageValue", "10"));
        let web = settled(&story, json!({ "metrics": [cpu(50), queue] })).await;
        load(&story, &web, Load::Total(380)).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(story.get(&format!("deployment/{web}"), "{.spec.replicas}").await, "4");
    });
}
