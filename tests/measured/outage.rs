//! Sources that fail, and what becomes of the sizes.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::{ACTIVE, begin, metric, prometheus};
use crate::plane_support::{Fault as ApiFault, Level, Load, Source, run};
use crate::support_faults::Fault;

/// How a source is made to fail.
#[derive(Clone, Copy)]
enum Outage {
    Proxy(usize, Fault),
    /// The exporter goes away, and Prometheus marks what it knew as stale.
    Stale,
    /// An adapter behind the API server answers so for this metric.
    Api(&'static str, ApiFault),
}

#[test]
fn an_outage_holds_the_size_names_the_source_and_ends_by_itself() {
    run(async {
        let (scene, scraped, world) = begin().await;
        let metrics = scene.plane.metrics().await;
        let rows = [
            ("busy", Outage::Proxy(0, Fault::Status(503)), "source busy: 503 Service Unavailable: the proxy was told to answer so"),
            ("slow", Outage::Proxy(1, Fault::Slow(Duration::from_secs(3))), "source slow: no answer within 1 s"),
            ("down", Outage::Proxy(2, Fault::Down), "source down: error sending request"),
            ("broken-off", Outage::Proxy(3, Fault::Truncate), "source broken-off: "),
            ("strange", Outage::Proxy(4, Fault::Garbage), "source strange: the answer is not one of a Prometheus API"),
            ("stale", Outage::Stale, "source default: returned no series"),
            ("usage", Outage::Api("resource", ApiFault::Status(503)), "cpu: metrics.k8s.io: 503 injected fault"),
            ("adapter", Outage::Api("jobs", ApiFault::Garbage), "external.metrics.k8s.io: the answer cannot be read"),
        ];
        let queue = |app: &str| format!("queue{{namespace=\"{}\",app=\"{app}\"}}", scene.namespace);
        let load = |name: &str, total: i64| {
            let app = scene.name(name);
            metrics.set(&app, Source::Cpu { container: "app" }, Load::Total(total));
            metrics.set(&app, Source::External { metric: "jobs", labels: &[] }, Load::Each(1000 * total));
            scraped.set(&queue(&app), Level::At(f64::from(i32::try_from(total).unwrap())));
        };
        let source = |name: &str| match name {
            "usage" => metric("Resource", json!({ "name": "cpu" }), ("averageValue", json!("10m"))),
            "adapter" => {
                metric("External", json!({ "metric": { "name": format!("jobs.{}", scene.name(name)) } }), ("averageValue", json!(10)))
            }
            _ => {
                let mut metric = prometheus("backlog", r#"queue{namespace="${namespace}",app="${name}"}"#, ("AverageValue", "10"));
                metric["prometheus"]["source"] = json!(if name == "stale" { "default" } else { name });
                metric
            }
        };
        let story = async |name: &'static str, outage: Outage, why: &str| {
            let app = scene.deployment(name, 2).await;
            load(name, 40);
            scene.policy(&app, json!({ "metrics": [source(name)] })).await;
            scene.moved(&app, &[(2, 4)]).await;
            scene.condition(&app, ACTIVE, "True", "ValidMetricFound", &[]).await;

            match outage {
                Outage::Proxy(index, fault) => world.proxies[index].set(fault).await,
                Outage::Stale => scraped.remove(&queue(&app)),
                Outage::Api(metric, fault) => metrics.fault(&app, metric, Some(fault)),
            }
            let reason = match name {
                "usage" => "FailedGetResourceMetric",
                "adapter" => "FailedGetExternalMetric",
                _ => "FailedGetPrometheusMetric",
            };
            scene.condition(&app, ACTIVE, "False", reason, &["no size can be computed", why]).await;
            for kind in ["ScalePolicy", "Deployment"] {
                scene.event(kind, &app, reason, &[why]).await;
            }
            // Whatever would be measured now, nobody knows it: neither more nor fewer.
            if !matches!(outage, Outage::Stale) {
                load(name, 80);
            }
            scene.shows(&app, "/status/metricsText", "<unknown>").await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            scene.moved(&app, &[(2, 4)]).await;
            scene.shows(&app, "/status/desiredReplicas", "4").await;

            match outage {
                Outage::Proxy(index, _) => world.proxies[index].set(Fault::Pass).await,
                Outage::Stale => load(name, 80),
                Outage::Api(metric, _) => metrics.fault(&app, metric, None),
            }
            scene.moved(&app, &[(2, 4), (4, 8)]).await;
            scene.condition(&app, ACTIVE, "True", "ValidMetricFound", &[]).await;
            // A lasting outage is said once, not at every look.
            let notes = scene.notes("ScalePolicy", &app, reason).await.unwrap();
            assert!(notes.len() <= 3, "{notes:?}");
        };
        join_all(rows.iter().map(|(name, outage, why)| story(name, *outage, why))).await;
    });
}
