//! Somebody else sets the size, and pods that do not start, on a real API server: who it was stands in the managed fields.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use std::time::Duration;

use plane_support::{Ballast, Flags, Load, Options, PodState, Source, Story, eventually, plane, run};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Within a look or two, on a busy machine.
const SOON: Duration = Duration::from_secs(40);
/// Growth waits 30 s in a contest.
const LATER: Duration = Duration::from_secs(60);

const CONTESTED: &str = "{.status.conditions[?(@.type==\"ReplicasContested\")]}";
const LIMITED: &str = "{.status.conditions[?(@.type==\"ScalingLimited\")]}";

/// A namespace of the test's own, with one controller for all tests. Pods count as starting for 15 s.
async fn begin() -> Story {
    static BALLAST: OnceCell<Ballast> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    let more = ["--cpu-initialization-period", "15s", "--initial-readiness-delay", "5s"].map(str::to_owned).to_vec();
    let flags = Flags { downscale_stabilization: "2s", smoothing: "none", more, ..Flags::default() };
    BALLAST.get_or_init(|| Ballast::start(plane, "writers", &flags)).await;
    story
}

/// A policy on the length of a queue, a replica for each 10.
async fn queue(story: &Story, name: &str, target: &str, more: Value) {
    let metric = json!([{ "type": "External", "external": {
        "metric": { "name": format!("jobs.{target}") }, "target": { "type": "AverageValue", "averageValue": "10" } } }]);
    let mut spec = json!({ "intervalSeconds": 1, "maxReplicas": 30, "metrics": metric });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    story.policy(name, "Deployment", target, spec).await;
}

async fn wants(story: &Story, target: &str, replicas: i64) {
    story.plane.metrics().await.set(target, Source::External { metric: "jobs", labels: &[] }, Load::Each(replicas * 10_000));
}

/// Applies a manifest as its owner does.
async fn apply(story: &Story, name: &str, manager: &str, spec: Value) {
    let manifest = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": spec });
    let manager = format!("--field-manager={manager}");
    let args = ["apply", "--server-side", "--force-conflicts", &manager, "--namespace", &story.namespace, "-f", "-"];
    let (ok, out) = story.plane.kubectl(&args, &manifest.to_string()).await;
    assert!(ok, "{out}");
}

#[test]
fn a_hand_is_named_once_and_its_size_is_the_next_base() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Each(50)).await;
        story.ready(&web, 4).await;
        story.policy("web", "Deployment", &web, json!({})).await;
        story.shows(SOON, "sp/web", "{.status.desiredReplicas}", "4").await;
        story.kubectl(&["scale", "deployment", &web, "--replicas=12"]).await;
        story.size(SOON, &web, 10).await;
        for (kind, name) in [("scalepolicy", "web"), ("deployment", web.as_str())] {
            story.describes(kind, name, &["Normal", "ForeignScale", "size 12 was set by kubectl (scale), 4 before"]).await;
        }
        // Also when it was decided again, as after a conflict with a rollout's own writes.
        story
            .describes("scalepolicy", "web", &["SuccessfulRescale", "New size: 10 (was 12)", "12 was set by kubectl (scale), 4 before"])
            .await;
        // An edit of something else is nobody's scale.
        story.kubectl(&["set", "env", "deployment", &web, "A=1"]).await;
        story.kubectl(&["patch", "deployment", &web, "--type=merge", "--field-manager=ci", "-p", r#"{"spec":{"replicas":6}}"#]).await;
        story.describes("deployment", &web, &["ForeignScale", "size 6 was set by ci (update), 10 before"]).await;
        assert_eq!(story.get("sp/web", CONTESTED).await, "");
    });
}

