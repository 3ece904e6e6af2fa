//! The chart's objects, its values, and what is generated from it.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;

use std::collections::BTreeSet;
use std::fs;

use ballast::config::{File, RunArgs};
use clap::Parser;
use deploy_support::{NAMESPACE, Release, chart, documents, helm, id, render, root, value_files};
use rstest::rstest;
use serde_json::{Value, json};

/// `ballast run` as the pod calls it.
#[derive(Parser)]
struct Run {
    #[command(flatten)]
    args: RunArgs,
}

fn parse(flags: &[&str]) -> RunArgs {
    let run = Run::try_parse_from(std::iter::once("run").chain(flags.iter().copied()));
    run.unwrap_or_else(|error| panic!("{flags:?}: {error}")).args
}

#[test]
fn helm_lint_finds_nothing() {
    for file in value_files() {
        let mut args = vec!["lint", "--strict", "."];
        args.extend(file.iter().flat_map(|file| ["--values", file.as_str()]));
        let output = helm(&args);
        assert!(output.status.success(), "{file:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn objects_are_unique_and_labelled() {
    for release in Release::all() {
        let ids: BTreeSet<_> = release.objects.iter().map(id).collect();
        assert_eq!(ids.len(), release.objects.len(), "{}: {ids:?}", release.values);
        for object in &release.objects {
            assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/name"], "ballast", "{}: {}", release.values, id(object));
            let kind = object["kind"].as_str().unwrap();
            let cluster_wide =
                ["Cluster", "CustomResourceDefinition", "ValidatingAdmissionPolicy"].iter().any(|start| kind.starts_with(start));
            assert_eq!(object["metadata"]["namespace"].is_string(), !cluster_wide, "{}: {}", release.values, id(object));
        }
    }
}

#[test]
fn selectors_find_the_pods() {
    let release = Release::new(Some("ci/high-availability-values.yaml"), &[]);
    let labels = &release.one("Deployment")["spec"]["template"]["metadata"]["labels"];
    let selectors = [
        &release.one("Deployment")["spec"]["selector"]["matchLabels"],
        &release.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &release.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        &release.one("Service")["spec"]["selector"],
        &release.pod()["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ];
    for selector in selectors {
        let selector = selector.as_object().unwrap();
        assert!(!selector.is_empty() && selector.iter().all(|(key, value)| &labels[key] == value), "{selector:?}");
    }
    let monitored = release.one("ServiceMonitor")["spec"]["selector"]["matchLabels"].as_object().unwrap();
    assert!(monitored.iter().all(|(key, value)| &release.one("Service")["metadata"]["labels"][key] == value));
    assert_eq!(labels["team"], "platform");
    assert_eq!(labels["cost-center"], "42");
}

#[test]
fn the_pod_can_do_nothing_on_its_node() {
    for release in Release::all() {
        let pod = release.pod();
        let expected = json!({ "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" } });
        assert_eq!(pod["securityContext"], expected, "{}", release.values);
        let expected = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "privileged": false,
            "capabilities": { "drop": ["ALL"] } });
        assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
        assert_eq!(pod["containers"][0]["securityContext"], expected, "{}", release.values);
        for forbidden in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
            assert!(pod.get(forbidden).is_none(), "{}: {forbidden}", release.values);
        }
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(volume.get("configMap").or(volume.get("secret")).is_some(), "{}: {volume}", release.values);
        }
        for mount in pod["containers"][0]["volumeMounts"].as_array().unwrap() {
            assert_eq!(mount["readOnly"], true, "{}: {mount}", release.values);
            assert!(pod["volumes"].as_array().unwrap().iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
        }
    }
}

#[test]
fn the_pod_is_probed_and_bounded() {
    for release in Release::all() {
        let container = &release.pod()["containers"][0];
        let admin = json!([{ "name": "admin", "containerPort": 8080, "protocol": "TCP" }]);
        assert_eq!(container["ports"], admin);
        assert_eq!(container["livenessProbe"]["httpGet"], json!({ "path": "/livez", "port": "admin" }));
        assert_eq!(container["readinessProbe"]["httpGet"], json!({ "path": "/readyz", "port": "admin" }));
        for bound in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
            assert!(container["resources"].pointer(bound).is_some(), "{}: {bound}", release.values);
        }
        assert_eq!(parse(&release.flags()).admin_address.port(), 8080);
    }
}

