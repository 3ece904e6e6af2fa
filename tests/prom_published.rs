//! Presets find the series that the real exporters publish: names and label sets of ingress-nginx, Istio, Linkerd and `client_golang`, in a
//! real Prometheus.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use ballast::core::{FailureKind, Reading, Time};
use ballast::source::preset::{self, PRESETS};
use ballast::source::{Ask, PrometheusQuery, WhenEmpty};
use source_support::kubernetes::api_server;
use source_support::{ask, failed, now, per_pod, prometheus, sources, total};

/// As scraped by a `ServiceMonitor`, which renames the labels that its target has too; by a scrape that honours the controller's labels; by
/// one that knows pods, and thus namespaces, but no Services. Counters of two replicas of the controller add up.
const INGRESS: &str = r#"
nginx_ingress_controller_requests{canary="",controller_class="k8s.io/ingress-nginx",controller_namespace="ingress-nginx",controller_pod="ingress-nginx-controller-1",container="controller",endpoint="metrics",exported_namespace="shop",exported_service="web",host="shop.example.com",ingress="shop",method="GET",namespace="ingress-nginx",path="/",pod="ingress-nginx-controller-1",service="ingress-nginx-controller-metrics",status="200"} {scrapes}
nginx_ingress_controller_requests{canary="",controller_class="k8s.io/ingress-nginx",controller_namespace="ingress-nginx",controller_pod="ingress-nginx-controller-2",container="controller",endpoint="metrics",exported_namespace="shop",exported_service="web",host="shop.example.com",ingress="shop",method="GET",namespace="ingress-nginx",path="/",pod="ingress-nginx-controller-2",service="ingress-nginx-controller-metrics",status="200"} {scrapes}
nginx_ingress_controller_requests{controller_namespace="ingress-nginx",controller_pod="ingress-nginx-controller-1",host="bank.example.com",ingress="bank",method="POST",namespace="bank",path="/",service="web",status="201"} {scrapes}
nginx_ingress_controller_requests{controller_namespace="ingress-nginx",controller_pod="ingress-nginx-controller-1",exported_namespace="post",host="post.example.com",ingress="post",method="GET",namespace="ingress-nginx",path="/",pod="ingress-nginx-controller-1",service="web",status="200"} {scrapes}
nginx_ingress_controller_requests{controller_namespace="ingress-nginx",controller_pod="ingress-nginx-controller-1",host="shop.example.com",ingress="shop",method="GET",namespace="shop",path="/img",service="images",status="200"} {scrapes}
"#;

/// Both ends of each request count it.
const ISTIO: &str = r#"
istio_requests_total{reporter="destination",source_workload="front",source_workload_namespace="shop",source_canonical_service="front",destination_workload="web",destination_workload_namespace="shop",destination_service="web.shop.svc.cluster.local",destination_service_name="web",destination_service_namespace="shop",destination_canonical_service="web",destination_canonical_revision="v1",request_protocol="http",response_code="200",response_flags="-",grpc_response_status="",connection_security_policy="mutual_tls",namespace="shop",pod="web-1"} {scrapes}
istio_requests_total{reporter="destination",source_workload="front",source_workload_namespace="shop",source_canonical_service="front",destination_workload="web",destination_workload_namespace="shop",destination_service="web.shop.svc.cluster.local",destination_service_name="web",destination_service_namespace="shop",destination_canonical_service="web",destination_canonical_revision="v1",request_protocol="grpc",response_code="200",response_flags="-",grpc_response_status="0",connection_security_policy="mutual_tls",namespace="shop",pod="web-2"} {scrapes}
istio_requests_total{reporter="source",source_workload="front",source_workload_namespace="shop",source_canonical_service="front",destination_workload="web",destination_workload_namespace="shop",destination_service="web.shop.svc.cluster.local",destination_service_name="web",destination_service_namespace="shop",destination_canonical_service="web",destination_canonical_revision="v1",request_protocol="http",response_code="503",response_flags="UH",connection_security_policy="unknown",namespace="shop",pod="front-1"} {scrapes}
istio_requests_total{reporter="destination",source_workload="unknown",source_workload_namespace="unknown",destination_workload="web",destination_workload_namespace="bank",destination_service_name="web",destination_service_namespace="bank",request_protocol="http",response_code="200",namespace="bank",pod="web-1"} {scrapes}
"#;

