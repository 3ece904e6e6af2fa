//! The kubectl plugin as a user has it: kubectl, a link named `kubectl-ballast`, a real API server, and a controller.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use kube::Api;
use plane_support::{Ballast, Flags, Load, Options, SOON, Source, Story, eventually, plane, run, wait_established};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// With the stock autoscaler, for what it decides beside a policy.
const OPTIONS: Options =
    Options { hpa: Some("--horizontal-pod-autoscaler-sync-period=1s"), api_server: "", controller_manager: "", scrape: "" };

/// A user's shell: kubectl and the plugin on the path.
struct Shell<'a> {
    story: &'a Story,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    links: tempfile::TempDir,
}

impl<'a> Shell<'a> {
    fn new(story: &'a Story) -> Self {
        let env = std::fs::read_to_string(story.plane.dir.join("env")).unwrap();
        let bin = Path::new(env.lines().find_map(|line| line.strip_prefix("CLUSTER_BIN=")).unwrap());
        let links = tempfile::tempdir().unwrap();
        for name in ["kubectl-ballast", "kubectl_complete-ballast"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ballast"), links.path().join(name)).unwrap();
        }
        Self { story, kubectl: bin.join("kubectl"), kubeconfig: story.plane.kubeconfig.clone(), links }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.args(args).env_clear().env("KUBECONFIG", &self.kubeconfig);
        if !args.contains(&"-n") {
            command.args(["-n", &self.story.namespace]);
        }
        command.env("PATH", self.links.path()).env("TZ", "UTC").env("COLUMNS", "120").env("HOME", self.links.path());
        command
    }

    /// Runs `kubectl ballast …`: exit code, and all it printed.
    async fn call(&self, args: &[&str]) -> (i32, String) {
        let output = self.command(&[&["ballast"], args].concat()).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        println!("$ kubectl ballast {}\n{text}", args.join(" "));
        (output.status.code().unwrap(), text)
    }

    async fn ok(&self, args: &[&str]) -> String {
        let (code, text) = self.call(args).await;
        assert_eq!(code, 0, "{args:?}: {text}");
        text
    }

    /// What must fail, with this code and these words on one line.
    async fn fails(&self, code: i32, args: &[&str], words: &[&str]) {
        let (got, text) = self.call(args).await;
        assert_eq!(got, code, "{args:?}: {text}");
        let error = text.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(words.iter().all(|word| error.contains(word)), "{args:?} should say {words:?}: {text}");
    }
}

fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "should say {word:?}:\n{text}");
    }
}

/// Waits for a line of a watch with all of these words.
async fn line(lines: &mut Lines<BufReader<ChildStdout>>, words: &[&str]) -> String {
    let find = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
        panic!("it ended before it showed {words:?}");
    };
    tokio::time::timeout(SOON, find).await.unwrap_or_else(|_| panic!("no line with {words:?}"))
}

fn watch(shell: &Shell<'_>) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = shell.command(&["ballast", "status", "--watch"]);
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[test]
fn a_user_looks_pauses_resumes_and_compares() {
    run(async {
        let story = Story::begin(plane(OPTIONS).await).await;
        let shell = Shell::new(&story);
        has(&shell.ok(&["status"]).await, &["No policies in namespace"]);
        let more = vec!["--namespaces".into(), story.namespace.clone()];
        let ballast = Ballast::start(story.plane, "plugin", &Flags { more, ..Flags::default() }).await;
        let admin = format!("http://{}", ballast.admin);
        let web = story.deployment("web", 4, Load::Total(200)).await;
        story.ready(&web, 4).await;
        let (mut child, mut lines) = watch(&shell);
        line(&mut lines, &["NAME", "TARGET", "METRICS", "VERDICT", "WHY", "AGE"]).await;
        story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1, "smoothing": { "type": "None" } })).await;
        line(&mut lines, &["web", &format!("Deployment/{web}"), "cpu: 50%/50%", "Steady"]).await;

        pauses(&story, &shell, &web).await;
        line(&mut lines, &["Held", "pause"]).await;
        assert!(child.try_wait().unwrap().is_none(), "it goes on until it is interrupted");
        drop(child);
        looks(&story, &shell, &web, &admin).await;
        screen(&story, &shell).await;
        fails(&story, &shell).await;
        compares(&story, &shell, &web).await;
    });
}

