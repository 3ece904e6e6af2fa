//! The chart on a real API server: what it installs, upgrades and leaves; and the controller with the rights it gives, and no others.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;
mod plane_support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use deploy_support::{NAMESPACE, Release, helm, root};
use plane_support::{Ballast, Flags, Options, Plane, eventually};
use rstest::rstest;

const LIMIT: Duration = Duration::from_secs(30);

async fn plane() -> &'static Plane {
    plane_support::plane(Options::default()).await
}

/// A kubeconfig of the release's `ServiceAccount`.
async fn kubeconfig_of(plane: &Plane, account: &str, namespace: &str, dir: &Path) -> PathBuf {
    let token = plane.kubectl_ok(&["create", "token", account, "--namespace", namespace]).await;
    let text = std::fs::read_to_string(&plane.kubeconfig).unwrap();
    let mut config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
    let path = dir.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// Runs Helm against the plane.
fn release(plane: &Plane, command: &str, namespace: &str, args: &[&str]) -> String {
    let kubeconfig = plane.kubeconfig.to_string_lossy();
    let output = helm(&[&[command, namespace, "--namespace", namespace, "--kubeconfig", &kubeconfig], args].concat());
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "helm {command} {args:?}: {text}");
    text
}

async fn namespaces(plane: &Plane, names: &[&str]) {
    for name in names {
        plane_support::ensure_namespace(&plane.client, name).await;
    }
}

async fn apply(plane: &Plane, objects: &str) {
    let (ok, text) = plane.kubectl(&["apply", "--filename=-"], objects).await;
    assert!(ok, "{text}");
}

/// Waits until what kubectl prints contains `text`.
async fn shows(plane: &Plane, ballast: &Ballast, args: &[&str], text: &str) {
    eventually(&format!("{text} in kubectl {args:?}"), LIMIT, async || {
        let seen = plane.kubectl_ok(args).await;
        if seen.contains(text) { Ok(()) } else { Err(format!("{seen}\n{}", ballast.tail())) }
    })
    .await;
}

