//! Sources of the controller's own configuration, with secrets in files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::api::{SourceConfig, join, metric_source};
use crate::clock::Clock;
use crate::core::Failure;
use crate::source::prometheus::{Budget, Login, Material, Reach, Server, Trust};

/// How often the files of a source are read again.
const REREAD: Duration = Duration::from_secs(10);

/// The configured sources and their clients.
pub(super) struct Globals {
    clock: Clock,
    default_url: Option<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sources: Vec<Arc<SourceConfig>>,
    servers: HashMap<String, Kept>,
}

#[derive(Clone)]
struct Kept {
    config: Arc<SourceConfig>,
    read: Instant,
    server: Arc<Server>,
}

// === impl Globals ===

impl Globals {
    pub fn new(clock: Clock, default_url: Option<String>, sources: Vec<SourceConfig>) -> Self {
        let globals = Self { clock, default_url, state: Mutex::default() };
        globals.reload(sources);
        globals
    }

    /// Takes another list into use; clients of sources that did not change are kept.
    pub fn reload(&self, mut sources: Vec<SourceConfig>) {
        if let Some(url) = &self.default_url
            && !sources.iter().any(|source| source.name == "default")
        {
            sources.push(plain("default", url));
        }
        let mut state = self.state.lock();
        state.servers.retain(|name, _| sources.iter().any(|source| source.name == *name));
        state.sources = sources.into_iter().map(Arc::new).collect();
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.state.lock().sources.iter().map(|source| source.name.clone()).collect();
        names.sort();
        names
    }

    /// The servers in use.
    pub fn servers(&self) -> Vec<Arc<Server>> {
        self.state.lock().servers.values().map(|kept| Arc::clone(&kept.server)).collect()
    }

    /// The server of that name, if one is configured.
    pub async fn get(&self, name: &str) -> Result<Option<Arc<Server>>, Failure> {
        let now = self.clock.instant();
        let (config, kept) = {
            let state = self.state.lock();
            let Some(config) = state.sources.iter().find(|source| source.name == name) else { return Ok(None) };
            (Arc::clone(config), state.servers.get(name).cloned())
        };
        let kept = kept.filter(|kept| kept.config == config);
        if let Some(kept) = &kept
            && now.duration_since(kept.read) < REREAD
        {
            return Ok(Some(Arc::clone(&kept.server)));
        }
        let reader = Arc::clone(&config);
        let material = tokio::task::spawn_blocking(move || material(&reader)).await;
        let server = match (material.unwrap_or_else(|error| Err(Failure::unreachable(error.to_string()))), kept) {
            (Ok(material), Some(kept)) if *kept.server.material() == material => kept.server,
            (Ok(material), _) => {
                Server::new(name, material, self.clock.clone()).map_err(|fault| fault.failure.of(&format!("source {name}")))?
            }
            (Err(failure), Some(kept)) => {
                tracing::warn!(source = name, error = %failure.message, "keeping the settings read before");
                kept.server
            }
            (Err(failure), None) => return Err(failure.of(&format!("source {name}"))),
        };
        self.state.lock().servers.insert(name.to_owned(), Kept { config, read: now, server: Arc::clone(&server) });
        Ok(Some(server))
    }
}

/// A source without anything but an address.
fn plain(name: &str, url: &str) -> SourceConfig {
    SourceConfig {
        name: name.to_owned(),
        url: url.to_owned(),
        bearer_token_file: None,
        basic: None,
        tls: crate::api::source_config::TlsFiles::default(),
        headers: std::collections::BTreeMap::new(),
        timeout_seconds: metric_source::default_timeout(),
        concurrency: metric_source::default_concurrency(),
        queries_per_second: metric_source::default_queries_per_second(),
        enforce_label: None,
    }
}

fn material(config: &SourceConfig) -> Result<Material, Failure> {
    config.validate("source").map_err(|errors| Failure::refused(join(&errors)))?;
    let login = match (&config.bearer_token_file, &config.basic) {
        (Some(file), _) => Login::Bearer(text(file)?),
        (None, Some(basic)) => Login::Basic(basic.username.clone(), text(&basic.password_file)?),
        (None, None) => Login::None,
    };
    let tls = &config.tls;
    let pem = |file: &Option<std::path::PathBuf>| file.as_deref().map(bytes).transpose();
    Ok(Material {
        url: config.url.clone(),
        timeout: Duration::from_secs(u64::try_from(config.timeout_seconds).unwrap_or(5)),
        enforce_label: config.enforce_label.clone(),
        headers: config.headers.clone().into_iter().collect(),
        login,
        trust: Trust {
            ca: pem(&tls.ca_file)?,
            identity: pem(&tls.certificate_file)?.zip(pem(&tls.key_file)?),
            server_name: tls.server_name.clone(),
            insecure_skip_verify: tls.insecure_skip_verify,
        },
        reach: Reach::Everywhere,
        budget: Budget::new(config.concurrency, config.queries_per_second),
    })
}

fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::refused(format!("cannot read {}: {error}", file.display())))
}

/// A secret text without the line break editors add.
fn text(file: &Path) -> Result<String, Failure> {
    let text = String::from_utf8(bytes(file)?).map_err(|_| Failure::refused(format!("{} is not text", file.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
