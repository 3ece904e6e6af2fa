//! The admin port: `/livez`, `/readyz` (names what it waits for), `/metrics`, `/debug/policies` (the records of decisions), and `/web`, the page
//! for people, where it is wanted. Read-only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer;

use crate::cluster::Key;
use crate::engine::{NoRecord, Records};
use crate::telemetry::Metrics;
use crate::web::{Line, Web};

/// What the process still waits for before it is ready; empty means ready.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<(&'static str, Probe)>>>);

/// Says what is missing, or `None` when nothing is.
type Probe = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// What is served.
#[derive(Clone)]
pub struct Served {
    /// For `/readyz`.
    pub readiness: Readiness,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/debug/policies`.
    pub records: Records,
    /// For `/web`; `None`: there is no page.
    pub web: Option<Web>,
}

/// Policies per answer when none or too many are asked for.
const LIST: usize = 500;

/// Which policies to list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listed {
    namespace: Option<String>,
    /// `NAMESPACE/NAME` after which to go on.
    after: Option<String>,
    limit: Option<usize>,
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

/// Connections at once. A few probes and scrapers come; more is somebody who means harm, or a mistake.
const CONNECTIONS: usize = 64;
/// Time for a request's head, also between two requests: who sends a byte now and then keeps no connection.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Longest life of a connection: who reads a byte now and then keeps none either.
const LONGEST: Duration = Duration::from_mins(2);
/// Streams have this long to end before that.
const LAST_EVENTS: Duration = Duration::from_secs(10);
/// Largest head of a request.
const HEAD_BYTES: usize = 16 << 10;

/// Serves until `shutdown`; the listener is bound by the caller so that a taken port is an error at start.
pub async fn serve(listener: TcpListener, served: Served, shutdown: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .route("/debug/policies", get(list))
        .route("/debug/policies/{namespace}/{name}", get(record))
        .with_state(served.clone());
    let router = match served.web {
        Some(web) => router.merge(web.router()),
        None => router,
    };
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_BYTES);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(std::io::Error::other)?;
            listener.accept().await.map(|(stream, _)| (slot, stream))
        };
        let (slot, stream) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Such as too many open files: it passes, and probes must be answered again then.
                    tracing::debug!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (builder, shutdown, line) = (builder.clone(), shutdown.clone(), Line::default());
        let service = TowerToHyperService::new(Extension(line.clone()).layer(router.clone()));
        tasks.spawn(async move {
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ending = async {
                tokio::time::sleep(LONGEST.saturating_sub(LAST_EVENTS)).await;
                line.ending.cancel();
                tokio::time::sleep(LAST_EVENTS).await;
            };
            tokio::select! {
                _ = connection.as_mut() => {}
                () = ending => {}
                () = line.hang_up.cancelled() => {}
                () = shutdown.cancelled() => {
                    // What is under way is answered.
                    connection.as_mut().graceful_shutdown();
                    let _ = tokio::time::timeout(HEAD_WITHIN, connection).await;
                }
            }
            drop(slot);
        });
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Binds the admin port.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn ready(State(admin): State<Served>) -> impl IntoResponse {
    match admin.readiness.waiting() {
        waiting if waiting.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        waiting => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for\n{}\n", waiting.join("\n"))),
    }
}

async fn exposition(State(admin): State<Served>) -> impl IntoResponse {
    let text = admin.metrics.encode();
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

async fn record(State(admin): State<Served>, Path((namespace, name)): Path<(String, String)>) -> Response {
    match admin.records.policy(Key::new(&namespace, &name)).await {
        Ok(record) => Json(record).into_response(),
        Err(error) => refusal(&error),
    }
}

async fn list(State(admin): State<Served>, Query(listed): Query<Listed>) -> Response {
    let after = match listed.after.as_deref().map(|after| after.split_once('/').ok_or(after)).transpose() {
        Ok(after) => after.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())),
        Err(after) => {
            let error = format!("after: {after}: must be NAMESPACE/NAME");
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
        }
    };
    let limit = listed.limit.unwrap_or(LIST).clamp(1, LIST);
    match admin.records.list(listed.namespace, after, limit).await {
        Ok(policies) => {
            // A full page may have another one behind it.
            let next = policies.last().filter(|_| policies.len() == limit).map(|last| format!("{}/{}", last.namespace, last.name));
            Json(json!({ "policies": policies, "after": next })).into_response()
        }
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &NoRecord) -> Response {
    let (status, leader) = match error {
        NoRecord::NotFound(_) => (StatusCode::NOT_FOUND, None),
        NoRecord::NotLeading { leader } | NoRecord::Elsewhere { leader, .. } => (StatusCode::SERVICE_UNAVAILABLE, leader.as_ref()),
        NoRecord::Busy => (StatusCode::SERVICE_UNAVAILABLE, None),
    };
    (status, Json(json!({ "error": error.to_string(), "leader": leader }))).into_response()
}
