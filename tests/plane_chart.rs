//! The chart on a real API server: what it installs, upgrades and leaves; and the controller with the rights it gives, and no others.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;
mod plane_support;

use std::time::Duration;

use deploy_support::{Release, documents, helm, root};
use kube::api::{Api, Patch, PatchParams};
use plane_support::{
    Ballast, Container, Load, Options, Plane, Source, Workload, apply, apply_in, ensure_namespace, eventually, kubeconfig_of, plane, run,
};
use rstest::rstest;
use serde_json::json;

/// Wait for what the controller does within a tick or two.
const SOON: Duration = Duration::from_secs(30);
/// Of `ScalePolicy` and `MetricSource`.
const VERSION: &str = "ballast.dev/v1alpha1";

/// Installs a rendered release without its CRDs, which the plane has and all tests share.
async fn install(plane: &Plane, release: &Release) {
    for object in release.objects.iter().filter(|object| object["kind"] != "CustomResourceDefinition") {
        apply(plane, object).await;
    }
}

/// Whether the API server lets an account do something; `what` is `resource.group/subresource` or `resource/name`.
async fn can(plane: &Plane, account: &str, verb: &str, what: &str, subresource: &str, namespace: &str) -> bool {
    let account = format!("--as=system:serviceaccount:{account}");
    let subresource = format!("--subresource={subresource}");
    let (_, answer) = plane.kubectl(&["auth", "can-i", verb, what, &subresource, &account, "--namespace", namespace], "").await;
    // A warning comes before it where the server doesn't know the kind.
    match answer.split_whitespace().find(|word| ["yes", "no"].contains(word)) {
        Some(word) => word == "yes",
        None => panic!("{verb} {what}: {answer}"),
    }
}

/// Every object of the chart but the `ServiceMonitor` and the `PrometheusRule`, whose CRDs are somebody else's, is taken by the server without a warning.
#[rstest]
#[case::defaults("dry-defaults", &[])]
#[case::high_availability("dry-two", &["--values", "ci/high-availability-values.yaml", "--set", "serviceMonitor.enabled=false,prometheusRule.enabled=false"])]
#[case::namespaced("dry-namespaced", &["--values", "ci/namespaced-values.yaml"])]
#[case::single("dry-single", &["--values", "ci/single-values.yaml"])]
#[case::shards("dry-shards", &["--values", "ci/shards-values.yaml"])]
#[case::sources("dry-sources", &["--values", "ci/sources-values.yaml"])]
fn the_server_takes_every_object(#[case] namespace: &str, #[case] args: &[&str]) {
    run(async {
        let plane = plane(Options::default()).await;
        let output = helm(&[&["template", namespace, ".", "--namespace", namespace], args].concat());
        for namespace in [namespace, "shop", "billing"] {
            ensure_namespace(&plane.client, namespace).await;
        }
        let dry = ["apply", "--dry-run=server", "--server-side", "--force-conflicts", "--validate=strict", "--filename=-"];
        let (ok, text) = plane.kubectl(&dry, std::str::from_utf8(&output.stdout).unwrap()).await;
        assert!(ok && text.contains("serverside-applied") && !text.contains("Warning"), "{text}");
    });
}

#[test]
fn the_plain_manifest_can_be_applied_twice() {
    run(async {
        let plane = plane(Options::default()).await;
        let manifest = root().join("deploy/manifests/ballast.yaml").to_string_lossy().into_owned();
        let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename", &manifest];
        let first = plane.kubectl_ok(&apply).await;
        let again = plane.kubectl_ok(&apply).await;
        for text in [first, again] {
            assert!(text.contains("deployment.apps/ballast serverside-applied") && !text.contains("Warning"), "{text}");
        }
        // The namespace demands the restricted profile of its pods: they come to be, though there is no node for them.
        eventually("a pod of the controller", SOON, async || {
            let text = plane.kubectl_ok(&["get", "pods,events", "--namespace", "ballast-system"]).await;
            if text.contains("pod/ballast-") { Ok(()) } else { Err(text) }
        })
        .await;
    });
}

