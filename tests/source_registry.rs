//! Which server a source's name means, where its secrets come from, and when both are read again.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;

use std::time::Duration;

use ballast::clock::Clock;
use ballast::core::{FailureKind, Time};
use ballast::source::{Settings, Sources};
use serde_json::{Value, json};
use source_support::kubernetes::{api_server, client, forget, metric_source, metric_source_path, requests, serve, serve_failure};
use source_support::{ask, config, failed, query, total};
use wiremock::matchers::{header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn at() -> Time {
    Time::from_secs(1_700_000_000)
}

fn answer(value: u32) -> ResponseTemplate {
    let result = json!([1, value.to_string()]);
    ResponseTemplate::new(200).set_body_json(json!({"status": "success", "data": {"resultType": "scalar", "result": result}}))
}

async fn prometheus(value: u32) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer(value)).mount(&server).await;
    server
}

/// Answers only those who send this header.
async fn guarded(name: &'static str, content: &str) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(header(name, content)).respond_with(answer(1)).mount(&server).await;
    server
}

fn secret(name: &str, key: &str, base64: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "shop", "name": name}, "data": {key: base64}})
}

/// The total that `namespace` gets from `source`, or the failure's text.
async fn get(sources: &Sources, namespace: &str, source: &str) -> Result<f64, String> {
    let readings = sources.collect(&[ask(namespace, "web", &[], query(source, "up"))], at()).await;
    match &readings[0] {
        ballast::core::Reading::Failed(failure) => Err(failure.message.clone()),
        reading => Ok(total(reading) / 1000.0),
    }
}

fn new(api: &MockServer, clock: &Clock, settings: Settings) -> Sources {
    Sources::new(client(&api.uri()), clock.clone(), Settings { allow_loopback: true, ..settings })
}

#[tokio::test]
async fn a_namespaces_own_source_wins_over_the_controllers() {
    let (global, own, api) = (prometheus(1).await, prometheus(2).await, api_server().await);
    serve(&api, &metric_source_path("shop", "default"), metric_source("shop", "default", json!({"url": own.uri()}))).await;
    let clock = Clock::manual(at());
    let sources = new(&api, &clock, Settings { prometheus_url: Some(global.uri()), ..Settings::default() });
    assert_eq!(get(&sources, "shop", "default").await, Ok(2.0));
    assert_eq!(get(&sources, "bank", "default").await, Ok(1.0));
}

#[tokio::test]
async fn an_object_is_read_again_after_a_while_only() {
    let (first, second, api) = (prometheus(1).await, prometheus(2).await, api_server().await);
    let at_path = metric_source_path("shop", "own");
    serve(&api, &at_path, metric_source("shop", "own", json!({"url": first.uri()}))).await;
    let clock = Clock::manual(at());
    let sources = new(&api, &clock, Settings::default());
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    forget(&api).await;
    serve(&api, &at_path, metric_source("shop", "own", json!({"url": second.uri()}))).await;
    clock.advance(Duration::from_secs(299));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    assert_eq!(requests(&api, &at_path).await, 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(get(&sources, "shop", "own").await, Ok(2.0));
}

#[tokio::test]
async fn a_change_that_is_told_is_read_at_once() {
    let (first, second, api) = (prometheus(1).await, prometheus(2).await, api_server().await);
    let at_path = metric_source_path("shop", "own");
    let sources = new(&api, &Clock::manual(at()), Settings::default());
    assert!(get(&sources, "shop", "own").await.unwrap_err().contains("source own is unknown"));
    serve(&api, &at_path, metric_source("shop", "own", json!({"url": first.uri()}))).await;
    sources.changed("shop", "own");
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    forget(&api).await;
    serve(&api, &at_path, metric_source("shop", "own", json!({"url": second.uri()}))).await;
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0), "nobody said that it changed");
    sources.changed("shop", "own");
    assert_eq!(get(&sources, "shop", "own").await, Ok(2.0));
}

#[tokio::test]
async fn while_the_server_refuses_its_secret_is_read_again_sooner() {
    let (server, api) = (guarded("authorization", "Bearer new").await, api_server().await);
    let reference = json!({"secretKeyRef": {"name": "login", "key": "key"}});
    serve(
        &api,
        &metric_source_path("shop", "own"),
        metric_source("shop", "own", json!({"url": server.uri(), "auth": {"bearerToken": reference}})),
    )
    .await;
    let secret_path = "/api/v1/namespaces/shop/secrets/login";
    serve(&api, secret_path, secret("login", "key", "b2xk")).await;
    let clock = Clock::manual(at());
    let sources = new(&api, &clock, Settings::default());
    assert!(get(&sources, "shop", "own").await.is_err());
    forget(&api).await;
    serve(
        &api,
        &metric_source_path("shop", "own"),
        metric_source("shop", "own", json!({"url": server.uri(), "auth": {"bearerToken": reference}})),
    )
    .await;
    serve(&api, secret_path, secret("login", "key", "bmV3")).await;
    clock.advance(Duration::from_secs(31));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
}

#[tokio::test]
async fn an_api_server_that_is_away_takes_no_known_source_away() {
    let (server, api) = (prometheus(1).await, api_server().await);
    let at_path = metric_source_path("shop", "own");
    serve(&api, &at_path, metric_source("shop", "own", json!({"url": server.uri()}))).await;
    let clock = Clock::manual(at());
    let sources = new(&api, &clock, Settings::default());
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    forget(&api).await;
    serve_failure(&api, &at_path, 503, "overloaded").await;
    clock.advance(Duration::from_secs(301));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    assert_eq!(requests(&api, &at_path).await, 1);
    forget(&api).await;
    clock.advance(Duration::from_secs(301));
    assert!(get(&sources, "shop", "own").await.unwrap_err().contains("source own is unknown"), "a deleted source is gone");
}

