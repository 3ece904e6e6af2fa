//! Which server a source's name means, where its secrets come from, and when both are read again.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;

use std::sync::Arc;
use std::time::Duration;

use ballast::clock::Clock;
use ballast::core::Time;
use ballast::source::{Settings, Sources};
use serde_json::{Value, json};
use source_support::kubernetes::{Watched, api_server, client, forget, requests, serve, serve_failure};
use source_support::{ask, config, query, total};
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
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(401)).with_priority(9).mount(&server).await;
    Mock::given(method("POST")).and(header(name, content)).respond_with(answer(1)).mount(&server).await;
    server
}

fn secret(name: &str, key: &str, base64: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "shop", "name": name}, "data": {key: base64}})
}

/// The total that `namespace` gets from `source`, or the failure's text.
async fn get(sources: &Arc<Sources>, namespace: &str, source: &str) -> Result<f64, String> {
    let readings = sources.collect(&[ask(namespace, "web", &[], query(source, "up"))], at()).await;
    match &readings[0] {
        ballast::core::Reading::Failed(failure) => Err(failure.message.clone()),
        reading => Ok(total(reading) / 1000.0),
    }
}

fn new(api: &MockServer, clock: &Clock, watched: &Watched, settings: Settings) -> Arc<Sources> {
    Sources::new(client(&api.uri()), clock.clone(), Settings { allow_loopback: true, ..settings }, Arc::new(watched.clone()))
}

/// The spec of a source that logs in with a Secret `login`.
fn with_token(url: &str) -> Value {
    json!({"url": url, "auth": {"bearerToken": {"secretKeyRef": {"name": "login", "key": "key"}}}})
}

const LOGIN: &str = "/api/v1/namespaces/shop/secrets/login";

#[tokio::test]
async fn a_namespaces_own_source_wins_over_the_controllers() {
    let (global, own, api) = (prometheus(1).await, prometheus(2).await, api_server().await);
    let watched = Watched::with("shop", "default", json!({"url": own.uri()}));
    let settings = Settings { prometheus_url: Some(global.uri()), ..Settings::default() };
    let sources = new(&api, &Clock::manual(at()), &watched, settings);
    assert_eq!(get(&sources, "shop", "default").await, Ok(2.0));
    assert_eq!(get(&sources, "bank", "default").await, Ok(1.0));
    watched.delete("shop", "default");
    assert_eq!(get(&sources, "shop", "default").await, Ok(1.0));
}

