//! Each right of the chart is needed: with all of them every feature works, and without any one of them the feature named here does not,
//! which Ballast says. With them no Secret and no `ConfigMap` can be read but those named.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;
mod plane_support;
mod rbac_support;

use std::path::Path;
use std::time::Duration;

use deploy_support::documents;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use plane_support::{Container, Load, Options, Plane, Source, apply, apply_in, eventually, kubeconfig_of, plane, run};
use rbac_support::{Feature, Grant, Stage, grants, without};
use serde_json::json;
use tokio::sync::Semaphore;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use Feature::{
    Annotate, Blame, Cpu, Event, Lead, Pods, Repeat, Rival, Save, SaveAgain, Scale, SourceKeys, SourceStatus, Start, Status, Unannotate,
};

/// Many controllers run at once on a small machine.
const SOON: Duration = Duration::from_secs(90);
/// Controllers at once.
const AT_ONCE: usize = 8;

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
const STATEFUL_SET: (&str, &str) = ("apps/v1", "StatefulSet");
const REPLICA_SET: (&str, &str) = ("apps/v1", "ReplicaSet");
const CONTROLLER: (&str, &str) = ("v1", "ReplicationController");
const WIDGET: (&str, &str) = ("twin.test/v1", "Widget");

const fn scale((api_version, kind): (&'static str, &'static str)) -> Feature {
    Scale(api_version, kind)
}

const fn blame((api_version, kind): (&'static str, &'static str)) -> Feature {
    Blame(api_version, kind)
}

/// What is lost with each right, and what Ballast says then; nothing: it repeats the API server's refusal.
const NEEDED: &[(&str, Feature, &str)] = &[
    // Takes longest, so it comes first.
    ("update configmaps (memory)", SaveAgain, ""),
    ("list scalepolicies.ballast.dev", Start, ""),
    ("watch scalepolicies.ballast.dev", Status, ""),
    ("create scalepolicies.ballast.dev", Annotate("Deployment"), ""),
    ("patch scalepolicies.ballast.dev", Annotate("StatefulSet"), ""),
    ("delete scalepolicies.ballast.dev", Unannotate, ""),
    ("patch scalepolicies.ballast.dev/status", Status, ""),
    ("list metricsources.ballast.dev", Start, ""),
    ("watch metricsources.ballast.dev", SourceStatus, ""),
    ("patch metricsources.ballast.dev/status", SourceStatus, ""),
    ("list pods", Start, ""),
    ("watch pods", Cpu, ""),
    ("list replicationcontrollers", Start, ""),
    ("watch replicationcontrollers", scale(CONTROLLER), ""),
    ("get replicationcontrollers", blame(CONTROLLER), "not permitted"),
    ("list deployments.apps", Start, ""),
    ("watch deployments.apps", Annotate("Deployment"), ""),
    ("get deployments.apps", blame(DEPLOYMENT), "not permitted"),
    ("list statefulsets.apps", Start, ""),
    ("watch statefulsets.apps", Annotate("StatefulSet"), ""),
    ("get statefulsets.apps", blame(STATEFUL_SET), "not permitted"),
    ("list replicasets.apps", Start, ""),
    ("watch replicasets.apps", scale(REPLICA_SET), ""),
    ("get replicasets.apps", blame(REPLICA_SET), "not permitted"),
    ("patch deployments.apps/scale", scale(DEPLOYMENT), ""),
    ("patch statefulsets.apps/scale", scale(STATEFUL_SET), ""),
    ("patch replicasets.apps/scale", scale(REPLICA_SET), ""),
    ("patch replicationcontrollers/scale", scale(CONTROLLER), ""),
    ("get widgets.twin.test/scale", scale(WIDGET), ""),
    ("patch widgets.twin.test/scale", scale(WIDGET), ""),
    ("get widgets.twin.test", blame(WIDGET), "not permitted"),
    ("list horizontalpodautoscalers.autoscaling", Start, ""),
    ("watch horizontalpodautoscalers.autoscaling", Rival, ""),
    ("list pods.metrics.k8s.io", Cpu, ""),
    ("get *.custom.metrics.k8s.io", Pods, "cannot get resource \"pods/qps\""),
    ("list *.external.metrics.k8s.io", scale(DEPLOYMENT), "cannot list resource \"queue.scale-deployment\""),
    ("create events", Event, ""),
    ("patch events", Repeat, ""),
    ("create leases.coordination.k8s.io (lease)", Lead, ""),
    ("get leases.coordination.k8s.io (lease)", Lead, ""),
    ("update leases.coordination.k8s.io (lease)", Lead, ""),
    ("create configmaps (memory)", Save, ""),
    ("get configmaps (memory)", Save, ""),
    ("get secrets (secrets)", SourceKeys, "Secret NAMESPACE/token may not be read"),
    ("get configmaps (configmaps)", SourceKeys, "ConfigMap NAMESPACE/ca may not be read"),
];

