//! Faults that must stay where they are: one API's hang, a partial answer, a query made to bring the controller down.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod source_support;

use std::time::Duration;

use ballast::core::{FailureKind, Reading};
use ballast::source::prometheus::enforce;
use ballast::source::{Ask, Batch, Query};
use futures::StreamExt;
use rstest::rstest;
use serde_json::{Value, json};
use source_support::kubernetes::{api_server, requests, serve};
use source_support::{ask, failed, now, per_pod, query, sources, sources_of, total};
use wiremock::matchers::{body_string_contains, method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TIME: &str = "2026-01-02T03:04:05Z";

fn cpu() -> Ask {
    ask("shop", "web", &["a", "b"], Query::Resource { resource: "cpu".to_owned(), container: None })
}

async fn usage(api: &MockServer) {
    let items = json!([
        {"metadata": {"name": "a"}, "timestamp": TIME, "window": "15s", "containers": [{"name": "app", "usage": {"cpu": "250m"}}]},
        {"metadata": {"name": "b"}, "timestamp": TIME, "window": "15s", "containers": null},
    ]);
    serve(api, "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", json!({"items": items})).await;
}

#[tokio::test]
async fn an_adapter_that_hangs_keeps_usage_of_cpu_from_nobody() {
    let api = api_server().await;
    usage(&api).await;
    let hang = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    Mock::given(path_regex("^/apis/external")).respond_with(hang).with_priority(1).mount(&api).await;
    let sources = sources(&api.uri(), "http://127.0.0.1:9");
    let hanging: Vec<Ask> =
        (0..40).map(|n| ask("shop", "web", &[], Query::External { metric: format!("depth-{n}"), selector: String::new() })).collect();
    let busy = tokio::spawn({
        let sources = std::sync::Arc::clone(&sources);
        async move { sources.collect(&hanging, now()).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let readings = tokio::time::timeout(Duration::from_secs(2), sources.collect(&[cpu()], now())).await;
    assert_eq!(per_pod(&readings.expect("usage waits for the adapter")[0]), [Some(250.0), None]);
    busy.abort();
}

async fn answer(body: Value) -> Reading {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(body);
    Mock::given(method("POST")).and(body_string_contains("partial_response=false")).respond_with(answer).mount(&server).await;
    let api = api_server().await;
    sources(&api.uri(), &server.uri()).collect(&[ask("shop", "web", &[], query("default", "up"))], now()).await.remove(0)
}

#[rstest]
#[case::thanos(json!({"warnings": ["partial response: store 10.0.0.7 is down"]}), "store 10.0.0.7 is down")]
#[case::victoria_metrics(json!({"isPartial": true}), "could not read all of its data")]
#[case::limit(json!({"warnings": ["results truncated due to limit"]}), "truncated")]
#[tokio::test]
async fn a_partial_answer_is_no_number(#[case] extra: Value, #[case] why: &str) {
    let mut body = json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let reading = answer(body).await;
    let (kind, message) = failed(&reading);
    assert!(kind == FailureKind::Invalid && message.contains("partial") && message.contains(why), "{kind:?} {message}");
}

#[rstest]
#[case::none(json!({"warnings": null, "infos": null, "isPartial": false}))]
#[case::about_the_query(json!({"warnings": ["PromQL warning: bucket label le is missing"], "infos": ["PromQL info: no counter"]}))]
#[tokio::test]
async fn other_warnings_leave_the_number(#[case] extra: Value) {
    let mut body = json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    assert!((total(&answer(body).await) - 3000.0).abs() < 1e-9);
}

/// The stock autoscaler goes by group and kind, so an old manifest's version of an Object metric still works.
#[tokio::test]
async fn an_object_of_a_version_the_server_dropped_is_found_in_the_preferred_one() {
    let api = api_server().await;
    let version = |name: &str| json!({"groupVersion": format!("networking.k8s.io/{name}"), "version": name});
    let group = json!({"kind": "APIGroup", "apiVersion": "v1", "name": "networking.k8s.io", "versions": [version("v1")], "preferredVersion": version("v1")});
    serve(&api, "/apis", json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]})).await;
    serve(&api, "/apis/networking.k8s.io", group.clone()).await;
    let resource = json!({"name": "ingresses", "singularName": "ingress", "kind": "Ingress", "namespaced": true, "verbs": ["get", "list"]});
    let resources = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "networking.k8s.io/v1", "resources": [resource]});
    serve(&api, "/apis/networking.k8s.io/v1", resources).await;
    let custom = json!({"kind": "APIGroup", "apiVersion": "v1", "name": "custom.metrics.k8s.io",
        "versions": [{"groupVersion": "custom.metrics.k8s.io/v1beta2", "version": "v1beta2"}]});
    serve(&api, "/apis/custom.metrics.k8s.io", custom).await;
    let at = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/ingresses.networking.k8s.io/main/rps";
    serve(&api, at, json!({"items": [{"describedObject": {"name": "main"}, "timestamp": TIME, "value": "20"}]})).await;
    let object = |kind: &str| Query::Object {
        metric: "rps".to_owned(),
        selector: String::new(),
        api_version: "networking.k8s.io/v1beta1".to_owned(),
        kind: kind.to_owned(),
        name: "main".to_owned(),
    };
    let asks = [ask("shop", "web", &[], object("Ingress")), ask("shop", "web", &[], object("Ingres"))];
    let sources = sources(&api.uri(), "http://127.0.0.1:9");
    let readings = sources.collect(&asks, now()).await;
    assert!((total(&readings[0]) - 20_000.0).abs() < 1e-9, "{readings:?}");
    assert!(failed(&readings[1]).1.contains("knows no kind Ingres in networking.k8s.io/v1beta1"), "{readings:?}");
    sources.collect(&asks, now()).await;
    assert_eq!(requests(&api, "/apis/networking.k8s.io/v1beta1").await, 2, "once for each kind");
}

