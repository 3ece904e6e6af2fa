//! `ballast adopt` beside the real stock autoscaler: a policy in its shadow, a hand-over that moves nothing, and back. The commands are those
//! of docs/migration.md.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod docs_support;
mod plane_support;

use std::time::Duration;

use docs_support::{calls, page};
use jiff::Timestamp;
use plane_support::{ACTIVE, Ballast, Flags, Level, Load, Options, SOON, Source, Story, now, plane, run};
use serde_json::{Value, json};
use tokio::process::Command;

/// Ballast's window is longer than what the steps of a hand-over take on a busy machine.
const WINDOW: Duration = Duration::from_secs(12);
const HPA_FLAGS: &str = "--horizontal-pod-autoscaler-sync-period=1s --horizontal-pod-autoscaler-downscale-stabilization=4s";

/// Runs ballast with the plane's kubeconfig: exit code and all it printed.
async fn ballast(story: &Story, args: &[impl AsRef<std::ffi::OsStr>]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    command.args(args).env_clear().env("KUBECONFIG", &story.plane.kubeconfig).env("TZ", "UTC").env("COLUMNS", "100");
    let output = command.output().await.unwrap();
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// The call of docs/migration.md that makes this step, for another workload than `shop/web`; it must succeed.
async fn adopt(story: &Story, web: &str, step: &str, more: &[&str]) -> String {
    let mut arguments = words(story, web, step);
    arguments.extend(more.iter().map(ToString::to_string));
    let (code, text) = ballast(story, &arguments).await;
    assert_eq!(code, Some(0), "{step}: {text}");
    println!("ballast adopt {step}\n{text}");
    text
}

fn words(story: &Story, web: &str, step: &str) -> Vec<String> {
    let documented = calls(&page("docs/migration.md"), "adopt");
    let call = documented.iter().find(|call| call.len() == 2 && call[1] == step).unwrap_or_else(|| panic!("{step} stands in no block"));
    assert_eq!(call[0], "shop/web");
    vec!["adopt".to_owned(), format!("{}/{web}", story.namespace), step.to_owned()]
}

fn hpa(name: &str, more: &Value) -> Value {
    let mut hpa = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": name, "labels": { "team": "shop" }, "annotations": { "note": "by hand" } },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name }, "minReplicas": 2, "maxReplicas": 10,
            "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }],
        },
    });
    if let Some(owner) = more.get("owner") {
        hpa["metadata"]["ownerReferences"] = json!([owner]);
    }
    hpa
}

async fn load(story: &Story, web: &str, total: i64) {
    story.plane.metrics().await.set(web, Source::Cpu { container: "app" }, Load::Total(total));
}

/// Sizes that the policy set itself.
async fn own_moves(story: &Story, web: &str) -> String {
    story.get(&format!("sp/{web}"), "{.status.scaleEvents[*].to}").await
}

async fn start(story: &Story, name: &str) -> Ballast {
    let more = vec!["--namespaces".into(), story.namespace.clone()];
    Ballast::start(story.plane, name, &Flags { downscale_stabilization: "12s", more, ..Flags::default() }).await
}

