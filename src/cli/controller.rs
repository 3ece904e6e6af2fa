//! Asks the controller for a record: at its admin port, or its pods through the API server's proxy.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use http::{Request, StatusCode};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;

use super::access::Session;
use crate::api::{Defaults, ScalePolicy, compile};
use crate::report::Record;

/// The page must not wait for a controller that cannot be reached.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How the chart labels its pods, and the port they serve on.
const LABELS: &str = "app.kubernetes.io/name=ballast";
const PORT: &str = "admin";
/// Pods asked at most: as many as may share the policies out among themselves. One of them decides this one.
const PODS: u32 = 16;
/// Longest answer taken.
const LIMIT: usize = 1 << 20;

/// How to reach the controller.
#[derive(Args, Clone, Debug)]
pub struct ControllerArgs {
    /// Address of the controller's admin port, e.g. <http://localhost:8080> after `kubectl port-forward`. Default: the controller's pods are
    /// asked through the API server, as far as the user may do that (get on pods/proxy).
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// Namespace of the controller.
    #[arg(long, value_name = "NAMESPACE", default_value = "ballast-system")]
    controller_namespace: String,
}

/// Where the controller is.
#[derive(Clone, Copy)]
pub enum Controller<'a> {
    /// At this address.
    At(&'a str),
    /// In pods of this namespace.
    In { client: &'a Client, namespace: &'a str },
}

/// What an admin port says instead of a record.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl ControllerArgs {
    /// The record of a policy from the controller, or else from the policy's status, and why.
    pub async fn record(&self, session: &Session, policy: &ScalePolicy) -> Result<(Record, Option<anyhow::Error>)> {
        let controller = match &self.admin {
            Some(url) => Controller::At(url),
            None => Controller::In { client: &session.client, namespace: &self.controller_namespace },
        };
        match ask(controller, &session.namespace, &policy.name_any()).await {
            Ok(record) => Ok((record, None)),
            Err(error) if self.admin.is_some() => Err(error.context("--admin")),
            Err(error) => Ok((of_status(policy), Some(error))),
        }
    }
}

/// What the policy and its status tell.
pub fn of_status(policy: &ScalePolicy) -> Record {
    let compiled = compile(policy, &Defaults::default());
    Record::of(policy, &policy.status.clone().unwrap_or_default(), compiled.as_ref().map_err(Vec::as_slice))
}

/// The record of a policy, from whichever process leads.
pub async fn ask(controller: Controller<'_>, namespace: &str, name: &str) -> Result<Record> {
    let path = format!("/debug/policies/{namespace}/{name}");
    match controller {
        Controller::At(url) => within(at(url, &path)).await,
        Controller::In { client, namespace } => through_pods(client, namespace, &path).await,
    }
}

async fn within<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(TIMEOUT, future).await.unwrap_or_else(|_| bail!("no answer within {} s", TIMEOUT.as_secs()))
}

async fn at(url: &str, path: &str) -> Result<Record> {
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let response = reqwest::get(&url).await.map_err(|error| anyhow!(error).context(url.clone()))?;
    let status = response.status();
    if response.content_length().is_some_and(|length| length > LIMIT as u64) {
        bail!("{url}: an answer of more than {LIMIT} bytes");
    }
    read(status, &response.bytes().await?).with_context(|| url)
}

async fn through_pods(client: &Client, namespace: &str, path: &str) -> Result<Record> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = within(async { api.list(&ListParams::default().labels(LABELS).limit(PODS)).await.map_err(plain) }).await?;
    let running = pods.items.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let mut last = anyhow!("no pod with the label {LABELS} in namespace {namespace} (--controller-namespace)");
    for pod in running {
        let name = pod.name_any();
        let proxy = format!("/api/v1/namespaces/{namespace}/pods/{name}:{}/proxy{path}", port(pod));
        let request = Request::get(proxy).body(Vec::new())?;
        match within(async { client.request_text(request).await.map_err(plain) })
            .await
            .and_then(|text| read(StatusCode::OK, text.as_bytes()))
        {
            Ok(record) => return Ok(record),
            // It does not decide this policy; the next one may.
            Err(error) => last = error.context(format!("pod {name}")),
        }
    }
    Err(last)
}

/// The admin port of a controller's pod; the proxy takes numbers only.
fn port(pod: &Pod) -> i32 {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.find(|port| port.name.as_deref() == Some(PORT)).map_or(8080, |port| port.container_port)
}

/// An error of the API server in its own words; what a proxied process answered stands there as text.
fn plain(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => match serde_json::from_str::<Refusal>(&status.message) {
            Ok(refusal) => anyhow!(refusal.error),
            Err(_) => anyhow!(status.message.clone()),
        },
        other => other.into(),
    }
}

fn read(status: StatusCode, body: &[u8]) -> Result<Record> {
    if status.is_success() {
        return serde_json::from_slice(body).context("this is not a record of this version of Ballast");
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => bail!("{}", refusal.error),
        Err(_) => bail!("{status}"),
    }
}
