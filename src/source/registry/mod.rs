//! Which server a policy's `source` means.

mod global;
mod namespaced;
mod secrets;

use std::net::SocketAddr;
use std::sync::Arc;

use global::Globals;
use kube::Client;
use namespaced::{Bounds, Namespaced};

use super::direct::Admits;
use super::prometheus::{LiveLimits, Server};
use super::{Ask, Catalog, Fault, PrometheusQuery, Query, SourceHealth};
use crate::api::SourceConfig;
use crate::clock::Clock;
use crate::core::Failure;

/// What the operator of the controller sets about sources.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Address of the source `default`, unless `sources` has one of that name.
    pub prometheus_url: Option<String>,
    /// Sources that every namespace may name.
    pub sources: Vec<SourceConfig>,
    /// Whether a `MetricSource` may lead to loopback addresses; default false, as they are the controller's own.
    pub allow_loopback: bool,
    /// Where else a `MetricSource` may lead; default: anywhere but to reserved addresses.
    pub limits: Arc<LiveLimits>,
    /// The API server's address, where it is one and no name.
    pub api_server: Option<SocketAddr>,
    /// Which addresses of pods may be asked directly; default: none.
    pub direct: Option<Admits>,
}

/// All servers that can be asked.
pub(super) struct Registry {
    globals: Globals,
    namespaced: Namespaced,
}

// === impl Registry ===

impl Registry {
    pub fn new(client: Client, clock: Clock, settings: Settings, catalog: Arc<dyn Catalog>) -> Self {
        let bounds = Bounds { loopback: settings.allow_loopback, limits: settings.limits, api_server: settings.api_server };
        Self {
            namespaced: Namespaced::new(client, clock.clone(), bounds, catalog),
            globals: Globals::new(clock, settings.prometheus_url, settings.sources),
        }
    }

    /// Takes another list of global sources into use.
    pub fn reload(&self, sources: Vec<SourceConfig>) {
        self.globals.reload(sources);
    }

    /// Health of the servers in use: those of the controller's configuration by name, those of namespaces as `namespace/name`.
    pub fn health(&self) -> impl Iterator<Item = (String, SourceHealth)> {
        let globals = self.globals.servers().into_iter().map(|server| (server.name().to_owned(), server.health()));
        globals.chain(self.namespaced.health())
    }

    /// The server of a `MetricSource`, if there is one of that name.
    pub async fn namespaced(&self, namespace: &str, name: &str) -> Result<Option<Arc<Server>>, Fault> {
        self.namespaced.get(namespace, name).await
    }

    /// Whether a namespace means a `MetricSource` of its own by `name`.
    pub fn is_own(&self, namespace: &str, name: &str) -> bool {
        self.namespaced.exists(namespace, name)
    }

    /// The server that policies of `namespace` mean by `name`: their own `MetricSource`, else the controller's. `None`: there is neither.
    pub async fn find(&self, namespace: &str, name: &str) -> Result<Option<Arc<Server>>, Failure> {
        let own =
            self.namespaced.get(namespace, name).await.map_err(|fault| fault.failure.of(&format!("MetricSource {namespace}/{name}")))?;
        match own {
            Some(server) => Ok(Some(server)),
            None => self.globals.get(name).await,
        }
    }

    /// Why an ask whose source was not found has no answer.
    pub fn unknown(&self, ask: &Ask) -> Failure {
        let Query::Prometheus(PrometheusQuery { source, .. }) = &ask.query else { return Failure::refused("no such source") };
        let known = self.globals.names();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::refused(format!(
            "source {source} is unknown: there is no MetricSource {}/{source}; sources of the controller's configuration: {known}",
            ask.namespace
        ))
    }
}