/// With the rights of the chart alone the controller does all it can do: it gets ready, leads, reads every metrics API, makes the policy
/// of an annotated Deployment and removes it, scales built-in kinds and one of a CRD, reads a `MetricSource` with the Secret that was
/// named, and says so in status and Events. What it is not given fails for it alone and with a reason.
#[rstest]
#[case::whole_cluster("wide", "")]
#[case::one_namespace_in_shards("narrow", "watchNamespaces={narrow-shop},shards=2")]
fn the_rights_are_enough(#[case] namespace: &str, #[case] set: &str) {
    // The one that watches all namespaces would do the other's work.
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    run(async {
        let _alone = ONE_AT_A_TIME.lock().await;
        let plane = plane(Options::default()).await;
        let shop = format!("{namespace}-shop");
        for namespace in [namespace, &shop] {
            ensure_namespace(&plane.client, namespace).await;
        }
        let fixed = format!(
            "fullnameOverride={namespace}-ballast,syncPeriod=1s,checkpointInterval=1s,cpuInitializationPeriod=0s,rbac.extraScaleResources[0].apiGroup=twin.test,\
             rbac.extraScaleResources[0].resource=widgets,rbac.secrets[0].namespace={shop},rbac.secrets[0].names={{token}}"
        );
        let release = Release::new(None, &["--namespace", namespace, "--set", &fixed, "--set", set]);
        install(plane, &release).await;
        workloads(plane, &shop).await;

        let kubeconfig = kubeconfig_of(plane, namespace, &format!("{namespace}-ballast")).await;
        let of_pod = ["--admin-address=", "--config="];
        let mut flags: Vec<String> =
            release.flags().into_iter().filter(|f| !of_pod.iter().any(|p| f.starts_with(p))).map(str::to_owned).collect();
        flags.push("--allow-loopback-sources".into());
        let ballast = Ballast::start_as(plane, &format!("chart-{namespace}"), &kubeconfig, &flags).await;

        for (kind, name) in [("deployment", "annotated"), ("statefulset", "mixed"), ("widget", "custom")] {
            eventually(&format!("size of {kind} {name}"), SOON, async || {
                let size = plane.kubectl_ok(&["get", kind, name, "--namespace", &shop, "--output=jsonpath={.spec.replicas}"]).await;
                if size == "2" { Ok(()) } else { Err(format!("{size} replicas\n{}", ballast.tail())) }
            })
            .await;
            eventually(&format!("Event on {kind} {name}"), SOON, async || {
                let events = plane.kubectl_ok(&["events", "--namespace", &shop, &format!("--for={kind}/{name}")]).await;
                if events.contains("SuccessfulRescale") { Ok(()) } else { Err(format!("{events}\n{}", ballast.tail())) }
            })
            .await;
            // Who else sets the size stands in the object itself.
            plane.kubectl_ok(&["scale", kind, name, "--namespace", &shop, "--replicas=3"]).await;
            eventually(&format!("Event on {kind} {name}, which was scaled by hand"), SOON, async || {
                let events = plane.kubectl_ok(&["events", "--namespace", &shop, &format!("--for={kind}/{name}")]).await;
                let named = events.contains("size 3 was set by kubectl (scale), 2 before");
                if named { Ok(()) } else { Err(format!("{events}\n{}", ballast.tail())) }
            })
            .await;
        }
        for policy in ["annotated.deployment", "mixed", "custom"] {
            eventually(&format!("conditions of {policy}"), SOON, async || {
                let path = "--output=jsonpath={.status.conditions[?(@.type=='ScalingActive')]}";
                let text = plane.kubectl_ok(&["get", "scalepolicy", policy, "--namespace", &shop, path]).await;
                if text.contains("ValidMetricFound") { Ok(()) } else { Err(format!("{text}\n{}", ballast.tail())) }
            })
            .await;
        }
        // The Secret that was named is read, so that only its server is missing; the other is refused.
        for (policy, refused) in [("named", false), ("unnamed", true)] {
            eventually(&format!("condition of {policy}"), SOON, async || {
                let text =
                    plane.kubectl_ok(&["get", "scalepolicy", policy, "--namespace", &shop, "--output=jsonpath={.status.conditions}"]).await;
                let seen = text.contains("ScalingActive") && text.contains("may not be read") == refused;
                if seen { Ok(()) } else { Err(format!("{text}\n{}", ballast.tail())) }
            })
            .await;
        }
        for (source, reason) in [("named", "ConnectionRefused"), ("unnamed", "SecretForbidden")] {
            eventually(&format!("reason of source {source}"), SOON, async || {
                let path = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].reason}";
                let text = plane.kubectl_ok(&["get", "metricsource", source, "--namespace", &shop, path]).await;
                if text == reason { Ok(()) } else { Err(format!("{text}\n{}", ballast.tail())) }
            })
            .await;
        }
        plane
            .kubectl_ok(&[
                "annotate",
                "deployment",
                "annotated",
                "--namespace",
                &shop,
                "ballast.dev/max-replicas-",
                "ballast.dev/target-cpu-",
            ])
            .await;
        eventually("the annotated Deployment's policy is gone", SOON, async || {
            let policies = plane.kubectl_ok(&["get", "scalepolicies", "--namespace", &shop]).await;
            if policies.contains("annotated") { Err(format!("{policies}\n{}", ballast.tail())) } else { Ok(()) }
        })
        .await;
        eventually("a checkpoint", SOON, async || {
            let (ok, text) =
                plane.kubectl(&["get", "configmap", &format!("{namespace}-ballast-memory-0"), "--namespace", namespace], "").await;
            if ok { Ok(()) } else { Err(format!("{text}\n{}", ballast.tail())) }
        })
        .await;
        plane.kubectl_ok(&["get", "lease", &format!("{namespace}-ballast"), "--namespace", namespace]).await;
        let log = std::fs::read_to_string(&ballast.log).unwrap();
        // What it says of the Secret it must not read, of the other case's namespace too, is no call that it may not make.
        let expected = "-shop/unnamed\"";
        let refused = |line: &&str| (line.contains("orbidden") || line.contains("not permitted")) && !line.contains(expected);
        let refused: Vec<_> = log.lines().filter(refused).collect();
        assert!(refused.is_empty(), "{}", refused.join("\n"));
        assert!(ballast.stop().await.success());
    });
}

