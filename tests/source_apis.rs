//! metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;

use std::sync::Arc;
use std::time::Duration;

use ballast::core::{FailureKind, Reading, Sample, Time};
use ballast::source::{Ask, Query, Sources};
use rstest::rstest;
use serde_json::{Value, json};
use source_support::kubernetes::{api_server, requests, serve, serve_failure};
use source_support::{ask, failed, now, per_pod, total};
use wiremock::matchers::{path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const PODS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";
const CUSTOM: &str = "/apis/custom.metrics.k8s.io";
const TIME: &str = "2026-01-02T03:04:05Z";

fn sources(api: &MockServer) -> Arc<Sources> {
    source_support::sources(&api.uri(), "http://127.0.0.1:9")
}

fn usage(pod: &str, containers: Value) -> Value {
    json!({"metadata": {"name": pod, "namespace": "shop"}, "timestamp": TIME, "window": "15.2s", "containers": containers})
}

fn list(items: Value) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})
}

fn resource(pods: &[&str], resource: &str, container: Option<&str>) -> Ask {
    ask("shop", "web", pods, Query::Resource { resource: resource.to_owned(), container: container.map(str::to_owned) })
}

fn time() -> Time {
    Time::from_millis(TIME.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

async fn metrics_api() -> MockServer {
    let api = api_server().await;
    let items = json!([
        usage("a", json!([{"name": "app", "usage": {"cpu": "1500000n", "memory": "10Mi"}}, {"name": "side", "usage": {"cpu": "250m", "memory": "1Ki"}}])),
        usage("b", json!([{"name": "app", "usage": {"cpu": "0", "memory": "1"}}, {"name": "side", "usage": {"memory": "1"}}])),
        usage("c", json!([])),
        {"metadata": {"name": "d"}, "timestamp": null, "window": null, "containers": [{"name": "app", "usage": {"cpu": "1"}}]},
        usage("e", json!([{"name": "app", "usage": {"cpu": "lots"}}])),
        usage("foreign", json!([{"name": "app", "usage": {"cpu": "9"}}])),
    ]);
    serve(&api, PODS, list(items)).await;
    api
}

#[tokio::test]
async fn usage_of_a_pod_is_the_sum_over_its_containers() {
    let api = metrics_api().await;
    let pods = ["b", "a", "absent", "c", "d", "e"];
    let asks = [
        resource(&pods, "cpu", None),
        resource(&pods, "memory", None),
        resource(&pods, "cpu", Some("app")),
        resource(&pods, "cpu", Some("nowhere")),
        resource(&["absent"], "cpu", None),
        resource(&[], "cpu", None),
    ];
    let readings = sources(&api).collect(&asks, now()).await;
    // 1500000n are 1.5m, which rounds up as every quantity does.
    assert_eq!(per_pod(&readings[0]), [None, Some(252.0), None, None, None, None]);
    assert_eq!(per_pod(&readings[1]), [Some(2000.0), Some((10.0 * 1024.0 * 1024.0 + 1024.0) * 1000.0), None, None, None, None]);
    assert_eq!(per_pod(&readings[2]), [Some(0.0), Some(2.0), None, None, None, None]);
    assert_eq!(per_pod(&readings[3]), [None; 6]);
    for reading in &readings[4..] {
        assert_eq!(failed(reading), (FailureKind::Empty, "metrics.k8s.io: no pod of shop/web has metrics yet"));
    }
    let Reading::PerPod { samples, requests: of_pods, .. } = &readings[0] else { panic!() };
    assert_eq!(samples[1], Some(Sample { value: 252.0, time: time(), window: Duration::from_millis(15_200) }));
    assert!(of_pods.is_empty());
    assert_eq!(requests(&api, PODS).await, 1, "one list serves a namespace");
}

#[rstest]
#[case::empty(ResponseTemplate::new(200).set_body_json(list(json!([]))), FailureKind::Empty, "no pod of namespace shop has metrics")]
#[case::null(ResponseTemplate::new(200).set_body_json(list(Value::Null)), FailureKind::Empty, "no pod of namespace shop has metrics")]
#[case::not_served(ResponseTemplate::new(404).set_body_string("404 page not found"), FailureKind::Unreachable, "install metrics-server")]
#[case::forbidden(source_support::kubernetes::failure(403, "pods is forbidden"), FailureKind::Refused, "403 pods is forbidden")]
#[case::unavailable(source_support::kubernetes::failure(503, "try later"), FailureKind::Unreachable, "503 try later")]
#[case::garbage(ResponseTemplate::new(200).set_body_string("<html>"), FailureKind::Invalid, "cannot be read")]
#[case::hanging(
    ResponseTemplate::new(200).set_delay(Duration::from_secs(20)), FailureKind::Unreachable, "metrics.k8s.io: no answer within 5 s")]