/// By the configuration of Linkerd's own Prometheus: pod, namespace and workload of the proxy.
const LINKERD: &str = r#"
request_total{direction="inbound",target_addr="10.0.0.5:8080",target_ip="10.0.0.5",target_port="8080",tls="true",client_id="front.shop.serviceaccount.identity.linkerd.cluster.local",srv_group="",srv_kind="default",srv_name="all-unauthenticated",control_plane_ns="linkerd",deployment="web",namespace="shop",pod="web-1",pod_template_hash="59bf"} {scrapes}
request_total{direction="inbound",target_addr="10.0.0.6:8080",target_ip="10.0.0.6",target_port="8080",tls="no_identity",no_tls_reason="not_provided_by_remote",srv_group="",srv_kind="default",srv_name="all-unauthenticated",control_plane_ns="linkerd",deployment="web",namespace="shop",pod="web-2",pod_template_hash="59bf"} {scrapes}
request_total{direction="outbound",authority="db.shop.svc.cluster.local:80",target_addr="10.0.0.7:80",tls="true",dst_deployment="db",dst_namespace="shop",dst_service="db",control_plane_ns="linkerd",deployment="web",namespace="shop",pod="web-1"} {scrapes}
"#;

/// `client_golang`'s Go collector with and without `MetricsAll`, with `GOMEMLIMIT` and without, and its collector of database pools.
const GO: &str = r#"
http_requests_total{namespace="shop",pod="web-1",code="200",method="get",handler="/"} {scrapes}
go_gc_gomemlimit_bytes{namespace="shop",pod="web-1"} 1.048576e+09
go_gc_gomemlimit_bytes{namespace="shop",pod="web-2"} 1.048576e+09
go_gc_gomemlimit_bytes{namespace="bank",pod="web-1"} 9.223372036854776e+18
go_gc_heap_live_bytes{namespace="shop",pod="web-1"} 9.437184e+08
go_memstats_heap_alloc_bytes{namespace="shop",pod="web-1"} 1.0e+09
go_memstats_heap_alloc_bytes{namespace="shop",pod="web-2"} 5.24288e+08
go_memstats_heap_alloc_bytes{namespace="bank",pod="web-1"} 5.24288e+08
go_sched_latencies_seconds_bucket{namespace="shop",pod="web-1",le="0.00091"} 0
go_sched_latencies_seconds_bucket{namespace="shop",pod="web-1",le="0.0104"} {scrapes}
go_sched_latencies_seconds_bucket{namespace="shop",pod="web-1",le="+Inf"} {scrapes}
go_sql_max_open_connections{namespace="shop",pod="web-1",db_name="orders"} 4
go_sql_wait_duration_seconds_total{namespace="shop",pod="web-1",db_name="orders"} {scrapes}
go_sql_wait_duration_seconds_total{namespace="shop",pod="web-1",db_name="users"} {scrapes}
go_sql_wait_duration_seconds_total{namespace="shop",pod="web-2",db_name="orders"} 0
"#;

const TARGETS: [(&str, &str, &[&str]); 4] =
    [("shop", "web", &["web-1", "web-2"]), ("bank", "web", &["web-1"]), ("post", "web", &["web-9"]), ("shop", "api", &["api-1"])];

fn of(name: &str, parameters: &[(&str, &str)]) -> PrometheusQuery {
    let given: BTreeMap<String, String> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (query, filled) = preset::find(name).unwrap().fill(&given);
    let window = std::time::Duration::from_secs(60);
    PrometheusQuery {
        name: name.to_owned(),
        source: "default".to_owned(),
        query,
        window,
        when_empty: WhenEmpty::Absent,
        preset: Some(Arc::new(filled)),
    }
}

fn asks(query: &PrometheusQuery) -> Vec<Ask> {
    TARGETS.iter().map(|(namespace, name, pods)| ask(namespace, name, pods, query.clone())).collect()
}

