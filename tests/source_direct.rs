//! Pods that are asked themselves, and the server that is asked in their place: whole rounds over real connections.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod source_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ballast::clock::Clock;
use ballast::core::{FailureKind, Origin, Poll, Reading};
use ballast::source::direct::{Endpoint, Pod, Pods};
use ballast::source::{Answers, Ask, Batch, PrometheusQuery, Query, Settings, Sources, WhenEmpty, preset};
use futures::StreamExt;
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TEXT: &str = "text/plain; version=0.0.4";
/// Longer than what is too short for a rate.
const BETWEEN: Duration = Duration::from_millis(700);

/// A pod's metrics, and the answer of a Prometheus server to whatever it is asked.
async fn serves(server: &MockServer, text: &str) {
    server.reset().await;
    let answer = ResponseTemplate::new(200).set_body_raw(text, TEXT);
    Mock::given(method("GET")).and(path("/metrics")).respond_with(answer).mount(server).await;
}

async fn prometheus(value: &str) -> MockServer {
    let server = MockServer::start().await;
    let result = json!([{"metric": {}, "value": [1_700_000_000, value]}]);
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": result}});
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    server
}

fn sources(prometheus: &MockServer, allowed: bool) -> Arc<Sources> {
    let settings = Settings {
        prometheus_url: Some(prometheus.uri()),
        allow_loopback: true,
        direct: allowed.then_some(|_| true),
        ..Settings::default()
    };
    source_support::sources_with(settings)
}

