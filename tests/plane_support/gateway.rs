//! A way to the API server on which requests fail as the test says: everything else is the real server's.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Plane;

/// Largest request that is handed on.
const LARGEST: usize = 16 << 20;

/// Which requests fail.
pub type Concerned = fn(&Method, &Uri) -> bool;

/// What happens to requests.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// Nothing: they are handed on.
    None,
    /// Those concerned get this status, with `Retry-After` of so many seconds.
    Refused(Concerned, u16, Option<u32>),
    /// Each waits for this time, or up to three times as long.
    Slow(Duration),
    /// Watches end in the middle after this time.
    WatchesDrop(Duration),
}

/// The gateway; it ends when dropped. It speaks plain HTTP and acts as the plane's administrator.
pub struct Gateway {
    /// A kubeconfig that leads through it.
    pub kubeconfig: PathBuf,
    trouble: watch::Sender<Trouble>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    client: Client,
    trouble: watch::Receiver<Trouble>,
}

/// All requests.
pub fn everything(_: &Method, _: &Uri) -> bool {
    true
}

/// Writes of Events.
pub fn events(method: &Method, uri: &Uri) -> bool {
    *method != Method::GET && uri.path().split('/').any(|part| part == "events")
}

/// Requests to metrics.k8s.io.
pub fn usage(_: &Method, uri: &Uri) -> bool {
    uri.path().starts_with("/apis/metrics.k8s.io/")
}

/// Writes of sizes.
pub fn sizes(method: &Method, uri: &Uri) -> bool {
    *method == Method::PATCH && uri.path().ends_with("/scale")
}

impl Gateway {
    /// Starts one on a free port of the loopback interface.
    pub async fn start(plane: &Plane, name: &str) -> Self {
        let mut config =
            Config::from_custom_kubeconfig(Kubeconfig::read_from(&plane.kubeconfig).unwrap(), &KubeConfigOptions::default()).await.unwrap();
        // It hands on what the server says.
        config.default_retry = false;
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trouble, receiver) = watch::channel(Trouble::None);
        let shared = Shared { client: Client::try_from(config).unwrap(), trouble: receiver };
        let app = axum::Router::new().fallback(serve).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let kubeconfig = plane.dir.join(format!("kubeconfig-{name}"));
        let text = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "gateway",
            "clusters": [{ "name": "gateway", "cluster": { "server": format!("http://{address}") } }],
            "contexts": [{ "name": "gateway", "context": { "cluster": "gateway", "user": "gateway" } }],
            "users": [{ "name": "gateway", "user": {} }],
        });
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        Self { kubeconfig, trouble, task }
    }

    /// Switches to another trouble, which ends all watches.
    pub fn set(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(shared): State<Shared>, request: Request) -> Response {
    let Shared { client, mut trouble } = shared;
    let present = *trouble.borrow_and_update();
    match present {
        Trouble::Refused(concerned, code, after) if concerned(request.method(), request.uri()) => return refusal(code, after),
        Trouble::Slow(by) => tokio::time::sleep(by.mul_f64(1.0 + 2.0 * fastrand::f64())).await,
        _ => {}
    }
    let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let answer = match pass(&client, request).await {
        Ok(answer) if watches => answer,
        Ok(answer) => return answer,
        Err(error) => return (StatusCode::BAD_GATEWAY, error).into_response(),
    };
    let (parts, body) = answer.into_parts();
    let end = async move {
        match present {
            Trouble::WatchesDrop(after) => tokio::time::sleep(after).await,
            // The gateway has gone, and the connection with it.
            _ => drop(trouble.changed().await),
        }
    };
    let cut = futures::stream::once(async { Err(axum::Error::new(std::io::Error::other("cut"))) });
    Response::from_parts(parts, Body::from_stream(body.into_data_stream().take_until(end).chain(cut)))
}

/// As the API server says it.
fn refusal(code: u16, after: Option<u32>) -> Response {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "the gateway was told to refuse",
        "reason": "Injected", "code": code,
    });
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(seconds) = after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    (StatusCode::from_u16(code).unwrap(), headers, status.to_string()).into_response()
}

async fn pass(client: &Client, request: Request) -> Result<Response, String> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|error| error.to_string())?;
    let mut out = http::Request::builder().method(parts.method).uri(parts.uri);
    for name in [header::CONTENT_TYPE, header::ACCEPT] {
        out = parts.headers.get(&name).into_iter().fold(out, |out, value| out.header(&name, value));
    }
    let out = out.body(kube::client::Body::from(bytes.to_vec())).map_err(|error| error.to_string())?;
    let (mut parts, body) = client.send(out).await.map_err(|error| error.to_string())?.into_parts();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        parts.headers.remove(name);
    }
    // Chunked by the server as it comes, whatever version the API server spoke.
    parts.version = http::Version::HTTP_11;
    Ok(Response::from_parts(parts, Body::new(body)))
}
