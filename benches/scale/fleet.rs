//! Makes the targets, and puts them back to their first size.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use http::{Method, Request};
use indicatif::{ProgressBar, ProgressStyle};
use kube::Client;
use serde_json::{Value, json};

use crate::names::{self, NAMESPACES, Target};
use crate::objects::{self, SIZES};
use crate::plane_support::ensure_namespace;

/// Requests under way at once: enough to keep the API server busy.
const CONCURRENCY: usize = 48;

/// Targets of a cluster.
pub struct Fleet {
    client: Client,
    /// How many there are.
    pub targets: usize,
}

impl Fleet {
    /// Makes the namespaces; their service accounts come from the controllers, which must run until this is done.
    pub async fn new(client: Client) -> Self {
        let names = (0..NAMESPACES).map(names::namespace);
        futures::stream::iter(names)
            .map(async |name| ensure_namespace(&client, &name).await)
            .buffer_unordered(16)
            .collect::<Vec<()>>()
            .await;
        Self { client, targets: 0 }
    }

    /// Adds targets until there are so many.
    pub async fn grow(&mut self, targets: usize) -> Result<Duration> {
        let client = &self.client;
        let time = each("targets", (self.targets..targets).map(Target).collect(), async |target| create(client, target).await).await?;
        self.targets = self.targets.max(targets);
        Ok(time)
    }

    /// Every target.
    pub fn all(&self) -> Vec<Target> {
        (0..self.targets).map(Target).collect()
    }

    /// Creates one object per target under this path of each namespace, e.g. `apis/autoscaling/v2` and `horizontalpodautoscalers`.
    pub async fn give(&self, api: &str, resource: &str, object: impl Fn(Target) -> Value) -> Result<Duration> {
        each(resource, self.all(), async |target| {
            let path = format!("/{api}/namespaces/{}/{resource}", target.namespace());
            send(&self.client, Method::POST, &path, &object(target)).await.map(drop)
        })
        .await
    }

    /// Deletes all objects of a resource in all namespaces.
    pub async fn take(&self, api: &str, resource: &str) -> Result<()> {
        let delete = async |number: usize| {
            let path = format!("/{api}/namespaces/{}/{resource}", names::namespace(number));
            send(&self.client, Method::DELETE, &path, &Value::Null).await.map(drop)
        };
        each("namespaces cleared", (0..NAMESPACES).collect(), delete).await.map(drop)
    }

    /// Waits until no object of a resource is left.
    pub async fn gone(&self, api: &str, resource: &str) -> Result<()> {
        for _ in 0..120 {
            let list = send(&self.client, Method::GET, &format!("/{api}/{resource}?limit=1"), &Value::Null).await?;
            if serde_json::from_str::<Value>(&list)?["items"].as_array().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bail!("{resource} are still there two minutes after they were deleted")
    }

    /// Puts these back to their first size.
    pub async fn reset(&self, targets: Vec<Target>) -> Result<()> {
        let size = json!({"spec": {"replicas": SIZES.0}});
        each("sizes put back", targets, async |target| {
            let path = format!("/apis/apps/v1/namespaces/{}/deployments/{}/scale", target.namespace(), target.name());
            send(&self.client, Method::PATCH, &path, &size).await.map(drop)
        })
        .await
        .map(drop)
    }
}

/// One target with all that belongs to it, status included.
async fn create(client: &Client, target: Target) -> Result<()> {
    let namespace = target.namespace();
    let (apps, core) = (format!("/apis/apps/v1/namespaces/{namespace}"), format!("/api/v1/namespaces/{namespace}"));
    let deployment = uid(&send(client, Method::POST, &format!("{apps}/deployments"), &objects::deployment(target)).await?)?;
    let status = format!("{apps}/deployments/{}/status", target.name());
    send(client, Method::PATCH, &status, &objects::deployment_status()).await?;
    let set = uid(&send(client, Method::POST, &format!("{apps}/replicasets"), &objects::replica_set(target, &deployment)).await?)?;
    for pod in target.pods() {
        send(client, Method::POST, &format!("{core}/pods"), &objects::pod(target, &pod, &set)).await?;
        send(client, Method::PATCH, &format!("{core}/pods/{pod}/status"), &objects::pod_status()).await?;
    }
    Ok(())
}

/// The uid of an answered object.
fn uid(answer: &str) -> Result<String> {
    #[derive(serde::Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        uid: String,
    }
    Ok(serde_json::from_str::<Object>(answer)?.metadata.uid)
}

/// A request with a body of JSON, or none.
pub async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Result<String> {
    let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
    let request = Request::builder().method(&method).uri(path).header(http::header::CONTENT_TYPE, kind).body(bytes)?;
    client.request_text(request).await.with_context(|| format!("{method} {path}"))
}

/// Does something for each, many at once, with a bar where somebody looks on.
async fn each<T>(what: &str, items: Vec<T>, job: impl AsyncFn(T) -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {per_sec} {elapsed}")?;
    let bar = ProgressBar::new(items.len() as u64).with_message(what.to_owned()).with_style(style);
    let job = async |item| {
        let done = job(item).await;
        bar.inc(1);
        done
    };
    futures::stream::iter(items).map(job).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    bar.finish_and_clear();
    Ok(started.elapsed())
}
