//! Named, ready queries for what Go services, gRPC and their runtime export.

/// A query that works for any workload whose pods export the named metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Name as written in an annotation.
    pub name: &'static str,
    /// `PromQL` with placeholders.
    pub query: &'static str,
    /// The same by namespace and pod, for the pods of many targets at once: `${namespace}` and `${pods}` are then alternatives.
    pub by_pod: &'static str,
    /// How a target's answer to `query` is made of its pods' elements of `by_pod`.
    pub shape: Shape,
    /// Mean per replica to aim at, as a quantity; `None` where no number fits most services, so that one must be given.
    pub default_target: Option<&'static str>,
    /// What is measured, and in which unit.
    pub measures: &'static str,
    /// Why the default is what it is, or why there is none.
    pub reason: &'static str,
}

/// What a preset's query gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The sum over the pods.
    Sum,
    /// A value of each pod.
    PerPod,
}

/// Every preset of this version.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "http-requests",
        query: r#"sum(rate(http_requests_total{namespace="${namespace}",pod=~"${pods}"}[1m]))"#,
        by_pod: r#"sum by (namespace, pod) (rate(http_requests_total{namespace=~"${namespace}",pod=~"${pods}"}[1m]))"#,
        shape: Shape::Sum,
        default_target: None,
        measures: "HTTP requests per second, from the counter http_requests_total",
        reason: "what one replica bears differs by orders of magnitude between services",
    },
    Preset {
        name: "http-in-flight",
        query: r#"sum(avg_over_time(http_requests_in_flight{namespace="${namespace}",pod=~"${pods}"}[1m]))"#,
        by_pod: r#"sum by (namespace, pod) (avg_over_time(http_requests_in_flight{namespace=~"${namespace}",pod=~"${pods}"}[1m]))"#,
        shape: Shape::Sum,
        default_target: None,
        measures: "HTTP requests being served at a time, from the gauge http_requests_in_flight (promhttp.InstrumentHandlerInFlight)",
        reason: "it is the rate times the latency of the service, and both are its own",
    },
    Preset {
        name: "grpc-requests",
        query: r#"sum(rate(grpc_server_started_total{namespace="${namespace}",pod=~"${pods}"}[1m]))"#,
        by_pod: r#"sum by (namespace, pod) (rate(grpc_server_started_total{namespace=~"${namespace}",pod=~"${pods}"}[1m]))"#,
        shape: Shape::Sum,
        default_target: None,
        measures: "gRPC calls started per second, from the counter grpc_server_started_total",
        reason: "what one replica bears differs by orders of magnitude between services",
    },
    Preset {
        name: "go-cpu",
        query: concat!(
            r#"sum by (pod) (rate(process_cpu_seconds_total{namespace="${namespace}",pod=~"${pods}"}[1m]))"#,
            r#" / sum by (pod) (go_sched_gomaxprocs_threads{namespace="${namespace}",pod=~"${pods}"})"#
        ),
        by_pod: concat!(
            r#"sum by (namespace, pod) (rate(process_cpu_seconds_total{namespace=~"${namespace}",pod=~"${pods}"}[1m]))"#,
            r#" / sum by (namespace, pod) (go_sched_gomaxprocs_threads{namespace=~"${namespace}",pod=~"${pods}"})"#
        ),
        shape: Shape::PerPod,
        default_target: Some("700m"),
        measures: "CPU used by the Go process as a share of the processors it may use (GOMAXPROCS), 0 to 1; no requests, no sidecars",
        reason: "above about 0.7 of its processors a service's queueing time grows steeply",
    },
    Preset {
        name: "go-run-queue",
        query: concat!(
            r#"sum by (pod) (avg_over_time(go_sched_goroutines_runnable_goroutines{namespace="${namespace}",pod=~"${pods}"}[1m]))"#,
            r#" / sum by (pod) (go_sched_gomaxprocs_threads{namespace="${namespace}",pod=~"${pods}"})"#
        ),
        by_pod: concat!(
            r#"sum by (namespace, pod) (avg_over_time(go_sched_goroutines_runnable_goroutines{namespace=~"${namespace}",pod=~"${pods}"}[1m]))"#,
            r#" / sum by (namespace, pod) (go_sched_gomaxprocs_threads{namespace=~"${namespace}",pod=~"${pods}"})"#
        ),
        shape: Shape::PerPod,
        default_target: Some("1"),
        measures: "goroutines ready to run but waiting, per processor (GOMAXPROCS); needs Go 1.26 and the scheduler metrics of client_golang",
        reason: "with one waiting per processor, work is queued as long as it is run",
    },
];

/// Presets that are named in the documentation but need more than one query per workload.
pub const PLANNED: [&str; 6] =
    ["go-sched-latency", "go-memory-headroom", "sql-pool-wait", "istio-requests", "linkerd-requests", "ingress-nginx-requests"];

/// The preset called `name`.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The preset whose query this is.
pub fn of(query: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.query == query)
}

/// All names, for messages.
pub fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}
