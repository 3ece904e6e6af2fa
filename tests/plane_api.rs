//! The CRDs on a real API server: what it refuses and how it says so, what it fills in, what kubectl shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api_support;
mod plane_support;

use std::path::Path;

use api_support::{cases, patched};
use ballast::api::annotations::KEYS;
use ballast::api::status::{DecisionStatus, ScaleEvent};
use ballast::api::{Defaults, MetricSource, ScalePolicy, ScalePolicyStatus, compile};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::discovery::ApiResource;
use plane_support::{Options, plane, run};
use serde_json::{Value, json};

fn object(resource: &ApiResource, name: &str, spec: &Value) -> DynamicObject {
    DynamicObject::new(name, resource).data(json!({ "spec": spec }))
}

async fn refusal<K: kube::Resource<DynamicType = ()>>(api: &Api<DynamicObject>, spec: &Value) -> Result<(), String> {
    let object = object(&ApiResource::erase::<K>(&()), "bad", spec);
    match api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

fn api<K: kube::Resource<DynamicType = ()>>(client: kube::Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &ApiResource::erase::<K>(&()))
}

#[test]
fn a_bad_policy_is_refused_with_the_fields_path() {
    run(async {
        let plane = plane(Options::default()).await;
        let api = api::<ScalePolicy>(plane.client.clone(), "default");
        refusal::<ScalePolicy>(&api, &api_support::good()).await.expect("the base of all cases is good");
        let mut wrong = Vec::new();
        for case in cases() {
            match refusal::<ScalePolicy>(&api, &patched(&case.patch)).await {
                Err(message) if message.contains(&format!("{}:", case.server)) => println!("{}: {message}", case.name),
                other => wrong.push(format!("{}: expected {}, got {other:?}", case.name, case.server)),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn a_bad_source_is_refused_with_the_fields_path() {
    run(async {
        let plane = plane(Options::default()).await;
        let api = api::<MetricSource>(plane.client.clone(), "default");
        let key = json!({ "secretKeyRef": { "name": "s", "key": "k" } });
        let url = "https://prometheus.example:9090/prefix";
        for good in [
            json!({ "url": url }),
            json!({ "url": url, "auth": { "bearerToken": key }, "headers": [{ "name": "X-Scope-OrgID", "value": "a" }], "enforceLabel": "namespace" }),
            json!({ "url": url, "auth": { "basic": { "username": "u", "password": key } }, "timeoutSeconds": 60,
            "tls": { "ca": { "configMapKeyRef": { "name": "c", "key": "ca.crt" } }, "certificate": key, "key": key, "serverName": "p" } }),
        ] {
            let said = refusal::<MetricSource>(&api, &good).await;
            assert_eq!(said, Ok(()), "{good}");
            let spec: ballast::api::MetricSourceSpec = serde_json::from_value(good).unwrap();
            spec.validate().unwrap();
        }
        for (spec, path) in [
            (json!({}), "spec.url"),
            (json!({ "url": "ftp://x" }), "spec.url"),
            (json!({ "url": "http://user:secret@x" }), "spec.url"),
            (json!({ "url": "http://x?token=1" }), "spec.url"),
            (json!({ "url": "http://" }), "spec.url"),
            (json!({ "url": url, "timeoutSeconds": 0 }), "spec.timeoutSeconds"),
            (json!({ "url": url, "timeoutSeconds": 61 }), "spec.timeoutSeconds"),
            (json!({ "url": url, "auth": {} }), "spec.auth"),
            (json!({ "url": url, "auth": { "bearerToken": key, "basic": { "username": "u", "password": key } } }), "spec.auth"),
            (json!({ "url": url, "tls": { "certificate": key } }), "spec.tls.key"),
            (json!({ "url": url, "tls": { "insecureSkipVerify": true, "ca": key } }), "spec.tls.ca"),
            (json!({ "url": url, "tls": { "ca": {} } }), "spec.tls.ca"),
            (json!({ "url": url, "headers": [{ "name": "Authorization", "value": "x" }] }), "spec.headers[0].name"),
            (json!({ "url": url, "headers": [{ "name": "X-A" }] }), "spec.headers[0]"),
            (json!({ "url": url, "headers": [{ "name": "X A", "value": "x" }] }), "spec.headers[0].name"),
            (json!({ "url": url, "enforceLabel": "name space" }), "spec.enforceLabel"),
        ] {
            let message = refusal::<MetricSource>(&api, &spec).await.expect_err(path);
            assert!(message.contains(&format!("{path}:")), "{spec}: expected {path}, got {message}");
        }
    });
}

#[test]
fn an_hpa_manifest_with_kind_swapped_applies_unchanged() {
    run(async {
        let plane = plane(Options::default()).await;
        let client = plane.client.clone();
        let namespace = plane.namespace().await;
        let api: Api<ScalePolicy> = Api::namespaced(client, &namespace);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hpa_manifests");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let manifest = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            // The control: the stock API takes it.
            let (ok, said) = plane.kubectl(&["apply", "--dry-run=server", "-n", &namespace, "-f", "-"], &manifest).await;
            assert!(ok, "not a valid HorizontalPodAutoscaler: {said}");
            let swapped =
                manifest.replace("autoscaling/v2", "ballast.dev/v1alpha1").replace("kind: HorizontalPodAutoscaler", "kind: ScalePolicy");
            let (ok, said) = plane.kubectl(&["apply", "-n", &namespace, "-f", "-"], &swapped).await;
            assert!(ok, "{said}");
            assert!(!said.contains("Warning"), "{said}");
            let written: Value = serde_saphyr::from_str(&swapped).unwrap();
            let name = written["metadata"]["name"].as_str().unwrap();
            let stored: Value =
                serde_json::from_str(&plane.kubectl_ok(&["get", "sp", name, "-n", &namespace, "-o", "json"]).await).unwrap();
            contains(name, &stored["spec"], &written["spec"]);
            compile(&api.get(name).await.unwrap(), &Defaults::default()).unwrap();
            seen += 1;
        }
        assert!(seen >= 9, "{seen}");
    });
}

#[test]
fn an_exported_hpa_with_its_status_applies() {
    run(async {
        let plane = plane(Options::default()).await;
        let client = plane.client.clone();
        let namespace = plane.namespace().await;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hpa_manifests/several.yaml");
        plane.kubectl_ok(&["apply", "-n", &namespace, "-f", &folder.to_string_lossy()]).await;
        // The stock controller leaves an entry with an empty type for a metric it could not read.
        let status = r#"{"status":{"currentReplicas":3,"desiredReplicas":3,"currentMetrics":[{"type":""}],"conditions":[
        {"type":"AbleToScale","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"ReadyForNewScale","message":"ok"}]}}"#;
        plane.kubectl_ok(&["patch", "hpa", "several", "-n", &namespace, "--subresource=status", "--type=merge", "-p", status]).await;
        let exported = plane.kubectl_ok(&["get", "hpa", "several", "-n", &namespace, "-o", "yaml"]).await;
        assert!(exported.contains("AbleToScale"), "{exported}");
        let swapped =
            exported.replace("autoscaling/v2", "ballast.dev/v1alpha1").replace("kind: HorizontalPodAutoscaler", "kind: ScalePolicy");
        let (ok, said) = plane.kubectl(&["create", "-n", &namespace, "-f", "-"], &swapped).await;
        assert!(ok, "{said}");
        let api: Api<ScalePolicy> = Api::namespaced(client, &namespace);
        assert_eq!(
            api.get("several").await.unwrap().status.unwrap(),
            ScalePolicyStatus::default(),
            "an export's status says nothing about this policy"
        );
    });
}

/// Everything that was written is there; null was dropped.
fn contains(path: &str, stored: &Value, written: &Value) {
    match (stored, written) {
        (Value::Object(stored), Value::Object(written)) => {
            for (key, value) in written.iter().filter(|(_, value)| !value.is_null()) {
                contains(&format!("{path}.{key}"), stored.get(key).unwrap_or(&Value::Null), value);
            }
        }
        (Value::Array(stored), Value::Array(written)) => {
            assert_eq!(stored.len(), written.len(), "{path}");
            stored.iter().zip(written).for_each(|(stored, written)| contains(path, stored, written));
        }
        _ => assert_eq!(stored, written, "{path}"),
    }
}

#[test]
fn the_server_fills_in_the_defaults() {
    run(async {
        let plane = plane(Options::default()).await;
        let client = plane.client.clone();
        let namespace = plane.namespace().await;
        let resource = ApiResource::erase::<ScalePolicy>(&());
        let spec = json!({ "scaleTargetRef": { "kind": "Deployment", "name": "web" }, "maxReplicas": 5, "pause": {} });
        let api = api::<ScalePolicy>(client, &namespace);
        let stored = api.create(&PostParams::default(), &object(&resource, "web", &spec)).await.unwrap().data["spec"].clone();
        assert_eq!(stored["minReplicas"], 1);
        assert_eq!(stored["mode"], "Enforce");
        assert_eq!(stored["pause"]["direction"], "All");
        let cpu =
            json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }]);
        assert_eq!(stored["metrics"], cpu);
        // What the controller's flags decide is not frozen into the object.
        assert_eq!((&stored["intervalSeconds"], &stored["smoothing"], &stored["behavior"]), (&Value::Null, &Value::Null, &Value::Null));
        let spec = json!({ "scaleTargetRef": { "kind": "Deployment", "name": "web" }, "maxReplicas": 5, "metrics": [{ "type": "Prometheus",
        "prometheus": { "name": "rps", "query": "up", "target": { "type": "AverageValue", "averageValue": 1.5 } } }] });
        let stored = api.create(&PostParams::default(), &object(&resource, "rps", &spec)).await.unwrap().data["spec"].clone();
        assert_eq!(stored["metrics"][0]["prometheus"]["source"], "default");
        assert_eq!(stored["metrics"][0]["prometheus"]["whenEmpty"], "Absent");
    });
}

#[test]
fn explain_tells_meaning_and_default() {
    run(async {
        let plane = plane(Options::default()).await;
        for (field, words) in [
            ("scalepolicy", "autoscaling/v2"),
            ("sp.spec.minReplicas", "Default 1"),
            ("sp.spec.metrics", "largest proposal wins"),
            ("sp.spec.metrics.prometheus.query", "PromQL, at most 4096 characters"),
            ("sp.spec.metrics.prometheus.whenEmpty", "missing metric is not zero"),
            ("sp.spec.metrics.resource.target.averageUtilization", "percent of the pods' requests"),
            ("sp.spec.behavior.scaleDown.stabilizationWindowSeconds", "in seconds, 0 to 3600"),
            ("sp.spec.behavior.scaleUp.tolerance", "0.05 is 5 %"),
            ("sp.spec.smoothing.timeConstantSeconds", "Default 30"),
            ("sp.status.decision.verdict", "ScaleUp, ScaleDown, Steady"),
            ("ms.spec.url", "without /api/v1"),
        ] {
            let text = plane.kubectl_ok(&["explain", field]).await.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(words), "{field}: {text}");
        }
    });
}

#[test]
fn the_table_shows_target_metrics_sizes_and_verdict() {
    run(async {
        let plane = plane(Options::default()).await;
        let client = plane.client.clone();
        let namespace = plane.namespace().await;
        let api: Api<ScalePolicy> = Api::namespaced(client, &namespace);
        let spec = serde_json::from_value(patched(&json!({ "mode": "Recommend" }))).unwrap();
        let created = api.create(&PostParams::default(), &ScalePolicy::new("web", spec)).await.unwrap();
        assert_eq!(created.status, Some(ScalePolicyStatus::default()));
        let time = Time("2026-01-02T03:04:05Z".parse().unwrap());
        let message = "rps 412/s needs 5 x 100/s";
        let status = ScalePolicyStatus {
            observed_generation: created.meta().generation,
            target: Some("Deployment/web".into()),
            metrics_text: Some("cpu: 45%/80%".into()),
            current_replicas: Some(3),
            desired_replicas: Some(5),
            last_scale_time: Some(time.clone()),
            decision: Some(DecisionStatus {
                time: time.clone(),
                from: 3,
                to: 5,
                verdict: "ScaleUp".into(),
                reason: "AboveTarget".into(),
                message: message.into(),
                held_by: None,
                wanted: Some(5),
                until: None,
            }),
            scale_events: vec![ScaleEvent { time, from: 3, to: 5, reason: message.into() }],
            ..ScalePolicyStatus::default()
        };
        let patch = json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "status": status });
        let updated = api.patch_status("web", &PatchParams::apply("ballast-test").force(), &Patch::Apply(patch)).await.unwrap();
        assert_eq!(updated.status, Some(status), "nothing of the status is pruned");
        assert_eq!(updated.meta().generation, created.meta().generation, "a status write is no new generation");
        let table = plane.kubectl_ok(&["get", "sp", "-n", &namespace]).await;
        let (head, row) = table.split_once('\n').unwrap();
        let words = |line: &str| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(head), ["NAME", "TARGET", "METRICS", "MIN", "MAX", "REPLICAS", "DESIRED", "VERDICT", "AGE"]);
        assert_eq!(words(row)[..8], ["web", "Deployment/web", "cpu: 45%/80%", "3", "10", "3", "5", "ScaleUp"]);
        let wide = plane.kubectl_ok(&["get", "sp", "-n", &namespace, "-o", "wide"]).await;
        assert!(wide.contains("MODE") && wide.contains("Recommend") && wide.contains(message), "{wide}");
        // Like an HPA, a policy is part of "all".
        assert!(plane.kubectl_ok(&["get", "all", "-n", &namespace]).await.contains("scalepolicy.ballast.dev/web"));
    });
}