#[test]
fn a_workload_goes_from_its_hpa_to_a_policy_and_back() {
    run(async {
        let story = Story::begin(plane(Options { hpa: Some(HPA_FLAGS), ..Options::default() }).await).await;
        let controller = start(&story, "adopt").await;
        let web = story.deployment("web", 4, Load::Total(200)).await;
        story.ready(&web, 4).await;
        story.apply(hpa(&web, &json!({}))).await;
        let policy = format!("sp/{web}");

        // In the shadow: both see the load, the HPA scales.
        let said = adopt(&story, &web, "--shadow", &[]).await;
        assert!(said.contains("it recommends, and the HPA scales"), "{said}");
        assert!(adopt(&story, &web, "--shadow", &[]).await.contains("stands beside it already"));
        load(&story, &web, 300).await;
        story.size(SOON, &web, 6).await;
        story.ready(&web, 6).await;
        story.shows(SOON, &policy, "{.status.currentReplicas} {.status.decision.verdict}", "6 Steady").await;
        assert_eq!(own_moves(&story, &web).await, "");
        let admin = format!("http://{}", controller.admin);
        let report = adopt(&story, &web, "--report", &["--admin", &admin, "-o", "json"]).await;
        let regret: Value = serde_json::from_str(&report).unwrap();
        assert!(regret["minutes"].as_f64() > Some(0.0) && regret["hpa"]["moves"].as_i64() == Some(1), "{report}");
        assert!(adopt(&story, &web, "--report", &["--admin", &admin]).await.contains("Regret: "));

        // The owner tunes the policy: it would have half the pods, and says so for a while.
        let cpu = json!([{ "op": "replace", "path": "/spec/metrics/0/resource/target/averageUtilization", "value": 100 }]);
        story.kubectl(&["patch", &policy, "--type", "json", "-p", &cpu.to_string()]).await;
        story.shows(WINDOW + SOON, &policy, "{.status.decision.message}", "Recommended size: 3 (now 6)").await;

        // A hand-over that is broken off leaves the HPA in charge; the next call goes on.
        controller.signal("STOP").await;
        let arguments = [words(&story, &web, "--hand-over"), vec!["--timeout".to_owned(), "1s".to_owned()]].concat();
        let (code, text) = ballast(&story, &arguments).await;
        assert!(code == Some(1) && text.contains("the controller waits for the HPA to go: not within 1 s"), "{text}");
        assert_eq!(story.get(&format!("hpa/{web}"), "{.metadata.name}").await, web);
        controller.signal("CONT").await;
        let begun = now();
        let said = adopt(&story, &web, "--hand-over", &[]).await;
        assert!(said.contains("from 6 replicas on"), "{said}");
        assert!(story.get(&format!("hpa/{web}"), "{.metadata.name}").await.contains("not found"));

        // The window is full: what was recommended before does not count.
        story.shows(SOON, &policy, "{.status.decision.heldBy} {.status.decision.wanted}", "Stabilized 3").await;
        let until: Timestamp = story.get(&policy, "{.status.decision.until}").await.parse().unwrap();
        let held = until.duration_since(begun).as_secs_f64();
        assert!(held > WINDOW.as_secs_f64() - 1.0, "held for {held} s");
        assert_eq!(own_moves(&story, &web).await, "");
        assert!(adopt(&story, &web, "--hand-over", &[]).await.contains("scales, from 6 replicas on"), "again: nothing to do");

        // What the policy differs by from the HPA that is gone now.
        let name = format!("{}/{web}", story.namespace);
        for more in [&[][..], &["--hpa", web.as_str()]] {
            let (code, text) = ballast(&story, &[&["diff", name.as_str()], more].concat()).await;
            assert_eq!(code, Some(1), "{text}");
            for words in [&*format!("against HorizontalPodAutoscaler/{web} (parked)"), "100", "50"] {
                assert!(text.contains(words), "{words}: {text}");
            }
        }
        let (code, text) = ballast(&story, &["diff", name.as_str(), "--hpa", "other"]).await;
        assert!(code == Some(2) && text.contains("there is no HorizontalPodAutoscaler/other in namespace"), "{text}");

        // Ballast acts, and nobody else.
        load(&story, &web, 900).await;
        story.size(SOON, &web, 9).await;
        story.ready(&web, 9).await;
        story.shows(SOON, &policy, "{.status.scaleEvents[*].to}", "9").await;
        let moves = own_moves(&story, &web).await;

        // Back: at half the target the HPA wants more than its maximum.
        adopt(&story, &web, "--back", &[]).await;
        story.size(SOON, &web, 10).await;
        let restored: Value = serde_json::from_str(&story.get(&format!("hpa/{web}"), "{@}").await).unwrap();
        let written = hpa(&web, &json!({}));
        assert_eq!(restored["spec"]["metrics"], written["spec"]["metrics"]);
        assert_eq!(restored["metadata"]["labels"], written["metadata"]["labels"]);
        assert_eq!(restored["metadata"]["annotations"]["note"], "by hand");
        assert_eq!(own_moves(&story, &web).await, moves, "the last move was the HPA's");
        assert_eq!(story.get(&policy, "{.spec.mode}").await, "Recommend");
        assert!(adopt(&story, &web, "--back", &[]).await.contains("exists: it scales"), "again: nothing to do");

        // Broken off on the way back, after the first of two writes: the policy stands still, and the next call goes on.
        assert!(adopt(&story, &web, "--hand-over", &[]).await.contains("from 10 replicas on"));
        let parked = story.get(&policy, "{.metadata.annotations.ballast\\.dev/parked-hpa}").await;
        story.apply(serde_json::from_str(&parked).unwrap()).await;
        story.shows(SOON, &policy, ACTIVE, "AmbiguousSelector").await;
        assert!(adopt(&story, &web, "--back", &[]).await.contains("exists: it scales"));
        assert_eq!(story.get(&policy, "{.spec.mode}{.metadata.annotations.ballast\\.dev/parked-hpa}").await, "Recommend");
        adopt(&story, &web, "--back", &["--remove"]).await;
        assert!(story.get(&policy, "{.metadata.name}").await.contains("not found"));
    });
}

