//! APIs that the API server passes on to this process, as it does to a metrics server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Json;
use axum::routing::get;
use axum::serve::Listener;
use base64::Engine;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::pods::ensure_namespace;
use super::wait::eventually;

const NAMESPACE: &str = "fake-metrics";
const SERVICE: &str = "api";

/// Group, version and resources (as of discovery) of an API.
pub type Served = (&'static str, &'static str, Value);

/// Serves on loopback, registers with the API server, and waits until it is available there. Once per plane.
///
/// `/apis` itself is left out, so that the API server falls back to the discovery document of each version.
pub async fn aggregate(client: &Client, apis: &[Served], mut router: Router) {
    let name = format!("{SERVICE}.{NAMESPACE}.svc");
    let certificate = rcgen::generate_simple_self_signed([name]).unwrap();
    let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let listener = TlsListener { socket, acceptor: acceptor(&certificate) };
    for (group, version, resources) in apis {
        let group_version = format!("{group}/{version}");
        let discovery = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources});
        router = router.route(&format!("/apis/{group_version}"), get(async move || Json(discovery)));
    }
    tokio::spawn(async move { axum::serve(listener, router).await });
    register(client, apis, port, &certificate.cert.pem()).await;
}

/// A resource as discovery lists it.
pub fn resource(name: &str, kind: &str, verbs: &[&str]) -> Value {
    json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": verbs})
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
async fn register(client: &Client, apis: &[Served], port: u16, ca: &str) {
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
    for (group, version, _) in apis {
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
    for (group, version, _) in apis {
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