/// Every kind of the chart but the `ServiceMonitor`, whose CRD is somebody else's, is taken by the server without a warning.
#[rstest]
#[case::defaults("one", &[])]
#[case::high_availability("two", &["--values", "ci/high-availability-values.yaml", "--set", "serviceMonitor.enabled=false"])]
#[case::sources("three", &["--values", "ci/sources-values.yaml"])]
#[case::single("four", &["--values", "ci/single-values.yaml"])]
fn the_server_takes_every_object(#[case] namespace: &str, #[case] args: &[&str]) {
    let output = helm(&[&["template", namespace, ".", "--namespace", namespace], args].concat());
    let objects = String::from_utf8(output.stdout).unwrap();
    plane_support::run(async {
        let plane = plane().await;
        namespaces(plane, &[namespace, "shop", "billing"]).await;
        let dry = ["apply", "--dry-run=server", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-"];
        let (ok, text) = plane.kubectl(&dry, &objects).await;
        assert!(ok && !text.contains("Warning"), "{text}");
    });
}

#[test]
fn the_plain_manifest_can_be_applied_twice() {
    plane_support::run(async {
        let plane = plane().await;
        let manifest = root().join("deploy/manifests/ballast.yaml").to_string_lossy().into_owned();
        let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename", &manifest];
        plane.kubectl_ok(&apply).await;
        let again = plane.kubectl_ok(&apply).await;
        assert!(again.contains("deployment.apps/ballast serverside-applied"), "{again}");
        plane.kubectl_ok(&["delete", "--namespace", NAMESPACE, "deployment", "ballast"]).await;
    });
}

/// With the rights of the chart alone, the controller gets ready, leads, makes the policy of an annotated Deployment, scales it, says so
/// in status and Events, and takes the policy away with the annotations: whether it watches all namespaces or one.
#[rstest]
#[case::whole_cluster("wide", &[])]
#[case::one_namespace("narrow", &["--set", "watchNamespaces={narrow-shop}"])]
fn the_rights_are_enough_and_not_more(#[case] namespace: &str, #[case] args: &[&str]) {
    let shop = format!("{namespace}-shop");
    let own = [&["--namespace", namespace, "--set", "crds.install=false,fullnameOverride=ballast-test"], args].concat();
    let objects = String::from_utf8(helm(&[&["template", namespace, "."], &own[..]].concat()).stdout).unwrap();
    let chart = Release::new(None, &own);
    plane_support::run(async {
        let plane = plane().await;
        namespaces(plane, &[namespace, &shop]).await;
        apply(plane, &objects).await;
        let dir = tempfile::tempdir().unwrap();
        let account = chart.pod()["serviceAccountName"].as_str().unwrap();
        let ballast = start(plane, &chart, &kubeconfig_of(plane, account, namespace, dir.path()).await).await;

        let web = format!("deployment/{namespace}-web");
        let name = web.trim_start_matches("deployment/");
        plane.kubectl_ok(&["create", "deployment", name, "--namespace", &shop, "--image=ballast.test/web", "--replicas=1"]).await;
        plane.kubectl_ok(&["annotate", &web, "--namespace", &shop, "ballast.dev/min-replicas=2", "ballast.dev/max-replicas=4"]).await;
        shows(plane, &ballast, &["get", &web, "--namespace", &shop, "--output=jsonpath=size {.spec.replicas}"], "size 2").await;
        shows(plane, &ballast, &["events", "--namespace", &shop, "--for", &web], "SuccessfulRescale").await;
        let policies = ["get", "scalepolicies", "--namespace", &shop, "--output=jsonpath={.items[*].status.conditions[*].type}"];
        shows(plane, &ballast, &policies, "AbleToScale").await;
        plane.kubectl_ok(&["get", "lease", "ballast-test", "--namespace", namespace]).await;
        plane.kubectl_ok(&["annotate", &web, "--namespace", &shop, "ballast.dev/min-replicas=3", "--overwrite"]).await;
        shows(plane, &ballast, &["get", &web, "--namespace", &shop, "--output=jsonpath=size {.spec.replicas}"], "size 3").await;
        plane.kubectl_ok(&["annotate", &web, "--namespace", &shop, "ballast.dev/min-replicas-", "ballast.dev/max-replicas-"]).await;
        shows(plane, &ballast, &["get", "scalepolicies", "--namespace", &shop], "No resources found").await;
        let log = std::fs::read_to_string(&ballast.log).unwrap();
        assert!(!log.contains("orbidden"), "{log}");
        refused(plane, namespace, &shop).await;
    });
}

/// Starts the controller with the flags of the release's pod, but for what only a pod has.
async fn start(plane: &Plane, chart: &Release, kubeconfig: &Path) -> Ballast {
    // The file is mounted in a pod only; the others are set by the tests' runner.
    let others = ["--config=", "--admin-address=", "--sync-period=", "--downscale-stabilization=", "--smoothing=", "--leader-elect="];
    let more = chart.flags().into_iter().filter(|flag| !others.iter().any(|other| flag.starts_with(other))).map(str::to_owned);
    let flags = Flags { leader_elect: true, kubeconfig: Some(kubeconfig.to_owned()), more: more.collect(), ..Flags::default() };
    Ballast::start(plane, chart.one("Deployment")["metadata"]["namespace"].as_str().unwrap(), &flags).await
}

/// What the controller's account must not be able to do.
async fn refused(plane: &Plane, namespace: &str, shop: &str) {
    let account = format!("--as=system:serviceaccount:{namespace}:ballast-test");
    let can = async |verb: &str, what: &str, namespace: &str| {
        let (what, sub) = what.split_once('/').unwrap_or((what, ""));
        let sub = format!("--subresource={sub}");
        let (_, answer) = plane.kubectl(&["auth", "can-i", verb, what, &sub, &account, "--namespace", namespace], "").await;
        // A warning comes before it where the server doesn't know the kind.
        match answer.split_whitespace().find(|word| ["yes", "no"].contains(word)) {
            Some(word) => word == "yes",
            None => panic!("{verb} {what}: {answer}"),
        }
    };
    assert!(can("patch", "deployments.apps/scale", shop).await);
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
        assert!(!can(verb, what, shop).await, "{verb} {what}");
    }
    assert!(!can("get", "secrets", namespace).await && !can("update", "leases.coordination.k8s.io", namespace).await);
    assert_eq!(can("list", "pods", "default").await, namespace == "wide");
}

/// Upgrades change the CRDs, and an uninstalled release leaves them and the policies.
#[test]
fn policies_outlive_the_release() {
    plane_support::run(async {
        let plane = plane().await;
        namespaces(plane, &["helm"]).await;
        // The tests of this binary share the CRDs, which were there before.
        let ours = [".", "--take-ownership", "--force-conflicts"];
        let text = release(plane, "install", "helm", &ours);
        assert!(text.contains("STATUS: deployed"), "{text}");
        let policy = "{apiVersion: ballast.dev/v1alpha1, kind: ScalePolicy, metadata: {name: keep, namespace: helm}, \
            spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}}";
        apply(plane, policy).await;
        release(plane, "upgrade", "helm", &[&ours[..], &["--set", "replicas=2,commonLabels.stage=second"]].concat());
        let label = ["get", "crd", "scalepolicies.ballast.dev", "--output=jsonpath={.metadata.labels.stage}"];
        assert_eq!(plane.kubectl_ok(&label).await, "second");
        release(plane, "uninstall", "helm", &["--wait"]);
        plane.kubectl_ok(&["get", "scalepolicy", "keep", "--namespace", "helm"]).await;
        let kinds = "deployments,services,roles,serviceaccounts";
        let left = plane.kubectl_ok(&["get", kinds, "--selector", "app.kubernetes.io/instance=helm", "--all-namespaces"]).await;
        assert!(left.contains("No resources found"), "{left}");
    });
}
