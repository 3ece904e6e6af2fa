//! Traces of ticks and decisions, sent to a real OpenTelemetry Collector while a real control plane is scaled.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod plane_support;

use std::time::Duration;

use plane_support::{
    Ballast, Collector, Launch, Load, Options, SOON, Source, Span, Story, eventually, free_address, plane, prometheus, run,
};
use serde_json::json;

/// Spans go out in batches.
const SENT: Duration = Duration::from_secs(30);

/// What a password would look like in a trace.
const SECRET: &str = "opensesame";

/// A controller of this story's namespace.
async fn controller(story: &Story, endpoint: &str, more: &[&str], service: &str) -> Ballast {
    let fixed = ["--sync-period=1s", "--scale-out-sync-period=0s", "--smoothing=none", "--leader-elect=false", "--checkpoint-interval=0s"];
    let own = ["--namespaces", &story.namespace, "--otlp-endpoint", endpoint];
    let flags: Vec<String> = fixed.iter().chain(&own).chain(more).map(|flag| (*flag).to_owned()).collect();
    let headers = format!("authorization=Bearer%20{SECRET}");
    let env = [
        ("OTEL_SERVICE_NAME", service),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str()),
    ];
    let env = env.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let launch = Launch { admin: free_address().await, env, ..Launch::default() };
    let mut ballast = Ballast::launch(story.plane, &story.namespace, &story.plane.kubeconfig, &flags, launch);
    ballast.wait_ready().await;
    ballast
}

/// Four pods with the load of four, then with that of eight.
async fn scale_out(story: &Story) -> String {
    let web = story.deployment("web", 4, Load::Total(200)).await;
    story.ready(&web, 4).await;
    story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1 })).await;
    story.shows(SOON, "sp/web", "{.status.desiredReplicas}", "4").await;
    story.plane.metrics().await.set(&web, Source::Cpu { container: "app" }, Load::Total(380));
    story.size(SOON, &web, 8).await;
    web
}

/// The span that this one is a child of.
async fn parent(collector: &Collector, of: &Span) -> Span {
    collector.span(&format!("the parent of {}", of.name), SENT, |span| span.id == of.parent && span.trace == of.trace).await
}

#[test]
fn a_scale_out_is_one_trace_from_tick_to_write() {
    run(async {
        let plane = plane(Options::default()).await;
        let (story, collector) = (Story::begin(plane).await, Collector::start(plane, "otelcol-out").await);
        let ballast = controller(&story, &collector.url, &[], "").await;
        let web = scale_out(&story).await;

        let of_eight = |span: &Span| span.name == "scale write" && span.get("ballast.replicas.to") == Some("8");
        let write = collector.span("the write", SENT, of_eight).await;
        let about = [
            ("k8s.namespace.name", story.namespace.as_str()),
            ("k8s.deployment.name", &web),
            ("ballast.policy", "web"),
            ("ballast.replicas.from", "4"),
            ("ballast.replicas.to", "8"),
        ];
        assert!(write.has(&about) && write.has(&[("ballast.outcome", "written")]) && write.kind == 3, "{write:?}");

        let decision = parent(&collector, &write).await;
        assert!(decision.name == "decision" && decision.has(&about) && decision.has(&[("ballast.verdict", "ScaleUp")]), "{decision:?}");
        assert!(decision.get("ballast.reason").unwrap().contains("New size: 8 (was 4)"), "{decision:?}");
        let (_, signal) = decision.events.iter().find(|(name, _)| name == "signal").unwrap();
        assert_eq!((signal["ballast.signal"].as_str(), signal["ballast.signal.proposal"].as_str()), ("cpu", "8"));

        let tick = parent(&collector, &decision).await;
        assert!(tick.name == "tick" && tick.parent.is_empty() && tick.has(&[("ballast.policies", "1")]), "{tick:?}");
        let asked = |span: &Span| span.name == "source request" && span.parent == tick.id;
        let request = collector.span("the request", SENT, asked).await;
        let of_usage = [("ballast.source.kind", "resource"), ("ballast.source", "metrics.k8s.io"), ("ballast.outcome", "answered")];
        assert!(request.has(&of_usage) && request.kind == 3 && request.trace == write.trace, "{request:?}");
        let times = [tick.start, request.start, request.end, decision.start, write.start, write.end];
        assert!(times.is_sorted(), "{times:?}");

        let from = &write.resource;
        assert_eq!((from["service.name"].as_str(), from["deployment.environment.name"].as_str()), ("ballast", "test"));
        assert_eq!(from["service.version"], env!("CARGO_PKG_VERSION"));
        assert!(ballast.stop().await.success());
    });
}