/// A worker of the runtime has 2 MiB of stack; an overflow there ends the whole controller.
#[rstest]
#[case::words(vec!["a"; 3000].join(" or "))]
#[case::signs("-".repeat(16_000) + "a")]
#[case::plus(vec!["a"; 6000].join("+"))]
#[case::brackets("(".repeat(8000) + "a" + &")".repeat(8000))]
#[case::calls("abs(".repeat(3000) + "a" + &")".repeat(3000))]
#[case::longest_allowed(vec!["a"; 500].join(" unless "))]
#[case::longest_allowed_calls("abs(".repeat(500) + "a" + &")".repeat(500))]
fn no_query_overflows_a_workers_stack(#[case] query: String) {
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || enforce(&query, "namespace", "shop").is_ok());
    worker.unwrap().join().unwrap();
}

#[test]
fn operators_in_strings_and_comments_do_not_count() {
    let pods = (0..400).map(|n| format!("web-7f9c6d8b5-x{n:04}")).collect::<Vec<_>>().join("|");
    assert!(enforce(&format!("sum(up{{pod=~\"{pods}\"}}) # {}", "-".repeat(900)), "namespace", "shop").is_ok());
    assert!(enforce("info(up)", "namespace", "shop").is_err());
}

#[tokio::test]
async fn health_counts_requests_and_what_they_met() {
    let server = MockServer::start().await;
    let answer = |text: &'static str, answer: ResponseTemplate| Mock::given(body_string_contains(text)).respond_with(answer);
    let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}});
    answer("query=fine", ResponseTemplate::new(200).set_body_json(scalar)).mount(&server).await;
    answer("query=wrong", ResponseTemplate::new(400)).mount(&server).await;
    answer("query=broken", ResponseTemplate::new(500)).mount(&server).await;
    let api = api_server().await;
    usage(&api).await;
    let sources = sources(&api.uri(), &server.uri());
    let of = |text: &str| ask("shop", "web", &[], query("default", text));
    assert_eq!(sources.health()["metrics.k8s.io"].is_up(), None);
    sources.collect(&[of("fine"), of("fine"), cpu()], now()).await;
    let health = sources.health();
    assert_eq!((health["default"].requests, health["default"].failures(), health["default"].is_up()), (1, 0, Some(true)));
    assert_eq!((health["metrics.k8s.io"].requests, health["metrics.k8s.io"].is_up()), (1, Some(true)));
    tokio::time::sleep(Duration::from_millis(5)).await;
    sources.collect(&[of("wrong")], now()).await;
    assert_eq!(sources.health()["default"].is_up(), Some(true), "it answered; the query is wrong");
    sources.collect(&[of("broken")], now()).await;
    let health = sources.health().remove("default").unwrap();
    assert_eq!((health.requests, health.refused, health.unreachable, health.is_up()), (3, 1, 1, Some(false)));
    assert!(health.latency_total >= health.latency_last && health.last_failure.is_some());
}

/// A `MetricSource` makes the controller call an address of a tenant's choice; what is there must not end in the tenant's status.
#[tokio::test]
async fn a_foreign_servers_text_is_not_read_out_to_a_tenant() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(400).set_body_string("internal: token=abc")).mount(&server).await;
    let api = api_server().await;
    let own = source_support::kubernetes::Watched::with("shop", "own", json!({"url": server.uri()}));
    let asks = [ask("shop", "web", &[], query("own", "up")), ask("shop", "web", &[], query("default", "up"))];
    let readings = sources_of(&api.uri(), &server.uri(), own).collect(&asks, now()).await;
    let (tenant, operator) = (failed(&readings[0]).1, failed(&readings[1]).1);
    assert!(tenant.contains("400 Bad Request") && !tenant.contains("token"), "{tenant}");
    assert!(operator.contains("token=abc"), "{operator}");
}

