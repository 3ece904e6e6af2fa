//! The real admin port with its page, before policies that the real core decided.

// Each test binary uses its own part of this module; to panic is how a test says that something is wrong.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../source_support/mod.rs"]
pub mod source_support;

mod kept;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ballast::admin::{self, Readiness, Served};
use ballast::clock::Clock;
use ballast::cluster::{Key, Shards};
use ballast::core::Time;
use ballast::engine::{NoRecord, Records, Shelf};
use ballast::report::{Record, Summary};
use ballast::source::{Query, Settings, Sources};
use ballast::telemetry::Metrics;
use ballast::web::Web;
use parking_lot::Mutex;
use serde_json::json;
use source_support::kubernetes::{Watched, api_server, client, serve};
use source_support::{ask, query};
use tokio_util::sync::CancellationToken;

pub use kept::{Kept, cpu, rate};

/// When the tests begin: the clock stands until they move it.
pub const START: &str = "2026-07-01T12:00:00Z";

pub fn start() -> Time {
    Time::from_millis(START.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// Policies by name.
#[derive(Default)]
pub struct Policies(pub BTreeMap<Key, Kept>);

impl Policies {
    pub fn add(&mut self, namespace: &str, kept: Kept) {
        self.0.insert(Key::new(namespace, kept.name()), kept);
    }

    pub fn get(&mut self, namespace: &str, name: &str) -> &mut Kept {
        self.0.get_mut(&Key::new(namespace, name)).unwrap()
    }
}

impl Shelf for Policies {
    fn keys(&self) -> Vec<&Key> {
        self.0.keys().collect()
    }

    fn summary(&self, key: &Key) -> Option<Summary> {
        self.0.get(key).map(Kept::summary)
    }

    fn record(&self, key: &Key) -> Result<Record, NoRecord> {
        self.0.get(key).map(Kept::record).ok_or_else(|| NoRecord::NotFound(key.clone()))
    }
}

/// A port that serves.
pub struct Port {
    pub address: SocketAddr,
    pub clock: Clock,
    pub policies: Arc<Mutex<Policies>>,
    pub stop: CancellationToken,
    /// Held while it is asked.
    _api: wiremock::MockServer,
}

impl Port {
    /// Serves these policies on loopback, as a leader or a standby; `port` 0: a free one.
    pub async fn open(policies: Policies, port: u16, leads: bool) -> Self {
        let clock = Clock::manual(start());
        let listener = admin::bind(([127, 0, 0, 1], port).into()).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let shards = if leads { Shards::always(Clock::real()) } else { Shards::standby(Clock::real(), 1) };
        let (records, mut asks) = Records::channel(shards);
        let policies = Arc::new(Mutex::new(policies));
        let shelf = Arc::clone(&policies);
        tokio::spawn(async move {
            while let Some(ask) = asks.recv().await {
                ask.answer(&*shelf.lock());
            }
        });
        let (api, sources) = sources(&clock).await;
        let web = Web::new(records.clone(), sources, clock.clone(), &["ballast.example.com".to_owned()], stop.clone());
        let served = Served { readiness: Readiness::default(), metrics: Metrics::new(0, []), records, web: Some(web) };
        tokio::spawn(admin::serve(listener, served, stop.clone()));
        Self { address, clock, policies, stop, _api: api }
    }

    /// Address of the page; `fragment` says which part of it.
    pub fn page(&self, fragment: &str) -> String {
        format!("http://{}/web/{fragment}", self.address)
    }
}

/// Sources of which the metrics API answers and the Prometheus server does not.
async fn sources(clock: &Clock) -> (wiremock::MockServer, Arc<Sources>) {
    let api = api_server().await;
    let list = json!({ "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": [] });
    serve(&api, "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", list).await;
    // A port of loopback that nobody listens on.
    let settings = Settings { prometheus_url: Some("http://127.0.0.1:1".to_owned()), allow_loopback: true, ..Settings::default() };
    let sources = Sources::new(client(&api.uri()), clock.clone(), settings, Arc::new(Watched::default()));
    let cpu = ask("shop", "web", &["web-1"], Query::Resource { resource: "cpu".into(), container: None });
    let rps = ask("shop", "web", &["web-1"], query("default", "up"));
    sources.collect(&[cpu, rps], clock.now()).await;
    (api, sources)
}
