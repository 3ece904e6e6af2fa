//! The metrics API as metrics-server serves it, for pods that nobody runs: a fake for volume. It measures every 15 s, all pods at once;
//! a change of load begins a new measurement, so that the time of the change is the time from which it can be seen.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use crate::helper::commands;
use crate::names::{self, NAMESPACES, REQUEST, Target};
use crate::objects::USAGE;
use crate::plane_support::{aggregate, now, resource};

/// metrics-server's default resolution.
const RESOLUTION: Duration = Duration::from_secs(15);
/// metrics-server compresses from this size on, as every Kubernetes API server.
const COMPRESSED: usize = 128 * 1024;
const HEAD: &str = r#"{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":["#;

type Shown = State<Arc<ArcSwap<Measurement>>>;

/// All pods' usage at one time, as text.
#[derive(Default)]
struct Measurement {
    /// Items of a namespace, with commas between them.
    namespaces: Vec<Bytes>,
    /// Where in its namespace's text a target's items are.
    places: HashMap<Target, (usize, usize)>,
    /// The list of the cluster, compressed when somebody wants it.
    compressed: OnceLock<Bytes>,
}

impl Measurement {
    fn take(targets: usize, noise: f64, load: f64) -> Self {
        let time = now();
        let mut texts = vec![String::new(); NAMESPACES];
        let mut places = HashMap::with_capacity(targets);
        for target in (0..targets).map(Target) {
            let text = &mut texts[target.0 % NAMESPACES];
            if !text.is_empty() {
                text.push(',');
            }
            let start = text.len();
            for (number, pod) in target.pods().into_iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                item(text, target, &pod, time, noise, load);
            }
            places.insert(target, (start, text.len()));
        }
        Self { namespaces: texts.into_iter().map(Bytes::from).collect(), places, compressed: OnceLock::new() }
    }

    /// The whole cluster's list in parts that need no copying.
    fn parts(&self) -> Vec<Bytes> {
        let mut parts = vec![Bytes::from_static(HEAD.as_bytes())];
        for items in self.namespaces.iter().filter(|items| !items.is_empty()) {
            if parts.len() > 1 {
                parts.push(Bytes::from_static(b","));
            }
            parts.push(items.clone());
        }
        parts.push(Bytes::from_static(b"]}"));
        parts
    }

    fn compressed(&self) -> Bytes {
        let compress = || gzip(&self.parts()).map_or_else(|_| Bytes::new(), Bytes::from);
        self.compressed.get_or_init(compress).clone()
    }
}

/// One pod, with labels as metrics-server repeats them.
fn item(text: &mut String, target: Target, pod: &str, time: jiff::Timestamp, noise: f64, load: f64) {
    let (name, namespace, hash) = (target.name(), target.namespace(), target.hash());
    // Kubelets measure when they like.
    let bytes: u64 = pod.bytes().map(u64::from).sum();
    let measured = time - Duration::from_millis(bytes * 37 % 10_000);
    let off = ((bytes * 31 + measured.as_second().unsigned_abs() * 17) % 201) as f64 / 100.0 - 1.0;
    let nanos = USAGE / 100.0 * f64::from(REQUEST) * 1e6 * load * (1.0 + noise * off);
    let _ = write!(
        text,
        r#"{{"metadata":{{"name":"{pod}","namespace":"{namespace}","creationTimestamp":"{time:.0}","labels":{{"app.kubernetes.io/component":"api","app.kubernetes.io/instance":"{name}","app.kubernetes.io/name":"{name}","app.kubernetes.io/part-of":"shop","app.kubernetes.io/version":"1.42.0","pod-template-hash":"{hash}","team":"{namespace}"}}}},"timestamp":"{measured:.0}","window":"15.{:03}s","containers":[{{"name":"app","usage":{{"cpu":"{nanos:.0}n","memory":"{}Ki"}}}}]}}"#,
        bytes % 1000,
        60_000 + bytes,
    );
}

fn gzip(parts: &[Bytes]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    parts.iter().try_for_each(|part| encoder.write_all(part))?;
    encoder.finish()
}

/// Serves it until the input ends.
pub async fn serve(kubeconfig: &std::path::Path, targets: usize, noise: f64) -> anyhow::Result<()> {
    let config = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let client = kube::Client::try_from(kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await?)?;
    let shown = Arc::new(ArcSwap::from_pointee(Measurement::take(targets, noise, 1.0)));
    let router = axum::Router::new()
        .route("/apis/metrics.k8s.io/v1beta1/pods", get(cluster))
        .route("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", get(namespace))
        .with_state(Arc::clone(&shown));
    let api = ("metrics.k8s.io", "v1beta1", json!([resource("pods", "PodMetrics", &["get", "list"])]));
    aggregate(&client, &[api], router).await;
    let measure = move |load| shown.store(Arc::new(Measurement::take(targets, noise, load)));
    commands("", RESOLUTION, measure).await
}

async fn cluster(State(shown): Shown, headers: HeaderMap) -> Response {
    let shown = shown.load_full();
    let parts = shown.parts();
    if wants_gzip(&headers) && parts.iter().map(Bytes::len).sum::<usize>() > COMPRESSED {
        // Compressing is no work for a thread that serves others.
        let body = tokio::task::spawn_blocking(move || shown.compressed()).await.unwrap_or_default();
        return ([(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")], body).into_response();
    }
    json_of(parts)
}

async fn namespace(
    State(shown): Shown,
    Path(wanted): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let shown = shown.load_full();
    let Some(items) = (0..NAMESPACES).find(|&number| names::namespace(number) == wanted).map(|number| &shown.namespaces[number]) else {
        return json_of(vec![Bytes::from_static(HEAD.as_bytes()), Bytes::from_static(b"]}")]);
    };
    let items = match query.get("labelSelector").filter(|selector| !selector.is_empty()) {
        None => items.clone(),
        Some(selector) => match selector.strip_prefix("app.kubernetes.io/name=").and_then(Target::parse) {
            Some(target) => shown.places.get(&target).map_or_else(Bytes::new, |&(start, end)| items.slice(start..end)),
            None => return (StatusCode::BAD_REQUEST, "a selector that this fake does not know").into_response(),
        },
    };
    let parts = vec![Bytes::from_static(HEAD.as_bytes()), items, Bytes::from_static(b"]}")];
    if wants_gzip(&headers)
        && parts[1].len() > COMPRESSED
        && let Ok(body) = gzip(&parts)
    {
        return ([(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")], body).into_response();
    }
    json_of(parts)
}

fn wants_gzip(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("gzip"))
}

fn json_of(parts: Vec<Bytes>) -> Response {
    let length = parts.iter().map(Bytes::len).sum::<usize>();
    let body = Body::from_stream(futures::stream::iter(parts.into_iter().map(Ok::<_, std::convert::Infallible>)));
    ([(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_LENGTH, length.to_string())], body).into_response()
}
