//! Queries at a real Prometheus.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;
mod support_faults;

use std::sync::Arc;
use std::time::Duration;

use ballast::clock::Clock;
use ballast::core::{FailureKind, Reading};
use ballast::source::{Ask, Settings, Sources, WhenEmpty};
use source_support::kubernetes::{Watched, api_server, client};
use source_support::prometheus::{self, Prometheus, Web};
use source_support::{ask, config, failed, now, per_pod, provider, query, sources, sources_of, total};
use support_faults::{Fault, FaultProxy};

const METRICS: &str = r#"
queue_length 42
load{pod="web-1",namespace="shop"} 0.25
load{pod="web-2",namespace="shop"} 1.5
load{pod="web-1",namespace="other"} 7
dotted{pod="web-1.x",namespace="shop"} 1
dotted{pod="web-1yx",namespace="shop"} 10
unlabelled{namespace="shop"} 5
requests_total{pod="web-1",namespace="shop"} {scrapes}
"#;

async fn scraped() -> Prometheus {
    prometheus::scraped(METRICS, "requests_total", 5).await
}

fn web(promql: &str) -> Ask {
    ask("shop", "web", &["web-1", "web-2", "web-3"], query("default", promql))
}

#[tokio::test]
async fn one_tick_asks_everything() {
    let (server, api) = (scraped().await, api_server().await);
    let sources = sources(&api.uri(), &server.url);
    let zero = Ask {
        query: ballast::source::Query::Prometheus(ballast::source::PrometheusQuery {
            when_empty: WhenEmpty::Zero,
            ..query("default", "nothing")
        }),
        ..web("")
    };
    let no_pods = Ask { pods: std::sync::Arc::from([]), ..web(r#"count(up{pod=~"${pods}"})"#) };
    let dotted = ask("shop", "web", &["web-1.x"], query("default", r#"sum(dotted{pod=~"${pods}"})"#));
    let asks = [
        web("scalar(queue_length)"),
        web("queue_length"),
        web(r#"load{namespace="${namespace}",pod=~"${pods}"}"#),
        web(r#"sum(rate(requests_total{pod=~"${pods}"}[2s]))"#),
        web("nothing"),
        zero,
        web("0 * queue_length / 0"),
        web("load"),
        web("{job=\"test\"}"),
        web("queue_length["),
        web("queue_length[1m]"),
        web("\"text\""),
        no_pods,
        dotted,
    ];
    let at = now();
    let readings = sources.collect(&asks, at).await;
    assert_eq!(readings.len(), asks.len());
    assert!((total(&readings[0]) - 42_000.0).abs() < 1e-9);
    assert!((total(&readings[1]) - 42_000.0).abs() < 1e-9);
    let Reading::Total(sample) = readings[1] else { panic!() };
    assert_eq!((sample.time, sample.window), (at, Duration::ZERO), "the server was asked for the value at the time of the tick");
    assert_eq!(per_pod(&readings[2]), [Some(250.0), Some(1500.0), None]);
    assert!(total(&readings[3]) > 10_000.0, "the counter grows by 10 every 200 ms: {:?}", readings[3]);
    assert_eq!(failed(&readings[4]), (FailureKind::Empty, "query nothing: source default: returned no series"));
    assert!(total(&readings[5]).abs() < 1e-9);
    assert_eq!(
        failed(&readings[6]),
        (FailureKind::Invalid, "query 0 * queue_length / 0: source default: returned NaN, which is not a usable number")
    );
    let (kind, message) = failed(&readings[7]);
    assert!(kind == FailureKind::Invalid && message.contains("several series of pod web-1"), "{message}");
    assert_eq!(failed(&readings[8]).0, FailureKind::Invalid);
    let (kind, message) = failed(&readings[9]);
    assert!(
        kind == FailureKind::Refused && message.contains("400 Bad Request: bad_data: ") && message.contains("parse error"),
        "{message}"
    );
    assert!(failed(&readings[10]).1.contains("range of values"));
    assert!(failed(&readings[11]).1.contains("text"));
    assert_eq!(failed(&readings[12]).0, FailureKind::Empty, "no pods must match no series, not those without the label");
    assert!((total(&readings[13]) - 1000.0).abs() < 1e-9, "a dot in a pod's name must match itself only");
}

#[tokio::test]
async fn a_tenant_sees_its_own_namespace_only() {
    let (server, api) = (scraped().await, api_server().await);
    let spec = serde_json::json!({"url": server.url, "enforceLabel": "namespace"});
    let sources = sources_of(&api.uri(), "http://127.0.0.1:9", Watched::with("shop", "own", spec));
    let own = |promql: &str| ask("shop", "web", &["web-1", "web-2"], query("own", promql));
    let asks = [
        own("sum(load)"),
        own(r#"sum(load{namespace="${namespace}"}) + sum(load{namespace=~"shop"})"#),
        own(r#"sum(load{namespace="other"})"#),
        own(r#"load{pod=~"${pods}"}"#),
        own("sum("),
    ];
    let readings = sources.collect(&asks, now()).await;
    assert!((total(&readings[0]) - 1750.0).abs() < 1e-9);
    assert!((total(&readings[1]) - 3500.0).abs() < 1e-9);
    let (kind, message) = failed(&readings[2]);
    assert!(kind == FailureKind::Refused && message.contains(r#"it has the condition namespace="other""#), "{message}");
    assert_eq!(per_pod(&readings[3]), [Some(250.0), Some(1500.0)]);
    assert_eq!(failed(&readings[4]).0, FailureKind::Refused);
}

#[tokio::test]
async fn faults_come_and_go() {
    let (server, api) = (scraped().await, api_server().await);
    let proxy = FaultProxy::start(&server.url).await;
    let source = config(&format!("{{name: default, url: '{}', timeoutSeconds: 1}}", proxy.url));
    let settings = Settings { sources: vec![source], ..Settings::default() };
    let sources = Sources::new(client(&api.uri()), Clock::real(), settings, Arc::new(Watched::default()));
    let asks = [web("queue_length")];
    let reading = async || sources.collect(&asks, now()).await.remove(0);

    assert!((total(&reading().await) - 42_000.0).abs() < 1e-9);
    for (fault, kind, text) in [
        (Fault::Down, FailureKind::Unreachable, "refused"),
        (Fault::Status(500), FailureKind::Unreachable, "500 Internal Server Error: the proxy was told to answer so"),
        (Fault::Status(429), FailureKind::Refused, "429 Too Many Requests"),
        (Fault::Slow(Duration::from_secs(3)), FailureKind::Unreachable, "no answer within 1 s"),
        (Fault::Empty, FailureKind::Empty, "returned no series"),
        (Fault::NaN, FailureKind::Invalid, "returned NaN"),
        (Fault::Garbage, FailureKind::Invalid, "not one of a Prometheus API"),
        (Fault::Truncate, FailureKind::Unreachable, "source default"),
    ] {
        proxy.set(fault).await;
        let found = reading().await;
        let (found, message) = failed(&found);
        assert!(
            found == kind && message.starts_with("query queue_length: source default: ") && message.contains(text),
            "{fault:?}: {found:?} {message}"
        );
        proxy.set(Fault::Pass).await;
        assert!((total(&reading().await) - 42_000.0).abs() < 1e-9, "after {fault:?}");
    }
}

#[tokio::test]
async fn passwords_are_needed_and_sent() {
    provider();
    // bcrypt of "opensesame" with the lowest cost.
    let web_config = "basic_auth_users: {ballast: '$2b$04$AW.yYR5oZT58V28ur8hfgu69p.wE4mc0flqyZaP3DKORuv7ZRakyq'}";
    let server = Prometheus::start(None, Web { config: Some(web_config.to_owned()), ..Web::default() }).await;
    let api = api_server().await;
    let password = server.dir.path().join("password");
    std::fs::write(&password, "opensesame\n").unwrap();
    let source = |name: &str, rest: &str| config(&format!("{{name: {name}, url: '{}'{rest}}}", server.url));
    let good = format!(", basic: {{username: ballast, passwordFile: '{}'}}", password.display());
    let settings = Settings { sources: vec![source("without", ""), source("with", &good)], ..Settings::default() };
    let sources = Sources::new(client(&api.uri()), Clock::real(), settings, Arc::new(Watched::default()));
    let asks = ["without", "with"].map(|name| ask("shop", "web", &[], query(name, "vector(1)")));
    let readings = sources.collect(&asks, now()).await;
    let (kind, message) = failed(&readings[0]);
    assert!(kind == FailureKind::Refused && message.contains("source without: 401 Unauthorized"), "{message}");
    assert!((total(&readings[1]) - 1000.0).abs() < 1e-9);
}

#[tokio::test]
async fn certificates_are_checked() {
    provider();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let issue = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        (rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let ((server_pem, server_key), (client_pem, client_key)) = (issue("prometheus.example"), issue("ballast"));
    let web_config =
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, client_auth_type: VerifyClientCertIfGiven}";
    let server = Prometheus::start(
        None,
        Web {
            config: Some(web_config.to_owned()),
            files: vec![
                ("cert.pem", server_pem),
                ("key.pem", server_key),
                ("ca.pem", ca_pem),
                ("client.pem", client_pem),
                ("client.key", client_key),
                ("broken.pem", "nothing".to_owned()),
            ],
            https: true,
            history: None,
        },
    )
    .await;
    let dir = server.dir.path().display();
    let cases = [
        ("unknown-authority", "{serverName: prometheus.example}".to_owned(), Some("certificate")),
        ("other-name", format!("{{caFile: '{dir}/ca.pem'}}"), Some("certificate")),
        ("broken-ca", format!("{{caFile: '{dir}/broken.pem'}}"), Some("PEM")),
        ("absent-ca", format!("{{caFile: '{dir}/absent.pem'}}"), Some("cannot read")),
        ("named", format!("{{caFile: '{dir}/ca.pem', serverName: prometheus.example}}"), None),
        (
            "client",
            format!(
                "{{caFile: '{dir}/ca.pem', serverName: prometheus.example, certificateFile: '{dir}/client.pem', keyFile: '{dir}/client.key'}}"
            ),
            None,
        ),
        ("anyone", "{insecureSkipVerify: true}".to_owned(), None),
    ];
    let api = api_server().await;
    let list = cases.iter().map(|(name, tls, _)| config(&format!("{{name: {name}, url: '{}', tls: {tls}}}", server.url))).collect();
    let sources =
        Sources::new(client(&api.uri()), Clock::real(), Settings { sources: list, ..Settings::default() }, Arc::new(Watched::default()));
    let asks: Vec<_> = cases.iter().map(|(name, ..)| ask("shop", "web", &[], query(name, "vector(1)"))).collect();
    for ((name, _, error), reading) in cases.iter().zip(sources.collect(&asks, now()).await) {
        match error {
            None => assert!((total(&reading) - 1000.0).abs() < 1e-9, "{name}"),
            Some(text) => assert!(failed(&reading).1.contains(text), "{name}: {reading:?}"),
        }
    }
}
