//! Signals of Go services on real pods: `make demo-go` as a user runs it, and what the cluster tells of it afterwards. Real kubelet, pods,
//! metrics-server and Prometheus; needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod node_support;

use ballast::source::preset::PRESETS;
use node_support::Node;
use serde_json::Value;

#[test]
fn signals_of_go_services_on_real_pods() {
    let Some(node) = Node::of("go.sh", &["--together"]) else { return };
    the_run_queue_grew_before_cpu_did(&node);
    the_guard_held_scale_in(&node);
    the_brake_held_growth(&node);
    every_preset_of_the_pods_has_a_value(&node);
}

/// A change of the size, as the policy tells it.
#[derive(Debug)]
struct Move {
    /// RFC 3339, UTC: they sort as text.
    time: String,
    from: u64,
    to: u64,
    reason: String,
}

/// The changes of `web` in a namespace, the first one first.
fn moves(node: &Node, namespace: &str) -> Vec<Move> {
    let policy: Value = serde_json::from_str(&node.kubectl(&["-n", namespace, "get", "sp", "web", "-o", "json"], "")).unwrap();
    let events = policy["status"]["scaleEvents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
    let read = |event: &Value| Move {
        time: text(event, "time"),
        from: event["from"].as_u64().unwrap(),
        to: event["to"].as_u64().unwrap(),
        reason: text(event, "reason"),
    };
    events.iter().rev().map(read).collect()
}

/// When an Event on the workload first said this.
fn first_said(node: &Node, namespace: &str, reason: &str, words: &[&str]) -> String {
    let selector = format!("involvedObject.kind=Deployment,involvedObject.name=web,reason={reason}");
    let events: Value =
        serde_json::from_str(&node.kubectl(&["-n", namespace, "get", "events", "--field-selector", &selector, "-o", "json"], "")).unwrap();
    let said = |event: &&Value| event["message"].as_str().is_some_and(|message| words.iter().all(|word| message.contains(word)));
    let event = events["items"].as_array().unwrap().iter().find(said);
    event.unwrap_or_else(|| panic!("{namespace}: no {reason} with {words:?}: {events:#}"))["firstTimestamp"].as_str().unwrap().to_owned()
}

/// Under the same bursts; when it grew, the pods used less CPU than the target of both.
fn the_run_queue_grew_before_cpu_did(node: &Node) {
    let (queue, cpu) = (moves(node, "queue"), moves(node, "cpu"));
    let queue = &queue[0];
    assert!(queue.from == 1 && queue.to > 1 && queue.reason.contains("go-run-queue"), "{queue:?}");
    // On a machine that is busy with other work, the pods may never get the CPU that it would grow by.
    let cpu = cpu.first();
    assert!(cpu.is_none_or(|cpu| cpu.from == 1 && cpu.to > 1 && cpu.reason.contains("cpu") && queue.time < cpu.time), "{queue:?} {cpu:?}");

    let query = r#"100 * avg(rate(process_cpu_seconds_total{namespace="queue"}[30s])) / 0.25"#;
    let used = asked(node, query, &[&format!("--time={}", queue.time)])[0];
    assert!(used < 70.0, "{used} % of the CPU was used when the run queue grew");
    eprintln!("run queue at {}, with {used:.0} % CPU; CPU at {}", queue.time, cpu.map_or("no time", |cpu| &cpu.time));
}

/// Grown by load, held when the load was gone, and let go once the memory was.
fn the_guard_held_scale_in(node: &Node) {
    let moves = moves(node, "memory");
    let held =
        first_said(node, "memory", "ScalingHeld", &["held at 3: wants", "go-memory-headroom", "guard at 0.8: above, holds scale-in"]);
    let (grown, shrunk): (Vec<&Move>, Vec<&Move>) = moves.iter().partition(|one| one.to > one.from);
    assert!(grown.last().is_some_and(|one| one.to == 3 && one.reason.contains("http-requests") && one.time <= held), "{held} {moves:?}");
    assert!(shrunk.first().is_some_and(|one| one.from == 3 && one.time > held), "{held} {shrunk:?}");
    assert!(shrunk.last().is_some_and(|one| one.to == 1), "{shrunk:?}");
}

/// Held while requests waited for the database, and grown as soon as they did not.
fn the_brake_held_growth(node: &Node) {
    let moves = moves(node, "database");
    let held = first_said(node, "database", "ScalingHeld", &["held at 1: wants", "sql-pool-wait", "brake at 1: above, holds growth"]);
    let first = &moves[0];
    assert!(first.from == 1 && first.to > 1 && first.reason.contains("http-in-flight") && first.time > held, "{held} {first:?}");
}

/// What `client_golang`, the Prometheus interceptor of grpc-go and the statistics of database/sql publish is what the presets ask for.
fn every_preset_of_the_pods_has_a_value(node: &Node) {
    // Linkerd's proxies are not in these pods.
    let own = PRESETS.iter().filter(|preset| !preset.works_without_pods() && preset.name != "linkerd-requests");
    let mut names = Vec::new();
    for preset in own {
        let query = preset.query().replace("${namespace}", "database").replace("${pods}", "web-.*");
        let values = asked(node, &query, &[]);
        assert!(!values.is_empty() && values.iter().all(|value| value.is_finite()), "{}: {query}: {values:?}", preset.name);
        // Nobody else asks them any more, but the kubelet goes on.
        assert!(preset.name != "grpc-requests" || values[0] > 0.0, "{query}: {values:?}");
        names.push(preset.name);
    }
    eprintln!("with values: {}", names.join(", "));
    assert!(names.len() >= 8, "{names:?}");
}

/// The values that Prometheus answers with.
fn asked(node: &Node, query: &str, options: &[&str]) -> Vec<f64> {
    let mut promtool = node.command(node.program("promtool"));
    promtool.args(["query", "instant", "--format=json"]).args(options).args([&node.setting("PROMETHEUS_URL"), query]);
    let answer: Value = serde_json::from_slice(&promtool.output().unwrap().stdout).unwrap();
    answer.as_array().unwrap().iter().map(|series| series["value"][1].as_str().unwrap().parse().unwrap()).collect()
}
