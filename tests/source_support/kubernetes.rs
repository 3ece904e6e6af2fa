//! A stand-in for an API server, for answers that a healthy one does not give on demand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ballast::source::{Catalog, CatalogEntry};
use kube::{Client, Config};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A client of the stand-in.
pub fn client(uri: &str) -> Client {
    super::provider();
    let mut config = Config::new(uri.parse().unwrap());
    // An error must show as it is, not after rounds of retries.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// An API server that knows nothing: every path is a 404 with a `Status`.
pub async fn api_server() -> MockServer {
    let server = MockServer::start().await;
    forget(&server).await;
    server
}

/// Makes it know nothing again. (Scoped mocks would be the obvious way, but their guards remove the wrong mock where priorities differ.)
pub async fn forget(server: &MockServer) {
    server.reset().await;
    Mock::given(wiremock::matchers::any()).respond_with(failure(404, "not found")).with_priority(255).mount(server).await;
}

/// An error as API servers write it.
pub fn failure(code: u16, message: &str) -> ResponseTemplate {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    ResponseTemplate::new(code).set_body_json(
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code}),
    )
}

/// Serves `body` at a path.
pub async fn serve(server: &MockServer, at: &str, body: Value) {
    Mock::given(method("GET")).and(path(at)).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(server).await;
}

/// Answers a path with an error.
pub async fn serve_failure(server: &MockServer, at: &str, code: u16, message: &str) {
    Mock::given(method("GET")).and(path(at)).respond_with(failure(code, message)).mount(server).await;
}

/// Number of requests a path got.
pub async fn requests(server: &MockServer, at: &str) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.url.path() == at).count()
}

/// `MetricSource`s as a watch would keep them; clones share them.
#[derive(Clone, Default)]
pub struct Watched(Arc<Mutex<Objects>>);

#[derive(Default)]
struct Objects {
    revision: u64,
    by_name: HashMap<(String, String), CatalogEntry>,
}

impl Watched {
    /// One object; a malformed one has an error.
    pub fn with(namespace: &str, name: &str, spec: Value) -> Self {
        let watched = Self::default();
        watched.set(namespace, name, spec);
        watched
    }

    /// An object was written.
    pub fn set(&self, namespace: &str, name: &str, spec: Value) {
        let spec = serde_json::from_value(spec).map(Arc::new).map_err(|error| format!("spec: {error}"));
        let mut state = self.0.lock().unwrap();
        state.revision += 1;
        let entry = CatalogEntry { revision: state.revision, spec };
        state.by_name.insert((namespace.to_owned(), name.to_owned()), entry);
    }

    /// It was deleted.
    pub fn delete(&self, namespace: &str, name: &str) {
        self.0.lock().unwrap().by_name.remove(&(namespace.to_owned(), name.to_owned()));
    }
}

impl Catalog for Watched {
    fn find(&self, namespace: &str, name: &str) -> Option<CatalogEntry> {
        self.0.lock().unwrap().by_name.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}