#[tokio::test]
async fn a_metrics_api_that_fails_says_how(#[case] answer: ResponseTemplate, #[case] kind: FailureKind, #[case] text: &str) {
    let api = api_server().await;
    Mock::given(path(PODS)).respond_with(answer).mount(&api).await;
    let bank = "/apis/metrics.k8s.io/v1beta1/namespaces/bank/pods";
    serve(&api, bank, list(json!([usage("a", json!([{"name": "app", "usage": {"cpu": "1"}}]))]))).await;
    let elsewhere = Ask { namespace: "bank".into(), ..resource(&["a"], "cpu", None) };
    let readings = sources(&api).collect(&[resource(&["a"], "cpu", None), elsewhere], now()).await;
    let (found, message) = failed(&readings[0]);
    assert!(found == kind && message.contains(text), "{found:?} {message}");
    assert_eq!(per_pod(&readings[1]), [Some(1000.0)], "the other namespace is not touched");
}

async fn adapter(versions: &[&str]) -> MockServer {
    let api = api_server().await;
    let versions: Vec<Value> =
        versions.iter().map(|v| json!({"groupVersion": format!("custom.metrics.k8s.io/{v}"), "version": v})).collect();
    let group = json!({"kind": "APIGroup", "apiVersion": "v1", "name": "custom.metrics.k8s.io", "versions": versions, "preferredVersion": versions[0]});
    serve(&api, CUSTOM, group).await;
    api
}

fn value(name: &str, value: &str) -> Value {
    json!({"describedObject": {"kind": "Pod", "namespace": "shop", "name": name}, "metric": {"name": "rps"}, "timestamp": TIME, "value": value})
}

fn pods_metric() -> Ask {
    ask("shop", "web", &["a", "b", "c"], Query::Pods { metric: "http/requests per second".into(), selector: "verb=GET,code!=500".into() })
}

fn object(api_version: &str, kind: &str, name: &str) -> Ask {
    let query = Query::Object {
        metric: "hits".into(),
        selector: String::new(),
        api_version: api_version.into(),
        kind: kind.into(),
        name: name.into(),
    };
    ask("shop", "web", &[], query)
}

#[rstest]
#[case::newest(&["v1beta1", "v1beta2"], "v1beta2", "windowSeconds")]
#[case::older(&["v1beta1"], "v1beta1", "window")]
#[tokio::test]
async fn custom_metrics_of_pods(#[case] served: &[&str], #[case] version: &str, #[case] window: &str) {
    let api = adapter(served).await;
    let mut first = value("b", "1500m");
    first[window] = json!(30);
    Mock::given(path(format!("{CUSTOM}/{version}/namespaces/shop/pods/*/http%2Frequests%20per%20second")))
        .and(query_param("labelSelector", "app=web"))
        .and(query_param("metricLabelSelector", "verb=GET,code!=500"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list(json!([first, value("a", "7"), value("foreign", "9")]))))
        .mount(&api)
        .await;
    let readings = sources(&api).collect(&[pods_metric(), pods_metric()], now()).await;
    assert_eq!(readings[0], readings[1]);
    let sample = |value, seconds| Some(Sample { value, time: time(), window: Duration::from_secs(seconds) });
    let samples = vec![sample(7000.0, 60), sample(1500.0, 30), None];
    assert_eq!(readings[0], Reading::PerPod { samples, requests: vec![], limits: vec![] });
    let asked = api.received_requests().await.unwrap();
    assert_eq!(asked.iter().filter(|request| request.url.path().contains("/pods/")).count(), 1);
}

