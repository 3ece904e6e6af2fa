//! Half a day of a controller's metrics: the real core decides for some services, the real sources are asked, and what the controller's registry
//! says each minute is kept with that minute's time.

use std::fmt::Write as _;
use std::time::Duration;

use ballast::clock::Clock;
use ballast::core::Time;
use ballast::source::{Query, Settings, Sources};
use ballast::telemetry::{Metrics, PolicyLabels, SourceMetrics};
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::web_support::source_support::kubernetes::{Watched, api_server, client, serve};
use crate::web_support::source_support::{ask, query};
use crate::web_support::{Kept, cpu, rate, start};

/// Seconds between two scrapes.
pub const STEP: u64 = 60;
/// What is shown: twelve hours.
pub const SHOWN: u64 = 12 * 3600;
/// Days before that from which the forecast learns.
const DAYS: u64 = 8;
const OUTAGE: &str = "source default: http://prometheus.monitoring.svc:9090 answers 503 Service Unavailable";

/// Requests per second of a service, and whether anybody knows them: a day with a peak, noise of its own, a burst.
fn load(service: u64, second: u64) -> f64 {
    let (hour, minute) = (second as f64 / 3600.0 % 24.0, second / 60);
    let day = 0.55 - 0.45 * ((hour - 3.0 - service as f64) * std::f64::consts::TAU / 24.0).cos();
    let noise = ((minute * 7919 + service * 104_729) % 101) as f64 / 1000.0;
    let burst = if service.is_multiple_of(3) && (9.0..9.5).contains(&hour) { 0.8 } else { 0.0 };
    (1500.0 - 90.0 * service as f64) * (day + noise + burst)
}

/// Whether the Prometheus server answers nothing: ten minutes.
fn is_down(second: u64) -> bool {
    (7.0..7.17).contains(&(second as f64 / 3600.0 % 24.0))
}

fn services() -> Vec<Kept> {
    let more = |service: u64| match service {
        0 => json!({ "maxReplicas": 40, "metrics": [cpu(), rate("http-requests-per-second")], "forecast": { "mode": "On" } }),
        _ => json!({ "maxReplicas": 40 }),
    };
    (0..12)
        .map(|service| {
            Kept::new(
                "shop",
                ["web", "cart", "search", "stock", "pay", "mail", "ads", "auth", "img", "feed", "chat", "tax"][service],
                &more(service as u64),
                6,
            )
        })
        .collect()
}

/// A Prometheus server that answers, or not.
async fn answer(server: &MockServer, down: bool) {
    server.reset().await;
    let fine = json!({ "status": "success", "data": { "resultType": "vector", "result": [{ "metric": {}, "value": [start().as_millis() / 1000, "480"] }] } });
    let answer = if down { ResponseTemplate::new(503) } else { ResponseTemplate::new(200).set_body_json(fine) };
    Mock::given(method("POST")).and(path("/api/v1/query")).respond_with(answer).mount(server).await;
}

/// The half day in the `OpenMetrics` text format, and when it ended.
pub async fn history() -> (String, Time) {
    let (mut services, clock, real) = (services(), Clock::manual(start()), Clock::real());
    let first = start() - Duration::from_secs(12 * 3600);
    for second in (0..DAYS * 86_400).step_by(300) {
        services[0].look(first + Duration::from_secs(second), Ok(load(0, second)));
    }
    let begin = DAYS * 86_400;
    clock.advance(Duration::from_secs(begin - 12 * 3600));
    let (api, server) = (api_server().await, MockServer::start().await);
    let list = json!({ "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": [] });
    serve(&api, "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", list).await;
    let settings = Settings { prometheus_url: Some(server.uri()), allow_loopback: true, ..Settings::default() };
    let sources = Sources::new(client(&api.uri()), clock.clone(), settings, std::sync::Arc::new(Watched::default()));
    let metrics = Metrics::new(0, [Box::new(SourceMetrics(std::sync::Arc::clone(&sources))) as Box<_>]);
    metrics.leader.set(1);
    metrics.policies.set(i64::try_from(services.len()).unwrap());
    let asks: Vec<_> = services
        .iter()
        .map(|service| ask("shop", service.name(), &["a-1"], query("default", "sum(rate(http_requests_total[1m]))")))
        .collect();
    let usage = ask("shop", "web", &["a-1"], Query::Resource { resource: "cpu".into(), container: None });
    let asks = [asks, vec![usage]].concat();
    let mut text = String::new();
    let mut down = None;
    for second in (begin..=begin + SHOWN).step_by(usize::try_from(STEP).unwrap()) {
        if down.replace(is_down(second)) != Some(is_down(second)) {
            answer(&server, is_down(second)).await;
        }
        let (now, before) = (clock.now(), real.instant());
        sources.collect(&asks, now).await;
        let took = (real.instant() - before).as_secs_f64();
        metrics.collect.observe(took);
        for (number, service) in (0..).zip(&mut services) {
            let load = load(number, second);
            service.look(now, if is_down(second) { Err(OUTAGE) } else { Ok(load) });
            tell(&metrics, service);
            metrics.lateness.observe((real.instant() - before).as_secs_f64());
        }
        for line in metrics.encode().lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let comma = if labels == "}" { "" } else { "," };
            writeln!(text, "{name}{{job=\"ballast\",instance=\"10.0.0.7:8080\"{comma}{labels} {value} {}", now.as_millis() / 1000).unwrap();
        }
        clock.advance(Duration::from_secs(STEP));
    }
    text.push_str("# EOF\n");
    (text, clock.now() - Duration::from_secs(STEP))
}

/// What the engine tells its metrics of a decision.
fn tell(metrics: &Metrics, service: &Kept) {
    let (policy, decision) = (PolicyLabels { namespace: "shop".into(), name: service.name().into() }, service.decision().unwrap());
    metrics.decided(&policy, decision.verdict, decision.from, decision.to);
    metrics.contested(&policy, decision.is_contested());
    metrics.forecast(&policy, &decision.signals);
    metrics.seen.decided(&policy, decision);
    metrics.status("written");
    if decision.from != decision.to {
        metrics.wrote("written");
        metrics.event("written");
    }
}