#[test]
fn a_source_that_fails_is_an_error_with_a_short_query() {
    run(async {
        let plane = plane(Options::default()).await;
        let (story, collector) = (Story::begin(plane).await, Collector::start(plane, "otelcol-failure").await);
        let ballast = controller(&story, &collector.url, &["--prometheus-url", "http://127.0.0.1:9"], "scaler").await;
        let web = story.deployment("web", 4, Load::Total(200)).await;
        story.ready(&web, 4).await;
        let query = format!("sum(queue{{of=\"{}\"}})", "x".repeat(400));
        story.policy("web", "Deployment", &web, json!({ "metrics": [prometheus("queue", &query, ("AverageValue", "10"))] })).await;

        let failed = |span: &Span| span.get("ballast.source.kind") == Some("prometheus");
        let request = collector.span("the failed request", SENT, failed).await;
        let about = [("ballast.source", "default"), ("server.address", "127.0.0.1"), ("server.port", "9"), ("error.type", "unreachable")];
        assert!(request.has(&about) && request.has(&[("ballast.outcome", "failed")]) && request.status.0 == 2, "{request:?}");
        let text = request.get("db.query.text").unwrap();
        assert!(text.starts_with("sum(queue") && text.ends_with('…') && text.chars().count() == 257, "{text}");
        assert_eq!(request.resource["service.name"], "scaler");

        let decided = |span: &Span| span.name == "decision" && span.get("ballast.verdict") == Some("Unknown");
        let decision = collector.span("the decision without a signal", SENT, decided).await;
        assert!(decision.events.iter().any(|(_, signal)| signal.contains_key("ballast.signal.failure")), "{decision:?}");
        assert!(!format!("{:?}", collector.spans()).contains(SECRET));
        assert!(!std::fs::read_to_string(&ballast.log).unwrap().contains(SECRET));
        assert!(ballast.stop().await.success());
    });
}

#[test]
fn a_share_of_none_traces_nothing() {
    run(async {
        let plane = plane(Options::default()).await;
        let (story, collector) = (Story::begin(plane).await, Collector::start(plane, "otelcol-none").await);
        let ballast = controller(&story, &collector.url, &["--trace-sample-ratio=0"], "").await;
        scale_out(&story).await;
        assert!(ballast.stop().await.success());
        assert!(collector.spans().is_empty(), "{:?}", collector.spans());
    });
}

/// Scales as ever, says so once, and ends in time.
#[test]
fn a_collector_that_is_away_costs_nothing_but_spans() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        let ballast = controller(&story, &format!("http://{}", free_address().await), &[], "").await;
        scale_out(&story).await;
        let said = || ballast.lines("traces cannot be sent");
        eventually("it says that traces cannot be sent", SENT, async || if said().is_empty() { Err(ballast.tail()) } else { Ok(()) }).await;
        // Many more batches.
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(said().lines().count(), 1, "{}", said());
        assert!(said().contains("Connection refused"), "{}", said());
        assert!(ballast.stop().await.success());
    });
}

#[test]
fn a_collector_that_never_answers_does_not_keep_the_controller() {
    run(async {
        let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let story = Story::begin(plane(Options::default()).await).await;
        let ballast = controller(&story, &format!("http://{}", silent.local_addr().unwrap()), &[], "").await;
        scale_out(&story).await;
        let log = ballast.log.clone();
        assert!(ballast.stop().await.success());
        assert!(std::fs::read_to_string(log).unwrap().contains("some traces have not been sent in time"));
    });
}