/// Three workloads of one replica that want two by every kind of metric, and two policies whose servers need a Secret.
async fn workloads(plane: &Plane, shop: &str) {
    let (fleet, metrics) = (plane.fleet().await, plane.metrics().await);
    let annotated = Workload::deployment(shop, "annotated", 1);
    let mixed = Workload { kind: "StatefulSet", ..Workload::deployment(shop, "mixed", 1) };
    for workload in [&annotated, &mixed] {
        workload.create(&plane.client).await;
        fleet.ready(shop, &workload.name, 1).await;
    }
    metrics.set("annotated", Source::Cpu { container: Container::APP.name }, Load::At { pods: 1, value: 160, otherwise: 80 });
    metrics.set("mixed", Source::Pods { metric: "qps" }, Load::At { pods: 1, value: 20_000, otherwise: 10_000 });
    metrics.set("mixed", Source::External { metric: "queue", labels: &[] }, Load::Each(20_000));
    let annotations = json!({ "ballast.dev/max-replicas": "4", "ballast.dev/target-cpu": "80%" });
    annotated
        .api(&plane.client)
        .patch("annotated", &PatchParams::default(), &Patch::Merge(json!({ "metadata": { "annotations": annotations } })))
        .await
        .unwrap();

    let crd = documents(include_str!("twin/widget.yaml")).remove(0);
    apply(plane, &crd).await;
    let crds = Api::all(plane.client.clone());
    plane_support::wait_established(&crds, "widgets.twin.test").await;
    apply_in(plane, shop, ("twin.test/v1", "Widget", "custom"), &json!({ "spec": { "replicas": 1 } })).await;
    let status = json!({ "status": { "replicas": 1, "selector": "app=custom" } }).to_string();
    plane.kubectl_ok(&["patch", "widget", "custom", "--namespace", shop, "--subresource=status", "--type=merge", "--patch", &status]).await;

    let number = |value: &str| json!({ "type": "AverageValue", "averageValue": value });
    let external = json!({ "type": "External", "external": { "metric": { "name": "queue.mixed" }, "target": number("10") } });
    let pods = json!({ "type": "Pods", "pods": { "metric": { "name": "qps" }, "target": number("10") } });
    let prometheus = |source: &str| {
        let metric = json!({ "name": "rps", "query": "1", "source": source, "target": number("1") });
        json!({ "type": "Prometheus", "prometheus": metric })
    };
    for (name, kind, target, metrics) in [
        ("mixed", "StatefulSet", "mixed", json!([external, pods])),
        ("custom", "Widget", "custom", json!([external])),
        ("named", "Deployment", "elsewhere", json!([prometheus("named")])),
        ("unnamed", "Deployment", "elsewhere-too", json!([prometheus("unnamed")])),
    ] {
        if kind == "Deployment" {
            Workload::deployment(shop, target, 1).create(&plane.client).await;
            fleet.ready(shop, target, 1).await;
        }
        let api_version = if kind == "Widget" { "twin.test/v1" } else { "apps/v1" };
        let target = json!({ "apiVersion": api_version, "kind": kind, "name": target });
        let spec = json!({ "scaleTargetRef": target, "maxReplicas": 4, "metrics": metrics });
        apply_in(plane, shop, (VERSION, "ScalePolicy", name), &json!({ "spec": spec })).await;
    }
    for (source, secret) in [("named", "token"), ("unnamed", "other")] {
        apply_in(plane, shop, ("v1", "Secret", secret), &json!({ "stringData": { "key": "x" } })).await;
        // Nothing listens on port 1.
        let token = json!({ "secretKeyRef": { "name": secret, "key": "key" } });
        let spec = json!({ "url": "http://127.0.0.1:1", "auth": { "bearerToken": token } });
        apply_in(plane, shop, (VERSION, "MetricSource", source), &json!({ "spec": spec })).await;
    }
}

