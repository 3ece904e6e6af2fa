//! `ballast explain` and `/debug/policies` on a real control plane: what they say is what was and what comes.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use plane_support::{Ballast, Flags, Load, Options, SOON, Source, Story, eventually, now, plane, run};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const WINDOW: Duration = Duration::from_secs(20);

/// Runs a program with the plane's kubeconfig: exit code and all it printed.
async fn call(story: &Story, program: &Path, args: &[&str], path: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command.args(args).env_clear().env("KUBECONFIG", &story.plane.kubeconfig).env("TZ", "UTC").env("COLUMNS", "100").env("PATH", path);
    let output = command.output().await.unwrap();
    (output.status.code(), String::from_utf8(if output.stdout.is_empty() { output.stderr } else { output.stdout }).unwrap())
}

async fn explain(story: &Story, args: &[&str]) -> (Option<i32>, String) {
    call(story, Path::new(env!("CARGO_BIN_EXE_ballast")), &[&["explain"], args].concat(), Path::new("/")).await
}

/// Explains the policy `web` and demands success.
async fn page(story: &Story, args: &[&str]) -> String {
    let name = format!("{}/web", story.namespace);
    let (code, text) = explain(story, &[&[name.as_str()], args].concat()).await;
    assert_eq!(code, Some(0), "{text}");
    text
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "should say {word:?}:\n{text}");
    }
}

/// A Deployment that grew from 4 to 6 and whose load then fell to a third: the window holds it.
async fn held(story: &Story) -> String {
    let web = story.deployment("web", 4, Load::Total(300)).await;
    story.ready(&web, 4).await;
    let smoothing = json!({ "type": "None" });
    story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1, "smoothing": smoothing })).await;
    story.size(SOON, &web, 6).await;
    story.ready(&web, 6).await;
    story.plane.metrics().await.set(&web, Source::Cpu { container: "app" }, Load::Total(100));
    story.shows(SOON, "sp/web", "{.status.decision.heldBy} {.status.decision.wanted}", "Stabilized 2").await;
    web
}

async fn get(url: &str) -> (u16, Value) {
    let response = reqwest::get(url).await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The controller's web page is told the same hold.
async fn on_the_web(story: &Story, admin: &str) {
    let page = reqwest::get(format!("{admin}/web/")).await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let mut stream = reqwest::get(format!("{admin}/web/live/policies/{}/web", story.namespace)).await.unwrap();
    let told = async {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if let Some((data, _)) = text.split("event: policy\ndata: ").nth(1).and_then(|rest| rest.split_once('\n')) {
                return data.to_owned();
            }
            bytes.extend_from_slice(&stream.chunk().await.unwrap().unwrap());
        }
    };
    let record: Value = serde_json::from_str(&tokio::time::timeout(SOON, told).await.unwrap()).unwrap();
    assert_eq!((&record["decision"]["heldBy"], &record["decision"]["wanted"]), (&json!("Stabilized"), &json!(2)), "{record}");
    assert_eq!((&record["history"]["bounds"][0]["max"], &record["conditions"][0]["status"]), (&json!(10), &json!("True")), "{record}");
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_default().parse().unwrap()
}