/// What the features need that is not of a namespace: metrics, and the kind of a CRD.
async fn prepare(plane: &'static Plane) {
    let metrics = plane.metrics().await;
    for app in Feature::MEASURED {
        metrics.set(app, Source::External { metric: "queue", labels: &[] }, Load::Each(20_000));
    }
    metrics.set("cpu", Source::Cpu { container: Container::APP.name }, Load::At { pods: 1, value: 160, otherwise: 80 });
    metrics.set("pods", Source::Pods { metric: "qps" }, Load::At { pods: 1, value: 20_000, otherwise: 10_000 });
    apply(plane, &documents(include_str!("twin/widget.yaml")).remove(0)).await;
    plane_support::wait_established(&Api::all(plane.client.clone()), "widgets.twin.test").await;
}

#[test]
fn every_right_of_the_chart_has_its_row() {
    let rendered = Stage::rendered();
    let given: Vec<String> = grants(&rendered.objects, "rbac-ballast").iter().map(Grant::text).collect();
    let mut rows: Vec<String> = NEEDED.iter().map(|row| row.0.to_owned()).collect();
    let unneeded: Vec<_> = given.iter().filter(|grant| !rows.contains(grant)).collect();
    rows.retain(|row| !given.contains(row));
    assert!(unneeded.is_empty() && rows.is_empty(), "given without a row here: {unneeded:?}; not given: {rows:?}");
}

#[test]
fn with_all_of_them_everything_works() {
    run(async {
        let plane = plane(Options::default()).await;
        prepare(plane).await;
        let release = Stage::rendered();
        let stage = Stage::start(plane, "rbac-all".into(), &release, &release.objects).await;
        stage.settle().await;
        let mut features: Vec<Feature> = Vec::new();
        for (_, feature, _) in NEEDED {
            if !features.contains(feature) {
                features.push(*feature);
                feature.set(&stage).await;
            }
        }
        for feature in features {
            eventually(&format!("{feature:?}"), SOON, async || {
                let works = feature.works(&stage).await;
                if works.is_err() {
                    feature.push(&stage).await;
                }
                works.map_err(|seen| format!("{seen}\n{}", stage.tail()))
            })
            .await;
        }
        let refused = stage.refusals();
        assert!(refused.is_empty(), "{refused}");
    });
}

#[test]
fn without_any_one_of_them_something_fails_and_it_says_what() {
    run(async {
        let plane = plane(Options::default()).await;
        prepare(plane).await;
        let release = Stage::rendered();
        let all = grants(&release.objects, "rbac-ballast");
        let slots = Semaphore::new(AT_ONCE);
        let cases = NEEDED.iter().enumerate().map(async |(number, (grant, feature, words))| {
            let _slot = slots.acquire().await.unwrap();
            let missing = all.iter().find(|given| given.text() == *grant).unwrap();
            let stage = Stage::start(plane, format!("rbac-{number}"), &release, &without(&release.objects, "rbac-ballast", missing)).await;
            stage.settle().await;
            feature.set(&stage).await;
            let words = if words.is_empty() { refusal(missing) } else { words.replace("NAMESPACE", &stage.namespace) };
            eventually(&format!("without {grant}: {feature:?} fails, and Ballast says {words:?}"), SOON, async || {
                feature.push(&stage).await;
                let says = stage.says().await;
                if says.contains(&words) { Ok(()) } else { Err(format!("works: {:?}\n{}", feature.works(&stage).await, stage.tail())) }
            })
            .await;
            let seen = feature.works(&stage).await;
            let Err(seen) = seen else { panic!("without {grant}: {feature:?} works, though it says {words:?}") };
            println!("without {grant}: no {feature:?}; {}", seen.lines().next_back().unwrap_or_default());
        });
        cases.collect::<FuturesUnordered<_>>().collect::<Vec<()>>().await;
    });
}

/// The API server's words where a right is missing.
fn refusal(grant: &Grant) -> String {
    let (resource, group) = grant.what.split_once('.').unwrap_or((&grant.what, ""));
    let (group, sub) = group.split_once('/').unwrap_or((group, ""));
    let slash = if sub.is_empty() { "" } else { "/" };
    format!("cannot {} resource \"{resource}{slash}{sub}\" in API group \"{group}\"", grant.verb)
}