/// The API server's own word on what the `ServiceAccount` may do.
#[test]
fn the_rights_are_no_more_than_that() {
    run(async {
        let plane = plane(Options::default()).await;
        for namespace in ["rights", "rights-shop", "rights-other"] {
            ensure_namespace(&plane.client, namespace).await;
        }
        let set = "fullnameOverride=rights-ballast,rbac.secrets[0].namespace=rights-shop,rbac.secrets[0].names={token}";
        let wide = Release::new(None, &["--namespace", "rights", "--set", set]);
        install(plane, &wide).await;
        let account = "rights:rights-ballast";
        let table = [
            (true, "watch", "scalepolicies.ballast.dev", "", "rights-shop"),
            (true, "patch", "scalepolicies.ballast.dev", "status", "rights-shop"),
            (true, "watch", "metricsources.ballast.dev", "", "rights-shop"),
            (true, "patch", "metricsources.ballast.dev", "status", "rights-shop"),
            (true, "list", "pods", "", "rights-other"),
            (false, "get", "pods", "", "rights-other"),
            (true, "get", "deployments.apps", "", "rights-other"),
            (true, "get", "replicationcontrollers", "", "rights-other"),
            (false, "get", "rollouts.argoproj.io", "", "rights-other"),
            (true, "patch", "deployments.apps", "scale", "rights-other"),
            (true, "patch", "replicationcontrollers", "scale", "rights-other"),
            (true, "create", "events", "", "rights-shop"),
            (true, "get", "secrets/token", "", "rights-shop"),
            (true, "create", "leases.coordination.k8s.io", "", "rights"),
            (true, "update", "leases.coordination.k8s.io/rights-ballast", "", "rights"),
            (false, "update", "leases.coordination.k8s.io/another", "", "rights"),
            (false, "delete", "leases.coordination.k8s.io/rights-ballast", "", "rights"),
            (false, "create", "leases.coordination.k8s.io", "", "rights-shop"),
            (false, "list", "leases.coordination.k8s.io", "", "rights"),
            (false, "update", "leases.coordination.k8s.io/rights-ballast-member-0", "", "rights"),
            (false, "get", "leases.coordination.k8s.io/rights-ballast-shard-0", "", "rights"),
            (true, "create", "configmaps", "", "rights"),
            (true, "update", "configmaps/rights-ballast-memory-0", "", "rights"),
            (false, "update", "configmaps/another", "", "rights"),
            (false, "list", "configmaps", "", "rights"),
            (false, "get", "scalepolicies.ballast.dev", "", "rights-shop"),
            (false, "get", "metricsources.ballast.dev", "", "rights-shop"),
            (false, "list", "qps.custom.metrics.k8s.io", "", "rights-shop"),
            (false, "get", "queue.external.metrics.k8s.io", "", "rights-shop"),
            (false, "delete", "configmaps/rights-ballast-memory-0", "", "rights"),
            (false, "create", "configmaps", "", "rights-shop"),
            (false, "get", "secrets/other", "", "rights-shop"),
            (false, "get", "secrets/token", "", "rights-other"),
            (false, "list", "secrets", "", "rights-shop"),
            (false, "watch", "secrets", "", "rights"),
            (false, "update", "secrets/token", "", "rights-shop"),
            (false, "get", "configmaps", "", "rights-shop"),
            (false, "patch", "deployments.apps", "", "rights-shop"),
            (false, "update", "deployments.apps", "scale", "rights-shop"),
            (false, "patch", "daemonsets.apps", "scale", "rights-shop"),
            (false, "patch", "rollouts.argoproj.io", "scale", "rights-shop"),
            (false, "patch", "horizontalpodautoscalers.autoscaling", "", "rights-shop"),
            (false, "patch", "metricsources.ballast.dev", "", "rights-shop"),
            (false, "delete", "pods", "", "rights-shop"),
            (false, "create", "pods", "exec", "rights-shop"),
            (false, "get", "pods", "log", "rights-shop"),
            (false, "create", "pods", "", "rights"),
            (false, "list", "nodes", "", ""),
            (false, "create", "rolebindings.rbac.authorization.k8s.io", "", "rights"),
            (false, "impersonate", "serviceaccounts", "", "rights"),
        ];
        let mut wrong = Vec::new();
        for (expected, verb, what, subresource, namespace) in table {
            if can(plane, account, verb, what, subresource, namespace).await != expected {
                wrong.push(format!("{verb} {what} {subresource} in {namespace}: expected {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// With some namespaces to watch, the rights end there. Editors of a namespace write policies; `MetricSources` take an admin.
#[test]
fn rights_end_with_the_namespaces_watched_and_people_get_theirs() {
    run(async {
        let plane = plane(Options::default()).await;
        for namespace in ["ends", "ends-shop", "ends-other"] {
            ensure_namespace(&plane.client, namespace).await;
        }
        let release = Release::new(None, &["--namespace", "ends", "--set", "fullnameOverride=ends-ballast,watchNamespaces={ends-shop}"]);
        install(plane, &release).await;
        for (namespace, expected) in [("ends-shop", true), ("ends-other", false), ("ends", false)] {
            for (verb, what, subresource) in [("list", "pods", ""), ("patch", "deployments.apps", "scale"), ("create", "events", "")] {
                let allowed = can(plane, "ends:ends-ballast", verb, what, subresource, namespace).await;
                assert_eq!(allowed, expected, "{verb} {what} {subresource} in {namespace}");
            }
        }
        for (role, policies, sources) in [("view", false, false), ("edit", true, false), ("admin", true, true)] {
            let binding = format!("--serviceaccount=ends-shop:{role}");
            plane.kubectl_ok(&["create", "rolebinding", role, "--clusterrole", role, &binding, "--namespace", "ends-shop"]).await;
            let account = format!("ends-shop:{role}");
            eventually(&format!("rights of {role}"), SOON, async || {
                let seen = [
                    can(plane, &account, "get", "scalepolicies.ballast.dev", "", "ends-shop").await,
                    can(plane, &account, "create", "scalepolicies.ballast.dev", "", "ends-shop").await,
                    can(plane, &account, "create", "metricsources.ballast.dev", "", "ends-shop").await,
                ];
                if seen == [true, policies, sources] { Ok(()) } else { Err(format!("{seen:?}")) }
            })
            .await;
        }
    });
}

/// Upgrades change the CRDs, and an uninstalled release leaves them and the policies.
#[test]
fn policies_outlive_the_release() {
    run(async {
        let plane = plane(Options::default()).await;
        ensure_namespace(&plane.client, "helm").await;
        let kubeconfig = plane.kubeconfig.to_string_lossy().into_owned();
        let release = |command: &str, args: &[&str]| {
            // The CRDs were there before: the plane's tests share them.
            let fixed = [command, "helm", ".", "--namespace", "helm", "--kubeconfig", &kubeconfig, "--take-ownership", "--force-conflicts"];
            let output = helm(&[&fixed, args].concat());
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success() && text.contains("STATUS: deployed"), "{command}: {text}");
        };
        release("install", &[]);
        let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
        let spec = json!({ "scaleTargetRef": target, "maxReplicas": 3 });
        apply_in(plane, "helm", (VERSION, "ScalePolicy", "keep"), &json!({ "spec": spec })).await;
        release("upgrade", &["--set", "replicas=2", "--set", "commonLabels.stage=second"]);
        let label = ["get", "crd", "scalepolicies.ballast.dev", "--output=jsonpath={.metadata.labels.stage}"];
        assert_eq!(plane.kubectl_ok(&label).await, "second");
        let output = helm(&["uninstall", "helm", "--namespace", "helm", "--kubeconfig", &kubeconfig, "--wait"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        plane.kubectl_ok(&["get", "scalepolicy", "keep", "--namespace", "helm"]).await;
        let kinds = "deployments,services,roles,rolebindings,serviceaccounts,configmaps,networkpolicies,poddisruptionbudgets,clusterroles";
        let left = plane.kubectl_ok(&["get", kinds, "--selector", "app.kubernetes.io/instance=helm", "--all-namespaces"]).await;
        assert!(left.contains("No resources found"), "{left}");
    });
}
