//! One query for the many targets of a preset gives each of them what its own query would have.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ballast::clock::Clock;
use ballast::core::{Failure, Reading};
use ballast::source::preset::PRESETS;
use ballast::source::{Ask, PrometheusQuery, Query, Settings, Sources, WhenEmpty};
use serde_json::json;
use source_support::kubernetes::{Watched, api_server, client};
use source_support::prometheus::{self, Prometheus};
use source_support::{ask, config, now, query, sources, total};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Two services, a set whose pods have the same names in two namespaces, names with a dot, values that are no numbers, and a pod that lacks one
/// of two metrics.
const METRICS: &str = r#"
http_requests_total{namespace="shop",pod="web-1",code="200"} {scrapes}
http_requests_total{namespace="shop",pod="web-1",code="500"} {scrapes}
http_requests_total{namespace="shop",pod="web-2",code="200"} {scrapes}
http_requests_total{namespace="shop",pod="db-0"} {scrapes}
http_requests_total{namespace="bank",pod="db-0"} {scrapes}
http_requests_total{namespace="bank",pod="db-1"} {scrapes}
http_requests_total{namespace="bank",pod="web-1"} {scrapes}
http_requests_total{namespace="bank",pod="a.b"} {scrapes}
http_requests_total{namespace="bank",pod="aXb"} {scrapes}
http_requests_in_flight{namespace="shop",pod="web-1"} 3
http_requests_in_flight{namespace="shop",pod="web-2"} 4.5
http_requests_in_flight{namespace="shop",pod="db-0"} NaN
http_requests_in_flight{namespace="bank",pod="db-0"} +Inf
http_requests_in_flight{namespace="bank",pod="db-1"} 1
http_requests_in_flight{namespace="bank",pod="a.b"} 7
grpc_server_started_total{namespace="shop",pod="web-1",grpc_method="a"} {scrapes}
grpc_server_started_total{namespace="shop",pod="web-1",grpc_method="b"} {scrapes}
process_cpu_seconds_total{namespace="shop",pod="web-1"} {scrapes}
process_cpu_seconds_total{namespace="shop",pod="web-2"} {scrapes}
process_cpu_seconds_total{namespace="bank",pod="db-0"} {scrapes}
process_cpu_seconds_total{namespace="bank",pod="a.b"} {scrapes}
go_sched_gomaxprocs_threads{namespace="shop",pod="web-1"} 4
go_sched_gomaxprocs_threads{namespace="bank",pod="db-0"} 0
go_sched_gomaxprocs_threads{namespace="bank",pod="a.b"} 2
go_sched_latencies_seconds_sum{namespace="shop",pod="web-1"} {scrapes}
go_sched_latencies_seconds_sum{namespace="bank",pod="db-0"} 0
go_sched_latencies_seconds_bucket{namespace="shop",pod="web-1",le="0.0104"} {scrapes}
go_sched_latencies_seconds_bucket{namespace="shop",pod="web-1",le="+Inf"} {scrapes}
go_sched_latencies_seconds_bucket{namespace="bank",pod="a.b",le="+Inf"} {scrapes}
go_gc_gomemlimit_bytes{namespace="shop",pod="web-1"} 1000
go_gc_gomemlimit_bytes{namespace="bank",pod="a.b"} 9.223372036854776e+18
go_gc_heap_live_bytes{namespace="shop",pod="web-1"} 700
go_memstats_heap_alloc_bytes{namespace="bank",pod="a.b"} 700
go_sql_wait_duration_seconds_total{namespace="shop",pod="web-1",db_name="a"} {scrapes}
go_sql_wait_duration_seconds_total{namespace="bank",pod="db-1",db_name="b"} {scrapes}
request_total{direction="inbound",namespace="shop",pod="web-1"} {scrapes}
request_total{direction="outbound",namespace="shop",pod="web-1"} {scrapes}
request_total{direction="inbound",namespace="bank",pod="a.b"} {scrapes}
istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="web",namespace="shop",pod="web-1"} {scrapes}
istio_requests_total{reporter="destination",destination_workload_namespace="bank",destination_workload="db",namespace="bank",pod="db-0"} {scrapes}
nginx_ingress_controller_requests{namespace="shop",service="web",ingress="a"} {scrapes}
nginx_ingress_controller_requests{namespace="shop",service="web",ingress="b"} {scrapes}
nginx_ingress_controller_requests{namespace="bank",service="dotted",ingress="a"} {scrapes}
"#;