const CLUSTER: &str = "/apis/metrics.k8s.io/v1beta1/pods";

fn cpu_in(namespaces: usize) -> Vec<Ask> {
    (0..namespaces).map(|n| ask(&format!("n{n}"), "web", &["a"], Query::Resource { resource: "cpu".to_owned(), container: None })).collect()
}

fn measured(namespace: &str, pod: &str) -> Value {
    json!({"metadata": {"name": pod, "namespace": namespace}, "timestamp": TIME, "window": "15s",
        "containers": [{"name": "app", "usage": {"cpu": "250m"}}]})
}

async fn count_of_lists(api: &MockServer) -> (usize, usize) {
    let all = api.received_requests().await.unwrap();
    let cluster = all.iter().filter(|request| request.url.path() == CLUSTER).count();
    (cluster, all.iter().filter(|request| request.url.path().starts_with("/apis/metrics.k8s.io/v1beta1/namespaces/")).count())
}

#[tokio::test]
async fn many_namespaces_are_one_list_of_the_cluster() {
    let api = api_server().await;
    let items: Vec<_> = (0..19).map(|n| measured(&format!("n{n}"), "a")).collect();
    serve(&api, CLUSTER, json!({"items": items})).await;
    let sources = sources(&api.uri(), "http://127.0.0.1:9");
    let readings = sources.collect(&cpu_in(20), now()).await;
    assert!(readings[..19].iter().all(|reading| per_pod(reading) == [Some(250.0)]), "{readings:?}");
    assert_eq!(failed(&readings[19]), (FailureKind::Empty, "metrics.k8s.io: no pod of namespace n19 has metrics"));
    assert_eq!(count_of_lists(&api).await, (1, 0));
    sources.collect(&cpu_in(7), now()).await;
    assert_eq!(count_of_lists(&api).await, (1, 7), "few namespaces are listed one by one");
}

#[rstest]
#[case::refused(403, 0)]
#[case::mostly_unwanted(200, 1000)]
#[tokio::test]
async fn a_list_of_the_cluster_that_does_not_pay_is_not_repeated(#[case] status: u16, #[case] unwanted: usize) {
    let api = api_server().await;
    if status == 200 {
        let items: Vec<_> = (0..unwanted).map(|n| measured("big", &format!("p{n}"))).collect();
        serve(&api, CLUSTER, json!({"items": items})).await;
    } else {
        source_support::kubernetes::serve_failure(&api, CLUSTER, status, "pods.metrics.k8s.io is forbidden").await;
    }
    for n in 0..8 {
        serve(&api, &format!("/apis/metrics.k8s.io/v1beta1/namespaces/n{n}/pods"), json!({"items": [measured(&format!("n{n}"), "a")]}))
            .await;
    }
    let sources = sources(&api.uri(), "http://127.0.0.1:9");
    for _ in 0..2 {
        sources.collect(&cpu_in(8), now()).await;
        // An answer of just now would do.
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let readings = sources.collect(&cpu_in(8), now()).await;
    assert!(readings.iter().all(|reading| per_pod(reading) == [Some(250.0)]), "{readings:?}");
    let by_namespace = if status == 200 { 16 } else { 24 };
    assert_eq!(count_of_lists(&api).await, (1, by_namespace));
}

#[tokio::test]
async fn an_unreachable_metrics_api_is_asked_once_for_many_namespaces() {
    let api = api_server().await;
    source_support::kubernetes::serve_failure(&api, CLUSTER, 503, "the server is currently unable to handle the request").await;
    let readings = sources(&api.uri(), "http://127.0.0.1:9").collect(&cpu_in(30), now()).await;
    assert!(readings.iter().all(|reading| failed(reading).0 == FailureKind::Unreachable), "{readings:?}");
    assert_eq!(count_of_lists(&api).await, (1, 0));
}

#[tokio::test]
async fn a_deadline_keeps_what_came_and_gives_up_the_rest() {
    let server = MockServer::start().await;
    let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}});
    let answer = ResponseTemplate::new(200).set_body_json(scalar);
    let slow = answer.clone().set_delay(Duration::from_secs(30));
    Mock::given(body_string_contains("query=slow")).respond_with(slow).mount(&server).await;
    Mock::given(body_string_contains("query=quick")).respond_with(answer).mount(&server).await;
    let api = api_server().await;
    usage(&api).await;
    let of = |text: &str| ask("shop", "web", &[], query("default", text));
    let asks = [of("slow"), of("quick"), cpu()];
    let batch = Batch { asks: asks.into(), deadline: Duration::from_millis(500) };
    let mut answers = sources(&api.uri(), &server.uri()).answer(vec![batch], now());
    let first = tokio::time::timeout(Duration::from_secs(3), answers.next()).await;
    let readings = first.expect("the deadline is kept").unwrap().remove(0).1.readings;
    let (kind, message) = failed(&readings[0]);
    assert!(kind == FailureKind::Unreachable && message.contains("query slow") && message.contains("no answer within 0.5 s"), "{message}");
    assert!((total(&readings[1]) - 3000.0).abs() < 1e-9);
    assert_eq!(per_pod(&readings[2]), [Some(250.0), None]);
}

