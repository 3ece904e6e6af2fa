//! Every preset of this version.

use super::super::direct::{Kind, Recipe};
use super::{Form, Labels, Parameter, Preset, Shape};
use crate::core::Role::{Brake, Driver, Guard};

const WINDOW: Parameter = Parameter {
    name: "window",
    form: Form::Window,
    default: "1m",
    meaning: "time over which rates and means are taken; at least four times the scrape interval, or single missed scrapes show",
};

const WORKLOAD: Labels = Labels { namespace: &["destination_workload_namespace"], name: &["destination_workload"] };

// A scrape that does not honour the controller's labels renames those that its target has as well.
const BACKEND: Labels = Labels { namespace: &["exported_namespace", "namespace"], name: &["exported_service", "service"] };

const ITS_OWN: &str = "what one replica bears differs by orders of magnitude between services";

/// The pods of one target.
macro_rules! its {
    () => {
        r#"namespace="${namespace}",pod=~"${pods}""#
    };
}

/// The pods of many.
macro_rules! theirs {
    () => {
        r#"namespace=~"${namespace}",pod=~"${pods}""#
    };
}

/// The rate of a counter, summed over its series.
const fn counter(name: &'static str) -> Recipe {
    Recipe { over: (name, Kind::Counter), under: None, only: None }
}

// go-run-queue, by Little's law: those that wait, on average, are the seconds that all wait in a second. Go's runtime times one wait in eight
// (gTrackingPeriod), and client_golang's sum takes each for the lower end of its bucket, so half to all of what waits is seen. The gauge
// go_sched_goroutines_runnable_goroutines is no measure of it: each scrape counts the goroutines that collect for it, 3 or 4 in an idle service.
const TIMED: Kind = Kind::Sampled(8);

