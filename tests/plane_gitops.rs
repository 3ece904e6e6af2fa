//! What an apply by Argo CD, Flux, Helm or kubectl does to the size, with and without `replicas` in the manifest, and the orders of adoption that
//! docs/gitops.md names.
//!
//! Contests, and what is said of them, are in `plane_writers`. Here are the ways out of them, and what the API server does on the way.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;
mod plane_support;

use std::time::Duration;

use plane_support::{Ballast, Flags, Load, Options, Source, Story, plane, run};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Within a look or two, on a busy machine.
const SOON: Duration = Duration::from_secs(40);

const CONTESTED: &str = "{.status.conditions[?(@.type==\"ReplicasContested\")]}";

/// A namespace of the test's own, with one controller for all tests.
async fn begin() -> Story {
    static BALLAST: OnceCell<Ballast> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    let flags = Flags { downscale_stabilization: "2s", smoothing: "none", ..Flags::default() };
    BALLAST.get_or_init(|| Ballast::start(plane, "gitops", &flags)).await;
    story
}

/// The Deployment as it stands in Git.
fn manifest(name: &str, replicas: Option<i64>) -> Value {
    let mut spec = json!({ "selector": { "matchLabels": { "app": name } }, "template": {
        "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "app", "image": "ballast.test/app:test" }] } } });
    if let Some(replicas) = replicas {
        spec["replicas"] = json!(replicas);
    }
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": spec })
}

/// The name of an app that is unique on the plane; nothing of it exists yet.
fn app(story: &Story, name: &str) -> String {
    format!("{name}-{}", story.namespace)
}

/// Runs kubectl on a manifest: the size in the object that the API server answers with, or its refusal.
async fn kubectl(story: &Story, args: &[&str], manifest: &Value) -> Result<i64, String> {
    let all = [args, &["--namespace", &story.namespace, "--output=jsonpath={.spec.replicas}", "-f", "-"]].concat();
    let (ok, out) = story.plane.kubectl(&all, &manifest.to_string()).await;
    if ok { Ok(out.trim().parse().unwrap_or_else(|_| panic!("{out}"))) } else { Err(out) }
}

/// Applies as a tool does that owns what its manifest says, by force as Argo CD and Flux do.
async fn sync(story: &Story, manager: &str, manifest: &Value) -> i64 {
    let manager = format!("--field-manager={manager}");
    kubectl(story, &["apply", "--server-side", "--force-conflicts", &manager], manifest).await.unwrap()
}

async fn wants(story: &Story, app: &str, replicas: i64) {
    story.plane.metrics().await.set(app, Source::External { metric: "jobs", labels: &[] }, Load::Each(replicas * 10_000));
}

/// A policy on the length of a queue, a replica for each 10.
async fn queue(story: &Story, app: &str) {
    let metric = json!([{ "type": "External", "external": {
        "metric": { "name": format!("jobs.{app}") }, "target": { "type": "AverageValue", "averageValue": "10" } } }]);
    story.policy(app, "Deployment", app, json!({ "intervalSeconds": 1, "maxReplicas": 30, "metrics": metric })).await;
}

/// The same, and waits until it has been decided once.
async fn policy(story: &Story, app: &str) {
    queue(story, app).await;
    story.shows(SOON, &format!("sp/{app}"), "{.status.conditions[?(@.type==\"ScalingActive\")].status}", "True").await;
}

/// Managers that own `spec.replicas`, by name.
async fn owners(story: &Story, app: &str) -> Vec<String> {
    let args = ["get", "deployment", app, "--namespace", &story.namespace, "--show-managed-fields", "--output=json"];
    let object: Value = serde_json::from_str(&story.plane.kubectl_ok(&args).await).unwrap();
    let entries = object["metadata"]["managedFields"].as_array().unwrap().clone();
    let owns = |entry: &&Value| entry.pointer("/fieldsV1/f:spec/f:replicas").is_some();
    let mut names: Vec<_> = entries.iter().filter(owns).map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Nobody else was seen to set the size.
async fn undisturbed(story: &Story, app: &str) {
    assert_eq!(story.get(&format!("sp/{app}"), CONTESTED).await, "");
    let events = story.plane.kubectl_ok(&["events", "--namespace", &story.namespace, &format!("--for=deployment/{app}")]).await;
    assert!(!events.contains("ForeignScale"), "{events}");
}

#[test]
fn without_force_the_api_server_names_ballast_and_keeps_its_size() {
    run(async {
        let story = begin().await;
        let web = app(&story, "conflict");
        wants(&story, &web, 5).await;
        sync(&story, "argocd-controller", &manifest(&web, Some(3))).await;
        story.ready(&web, 3).await;
        policy(&story, &web).await;
        story.size(SOON, &web, 5).await;
        assert_eq!(owners(&story, &web).await, ["ballast"], "who changes a field takes it over");
        let refused =
            kubectl(&story, &["apply", "--server-side", "--field-manager=argocd-controller"], &manifest(&web, Some(3))).await.unwrap_err();
        assert!(refused.contains("conflict with \"ballast\"") && refused.contains(".spec.replicas"), "{refused}");
        story.size(SOON, &web, 5).await;
        undisturbed(&story, &web).await;
    });
}

/// Ballast has moved the size away from the manifest's: the manifest may drop it at any time.
#[test]
fn a_size_that_ballast_set_stays_when_the_manifest_drops_it() {
    run(async {
        let story = begin().await;
        let web = app(&story, "moved");
        wants(&story, &web, 5).await;
        sync(&story, "kustomize-controller", &manifest(&web, Some(3))).await;
        story.ready(&web, 3).await;
        policy(&story, &web).await;
        story.size(SOON, &web, 5).await;
        // Every second from here on, whatever the load does.
        for wanted in [5, 7, 4] {
            wants(&story, &web, wanted).await;
            for _ in 0..3 {
                assert!(sync(&story, "kustomize-controller", &manifest(&web, None)).await >= 4, "never the default of 1");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            story.size(SOON, &web, i32::try_from(wanted).unwrap()).await;
        }
        assert_eq!(owners(&story, &web).await, ["ballast"]);
        undisturbed(&story, &web).await;
    });
}

/// The manifest's size is in force, and its owner lets it go: the API server fills in 1. With a second owner it does not.
#[test]
fn a_size_of_the_manifest_is_handed_over_before_it_is_dropped() {
    run(async {
        let story = begin().await;
        let (bare, safe) = (app(&story, "bare"), app(&story, "safe"));
        // No policy: what the API server does by itself.
        sync(&story, "argocd-controller", &manifest(&bare, Some(3))).await;
        assert_eq!(sync(&story, "argocd-controller", &manifest(&bare, None)).await, 1);

        wants(&story, &safe, 3).await;
        sync(&story, "argocd-controller", &manifest(&safe, Some(3))).await;
        story.ready(&safe, 3).await;
        policy(&story, &safe).await;
        let size = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": safe }, "spec": { "replicas": 3 } });
        let hand_over = ["apply", "--server-side", "--validate=false", "--field-manager=handover-to-ballast"];
        assert_eq!(kubectl(&story, &hand_over, &size).await, Ok(3));
        assert_eq!(owners(&story, &safe).await, ["argocd-controller", "handover-to-ballast"]);
        assert_eq!(sync(&story, "argocd-controller", &manifest(&safe, None)).await, 3);
        assert_eq!(owners(&story, &safe).await, ["handover-to-ballast"]);
        wants(&story, &safe, 6).await;
        story.size(SOON, &safe, 6).await;
        assert_eq!(owners(&story, &safe).await, ["ballast"]);
        assert_eq!(sync(&story, "argocd-controller", &manifest(&safe, None)).await, 6);
        undisturbed(&story, &safe).await;
    });
}

/// A manifest that never had a size: the workload starts with 1, and Ballast goes on from there.
#[test]
fn a_new_workload_needs_no_size() {
    run(async {
        let story = begin().await;
        let web = app(&story, "new");
        wants(&story, &web, 4).await;
        queue(&story, &web).await;
        story.shows(SOON, &format!("sp/{web}"), "{.status.conditions[?(@.type==\"AbleToScale\")].reason}", "FailedGetScale").await;
        assert_eq!(sync(&story, "kustomize-controller", &manifest(&web, None)).await, 1);
        story.size(SOON, &web, 4).await;
        assert_eq!(sync(&story, "kustomize-controller", &manifest(&web, None)).await, 4);
        undisturbed(&story, &web).await;
    });
}

/// With `RespectIgnoreDifferences` Argo CD applies the size that it finds: it owns the field too, and nobody minds.
#[test]
fn whoever_applies_the_size_that_is_there_disturbs_nothing() {
    run(async {
        let story = begin().await;
        let web = app(&story, "respect");
        wants(&story, &web, 3).await;
        sync(&story, "argocd-controller", &manifest(&web, Some(3))).await;
        story.ready(&web, 3).await;
        policy(&story, &web).await;
        for wanted in [5, 8, 4] {
            wants(&story, &web, i64::from(wanted)).await;
            story.size(SOON, &web, wanted).await;
            assert_eq!(sync(&story, "argocd-controller", &manifest(&web, Some(i64::from(wanted)))).await, i64::from(wanted));
            assert_eq!(owners(&story, &web).await, ["argocd-controller", "ballast"]);
        }
        undisturbed(&story, &web).await;
    });
}

/// `kubectl apply` without `--server-side` remembers what it applied in an annotation, and removes what is missing from the next manifest.
#[test]
fn client_side_apply_forgets_the_size_before_the_manifest_does() {
    run(async {
        let story = begin().await;
        let (bare, safe) = (app(&story, "forgotten"), app(&story, "kept"));
        for web in [&bare, &safe] {
            wants(&story, web, 5).await;
            assert_eq!(kubectl(&story, &["apply"], &manifest(web, Some(3))).await, Ok(3));
            story.ready(web, 3).await;
            policy(&story, web).await;
            story.size(SOON, web, 5).await;
        }
        assert_eq!(kubectl(&story, &["apply"], &manifest(&bare, None)).await, Ok(1), "although Ballast owns it");
        story.size(SOON, &bare, 5).await;

        let forget = ["apply", "set-last-applied", "--namespace", &story.namespace, "-f", "-"];
        let (ok, out) = story.plane.kubectl(&forget, &manifest(&safe, None).to_string()).await;
        assert!(ok, "{out}");
        assert_eq!(kubectl(&story, &["apply"], &manifest(&safe, None)).await, Ok(5));
        assert_eq!(kubectl(&story, &["apply"], &manifest(&safe, None)).await, Ok(5));
        undisturbed(&story, &safe).await;
    });
}

/// A chart with a Deployment, whose size may be given.
fn chart(story: &Story) -> String {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chart-{}-{}", std::process::id(), story.namespace));
    std::fs::create_dir_all(dir.join("templates")).unwrap();
    let deployment = manifest("{{ .Values.web }}", Some(7)).to_string().replace("\"replicas\":7", "\"replicas\":{{ .Values.replicas }}");
    let bare = manifest("{{ .Values.web }}", None).to_string();
    let web = format!("{{{{ if .Values.replicas }}}}\n{deployment}\n{{{{ else }}}}\n{bare}\n{{{{ end }}}}\n");
    for (file, text) in [("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n"), ("templates/web.yaml", &web)] {
        std::fs::write(dir.join(file), text).unwrap();
    }
    dir.to_str().unwrap().to_owned()
}

/// Runs Helm in the story's namespace.
fn helm(story: &Story, args: &[&str]) -> Result<String, String> {
    deploy_support::helm_in(&story.namespace, &story.plane.kubeconfig, args)
}

/// Helm 4 applies on the server side, and says who owns the size; the way of Helm 3 deletes it.
#[test]
fn helm_keeps_a_size_that_ballast_set_on_the_server_side_only() {
    run(async {
        let story = begin().await;
        let chart = chart(&story);
        let (four, three) = (app(&story, "four"), app(&story, "three"));
        for (web, side) in [(&four, "--server-side=true"), (&three, "--server-side=false")] {
            wants(&story, web, 5).await;
            helm(&story, &["install", web, &chart, side, "--set", &format!("web={web},replicas=3")]).unwrap();
            story.ready(web, 3).await;
            policy(&story, web).await;
            story.size(SOON, web, 5).await;
        }
        let size = async |web: &str| story.get(&format!("deployment/{web}"), "{.spec.replicas}").await;
        let refused = helm(&story, &["upgrade", &four, &chart, "--set", &format!("web={four},replicas=4")]).unwrap_err();
        assert!(refused.contains("conflict") && refused.contains("ballast"), "{refused}");
        helm(&story, &["upgrade", &four, &chart, "--set", &format!("web={four}")]).unwrap();
        assert_eq!(size(&four).await, "5");
        undisturbed(&story, &four).await;
        helm(&story, &["upgrade", &three, &chart, "--server-side=false", "--set", &format!("web={three}")]).unwrap();
        story.describes("deployment", &three, &["ForeignScale", "size 1 was set by"]).await;
        story.size(SOON, &three, 5).await;
    });
}