fn batch(ask: Ask, seconds: u64) -> Batch {
    Batch { asks: vec![ask], deadline: Duration::from_secs(seconds) }
}

#[tokio::test]
async fn a_list_answers_ten_thousand_policies_in_one_item() {
    let api = api_server().await;
    let items: Vec<_> = (0..200).map(|n| measured("shop", &format!("p{n}"))).collect();
    serve(&api, "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", json!({"items": items})).await;
    let cpu = Query::Resource { resource: "cpu".to_owned(), container: None };
    let batches = (0..10_000).map(|n| batch(ask("shop", "web", &[&format!("p{}", n % 200)], cpu.clone()), 15)).collect();
    let mut answers = sources(&api.uri(), "http://127.0.0.1:9").answer(batches, now());
    let first = answers.next().await.unwrap();
    assert_eq!(first.len(), 10_000);
    assert!(first.iter().all(|(_, answers)| per_pod(&answers.readings[0]) == [Some(250.0)]));
    assert!(answers.next().await.is_none());
    assert_eq!(count_of_lists(&api).await, (0, 1));
}

#[tokio::test]
async fn each_policy_waits_for_its_own_requests_and_to_its_own_deadline() {
    let server = MockServer::start().await;
    let scalar =
        ResponseTemplate::new(200).set_body_json(json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}}));
    for (text, delay) in [("query=quick", 0), ("query=late", 500), ("query=never", 30_000)] {
        let answer = scalar.clone().set_delay(Duration::from_millis(delay));
        Mock::given(body_string_contains(text)).respond_with(answer).mount(&server).await;
    }
    let api = api_server().await;
    let of = |text: &str| ask("shop", "web", &[], query("default", text));
    let both = Batch { asks: vec![of("quick"), of("late")], deadline: Duration::from_secs(9) };
    let nothing = Batch { asks: vec![], deadline: Duration::from_secs(9) };
    let batches = vec![batch(of("never"), 1), batch(of("quick"), 9), both, nothing, batch(of("never"), 2), batch(of("quick"), 9)];
    let mut answers = sources(&api.uri(), &server.uri()).answer(batches, now());
    let mut order: Vec<Vec<usize>> = Vec::new();
    while let Some(mut out) = answers.next().await {
        out.sort_by_key(|(place, _)| *place);
        for (_, answers) in out.iter().filter(|(place, _)| [0, 4].contains(place)) {
            assert!(failed(&answers.readings[0]).1.starts_with("query never: no answer within "), "{answers:?}");
        }
        order.push(out.into_iter().map(|(place, _)| place).collect());
    }
    assert_eq!(order, [vec![3], vec![1, 5], vec![2], vec![0], vec![4]]);
    assert_eq!(server.received_requests().await.unwrap().len(), 3, "equal questions are asked once");
}

/// A server whose answers never come: how many connections are still open shows whether somebody waits.
#[tokio::test]
async fn a_request_that_nobody_waits_for_is_dropped() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ended = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        tokio::io::copy(&mut connection, &mut tokio::io::sink()).await
    });
    let api = api_server().await;
    let never = batch(ask("shop", "web", &[], query("default", "up")), 1);
    let later = batch(ask("shop", "web", &[], Query::External { metric: "x".into(), selector: String::new() }), 30);
    let hang = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    Mock::given(path_regex("^/apis/external")).respond_with(hang).with_priority(1).mount(&api).await;
    let mut answers = sources(&api.uri(), &url).answer(vec![never, later], now());
    assert_eq!(answers.next().await.unwrap()[0].0, 0);
    let rest = tokio::spawn(async move { answers.next().await });
    tokio::time::timeout(Duration::from_secs(3), ended).await.expect("the request is still under way").unwrap().unwrap();
    rest.abort();
}
