//! The main job on a real node: `make demo` as a user runs it, and, on the cluster it leaves, a `StatefulSet`, a rolling update and a scale
//! by hand; then all of it replayed from its Prometheus. Real kubelet, pods, metrics-server and Prometheus; needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod node_support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use node_support::Node;
use serde_json::{Value, json};

#[test]
fn the_demo_and_what_users_do_next() {
    let Some(node) = Node::of("demo.sh", &[]) else { return };
    a_hand_scaled_deployment_is_looked_at_at_once(&node);
    a_stateful_set_is_decided_and_its_policy_says_so(&node);
    a_rolling_update_does_not_change_the_size(&node);
    pods_that_prometheus_does_not_know_are_asked_themselves(&node);
    all_of_it_replayed_from_prometheus_is_decided_alike(&node);
}

/// 3 → 5 by hand, as tutorials do: Ballast sees it at once, holds it for the window (it may be meant), and then goes back to what load asks.
fn a_hand_scaled_deployment_is_looked_at_at_once(node: &Node) {
    node.kubectl(&["scale", "deployment/myapp-deployment", "--replicas=5"], "");
    node.eventually(4, "the policy shows the new size", || node.get("sp/myapp-deployment", "{.status.currentReplicas}") == "5");
    node.eventually(60, "the size follows the load again", || node.get("deployment/myapp-deployment", "{.spec.replicas}") == "3");
}

fn a_stateful_set_is_decided_and_its_policy_says_so(node: &Node) {
    node.apply("examples/statefulset/go-app-store.yaml");
    node.apply("examples/statefulset/policy.yaml");
    let active = "{.status.conditions[?(@.type==\"ScalingActive\")].status}";
    node.eventually(90, "go-app-store is decided from real samples", || node.get("sp/go-app-store", active) == "True");
    assert_eq!(node.get("sp/go-app-store", "{.status.desiredReplicas}"), "2");
    assert!(node.get("sp/go-app-store", "{.status.metricsText}").starts_with("cpu: "));
}

/// Surge pods start, idle and take part in averages; none of it is demand.
fn a_rolling_update_does_not_change_the_size(node: &Node) {
    node.apply("examples/rolling-update/go-app-rolling.yaml");
    node.apply("examples/rolling-update/policy.yaml");
    node.kubectl(&["rollout", "status", "deployment/go-app-rolling", "--timeout=90s"], "");
    let active = "{.status.conditions[?(@.type==\"ScalingActive\")].status}";
    node.eventually(90, "go-app-rolling is decided from real samples", || node.get("sp/go-app-rolling", active) == "True");
    let before = node.get("deployment/go-app-rolling", "{.spec.replicas}");

    node.kubectl(&["set", "env", "deployment/go-app-rolling", "VERSION=2"], "");
    let generation = node.get("deployment/go-app-rolling", "{.metadata.generation}");
    let end = Instant::now() + Duration::from_secs(120);
    let mut surge = 0;
    loop {
        assert_eq!(node.get("deployment/go-app-rolling", "{.spec.replicas}"), before, "the rolling update changed the size");
        surge = surge.max(node.get("deployment/go-app-rolling", "{.status.replicas}").parse::<u32>().unwrap_or_default());
        let done = node.get("deployment/go-app-rolling", "{.status.observedGeneration} {.status.updatedReplicas} {.status.replicas}");
        if done == format!("{generation} {before} {before}") {
            break;
        }
        assert!(Instant::now() < end, "the rolling update did not end: {done}");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(surge > before.parse().unwrap(), "no surge pod was ever seen, so nothing was tested");
    let rescales = node
        .kubectl(&["get", "events", "--field-selector", "involvedObject.name=go-app-rolling,reason=SuccessfulRescale", "-o", "name"], "");
    assert_eq!(rescales, "");
}

/// Without the annotation by which Prometheus would find them: only who asks them knows their requests.
fn pods_that_prometheus_does_not_know_are_asked_themselves(node: &Node) {
    let labels = json!({"app": "go-app-direct"});
    let metadata = json!({"name": "go-app-direct", "labels": labels});
    let container = json!({
        "name": "app", "image": "ballast.test/go-app:demo", "imagePullPolicy": "Never",
        "ports": [{"name": "metrics", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "metrics"}, "periodSeconds": 1},
    });
    let preset = json!({"name": "http-requests", "freshness": "Direct", "target": {"averageValue": "10"}});
    let objects = [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "replicas": 2, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": labels, "ports": [{"port": 8080}]}}),
        json!({"apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": metadata, "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "go-app-direct"},
            "minReplicas": 2, "maxReplicas": 4, "intervalSeconds": 5,
            "metrics": [{"type": "Preset", "preset": preset}]}}),
    ];
    for object in &objects {
        node.kubectl(&["apply", "-f", "-"], &object.to_string());
    }
    let origin = |field: &str| node.get("sp/go-app-direct", &format!("{{.status.currentMetrics[0].origin.{field}}}"));
    node.eventually(60, "the pods were asked", || origin("message") == "asked its 2 pods");
    let url = format!("http://{}:8080/", node.get("service/go-app-direct", "{.spec.clusterIP}"));
    let mut load = Command::new(node.program("hey"));
    load.args(["-disable-keepalive", "-z", "20s", "-c", "3", "-q", "12", &url]).stdout(Stdio::null());
    let mut load = load.spawn().unwrap();
    node.eventually(20, "go-app-direct has grown", || node.get("deployment/go-app-direct", "{.spec.replicas}") == "4");
    load.kill().unwrap();
    load.wait().unwrap();
    assert_eq!(origin("from"), "Pods");
    let reason = node.get("sp/go-app-direct", "{.status.scaleEvents[0].reason}");
    assert!(reason.contains("http-requests ") && reason.contains("(asked "), "{reason}");
    node.kubectl(&["delete", "scalepolicy,deployment,service", "go-app-direct", "--wait=false"], "");
}

