//! `MetricSource` objects, read by name with their Secrets when a policy uses them. Who watches the objects tells what changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kube::{Api, Client};
use parking_lot::Mutex;

use super::secrets::Secrets;
use crate::api::metric_source::Header;
use crate::api::{MetricSource, MetricSourceSpec, join};
use crate::clock::Clock;
use crate::core::{Failure, FailureKind};
use crate::source::apiserver::{TIMEOUT, from_api};
use crate::source::prometheus::{Login, Material, Reach, Server, Trust};

/// How long an object and its Secrets are taken as they were read. A change of the object is told; one of a Secret is not, since Secrets
/// are not watched.
const FRESH: Duration = Duration::from_mins(5);
/// The same while the server gives no answers: its password or certificates may have been changed.
const DOUBTFUL: Duration = Duration::from_secs(30);
/// How long a failure to read them stands.
const RETRY: Duration = Duration::from_secs(10);
/// When what nobody asks for any more is dropped.
const FORGET: Duration = Duration::from_mins(10);

/// The sources of all namespaces.
pub(super) struct Namespaced {
    client: Client,
    clock: Clock,
    reach: Reach,
    known: Mutex<HashMap<(String, String), Known>>,
    /// Counts what was told to have changed: a read that was under way meanwhile may have brought the old object.
    changes: AtomicU64,
}

/// What a read gave: a server, nothing of that name, or why neither is known.
#[derive(Clone)]
struct Known {
    read: Instant,
    fresh: Duration,
    found: Result<Option<Arc<Server>>, Failure>,
}

// === impl Known ===

impl Known {
    fn is_fresh(&self, now: Instant) -> bool {
        let down = matches!(&self.found, Ok(Some(server)) if server.health().is_up() == Some(false));
        let fresh = if down { self.fresh.min(DOUBTFUL) } else { self.fresh };
        now.duration_since(self.read) < fresh
    }
}

// === impl Namespaced ===

impl Namespaced {
    pub fn new(client: Client, clock: Clock, reach: Reach) -> Self {
        Self { client, clock, reach, known: Mutex::default(), changes: AtomicU64::default() }
    }

    /// The servers in use.
    pub fn servers(&self) -> Vec<Arc<Server>> {
        self.known.lock().values().filter_map(|known| known.found.as_ref().ok()?.clone()).collect()
    }

    /// The object was written or deleted: what was read of it holds no longer.
    pub fn changed(&self, namespace: &str, name: &str) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if let Some(known) = self.known.lock().get_mut(&(namespace.to_owned(), name.to_owned())) {
            known.fresh = Duration::ZERO;
        }
    }

    /// The server of that name in a namespace, if there is one.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<Arc<Server>>, Failure> {
        let now = self.clock.instant();
        let key = (namespace.to_owned(), name.to_owned());
        let changes = self.changes.load(Ordering::SeqCst);
        let before = self.known.lock().get(&key).cloned();
        if let Some(known) = &before
            && known.is_fresh(now)
        {
            return known.found.clone();
        }
        let before = before.and_then(|known| known.found.ok()).flatten();
        let (fresh, found) = match (self.read(namespace, name, before.as_ref()).await, before) {
            (Ok(found), _) => (FRESH, Ok(found)),
            // The API server being away says nothing about the metrics server.
            (Err(failure), Some(server)) if failure.kind == FailureKind::Unreachable => {
                tracing::warn!(source = server.name(), error = %failure.message, "keeping the settings read before");
                (RETRY, Ok(Some(server)))
            }
            (Err(failure), _) => (RETRY, Err(failure.of(&format!("MetricSource {namespace}/{name}")))),
        };
        let mut known = self.known.lock();
        let fresh = if self.changes.load(Ordering::SeqCst) == changes { fresh } else { Duration::ZERO };
        known.retain(|_, known| now.duration_since(known.read) < FORGET);
        known.insert(key, Known { read: now, fresh, found: found.clone() });
        found
    }

    async fn read(&self, namespace: &str, name: &str, before: Option<&Arc<Server>>) -> Result<Option<Arc<Server>>, Failure> {
        let api = Api::<MetricSource>::namespaced(self.client.clone(), namespace);
        let object = tokio::time::timeout(TIMEOUT, api.get_opt(name))
            .await
            .map_err(|_| Failure::unreachable(format!("no answer of the API server within {} s", TIMEOUT.as_secs())))?
            .map_err(|error| from_api(&error, "reading it", ""))?;
        let Some(object) = object else { return Ok(None) };
        let material = self.material(namespace, &object.spec).await?;
        match before {
            Some(server) if *server.material() == material => Ok(Some(Arc::clone(server))),
            _ => Server::new(&format!("{namespace}/{name}"), material, self.clock.clone()).map(Some),
        }
    }

    async fn material(&self, namespace: &str, spec: &MetricSourceSpec) -> Result<Material, Failure> {
        spec.validate().map_err(|errors| Failure::refused(join(&errors)))?;
        let mut secrets = Secrets::new(&self.client, namespace);
        let login = match spec.auth.as_ref().map(|auth| (&auth.bearer_token, &auth.basic)) {
            Some((Some(token), _)) => Login::Bearer(secrets.text(&token.secret_key_ref).await?),
            Some((None, Some(basic))) => Login::Basic(basic.username.clone(), secrets.text(&basic.password.secret_key_ref).await?),
            _ => Login::None,
        };
        let mut headers = Vec::with_capacity(spec.headers.len());
        for Header { name, value, secret_key_ref } in &spec.headers {
            let value = match secret_key_ref {
                Some(key) => secrets.text(key).await?,
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
            reach: self.reach,
        })
    }
}

async fn trust(spec: &MetricSourceSpec, secrets: &mut Secrets<'_>) -> Result<Trust, Failure> {
    let Some(tls) = &spec.tls else { return Ok(Trust::default()) };
    let ca = match tls.ca.as_ref().map(|ca| (&ca.secret_key_ref, &ca.config_map_key_ref)) {
        Some((Some(key), _)) => Some(secrets.bytes(key).await?),
        Some((None, Some(key))) => Some(secrets.config_map(key).await?),
        _ => None,
    };
    let identity = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            Some((secrets.bytes(&certificate.secret_key_ref).await?, secrets.bytes(&key.secret_key_ref).await?))
        }
        _ => None,
    };
    Ok(Trust { ca, identity, server_name: tls.server_name.clone(), insecure_skip_verify: tls.insecure_skip_verify })
}
