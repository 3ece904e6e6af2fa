//! Pods that serve metrics: every pod of an app gets an address of this machine and a path of its own, where it answers as the test wants.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::json;

use super::Plane;

const TEXT: [(&str, &str); 1] = [("content-type", "text/plain; version=0.0.4")];

/// How a pod answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Says {
    /// Its share of the app's requests, in the counter `http_requests_total`.
    Counts,
    /// Nothing for a long time.
    Slow,
    /// A body without an end.
    Endless,
    /// Ever more series of the wanted metric.
    Crowded,
    /// A redirect to where it would count.
    Elsewhere,
}

/// An app's load, and how its pods answer: those after the last one count.
struct App {
    per_second: f64,
    says: Vec<Says>,
}

/// A pod's counter, and when it was brought up to date.
struct Counter {
    app: String,
    says: Says,
    weight: f64,
    value: f64,
    at: jiff::Timestamp,
}

#[derive(Default)]
struct Served {
    apps: HashMap<String, App>,
    pods: HashMap<String, Counter>,
}

type Shared = Arc<Mutex<Served>>;

/// The exporters of all apps.
pub struct Exporters {
    address: SocketAddr,
    served: Shared,
}

/// An address of this machine that could be a pod's: loopback and link-local ones could not.
pub fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent by that.
    socket.connect("198.51.100.1:9").expect("this test needs an interface beside loopback");
    socket.local_addr().unwrap().ip()
}

impl Exporters {
    /// Serves, and gives each new pod of the apps that are set its address.
    pub async fn start(plane: &'static Plane) -> Self {
        let listener = tokio::net::TcpListener::bind((own_address(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Shared::default();
        let app = axum::Router::new().route("/{pod}", axum::routing::get(answer)).with_state(Arc::clone(&served));
        tokio::spawn(async move { axum::serve(listener, app).await });
        tokio::spawn(follow(plane, address, Arc::clone(&served)));
        Self { address, served }
    }

    /// An app's requests per second over all of its pods, and how the first of them answer.
    pub fn set(&self, app: &str, per_second: f64, says: &[Says]) {
        let mut served = self.served.lock();
        served.count(app);
        served.apps.insert(app.to_owned(), App { per_second, says: says.to_vec() });
    }

    /// Where they listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Served {
    /// Brings the counters of an app up to now.
    fn count(&mut self, app: &str) {
        let Some(App { per_second, .. }) = self.apps.get(app) else { return };
        let now = super::now();
        let mut pods: Vec<&mut Counter> = self.pods.values_mut().filter(|pod| pod.app == app).collect();
        let weights: f64 = pods.iter().map(|pod| pod.weight).sum();
        for pod in &mut pods {
            pod.value += per_second * pod.weight / weights * now.duration_since(pod.at).as_secs_f64();
            pod.at = now;
        }
    }
}

/// Gives pods that have none an address, and forgets those that are gone.
async fn follow(plane: &'static Plane, address: SocketAddr, served: Shared) {
    let fleet = plane.fleet().await;
    loop {
        let apps: Vec<String> = served.lock().apps.keys().cloned().collect();
        for app in apps {
            let pods: Vec<(String, String, usize)> = {
                let all = fleet.pods();
                let alive = all.all().filter(|(_, pod)| pod.app() == app && pod.alive && pod.reported);
                alive.map(|((namespace, name), pod)| (namespace.clone(), name.clone(), pod.ordinal)).collect()
            };
            {
                let mut served = served.lock();
                served.count(&app);
                served.pods.retain(|name, pod| pod.app != app || pods.iter().any(|(_, alive, _)| alive == name));
            }
            let new = pods.into_iter().filter(|(_, name, _)| !served.lock().pods.contains_key(name));
            let exposed =
                new.map(async |(namespace, name, ordinal)| expose(plane, address, &namespace, &name).await.then_some((name, ordinal)));
            for (name, ordinal) in join_all(exposed.collect::<Vec<_>>()).await.into_iter().flatten() {
                let mut served = served.lock();
                served.count(&app);
                let says = served.apps[&app].says.get(ordinal).copied().unwrap_or(Says::Counts);
                // Between 0.5 and 1.5: a balancer is not fair.
                let weight = 0.5 + (ordinal * 37 % 100) as f64 / 100.0;
                served.pods.insert(name, Counter { app: app.clone(), says, weight, value: 1000.0, at: super::now() });
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// As kubelet and the pod's owner would.
async fn expose(plane: &Plane, address: SocketAddr, namespace: &str, name: &str) -> bool {
    let pods: Api<Pod> = Api::namespaced(plane.client.clone(), namespace);
    let annotations = json!({"prometheus.io/port": address.port().to_string(), "prometheus.io/path": format!("/{name}")});
    let says = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let ip = address.ip().to_string();
    let placed = Patch::Merge(json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}}));
    let parameters = PatchParams::default();
    pods.patch(name, &parameters, &says).await.is_ok() && pods.patch_status(name, &parameters, &placed).await.is_ok()
}

async fn answer(State(served): State<Shared>, Path(pod): Path<String>) -> Response {
    let (says, value) = {
        let mut served = served.lock();
        let Some(app) = served.pods.get(&pod).map(|pod| pod.app.clone()) else { return http::StatusCode::NOT_FOUND.into_response() };
        served.count(&app);
        (served.pods[&pod].says, served.pods[&pod].value)
    };
    let forever = |text: &'static str| {
        let chunks = stream::repeat(Bytes::from_static(text.as_bytes())).map(Ok::<_, std::io::Error>);
        (TEXT, Body::from_stream(chunks)).into_response()
    };
    match says {
        Says::Counts => (TEXT, format!("http_requests_total{{code=\"200\"}} {value}\n")).into_response(),
        Says::Slow => {
            tokio::time::sleep(Duration::from_mins(5)).await;
            TEXT.into_response()
        }
        Says::Endless => forever("# HELP other Nothing.\nother 1\n"),
        Says::Crowded => {
            let lines = stream::iter(0_u64..).map(|n| Ok::<_, std::io::Error>(format!("http_requests_total{{n=\"{n}\"}} 1\n")));
            (TEXT, Body::from_stream(lines)).into_response()
        }
        Says::Elsewhere => (http::StatusCode::FOUND, [("location", format!("/{pod}?again"))]).into_response(),
    }
}