/// Every look since the first one, of every policy: what the controller saw is in Prometheus, and decided again it gives the same sizes.
fn all_of_it_replayed_from_prometheus_is_decided_alike(node: &Node) {
    let moved = ["go-app.deployment", "go-app-deployment", "myapp-deployment"];
    for policy in moved.into_iter().chain(["go-app-store", "go-app-rolling"]) {
        let mut replayed = Value::Null;
        node.eventually(30, "Prometheus has the looks of the last move", || {
            replayed = replay(node, policy);
            let events: Value = serde_json::from_str(&node.kubectl(&["get", "sp", policy, "-o", "json"], "")).unwrap();
            let mut told: Vec<(u64, u64)> = moves(&events["status"]["scaleEvents"], "/from", "/to").rev().collect();
            let mut then: Vec<(u64, u64)> = moves(&replayed["looks"], "/from", "/then/to").collect();
            // After a conflict the same is decided again.
            told.dedup();
            then.dedup();
            // The status keeps the last few.
            then.ends_with(&told) && told.is_empty() != moved.contains(&policy)
        });
        let looks = replayed["looks"].as_array().unwrap();
        let different: Vec<&Value> = looks.iter().filter(|look| look["then"] != look["now"]).collect();
        assert!(different.is_empty(), "{policy}: {different:#?}");
        assert_eq!((&replayed["missed"], &replayed["uncertain"]), (&json!(0), &json!(0)), "{policy}: not all of it was compared");
        let least = if moved.contains(&policy) { 40 } else { 3 };
        assert!(looks.len() >= least, "{policy}: only {} looks", looks.len());
        eprintln!("{policy}: {} looks, {} moves, decided alike", looks.len(), replayed["movesThen"]);
    }
}

/// `ballast replay --open-loop` with the defaults that the demo's controller has.
fn replay(node: &Node, policy: &str) -> Value {
    let mut command = node.command(env!("CARGO_BIN_EXE_ballast"));
    command.args(["replay", policy, "--open-loop", "--from=-30m", "--no-cache", "--downscale-stabilization=20s", "--output=json"]);
    let output = command.args(["--prometheus", &node.setting("PROMETHEUS_URL")]).output().unwrap();
    // There is nothing to see before the first scrape.
    assert!(output.status.success() || output.stderr.windows(8).any(|part| part == b"no looks"), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or(json!({"looks": []}))
}

/// Sizes before and after, where they differ.
fn moves<'a>(list: &'a Value, from: &'a str, to: &'a str) -> impl DoubleEndedIterator<Item = (u64, u64)> + 'a {
    let size = |of: &Value, path: &str| of.pointer(path).and_then(Value::as_u64).unwrap();
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(move |one| (size(one, from), size(one, to))).filter(|(from, to)| from != to)
}
