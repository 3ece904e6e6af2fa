//! `ballast replay` against a real Prometheus with hours of history, through faults, and what it cannot work with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers fail as tests do.

mod source_support;

use std::fmt::Write;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use rstest::rstest;
use serde_json::{Value, json};
use source_support::prometheus::{Prometheus, Web};
use source_support::{now, provider};
use tokio::process::Command;

const POLICY: &str = r#"
apiVersion: ballast.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 20
  metrics:
  - type: Prometheus
    prometheus:
      name: rps
      query: sum(rate(http_requests_total{namespace="${namespace}",pod=~"${pods}"}[1m]))
      target: {type: AverageValue, averageValue: "20"}
"#;

/// Seconds of history; the load rises after half of it.
const LENGTH: i64 = 6 * 3600;
/// When nothing was scraped, and for how long.
const GAP: (i64, i64) = (3600, 900);
/// What one pod bears: 20 are 70 % of it.
const POD: f64 = 20.0 / 0.7;

fn step_of(seconds: i64) -> (u32, f64) {
    if seconds < LENGTH / 2 { (4, 60.0) } else { (7, 150.0) }
}

/// Six hours of a Deployment whose pods are replaced by others half-way, and of another workload that is not to be counted.
fn history(start: i64) -> String {
    let seconds = || (0..=LENGTH).step_by(15).filter(|second| !(GAP.0..GAP.0 + GAP.1).contains(second));
    let mut text = "# TYPE http_requests counter\n".to_owned();
    let mut pod = |name: &str, rate: f64, during: std::ops::Range<i64>| {
        for second in seconds().filter(|second| during.contains(second)) {
            let value = 1000.0 + rate * (second - during.start) as f64;
            writeln!(text, r#"http_requests_total{{namespace="shop",pod="{name}"}} {value} {}"#, start + second).unwrap();
        }
    };
    pod("web-6f7d8c9b5-abcde", 30.0, 0..LENGTH / 2);
    pod("web-6f7d8c9b5-fghij", 30.0, 0..LENGTH / 2);
    pod("web-7d4b5c6f89-klmno", 150.0, LENGTH / 2 - 60..LENGTH + 1);
    pod("web-canary-7d4b5c6f89-pqrst", 1000.0, 0..LENGTH + 1);
    for (metric, less) in [("kube_deployment_spec_replicas", 0), ("kube_deployment_status_replicas_ready", 1)] {
        writeln!(text, "# TYPE {metric} gauge").unwrap();
        for second in seconds() {
            writeln!(text, r#"{metric}{{namespace="shop",deployment="web"}} {} {}"#, step_of(second).0 - less, start + second).unwrap();
        }
    }
    text + "# EOF\n"
}

struct World {
    server: Prometheus,
    from: String,
    to: String,
    policy: std::path::PathBuf,
}

async fn world() -> World {
    provider();
    let start = (now().as_millis() / 1000 - LENGTH - 3600) / 15 * 15;
    let server = Prometheus::start(None, Web { history: Some(history(start)), ..Web::default() }).await;
    let time = |second| jiff::Timestamp::from_second(second).unwrap().to_string();
    let policy = server.dir.path().join("web.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    World { server, from: time(start), to: time(start + LENGTH), policy }
}

async fn replay(policy: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    command.arg("replay").arg(policy).args(args).env_clear().env("COLUMNS", "160");
    command.output().await.unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[tokio::test]
async fn the_load_of_then_is_borne_by_the_policy_its_rivals_and_as_it_was() {
    let world = world().await;
    let report = world.server.dir.path().join("report.html");
    let common = ["--prometheus", &world.server.url, "--from", &world.from, "--to", &world.to, "--no-cache", "--against", "hpa"];
    let output = replay(&world.policy, &[&common[..], &["--output=json", "--report", report.to_str().unwrap()]].concat()).await;
    assert!(output.status.success(), "{}", text(&output));
    let trial: Value = serde_json::from_slice(&output.stdout).unwrap();
    let load: Vec<f64> = trial["load"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert!((1430..=1440).contains(&load.len()), "{} slots of 15 s in 6 h, but for the ends", load.len());
    for (slot, expected) in [(100, 60.0 / POD), (265, 60.0 / POD), (600, 60.0 / POD), (800, 150.0 / POD), (1400, 150.0 / POD)] {
        assert!((load[slot] / expected - 1.0).abs() < 0.02, "slot {slot}: {} is not {expected}", load[slot]);
    }
    let names: Vec<&str> = trial["contenders"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web", "hpa", "as-it-was"]);
    let [policy, _, was] = [0, 1, 2].map(|index| &trial["contenders"][index]);
    let hours = was["score"]["pod_hours"].as_f64().unwrap();
    assert!((hours - (4.0 + 7.0) * 3.0).abs() < 1.0, "4, then 7 for 3 h each, but for the warm-up: {hours}");
    let sizes: Vec<(&Value, &Value)> = was["states"].as_array().unwrap().iter().map(|state| (&state["ordered"], &state["ready"])).collect();
    assert_eq!(sizes, [(&json!(4), &json!(3)), (&json!(7), &json!(6))]);
    let last = policy["states"].as_array().unwrap().last().unwrap();
    assert_eq!(last["ordered"], 8, "150/s at 20/s each need 8: {last}");
    let verdicts: Vec<&str> = policy["decisions"].as_array().unwrap().iter().filter_map(|told| told["verdict"].as_str()).collect();
    assert!(verdicts.contains(&"Unknown"), "where nothing was scraped the policy sees nothing: {verdicts:?}");
    assert!(std::fs::read_to_string(&report).unwrap().contains("as-it-was"));

    let asserted = [&common[..], &["--assert", "violation_seconds<=as-it-was.violation_seconds,pod_hours<1"]].concat();
    let output = replay(&world.policy, &asserted).await;
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let share = 100.0 * GAP.1 as f64 / LENGTH as f64;
    assert!(said.contains(" % of rps is missing (gaps: 1)") && said.contains(&format!("{share:.0}.")), "{said}");
    assert!(said.contains("FAILED  pod_hours<1") && said.contains("a pod bears 28.57"), "{said}");
}

/// Hands requests on to a server, as many as it is told; then it answers 429, and 503 in between.
struct Flaky {
    url: String,
    left: Arc<AtomicUsize>,
    asked: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
}

async fn flaky(backend: &str) -> Flaky {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let flaky = Flaky { url, left: Arc::default(), asked: Arc::default(), answered: Arc::default() };
    let (left, asked, answered) = (Arc::clone(&flaky.left), Arc::clone(&flaky.asked), Arc::clone(&flaky.answered));
    let (backend, http) = (backend.to_owned(), reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap());
    let pass = move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let (left, asked, answered, http, address) =
            (Arc::clone(&left), Arc::clone(&asked), Arc::clone(&answered), http.clone(), format!("{backend}{uri}"));
        async move {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
                return (if number % 2 == 0 { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE }, Vec::new());
            }
            answered.fetch_add(1, Ordering::SeqCst);
            let request = http.post(address).header("content-type", headers["content-type"].clone()).body(body);
            let answer = request.send().await.unwrap();
            (answer.status(), answer.bytes().await.unwrap().to_vec())
        }
    };
    let app = axum::Router::new().fallback(pass);
    tokio::spawn(async move { axum::serve(listener, app).await });
    flaky
}

#[tokio::test]
async fn a_run_that_was_ended_goes_on_without_asking_again() {
    let world = world().await;
    let flaky = flaky(&world.server.url).await;
    let cache = world.server.dir.path().join("cache/of/replay");
    let args = ["--prometheus", &flaky.url, "--from", &world.from, "--to", &world.to, "--cache", cache.to_str().unwrap(), "--output=json"];

    flaky.left.store(3, Ordering::SeqCst);
    let output = replay(&world.policy, &args).await;
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the same command goes on from there") && (said.contains("429") || said.contains("503")), "{said}");
    assert!(flaky.asked.load(Ordering::SeqCst) >= 3 + 6, "a busy server is asked again");

    // A server that comes back while it is asked is no failure.
    flaky.left.store(0, Ordering::SeqCst);
    let left = Arc::clone(&flaky.left);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(600)).await;
        left.store(1000, Ordering::SeqCst);
    });
    let output = replay(&world.policy, &args).await;
    assert!(output.status.success(), "{}", text(&output));
    let asked = flaky.answered.load(Ordering::SeqCst);
    let whole: Value = serde_json::from_slice(&output.stdout).unwrap();

    // Everything is there now, and means the same.
    let output = replay(&world.policy, &args).await;
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), whole);
    assert_eq!(flaky.answered.load(Ordering::SeqCst), asked, "nothing is asked twice");
    let output = replay(&world.policy, &[&args[..6], &["--no-cache", "--output=json"]].concat()).await;
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), whole, "the cache changes nothing");
    assert_eq!(flaky.answered.load(Ordering::SeqCst), 2 * asked, "what was answered before the fault was not asked again after it");

    // What is damaged is asked again.
    let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    std::fs::write(file, "{").unwrap();
    let output = replay(&world.policy, &args).await;
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), whole);
    assert_eq!(flaky.answered.load(Ordering::SeqCst), 2 * asked + 1);
}