#[tokio::test]
async fn a_change_holds_with_the_next_ask_and_costs_no_request() {
    let (first, second, api) = (prometheus(1).await, prometheus(2).await, api_server().await);
    let watched = Watched::default();
    let sources = new(&api, &Clock::manual(at()), &watched, Settings::default());
    assert!(get(&sources, "shop", "own").await.unwrap_err().contains("source own is unknown"));
    watched.set("shop", "own", json!({"url": first.uri()}));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    watched.set("shop", "own", json!({"url": second.uri()}));
    assert_eq!(get(&sources, "shop", "own").await, Ok(2.0));
    watched.set("shop", "own", json!({"url": 7}));
    let error = get(&sources, "shop", "own").await.unwrap_err();
    assert!(error.contains("MetricSource shop/own: spec: invalid type: integer `7`"), "{error}");
    assert_eq!(sources.health()["shop/own"].is_up(), Some(false), "what cannot be asked is not up");
    watched.delete("shop", "own");
    assert!(!sources.health().contains_key("shop/own"), "what is gone has no health");
    assert!(get(&sources, "shop", "own").await.unwrap_err().contains("source own is unknown"));
    assert_eq!(api.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_secret_is_read_again_after_a_while_or_when_its_source_changes() {
    let (server, api) = (guarded("authorization", "Bearer old").await, api_server().await);
    serve(&api, LOGIN, secret("login", "key", "b2xk")).await;
    let watched = Watched::with("shop", "own", with_token(&server.uri()));
    let clock = Clock::manual(at());
    let sources = new(&api, &clock, &watched, Settings::default());
    for _ in 0..3 {
        assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    }
    clock.advance(Duration::from_secs(299));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    assert_eq!(requests(&api, LOGIN).await, 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    assert_eq!(requests(&api, LOGIN).await, 2);
    watched.set("shop", "own", with_token(&server.uri()));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    assert_eq!(requests(&api, LOGIN).await, 3);
}

#[tokio::test]
async fn while_the_server_does_not_let_us_in_the_secret_is_read_again_soon() {
    let (server, api) = (guarded("authorization", "Bearer new").await, api_server().await);
    serve(&api, LOGIN, secret("login", "key", "b2xk")).await;
    let watched = Watched::with("shop", "own", with_token(&server.uri()));
    let clock = Clock::manual(at());
    let sources = new(&api, &clock, &watched, Settings::default());
    let error = get(&sources, "shop", "own").await.unwrap_err();
    assert!(error.contains("401 Unauthorized"), "{error}");
    forget(&api).await;
    serve(&api, LOGIN, secret("login", "key", "bmV3")).await;
    clock.advance(Duration::from_secs(9));
    assert!(get(&sources, "shop", "own").await.is_err());
    assert_eq!(requests(&api, LOGIN).await, 0, "a refusal must not cause a read with each ask");
    clock.advance(Duration::from_secs(1));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
}

#[tokio::test]
async fn an_api_server_that_is_away_takes_no_known_source_away() {
    let (server, api) = (guarded("authorization", "Bearer old").await, api_server().await);
    serve(&api, LOGIN, secret("login", "key", "b2xk")).await;
    let watched = Watched::with("shop", "own", with_token(&server.uri()));
    let clock = Clock::manual(at());
    let sources = new(&api, &clock, &watched, Settings::default());
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    forget(&api).await;
    serve_failure(&api, LOGIN, 503, "overloaded").await;
    clock.advance(Duration::from_secs(301));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    assert_eq!(requests(&api, LOGIN).await, 1, "and is not asked with each ask");
    clock.advance(Duration::from_secs(10));
    assert_eq!(get(&sources, "shop", "own").await, Ok(1.0));
    assert_eq!(requests(&api, LOGIN).await, 2);
    // Old secrets are not sent to a new address.
    watched.set("shop", "own", with_token(&server.uri().replace("127.0.0.1", "localhost")));
    let error = get(&sources, "shop", "own").await.unwrap_err();
    assert!(error.contains("Secret shop/login: 503 overloaded"), "{error}");
    forget(&api).await;
    clock.advance(Duration::from_secs(10));
    let error = get(&sources, "shop", "own").await.unwrap_err();
    assert!(error.contains("Secret shop/login does not exist"), "{error}");
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
    serve(&api, LOGIN, secret("login", "key", "b3BlbnNlc2FtZQo=")).await;
    let reference = json!({"secretKeyRef": {"name": "login", "key": "key"}});
    let watched = Watched::default();
    watched.set("shop", "bearer", with_token(&bearer.uri()));
    watched.set("shop", "basic", json!({"url": basic.uri(), "auth": {"basic": {"username": "ballast", "password": reference}}}));
    let header = json!([{"name": "X-Scope-OrgID", "secretKeyRef": reference["secretKeyRef"]}]);
    watched.set("shop", "tenant", json!({"url": tenant.uri(), "headers": header}));
    let sources = new(&api, &Clock::manual(at()), &watched, Settings::default());
    for name in ["bearer", "basic", "tenant"] {
        assert_eq!(get(&sources, "shop", name).await, Ok(1.0), "{name}");
        assert_eq!(sources.check("shop", name).await, Some(Ok(())), "{name}");
    }
    assert_eq!(sources.check("bank", "bearer").await, None, "a source belongs to its namespace");
}

async fn status(code: u16) -> String {
    let server = Box::leak(Box::new(MockServer::start().await));
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(code)).mount(server).await;
    server.uri()
}

/// Each with the condition's reason, and its message with path and value.
#[tokio::test]
async fn what_is_wrong_with_a_source_is_said() {
    let api = api_server().await;
    serve_failure(&api, "/api/v1/namespaces/shop/secrets/closed", 403, "secrets \"closed\" is forbidden").await;
    serve_failure(&api, "/api/v1/namespaces/shop/configmaps/closed", 403, "configmaps \"closed\" is forbidden").await;
    serve(&api, "/api/v1/namespaces/shop/secrets/other", secret("other", "else", "eA==")).await;
    serve(&api, "/api/v1/namespaces/shop/secrets/binary", secret("binary", "key", "/w==")).await;
    serve(&api, "/api/v1/namespaces/shop/secrets/lines", secret("lines", "key", "YQpi")).await;
    let url = "http://127.0.0.1:9";
    let (unauthorized, forbidden, moved, down, nothing) =
        (status(401).await, status(403).await, status(302).await, status(503).await, status(404).await);
    let key = |name: &str| json!({"secretKeyRef": {"name": name, "key": "key"}});
    let token = |name: &str| json!({"url": url, "auth": {"bearerToken": key(name)}});
    let tls = |tls: Value| json!({"url": "https://127.0.0.1:9", "tls": tls});
    let with_url = |url: &str| json!({"url": url});
    let certificate = "spec.tls.certificate: it or its key is not in PEM form";
    let bind = "bind a Role in namespace shop with verb get on";
    let account = "resourceNames [closed], to the controller's ServiceAccount";
    let cases = [
        (
            token("closed"),
            "SecretForbidden",
            format!("spec.auth.bearerToken.secretKeyRef: Secret shop/closed may not be read: {bind} secrets, {account}"),
        ),
        (token("absent"), "SecretNotFound", "spec.auth.bearerToken.secretKeyRef: Secret shop/absent does not exist".into()),
        (token("other"), "SecretKeyNotFound", "spec.auth.bearerToken.secretKeyRef: Secret shop/other has no key key".into()),
        (token("binary"), "InvalidCredentials", "spec.auth.bearerToken.secretKeyRef: key key of Secret shop/binary is not text".into()),
        (token("lines"), "InvalidCredentials", "spec.auth: the token has characters that a header cannot have".into()),
        (
            json!({"url": url, "headers": [{"name": "A", "value": "b"}, {"name": "X", "secretKeyRef": {"name": "absent", "key": "key"}}]}),
            "SecretNotFound",
            "spec.headers[1].secretKeyRef: Secret shop/absent does not exist".into(),
        ),
        (tls(json!({"ca": key("other")})), "SecretKeyNotFound", "spec.tls.ca.secretKeyRef: Secret shop/other has no key key".into()),
        (tls(json!({"ca": key("binary")})), "InvalidCertificate", "spec.tls.ca: has no certificate in PEM form".into()),
        (tls(json!({"certificate": key("binary"), "key": key("binary")})), "InvalidCertificate", certificate.into()),
        (
            tls(json!({"ca": {"configMapKeyRef": {"name": "absent", "key": "ca.crt"}}})),
            "ConfigMapNotFound",
            "spec.tls.ca.configMapKeyRef: ConfigMap shop/absent does not exist".into(),
        ),
        (
            tls(json!({"ca": {"configMapKeyRef": {"name": "closed", "key": "ca.crt"}}})),
            "ConfigMapForbidden",
            format!("spec.tls.ca.configMapKeyRef: ConfigMap shop/closed may not be read: {bind} configmaps, {account}"),
        ),
        (with_url("ftp://x"), "InvalidSpec", "spec.url: must be an http or https address".into()),
        (json!({"url": url, "timeoutSeconds": 0}), "InvalidSpec", "spec.timeoutSeconds: 0: must be 1 to 60 seconds".into()),
        (json!({"url": 7}), "InvalidSpec", "spec: invalid type: integer `7`".into()),
        (with_url("http://169.254.169.254"), "AddressRefused", "spec.url: http://169.254.169.254: 169.254.169.254 is".into()),
        (with_url("http://nowhere.invalid"), "NameNotResolved", "spec.url: http://nowhere.invalid: ".into()),
        (with_url(url), "ConnectionRefused", format!("spec.url: {url}: ")),
        (with_url(&nothing.replace("http:", "https:")), "TLSFailed", format!("spec.url: {}: ", nothing.replace("http:", "https:"))),
        (with_url(&unauthorized), "Unauthorized", "spec.auth: none: 401 Unauthorized".into()),
        (with_url(&forbidden), "Forbidden", "spec.auth: none: 403 Forbidden".into()),
        (with_url(&moved), "Redirected", format!("spec.url: {moved}: 302 Found: redirects are not followed")),
        (with_url(&down), "ServerError", format!("spec.url: {down}: 503 Service Unavailable")),
        (with_url(&nothing), "InvalidAnswer", format!("spec.url: {nothing}: 404 Not Found")),
    ];
    let watched = Watched::default();
    let sources = new(&api, &Clock::manual(at()), &watched, Settings::default());
    let mut wrong = Vec::new();
    for (spec, reason, text) in cases {
        watched.set("shop", "own", spec.clone());
        let fault = sources.check("shop", "own").await.unwrap().unwrap_err();
        if fault.cause.word() != reason || !fault.failure.message.starts_with(&text) {
            wrong.push(format!("{spec}: {} {}, not {reason} {text}", fault.cause.word(), fault.failure.message));
        }
        let said = get(&sources, "shop", "own").await.unwrap_err();
        assert!(said.starts_with("query up: MetricSource shop/own: spec") || said.starts_with("query up: source shop/own: "), "{said}");
        assert_eq!(sources.health()["shop/own"].is_up(), Some(false), "{spec}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unknown = get(&sources, "shop", "unknown").await.unwrap_err();
    let told = "source unknown is unknown: there is no MetricSource shop/unknown; sources of the controller's configuration: none";
    assert!(unknown.contains(told), "{unknown}");
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
    let settings = Settings { sources: vec![source(first.uri())], ..Settings::default() };
    let sources = new(&api, &clock, &Watched::default(), settings);
    assert_eq!(get(&sources, "shop", "main").await, Ok(1.0));
    write("two");
    clock.advance(Duration::from_secs(11));
    assert!(get(&sources, "shop", "main").await.unwrap_err().contains("401 Unauthorized"), "the new token is sent to the old server");
    sources.reload(vec![source(second.uri())]);
    assert_eq!(get(&sources, "shop", "main").await, Ok(1.0));
    std::fs::remove_file(file.path()).unwrap();
    clock.advance(Duration::from_secs(11));
    assert_eq!(get(&sources, "shop", "main").await, Ok(1.0), "what was read before is kept");
    sources.reload(vec![]);
    assert!(get(&sources, "shop", "main").await.unwrap_err().contains("source main is unknown"));
}
