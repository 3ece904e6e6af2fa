//! The table of the controller's own metrics, made from what it exports. `UPDATE=1 cargo test --test docs_metrics` writes it.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod source_support;

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ballast::api::{Defaults, compile};
use ballast::core::forecast::{Ahead, Errors, Outlook, Season, Standing};
use ballast::core::{ForecastMode, Memory, Observation, Reading, Sample, SignalReport, Verdict, decide};
use ballast::source::{Query, Sources};
use ballast::telemetry::{About, Metrics, PolicyLabels, SourceMetrics};
use serde_json::json;
use source_support::kubernetes::{Watched, api_server, client, serve};
use source_support::{ask, now};

/// Every family with a series, so that it is written.
async fn exposition() -> String {
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
    SignalReport { name: "rps".into(), current: None, proposal: Some(4), age_millis: None, estimate: None, outlook, failure: None }
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
    let sample = Sample { value: 3000.0, time: now(), window: Duration::ZERO };
    let observation = Observation { spec_replicas: 3, readings: vec![Reading::Total(sample)], ..Observation::default() };
    let decision = decide(&compiled.policy, &mut Memory::default(), &observation, now());
    metrics.seen.decided(policy, &decision);
    metrics.seen.looked(policy, &observation, About { generation: 1, fresh: true, signals: compiled.fingerprints() }, &decision);
}

/// Name, type, labels and help of each family.
fn table(exposition: &str) -> String {
    let mut text = String::from(
        "<!-- Generated: UPDATE=1 cargo test --test docs_metrics -->\n# Metrics of the controller\n\nServed at `/metrics` of the admin port \
         (`--admin-address`, 8080) in the OpenMetrics text format. Series of a policy end with the policy, those of a source with the source.\n\n\
         | Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n",
    );
    let help: Vec<(&str, &str)> = exposition.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    for (family, meaning) in help {
        let kind = exposition.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {family} "))).unwrap();
        let suffix = if kind == "counter" { "_total" } else { "" };
        let series = exposition.lines().find(|line| line.starts_with(&format!("{family}{suffix}")) && !line.starts_with('#')).unwrap();
        let labels = series.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| format!("`{name}`"));
        let names: Vec<String> = names.filter(|name| name != "`le`").collect();
        writeln!(text, "| `{family}{suffix}` | {kind} | {} | {} |", names.join(", "), meaning.trim_end_matches('.')).unwrap();
    }
    text
}

#[tokio::test]
async fn the_table_of_metrics_is_up_to_date() {
    let exposition = exposition().await;
    let table = table(&exposition);
    assert!(table.lines().count() > 18, "{exposition}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), table, "UPDATE=1 cargo test --test docs_metrics");
}