async fn scraped() -> Prometheus {
    prometheus::scraped(METRICS, "http_requests_total", 3).await
}

/// Every preset for every target, with both meanings of nothing.
fn asks() -> Vec<Ask> {
    let targets: [(&str, &str, &[&str]); 8] = [
        ("shop", "web", &["web-1", "web-2", "web-3"]),
        ("shop", "db", &["db-0"]),
        ("bank", "db", &["db-0", "db-1"]),
        ("bank", "web", &["web-1"]),
        ("bank", "dotted", &["a.b"]),
        ("bank", "gone", &["gone-1"]),
        ("shop", "none", &[]),
        ("empty", "web", &["web-1"]),
    ];
    let of = |when_empty| {
        PRESETS.iter().flat_map(move |preset| {
            let query = PrometheusQuery { when_empty, ..query("default", &preset.query()) };
            targets.map(|(namespace, name, pods)| ask(namespace, name, pods, query.clone()))
        })
    };
    of(WhenEmpty::Absent).chain(of(WhenEmpty::Zero)).collect()
}

/// Equal but for what the order of a sum does to its last digits.
fn alike(a: &Reading, b: &Reading) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
    match (a, b) {
        (Reading::Total(a), Reading::Total(b)) => near(a.value, b.value) && (a.time, a.window) == (b.time, b.window),
        (Reading::PerPod { samples: a, .. }, Reading::PerPod { samples: b, .. }) => {
            let same = |(a, b): (&Option<_>, &Option<_>)| match (a, b) {
                (Some(a), Some(b)) => alike(&Reading::Total(*a), &Reading::Total(*b)),
                (a, b) => a == b,
            };
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        (a, b) => a == b,
    }
}

#[tokio::test]
async fn the_form_for_many_targets_answers_like_the_form_for_one() {
    let (server, api) = (scraped().await, api_server().await);
    let limited = config(&format!("{{name: limited, url: '{}', enforceLabel: namespace}}", server.url));
    let settings =
        Settings { prometheus_url: Some(server.url.clone()), sources: vec![limited], allow_loopback: true, ..Settings::default() };
    let sources = Sources::new(client(&api.uri()), Clock::real(), settings, Arc::new(Watched::default()));
    let requests = |source: &str| sources.health().get(source).map_or(0, |health| health.requests);
    let (asks, at) = (asks(), now());
    // A question alone takes the form for one.
    let mut single = Vec::new();
    for ask in &asks {
        single.extend(sources.collect(std::slice::from_ref(ask), at).await);
    }
    assert!(single.iter().filter(|reading| matches!(reading, Reading::PerPod { .. })).count() >= 6);
    assert!(single.iter().filter(|reading| matches!(reading, Reading::Total(_))).count() >= 16);
    assert!(single.iter().any(|reading| matches!(reading, Reading::Failed(Failure { message, .. }) if message.contains("NaN"))));
    let before = requests("default");
    let many = sources.collect(&asks, at).await;
    // Names with a dot keep to themselves, two to a query; none of the workloads' own has one.
    let named = PRESETS.iter().filter(|preset| preset.works_without_pods()).count() as u64;
    let by_pod = PRESETS.len() as u64 - named;
    assert_eq!(requests("default") - before, 2 * by_pod + named);
    for ((ask, one), many) in asks.iter().zip(&single).zip(&many) {
        assert!(alike(one, many), "{}/{}: {:?}\n one: {one:?}\nmany: {many:?}", ask.namespace, ask.target, ask.query);
    }

    // Where a label is enforced, no query sees two namespaces.
    let enforced: Vec<Ask> = asks.iter().map(|ask| Ask { query: of_source(&ask.query, "limited"), ..ask.clone() }).collect();
    let answers = sources.collect(&enforced, at).await;
    let name = |reading: &Reading| match reading {
        Reading::Failed(failure) => {
            Failure { message: failure.message.replace("source limited", "source default"), ..failure.clone() }.into_reading()
        }
        other => other.clone(),
    };
    for ((ask, one), many) in asks.iter().zip(&single).zip(&answers) {
        assert!(alike(one, &name(many)), "{}/{}: {:?}\n one: {one:?}\nmany: {many:?}", ask.namespace, ask.target, ask.query);
    }
    // shop, bank, bank with a dot, empty.
    assert_eq!(requests("limited"), 4 * by_pod + 3 * named);

    // Design: N policies on one preset cost N/50 queries at most.
    let before = requests("default");
    let http = |n: usize| {
        ask(&format!("n{}", n % 60), "web", &[&format!("web-{n}-a"), &format!("web-{n}-b")], query("default", &PRESETS[0].query()))
    };
    let many: Vec<Ask> = (0..500).map(http).chain([ask("shop", "web", &["web-1"], query("default", &PRESETS[0].query()))]).collect();
    let readings = sources.collect(&many, at).await;
    assert_eq!(requests("default") - before, 1);
    assert!(readings[..500].iter().all(|reading| matches!(reading, Reading::Failed(_))) && total(&readings[500]) > 0.0);
    assert_eq!(sources.health()["default"].asks, (2 * asks.len() + 501) as u64);
}

