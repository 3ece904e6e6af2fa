//! When each target's size changed, as one watch on all Deployments shows it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::TryStreamExt;
use kube::Client;
use kube::core::WatchEvent;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::names::Target;
use crate::objects::SIZES;

/// Sizes that were seen, with their time.
type Seen = Vec<(Instant, Target, i32)>;

/// A watch that runs until it is dropped.
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<Result<()>>,
}

#[derive(Clone, Deserialize)]
struct Deployment {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Clone, Deserialize)]
struct Spec {
    replicas: i32,
}

#[derive(Deserialize)]
struct List {
    metadata: ListMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
}

impl Watch {
    /// Sees every change from now on.
    pub async fn start(client: &Client) -> Result<Self> {
        let first = http::Request::get("/apis/apps/v1/deployments?limit=1").body(Vec::new())?;
        let List { metadata } = client.request(first).await?;
        let path = format!("/apis/apps/v1/deployments?watch=true&timeoutSeconds=3600&resourceVersion={}", metadata.resource_version);
        let events = client.request_events::<Deployment>(http::Request::get(path).body(Vec::new())?).await?;
        let seen = Arc::<Mutex<Seen>>::default();
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            tokio::pin!(events);
            while let Some(event) = events.try_next().await? {
                let WatchEvent::Modified(Deployment { metadata, spec }) = event else { continue };
                let Some(target) = metadata.namespace.starts_with("team-").then(|| Target::parse(&metadata.name)).flatten() else {
                    continue;
                };
                noted.lock().push((Instant::now(), target, spec.replicas));
            }
            bail!("the API server ended the watch")
        });
        Ok(Self { seen, task })
    }

    /// Targets whose size is another one than at first, as far as was seen.
    pub fn moved(&self) -> Vec<Target> {
        let mut sizes = std::collections::BTreeMap::new();
        for &(_, target, size) in self.seen.lock().iter() {
            sizes.insert(target.0, size);
        }
        sizes.into_iter().filter(|&(_, size)| size != SIZES.0).map(|(target, _)| Target(target)).collect()
    }

    /// Waits until so many targets have the size that the step asks for, or the limit, then reads off the answers to a step at that time.
    pub async fn answers(&self, targets: usize, step: Instant, limit: Duration) -> Result<Answers> {
        let end = step + limit;
        loop {
            let answers = Answers::of(&self.seen.lock(), targets, step);
            if self.task.is_finished() {
                bail!("the watch on Deployments has ended");
            }
            if answers.done.len() == targets || Instant::now() > end {
                return Ok(answers);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Forgets what was seen so far, after it says how much that was.
    pub fn forget(&self) -> usize {
        std::mem::take(&mut *self.seen.lock()).len()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers to one step, in seconds after it could be seen, in order.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The first write for each target.
    pub first: Vec<f64>,
    /// The write that gave each target the size asked for.
    pub done: Vec<f64>,
    /// All writes of sizes.
    pub writes: usize,
    /// Targets that ended with another size.
    pub elsewhere: usize,
}

impl Answers {
    fn of(seen: &Seen, targets: usize, step: Instant) -> Self {
        let mut first = vec![None; targets];
        let mut done = vec![None; targets];
        let mut last = vec![SIZES.0; targets];
        let mut writes = 0;
        for &(time, target, size) in seen {
            let Some(known) = last.get_mut(target.0) else { continue };
            if *known == size {
                continue;
            }
            *known = size;
            writes += 1;
            let seconds = time.saturating_duration_since(step).as_secs_f64();
            first[target.0].get_or_insert(seconds);
            if size == SIZES.1 {
                done[target.0].get_or_insert(seconds);
            }
        }
        let sorted = |times: Vec<Option<f64>>| {
            let mut times: Vec<f64> = times.into_iter().flatten().collect();
            times.sort_by(f64::total_cmp);
            times
        };
        let elsewhere = last.iter().filter(|&&size| size != SIZES.0 && size != SIZES.1).count();
        Self { first: sorted(first), done: sorted(done), writes, elsewhere }
    }
}