#[tokio::test]
async fn secrets_of_the_namespace_are_sent() {
    let (bearer, basic, tenant, api) = (
        guarded("authorization", "Bearer opensesame").await,
        guarded("authorization", "Basic YmFsbGFzdDpvcGVuc2VzYW1l").await,
        guarded("x-scope-orgid", "opensesame").await,
        api_server().await,
    );
    // "opensesame" with a line break.
    serve(&api, "/api/v1/namespaces/shop/secrets/login", secret("login", "key", "b3BlbnNlc2FtZQo=")).await;
    let reference = json!({"secretKeyRef": {"name": "login", "key": "key"}});
    for (name, spec) in [
        ("bearer", json!({"url": bearer.uri(), "auth": {"bearerToken": reference}})),
        ("basic", json!({"url": basic.uri(), "auth": {"basic": {"username": "ballast", "password": reference}}})),
        ("tenant", json!({"url": tenant.uri(), "headers": [{"name": "X-Scope-OrgID", "secretKeyRef": reference["secretKeyRef"]}]})),
    ] {
        serve(&api, &metric_source_path("shop", name), metric_source("shop", name, spec)).await;
    }
    let sources = new(&api, &Clock::manual(at()), Settings::default());
    for name in ["bearer", "basic", "tenant"] {
        assert_eq!(get(&sources, "shop", name).await, Ok(1.0), "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_source_is_said() {
    let api = api_server().await;
    serve_failure(&api, "/api/v1/namespaces/shop/secrets/closed", 403, "secrets \"closed\" is forbidden").await;
    serve(&api, "/api/v1/namespaces/shop/secrets/other", secret("other", "else", "eA==")).await;
    serve(&api, "/api/v1/namespaces/shop/secrets/binary", secret("binary", "key", "/w==")).await;
    serve_failure(&api, &metric_source_path("shop", "hidden"), 403, "metricsources \"hidden\" is forbidden").await;
    let token = |name: &str| json!({"url": "http://127.0.0.1:9", "auth": {"bearerToken": {"secretKeyRef": {"name": name, "key": "key"}}}});
    for (name, spec) in [
        ("closed", token("closed")),
        ("absent", token("absent")),
        ("other", token("other")),
        ("binary", token("binary")),
        ("url", json!({"url": "ftp://x"})),
        ("down", json!({"url": "http://127.0.0.1:9"})),
    ] {
        serve(&api, &metric_source_path("shop", name), metric_source("shop", name, spec)).await;
    }
    let sources = new(&api, &Clock::manual(at()), Settings::default());
    for (name, kind, text) in [
        (
            "closed",
            FailureKind::Refused,
            "MetricSource shop/closed: Secret shop/closed may not be read: bind a Role in namespace shop with verb get on secrets, resourceNames [closed], to the controller's ServiceAccount",
        ),
        ("absent", FailureKind::Refused, "Secret shop/absent does not exist"),
        ("other", FailureKind::Refused, "Secret shop/other has no key key"),
        ("binary", FailureKind::Refused, "key key of Secret shop/binary is not text"),
        ("hidden", FailureKind::Refused, "403 metricsources \"hidden\" is forbidden"),
        ("url", FailureKind::Refused, "spec.url: must be an http or https address"),
        ("down", FailureKind::Unreachable, "source shop/down: "),
        (
            "unknown",
            FailureKind::Refused,
            "source unknown is unknown: there is no MetricSource shop/unknown; sources of the controller's configuration: none",
        ),
    ] {
        let readings = sources.collect(&[ask("shop", "web", &[], query(name, "up"))], at()).await;
        let (found, message) = failed(&readings[0]);
        assert!(found == kind && message.contains(text), "{name}: {found:?} {message}");
    }
}

#[tokio::test]
async fn files_are_read_again_and_the_list_can_be_replaced() {
    let (first, second, api) =
        (guarded("authorization", "Bearer one").await, guarded("authorization", "Bearer two").await, api_server().await);
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |text: &str| std::fs::write(file.path(), text).unwrap();
    let source = |url: String| config(&format!("{{name: main, url: '{url}', bearerTokenFile: '{}'}}", file.path().display()));
    write("one");
    let clock = Clock::manual(at());
    let sources = new(&api, &clock, Settings { sources: vec![source(first.uri())], ..Settings::default() });
    assert_eq!(get(&sources, "shop", "main").await, Ok(1.0));
    write("two");
    clock.advance(Duration::from_secs(11));
    assert!(get(&sources, "shop", "main").await.unwrap_err().contains("404 Not Found"), "the new token is sent to the old server");
    sources.reload(vec![source(second.uri())]);
    assert_eq!(get(&sources, "shop", "main").await, Ok(1.0));
    std::fs::remove_file(file.path()).unwrap();
    clock.advance(Duration::from_secs(11));
    assert_eq!(get(&sources, "shop", "main").await, Ok(1.0), "what was read before is kept");
    sources.reload(vec![]);
    assert!(get(&sources, "shop", "main").await.unwrap_err().contains("source main is unknown"));
}