/// The pause holds growth until it is ended, and both are done once.
async fn pauses(story: &Story, shell: &Shell<'_>, web: &str) {
    let said = shell.ok(&["pause", "web", "--direction", "up", "--for", "2h", "--reason", "sale", "--by", "ana"]).await;
    has(&said, &["scalepolicy.ballast.dev/web paused: ", "may shrink but not grow until 20"]);
    assert_eq!(story.get("sp/web", "{.spec.pause.direction} {.spec.pause.by} {.spec.pause.reason}").await, "Up ana sale");
    story.plane.metrics().await.set(web, Source::Cpu { container: "app" }, Load::Total(300));
    story.shows(SOON, "sp/web", "{.status.decision.heldBy}", "Paused").await;
    has(&shell.ok(&["status", "web"]).await, &["Held", "pause (Up) until "]);

    // Another pause leaves nothing of the one before, and says who paused.
    let dry = shell.ok(&["pause", "web", "--dry-run"]).await;
    has(&dry, &["paused", "(dry run)"]);
    assert_eq!(story.get("sp/web", "{.spec.pause.direction}").await, "Up");
    has(&shell.ok(&["pause", "web"]).await, &["stays at 4 replicas until it is resumed"]);
    has(&shell.ok(&["pause", "web"]).await, &["unchanged, it is paused already: "]);
    let pause = story.get("sp/web", "{.spec.pause}").await;
    assert!(!pause.contains("until") && !pause.contains("sale") && pause.contains("\"by\""), "{pause}");
}

/// The end of the pause lets it grow; status and history tell all of it.
async fn looks(story: &Story, shell: &Shell<'_>, web: &str, admin: &str) {
    has(&shell.ok(&["resume", "web"]).await, &["scalepolicy.ballast.dev/web resumed; it was paused by "]);
    has(&shell.ok(&["resume", "web"]).await, &["unchanged, it is not paused"]);
    story.size(SOON, web, 6).await;
    story.shows(SOON, "sp/web", "{.status.scaleEvents[0].to}", "6").await;
    let wide = shell.ok(&["status", "-o", "wide", "-l", "!nothing"]).await;
    has(&wide, &["MODE", "LAST CHANGE", "REASON", "4 → 6"]);
    assert!(!wide.contains('\u{1b}'), "no colours without a terminal");
    assert!(shell.ok(&["status", "--color", "always"]).await.contains('\u{1b}'), "colours where they are asked for");
    let list: Value = serde_json::from_str(&shell.ok(&["status", "-o", "json"]).await).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["maxReplicas"]), (&json!("web"), &json!(10)));
    let one: Value = serde_json::from_str(&shell.ok(&["status", "web", "-o", "json"]).await).unwrap();
    assert_eq!(one["target"], json!(format!("Deployment/{web}")));

    let page = shell.ok(&["history", "web", "--admin", admin]).await;
    has(&page, &["▒ replicas   ━ wanted by the signals", "cpu, demand over all pods: ", "DECISIONS", "4 → 6     ScaleUp", "Held"]);
    let past: Value = serde_json::from_str(&shell.ok(&["history", "web", "--admin", admin, "-o", "json"]).await).unwrap();
    assert_eq!((&past["source"], &past["units"][0]), (&json!("controller"), &json!("Cores")), "{past}");
    // Without the controller the status tells the moves.
    let page = shell.ok(&["history", "web", "--controller-namespace", &story.namespace]).await;
    has(&page, &["CHANGES OF THE SIZE", "4 → 6     ScaleUp", "From the policy's status"]);
}

/// On a terminal the table is drawn in place, in colours, and no line is longer than the screen.
async fn screen(story: &Story, shell: &Shell<'_>) {
    let call = format!("{} status --watch -n {}", shell.links.path().join("kubectl-ballast").display(), story.namespace);
    let mut command = Command::new("script");
    command.args(["-qefc", &call, "/dev/null"]).env_clear().env("KUBECONFIG", &shell.kubeconfig).env("COLUMNS", "60").env("TERM", "xterm");
    command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut text = String::new();
    let twice = async {
        let mut bytes = [0; 4096];
        while text.matches("\u{1b}[H").count() < 3 {
            let count = out.read(&mut bytes).await.unwrap();
            assert!(count > 0, "it ended: {text}");
            text += &String::from_utf8_lossy(&bytes[..count]);
        }
    };
    tokio::time::timeout(SOON, twice).await.unwrap_or_else(|_| panic!("not drawn again and again"));
    let picture = text.split("\u{1b}[H").nth(1).unwrap();
    has(picture, &["\u{1b}[1mNAME\u{1b}[0m", "web", "…", "\u{1b}[K", "\u{1b}[J"]);
}

