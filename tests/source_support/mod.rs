//! What tests of sources share.

// Each test binary uses its own part of this module; to panic is how a test says that something is wrong.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]

pub mod gate;
pub mod kubernetes;
pub mod live;
pub mod prometheus;

use std::sync::Arc;

use ballast::api::SourceConfig;
use ballast::clock::Clock;
use ballast::core::{Failure, FailureKind, Reading, Time};
use ballast::source::{Ask, PrometheusQuery, Query, Settings, Sources, WhenEmpty};

/// Makes ring the process's TLS provider, as `main` does.
pub fn provider() {
    // An error means that it is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Sources whose `default` is at `url`, for an API server at `api`.
pub fn sources(api: &str, url: &str) -> Arc<Sources> {
    sources_of(api, url, kubernetes::Watched::default())
}

/// The same with `MetricSource`s.
pub fn sources_of(api: &str, url: &str, watched: kubernetes::Watched) -> Arc<Sources> {
    let settings = Settings { prometheus_url: Some(url.to_owned()), allow_loopback: true, ..Settings::default() };
    Sources::new(kubernetes::client(api), Clock::real(), settings, Arc::new(watched))
}

/// Sources of these settings, without an API server.
pub fn sources_with(settings: Settings) -> Arc<Sources> {
    Sources::new(kubernetes::client("http://127.0.0.1:1"), Clock::real(), settings, Arc::new(kubernetes::Watched::default()))
}

/// A source of the controller's configuration, from its YAML.
pub fn config(text: &str) -> SourceConfig {
    serde_saphyr::from_str(text).unwrap()
}

/// Now, for servers whose samples are of now.
pub fn now() -> Time {
    Clock::real().now()
}

/// The failure of a reading.
pub fn failed(reading: &Reading) -> (FailureKind, &str) {
    match reading {
        Reading::Failed(Failure { kind, message }) => (*kind, message),
        other => panic!("not a failure: {other:?}"),
    }
}

/// The total of a reading, in thousandths.
pub fn total(reading: &Reading) -> f64 {
    match reading {
        Reading::Total(sample) => sample.value,
        other => panic!("not a total: {other:?}"),
    }
}

/// The values of a reading by pod, in thousandths.
pub fn per_pod(reading: &Reading) -> Vec<Option<f64>> {
    match reading {
        Reading::PerPod { samples, .. } => samples.iter().map(|sample| sample.map(|sample| sample.value)).collect(),
        other => panic!("not per pod: {other:?}"),
    }
}

pub fn query(source: &str, query: &str) -> PrometheusQuery {
    PrometheusQuery {
        name: "rps".to_owned(),
        source: source.to_owned(),
        query: query.to_owned(),
        window: std::time::Duration::ZERO,
        when_empty: WhenEmpty::Absent,
        preset: ballast::source::preset::of(query),
    }
}

pub fn ask(namespace: &str, target: &str, pods: &[&str], asked: impl Into<Asked>) -> Ask {
    Ask {
        namespace: Arc::from(namespace),
        target: Arc::from(target),
        selector: Arc::from(format!("app={target}")),
        pods: pods.iter().map(|&pod| Arc::from(pod)).collect(),
        query: asked.into().0,
        direct: None,
    }
}

/// Either kind of question.
pub struct Asked(Query);

impl From<Query> for Asked {
    fn from(query: Query) -> Self {
        Self(query)
    }
}

impl From<PrometheusQuery> for Asked {
    fn from(query: PrometheusQuery) -> Self {
        Self(Query::Prometheus(query))
    }
}
