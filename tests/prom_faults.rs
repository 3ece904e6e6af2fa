//! Answers that a healthy Prometheus does not give on demand, and how many requests are sent.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ballast::core::{FailureKind, Reading};
use ballast::source::{Ask, Cause, Settings, Sources};
use rstest::rstest;
use serde_json::{Value, json};
use source_support::kubernetes::{Watched, api_server, client, requests};
use source_support::{ask, config, failed, now, per_pod, query, sources, sources_of, total};
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

const QUERY: &str = "/api/v1/query";

fn vector(elements: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"status": "success", "data": {"resultType": "vector", "result": elements}}))
}

fn one(value: &str) -> ResponseTemplate {
    vector(&json!([{"metric": {}, "value": [1, value]}]))
}

async fn prometheus(answer: impl Respond + 'static) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path(QUERY)).respond_with(answer).mount(&server).await;
    server
}

fn web(promql: &str) -> Ask {
    ask("shop", "web", &["web-1"], query("default", promql))
}

async fn single(server: &MockServer, promql: &str) -> Reading {
    let api = api_server().await;
    sources(&api.uri(), &server.uri()).collect(&[web(promql)], now()).await.remove(0)
}

#[rstest]
#[case::unauthorized(401, "", FailureKind::Refused, "401 Unauthorized")]
#[case::forbidden(403, "no\nway", FailureKind::Refused, "403 Forbidden: no way")]
#[case::too_many(429, "slow down", FailureKind::Refused, "429 Too Many Requests: slow down")]
#[case::rejected(
    422,
    r#"{"status":"error","errorType":"execution","error":"many-to-many matching not allowed"}"#,
    FailureKind::Refused,
    "422 Unprocessable Entity: execution: many-to-many matching not allowed"
)]
#[case::overloaded(
    503,
    r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
    FailureKind::Unreachable,
    "timeout: query timed out"
)]
#[case::gateway(502, "<html>Bad Gateway</html>", FailureKind::Unreachable, "502 Bad Gateway")]
#[case::elsewhere(302, "", FailureKind::Refused, "redirects are not followed")]
#[tokio::test]
async fn error_statuses(#[case] status: u16, #[case] body: &str, #[case] kind: FailureKind, #[case] text: &str) {
    let answer = ResponseTemplate::new(status).set_body_string(body).insert_header("location", "http://127.0.0.1:1/");
    let reading = single(&prometheus(answer).await, "up").await;
    let (found, message) = failed(&reading);
    assert!(found == kind && message.starts_with("query up: source default: ") && message.contains(text), "{found:?} {message}");
    assert!(!message.contains('<') && !message.contains('\n'), "{message}");
}

#[tokio::test]
async fn a_huge_answer_is_cut_off() {
    let reading = single(&prometheus(ResponseTemplate::new(200).set_body_bytes(vec![b' '; 9 << 20])).await, "up").await;
    assert_eq!(failed(&reading), (FailureKind::Invalid, "query up: source default: the answer is larger than 8 MiB"));
}

#[tokio::test]
async fn very_many_series_are_refused_and_many_are_not() {
    let elements = |n: usize| json!((0..n).map(|i| json!({"metric": {"pod": format!("web-{i}")}, "value": [1, "2"]})).collect::<Vec<_>>());
    assert_eq!(per_pod(&single(&prometheus(vector(&elements(5000))).await, "up").await), [Some(2000.0)]);
    let reading = single(&prometheus(vector(&elements(20_000))).await, "up").await;
    assert!(failed(&reading).1.contains("returned 20000 series or more"));
}

#[tokio::test]
async fn equal_queries_are_sent_once_and_a_bad_one_harms_no_other() {
    let server = MockServer::start().await;
    let answer =
        |text: &'static str, answer: ResponseTemplate| Mock::given(method("POST")).and(body_string_contains(text)).respond_with(answer);
    answer("shared", one("3")).mount(&server).await;
    answer("broken", ResponseTemplate::new(500)).mount(&server).await;
    let api = api_server().await;
    let mut asks: Vec<Ask> = (0..50).map(|i| ask("shop", &format!("web-{i}"), &[], query("default", "shared"))).collect();
    asks.push(web("broken"));
    asks.push(web("${unknown}"));
    asks.push(ask("shop", "web", &[], query("nowhere", "shared")));
    let readings = sources(&api.uri(), &server.uri()).collect(&asks, now()).await;
    assert!(readings[..50].iter().all(|reading| (total(reading) - 3000.0).abs() < 1e-9));
    assert_eq!(failed(&readings[50]).0, FailureKind::Unreachable);
    assert_eq!(failed(&readings[51]).0, FailureKind::Refused);
    assert_eq!(
        failed(&readings[52]).1,
        "query shared: source nowhere is unknown: there is no MetricSource shop/nowhere; sources of the controller's configuration: default"
    );
    assert_eq!(requests(&server, QUERY).await, 2);
    assert_eq!(api.received_requests().await.unwrap().len(), 0, "nobody needs the API server");
}

/// Counts how many answers are under way at once.
struct Slow {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Respond for Slow {
    fn respond(&self, _: &wiremock::Request) -> ResponseTemplate {
        let now = Arc::clone(&self.now);
        self.most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(90)).await;
            now.fetch_sub(1, Ordering::SeqCst);
        });
        one("1").set_delay(Duration::from_millis(100))
    }
}