/// What is not there or not allowed is one line.
async fn fails(story: &Story, shell: &Shell<'_>) {
    for args in [&["status", "nobody"][..], &["history", "nobody"], &["pause", "nobody"], &["resume", "nobody"]] {
        shell.fails(1, args, &["\"nobody\" not found in namespace"]).await;
    }
    shell.fails(2, &["diff", "nobody"], &["\"nobody\" not found"]).await;
    shell.fails(2, &["diff", "web"], &["no HorizontalPodAutoscaler of namespace", "--hpa"]).await;

    story.kubectl(&["create", "serviceaccount", "looker"]).await;
    story.kubectl(&["create", "role", "looker", "--verb=get,list", "--resource=scalepolicies.ballast.dev"]).await;
    let account = format!("--serviceaccount={}:looker", story.namespace);
    story.kubectl(&["create", "rolebinding", "looker", "--role=looker", &account]).await;
    let token = story.kubectl(&["create", "token", "looker"]).await;
    let file = shell.links.path().join("looker");
    std::fs::write(&file, with_token(&story.plane.kubeconfig, token.trim())).unwrap();
    let looker = Shell { kubeconfig: file, ..Shell::new(story) };
    has(&looker.ok(&["status"]).await, &["web"]);
    looker.fails(1, &["pause", "web"], &["forbidden", "cannot patch"]).await;
    looker.fails(1, &["status", "-n", "default"], &["forbidden", "cannot list"]).await;
}

fn with_token(kubeconfig: &Path, token: &str) -> String {
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = json!({ "token": token });
    }
    config.to_string()
}

/// The HPA that the policy replaces differs in one field, and then in none.
async fn compares(story: &Story, shell: &Shell<'_>, web: &str) {
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": web });
    let cpu = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }]);
    let spec = json!({ "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 8, "metrics": cpu });
    let hpa = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "old" }, "spec": spec });
    story.apply(hpa.clone()).await;
    story.shows(SOON, "hpa/old", "{.status.desiredReplicas}", "6").await;
    story.shows(SOON, "sp/web", "{.status.decision.verdict}", "Unknown").await;
    let (code, page) = shell.call(&["diff", "web"]).await;
    assert_eq!(code, 1);
    has(
        &page,
        &[
            "ScalePolicy/web against HorizontalPodAutoscaler/old",
            "~ maxReplicas",
            "~ sync period",
            "desired                HPA    6",
            "also scaled by",
        ],
    );
    let (_, json) = shell.call(&["diff", "web", "--hpa", "old", "-o", "json"]).await;
    let differences: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&differences["same"], &differences["fields"][2]["hpa"]), (&json!(false), &json!("8")));

    // By a file, as of one that is gone already.
    story.kubectl(&["delete", "hpa", "old"]).await;
    story
        .apply(json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": "plain" }, "spec": spec }))
        .await;
    let file = shell.links.path().join("old.yaml");
    std::fs::write(&file, hpa.to_string()).unwrap();
    has(&shell.ok(&["diff", "plain", "--hpa", file.to_str().unwrap()]).await, &["the fields mean the same"]);
}

/// A policy that was made from annotations is paused there: a change of the policy itself would be undone.
#[test]
fn a_policy_of_annotations_is_paused_by_its_workload() {
    run(async {
        let story = Story::begin(plane(OPTIONS).await).await;
        let shell = Shell::new(&story);
        let more = vec!["--namespaces".into(), story.namespace.clone()];
        let _ballast = Ballast::start(story.plane, "plugin-annotations", &Flags { more, ..Flags::default() }).await;
        let api = story.deployment("api", 2, Load::Total(100)).await;
        let deployment = format!("deployment/{api}");
        story.kubectl(&["annotate", &deployment, "ballast.dev/max-replicas=5"]).await;
        let policy = format!("{api}.deployment");
        story.shows(SOON, &format!("sp/{policy}"), "{.status.decision.verdict}", "S").await;

        let said = shell.ok(&["pause", &policy, "--direction", "down", "--by", "ana", "--reason", "big day"]).await;
        has(&said, &[&deployment, "annotated ballast.dev/pause=\"down by=ana reason=big day\"", "may grow but not shrink"]);
        let path = "{.spec.pause.direction} {.spec.pause.by} {.spec.pause.reason}";
        story.shows(SOON, &format!("sp/{policy}"), path, "Down ana big day").await;
        let again = shell.ok(&["pause", &policy, "--direction", "down", "--by", "ana", "--reason", "big day"]).await;
        has(&again, &["unchanged"]);
        has(&shell.ok(&["resume", &policy]).await, &["ballast.dev/pause removed", "resumed; it was paused by ana (big day)"]);
        eventually("the pause is gone from the policy", SOON, async || match story.get(&format!("sp/{policy}"), "{.spec.pause}").await {
            pause if pause.is_empty() => Ok(()),
            pause => Err(pause),
        })
        .await;
        has(&shell.ok(&["resume", &policy]).await, &["unchanged, it is not paused"]);

        // kubectl asks the other link for names.
        let output = shell.command(&["__complete", "ballast", "explain", "-n", &story.namespace, "a"]).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.lines().any(|line| line == policy), "{text}");
    });
}

