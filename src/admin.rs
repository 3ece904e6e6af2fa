//! The admin port: `/livez`, `/readyz` (names what it waits for), `/metrics`. Read-only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

/// What the process still waits for before it is ready; empty means ready.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<(&'static str, Probe)>>>);

/// Says what is missing, or `None` when nothing is.
type Probe = Box<dyn Fn() -> Option<String> + Send + Sync>;

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    metrics: Metrics,
}

// === impl Readiness ===

impl Readiness {
    /// Adds a part that must be ready; `probe` says what it waits for, or `None`.
    pub fn add(&self, part: &'static str, probe: impl Fn() -> Option<String> + Send + Sync + 'static) {
        self.0.lock().push((part, Box::new(probe)));
    }

    /// Everything waited for, one line each.
    pub fn waiting(&self) -> Vec<String> {
        self.0.lock().iter().filter_map(|(part, probe)| probe().map(|what| format!("{part}: {what}"))).collect()
    }
}

/// Serves until `shutdown`; the listener is bound by the caller so that a taken port is an error at start.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .with_state(Admin { readiness, metrics });
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Binds the admin port.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    match admin.readiness.waiting() {
        waiting if waiting.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        waiting => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for\n{}\n", waiting.join("\n"))),
    }
}

async fn exposition(State(admin): State<Admin>) -> impl IntoResponse {
    let text = admin.metrics.encode();
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
