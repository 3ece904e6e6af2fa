//! `MetricSource`s on a real API server: their condition, and what becomes of the policies that ask them.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod plane_support;
mod source_support;

use ballast::api::MetricSource;
use kube::CustomResourceExt;
use plane_support::{ACTIVE, AT_ONCE, Ballast, Flags, Load, Options, SOON, Story, eventually, loosen, plane, run};
use serde_json::{Value, json};
use source_support::gate::bearer_gate;
use source_support::live::Exporter;
use source_support::prometheus::{Prometheus, Web};
use tokio::sync::OnceCell;

struct World {
    exporter: Exporter,
    open: Prometheus,
    /// Wants user `ballast` with password `opensesame`.
    locked: Prometheus,
    ballast: Ballast,
}

async fn begin() -> (Story, &'static World) {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let story = Story::begin(plane).await;
    let world = WORLD
        .get_or_init(async || {
            let exporter = Exporter::start().await;
            let open = Prometheus::start(Some(exporter.address), Web::default()).await;
            let users = Web { config: Some(format!("basic_auth_users: {{ballast: '{HASH}'}}\n")), ..Web::default() };
            let locked = Prometheus::start(Some(exporter.address), users).await;
            let flags = Flags { downscale_stabilization: "2s", more: vec!["--allow-loopback-sources".into()], ..Flags::default() };
            let ballast = Ballast::start(plane, "source", &flags).await;
            World { exporter, open, locked, ballast }
        })
        .await;
    (story, world)
}

/// bcrypt of "opensesame" with the lowest cost.
const HASH: &str = "$2b$04$AW.yYR5oZT58V28ur8hfgu69p.wE4mc0flqyZaP3DKORuv7ZRakyq";

const READY: &str = "{.status.conditions[?(@.type==\"Ready\")]}";

async fn source(story: &Story, name: &str, spec: Value) {
    story.apply(json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "MetricSource", "metadata": { "name": name }, "spec": spec })).await;
}

/// A Deployment of four pods under a policy that asks this source, once a minute unless something happens, and should get six.
async fn asks(story: &Story, world: &World, source: &str) -> String {
    let app = story.deployment(source, 4, Load::Total(200)).await;
    story.ready(&app, 4).await;
    world.exporter.gauge(&format!("depth{{app=\"{app}\"}}"), 57.0);
    // A scrape that came late on a busy machine must not look like an empty answer.
    let query = format!("sum(last_over_time(depth{{app=\"{app}\"}}[1m]))");
    eventually("Prometheus has the series", SOON, async || {
        let url = format!("{}/api/v1/query", world.open.url);
        let answer = reqwest::Client::new().post(url).form(&[("query", &query)]).send().await.map_err(|error| error.to_string())?;
        let text = answer.text().await.unwrap_or_default();
        if text.contains("57") { Ok(()) } else { Err(text) }
    })
    .await;
    let target = json!({ "type": "AverageValue", "averageValue": "10" });
    let metric = json!({ "type": "Prometheus", "prometheus": { "name": "depth", "source": source, "query": query, "target": target } });
    story.policy(&app, "Deployment", &app, json!({ "metrics": [metric] })).await;
    app
}

#[test]
fn a_source_works_from_when_it_is_made_and_until_it_is_deleted() {
    run(async {
        let (story, world) = begin().await;
        let app = asks(&story, world, "shop").await;
        let policy = format!("sp/{app}");
        let unknown = format!("there is no MetricSource {}/shop", story.namespace);
        story.shows(SOON, &policy, ACTIVE, &unknown).await;

        source(&story, "shop", json!({ "url": "http://127.0.0.1:9" })).await;
        story.shows(AT_ONCE, "metricsource/shop", READY, "\"reason\":\"ConnectionRefused\",\"status\":\"False\"").await;
        story.describes("metricsource", "shop", &["Warning", "SourceNotReady", "refused"]).await;
        story.shows(AT_ONCE, &policy, ACTIVE, "Connection refused").await;

        source(&story, "shop", json!({ "url": world.open.url })).await;
        story.shows(AT_ONCE, "metricsource/shop", READY, "\"reason\":\"QueryAnswered\",\"status\":\"True\"").await;
        story.describes("metricsource", "shop", &["Normal", "SourceReady"]).await;
        story.size(AT_ONCE, &app, 6).await;
        let table = story.kubectl(&["get", "metricsources"]).await;
        assert!(table.contains("True") && table.contains("QueryAnswered") && table.contains(&world.open.url), "{table}");

        // The load is gone, and so is who could say so: the size stays.
        world.exporter.gauge(&format!("depth{{app=\"{app}\"}}"), 0.0);
        story.kubectl(&["delete", "metricsource/shop"]).await;
        story.shows(AT_ONCE, &policy, ACTIVE, &unknown).await;
        story.shows(AT_ONCE, &policy, ACTIVE, "\"status\":\"False\"").await;
        story.size(SOON, &app, 6).await;
    });
}

