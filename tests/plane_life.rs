//! What happens to a policy and its target in everyday life, on a real control plane: edits, scales by hand, rivals, pauses, zero, bad targets,
//! annotations, failing metrics.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use std::time::Duration;

use plane_support::{ABLE, ACTIVE, AT_ONCE, Ballast, Fault, Flags, Load, Options, SOON, Source, Story, plane, run, scale};
use serde_json::json;
use tokio::sync::OnceCell;

/// A namespace of the test's own, with one controller for all tests.
async fn begin() -> Story {
    static BALLAST: OnceCell<Ballast> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    let flags = Flags { downscale_stabilization: "2s", ..Flags::default() };
    BALLAST.get_or_init(|| Ballast::start(plane, "life", &flags)).await;
    story
}

#[test]
fn a_rescale_is_told_on_policy_and_target_with_numbers() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Total(300)).await;
        story.ready(&web, 4).await;
        story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1 })).await;
        story.size(SOON, &web, 6).await;
        let words = ["SuccessfulRescale", "ballast", "New size: 6 (was 4): cpu 75% of request, target 50%: needs 6"];
        story.describes("scalepolicy", "web", &words).await;
        story.describes("deployment", &web, &words).await;
        story.shows(SOON, "sp/web", "{.status.scaleEvents[0].from} {.status.scaleEvents[0].to}", "4 6").await;
        story.shows(SOON, "sp/web", ABLE, "\"status\":\"True\"").await;
        story.shows(SOON, "sp/web", "{.status.observedGeneration}", "1").await;
    });
}

#[test]
fn edits_and_hand_scales_are_looked_at_at_once() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Total(200)).await;
        story.ready(&web, 4).await;
        story.policy("web", "Deployment", &web, json!({})).await;
        story.shows(SOON, "sp/web", "{.status.desiredReplicas}", "4").await;
        scale(&story.plane.client, "Deployment", &story.namespace, &web, 12).await;
        story.size(AT_ONCE, &web, 10).await;
        story.kubectl(&["patch", "sp/web", "--type=merge", "-p", r#"{"spec":{"maxReplicas":7}}"#]).await;
        story.size(AT_ONCE, &web, 7).await;
        story.kubectl(&["delete", "sp/web"]).await;
        scale(&story.plane.client, "Deployment", &story.namespace, &web, 9).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        story.size(AT_ONCE, &web, 9).await;
    });
}

#[test]
fn a_target_that_goes_and_comes_back_is_found_again() {
    run(async {
        let story = begin().await;
        let web = format!("web-{}", story.namespace);
        story.policy("web", "Deployment", &web, json!({ "minReplicas": 3 })).await;
        story.shows(SOON, "sp/web", ABLE, "FailedGetScale").await;
        story.describes("scalepolicy", "web", &["Warning", "FailedGetScale", "does not exist"]).await;
        story.deployment("web", 1, Load::Each(50)).await;
        story.size(AT_ONCE, &web, 3).await;
        story.kubectl(&["delete", "deployment", &web]).await;
        story.shows(AT_ONCE, "sp/web", ABLE, "FailedGetScale").await;
        story.deployment("web", 2, Load::Each(50)).await;
        story.size(AT_ONCE, &web, 3).await;
    });
}

#[test]
fn a_policy_made_again_starts_with_a_status_of_its_own() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Total(300)).await;
        story.ready(&web, 4).await;
        story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1 })).await;
        story.shows(SOON, "sp/web", "{.status.scaleEvents[0].to}", "6").await;
        story.kubectl(&["delete", "sp/web"]).await;
        story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1 })).await;
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;
        assert_eq!(story.get("sp/web", "{.status.scaleEvents}").await, "");
    });
}

#[test]
fn two_policies_or_an_hpa_on_one_target_write_nothing() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 2, Load::Each(50)).await;
        story.ready(&web, 2).await;
        story.policy("one", "Deployment", &web, json!({})).await;
        story.shows(SOON, "sp/one", ACTIVE, "ValidMetricFound").await;
        story.policy("two", "Deployment", &web, json!({ "minReplicas": 5 })).await;
        story.shows(SOON, "sp/one", ACTIVE, "ScalePolicy/two").await;
        story.shows(SOON, "sp/two", ACTIVE, "AmbiguousSelector").await;
        story.size(SOON, &web, 2).await;
        story.kubectl(&["delete", "sp/two"]).await;
        story.shows(SOON, "sp/one", ACTIVE, "ValidMetricFound").await;
        story.kubectl(&["autoscale", "deployment", &web, "--max=9", "--name=rival"]).await;
        story.shows(SOON, "sp/one", ACTIVE, "HorizontalPodAutoscaler/rival").await;
        story.kubectl(&["delete", "hpa/rival"]).await;
        story.shows(SOON, "sp/one", ACTIVE, "ValidMetricFound").await;
    });
}

#[test]
fn recommend_and_pause_hold_the_size_and_say_so() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Total(300)).await;
        story.ready(&web, 4).await;
        story.policy("web", "Deployment", &web, json!({ "mode": "Recommend", "intervalSeconds": 1 })).await;
        story.shows(SOON, "sp/web", "{.status.desiredReplicas}", "6").await;
        story.describes("deployment", &web, &["Recommendation", "Recommended size: 6 (now 4)"]).await;
        story.size(SOON, &web, 4).await;
        let pause = json!({ "mode": "Enforce", "intervalSeconds": 1, "pause": { "direction": "Up", "reason": "load test", "by": "ann" } });
        story.policy("web", "Deployment", &web, pause).await;
        story.shows(SOON, "sp/web", "{.status.decision}", "Paused").await;
        story.describes("scalepolicy", "web", &["ScalingHeld", "ann", "load test"]).await;
        story.size(SOON, &web, 4).await;
        story.policy("web", "Deployment", &web, json!({ "mode": "Enforce", "intervalSeconds": 1, "pause": null })).await;
        story.size(SOON, &web, 6).await;
    });
}