#[test]
fn a_policy_made_from_annotations_is_accepted() {
    run(async {
        let plane = plane(Options::default()).await;
        let client = plane.client.clone();
        let namespace = plane.namespace().await;
        let target = ballast::api::TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "web".into() };
        let example = |name: &str| (format!("ballast.dev/{name}"), KEYS.iter().find(|key| key.name == name).unwrap().example.to_owned());
        let annotations = [
            "max-replicas",
            "min-replicas",
            "target-cpu",
            "target-memory",
            "target-rps",
            "query",
            "query-capacity",
            "preset",
            "interval",
            "mode",
            "forecast",
            "pause",
        ]
        .map(example)
        .into();
        let workload = ballast::api::annotations::Workload {
            namespace: &namespace,
            target: &target,
            uid: "5f0c7f7e-0000-4000-8000-000000000000",
            annotations: &annotations,
        };
        let policy = ballast::api::annotations::desired(&workload).unwrap().unwrap();
        let api: Api<ScalePolicy> = Api::namespaced(client, &namespace);
        let stored = api.create(&PostParams::default(), &policy).await.unwrap();
        assert_eq!(stored.spec, policy.spec, "the server changes nothing, so that a comparison with it is stable");
        assert!(ballast::api::annotations::is_annotation_owned(&stored));
        compile(&stored, &Defaults::default()).unwrap();
    });
}