#[test]
fn what_cannot_be_adopted_is_refused_and_nothing_is_written() {
    run(async {
        let story = Story::begin(plane(Options { hpa: Some(HPA_FLAGS), ..Options::default() }).await).await;
        let name = |hpa: &str| format!("{}/{hpa}", story.namespace);
        let (code, text) = ballast(&story, &["adopt", &*name("none"), "--shadow"]).await;
        assert!(code == Some(1) && text.contains("there is no HorizontalPodAutoscaler/none in namespace"), "{text}");
        let owner = json!({ "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "orders", "uid": "1", "controller": true });
        story.apply(hpa("owned", &json!({ "owner": owner }))).await;
        let (code, text) = ballast(&story, &["adopt", &*name("owned"), "--shadow"]).await;
        assert!(code == Some(1) && text.contains("belongs to ScaledObject/orders, which would make it again"), "{text}");
        story.apply(hpa("taken", &json!({}))).await;
        let (code, text) = ballast(&story, &["adopt", &*name("taken"), "--hand-over"]).await;
        assert!(code == Some(1) && text.contains("no policy stands for HorizontalPodAutoscaler/taken: begin with --shadow"), "{text}");
        story.policy("taken", "Deployment", "other", json!({})).await;
        let (code, text) = ballast(&story, &["adopt", &*name("taken"), "--shadow"]).await;
        assert!(code == Some(1) && text.contains("ScalePolicy/taken exists and does not stand for this HPA"), "{text}");
        // Without a controller the policy is made, and the command says that nobody decides.
        let taken = name("taken");
        let arguments = ["adopt", taken.as_str(), "--shadow", "--policy", "shadow", "--timeout", "1s"];
        let (code, text) = ballast(&story, &arguments).await;
        assert!(code == Some(1) && text.contains("no decision: does the controller run"), "{text}");
        assert_eq!(story.get("sp/shadow", "{.spec.mode}").await, "Recommend");
        let (code, text) = ballast(&story, &["adopt", &*name("taken"), "--hand-over"]).await;
        assert!(code == Some(1) && text.contains("has not been decided since it was changed"), "{text}");

        // The same objects from the cluster, as convert reads them.
        let (code, text) = ballast(&story, &["convert", "-n", story.namespace.as_str(), "hpa/taken"]).await;
        assert!(code == Some(0) && text.contains("kind: ScalePolicy") && text.contains("note: by hand"), "{text}");
        let (code, text) = ballast(&story, &["convert", "-n", story.namespace.as_str(), "--all"]).await;
        assert!(code == Some(0) && text.contains("HorizontalPodAutoscaler/owned: metadata.ownerReferences: ScaledObject/orders"), "{text}");
        let (code, text) = ballast(&story, &["convert", "-n", story.namespace.as_str(), "hpa/none"]).await;
        assert!(code == Some(2) && text.contains("\"none\" not found"), "{text}");
    });
}

/// A policy that only recommends is nobody's rival, and has none.
#[test]
fn recommendations_stand_beside_others() {
    run(async {
        let story = Story::begin(plane(Options { hpa: Some(HPA_FLAGS), ..Options::default() }).await).await;
        let _controller = start(&story, "adopt-rivals").await;
        let web = story.deployment("web", 2, Load::Each(50)).await;
        story.ready(&web, 2).await;
        story.policy("one", "Deployment", &web, json!({})).await;
        story.policy("two", "Deployment", &web, json!({ "minReplicas": 5, "mode": "Recommend" })).await;
        story.shows(SOON, "sp/two", "{.status.decision.message}", "Recommended size: 5 (now 2)").await;
        story.shows(SOON, "sp/one", ACTIVE, "ValidMetricFound").await;
        story.kubectl(&["patch", "sp/two", "--type=merge", "-p", r#"{"spec": {"mode": "Enforce"}}"#]).await;
        story.shows(SOON, "sp/one", ACTIVE, "ScalePolicy/two").await;
        story.shows(SOON, "sp/two", ACTIVE, "ScalePolicy/one").await;
        story.kubectl(&["patch", "sp/two", "--type=merge", "-p", r#"{"spec": {"mode": "Recommend"}}"#]).await;
        story.shows(SOON, "sp/one", ACTIVE, "ValidMetricFound").await;
        story.size(SOON, &web, 2).await;
    });
}

/// A `ScaledObject` that may sleep, and an HPA whose metric prometheus-adapter served, at a real Prometheus.
#[test]
fn what_was_converted_scales_as_it_did() {
    run(async {
        let story = Story::begin(plane(Options { hpa: Some(HPA_FLAGS), ..Options::default() }).await).await;
        let prometheus = story.plane.prometheus().await;
        let more = ["--namespaces", &story.namespace, "--prometheus-url", &prometheus.url].map(str::to_owned).to_vec();
        let _controller = Ballast::start(story.plane, "converted", &Flags { more, ..Flags::default() }).await;
        let orders = story.deployment("orders", 3, Load::Each(0)).await;
        let api = story.deployment("api", 2, Load::Each(0)).await;
        story.ready(&orders, 3).await;
        story.ready(&api, 2).await;
        let total = format!("orders{{namespace=\"{}\"}}", story.namespace);
        prometheus.set(&total, Level::At(100.0));
        prometheus.shows(&total, "100").await;
        let pods: Vec<String> = story.plane.fleet().await.pods().of(&story.namespace, &api).map(|((_, name), _)| name.clone()).collect();
        for pod in &pods {
            let series = format!("queue_length{{kubernetes_namespace=\"{}\",kubernetes_pod=\"{pod}\"}}", story.namespace);
            prometheus.set(&series, Level::At(30.0));
        }
        prometheus.shows(&format!("sum(queue_length{{kubernetes_namespace=\"{}\"}})", story.namespace), "60").await;

        let metadata = json!({
            "serverAddress": prometheus.url, "query": format!("sum({total})"), "threshold": "20", "activationThreshold": "5", "ignoreNullValues": "false",
        });
        let scaled_object = json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": orders },
            "spec": {
                "scaleTargetRef": { "name": orders }, "minReplicaCount": 3, "idleReplicaCount": 0, "maxReplicaCount": 20,
                "advanced": { "horizontalPodAutoscalerConfig": { "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } } } },
                "triggers": [{ "type": "prometheus", "name": "orders", "metadata": metadata }],
            },
        });
        let target = json!({ "type": "AverageValue", "averageValue": "20" });
        let mut by_queue = hpa(&api, &json!({}));
        by_queue["spec"]["metrics"] = json!([{ "type": "Pods", "pods": { "metric": { "name": "queue" }, "target": target } }]);
        let rules = json!({ "rules": [{
            "seriesQuery": "{__name__=~\"^queue_.*\"}", "resources": { "template": "kubernetes_<<.Resource>>" },
            "name": { "matches": "^(.*)_length$" }, "metricsQuery": "max(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
        }] });
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (name, object) in [("keda.json", scaled_object), ("hpa.json", by_queue), ("rules.json", rules)] {
            files.push(dir.path().join(name));
            std::fs::write(files.last().unwrap(), object.to_string()).unwrap();
        }
        let files = files.iter().map(|path| path.display().to_string());
        let arguments: Vec<String> = ["convert", "-o", "json", "--source", "default"].map(str::to_owned).into_iter().chain(files).collect();
        let (code, text) = ballast(&story, &arguments).await;
        assert_eq!(code, Some(0), "{text}");
        let end = text.rfind("\n}").unwrap() + 2;
        story.apply(serde_json::from_str(&text[..end]).unwrap()).await;

        // 60 queued items by 20, each pod with its own; 100 orders by 20.
        story.size(SOON, &api, 3).await;
        story.size(SOON, &orders, 5).await;
        // While there is any load at least three; below the activation none.
        prometheus.set(&total, Level::At(10.0));
        story.size(SOON, &orders, 3).await;
        prometheus.set(&total, Level::At(4.0));
        story.size(SOON, &orders, 0).await;
        prometheus.set(&total, Level::At(6.0));
        story.size(SOON, &orders, 3).await;
        story.size(SOON, &api, 3).await;
    });
}