fn ask(name: &str, pods: &[&MockServer], fall_back: bool) -> Ask {
    let (query, filled) = preset::find(name).unwrap().fill_direct(&BTreeMap::new()).unwrap();
    let query = PrometheusQuery {
        name: name.to_owned(),
        source: "default".to_owned(),
        query,
        window: Duration::from_mins(1),
        when_empty: WhenEmpty::Absent,
        preset: Some(Arc::new(filled)),
    };
    let pod = |server: &&MockServer| Pod { endpoint: Ok(Endpoint { socket: *server.address(), path: None }), running: true, serving: true };
    let names: Vec<String> = (0..pods.len()).map(|n| format!("web-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pods = Pods { pods: pods.iter().map(pod).collect(), fall_back };
    Ask { direct: Some(pods), ..source_support::ask("shop", "web", &names, Query::Prometheus(query)) }
}

async fn read(sources: &Arc<Sources>, ask: &Ask) -> Reading {
    sources.collect(std::slice::from_ref(ask), Clock::real().now()).await.remove(0)
}

/// The reading of one ask, and who gave it.
async fn told(sources: &Arc<Sources>, ask: &Ask) -> (Reading, Option<Origin>) {
    let batch = Batch { asks: vec![ask.clone()], deadline: Duration::from_secs(9) };
    let out = Arc::clone(sources).answer(vec![batch], Clock::real().now()).concat().await;
    let [(_, Answers { readings, origins })] = &out[..] else { panic!("{out:?}") };
    (readings[0].clone(), origins.first().cloned().flatten().map(|origin| (*origin).clone()))
}

fn total(reading: &Reading) -> f64 {
    match reading {
        Reading::Total(sample) => sample.value / 1000.0,
        other => panic!("not a total: {other:?}"),
    }
}

#[tokio::test]
async fn a_rate_is_known_from_the_second_scrape_on_and_the_server_is_asked_before() {
    let (prometheus, pod) = (prometheus("7").await, MockServer::start().await);
    let sources = sources(&prometheus, true);
    let ask = ask("http-requests", &[&pod], true);
    serves(&pod, "http_requests_total{code=\"200\"} 1000\n").await;
    assert!((total(&read(&sources, &ask).await) - 7.0).abs() < 1e-9, "the server's");
    tokio::time::sleep(BETWEEN).await;
    serves(&pod, "http_requests_total{code=\"200\"} 1100\nhttp_requests_total{code=\"500\"} 40\n").await;
    let Reading::Total(sample) = read(&sources, &ask).await else { panic!() };
    let counted = sample.value / 1000.0 * sample.window.as_secs_f64();
    assert!((counted - 140.0).abs() < 1e-6, "{sample:?}");
    assert!(sample.window >= BETWEEN);
    assert_eq!(prometheus.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn between_decisions_no_server_is_asked() {
    let (prometheus, pod) = (prometheus("7").await, MockServer::start().await);
    let sources = sources(&prometheus, true);
    serves(&pod, "http_requests_total 1\n").await;
    let Reading::Failed(failure) = read(&sources, &ask("http-requests", &[&pod], false)).await else { panic!() };
    assert!(failure.message.contains("0 of 1 pods have a value of their own"), "{failure:?}");
    assert_eq!(prometheus.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn gauges_are_summed_at_once_while_half_of_the_pods_answer() {
    let (prometheus, one, two, gone) =
        (prometheus("7").await, MockServer::start().await, MockServer::start().await, MockServer::start().await);
    let sources = sources(&prometheus, true);
    serves(&one, "http_requests_in_flight 3\n").await;
    serves(&two, "http_requests_in_flight 5\n").await;
    let known = total(&read(&sources, &ask("http-in-flight", &[&one, &two, &gone], true)).await);
    assert!((known - 8.0).abs() < 1e-9, "{known}: the third never had a value");
    let known = total(&read(&sources, &ask("http-in-flight", &[&one, &gone, &gone], true)).await);
    assert!((known - 7.0).abs() < 1e-9, "{known}: the server's");
}

/// Of seconds that goroutines waited, and processors.
fn waited(seconds: f64, processors: u32) -> String {
    format!("go_sched_latencies_seconds_sum {seconds}\ngo_sched_gomaxprocs_threads {processors}\n")
}

#[tokio::test]
async fn a_quotient_keeps_the_pods_places_and_one_wait_in_eight_stands_for_all() {
    let (prometheus, one, two) = (prometheus("7").await, MockServer::start().await, MockServer::start().await);
    let sources = sources(&prometheus, true);
    let ask = ask("go-run-queue", &[&one, &two], true);
    serves(&one, &waited(100.0, 4)).await;
    serves(&two, &waited(200.0, 2)).await;
    read(&sources, &ask).await;
    tokio::time::sleep(BETWEEN).await;
    serves(&one, &waited(103.0, 4)).await;
    serves(&two, &waited(201.0, 2)).await;
    let Reading::PerPod { samples, .. } = read(&sources, &ask).await else { panic!() };
    // In milli; both were scraped over nearly the same time.
    let grown: Vec<f64> = samples.iter().map(|sample| sample.unwrap()).map(|one| one.value / 1000.0 * one.window.as_secs_f64()).collect();
    assert!((grown[0] - 8.0 * 3.0 / 4.0).abs() < 0.3 && (grown[1] - 8.0 * 1.0 / 2.0).abs() < 0.3, "{grown:?}");
}

#[tokio::test]
async fn pods_are_asked_once_for_all_metrics_of_a_policy() {
    let (prometheus, pod) = (prometheus("7").await, MockServer::start().await);
    let sources = sources(&prometheus, true);
    let asks = ["http-in-flight", "go-run-queue"].map(|name| ask(name, &[&pod], true));
    serves(&pod, &format!("http_requests_in_flight 3\n{}", waited(1.0, 4))).await;
    sources.collect(&asks, Clock::real().now()).await;
    tokio::time::sleep(BETWEEN).await;
    // Forgets who asked before.
    serves(&pod, &format!("http_requests_in_flight 3\n{}", waited(2.0, 4))).await;
    let readings = sources.collect(&asks, Clock::real().now()).await;
    assert!((total(&readings[0]) - 3.0).abs() < 1e-9);
    assert!(source_support::per_pod(&readings[1])[0].is_some_and(|value| value > 0.0), "{readings:?}");
    assert_eq!(pod.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_switched_off_asks_the_server_only() {
    let (prometheus, pod) = (prometheus("7").await, MockServer::start().await);
    let sources = sources(&prometheus, false);
    serves(&pod, "http_requests_in_flight 3\n").await;
    assert!((total(&read(&sources, &ask("http-in-flight", &[&pod], true)).await) - 7.0).abs() < 1e-9);
    assert_eq!(pod.received_requests().await.unwrap().len(), 0);
    let Reading::Failed(failure) = read(&sources, &ask("http-in-flight", &[&pod], false)).await else { panic!() };
    assert_eq!(failure.kind, FailureKind::Refused);
}

#[tokio::test]
async fn who_gave_a_value_is_told_with_it() {
    let (prometheus, one, two, gone) =
        (prometheus("7").await, MockServer::start().await, MockServer::start().await, MockServer::start().await);
    let sources = sources(&prometheus, true);
    serves(&one, "http_requests_in_flight 3\n").await;
    serves(&two, "http_requests_in_flight 5\n").await;
    let poll = |answered, asked, of| Some(Origin::Pods(Poll { answered, asked, of, error: None }));
    let mut asked = ask("http-in-flight", &[&one, &two, &gone], true);
    assert_eq!(told(&sources, &asked).await.1, poll(2, 3, 3));
    // The third one says no port.
    let mut pods = asked.direct.as_ref().unwrap().pods.to_vec();
    pods[2].endpoint = Err(ballast::source::direct::Refused::NoPort);
    asked.direct = Some(Pods { pods: pods.into(), fall_back: true });
    let (reading, origin) = told(&sources, &asked).await;
    assert_eq!(origin, poll(2, 2, 3));
    assert!((total(&reading) - 12.0).abs() < 1e-9, "it serves, so it bears what the others do: {reading:?}");

    let (reading, origin) = told(&sources, &ask("http-in-flight", &[&one, &gone, &gone], true)).await;
    let Some(Origin::Source { why }) = origin else { panic!("{origin:?}") };
    let words = "the pods themselves: 1 of 3 pods have a value of their own, 2 did not answer; web-";
    assert!(why.starts_with(words) && why.ends_with(": answered with status 404"), "{why}");
    assert!((total(&reading) - 7.0).abs() < 1e-9);
    let query = Ask { direct: None, ..ask("http-in-flight", &[&one], true) };
    assert_eq!(told(&sources, &query).await.1, None, "there is only one who could");
}

/// Whoever gives up in the middle of a look takes nothing along.
#[tokio::test]
async fn a_look_that_is_given_up_costs_no_rate() {
    let (prometheus, pod, slow) = (prometheus("7").await, MockServer::start().await, MockServer::start().await);
    let sources = sources(&prometheus, true);
    serves(&pod, "http_requests_total 1000\n").await;
    let one = ask("http-requests", &[&pod], true);
    read(&sources, &one).await;
    tokio::time::sleep(BETWEEN).await;
    let hangs = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
    Mock::given(method("GET")).respond_with(hangs).mount(&slow).await;
    let given_up = Batch { asks: vec![ask("http-requests", &[&slow], false)], deadline: Duration::from_millis(100) };
    let out = Arc::clone(&sources).answer(vec![given_up], Clock::real().now()).concat().await;
    assert!(matches!(out[0].1.readings[0], Reading::Failed(_)), "{out:?}");
    serves(&pod, "http_requests_total 1140\n").await;
    let Reading::Total(sample) = read(&sources, &one).await else { panic!() };
    assert!((sample.value / 1000.0 * sample.window.as_secs_f64() - 140.0).abs() < 1e-6, "{sample:?}");
}

/// Two policies of one workload, such as one in force and one on trial, do not make each other begin anew.
#[tokio::test]
async fn policies_of_one_target_that_want_other_metrics_keep_their_rates() {
    let (prometheus, pod) = (prometheus("7").await, MockServer::start().await);
    let sources = sources(&prometheus, true);
    let (http, grpc) = (ask("http-requests", &[&pod], true), ask("grpc-requests", &[&pod], true));
    for count in [1000, 1010] {
        serves(&pod, &format!("http_requests_total {count}\ngrpc_server_started_total {count}\n")).await;
        read(&sources, &http).await;
        tokio::time::sleep(BETWEEN).await;
        read(&sources, &grpc).await;
        tokio::time::sleep(BETWEEN).await;
    }
    for ask in [&http, &grpc] {
        tokio::time::sleep(BETWEEN).await;
        assert!(matches!(told(&sources, ask).await.1, Some(Origin::Pods(_))));
    }
}
