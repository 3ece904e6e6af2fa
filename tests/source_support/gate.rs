//! What stands in front of a Prometheus that wants a bearer token, which it cannot check itself.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};

#[derive(Clone)]
struct Gate {
    backend: String,
    authorization: String,
    http: reqwest::Client,
}

/// Hands requests with this token on to `backend`, without it, and answers others with 401. Gives its address.
pub async fn bearer_gate(backend: &str, token: &str) -> String {
    super::provider();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let gate = Gate { backend: backend.to_owned(), authorization: format!("Bearer {token}"), http };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(pass).with_state(gate);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn pass(State(gate): State<Gate>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    if headers.get("authorization").is_none_or(|value| value.as_bytes() != gate.authorization.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, Vec::new());
    }
    let request = gate.http.post(format!("{}{uri}", gate.backend)).body(body);
    match request.header("content-type", headers["content-type"].clone()).send().await {
        Ok(answer) => (answer.status(), answer.bytes().await.unwrap_or_default().to_vec()),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string().into_bytes()),
    }
}