/// Every preset.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "http-requests",
        metric: "http_requests_total",
        one: concat!("sum(rate(http_requests_total{", its!(), "}[${window}]))"),
        many: concat!("sum by (namespace, pod) (rate(http_requests_total{", theirs!(), "}[${window}]))"),
        shape: Shape::Sum,
        direct: Some(counter("http_requests_total")),
        roles: &[Driver, Guard, Brake],
        default_target: None,
        parameters: &[WINDOW],
        measures: "HTTP requests per second, from the counter http_requests_total",
        reason: ITS_OWN,
        empty: "no pod has http_requests_total, or none was scraped twice within the window",
    },
    Preset {
        name: "http-in-flight",
        metric: "http_requests_in_flight",
        one: concat!("sum(avg_over_time(http_requests_in_flight{", its!(), "}[${window}]))"),
        many: concat!("sum by (namespace, pod) (avg_over_time(http_requests_in_flight{", theirs!(), "}[${window}]))"),
        shape: Shape::Sum,
        direct: Some(Recipe { over: ("http_requests_in_flight", Kind::Gauge), under: None, only: None }),
        roles: &[Driver, Guard, Brake],
        default_target: None,
        parameters: &[WINDOW],
        measures: "HTTP requests being served at a time, from the gauge http_requests_in_flight (promhttp.InstrumentHandlerInFlight)",
        reason: "it is the rate times the latency of the service, and both are its own",
        empty: "no pod has http_requests_in_flight",
    },
    Preset {
        name: "grpc-requests",
        metric: "grpc_server_started_total",
        one: concat!("sum(rate(grpc_server_started_total{", its!(), "}[${window}]))"),
        many: concat!("sum by (namespace, pod) (rate(grpc_server_started_total{", theirs!(), "}[${window}]))"),
        shape: Shape::Sum,
        direct: Some(counter("grpc_server_started_total")),
        roles: &[Driver, Guard, Brake],
        default_target: None,
        parameters: &[WINDOW],
        measures: "gRPC calls started per second, from the counter grpc_server_started_total",
        reason: ITS_OWN,
        empty: "no pod has grpc_server_started_total; the interceptor makes it with the first call unless InitializeMetrics is called",
    },
    Preset {
        name: "go-cpu",
        metric: "process_cpu_seconds_total",
        one: concat!(
            "sum by (pod) (rate(process_cpu_seconds_total{",
            its!(),
            "}[${window}])) / sum by (pod) (go_sched_gomaxprocs_threads{",
            its!(),
            "})"
        ),
        many: concat!(
            "sum by (namespace, pod) (rate(process_cpu_seconds_total{",
            theirs!(),
            "}[${window}])) / sum by (namespace, pod) (go_sched_gomaxprocs_threads{",
            theirs!(),
            "})"
        ),
        shape: Shape::PerPod,
        direct: Some(Recipe { under: Some("go_sched_gomaxprocs_threads"), ..counter("process_cpu_seconds_total") }),
        roles: &[Driver, Guard, Brake],
        default_target: Some("700m"),
        parameters: &[WINDOW],
        measures: "CPU used by the Go process as a share of the processors it may use (GOMAXPROCS), 0 to 1; no requests, no sidecars",
        reason: "above about 0.7 of its processors a service's queueing time grows steeply",
        empty: "no pod has process_cpu_seconds_total and go_sched_gomaxprocs_threads (client_golang's default collectors)",
    },
    Preset {
        name: "go-run-queue",
        metric: "go_sched_latencies_seconds_sum",
        one: concat!(
            "8 * sum by (pod) (rate(go_sched_latencies_seconds_sum{",
            its!(),
            "}[${window}])) / sum by (pod) (go_sched_gomaxprocs_threads{",
            its!(),
            "})"
        ),
        many: concat!(
            "8 * sum by (namespace, pod) (rate(go_sched_latencies_seconds_sum{",
            theirs!(),
            "}[${window}])) / sum by (namespace, pod) (go_sched_gomaxprocs_threads{",
            theirs!(),
            "})"
        ),
        shape: Shape::PerPod,
        direct: Some(Recipe { over: ("go_sched_latencies_seconds_sum", TIMED), under: Some("go_sched_gomaxprocs_threads"), only: None }),
        roles: &[Driver, Guard, Brake],
        default_target: Some("1"),
        parameters: &[WINDOW],
        measures: "goroutines that can run but wait for a processor, on average and per processor (GOMAXPROCS): seconds waited per second; needs the \
            scheduler metrics of client_golang",
        reason: "with one waiting per processor, work is queued as long as it is run",
        empty: "no pod has go_sched_latencies_seconds (collectors.MetricsScheduler)",
    },
    Preset {
        name: "go-sched-latency",
        metric: "go_sched_latencies_seconds",
        one: concat!("histogram_quantile(0.99, sum by (pod, le) (rate(go_sched_latencies_seconds_bucket{", its!(), "}[${window}])))"),
        many: concat!(
            "histogram_quantile(0.99, sum by (namespace, pod, le) (rate(go_sched_latencies_seconds_bucket{",
            theirs!(),
            "}[${window}])))"
        ),
        shape: Shape::PerPod,
        direct: None,
        roles: &[Guard, Driver, Brake],
        default_target: Some("10m"),
        parameters: &[WINDOW],
        measures: "seconds that a goroutine which could run waits for a processor, the 99th percentile; shows CPU throttling and noisy neighbours, \
            which CPU usage hides; needs the scheduler metrics of client_golang",
        reason: "10 ms is the time slice after which Go's scheduler preempts: who waits longer waits for a processor that others hold. The \
            histogram has one bucket per power of ten, too coarse to size by, so it guards unless told otherwise",
        empty: "no pod has go_sched_latencies_seconds (collectors.MetricsScheduler)",
    },
    Preset {
        name: "go-memory-headroom",
        metric: "go_gc_gomemlimit_bytes",
        one: concat!(
            "max by (pod) ((avg_over_time(go_gc_heap_live_bytes{",
            its!(),
            "}[${window}]) or min_over_time(go_memstats_heap_alloc_bytes{",
            its!(),
            "}[${window}])) / (go_gc_gomemlimit_bytes{",
            its!(),
            "} < 9e18))"
        ),
        many: concat!(
            "max by (namespace, pod) ((avg_over_time(go_gc_heap_live_bytes{",
            theirs!(),
            "}[${window}]) or min_over_time(go_memstats_heap_alloc_bytes{",
            theirs!(),
            "}[${window}])) / (go_gc_gomemlimit_bytes{",
            theirs!(),
            "} < 9e18))"
        ),
        shape: Shape::PerPod,
        direct: None,
        roles: &[Guard],
        default_target: Some("800m"),
        parameters: &[WINDOW],
        measures: "live heap as a share of GOMEMLIMIT, 0 to 1: go_gc_heap_live_bytes where it is exported, else the lowest heap of the window, which \
            is nearest to what is live",
        reason: "at 0.8 the collector has a quarter of the live heap left between its cycles and costs four times what it does by default; \
            fewer replicas would each keep more. It cannot drive: a heap does not shrink because replicas are added",
        empty: "no pod has GOMEMLIMIT set (go_gc_gomemlimit_bytes is then 9.22e18), or none exports Go's memory metrics",
    },
    Preset {
        name: "sql-pool-wait",
        metric: "go_sql_wait_duration_seconds_total",
        one: concat!("sum by (pod) (rate(go_sql_wait_duration_seconds_total{", its!(), r#",db_name=~"${database}"}[${window}]))"#),
        many: concat!(
            "sum by (namespace, pod) (rate(go_sql_wait_duration_seconds_total{",
            theirs!(),
            r#",db_name=~"${database}"}[${window}]))"#
        ),
        shape: Shape::PerPod,
        direct: Some(Recipe { only: Some(("db_name", "database")), ..counter("go_sql_wait_duration_seconds_total") }),
        roles: &[Brake],
        default_target: Some("1"),
        parameters: &[
            WINDOW,
            Parameter {
                name: "database",
                form: Form::Name,
                default: ".*",
                meaning: "the db_name of one pool; default: all of a pod's pools together",
            },
        ],
        measures: "goroutines of a pod that wait for a database connection, on average: seconds waited per second, from client_golang's \
            DBStats collector",
        reason: "where one waits at any time, connections and not replicas are what is short, and each replica more brings a pool more to a \
            database that is behind. It cannot drive, as more replicas would make it worse",
        empty: "no pod has go_sql_wait_duration_seconds_total (collectors.NewDBStatsCollector)",
    },
    Preset {
        name: "istio-requests",
        metric: "istio_requests_total",
        one: concat!(
            r#"sum(rate(istio_requests_total{reporter="${reporter}",destination_workload_namespace="${namespace}","#,
            r#"destination_workload="${workload}"}[${window}]))"#
        ),
        many: concat!(
            "sum by (destination_workload_namespace, destination_workload) (rate(istio_requests_total{",
            r#"reporter="${reporter}",destination_workload_namespace=~"${namespace}",destination_workload=~"${workload}"}[${window}]))"#
        ),
        shape: Shape::Named(&WORKLOAD),
        direct: None,
        roles: &[Driver, Guard, Brake],
        default_target: None,
        parameters: &[
            WINDOW,
            Parameter {
                name: "workload",
                form: Form::Target,
                default: "",
                meaning: "destination_workload, the name that Istio gives the workload; default: its own",
            },
            Parameter {
                name: "reporter",
                form: Form::OneOf(&["destination", "source", "waypoint"]),
                default: "destination",
                meaning: "whose count is taken: that of the workload's own proxies, of its callers' (which also count while it has no pods), or of \
                    a waypoint (ambient mode)",
            },
        ],
        measures: "HTTP and gRPC requests per second to the workload, as Istio's proxies count them",
        reason: ITS_OWN,
        empty: "the proxies have not counted a request to this workload, or they are not scraped; a proxy has no series before the first one",
    },
    Preset {
        name: "linkerd-requests",
        metric: "request_total",
        one: concat!(r#"sum(rate(request_total{direction="inbound","#, its!(), "}[${window}]))"),
        many: concat!(r#"sum by (namespace, pod) (rate(request_total{direction="inbound","#, theirs!(), "}[${window}]))"),
        shape: Shape::Sum,
        direct: None,
        roles: &[Driver, Guard, Brake],
        default_target: None,
        parameters: &[WINDOW],
        measures: "HTTP and gRPC requests per second that came in through the pods' Linkerd proxies",
        reason: ITS_OWN,
        empty: "no pod's proxy has request_total with direction inbound, or the proxies are not scraped; a proxy has no series before the first request",
    },
    Preset {
        name: "ingress-nginx-requests",
        metric: "nginx_ingress_controller_requests",
        one: concat!(
            r#"sum(rate(nginx_ingress_controller_requests{exported_namespace="${namespace}",exported_service="${service}"}[${window}])"#,
            r#" or rate(nginx_ingress_controller_requests{exported_namespace="${namespace}",exported_service="",service="${service}"}[${window}])"#,
            r#" or rate(nginx_ingress_controller_requests{exported_namespace="",namespace="${namespace}",exported_service="",service="${service}"}[${window}]))"#
        ),
        many: concat!(
            "sum by (exported_namespace, namespace, exported_service, service) (",
            r#"rate(nginx_ingress_controller_requests{exported_namespace=~"${namespace}",exported_service=~"${service}"}[${window}])"#,
            r#" or rate(nginx_ingress_controller_requests{exported_namespace=~"${namespace}",exported_service="",service=~"${service}"}[${window}])"#,
            r#" or rate(nginx_ingress_controller_requests{exported_namespace="",namespace=~"${namespace}",exported_service="",service=~"${service}"}[${window}]))"#
        ),
        shape: Shape::Named(&BACKEND),
        direct: None,
        roles: &[Driver, Guard, Brake],
        default_target: None,
        parameters: &[
            WINDOW,
            Parameter {
                name: "service",
                form: Form::Target,
                default: "",
                meaning: "the Service that the Ingress names as its backend; default: the workload's name",
            },
        ],
        measures: "requests per second that ingress-nginx sends to the workload's Service",
        reason: ITS_OWN,
        empty: "ingress-nginx has not counted a request to this Service since it started, or it is not scraped",
    },
];