#[test]
fn the_controller_accepts_every_flag_it_is_given() {
    for release in Release::all() {
        parse(&release.flags()).validate().unwrap_or_else(|error| panic!("{}: {error}", release.values));
    }
}

/// The chart says nothing about a policy's defaults that the program doesn't say itself.
#[test]
fn defaults_are_those_of_the_program() {
    let release = Release::new(None, &[]);
    let mut chart = parse(&release.flags());
    assert_eq!(chart.lease_namespace.take().as_deref(), Some(NAMESPACE));
    assert!(chart.config.take().is_some());
    let mut program = parse(&[]);
    // Machines read a container's logs.
    program.log_format = chart.log_format;
    assert_eq!(format!("{chart:?}"), format!("{program:?}"));
}

#[test]
fn values_reach_their_flags() {
    let release =
        Release::new(Some("ci/high-availability-values.yaml"), &["--set", "scaleToZero=false,smoothing=none,writeQps=2.5,tolerance=0.07"]);
    let args = parse(&release.flags());
    assert_eq!(args.prometheus_url.as_deref(), Some("https://prometheus.example.com/select/0"));
    assert_eq!((args.defaults.sync_period.as_secs(), args.defaults.tolerance.to_string().as_str()), (5, "0.07"));
    assert_eq!((args.defaults.scale_to_zero, args.write_qps.to_string().as_str()), (false, "2.5"));
    assert_eq!(args.tracing.otlp_endpoint.as_deref(), Some("http://otel-collector.monitoring:4318"));
    assert_eq!(args.tracing.trace_sample_ratio.map(|ratio| ratio.to_string()).as_deref(), Some("0.05"));
    assert_eq!(parse(&Release::new(Some("ci/shards-values.yaml"), &[]).flags()).shards, 8);
    let namespaced = parse(&Release::new(Some("ci/namespaced-values.yaml"), &[]).flags());
    assert_eq!(namespaced.namespaces, ["shop", "billing"]);
    assert_eq!(namespaced.annotated_kinds, ["ReplicaSet"]);
    let web = |set: &str| {
        let args = parse(&Release::new(None, &["--set", set]).flags());
        (args.web_page, args.web_hosts)
    };
    assert_eq!(
        web("web.enabled=true,web.hosts={ballast.example.com,other.example}"),
        (true, vec!["ballast.example.com".into(), "other.example".into()])
    );
    assert_eq!(web("web.enabled=true"), (true, vec![]));
    assert_eq!(web("web.hosts={ballast.example.com}"), (false, vec![]));
}