#[test]
fn a_policy_that_scaled_and_is_held_tells_why_and_until_when() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        let more = vec!["--namespaces".into(), story.namespace.clone(), "--web-page".into()];
        let flags = Flags { downscale_stabilization: "20s", more, ..Flags::default() };
        let ballast = Ballast::start(story.plane, "explain", &flags).await;
        let web = held(&story).await;
        let admin = format!("http://{}", ballast.admin);
        on_the_web(&story, &admin).await;

        let text = page(&story, &["--admin", &admin]).await;
        println!("{text}");
        has(
            &text,
            &[
                "Size  Held at 6 replicas · signals want 2 · min 1, max 10",
                "Why   held at 6: wants 2; highest proposal of the last 20s was 6",
            ],
        );
        has(&text, &["Steps signals 2 → window 6", "scale-in to 2 possible at ", "4 → 6", "cpu 75% of request, target 50%: needs 6"]);
        has(&text, &["SIGNAL  VALUE  TARGET", "▒ replicas   ━ wanted by the signals"]);
        assert!(!text.contains('\u{1b}'), "no colours without a terminal");

        // A look or two may still count a pod as starting.
        let record = eventually("all pods are counted", SOON, async || {
            let record: Value = serde_json::from_str(&page(&story, &["--admin", &admin, "-o", "json"]).await).unwrap();
            let raw = record["signals"][0]["estimate"]["raw"].as_f64().map(|raw| (raw * 100.0).round());
            if raw == Some(10.0) { Ok(record) } else { Err(record.to_string()) }
        })
        .await;
        let until = time(&record["decision"]["until"]);
        assert!(until > now() && until.duration_since(now()).unsigned_abs() < WINDOW, "{record}");
        assert_eq!((&record["decision"]["heldBy"], &record["decision"]["then"]), (&json!("Stabilized"), &json!(2)));
        let sizes: Vec<&Value> = record["history"]["points"].as_array().unwrap().iter().map(|point| &point["replicas"]).collect();
        assert_eq!((sizes.first(), sizes.last()), (Some(&&json!(4)), Some(&&json!(6))));

        // Without the controller the status tells the same hold and end.
        let text = page(&story, &["--controller-namespace", &story.namespace]).await;
        println!("{text}");
        has(
            &text,
            &[
                "Held at 6 replicas · signals want 2",
                "scale-in to 2 possible at ",
                "4 → 6",
                "From the policy's status",
                "no pod with the label",
            ],
        );
        has(&page(&story, &["-o", "yaml"]).await, &["heldBy: Stabilized", "wanted: 2"]);
        let told: Timestamp = story.get("sp/web", "{.status.decision.until}").await.parse().unwrap();
        assert!((0.0..1.0).contains(&told.duration_since(until).as_secs_f64()), "{told} in the status, {until} in the record");

        let (_, list) = get(&format!("{admin}/debug/policies")).await;
        assert_eq!((&list["policies"][0]["name"], &list["policies"][0]["verdict"]), (&json!("web"), &json!("Held")));
        assert_eq!(get(&format!("{admin}/debug/policies?namespace=other")).await.1["policies"], json!([]));
        assert_eq!(get(&format!("{admin}/debug/policies/{}/nobody", story.namespace)).await.0, 404);

        // What was announced happens when it was announced.
        story.size(WINDOW + SOON, &web, 2).await;
        assert!((-1.0..4.0).contains(&now().duration_since(until).as_secs_f64()), "{until} was announced, it is {}", now());
        story.shows(SOON, "sp/web", "{.status.decision.verdict}", "Steady").await;
        let text = page(&story, &["--admin", &admin]).await;
        println!("{text}");
        has(&text, &["Size  Steady at 2 replicas · min 1, max 10", "Next  scale-out at cpu above 55%; scale-in at cpu below 25%", "6 → 2"]);
    });
}

#[test]
fn watched_the_page_follows_the_policy() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        let more = vec!["--namespaces".into(), story.namespace.clone()];
        let ballast = Ballast::start(story.plane, "explain-watch", &Flags { more, ..Flags::default() }).await;
        let web = story.deployment("web", 4, Load::Total(200)).await;
        story.ready(&web, 4).await;
        story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1 })).await;
        story.shows(SOON, "sp/web", "{.status.decision.verdict}", "Steady").await;

        let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
        command.args(["explain", "web", "--watch", "-n", &story.namespace, "--admin", &format!("http://{}", ballast.admin)]);
        let mut child = command.env("KUBECONFIG", &story.plane.kubeconfig).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut until = async |text: &str| {
            let find = async {
                while let Some(line) = lines.next_line().await.unwrap() {
                    if line.starts_with(text) {
                        return;
                    }
                }
                panic!("it ended before it showed {text}");
            };
            tokio::time::timeout(SOON, find).await.unwrap_or_else(|_| panic!("no {text}"));
        };
        until("Size  Steady at 4 replicas").await;
        story.plane.metrics().await.set(&web, Source::Cpu { container: "app" }, Load::Total(300));
        until("Size  Steady at 6 replicas").await;
        assert!(child.try_wait().unwrap().is_none(), "it goes on until it is interrupted");
    });
}