#[test]
fn a_new_target_and_a_mere_recommendation_are_no_news() {
    run(async {
        let story = begin().await;
        let one = story.deployment("one", 4, Load::Each(50)).await;
        let two = story.deployment("two", 6, Load::Each(50)).await;
        story.ready(&two, 6).await;
        story.policy("web", "Deployment", &one, json!({ "intervalSeconds": 1 })).await;
        story.shows(SOON, "sp/web", "{.status.desiredReplicas}", "4").await;
        story.policy("web", "Deployment", &two, json!({ "intervalSeconds": 1 })).await;
        story.shows(SOON, "sp/web", "{.status.desiredReplicas}", "6").await;
        story.policy("web", "Deployment", &two, json!({ "intervalSeconds": 1, "mode": "Recommend" })).await;
        story.shows(SOON, "sp/web", "{.status.observedGeneration}", "3").await;
        story.kubectl(&["scale", "deployment", &two, "--replicas=7"]).await;
        story.shows(SOON, "sp/web", "{.status.currentReplicas}", "7").await;
        story.policy("web", "Deployment", &two, json!({ "intervalSeconds": 1, "mode": "Enforce" })).await;
        story.shows(SOON, "sp/web", "{.status.observedGeneration}", "4").await;
        // From here on it is news, and the only one.
        story.kubectl(&["scale", "deployment", &two, "--replicas=5"]).await;
        story.describes("deployment", &two, &["ForeignScale", "size 5 was set by kubectl (scale), 7 before"]).await;
        let events = story.plane.kubectl_ok(&["events", "--namespace", &story.namespace, "--for=scalepolicy/web"]).await;
        assert_eq!(events.lines().filter(|line| line.contains("ForeignScale")).count(), 1, "{events}");
    });
}

#[test]
fn a_manifest_that_resets_the_size_is_named_and_not_fought_in_a_loop() {
    run(async {
        let story = begin().await;
        let web = story.deployment("gitops", 3, Load::Each(50)).await;
        story.ready(&web, 3).await;
        wants(&story, &web, 5).await;
        queue(&story, "web", &web, json!({})).await;
        for _ in 0..3 {
            story.size(SOON, &web, 5).await;
            // Told before it is undone, or the reset would look like the other's second thought.
            story.shows(SOON, "sp/web", "{.status.scaleEvents[0].to}", "5").await;
            apply(&story, &web, "argocd-controller", json!({ "replicas": 3 })).await;
        }
        story.shows(SOON, "sp/web", CONTESTED, "\"status\":\"True\"").await;
        story.shows(SOON, "sp/web", "{.status.decision.heldBy}", "Contested").await;
        story.shows(SOON, "sp/web", CONTESTED, "argocd-controller (apply)").await;
        story.shows(SOON, "sp/web", CONTESTED, "ignoreDifferences").await;
        for (kind, name) in [("scalepolicy", "web"), ("deployment", web.as_str())] {
            story.describes(kind, name, &["Warning", "ReplicasContested", "argocd-controller (apply)", "ignoreDifferences"]).await;
        }
        // What demand needs gets through all the same, later.
        story.size(LATER, &web, 5).await;
        apply(&story, &web, "argocd-controller", json!({ "replicas": 3 })).await;
        story.size(LATER, &web, 5).await;
        let events = story.plane.kubectl_ok(&["events", "--namespace", &story.namespace, "--for=scalepolicy/web"]).await;
        assert_eq!(events.lines().filter(|line| line.contains("ReplicasContested")).count(), 1, "{events}");
        let times = story.get("sp/web", "{.status.scaleEvents[*].time}").await;
        let times: Vec<jiff::Timestamp> = times.split_whitespace().map(|time| time.parse().unwrap()).collect();
        // The newest first; stamps are to the second. The last two moves each waited.
        assert!(times.len() == 5 && times.windows(2).take(2).all(|pair| pair[0].duration_since(pair[1]).as_secs() >= 29), "{times:?}");
    });
}

