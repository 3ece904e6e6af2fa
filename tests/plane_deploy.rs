//! The chart on a real API server: what it installs, upgrades and leaves; and the controller with the rights it gives, and no others.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;
mod plane_support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deploy_support::{Release, helm, root};
use plane_support::{Plane, plane};
use rstest::rstest;

/// The controller, ended with the test.
struct Controller {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Controller {
    /// Starts it as the release's ServiceAccount, with the flags of its pod but for what only a pod has.
    fn start(plane: &Plane, release: &Release, namespace: &str, dir: &Path) -> Self {
        let account = release.pod()["serviceAccountName"].as_str().unwrap();
        let token = plane.kubectl_ok(&["create", "token", account, "--namespace", namespace]);
        let kubeconfig = dir.join("kubeconfig");
        let text = std::fs::read_to_string(&plane.kubeconfig).unwrap();
        let mut config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = dir.join("log");
        let of_pod = ["--admin-address=", "--config=", "--sync-period="];
        let child = Command::new(assert_cmd::cargo::cargo_bin!("ballast"))
            .arg("run")
            .args(release.flags().iter().filter(|flag| !of_pod.iter().any(|prefix| flag.starts_with(prefix))))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--admin-address=127.0.0.1:{port}"))
            .arg("--sync-period=1s")
            .stdout(std::fs::File::create(&log).unwrap())
            .stderr(std::fs::File::options().append(true).open(&log).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, log }
    }