trait IntoReading {
    fn into_reading(self) -> Reading;
}

impl IntoReading for Failure {
    fn into_reading(self) -> Reading {
        Reading::Failed(self)
    }
}

fn of_source(query: &Query, source: &str) -> Query {
    match query {
        Query::Prometheus(query) => Query::Prometheus(PrometheusQuery { source: source.to_owned(), ..query.clone() }),
        other => other.clone(),
    }
}

/// A server that refuses queries about more than so many pods, and says 1 for every pod otherwise.
struct Small {
    most: usize,
    refused: Arc<AtomicUsize>,
}

impl Respond for Small {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let form: BTreeMap<String, String> = reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(&request.body)))
            .unwrap()
            .query_pairs()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let pods: Vec<&str> = form["query"].split("pod=~\"").nth(1).unwrap().split('"').next().unwrap().split('|').collect();
        if pods.len() > self.most {
            self.refused.fetch_add(1, Ordering::SeqCst);
            let body =
                json!({"status": "error", "errorType": "execution", "error": "query processing would load too many samples into memory"});
            return ResponseTemplate::new(422).set_body_json(body);
        }
        let one = |pod: &&str| json!({"metric": {"namespace": "shop", "pod": pod}, "value": [1, "1"]});
        let result: Vec<_> = pods.iter().map(one).collect();
        ResponseTemplate::new(200).set_body_json(json!({"status": "success", "data": {"resultType": "vector", "result": result}}))
    }
}

#[tokio::test]
async fn a_query_that_is_too_large_is_cut_and_the_next_tick_begins_smaller() {
    let (server, api, refused) = (MockServer::start().await, api_server().await, Arc::new(AtomicUsize::new(0)));
    Mock::given(method("POST")).respond_with(Small { most: 300, refused: Arc::clone(&refused) }).mount(&server).await;
    let sources = sources(&api.uri(), &server.uri());
    let asks: Vec<Ask> = (0..500)
        .map(|n| ask("shop", &format!("web-{n}"), &[&format!("web-{n}-a"), &format!("web-{n}-b")], query("default", &PRESETS[0].query())))
        .collect();
    for before in [0, 3] {
        assert_eq!(refused.load(Ordering::SeqCst), before);
        let readings = sources.collect(&asks, now()).await;
        assert!(readings.iter().all(|reading| (total(reading) - 2000.0).abs() < 1e-6), "{:?}", readings[0]);
    }
    assert_eq!(refused.load(Ordering::SeqCst), 3, "1000 and twice 500 pods, and never again");
}