/// The definitions of KEDA's own release: what its API server keeps is what is converted. KEDA itself runs in `tests/cluster/keda/check.sh`.
async fn keda(story: &Story) {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/build.sh");
    let made = Command::new(build).arg("keda-config").stderr(Stdio::inherit()).output().await.unwrap();
    assert!(made.status.success(), "tests/cluster/build.sh keda-config failed");
    let bin = String::from_utf8(made.stdout).unwrap();
    let definitions = format!("{}/../config/crd", bin.lines().last().unwrap());
    let definitions = story.plane.kubectl_ok(&["kustomize", &definitions]).await;
    let (ok, out) = story.plane.kubectl(&["apply", "--server-side", "-f", "-"], &definitions).await;
    assert!(ok, "{out}");
    wait_established(&Api::all(story.plane.client.clone()), "scaledobjects.keda.sh").await;
}

/// The objects that a converted text has, by their kind.
fn objects(text: &str) -> std::collections::BTreeMap<String, Value> {
    let documents = text.split("---\n").filter_map(|document| serde_saphyr::from_str::<Value>(document).ok());
    documents.filter_map(|object| Some((object["kind"].as_str()?.to_owned(), object))).collect()
}

#[test]
fn scaled_objects_of_a_cluster_become_policies() {
    run(async {
        let story = Story::begin(plane(OPTIONS).await).await;
        let shell = Shell::new(&story);
        keda(&story).await;
        let example = |file: &str| -> Value {
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/migration").join(file)).unwrap();
            let mut object: Value = serde_saphyr::from_str(&text).unwrap();
            object["metadata"]["namespace"] = json!(story.namespace);
            object
        };
        let (orders, mailer) = (example("scaledobject.yaml"), example("scaledobject-kafka.yaml"));
        story.apply(orders.clone()).await;
        // What KEDA's operator adds as soon as it sees the object.
        let adds = r#"{"metadata": {"finalizers": ["finalizer.keda.sh"], "labels": {"scaledobject.keda.sh/name": "orders"}}, "spec": {"advanced": {"scalingModifiers": {}}}}"#;
        story.kubectl(&["patch", "scaledobject", "orders", "--type=merge", "-p", adds]).await;
        // As it is written and as it is kept, with what the server fills in.
        let file = shell.links.path().join("orders.json");
        std::fs::write(&file, orders.to_string()).unwrap();
        let written = objects(&shell.ok(&["convert", file.to_str().unwrap()]).await);
        let kept = objects(&shell.ok(&["convert", "scaledobject/orders"]).await);
        assert_eq!(kept, written);
        assert_eq!(kept["ScalePolicy"]["spec"]["schedules"][0]["timeZone"], "Europe/Berlin");
        for object in kept.into_values() {
            story.apply(object).await;
        }

        // Paused, as KEDA is told to, and with a trigger that asks nobody.
        story.apply(mailer).await;
        story.kubectl(&["annotate", "scaledobject", "orders", "autoscaling.keda.sh/paused=true"]).await;
        let push = json!([{ "type": "external-push", "metadata": { "scalerAddress": "pusher:9090" } }]);
        let spec = json!({ "scaleTargetRef": { "name": "pushed" }, "minReplicaCount": 1, "triggers": push });
        story
            .apply(json!({ "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": "pushed" }, "spec": spec }))
            .await;
        let (code, text) = shell.call(&["convert", "--all"]).await;
        assert_eq!(code, 1);
        has(&text, &["kafka", "external-push", "not all of it can be carried over"]);
        let (code, text) = shell.call(&["convert", "--all", "--partial"]).await;
        assert_eq!(code, 1);
        has(&text, &["pause:", "name: orders", "name: mailer", "averageUtilization: 60"]);
    });
}