#[test]
fn an_edited_address_is_asked_at_once() {
    run(async {
        let (story, world) = begin().await;
        source(&story, "moved", json!({ "url": world.open.url })).await;
        let app = asks(&story, world, "moved").await;
        story.size(AT_ONCE, &app, 6).await;
        let ready = |url: &str| json!({ "url": url });
        source(&story, "moved", ready(&world.locked.url)).await;
        let policy = format!("sp/{app}");
        story.shows(AT_ONCE, "metricsource/moved", READY, "\"reason\":\"Unauthorized\"").await;
        story.shows(AT_ONCE, "metricsource/moved", READY, "spec.auth: none: 401 Unauthorized").await;
        story.shows(AT_ONCE, &policy, ACTIVE, "401 Unauthorized").await;
        source(&story, "moved", ready(&world.open.url)).await;
        story.shows(AT_ONCE, &policy, ACTIVE, "\"status\":\"True\"").await;
        story.shows(AT_ONCE, "metricsource/moved", READY, "\"observedGeneration\":3").await;
        story.shows(AT_ONCE, "metricsource/moved", "{.status.observedGeneration}", "3").await;
    });
}

#[test]
fn a_token_is_sent_and_read_again_when_its_source_is_touched() {
    run(async {
        let (story, world) = begin().await;
        let gate = bearer_gate(&world.open.url, "opensesame").await;
        let app = asks(&story, world, "gated").await;
        let token = json!({ "secretKeyRef": { "name": "token", "key": "value" } });
        source(&story, "gated", json!({ "url": gate, "auth": { "bearerToken": token } })).await;
        let path = "spec.auth.bearerToken.secretKeyRef";
        let touch = async |value: &str| {
            story.kubectl(&["annotate", "--overwrite", "metricsource/gated", &format!("example.com/touched={value}")]).await;
        };
        let secret = |key: &str, text: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token" }, "stringData": { key: text } });
        story.shows(AT_ONCE, "metricsource/gated", READY, "\"reason\":\"SecretNotFound\",\"status\":\"False\"").await;
        story.shows(AT_ONCE, "metricsource/gated", READY, &format!("{path}: Secret {}/token does not exist", story.namespace)).await;
        story.apply(secret("other", "opensesame")).await;
        touch("1").await;
        story.shows(AT_ONCE, "metricsource/gated", READY, "\"reason\":\"SecretKeyNotFound\"").await;
        story.shows(AT_ONCE, "metricsource/gated", READY, &format!("{path}: Secret {}/token has no key value", story.namespace)).await;
        story.apply(secret("value", "wrong")).await;
        touch("2").await;
        story.shows(AT_ONCE, "metricsource/gated", READY, "spec.auth: bearerToken: 401 Unauthorized").await;
        story.size(SOON, &app, 4).await;
        story.apply(secret("value", "opensesame")).await;
        touch("3").await;
        story.shows(AT_ONCE, "metricsource/gated", READY, "\"reason\":\"QueryAnswered\",\"status\":\"True\"").await;
        story.size(AT_ONCE, &app, 6).await;

        // Whoever only looks again writes nothing, though it is the same answer.
        touch("4").await;
        let version = story.get("metricsource/gated", "{.metadata.resourceVersion}").await;
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        assert_eq!(story.get("metricsource/gated", "{.metadata.resourceVersion}").await, version);
        let said = story.get("metricsource/gated", "{.status}").await + &world.ballast.tail();
        assert!(!said.contains("opensesame"), "{said}");
    });
}

#[test]
fn a_malformed_source_says_so_and_disturbs_no_other() {
    run(async {
        let (story, world) = begin().await;
        loosen(&story, MetricSource::crd()).await;
        source(&story, "sound", json!({ "url": world.open.url })).await;
        source(&story, "malformed", json!({ "url": 7 })).await;
        source(&story, "impossible", json!({ "url": world.open.url, "timeoutSeconds": 99 })).await;
        story.shows(AT_ONCE, "metricsource/malformed", READY, "\"reason\":\"InvalidSpec\",\"status\":\"False\"").await;
        story.shows(AT_ONCE, "metricsource/malformed", READY, "spec.url: 7: must be a string").await;
        story.describes("metricsource", "malformed", &["Warning", "SourceNotReady", "spec.url"]).await;
        story.shows(AT_ONCE, "metricsource/impossible", READY, "spec.timeoutSeconds: 99: must be 1 to 60 seconds").await;
        let app = asks(&story, world, "sound").await;
        story.size(AT_ONCE, &app, 6).await;
        let lost = asks(&story, world, "malformed").await;
        story.shows(AT_ONCE, &format!("sp/{lost}"), ACTIVE, "spec.url: 7").await;
        story.size(SOON, &lost, 4).await;
        source(&story, "malformed", json!({ "url": world.open.url })).await;
        story.size(AT_ONCE, &lost, 6).await;
        story.shows(AT_ONCE, "metricsource/malformed", READY, "\"status\":\"True\"").await;
    });
}