#[test]
fn zero_by_hand_is_off_and_zero_by_ballast_is_asleep() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 0, Load::Each(50)).await;
        story.policy("web", "Deployment", &web, json!({ "minReplicas": 2, "intervalSeconds": 1 })).await;
        story.shows(SOON, "sp/web", ACTIVE, "ScalingDisabled").await;
        story.size(SOON, &web, 0).await;

        let queue = story.deployment("queue", 1, Load::Each(50)).await;
        let metrics = story.plane.metrics().await;
        metrics.set(&queue, Source::External { metric: "jobs", labels: &[] }, Load::Each(0));
        let metric = json!([{ "type": "External", "external": {
            "metric": { "name": format!("jobs.{queue}") }, "target": { "type": "AverageValue", "averageValue": "10" } } }]);
        story.policy("queue", "Deployment", &queue, json!({ "minReplicas": 0, "intervalSeconds": 1, "metrics": metric })).await;
        story.size(SOON, &queue, 0).await;
        story.shows(SOON, "sp/queue", "{.status.conditions[?(@.type==\"ScaledToZero\")]}", "\"status\":\"True\"").await;
        metrics.set(&queue, Source::External { metric: "jobs", labels: &[] }, Load::Each(25_000));
        story.size(SOON, &queue, 3).await;
    });
}

#[test]
fn what_cannot_be_scaled_is_named_with_its_reason() {
    run(async {
        let story = begin().await;
        for (name, kind) in [("ds", "DaemonSet"), ("job", "Job"), ("cron", "CronJob")] {
            story.policy(name, kind, "x", json!({})).await;
            story.shows(SOON, &format!("sp/{name}"), ABLE, &format!("a {kind} has no scale subresource")).await;
            story.describes("scalepolicy", name, &["Warning", "FailedGetScale", "Deployment, StatefulSet"]).await;
        }
        let target = json!({ "scaleTargetRef": { "apiVersion": "nobody.example.org/v1", "kind": "Thing", "name": "x" } });
        story.policy("thing", "Deployment", "x", target).await;
        story.shows(SOON, "sp/thing", ABLE, "knows no kind Thing").await;
    });
}

#[test]
fn failing_metrics_hold_the_size_and_recovery_goes_on() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Each(50)).await;
        story.ready(&web, 4).await;
        let metrics = story.plane.metrics().await;
        for fault in [Fault::Empty, Fault::Garbage, Fault::Status(500)] {
            metrics.fault(&web, "resource", Some(fault));
        }
        // The stub's fault of an app is met by selector; the list of a namespace is taken as it is, so the pods' samples are withheld too.
        metrics.set(&web, Source::Cpu { container: "app" }, Load::Pods { alive: 4, values: vec![None; 4], otherwise: 50 });
        story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1 })).await;
        story.shows(SOON, "sp/web", ACTIVE, "FailedGetResourceMetric").await;
        story.describes("deployment", &web, &["Warning", "FailedGetResourceMetric", "metrics.k8s.io"]).await;
        story.size(SOON, &web, 4).await;
        metrics.fault(&web, "resource", None);
        metrics.set(&web, Source::Cpu { container: "app" }, Load::Total(400));
        story.size(SOON, &web, 8).await;
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;
    });
}

#[test]
fn annotations_make_keep_and_remove_a_policy() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 1, Load::Each(50)).await;
        let deployment = format!("deployment/{web}");
        let policy = format!("sp/{web}.deployment");
        story
            .kubectl(&["annotate", &deployment, "ballast.dev/max-replicas=6", "ballast.dev/min-replicas=3", "ballast.dev/target-cpu=50%"])
            .await;
        story.size(SOON, &web, 3).await;
        story.shows(SOON, &policy, "{.metadata.ownerReferences[0].name}", &web).await;

        story.kubectl(&["annotate", "--overwrite", &deployment, "ballast.dev/min-replicas=many"]).await;
        story.describes("deployment", &web, &["Warning", "InvalidAnnotation", "ballast.dev/min-replicas", "many", "whole number"]).await;
        assert_eq!(story.get(&policy, "{.spec.minReplicas}").await, "3");

        story.kubectl(&["annotate", "--overwrite", &deployment, "ballast.dev/min-replicas=4"]).await;
        story.size(SOON, &web, 4).await;
        story.policy("by-hand", "Deployment", &web, json!({ "minReplicas": 5 })).await;
        story.describes("deployment", &web, &["AnnotationsOverridden", "by-hand"]).await;
        story.size(SOON, &web, 5).await;
        story.shows(SOON, &policy, "{}", "not found").await;

        story.kubectl(&["delete", "sp/by-hand"]).await;
        story.shows(SOON, &policy, "{.spec.minReplicas}", "4").await;
        story
            .kubectl(&["annotate", &deployment, "ballast.dev/max-replicas-", "ballast.dev/min-replicas-", "ballast.dev/target-cpu-"])
            .await;
        story.shows(SOON, &policy, "{}", "not found").await;
    });
}