/// What the targets are told, together, after the same by each of them alone was seen to be no different.
async fn answers((server, at): (&prometheus::Prometheus, Time), query: PrometheusQuery) -> [Reading; 4] {
    let api = api_server().await;
    let sources = sources(&api.uri(), &server.url);
    let asks = asks(&query);
    let together = sources.collect(&asks, at).await;
    assert_eq!(sources.health()["default"].requests, 1, "one query for all targets");
    for (ask, together) in asks.iter().zip(&together) {
        let alone = sources.collect(std::slice::from_ref(ask), at).await.remove(0);
        assert_eq!(without_text(&alone), without_text(together), "{}/{} {}", ask.namespace, ask.target, query.name);
    }
    together.try_into().unwrap()
}

/// Numbers without the last digits of sums, failures without the query.
fn without_text(reading: &Reading) -> String {
    match reading {
        Reading::Failed(failure) => format!("{:?}", failure.kind),
        Reading::Total(sample) => format!("{:.6e}", sample.value),
        Reading::PerPod { .. } => {
            format!("{:?}", per_pod(reading).iter().map(|value| value.map(|value| format!("{value:.6e}"))).collect::<Vec<_>>())
        }
    }
}

#[tokio::test]
async fn meshes_and_ingresses_are_found_by_their_published_labels() {
    let metrics = format!("{INGRESS}{ISTIO}{LINKERD}{GO}").leak();
    let server = prometheus::scraped(metrics, "http_requests_total", 3).await;
    // Rates are compared, so all are asked for one moment.
    let server = (&server, now());
    let empty = |reading: &Reading, said: &str| {
        let (kind, message) = failed(reading);
        assert_eq!(kind, FailureKind::Empty);
        assert!(message.contains(said), "{message}");
    };
    let twice = |two: &Reading, one: &Reading| {
        assert!(total(one) > 0.0 && (total(two) / total(one) - 2.0).abs() < 0.02, "{two:?} {one:?}");
    };

    let [shop, bank, post, api] = answers(server, of("ingress-nginx-requests", &[])).await;
    twice(&shop, &bank);
    assert!((total(&post) / total(&bank) - 1.0).abs() < 0.02);
    empty(&api, "ingress-nginx has not counted a request to this Service");
    let [images, ..] = answers(server, of("ingress-nginx-requests", &[("service", "images")])).await;
    assert!(total(&images) > 0.0);

    let [shop, bank, post, _] = answers(server, of("istio-requests", &[])).await;
    twice(&shop, &bank);
    empty(&post, "the proxies have not counted a request to this workload");
    let [callers, ..] = answers(server, of("istio-requests", &[("reporter", "source")])).await;
    twice(&shop, &callers);
    let [other, ..] = answers(server, of("istio-requests", &[("workload", "web-v2")])).await;
    empty(&other, "the proxies have not counted");

    let [shop, bank, ..] = answers(server, of("linkerd-requests", &[])).await;
    twice(&shop, &images);
    empty(&bank, "no pod's proxy has request_total with direction inbound");
}

#[tokio::test]
async fn go_signals_are_those_of_client_golang() {
    let server = prometheus::scraped(GO, "http_requests_total", 3).await;
    // Rates are compared, so all are asked for one moment.
    let server = (&server, now());
    let values = |reading: &Reading| per_pod(reading);

    // Live heap where it is exported, else the lowest heap; a limit that is not set is none.
    let [shop, bank, ..] = answers(server, of("go-memory-headroom", &[])).await;
    let shares: Vec<_> = values(&shop).into_iter().map(Option::unwrap).collect();
    assert!((shares[0] - 900.0).abs() < 0.1 && (shares[1] - 500.0).abs() < 0.1, "{shares:?}");
    assert!(failed(&bank).1.contains("no pod has GOMEMLIMIT set"), "{bank:?}");

    let [shop, ..] = answers(server, of("go-sched-latency", &[])).await;
    let latency = values(&shop)[0].unwrap();
    assert!((10.0..10.4).contains(&latency), "{latency}");

    let [all, bank, ..] = answers(server, of("sql-pool-wait", &[])).await;
    let [orders, ..] = answers(server, of("sql-pool-wait", &[("database", "orders")])).await;
    let (all, orders) = (values(&all), values(&orders));
    assert!((all[0].unwrap() / orders[0].unwrap() - 2.0).abs() < 0.02 && all[1] == Some(0.0), "{all:?} {orders:?}");
    assert!(failed(&bank).1.contains("NewDBStatsCollector"), "{bank:?}");
    assert_eq!(PRESETS.len(), 11, "a new preset wants its published labels here");
}
