//! `MetricSource` objects, watched by somebody else, and their Secrets, read by name when a policy uses them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use parking_lot::Mutex;

use super::secrets::Secrets;
use crate::api::metric_source::Header;
use crate::api::{MetricSourceSpec, join};
use crate::clock::Clock;
use crate::core::{Failure, FailureKind, Time};
use crate::source::prometheus::{Budget, LiveLimits, Login, Material, Reach, Server, Trust};
use crate::source::{Catalog, CatalogEntry, Cause, Fault, SourceHealth};

/// How long Secrets are taken as they were read. A change of the object is seen at once; one of a Secret is not, since Secrets are not
/// watched.
const FRESH: Duration = Duration::from_mins(5);
/// The same while the server gives no answers: its certificates may have been changed.
const DOUBTFUL: Duration = Duration::from_secs(30);
/// The same while the server does not let us in, and how long a failure to read them stands.
const RETRY: Duration = Duration::from_secs(10);

/// The sources of all namespaces.
pub(super) struct Namespaced {
    client: Client,
    clock: Clock,
    bounds: Bounds,
    catalog: Arc<dyn Catalog>,
    known: Mutex<HashMap<(String, String), Known>>,
}

/// Where sources may lead.
pub(super) struct Bounds {
    pub loopback: bool,
    pub limits: Arc<LiveLimits>,
    pub api_server: Option<SocketAddr>,
}

/// What was made of an object: a server, or why there is none.
#[derive(Clone)]
struct Known {
    revision: u64,
    reach: Reach,
    read: Instant,
    at: Time,
    server: Result<Arc<Server>, Fault>,
    /// The Secrets could not be read again; the server has what was read before.
    stale: bool,
}

// === impl Bounds ===

impl Bounds {
    /// As they are now.
    fn reach(&self) -> Reach {
        Reach::Network { loopback: self.loopback, limits: self.limits.get(), api_server: self.api_server }
    }
}

// === impl Known ===

impl Known {
    fn is_fresh(&self, now: Instant) -> bool {
        let fresh = match self.server.as_ref().map(|server| server.health().last_cause) {
            Err(_) => RETRY,
            Ok(_) if self.stale => RETRY,
            Ok(Some(cause)) if cause.is_of_login() => RETRY,
            Ok(Some(cause)) if !cause.is_of_query() => DOUBTFUL,
            Ok(_) => FRESH,
        };
        now.duration_since(self.read) < fresh
    }
}

// === impl Namespaced ===

impl Namespaced {
    pub fn new(client: Client, clock: Clock, bounds: Bounds, catalog: Arc<dyn Catalog>) -> Self {
        Self { client, clock, bounds, catalog, known: Mutex::default() }
    }

    /// Health of the sources in use, by `namespace/name`.
    pub fn health(&self) -> Vec<(String, SourceHealth)> {
        let mut known = self.known.lock();
        // Connections to what was deleted are closed with this.
        known.retain(|(namespace, name), _| self.catalog.find(namespace, name).is_some());
        let health = known.iter().map(|((namespace, name), known)| {
            let health = match &known.server {
                Ok(server) => server.health(),
                Err(fault) => SourceHealth::unusable(fault, known.at),
            };
            (format!("{namespace}/{name}"), health)
        });
        health.collect()
    }

    /// Whether there is an object of that name, usable or not.
    pub fn exists(&self, namespace: &str, name: &str) -> bool {
        self.catalog.find(namespace, name).is_some()
    }

