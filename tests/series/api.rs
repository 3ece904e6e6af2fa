//! The model cluster as the real autoscaler sees it: the scale of its workload, and metrics. Every call is handed to the run of its
//! namespace, which answers when the model is there.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::plane_support::{Plane, aggregate, resource};

/// Group and version of the workload.
pub const GROUP: (&str, &str) = ("series.test", "v1");

/// What the autoscaler asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// The scale: a look begins.
    Scale,
    /// A metric.
    Metric,
    /// A new size.
    Size(u32),
}

/// A call that waits for its answer; dropped, it fails.
pub struct Call {
    pub asks: Asks,
    pub answer: oneshot::Sender<Value>,
}

/// Who takes the calls of each namespace.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Call>>>>);

impl Calls {
    /// Serves the APIs on the plane.
    pub async fn start(plane: &Plane) -> Self {
        let calls = Self::default();
        let (group, version) = GROUP;
        let mut scale = resource("models/scale", "Scale", &["get", "update"]);
        scale["group"] = json!("autoscaling");
        scale["version"] = json!("v1");
        let apis = [
            (group, version, json!([resource("models", "Model", &["get"]), scale])),
            ("metrics.k8s.io", "v1beta1", json!([resource("pods", "PodMetrics", &["get", "list"])])),
            ("external.metrics.k8s.io", "v1beta1", json!([])),
        ];
        let router = Router::new()
            .route("/apis/series.test/v1/namespaces/{namespace}/models/{name}/scale", get(read).put(write))
            .route("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", get(pods))
            .route("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}", get(external))
            .with_state(calls.clone());
        aggregate(&plane.client, &apis, router).await;
        calls
    }

    /// The calls of one namespace.
    pub fn of(&self, namespace: &str) -> mpsc::UnboundedReceiver<Call> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.lock().insert(namespace.to_owned(), sender);
        receiver
    }

    async fn ask(&self, namespace: &str, asks: Asks) -> Response {
        let (answer, answered) = oneshot::channel();
        let sender = self.0.lock().get(namespace).cloned();
        let sent = sender.is_some_and(|sender| sender.send(Call { asks, answer }).is_ok());
        match (sent, answered.await) {
            (true, Ok(value)) => Json(value).into_response(),
            _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}

async fn read(State(calls): State<Calls>, Path((namespace, _)): Path<(String, String)>) -> Response {
    calls.ask(&namespace, Asks::Scale).await
}

async fn write(State(calls): State<Calls>, Path((namespace, _)): Path<(String, String)>, body: Bytes) -> Response {
    let scale: Value = serde_json::from_slice(&body).unwrap_or_default();
    match scale["spec"]["replicas"].as_u64().and_then(|size| u32::try_from(size).ok()) {
        Some(size) => calls.ask(&namespace, Asks::Size(size)).await,
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn pods(State(calls): State<Calls>, Path(namespace): Path<String>) -> Response {
    calls.ask(&namespace, Asks::Metric).await
}

async fn external(State(calls): State<Calls>, Path((namespace, _)): Path<(String, String)>) -> Response {
    calls.ask(&namespace, Asks::Metric).await
}