/// Nothing but the named Secret and `ConfigMap` can be read with the rights of the chart: not by the binary, whose source says so, and not
/// with its token.
#[test]
fn no_other_secret_can_be_read() {
    run(async {
        let plane = plane(Options::default()).await;
        // With every word of its log, and a server that is sent the Secret.
        let release = Stage::logging("trace");
        let stage = Stage::start(plane, "rbac-secrets".into(), &release, &release.objects).await;
        stage.settle().await;
        let server = MockServer::start().await;
        let scalar = json!({ "status": "success", "data": { "resultType": "scalar", "result": [1, "1"] } });
        Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(scalar)).mount(&server).await;
        let elsewhere = "rbac-elsewhere";
        plane_support::ensure_namespace(&plane.client, elsewhere).await;
        for (namespace, name) in [("rbac-secrets", "token"), ("rbac-secrets", "other"), (elsewhere, "token")] {
            let data = json!({ "stringData": { "key": "hunter2-of-nobody" } });
            apply_in(plane, namespace, ("v1", "Secret", name), &data).await;
        }
        for (source, secret) in [("named", "token"), ("unnamed", "other")] {
            let token = json!({ "secretKeyRef": { "name": secret, "key": "key" } });
            let spec = json!({ "spec": { "url": server.uri(), "auth": { "bearerToken": token } } });
            apply_in(plane, "rbac-secrets", ("ballast.dev/v1alpha1", "MetricSource", source), &spec).await;
        }
        let forbidden = "spec.auth.bearerToken.secretKeyRef: Secret rbac-secrets/other may not be read: bind a Role in namespace rbac-secrets \
                         with verb get on secrets, resourceNames [other], to the controller's ServiceAccount";
        for (source, reason, words) in [("named", "QueryAnswered", ""), ("unnamed", "SecretForbidden", forbidden)] {
            eventually(&format!("condition of {source}"), SOON, async || {
                let source = stage.get("ballast.dev/v1alpha1", "MetricSource", source).await?;
                let ready = &source["status"]["conditions"][0];
                let seen = ready["reason"] == reason && ready["message"].as_str().is_some_and(|text| text.contains(words));
                if seen { Ok(()) } else { Err(format!("{ready}\n{}", stage.tail())) }
            })
            .await;
        }
        let sent = server.received_requests().await.unwrap();
        assert!(sent.iter().any(|request| request.headers.get("authorization").is_some_and(|value| value == "Bearer hunter2-of-nobody")));
        let told = [stage.says().await, stage.admin("/metrics").await, stage.admin("/debug/policies").await, stage.admin("/readyz").await];
        assert!(told[0].len() > 10_000 && told[1].contains("ballast_source"), "all of it was looked at");
        assert!(!told.iter().any(|text| text.contains("hunter2") || text.contains("aHVudGVyMi")), "a Secret's value is told");

        let client = client_of(&kubeconfig_of(plane, "rbac-secrets", "rbac-ballast").await).await;
        let secrets = |namespace: &str| Api::<Secret>::namespaced(client.clone(), namespace);
        assert!(secrets("rbac-secrets").get("token").await.is_ok());
        for (what, answer) in [
            ("another name", secrets("rbac-secrets").get("other").await.map(drop)),
            ("another namespace", secrets(elsewhere).get("token").await.map(drop)),
            ("kube-system", secrets("kube-system").get("any").await.map(drop)),
            ("a list", secrets("rbac-secrets").list(&ListParams::default()).await.map(drop)),
            ("a list of the cluster", Api::<Secret>::all(client.clone()).list(&ListParams::default()).await.map(drop)),
            ("a watch", secrets("rbac-secrets").watch(&WatchParams::default(), "0").await.map(drop)),
            ("a change", secrets("rbac-secrets").patch("token", &PatchParams::default(), &Patch::Merge(json!({}))).await.map(drop)),
            ("a deletion", secrets("rbac-secrets").delete("token", &DeleteParams::default()).await.map(drop)),
            (
                "a ConfigMap",
                Api::<ConfigMap>::namespaced(client.clone(), "kube-system").get("extension-apiserver-authentication").await.map(drop),
            ),
        ] {
            assert!(matches!(&answer, Err(kube::Error::Api(status)) if status.is_forbidden()), "{what}: {answer:?}");
        }
    });
}

async fn client_of(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}
