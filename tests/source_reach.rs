//! Where a tenant's `MetricSource` may lead, in every form of a url, and what the operator can say about it.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod source_support;

use std::sync::Arc;

use ballast::clock::Clock;
use ballast::source::prometheus::{LiveLimits, SourceLimits};
use ballast::source::{Cause, Settings, Sources};
use rstest::rstest;
use serde_json::json;
use source_support::kubernetes::{Watched, api_server, client};
use source_support::{ask, failed, now, query, sources_of, total};
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn limits(text: &str) -> SourceLimits {
    serde_saphyr::from_str(text).unwrap()
}

/// Why a source with this url cannot be used, once asked.
async fn fault(url: &str, settings: Settings) -> (Cause, String) {
    let api = api_server().await;
    let own = Watched::with("shop", "own", json!({ "url": url }));
    let sources = Sources::new(client(&api.uri()), Clock::real(), settings, Arc::new(own));
    let fault = sources.check("shop", "own").await.unwrap().unwrap_err();
    (fault.cause, fault.failure.message)
}

/// Every way to write an address that must not be reached, and what is no plain address of a server.
#[rstest]
#[case::decimal("http://2130706433", Cause::AddressRefused)]
#[case::hexadecimal("http://0x7f000001", Cause::AddressRefused)]
#[case::hexadecimal_parts("http://0x7f.1", Cause::AddressRefused)]
#[case::octal("http://0177.0.0.1", Cause::AddressRefused)]
#[case::mixed("http://0xa9.0376.43518", Cause::AddressRefused)]
#[case::short("http://127.1:9090", Cause::AddressRefused)]
#[case::zero("http://0", Cause::AddressRefused)]
#[case::trailing_dot("http://127.0.0.1.", Cause::AddressRefused)]
#[case::percent("http://%31%32%37.0.0.1", Cause::InvalidSpec)]
#[case::wide_digits("http://１２７.0.0.1", Cause::InvalidSpec)]
#[case::mapped("http://[::ffff:7f00:1]:9090", Cause::AddressRefused)]
#[case::compatible("http://[::127.0.0.1]", Cause::AddressRefused)]
#[case::translated("http://[::ffff:0:a9fe:a9fe]", Cause::AddressRefused)]
#[case::local_nat64("http://[64:ff9b:1::a9fe:a9fe]", Cause::AddressRefused)]
#[case::zone("http://[fe80::1%25eth0]", Cause::InvalidSpec)]
#[case::metadata_v6("http://[fd00:ec2::254]", Cause::AddressRefused)]
#[case::user("http://user:password@prometheus", Cause::InvalidSpec)]
#[case::at_sign("http://good.example@169.254.169.254", Cause::InvalidSpec)]
#[case::backslash(r"http://good.example\@169.254.169.254", Cause::InvalidSpec)]
#[case::fragment("http://169.254.169.254#.good.example", Cause::InvalidSpec)]
#[case::question("http://169.254.169.254?.good.example", Cause::InvalidSpec)]
#[case::ftp("ftp://prometheus", Cause::InvalidSpec)]
#[case::file("file:///etc/passwd", Cause::InvalidSpec)]
#[case::gopher("gopher://127.0.0.1:6379/_x", Cause::InvalidSpec)]
#[case::no_host("http:///api", Cause::InvalidSpec)]
#[case::new_line("http://prometheus\r\nX-Evil: 1", Cause::InvalidSpec)]
#[case::kubelet("http://10.11.12.13:10250", Cause::AddressRefused)]
#[case::etcd("https://10.11.12.13:2379", Cause::AddressRefused)]
#[tokio::test]
async fn no_form_of_a_url_gets_around_the_check(#[case] url: &str, #[case] expected: Cause) {
    let (cause, message) = fault(url, Settings::default()).await;
    assert_eq!(cause, expected, "{url}: {message}");
    assert!(message.starts_with("spec.url: ") && !message.contains("password"), "{message}");
}

