//! What the controller exports, with a series of each family.

// Each test binary uses its own part of this module; to panic is how a test says that something is wrong.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "../source_support/mod.rs"]
pub mod source_support;

use std::sync::Arc;
use std::time::Duration;

use ballast::api::{Defaults, compile};
use ballast::core::forecast::{Ahead, Errors, Outlook, Season, Standing};
use ballast::core::{ForecastMode, Memory, Observation, Reading, Sample, Signal, SignalKind, SignalReport, Target, Verdict, decide};
use ballast::source::{Query, Sources};
use ballast::telemetry::{About, Metrics, PolicyLabels, SourceMetrics};
use serde_json::json;
use source_support::kubernetes::{Watched, api_server, client, serve};
use source_support::{ask, now};

/// Every family with a series, so that it is written.
pub async fn exposition() -> String {
    let api = api_server().await;
    let list = json!({ "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": [] });
    serve(&api, "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", list).await;
    let (clock, settings) = (ballast::clock::Clock::real(), ballast::source::Settings::default());
    let sources = Sources::new(client(&api.uri()), clock, settings, Arc::new(Watched::default()));
    sources.collect(&[ask("shop", "web", &["web-1"], Query::Resource { resource: "cpu".into(), container: None })], now()).await;
    let metrics = Metrics::new(2, [Box::new(SourceMetrics(sources)) as Box<_>]);
    let policy = PolicyLabels { namespace: "shop".into(), name: "web".into() };
    metrics.decided(&policy, Verdict::Steady, 3, 3);
    metrics.contested(&policy, true);
    metrics.forecast(&policy, &[foretold()]);
    look(&metrics, &policy);
    metrics.wrote("written");
    metrics.event("written");
    metrics.status("written");
    metrics.checkpoint("written");
    metrics.lateness.observe(0.1);
    metrics.collect.observe(0.1);
    metrics.encode()
}

/// A signal with a forecast.
fn foretold() -> SignalReport {
    let ahead = Ahead { time: now(), demand: 3000.0, season: Season::Day, seasons: 3, replicas: Some(4) };
    let errors = Some(Errors { forecast: 0.06, reactive: 0.14 });
    let outlook = Some(Outlook { mode: ForecastMode::On, standing: Standing::Better, errors, ahead: Some(ahead) });
    let signal = Signal::new(SignalKind::Prometheus { name: "rps".into() }, Target::Value(1.0));
    SignalReport { proposal: Some(4), outlook, ..SignalReport::unknown(&signal, None) }
}

/// One look at a policy's target.
fn look(metrics: &Metrics, policy: &PolicyLabels) {
    let spec = json!({
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "web"},
            "maxReplicas": 3,
            "metrics": [{"type": "Prometheus", "prometheus": {"name": "rps", "query": "rps", "target": {"type": "AverageValue", "averageValue": "1"}}}],
        },
    });
    let compiled = compile(&serde_json::from_value(spec).unwrap(), &Defaults::default()).unwrap();
    let sample = Sample { value: 4000.0, time: now(), window: Duration::ZERO }; // One more than there may be, so that it is held.
    let observation = Observation { spec_replicas: 3, readings: vec![Reading::Total(sample)], ..Observation::default() };
    let decision = decide(&compiled.policy, &mut Memory::default(), &observation, now());
    metrics.seen.decided(policy, &decision);
    metrics.seen.looked(policy, &observation, About { generation: 1, fresh: true, signals: compiled.fingerprints() }, &decision);
}