    fn ready(&self) -> Result<(), String> {
        let answer = get(self.port, "/readyz").map_err(|error| error.to_string())?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Waits until `check` passes; what it last said is the failure.
fn until(what: &str, mut check: impl FnMut() -> Result<(), String>) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match check() {
            Ok(()) => return,
            Err(last) => assert!(Instant::now() < end, "{what}: {last}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn install(plane: &Plane, command: &str, namespace: &str, args: &[&str]) -> (bool, String) {
    let kubeconfig = plane.kubeconfig.to_string_lossy();
    let mut all = vec![command, namespace, ".", "--namespace", namespace, "--kubeconfig", &kubeconfig];
    // The tests of this binary share the CRDs, which kubectl applied.
    all.extend(["--take-ownership", "--force-conflicts"]);
    all.extend(args);
    let output = helm(&all);
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn namespaces(plane: &Plane, names: &[&str]) {
    for name in names {
        plane.kubectl_ok(&["create", "namespace", name]);
    }
}

/// Every kind of the chart but the ServiceMonitor, whose CRD is somebody else's, is taken by the server without a warning.
#[rstest]
#[case::defaults("one", &[])]
#[case::high_availability("two", &["--values", "ci/high-availability-values.yaml", "--set", "serviceMonitor.enabled=false"])]
#[case::sources("three", &["--values", "ci/sources-values.yaml"])]
#[case::single("four", &["--values", "ci/single-values.yaml"])]
fn the_server_takes_every_object(#[case] namespace: &str, #[case] args: &[&str]) {
    let plane = plane();
    let release = [&["--namespace", namespace], args].concat();
    let output = helm(&[&["template", namespace, "."], &release[..]].concat());
    let objects = String::from_utf8(output.stdout).unwrap();
    for namespace in [namespace, "shop", "billing"] {
        plane.kubectl(&["create", "namespace", namespace], "");
    }
    let dry = ["apply", "--dry-run=server", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-"];
    let (ok, text) = plane.kubectl(&dry, &objects);
    assert!(ok && !text.contains("Warning"), "{text}");
}

#[test]
fn the_plain_manifest_can_be_applied_twice() {
    let plane = plane();
    let manifest = root().join("deploy/manifests/ballast.yaml").to_string_lossy().into_owned();
    let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename", &manifest];
    plane.kubectl_ok(&apply);
    let again = plane.kubectl_ok(&apply);
    assert!(again.contains("deployment.apps/ballast serverside-applied"), "{again}");
    plane.kubectl_ok(&["delete", "--namespace", "ballast-system", "deployment", "ballast"]);
}

/// With the rights of the chart alone, the controller gets ready, leads, makes the policy of an annotated Deployment, scales it, and says
/// so in status and Events: whether it watches all namespaces or one.
#[rstest]
#[case::whole_cluster("wide", &[])]
#[case::one_namespace("narrow", &["--set", "watchNamespaces={narrow-shop}"])]
fn the_rights_are_enough_and_not_more(#[case] namespace: &str, #[case] args: &[&str]) {
    let plane = plane();
    let shop = format!("{namespace}-shop");
    namespaces(plane, &[namespace, &shop]);
    let own = [&["--namespace", namespace, "--set", "crds.install=false", "--set", "fullnameOverride=ballast-test"], args].concat();
    let objects = helm(&[&["template", namespace, "."], &own[..]].concat());
    let (ok, text) = plane.kubectl(&["apply", "--filename=-"], std::str::from_utf8(&objects.stdout).unwrap());
    assert!(ok, "{text}");
    let deployment = format!("deployment/{namespace}-web");
    let name = deployment.trim_start_matches("deployment/");
    plane.kubectl_ok(&["create", "deployment", name, "--namespace", &shop, "--image=ballast.test/web", "--replicas=1"]);
    plane.kubectl_ok(&["annotate", &deployment, "--namespace", &shop, "ballast.dev/min-replicas=2", "ballast.dev/max-replicas=4"]);

    let dir = tempfile::tempdir().unwrap();
    let release = Release::new(None, &own);
    let controller = Controller::start(plane, &release, namespace, dir.path());
    until("/readyz", || controller.ready().map_err(|error| format!("{error}\n{}", controller.log())));
    until("the size of the Deployment", || {
        let size = plane.kubectl_ok(&["get", &deployment, "--namespace", &shop, "--output=jsonpath={.spec.replicas}"]);
        if size == "2" { Ok(()) } else { Err(format!("{size} replicas\n{}", controller.log())) }
    });
    until("the Event on the Deployment", || {
        let events = plane.kubectl_ok(&["events", "--namespace", &shop, &format!("--for={deployment}")]);
        if events.contains("SuccessfulRescale") { Ok(()) } else { Err(format!("{events}\n{}", controller.log())) }
    });
    until("the status of the policy", || {
        let status =
            plane.kubectl_ok(&["get", "scalepolicies", "--namespace", &shop, "--output=jsonpath={.items[*].status.conditions[*].type}"]);
        if status.contains("AbleToScale") { Ok(()) } else { Err(format!("{status}\n{}", controller.log())) }
    });
    plane.kubectl_ok(&["get", "lease", "ballast-test", "--namespace", namespace]);
    assert!(!controller.log().contains("orbidden"), "{}", controller.log());

    let account = format!("--as=system:serviceaccount:{namespace}:ballast-test");
    let can = |verb: &str, what: &str, namespace: &str| {
        let (what, sub) = what.split_once('/').unwrap_or((what, ""));
        let sub = format!("--subresource={sub}");
        let (_, answer) = plane.kubectl(&["auth", "can-i", verb, what, &sub, &account, "--namespace", namespace], "");
        // A warning comes before it where the server doesn't know the kind.
        match answer.split_whitespace().find(|word| ["yes", "no"].contains(word)) {
            Some(word) => word == "yes",
            None => panic!("{verb} {what}: {answer}"),
        }
    };
    assert!(can("patch", "deployments.apps/scale", &shop));
    for (verb, what) in [
        ("get", "secrets"),
        ("list", "secrets"),
        ("get", "configmaps"),
        ("patch", "deployments.apps"),
        ("delete", "pods"),
        ("create", "pods/exec"),
        ("patch", "rollouts.argoproj.io/scale"),
        ("create", "leases.coordination.k8s.io"),
    ] {
        assert!(!can(verb, what, &shop), "{verb} {what}");
    }
    assert!(!can("get", "secrets", namespace) && !can("update", "leases.coordination.k8s.io", namespace));
    assert_eq!(can("list", "pods", "default"), namespace == "wide");
}

/// Upgrades change the CRDs, and an uninstalled release leaves them and the policies.
#[test]
fn policies_outlive_the_release() {
    let plane = plane();
    namespaces(plane, &["helm"]);
    let (ok, text) = install(plane, "install", "helm", &[]);
    assert!(ok && text.contains("STATUS: deployed"), "{text}");
    let policy = "{apiVersion: ballast.dev/v1alpha1, kind: ScalePolicy, metadata: {name: keep, namespace: helm}, \
        spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}}";
    let (ok, text) = plane.kubectl(&["apply", "--filename=-"], policy);
    assert!(ok, "{text}");
    let (ok, text) = install(plane, "upgrade", "helm", &["--set", "replicas=2", "--set", "commonLabels.stage=second"]);
    assert!(ok, "{text}");
    let label = ["get", "crd", "scalepolicies.ballast.dev", "--output=jsonpath={.metadata.labels.stage}"];
    assert_eq!(plane.kubectl_ok(&label), "second");
    let kubeconfig = plane.kubeconfig.to_string_lossy();
    let output = helm(&["uninstall", "helm", "--namespace", "helm", "--kubeconfig", &kubeconfig, "--wait"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    plane.kubectl_ok(&["get", "scalepolicy", "keep", "--namespace", "helm"]);
    let left =
        plane.kubectl_ok(&["get", "deployments,services,roles,serviceaccounts", "--selector", "app.kubernetes.io/instance=helm", "-A"]);
    assert!(left.contains("No resources found"), "{left}");
}