#[test]
fn the_controller_accepts_the_mounted_configuration() {
    let text = |release: &Release| release.one("ConfigMap")["data"]["config.yaml"].as_str().unwrap().to_owned();
    for release in Release::all().into_iter().filter(|release| !release.of("ConfigMap").is_empty()) {
        File::parse(&text(&release)).unwrap_or_else(|error| panic!("{}: {error}", release.values));
    }
    let release = Release::new(Some("ci/sources-values.yaml"), &[]);
    let file = File::parse(&text(&release)).unwrap();
    assert_eq!(file.sources[0].name, "team");
    assert_eq!(file.defaults["batch"].interval_seconds, Some(60));
    let path = file.sources[0].bearer_token_file.as_ref().unwrap();
    let mounts = release.pod()["containers"][0]["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().any(|mount| path.starts_with(mount["mountPath"].as_str().unwrap())), "{path:?} is not mounted");
    let config = parse(&release.flags()).config.unwrap();
    let mount = mounts.iter().find(|mount| mount["name"] == "config").unwrap();
    assert_eq!(config, std::path::Path::new(mount["mountPath"].as_str().unwrap()).join("config.yaml"));
    assert!(mount.get("subPath").is_none(), "a file mounted by itself never changes");
}

#[test]
fn standbys_bring_a_disruption_budget_and_spread() {
    let one = Release::new(None, &[]);
    assert!(one.of("PodDisruptionBudget").is_empty() && one.pod().get("topologySpreadConstraints").is_none());
    let two = Release::new(None, &["--set", "replicas=2"]);
    assert_eq!(two.one("PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    assert_eq!(two.pod()["topologySpreadConstraints"].as_array().unwrap().len(), 2);
    assert_eq!(two.one("Deployment")["spec"]["strategy"]["type"], "RollingUpdate");
    let alone = Release::new(Some("ci/single-values.yaml"), &[]);
    assert_eq!(alone.one("Deployment")["spec"]["strategy"], json!({ "type": "Recreate" }));
}

#[test]
fn the_network_policy_opens_the_admin_port() {
    let spec = Release::new(None, &[]).one("NetworkPolicy")["spec"].clone();
    assert_eq!(spec["policyTypes"], json!(["Ingress"]));
    assert_eq!(spec["ingress"], json!([{ "ports": [{ "port": "admin", "protocol": "TCP" }] }]));
    let strict = Release::new(Some("ci/high-availability-values.yaml"), &[]);
    let spec = &strict.one("NetworkPolicy")["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    let ports: Vec<_> = spec["egress"].as_array().unwrap().iter().map(|rule| rule["ports"][0]["port"].clone()).collect();
    assert_eq!(ports, [53, 443, 9090, 4318, 8428]);
}

#[rstest]
#[case::unknown_key("replica=2", "replica")]
#[case::no_unit("syncPeriod=15", "/syncPeriod")]
#[case::negative("tolerance=-1", "/tolerance")]
#[case::negative_text("tolerance=-0.1", "/tolerance")]
#[case::scheme("prometheus.url=ftp://x", "/prometheus/url")]
#[case::password("prometheus.url=http://me:secret@x", "/prometheus/url")]
#[case::all_namespaces("watchNamespaces={*}", "/watchNamespaces/0")]
#[case::any_kind("rbac.extraScaleResources[0].apiGroup=x,rbac.extraScaleResources[0].resource=*", "/rbac/extraScaleResources/0/resource")]
#[case::all_secrets("rbac.secrets[0].namespace=shop,rbac.secrets[0].names=null", "/rbac/secrets/0")]
#[case::no_secret("rbac.secrets[0].namespace=shop,rbac.secrets[0].names={}", "/rbac/secrets/0/names")]
#[case::two_deciders("replicas=2,leaderElection.enabled=false", "replicas: 2: must be 0 or 1")]
#[case::no_shards("shards=0", "/shards")]
#[case::too_many_shards("shards=65", "/shards")]
#[case::too_many_members("replicas=16", "/replicas")]
#[case::shards_without_leases("shards=2,leaderElection.enabled=false", "shards: 2: must be 1")]
#[case::log_format("log.format=xml", "/log/format")]
#[case::warned_and_denied("annotationsPolicy.validationActions={Deny,Warn}", "/annotationsPolicy/validationActions")]
#[case::collector("tracing.endpoint=otel:4317", "/tracing/endpoint")]
#[case::collectors_password("tracing.endpoint=http://me:secret@otel:4318", "/tracing/endpoint")]
#[case::share("tracing.sampleRatio=2", "/tracing/sampleRatio")]
#[case::web_host("web.hosts={https://ballast.example.com}", "/web/hosts/0")]
fn a_wrong_value_is_refused_by_its_path(#[case] set: &str, #[case] named: &str) {
    let output = helm(&["template", "ballast", ".", "--set", set]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains(named), "{set}: {message}");
}

#[test]
fn crds_are_copies_and_are_kept() {
    let release = Release::new(None, &[]);
    let names = |path: std::path::PathBuf| -> BTreeSet<_> { fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect() };
    let copies = chart().join("files/crds");
    assert_eq!(names(root().join("crds")), names(copies.clone()), "run deploy/render.sh");
    for name in names(copies.clone()) {
        let original = fs::read_to_string(root().join("crds").join(&name)).unwrap();
        assert!(original == fs::read_to_string(copies.join(&name)).unwrap(), "{} differs: run deploy/render.sh", name.display());
        let original = documents(&original).remove(0);
        let installed = *release.of("CustomResourceDefinition").iter().find(|crd| id(crd) == id(&original)).unwrap();
        assert_eq!(installed["spec"], original["spec"]);
        assert_eq!(installed["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
    assert!(Release::new(None, &["--set", "crds.install=false"]).of("CustomResourceDefinition").is_empty());
    let dropped = Release::new(None, &["--set", "crds.keep=false"]);
    let kept = |crd: &&Value| crd["metadata"].pointer("/annotations/helm.sh~1resource-policy").is_some();
    assert!(!dropped.of("CustomResourceDefinition").iter().any(kept));
}

#[test]
fn annotations_are_checked_where_the_cluster_can_and_where_the_controller_reads_them() {
    let release = |set: &str| Release::new(None, &["--set", set]);
    let default = release("replicas=1");
    let policy = default.one("ValidatingAdmissionPolicy");
    assert_eq!(policy["spec"]["failurePolicy"], "Ignore");
    assert_eq!(policy["spec"]["matchConstraints"]["resourceRules"][0]["resources"], json!(["deployments", "statefulsets"]));
    let binding = &default.one("ValidatingAdmissionPolicyBinding")["spec"];
    assert_eq!(*binding, json!({ "policyName": policy["metadata"]["name"], "validationActions": ["Deny"] }));
    let some = release(
        "annotatedKinds={ReplicaSet,ReplicationController},watchNamespaces={shop,billing},annotationsPolicy.validationActions={Warn}",
    );
    let rules = &some.one("ValidatingAdmissionPolicy")["spec"]["matchConstraints"]["resourceRules"];
    assert_eq!((&rules[0]["resources"][2], &rules[1]["resources"][0]), (&json!("replicasets"), &json!("replicationcontrollers")));
    let binding = &some.one("ValidatingAdmissionPolicyBinding")["spec"];
    assert_eq!(binding["validationActions"], json!(["Warn"]));
    assert_eq!(binding["matchResources"]["namespaceSelector"]["matchExpressions"][0]["values"], json!(["shop", "billing"]));
    for without in [release("annotationsPolicy.enabled=false"), Release::new(None, &["--kube-version", "1.29.4"])] {
        assert!(without.of("ValidatingAdmissionPolicy").is_empty() && without.of("ValidatingAdmissionPolicyBinding").is_empty());
    }
}

#[test]
fn the_plain_manifest_is_the_chart_with_its_defaults() {
    let committed = fs::read_to_string(root().join("deploy/manifests/ballast.yaml")).unwrap();
    assert!(committed == render(), "deploy/manifests/ballast.yaml differs: run deploy/render.sh");
    let objects = documents(&committed);
    assert_eq!(id(&objects[0]), format!("Namespace {NAMESPACE}"));
    let plain: BTreeSet<_> = objects[1..].iter().map(id).collect();
    assert_eq!(plain, Release::new(None, &[]).objects.iter().map(id).collect());
    assert!(!committed.to_lowercase().contains("helm"));
}

#[test]
fn notes_say_what_is_missing() {
    let notes = |set: &str| {
        let output = helm(&["install", "ballast", ".", "--namespace", NAMESPACE, "--dry-run=client", "--set", set]);
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, notes) = text.split_once("NOTES:").unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        notes.to_owned()
    };
    let plain = notes("replicas=1");
    assert!(plain.contains("all namespaces") && plain.contains("prometheus.url is not set") && plain.contains("replicas=2"), "{plain}");
    let shards = notes("replicas=3,shards=8");
    assert!(shards.contains("3 replicas share 8 shards; see") && !shards.contains("One replica"), "{shards}");
    assert!(notes("replicas=3,shards=2").contains("share the load better"));
    let full = notes("replicas=2,prometheus.url=http://prometheus,watchNamespaces={shop}");
    assert!(full.contains("watches shop.") && !full.contains("is not set") && !full.contains("One replica"), "{full}");
}

/// Docker isn't needed for the tests, so the image itself is looked at here only as text.
#[test]
fn the_image_holds_nothing_and_runs_as_the_user_the_chart_demands() {
    let text = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let last = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    assert_eq!(lines[last], "FROM scratch");
    let pod = Release::new(None, &[]).pod()["securityContext"].clone();
    let user = format!("USER {}:{}", pod["runAsUser"], pod["runAsGroup"]);
    for line in [user.as_str(), r#"ENTRYPOINT ["/ballast"]"#] {
        assert!(lines[last..].contains(&line), "{line}");
    }
    let version = documents(&fs::read_to_string(chart().join("Chart.yaml")).unwrap()).remove(0)["appVersion"].clone();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(lines[last..].contains(&format!("ARG VERSION={}", env!("CARGO_PKG_VERSION")).as_str()));
}
