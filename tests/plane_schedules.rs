//! Sizes by the clock and in an outage, on a real API server: at their time, said on the workload, and refused where they mean nothing.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod plane_support;

use std::time::Duration;

use ballast::clock::Clock;
use jiff::Timestamp;
use plane_support::{ACTIVE, AT_ONCE, Ballast, Fault, Flags, Load, Options, SOON, Story, plane, run};
use serde_json::json;
use tokio::sync::OnceCell;

async fn begin() -> Story {
    static BALLAST: OnceCell<Ballast> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    BALLAST.get_or_init(async || Ballast::start(plane, "schedules", &Flags::default()).await).await;
    story
}

/// So many seconds from now, as an API time.
fn later(seconds: i64) -> String {
    let now = Clock::real().now().as_millis() / 1000;
    Timestamp::from_second(now + seconds).unwrap().to_string()
}

/// The policy is looked at once a minute unless something happens; the window is 15 s away and lasts 8 s.
#[test]
fn a_window_opens_and_closes_at_its_time() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Each(50)).await;
        story.ready(&web, 4).await;
        let schedule = json!({ "name": "sale", "start": later(15), "end": later(23), "minReplicas": 9, "timeZone": "Europe/Berlin" });
        let rates = json!({ "scaleDown": { "stabilizationWindowSeconds": 0 } });
        story.policy("web", "Deployment", &web, json!({ "schedules": [schedule], "behavior": rates })).await;
        story.shows(AT_ONCE, "sp/web", ACTIVE, "ValidMetricFound").await;
        assert_eq!(story.get(&format!("deployment/{web}"), "{.spec.replicas}").await, "4", "not before its time");
        story.size(SOON, &web, 9).await;
        let says = "size 4 is below minReplicas 9 by schedule sale until";
        story.describes("deployment", &web, &["SuccessfulRescale", "New size: 9 (was 4)", says, "Europe/Berlin"]).await;
        story.plane.metrics().await.set(&web, plane_support::Source::Cpu { container: "app" }, Load::Total(200));
        story.size(SOON, &web, 4).await;
    });
}

#[test]
fn a_zone_that_nobody_knows_is_told_as_a_condition() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Each(50)).await;
        let schedule = json!({ "name": "s", "cron": "0 8 * * *", "durationSeconds": 60, "minReplicas": 5, "timeZone": "Europe/Atlantis" });
        story.policy("web", "Deployment", &web, json!({ "schedules": [schedule] })).await;
        let says = "spec.schedules[0].timeZone: Europe/Atlantis: is not a known IANA time zone";
        story.shows(AT_ONCE, "sp/web", ACTIVE, says).await;
        story.describes("sp", "web", &["Warning", "InvalidSpec", says]).await;
    });
}

/// The policy is looked at once a minute unless something happens: the end of the pause is enough.
#[test]
fn a_pause_says_whose_it_is_and_ends_by_itself() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Total(300)).await;
        story.ready(&web, 4).await;
        let pause = json!({ "direction": "Up", "until": later(15), "reason": "load test", "by": "ana" });
        story.policy("web", "Deployment", &web, json!({ "pause": pause })).await;
        story.shows(AT_ONCE, "sp/web", "{.status.decision.message}", "wants 6; scale-up paused by ana (load test) for").await;
        assert_eq!(story.get(&format!("deployment/{web}"), "{.spec.replicas}").await, "4");
        story.size(SOON, &web, 6).await;
        story.describes("deployment", &web, &["ScalingHeld", "scale-up paused by ana (load test)"]).await;
        story.describes("deployment", &web, &["SuccessfulRescale", "New size: 6 (was 4)"]).await;
    });
}

#[test]
fn an_outage_is_held_and_then_falls_back() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Each(50)).await;
        story.ready(&web, 4).await;
        let fallback = json!({ "holdSeconds": 6, "replicas": { "floor": 7 } });
        story.policy("web", "Deployment", &web, json!({ "fallback": fallback, "intervalSeconds": 2 })).await;
        story.shows(AT_ONCE, "sp/web", ACTIVE, "ValidMetricFound").await;
        story.plane.metrics().await.fault(&web, "resource", Some(Fault::Status(503)));
        story.shows(SOON, "sp/web", "{.status.decision.message}", "then at least 7 replicas").await;
        assert_eq!(story.get(&format!("deployment/{web}"), "{.spec.replicas}").await, "4", "held at first");
        story.size(SOON, &web, 7).await;
        story.describes("deployment", &web, &["Warning", "FallbackActive", "fallback to at least 7 replicas"]).await;
        story.describes("deployment", &web, &["SuccessfulRescale", "New size: 7 (was 4)", "signals missing for"]).await;
        story.shows(SOON, "sp/web", ACTIVE, "FailedGetResourceMetric").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        story.size(AT_ONCE, &web, 7).await;
        story.plane.metrics().await.fault(&web, "resource", None);
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;
    });
}
