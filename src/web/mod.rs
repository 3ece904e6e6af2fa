//! The read-only page of the admin port: all policies, why each has its size, how the sources fare. Off unless `--web-page`.
//!
//! The page is files compiled into the program; what they show comes as server-sent events, so there is one way for numbers to get
//! there. Nothing can be changed by it.

mod asset;
mod board;
mod guard;
mod live;
mod rows;
mod sources;

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::cluster::Key;
use crate::engine::Records;
use crate::source::Sources;

pub use live::Line;
pub use rows::{Asked, Sort};

use board::Board;
use guard::guard;
use live::View;

/// Streams at once. They leave most connections of the port to probes and scrapers.
pub const VIEWERS: usize = 16;

/// What the page shows, and to whom.
#[derive(Clone)]
pub struct Web {
    board: Arc<Board>,
    hosts: Arc<[String]>,
    viewers: Arc<Semaphore>,
    stop: CancellationToken,
}

// === impl Web ===

impl Web {
    /// A page about these policies and sources. `hosts` are names by which browsers may reach it, besides addresses, `localhost` and names inside the
    /// cluster; streams end with `stop`.
    pub fn new(records: Records, sources: Arc<Sources>, clock: Clock, hosts: &[String], stop: CancellationToken) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { board: Arc::new(Board::new(records, sources, clock)), hosts, viewers: Arc::new(Semaphore::new(VIEWERS)), stop }
    }

    /// All that is served, under `/web`.
    pub fn router(self) -> Router {
        Router::new()
            .route("/web", get(|| async { (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "web/")]) }))
            .route("/web/", get(asset::index))
            .route("/web/{file}", get(asset::file))
            .route("/web/live/policies", get(policies))
            .route("/web/live/policies/{namespace}/{name}", get(policy))
            .route_layer(from_fn_with_state(self.clone(), guard))
            .with_state(self)
    }

    fn stream(self, line: Option<Line>, view: View) -> Response {
        let Ok(seat) = Arc::clone(&self.viewers).try_acquire_owned() else {
            let error = format!("{VIEWERS} pages are open already");
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], Json(json!({ "error": error }))).into_response();
        };
        live::follow(self.board, view, line.unwrap_or_default(), self.stop, seat).into_response()
    }
}

async fn policies(State(web): State<Web>, line: Option<Extension<Line>>, Query(asked): Query<Asked>) -> Response {
    web.stream(line.map(|Extension(line)| line), View::Policies(asked))
}

async fn policy(State(web): State<Web>, line: Option<Extension<Line>>, Path((namespace, name)): Path<(String, String)>) -> Response {
    web.stream(line.map(|Extension(line)| line), View::Policy(Key::new(&namespace, &name)))
}