#[test]
fn a_password_may_come_late_and_may_change() {
    run(async {
        let (story, world) = begin().await;
        let app = asks(&story, world, "locked").await;
        let password = json!({ "secretKeyRef": { "name": "login", "key": "password" } });
        let spec = json!({ "url": world.locked.url, "auth": { "basic": { "username": "ballast", "password": password } } });
        source(&story, "locked", spec).await;
        let missing = format!("Secret {}/login does not exist", story.namespace);
        story.shows(AT_ONCE, "metricsource/locked", READY, &missing).await;
        let secret = |text: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "login" }, "stringData": { "password": text } });
        story.apply(secret("wrong")).await;
        story.shows(2 * SOON, "metricsource/locked", READY, "401").await;
        story.apply(secret("opensesame")).await;
        // Secrets are not watched, but read again while the server refuses.
        story.shows(3 * SOON, "metricsource/locked", READY, "QueryAnswered").await;
        // The policy does not wait for its interval.
        story.size(AT_ONCE, &app, 6).await;
    });
}

#[test]
fn sources_are_their_namespaces_own_and_their_health_is_exported() {
    run(async {
        let ((story, world), (other, _)) = (begin().await, begin().await);
        source(&story, "mine", json!({ "url": world.open.url })).await;
        let (own, foreign) = (asks(&story, world, "mine").await, asks(&other, world, "mine").await);
        story.size(AT_ONCE, &own, 6).await;
        other.shows(SOON, &format!("sp/{foreign}"), ACTIVE, &format!("there is no MetricSource {}/mine", other.namespace)).await;
        other.size(SOON, &foreign, 4).await;

        let token = json!({ "secretKeyRef": { "name": "absent", "key": "value" } });
        source(&story, "barred", json!({ "url": world.open.url, "auth": { "bearerToken": token } })).await;
        source(&story, "closed", json!({ "url": "http://127.0.0.1:9" })).await;
        let labels = |name: &str| format!("source=\"{}/{name}\"", story.namespace);
        let wanted = [
            format!("ballast_source_up{{{}}} 1\n", labels("mine")),
            format!("ballast_source_last_success_timestamp_seconds{{{}}} 1", labels("mine")),
            format!("ballast_source_failures_total{{{},kind=\"unreachable\"}} 0\n", labels("mine")),
            format!("ballast_source_up{{{}}} 0\n", labels("barred")),
            format!("ballast_source_up{{{}}} 0\n", labels("closed")),
            format!("ballast_source_failures_total{{{},kind=\"unreachable\"}} ", labels("closed")),
        ];
        eventually("health is exported", SOON, async || {
            let text = world.ballast.metrics().await;
            let missing: Vec<_> = wanted.iter().filter(|line| !text.contains(*line)).collect();
            if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} in {text}")) }
        })
        .await;
        story.kubectl(&["delete", "metricsources", "--all"]).await;
        eventually("health of what is gone is gone", AT_ONCE, async || {
            let text = world.ballast.metrics().await;
            if text.contains(&format!("\"{}/", story.namespace)) { Err(text) } else { Ok(()) }
        })
        .await;
    });
}

#[test]
fn an_address_of_the_machine_itself_and_a_bad_authority_are_refused() {
    run(async {
        let (story, _) = begin().await;
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "ca" }, "stringData": { "ca.crt": "nothing" } });
        story.apply(secret).await;
        let tls = json!({ "ca": { "secretKeyRef": { "name": "ca", "key": "ca.crt" } } });
        source(&story, "bad-ca", json!({ "url": "https://127.0.0.1:9", "tls": tls })).await;
        story.shows(AT_ONCE, "metricsource/bad-ca", READY, "\"reason\":\"InvalidCertificate\"").await;
        story.shows(AT_ONCE, "metricsource/bad-ca", READY, "spec.tls.ca: has no certificate in PEM form").await;
        source(&story, "metadata", json!({ "url": "http://169.254.169.254" })).await;
        story.shows(AT_ONCE, "metricsource/metadata", READY, "\"reason\":\"AddressRefused\"").await;
        story.describes("metricsource", "metadata", &["Warning", "SourceNotReady", "169.254.169.254"]).await;
    });
}
