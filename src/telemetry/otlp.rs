//! Sends traces to a collector: OTLP over HTTP, in batches, from a thread of the SDK's own. A collector that is away costs the spans that no longer
//! fit into the bounded queue, and one line in the log.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use reqwest::{Certificate, Client, redirect};
use thiserror::Error;
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::Traces;
use crate::api::source_config::{ADDRESS, is_address};
use crate::config::TracingArgs;

/// Longest wait for one answer of the collector.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long what is queued is sent at shutdown.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// File with certificate authorities of the collector, by the specification of OTLP exporters; the crate reads it for gRPC only.
const CA_FILE: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];

/// Why traces cannot be sent.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// The environment names something that is no address. It is not repeated, since a password may stand in it.
    #[error("traces: OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must be {ADDRESS}")]
    Address,
    /// The file with certificate authorities cannot be read.
    #[error("traces: cannot read {path}: {source}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The client cannot be made.
    #[error("traces: {0}")]
    Client(#[from] reqwest::Error),
    /// The exporter cannot be made.
    #[error("traces: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// What sends the traces.
pub struct Otlp(Option<SdkTracerProvider>);

/// A client of the collector. Requests run on the runtime, since the SDK's thread has none, and reqwest panics without.
#[derive(Debug)]
struct Collector {
    client: Client,
    runtime: Handle,
    /// The last request failed, and that was said.
    away: AtomicBool,
}

// === impl Otlp ===

impl Otlp {
    /// Begins to send what the first part makes, from within the runtime; both are empty unless an endpoint is named.
    pub fn start(args: &TracingArgs) -> Result<(Traces, Self), OtlpError> {
        let Some(endpoint) = args.endpoint(|name| env::var(name).ok()) else { return Ok((Traces::default(), Self(None))) };
        if !is_address(&endpoint) {
            return Err(OtlpError::Address);
        }
        let collector = Collector { client: client(&endpoint)?, runtime: Handle::current(), away: AtomicBool::new(false) };
        let exporter = SpanExporter::builder().with_http().with_endpoint(&endpoint).with_http_client(collector).build()?;
        let mut provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource());
        if let Some(ratio) = args.trace_sample_ratio {
            provider = provider.with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))));
        }
        let provider = provider.build();
        info!("traces are sent by OTLP");
        Ok((Traces::new(provider.tracer("ballast")), Self(Some(provider))))
    }

    /// Sends what is queued, for some seconds at most.
    pub async fn stop(self) {
        let Some(provider) = self.0 else { return };
        // It blocks, and the requests that it waits for need the runtime.
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS)).await;
        if !matches!(stopped, Ok(Ok(()))) {
            info!("some traces have not been sent in time");
        }
    }
}

/// Made like the clients of Prometheus servers.
fn client(endpoint: &str) -> Result<Client, OtlpError> {
    let mut builder = Client::builder()
        .user_agent(concat!("ballast/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT);
    if !endpoint.starts_with("https:") {
        // Saves reading the machine's certificate authorities, which a small image may not even have.
        builder = builder.tls_certs_only([]);
    } else if let Some(path) = CA_FILE.iter().find_map(env::var_os).map(PathBuf::from) {
        let pem = std::fs::read(&path).map_err(|source| OtlpError::Read { path, source })?;
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(&pem)?);
    }
    Ok(builder.build()?)
}

/// Who sends: `ballast`, unless the environment (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`) says otherwise.
fn resource() -> Resource {
    let told = Resource::builder().build();
    let name = told.get(&Key::from_static_str("service.name")).map(|name| name.to_string());
    let named = name.is_some_and(|name| !name.starts_with("unknown_service"));
    let mut builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if !named {
        builder = builder.with_service_name("ballast");
    }
    if let Ok(pod) = env::var("POD_NAME") {
        builder = builder.with_attributes([KeyValue::new("k8s.pod.name", pod.clone()), KeyValue::new("service.instance.id", pod)]);
    }
    builder.build()
}

// === impl Collector ===

impl Collector {
    /// Says once that the collector is away, and once that it is back.
    fn tell(&self, problem: Option<String>) {
        let was = self.away.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(error) if !was => warn!(%error, "traces cannot be sent; they are dropped until the collector answers"),
            None if was => info!("traces are sent again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await }).await?;
        self.tell(match &sent {
            Ok(response) => Some(response.status()).filter(|status| !status.is_success()).map(|status| status.to_string()),
            Err(error) => Some(root(&**error)),
        });
        sent
    }
}

/// The first cause: what stands above it repeats the address, which may hold a secret.
fn root(mut error: &(dyn Error + 'static)) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