#[test]
fn a_larger_size_of_another_writer_is_left_for_a_while() {
    run(async {
        let story = begin().await;
        let web = story.deployment("larger", 6, Load::Each(50)).await;
        story.ready(&web, 6).await;
        wants(&story, &web, 3).await;
        queue(&story, "web", &web, json!({})).await;
        for _ in 0..3 {
            story.size(SOON, &web, 3).await;
            story.shows(SOON, "sp/web", "{.status.scaleEvents[0].to}", "3").await;
            // As Flux does, with the whole manifest under its own name.
            apply(&story, &web, "kustomize-controller", json!({ "replicas": 6 })).await;
        }
        story.shows(SOON, "sp/web", CONTESTED, "Flux").await;
        tokio::time::sleep(Duration::from_secs(15)).await;
        story.size(SOON, &web, 6).await;
        story.shows(SOON, "sp/web", "{.status.decision.heldBy}", "Contested").await;
        // More demand is still answered.
        wants(&story, &web, 9).await;
        story.size(LATER, &web, 9).await;
    });
}

#[test]
fn whoever_removes_the_size_from_the_manifest_has_given_way() {
    run(async {
        let story = begin().await;
        let web = story.deployment("giving", 7, Load::Each(50)).await;
        story.ready(&web, 7).await;
        wants(&story, &web, 4).await;
        queue(&story, "web", &web, json!({})).await;
        for _ in 0..3 {
            story.size(SOON, &web, 4).await;
            story.shows(SOON, "sp/web", "{.status.scaleEvents[0].to}", "4").await;
            apply(&story, &web, "flux", json!({ "replicas": 7 })).await;
        }
        story.shows(SOON, "sp/web", "{.status.decision.heldBy}", "Contested").await;
        // Its size was in force, so the API server fills in 1; scale-in would have waited for 10 minutes.
        apply(&story, &web, "flux", json!({})).await;
        story.size(SOON, &web, 4).await;
        story
            .describes("deployment", &web, &["ForeignScale", "size 1 was set by default, since its owner removed the field, 7 before"])
            .await;
        story.shows(SOON, "sp/web", CONTESTED, "NoOtherWriter").await;
    });
}

#[test]
fn pods_that_crash_or_pend_get_no_more_of_their_kind() {
    run(async {
        let story = begin().await;
        let web = story.deployment("broken", 6, Load::Each(50)).await;
        story.ready(&web, 6).await;
        let fleet = story.plane.fleet().await;
        // The first 3 serve; what comes after them crashes, and the last has no node.
        let shape = [vec![PodState::READY; 3], vec![PodState::CRASHING; 4], vec![PodState::UNSCHEDULABLE]].concat();
        fleet.shape(&web, &shape).await;
        wants(&story, &web, 8).await;
        queue(&story, "web", &web, json!({})).await;
        story.size(SOON, &web, 8).await;
        // Longer than pods may take to start.
        tokio::time::sleep(Duration::from_secs(20)).await;
        wants(&story, &web, 20).await;
        let words = "5 of 8 pods are not starting: CrashLoopBackOff, Unschedulable";
        story.shows(SOON, "sp/web", LIMITED, "PodsNotStarting").await;
        story.shows(SOON, "sp/web", LIMITED, words).await;
        for (kind, name) in [("scalepolicy", "web"), ("deployment", web.as_str())] {
            story.describes(kind, name, &["Warning", "PodsNotStarting", words]).await;
        }
        story.size(SOON, &web, 8).await;
        // Scale-in stays possible.
        wants(&story, &web, 7).await;
        story.size(SOON, &web, 7).await;
        // The cause is mended: growth goes on.
        fleet.shape(&web, &[]).await;
        wants(&story, &web, 20).await;
        story.size(SOON, &web, 20).await;
        eventually("nothing is limited any more", SOON, async || {
            let limited = story.get("sp/web", LIMITED).await;
            if limited.contains("DesiredWithinRange") { Ok(()) } else { Err(limited) }
        })
        .await;
    });
}

#[test]
fn pods_that_lose_their_readiness_under_load_get_help() {
    run(async {
        let story = begin().await;
        let web = story.deployment("overload", 4, Load::Each(50)).await;
        story.ready(&web, 4).await;
        // They have served for an hour, up to a minute ago.
        story.plane.fleet().await.shape(&web, &vec![PodState::LOST_READINESS; 4]).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        wants(&story, &web, 12).await;
        queue(&story, "web", &web, json!({})).await;
        story.size(SOON, &web, 12).await;
    });
}