#[test]
fn what_is_not_there_is_code_1_and_says_what_is() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        story.policy("front.deployment", "Deployment", "front", json!({})).await;
        let (code, text) = explain(&story, &["nobody", "-n", &story.namespace]).await;
        assert_eq!(code, Some(1), "{text}");
        has(&text, &["error: ", "\"nobody\" not found", &story.namespace]);
        let (code, text) = explain(&story, &["front", "-n", &story.namespace]).await;
        assert_eq!(code, Some(1), "{text}");
        has(&text, &["is scaled by front.deployment"]);

        // As a plugin, of a policy that nobody decides.
        let env = std::fs::read_to_string(story.plane.dir.join("env")).unwrap();
        let bin = Path::new(env.lines().find_map(|line| line.strip_prefix("CLUSTER_BIN=")).unwrap()).to_owned();
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ballast"), dir.path().join("kubectl-ballast")).unwrap();
        let args = ["ballast", "explain", "front.deployment", "-n", &story.namespace];
        let (code, text) = call(&story, &bin.join("kubectl"), &args, dir.path()).await;
        assert_eq!(code, Some(0), "{text}");
        has(&text, &["front.deployment → Deployment/front", "Next  the first decision; if it does not come"]);
    });
}

/// An address of this machine that the API server takes for a pod's: it proxies to no loopback address.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent; only the route is looked up.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// A pod that stands for a controller's process, as the chart labels it.
async fn pod(story: &Story, name: &str, address: SocketAddr) {
    let port = json!([{ "name": "admin", "containerPort": address.port() }]);
    let spec = json!({ "containers": [{ "name": "ballast", "image": "ballast", "ports": port }] });
    let labels = json!({ "app.kubernetes.io/name": "ballast" });
    story.apply(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": labels }, "spec": spec })).await;
    let ip = address.ip().to_string();
    let status = json!({ "status": { "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }] } });
    story.kubectl(&["patch", "pod", name, "--subresource=status", "--type=merge", "-p", &status.to_string()]).await;
}

async fn process(story: &Story, name: &str, ip: IpAddr) -> Ballast {
    let address = tokio::net::TcpListener::bind((ip, 0)).await.unwrap().local_addr().unwrap();
    let lease = ["--namespaces", &story.namespace, "--lease-namespace", &story.namespace, "--admin-address", &address.to_string()];
    let more = lease.map(str::to_owned).to_vec();
    let flags = Flags { leader_elect: true, downscale_stabilization: "60s", more, ..Flags::default() };
    let mut ballast = Ballast::spawn(story.plane, name, &flags).await;
    ballast.admin = address;
    ballast.wait_ready().await;
    ballast
}

#[test]
fn the_leader_is_found_behind_the_api_server_and_a_standby_names_it() {
    run(async {
        let Some(ip) = own_address() else {
            assert!(std::env::var_os("CI").is_none(), "this machine has no address but loopback");
            eprintln!("SKIPPED: this machine has no address but loopback, to which no API server proxies");
            return;
        };
        let story = Story::begin(plane(Options::default()).await).await;
        let leader = process(&story, "explain-leader", ip).await;
        held(&story).await;
        let standby = process(&story, "explain-standby", ip).await;

        let url = format!("http://{}/debug/policies/{}/web", standby.admin, story.namespace);
        let (code, refusal) = eventually("the standby knows who leads", SOON, async || match get(&url).await {
            (code, refusal) if refusal["leader"].is_string() => Ok((code, refusal)),
            other => Err(format!("{other:?}")),
        })
        .await;
        let holder = story.get("lease/ballast", "{.spec.holderIdentity}").await;
        assert_eq!((code, refusal["leader"].as_str()), (503, Some(holder.as_str())));

        // The standby comes first in the list.
        pod(&story, "ballast-a", standby.admin).await;
        pod(&story, "ballast-b", leader.admin).await;
        let text = page(&story, &["--controller-namespace", &story.namespace]).await;
        has(&text, &["signals want 2", "Steps signals 2 → window 6", "━ wanted by the signals"]);
        assert!(!text.contains("From the policy's status"), "{text}");

        // Who may read policies only gets the answer of the status, and why.
        let text = as_reader(&story).await;
        has(&text, &["Held at 6 replicas · signals want 2", "From the policy's status", "forbidden"]);
    });
}

/// Explains with the rights of a user who may read `ScalePolicies` and nothing else.
async fn as_reader(story: &Story) -> String {
    story.kubectl(&["create", "serviceaccount", "reader"]).await;
    story.kubectl(&["create", "role", "reader", "--verb=get,list", "--resource=scalepolicies.ballast.dev"]).await;
    let account = format!("--serviceaccount={}:reader", story.namespace);
    story.kubectl(&["create", "rolebinding", "reader", "--role=reader", &account]).await;
    let token = story.kubectl(&["create", "token", "reader"]).await;
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(&story.plane.kubeconfig).unwrap()).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = json!({ "token": token.trim() });
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    page(story, &["--kubeconfig", path, "--controller-namespace", &story.namespace]).await
}