#[tokio::test]
async fn custom_metrics_of_objects() {
    let api = adapter(&["v1beta2"]).await;
    let resources = |group: &str, name: &str, kind: &str| {
        json!({"kind": "APIResourceList", "groupVersion": group, "resources":
            [{"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]}]})
    };
    serve(&api, "/api/v1", resources("v1", "services", "Service")).await;
    serve(&api, "/apis/networking.k8s.io/v1", resources("networking.k8s.io/v1", "ingresses", "Ingress")).await;
    let base = format!("{CUSTOM}/v1beta2/namespaces/shop");
    serve(&api, &format!("{base}/services/front/hits"), list(json!([value("front", "3")]))).await;
    serve(&api, &format!("{base}/ingresses.networking.k8s.io/main/hits"), list(json!([value("main", "4")]))).await;
    serve(&api, &format!("{base}/metrics/hits"), list(json!([value("shop", "5")]))).await;
    serve(&api, &format!("{base}/services/many/hits"), list(json!([value("many", "1"), value("many", "2")]))).await;
    serve(&api, &format!("{base}/services/none/hits"), list(json!([]))).await;
    serve(&api, &format!("{base}/services/odd/hits"), list(json!([value("odd", "x")]))).await;
    serve_failure(&api, &format!("{base}/services/gone/hits"), 404, "the server could not find the metric hits for services gone").await;
    let asks = [
        object("v1", "Service", "front"),
        object("networking.k8s.io/v1", "Ingress", "main"),
        object("v1", "Namespace", "elsewhere"),
        object("v1", "Service", "many"),
        object("v1", "Service", "none"),
        object("v1", "Service", "odd"),
        object("v1", "Service", "gone"),
        object("v1", "Nonsense", "x"),
        object("v1", "Service", ".."),
    ];
    let readings = sources(&api).collect(&asks, now()).await;
    let totals: Vec<f64> = readings[..3].iter().map(total).collect();
    assert_eq!(totals, [3000.0, 4000.0, 5000.0]);
    for (reading, kind, text) in [
        (&readings[3], FailureKind::Invalid, "returned 2 values of Service many, one is needed"),
        (&readings[4], FailureKind::Empty, "Service none has no such metric"),
        (&readings[5], FailureKind::Invalid, "value \"x\" must be a quantity"),
        (&readings[6], FailureKind::Refused, "404 the server could not find the metric hits for services gone"),
        (&readings[7], FailureKind::Refused, "the API server knows no kind Nonsense in v1"),
        (&readings[8], FailureKind::Refused, "cannot be a name"),
    ] {
        let (found, message) = failed(reading);
        assert!(found == kind && message.contains(text), "{found:?} {message}");
    }
}

#[tokio::test]
async fn a_missing_adapter_is_named() {
    let api = api_server().await;
    Mock::given(wiremock::matchers::path_regex("^/apis/(custom|external).metrics.*"))
        .respond_with(ResponseTemplate::new(404).set_body_string("404 page not found\n"))
        .mount(&api)
        .await;
    let external = ask("shop", "web", &[], Query::External { metric: "queue".into(), selector: String::new() });
    for reading in sources(&api).collect(&[pods_metric(), external], now()).await {
        let (kind, message) = failed(&reading);
        assert!(kind == FailureKind::Unreachable && message.contains("is not served by the API server: install an adapter"), "{message}");
    }
}

#[tokio::test]
async fn external_metrics_are_summed() {
    let api = api_server().await;
    let value =
        |value: &str, time: &str| json!({"metricName": "queue", "metricLabels": {}, "timestamp": time, "window": 10, "value": value});
    let base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop";
    let items = list(json!([value("1500m", "2026-01-02T03:04:06Z"), value("2", TIME)]));
    Mock::given(path(format!("{base}/queue")))
        .and(query_param("labelSelector", "queue in (a,b)"))
        .respond_with(ResponseTemplate::new(200).set_body_json(items))
        .mount(&api)
        .await;
    serve(&api, &format!("{base}/huge"), list(json!([value("9E", TIME), value("9E", TIME)]))).await;
    serve(&api, &format!("{base}/none"), list(json!([]))).await;
    let external =
        |metric: &str, selector: &str| ask("shop", "web", &[], Query::External { metric: metric.into(), selector: selector.into() });
    let asks = [external("queue", "queue in (a,b)"), external("huge", ""), external("none", "")];
    let readings = sources(&api).collect(&asks, now()).await;
    assert_eq!(readings[0], Reading::Total(Sample { value: 3500.0, time: time(), window: Duration::from_secs(10) }));
    #[allow(clippy::cast_precision_loss)]
    let most = i64::MAX as f64;
    assert!((total(&readings[1]) - most).abs() < 1.0, "sums are capped");
    assert_eq!(failed(&readings[2]), (FailureKind::Empty, "metric none: external.metrics.k8s.io: no series"));
}
