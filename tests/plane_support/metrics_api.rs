//! metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io from a table that the test fills: an injector of faults and
//! exact numbers. (The node tests use the real metrics-server.)

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use base64::Engine;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::load::{Fault, Load, Source, Table};
use super::wait::eventually;
use super::{Fleet, metrics_answers, pods::ensure_namespace};

const NAMESPACE: &str = "fake-metrics";
const SERVICE: &str = "api";
/// Group and version of each API.
pub const APIS: [(&str, &str); 3] =
    [("metrics.k8s.io", "v1beta1"), ("custom.metrics.k8s.io", "v1beta2"), ("external.metrics.k8s.io", "v1beta1")];

/// The running API.
pub struct MetricsApi {
    table: Arc<Mutex<Table>>,
}

impl MetricsApi {
    /// Serves on loopback, registers with the API server, and waits until it is available there.
    pub async fn start(client: Client, fleet: Fleet) -> Self {
        let table = Arc::<Mutex<Table>>::default();
        let name = format!("{SERVICE}.{NAMESPACE}.svc");
        let certificate = rcgen::generate_simple_self_signed([name]).unwrap();
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let listener = TlsListener { socket, acceptor: acceptor(&certificate) };
        let router = metrics_answers::router(fleet, table.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        register(&client, port, &certificate.cert.pem()).await;
        Self { table }
    }

    /// Sets a load of an app.
    pub fn set(&self, app: &str, source: Source, load: Load) {
        self.table.lock().set(app, source, load);
    }

    /// Sets a fault of an app's metric (`resource`, or the name of a custom or external metric), or ends it with `None`.
    pub fn fault(&self, app: &str, metric: &str, fault: Option<Fault>) {
        self.table.lock().fault(app, metric, fault);
    }
}

fn acceptor(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(certificate.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.cert.der().clone()], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

struct TlsListener {
    socket: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            // A client that breaks off its handshake is its own problem; the limit keeps it from being that of others.
            let Ok((stream, address)) = self.socket.accept().await else { continue };
            if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_secs(5), self.acceptor.accept(stream)).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.socket.local_addr()
    }
}

/// An `APIService` reaches a process on loopback through a Service that is an external name.
async fn register(client: &Client, port: u16, ca: &str) {
    ensure_namespace(client, NAMESPACE).await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    });
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(client.clone(), NAMESPACE);
    let force = PatchParams::apply("plane-test").force();
    services.patch(SERVICE, &force, &Patch::Apply(&service)).await.unwrap();

    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apiregistration.k8s.io", "v1", "APIService"));
    let registrations: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    for (group, version) in APIS {
        let name = format!("{version}.{group}");
        let registration = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name},
            "spec": {
                "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
                "caBundle": base64::engine::general_purpose::STANDARD.encode(ca),
                "service": {"namespace": NAMESPACE, "name": SERVICE, "port": port},
            },
        });
        registrations.patch(&name, &force, &Patch::Apply(&registration)).await.unwrap();
    }
    for (group, version) in APIS {
        let name = format!("{version}.{group}");
        eventually(&format!("APIService {name} available"), Duration::from_secs(30), async || {
            let registration = registrations.get(&name).await.map_err(|e| e.to_string())?;
            let conditions = registration.data["status"]["conditions"].clone();
            let available = |c: &serde_json::Value| c["type"] == "Available" && c["status"] == "True";
            conditions.as_array().is_some_and(|all| all.iter().any(available)).then_some(()).ok_or(conditions.to_string())
        })
        .await;
    }
}