#[rstest]
#[case::nothing(&[], &["--prometheus"])]
#[case::address(&["--prometheus", "ftp://user:secret@host"], &["--prometheus: must be"])]
#[case::order(&["--prometheus", "http://[::1]:9", "--from=-1h", "--to=-2h"], &["--from -1h is not before --to -2h"])]
#[case::time(&["--prometheus", "http://[::1]:9", "--from", "yesterday"], &["--from: yesterday: must be a time such as"])]
#[case::capacity(&["--prometheus", "http://[::1]:9", "--capacity", "qps=3"], &["--capacity: qps: must be one of the policy's signals, rps"])]
#[case::quantity(&["--prometheus", "http://[::1]:9", "--capacity", "rps=0"], &["rps=0", "above 0"])]
#[case::score(&["--prometheus", "http://[::1]:9", "--open-loop", "--assert", "cost<2"], &["--open-loop", "--assert go without it"])]
#[case::rival(&["--prometheus", "http://[::1]:9", "--against", "keeda"], &["--against: keeda"])]
#[case::defaults(&["--prometheus", "http://[::1]:9", "--sync-period=1h"], &["--sync-period: 3600s: must be 1s to 5m"])]
#[case::unreachable(&["--prometheus", "http://user:secret@[::1]:9", "--from=-1m", "--no-cache"], &["http://[::1]:9", "refused"])]
#[tokio::test]
async fn what_cannot_be_used_is_named(#[case] args: &[&str], #[case] said: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("web.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    let output = replay(&policy, args).await;
    let text = text(&output);
    assert!(!output.status.success() && said.iter().all(|word| text.contains(word)), "should say {said:?}: {text}");
    assert!(!text.contains("secret"), "{text}");
}