#[tokio::test]
async fn the_api_server_is_out_of_reach() {
    let api_server = Some(([10, 96, 0, 1], 443).into());
    let (cause, message) = fault("https://10.96.0.1", Settings { api_server, ..Settings::default() }).await;
    assert_eq!(cause, Cause::AddressRefused);
    assert!(message.contains("port 443 is the cluster's API server"), "{message}");
}

/// The limits hold from the moment they change, also for sources in use, and say what is allowed.
#[tokio::test]
async fn limits_hold_at_once_and_say_what_is_allowed() {
    let (server, api) = (MockServer::start().await, api_server().await);
    let body = json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}});
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    // By its name, since loopback addresses are a matter of their own.
    let url = server.uri().replace("127.0.0.1", "localhost");
    let own = Watched::with("shop", "own", json!({ "url": url }));
    let live = Arc::new(LiveLimits::default());
    let settings = Settings { allow_loopback: true, limits: Arc::clone(&live), ..Settings::default() };
    let sources = Sources::new(client(&api.uri()), Clock::real(), settings, Arc::new(own));
    let asks = [ask("shop", "web", &[], query("own", "up"))];
    assert!((total(&sources.collect(&asks, now()).await[0]) - 1000.0).abs() < 1e-9);

    live.set(limits("{allowedHosts: [prometheus.monitoring.svc]}"));
    let fault = sources.check("shop", "own").await.unwrap().unwrap_err();
    let port = server.address().port();
    assert_eq!(fault.cause, Cause::AddressRefused);
    assert_eq!(
        fault.failure.message,
        format!(
            "spec.url: {url}: localhost:{port} is not allowed: a MetricSource may lead to prometheus.monitoring.svc (metricSources of the \
             controller's configuration)"
        )
    );
    let asked = server.received_requests().await.unwrap().len();
    let readings = sources.collect(&asks, now()).await;
    assert!(failed(&readings[0]).1.contains("is not allowed"), "{readings:?}");
    assert_eq!(server.received_requests().await.unwrap().len(), asked, "nothing is sent to what is not allowed");

    live.set(limits(&format!("{{allowedHosts: ['localhost:{port}']}}")));
    assert!((total(&sources.collect(&asks, now()).await[0]) - 1000.0).abs() < 1e-9);
}

/// What a tenant's server answers with leads nowhere else: the other one is never asked.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, inner, api) = (MockServer::start().await, MockServer::start().await, api_server().await);
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&inner).await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = ResponseTemplate::new(status).insert_header("location", format!("{}/latest/meta-data", inner.uri()).as_str());
        server.reset().await;
        Mock::given(any()).respond_with(redirect).mount(&server).await;
        let own = Watched::with("shop", "own", json!({ "url": server.uri() }));
        let readings =
            sources_of(&api.uri(), "http://127.0.0.1:9", own).collect(&[ask("shop", "web", &[], query("own", "up"))], now()).await;
        assert!(failed(&readings[0]).1.contains("redirects are not followed"), "{readings:?}");
    }
    assert!(inner.received_requests().await.unwrap().is_empty());
}

/// The environment's proxy would resolve names, and reach what only it can, behind the back of every check.
#[tokio::test]
async fn no_proxy_of_the_environment_is_used() {
    let (server, proxy) = (MockServer::start().await, MockServer::start().await);
    Mock::given(any()).respond_with(ResponseTemplate::new(400).set_body_string("asked")).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(502)).mount(&proxy).await;
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/simulate/policy.yaml");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ballast"));
    command.args(["replay", policy, "--prometheus", &server.uri(), "--from", "-1h"]).env("NO_PROXY", "").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, proxy.uri());
    }
    let output = command.output().await.unwrap();
    let asked = server.received_requests().await.unwrap().len();
    assert!(asked > 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(proxy.received_requests().await.unwrap().is_empty());
}