#[tokio::test]
async fn at_most_eight_queries_run_at_once_at_one_server() {
    let most = Arc::new(AtomicUsize::new(0));
    let server = prometheus(Slow { now: Arc::default(), most: Arc::clone(&most) }).await;
    let api = api_server().await;
    let asks: Vec<Ask> = (0..40).map(|i| web(&format!("up + {i}"))).collect();
    let readings = sources(&api.uri(), &server.uri()).collect(&asks, now()).await;
    assert!(readings.iter().all(|reading| matches!(reading, Reading::Total(_))));
    assert_eq!(requests(&server, QUERY).await, 40);
    let most = most.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_hanging_source_delays_only_its_own_asks_and_only_by_its_timeout() {
    let hanging = prometheus(one("1").set_delay(Duration::from_secs(30))).await;
    let healthy = prometheus(one("2")).await;
    let api = api_server().await;
    let settings = Settings {
        sources: vec![
            config(&format!("{{name: default, url: '{}', timeoutSeconds: 1}}", hanging.uri())),
            config(&format!("{{name: healthy, url: '{}'}}", healthy.uri())),
        ],
        ..Settings::default()
    };
    let clock = ballast::clock::Clock::real();
    let sources = Sources::new(client(&api.uri()), clock.clone(), settings, Arc::new(Watched::default()));
    let start = clock.instant();
    // More than can run at once: those that wait give up as well.
    let mut asks: Vec<Ask> = (0..60).map(|i| web(&format!("up + {i}"))).collect();
    asks.push(ask("shop", "web", &[], query("healthy", "up")));
    let readings = sources.collect(&asks, now()).await;
    assert!((total(&readings[60]) - 2000.0).abs() < 1e-9);
    let messages: Vec<&str> = readings[..60].iter().map(|reading| failed(reading).1).collect();
    assert!(messages.iter().any(|message| message.contains("no answer within 1 s")), "{messages:?}");
    assert!(
        messages.iter().any(|message| message.contains("its budget of 8 queries at once and 500 per second had no room within 3 s")),
        "{messages:?}"
    );
    let took = clock.instant().duration_since(start);
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn the_request_has_the_form_headers_and_path_that_servers_expect() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/prefix/api/v1/query"))
        .and(header("content-type", "application/x-www-form-urlencoded"))
        .and(header("x-scope-orgid", "shop"))
        .and(header("authorization", "Bearer token-1"))
        .and(body_string_contains("query=sum%28a%7Bb%3D%22c%22%7D%29"))
        .and(body_string_contains("time=1700000000.250"))
        .and(body_string_contains("timeout=5000ms"))
        .and(body_string_contains("limit=20000"))
        .respond_with(one("1"))
        .mount(&server)
        .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "token-1\n").unwrap();
    let api = api_server().await;
    let text = format!(
        "{{name: default, url: '{}/prefix/', headers: {{X-Scope-OrgID: shop}}, bearerTokenFile: '{}'}}",
        server.uri(),
        file.path().display()
    );
    let settings = Settings { sources: vec![config(&text)], ..Settings::default() };
    let sources = Sources::new(client(&api.uri()), ballast::clock::Clock::real(), settings, Arc::new(Watched::default()));
    let at = ballast::core::Time::from_millis(1_700_000_000_250);
    let readings = sources.collect(&[web(r#"sum(a{b="c"})"#)], at).await;
    assert!((total(&readings[0]) - 1000.0).abs() < 1e-9, "{readings:?}");
}

#[rstest]
#[case::metadata("http://169.254.169.254/latest")]
#[case::decimal("http://2852039166")]
#[case::instance_settings("http://192.0.0.192/opc/v2")]
#[case::six_to_four_loopback("http://[2002:7f00:1::]")]
#[case::six_to_four_private("http://[2002:0a00:0001::1]:9090")]
#[case::mapped("http://[::ffff:169.254.169.254]")]
#[case::nat64("http://[64:ff9b::a9fe:a9fe]")]
#[case::six_to_four("http://[2002:a9fe:a9fe::1]")]
#[case::wire_server("http://168.63.129.16")]
#[case::link_local("http://[fe80::1]:9090")]
#[case::unspecified("http://0.0.0.0:9090")]
#[case::unspecified_v6("http://[::]:9090")]
#[case::loopback("http://127.0.0.1:9090")]
#[case::loopback_v6("http://[::1]:9090")]
#[case::name("http://localhost:9090")]
#[tokio::test]
async fn a_tenants_source_leads_to_no_reserved_address(#[case] url: &str) {
    let api = api_server().await;
    let own = Watched::with("shop", "own", json!({"url": url}));
    let sources = Sources::new(client(&api.uri()), ballast::clock::Clock::real(), Settings::default(), Arc::new(own));
    let readings = sources.collect(&[ask("shop", "web", &[], query("own", "up"))], now()).await;
    let (kind, message) = failed(&readings[0]);
    assert!(kind == FailureKind::Refused && message.contains("reserved address"), "{url}: {kind:?} {message}");
    let fault = sources.check("shop", "own").await.unwrap().unwrap_err();
    assert_eq!(fault.cause, Cause::AddressRefused);
    assert!(fault.failure.message.starts_with(&format!("spec.url: {url}: ")), "{}", fault.failure.message);
}

#[tokio::test]
async fn loopback_is_open_to_tenants_only_when_the_operator_says_so() {
    let server = prometheus(one("1")).await;
    let api = api_server().await;
    let url = server.uri().replace("127.0.0.1", "localhost");
    let own = Watched::with("shop", "own", json!({"url": url}));
    let readings = sources_of(&api.uri(), "http://127.0.0.1:9", own).collect(&[ask("shop", "web", &[], query("own", "up"))], now()).await;
    assert!((total(&readings[0]) - 1000.0).abs() < 1e-9);
}
