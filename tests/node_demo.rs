//! The main job on a real node: `make demo` as a user runs it, and, on the cluster it leaves, a `StatefulSet`, a rolling update and a scale
//! by hand; then all of it replayed from its Prometheus. Real kubelet, pods, metrics-server and Prometheus; needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

struct Node {
    root: PathBuf,
    dir: PathBuf,
}

impl Drop for Node {
    fn drop(&mut self) {
        let down = Command::new(self.root.join("tests/cluster/down.sh")).arg("--dir").arg(&self.dir).output();
        if let Ok(output) = down
            && !output.status.success()
        {
            eprintln!("down.sh: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

impl Node {
    fn kubectl(&self, args: &[&str], stdin: &str) -> String {
        let mut child = Command::new(self.program("kubectl"))
            .env("KUBECONFIG", self.dir.join("kubeconfig"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `ballast replay --open-loop` with the defaults that the demo's controller has.
    fn replay(&self, policy: &str) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
        command.args(["replay", policy, "--open-loop", "--from=-30m", "--no-cache", "--downscale-stabilization=20s", "--output=json"]);
        command.args(["--prometheus", &self.setting("PROMETHEUS_URL")]).env("KUBECONFIG", self.dir.join("kubeconfig"));
        let output = command.output().unwrap();
        // There is nothing to see before the first scrape.
        assert!(output.status.success() || output.stderr.windows(8).any(|part| part == b"no looks"), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or(json!({"looks": []}))
    }

    fn get(&self, object: &str, path: &str) -> String {
        self.kubectl(&["get", object, "-o", &format!("jsonpath={path}")], "")
    }

    fn program(&self, name: &str) -> PathBuf {
        Path::new(&self.setting("CLUSTER_BIN")).join(name)
    }

    /// What the cluster's scripts tell those who use it.
    fn setting(&self, name: &str) -> String {
        let env = std::fs::read_to_string(self.dir.join("env")).unwrap();
        let value = env.lines().find_map(|line| line.trim_start_matches("export ").strip_prefix(name)?.strip_prefix('=')).unwrap();
        value.trim_matches(['"', '\'']).to_owned()
    }

    /// Applies an example with the image that the demo imported.
    fn apply(&self, file: &str) {
        let text = std::fs::read_to_string(self.root.join(file)).unwrap();
        self.kubectl(&["apply", "-f", "-"], &text.replace("ballast/go-app:0.1.0", "ballast.test/go-app:demo"));
    }

    fn eventually(&self, seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !holds() {
            assert!(
                Instant::now() < end,
                "not within {seconds} s: {what}\n{}",
                self.kubectl(&["get", "sp,deployments,statefulsets,pods", "-o", "wide"], "")
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

#[test]
fn the_demo_and_what_users_do_next() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    if !is_root() {
        assert!(std::env::var_os("CI").is_none(), "the node tests need root");
        eprintln!("SKIPPED: the node tests need root");
        return;
    }
    let dir = std::env::temp_dir().join(format!("ballast-node-{}", std::process::id()));
    let node = Node { root: root.clone(), dir: dir.clone() };
    let mut demo = Command::new(root.join("examples/demo/demo.sh"));
    // What Cargo tells a test would make it build anew what is built: build scripts depend on it.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_build(&name.to_string_lossy())) {
        demo.env_remove(name);
    }
    let status = demo.env("DEMO_KEEP", "1").env("DEMO_DIR", &dir).status().unwrap();
    assert!(status.success(), "the demo failed: {status}");

    a_hand_scaled_deployment_is_looked_at_at_once(&node);
    a_stateful_set_is_decided_and_its_policy_says_so(&node);
    a_rolling_update_does_not_change_the_size(&node);
    all_of_it_replayed_from_prometheus_is_decided_alike(&node);
}

/// What Cargo says of the package under test, in distinction from its settings, which the demo's build must share.
fn is_of_this_build(variable: &str) -> bool {
    ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

fn is_root() -> bool {
    String::from_utf8_lossy(&Command::new("id").arg("-u").output().unwrap().stdout).trim() == "0"
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

/// Every look since the first one, of every policy: what the controller saw is in Prometheus, and decided again it gives the same sizes.
fn all_of_it_replayed_from_prometheus_is_decided_alike(node: &Node) {
    let moved = ["go-app.deployment", "go-app-deployment", "myapp-deployment"];
    for policy in moved.into_iter().chain(["go-app-store", "go-app-rolling"]) {
        let mut replayed = Value::Null;
        node.eventually(30, "Prometheus has the looks of the last move", || {
            replayed = node.replay(policy);
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

/// Sizes before and after, where they differ.
fn moves<'a>(list: &'a Value, from: &'a str, to: &'a str) -> impl DoubleEndedIterator<Item = (u64, u64)> + 'a {
    let size = |of: &Value, path: &str| of.pointer(path).and_then(Value::as_u64).unwrap();
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(move |one| (size(one, from), size(one, to))).filter(|(from, to)| from != to)
}