    /// The server of that name in a namespace, if there is one.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<Arc<Server>>, Fault> {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(entry) = self.catalog.find(namespace, name) else {
            self.known.lock().remove(&key);
            return Ok(None);
        };
        let (now, at, reach) = (self.clock.instant(), self.clock.now(), self.bounds.reach());
        let before = self.known.lock().get(&key).cloned();
        if let Some(known) = &before
            && known.revision == entry.revision
            && known.reach == reach
            && known.is_fresh(now)
        {
            return known.server.clone().map(Some);
        }
        let before = before.filter(|known| known.reach == reach).and_then(|known| Some((known.revision, known.server.ok()?)));
        let (server, stale) = match (self.server(namespace, name, &entry, &reach, before.as_ref().map(|(_, server)| server)).await, before)
        {
            // The API server being away says nothing about the metrics server.
            (Err(fault), Some((revision, server))) if fault.failure.kind == FailureKind::Unreachable && revision == entry.revision => {
                tracing::warn!(source = server.name(), error = %fault.failure.message, "keeping the Secrets read before");
                (Ok(server), true)
            }
            (server, _) => (server, false),
        };
        let mut known = self.known.lock();
        known.retain(|(namespace, name), _| self.catalog.find(namespace, name).is_some());
        // Meanwhile somebody may have read a newer object.
        if known.get(&key).is_none_or(|other| other.revision <= entry.revision) {
            known.insert(key, Known { revision: entry.revision, reach, read: now, at, server: server.clone(), stale });
        }
        server.map(Some)
    }

    /// A server made of what the object says and its Secrets; the one before, if that is still right.
    async fn server(
        &self,
        namespace: &str,
        name: &str,
        entry: &CatalogEntry,
        reach: &Reach,
        before: Option<&Arc<Server>>,
    ) -> Result<Arc<Server>, Fault> {
        let spec = entry.spec.as_ref().map_err(|error| Failure::refused(error).because(Cause::InvalidSpec))?;
        let material = self.material(namespace, spec, reach).await?;
        match before {
            Some(server) if *server.material() == material => Ok(Arc::clone(server)),
            _ => Server::new(&format!("{namespace}/{name}"), material, self.clock.clone()).map_err(|fault| {
                let message = format!("spec.{}", fault.failure.message);
                Failure { message, ..fault.failure }.because(fault.cause)
            }),
        }
    }

    async fn material(&self, namespace: &str, spec: &MetricSourceSpec, reach: &Reach) -> Result<Material, Fault> {
        spec.validate().map_err(|errors| Failure::refused(join(&errors)).because(Cause::InvalidSpec))?;
        let mut secrets = Secrets::new(&self.client, namespace);
        let login = match spec.auth.as_ref().map(|auth| (&auth.bearer_token, &auth.basic)) {
            Some((Some(token), _)) => Login::Bearer(secrets.text("spec.auth.bearerToken.secretKeyRef", &token.secret_key_ref).await?),
            Some((None, Some(basic))) => {
                let password = secrets.text("spec.auth.basic.password.secretKeyRef", &basic.password.secret_key_ref).await?;
                Login::Basic(basic.username.clone(), password)
            }
            _ => Login::None,
        };
        let mut headers = Vec::with_capacity(spec.headers.len());
        for (index, Header { name, value, secret_key_ref }) in spec.headers.iter().enumerate() {
            let value = match secret_key_ref {
                Some(key) => secrets.text(&format!("spec.headers[{index}].secretKeyRef"), key).await?,
                None => value.clone().unwrap_or_default(),
            };
            headers.push((name.clone(), value));
        }
        Ok(Material {
            url: spec.url.clone(),
            timeout: Duration::from_secs(u64::try_from(spec.timeout_seconds).unwrap_or(5)),
            enforce_label: spec.enforce_label.clone(),
            headers,
            login,
            trust: trust(spec, &mut secrets).await?,
            reach: reach.clone(),
            budget: Budget::new(spec.concurrency, spec.queries_per_second),
        })
    }
}

async fn trust(spec: &MetricSourceSpec, secrets: &mut Secrets<'_>) -> Result<Trust, Fault> {
    let Some(tls) = &spec.tls else { return Ok(Trust::default()) };
    let ca = match tls.ca.as_ref().map(|ca| (&ca.secret_key_ref, &ca.config_map_key_ref)) {
        Some((Some(key), _)) => Some(secrets.bytes("spec.tls.ca.secretKeyRef", key).await?),
        Some((None, Some(key))) => Some(secrets.config_map("spec.tls.ca.configMapKeyRef", key).await?),
        _ => None,
    };
    let identity = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let certificate = secrets.bytes("spec.tls.certificate.secretKeyRef", &certificate.secret_key_ref).await?;
            Some((certificate, secrets.bytes("spec.tls.key.secretKeyRef", &key.secret_key_ref).await?))
        }
        _ => None,
    };
    Ok(Trust { ca, identity, server_name: tls.server_name.clone(), insecure_skip_verify: tls.insecure_skip_verify })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// One source, as long as it is there.
    struct One(AtomicBool);

    impl Catalog for One {
        fn find(&self, _: &str, _: &str) -> Option<CatalogEntry> {
            let spec = serde_json::from_value(serde_json::json!({ "url": "http://prometheus.example" })).map_err(|error| error.to_string());
            self.0.load(Ordering::SeqCst).then_some(CatalogEntry { revision: 1, spec })
        }
    }

    #[tokio::test]
    async fn connections_of_a_deleted_source_end_though_nobody_asks_it_again() {
        let nothing = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            http::Response::builder().status(404).body(kube::client::Body::empty())
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let catalog = Arc::new(One(AtomicBool::new(true)));
        let (client, clock) = (Client::new(nothing, "default"), Clock::manual(Time::from_secs(0)));
        let bounds = Bounds { loopback: true, limits: Arc::default(), api_server: None };
        let sources = Namespaced::new(client, clock, bounds, Arc::<One>::clone(&catalog));
        let server = Arc::downgrade(&sources.get("shop", "main").await.unwrap().unwrap());
        assert_eq!(sources.health().len(), 1);
        assert!(server.upgrade().is_some());
        catalog.0.store(false, Ordering::SeqCst);
        assert!(sources.health().is_empty() && server.upgrade().is_none());
    }
}
