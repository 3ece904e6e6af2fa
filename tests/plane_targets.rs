//! Targets of every kind, and a target that others write to as well.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod plane_support;

use plane_support::{ABLE, ACTIVE, Ballast, Flags, Load, Options, SOON, Source, Story, Workload, eventually, plane, run, scale};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

async fn begin() -> Story {
    static BALLAST: OnceCell<Ballast> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    let flags = Flags { downscale_stabilization: "2s", ..Flags::default() };
    BALLAST.get_or_init(|| Ballast::start(plane, "targets", &flags)).await;
    story
}

fn target(api_version: &str, kind: &str, name: &str) -> Value {
    json!({ "intervalSeconds": 1, "scaleTargetRef": { "apiVersion": api_version, "kind": kind, "name": name } })
}

/// A name that is the story's own on the plane, with this load.
async fn app(story: &Story, name: &str, total: i64) -> String {
    let name = format!("{name}-{}", story.namespace);
    story.plane.metrics().await.set(&name, Source::Cpu { container: "app" }, Load::Total(total));
    name
}

#[test]
fn all_kinds_of_apps_scale() {
    run(async {
        let story = begin().await;
        for kind in ["StatefulSet", "ReplicaSet"] {
            let name = app(&story, &kind.to_lowercase(), 300).await;
            let workload = Workload { kind, ..Workload::deployment(&story.namespace, &name, 4) };
            workload.create(&story.plane.client).await;
            story.ready(&name, 4).await;
            story.policy(&name, kind, &name, target("apps/v1", kind, &name)).await;
            story.shows(SOON, &format!("{kind}/{name}"), "{.spec.replicas}", "6").await;
            story.describes(kind, &name, &["SuccessfulRescale", "New size: 6 (was 4)"]).await;
        }
    });
}

#[test]
fn a_replication_controller_scales() {
    run(async {
        let story = begin().await;
        let name = app(&story, "rc", 300).await;
        let labels = json!({ "app": name });
        let container = json!({ "name": "app", "image": "registry.invalid/app:1", "resources": { "requests": { "cpu": "100m" } } });
        story
            .apply(json!({ "apiVersion": "v1", "kind": "ReplicationController", "metadata": { "name": name }, "spec": {
                "replicas": 4, "selector": labels, "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } } } }))
            .await;
        story.ready(&name, 4).await;
        story.policy("rc", "ReplicationController", &name, target("v1", "ReplicationController", &name)).await;
        story.shows(SOON, &format!("rc/{name}"), "{.spec.replicas}", "6").await;
    });
}

/// A kind with a scale subresource, as an operator would bring along, and one without.
fn kind(name: &str, scale: bool) -> Value {
    let mut version = json!({ "name": "v1", "served": true, "storage": true,
        "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
        "subresources": { "status": {} } });
    if scale {
        version["subresources"]["scale"] = json!({ "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector" });
    }
    let lower = name.to_lowercase();
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": format!("{lower}s.shop.example.org") },
        "spec": { "group": "shop.example.org", "scope": "Namespaced", "names": { "kind": name, "plural": format!("{lower}s") }, "versions": [version] } })
}

#[test]
fn custom_resources_scale_if_they_have_a_scale_subresource() {
    run(async {
        let story = begin().await;
        story.apply(kind("Rollout", true)).await;
        story.apply(kind("Ledger", false)).await;
        for crd in ["crd/rollouts.shop.example.org", "crd/ledgers.shop.example.org"] {
            story.plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=20s", crd]).await;
        }
        let name = app(&story, "canary", 300).await;
        for kind in ["Rollout", "Ledger"] {
            story
                .apply(
                    json!({ "apiVersion": "shop.example.org/v1", "kind": kind, "metadata": { "name": name }, "spec": { "replicas": 4 } }),
                )
                .await;
        }
        // The operator's part: pods without owner, counted by their labels, and the status.
        let pods: Vec<Value> = (0..4)
            .map(|index| json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": format!("{name}-{index}"), "labels": { "app": name } },
                "spec": { "containers": [{ "name": "app", "image": "registry.invalid/app:1", "resources": { "requests": { "cpu": "100m" } } }] } }))
            .collect();
        story.apply(json!({ "apiVersion": "v1", "kind": "List", "items": pods })).await;
        story.ready(&name, 4).await;
        let status = json!({ "status": { "replicas": 4, "selector": format!("app={name}") } }).to_string();
        let rollout = format!("rollout/{name}");
        story.kubectl(&["patch", &rollout, "--subresource=status", "--type=merge", "-p", &status]).await;

        story.policy("canary", "Rollout", &name, target("shop.example.org/v1", "Rollout", &name)).await;
        story.policy("ledger", "Ledger", &name, target("shop.example.org/v1", "Ledger", &name)).await;
        story.shows(SOON, &rollout, "{.spec.replicas}", "6").await;
        story.describes("rollout", &name, &["SuccessfulRescale", "New size: 6 (was 4)"]).await;
        story.shows(SOON, "sp/ledger", ABLE, "a Ledger has no scale subresource").await;
        let bad = json!({ "status": { "selector": "app in (" } }).to_string();
        story.kubectl(&["patch", &rollout, "--subresource=status", "--type=merge", "-p", &bad]).await;
        story.shows(SOON, "sp/canary", ACTIVE, "InvalidSelector").await;
    });
}

/// Fifty edits of the target while Ballast scales it: each may make its write a conflict, none may make it wrong or loud.
#[test]
fn edits_by_others_meanwhile_end_at_the_right_size() {
    run(async {
        let story = begin().await;
        let web = story.deployment("web", 4, Load::Total(300)).await;
        story.ready(&web, 4).await;
        story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1 })).await;
        for round in 0..50 {
            // Twice: whoever undoes each move is not fought (`plane_writers`).
            if round % 25 == 0 {
                scale(&story.plane.client, "Deployment", &story.namespace, &web, if round == 0 { 3 } else { 9 }).await;
            }
            let note = json!({ "metadata": { "annotations": { "round": round.to_string() } } });
            story.kubectl(&["patch", "deployment", &web, "--type=merge", "-p", &note.to_string()]).await;
        }
        story.size(SOON, &web, 6).await;
        eventually("it stays there", SOON, async || {
            let held = story.get("sp/web", "{.status.decision.verdict} {.status.decision.from}").await;
            if held == "Steady 6" { Ok(()) } else { Err(held) }
        })
        .await;
        let events = story.kubectl(&["get", "events", "-o", "jsonpath={range .items[*]}{.reason}{\"\\n\"}{end}"]).await;
        assert!(!events.contains("FailedRescale"), "{events}");
        let ours = events.lines().filter(|reason| *reason == "SuccessfulRescale").count();
        assert!(ours <= 10, "{ours} rescale Events for 2 scales by hand:\n{events}");
    });
}
