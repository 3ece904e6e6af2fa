//! One look at the process: memory, files, threads, tasks, and the series it shows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use procfs::process::Process;
use serde::{Deserialize, Serialize};

use crate::objects::Cluster;

/// What is measured every few seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the churn began; negative before.
    pub at: f64,
    /// What goes on: `start`, `churn` or `end`.
    pub phase: String,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Processor time so far in seconds.
    pub cpu: f64,
    pub fds: u64,
    pub threads: u64,
    pub tasks: u64,
    /// Series on `/metrics`.
    pub series: u64,
    /// Those that name a policy.
    pub policy_series: u64,
    /// Those that name a source.
    pub source_series: u64,
    /// Policies that have a series.
    pub shown: u64,
    /// Series of the policy that has most.
    pub most: u64,
    /// Longest time in seconds for which something deleted still has a series.
    pub orphan_age: f64,
    /// It.
    pub orphan: String,
    /// Series of each family that names policies.
    pub families: BTreeMap<String, u64>,
    /// Objects on the API server by kind.
    pub objects: BTreeMap<String, i64>,
    /// Policies that Ballast knows, and how many of them are overdue.
    pub known: u64,
    pub overdue: u64,
    /// What is broken.
    pub fault: String,
}

/// Takes samples of one process.
pub struct Sampler {
    pid: i32,
    url: String,
    http: reqwest::Client,
    /// When each thing that has series and no object was first seen so.
    orphans: HashMap<String, f64>,
}

// === impl Sampler ===

impl Sampler {
    pub fn new(pid: i32, admin: SocketAddr) -> Self {
        Self { pid, url: format!("http://{admin}/metrics"), http: reqwest::Client::new(), orphans: HashMap::new() }
    }

    /// Whether the process is still there.
    pub fn is_alive(&self) -> bool {
        Process::new(self.pid).is_ok_and(|process| process.is_alive())
    }

    /// Looks once. Objects are listed before and after the series: what was made or deleted meanwhile is no orphan.
    pub async fn take(&mut self, at: f64, phase: &str, cluster: &Cluster, fault: String) -> anyhow::Result<Sample> {
        let mut live = names(cluster).await?;
        let text = self.http.get(&self.url).send().await?.text().await?;
        live.extend(names(cluster).await?);
        let mut sample = Sample { at, phase: phase.to_owned(), fault, ..read(&text) };
        let (orphan, age) = self.orphan(&text, &live, at);
        (sample.orphan, sample.orphan_age) = (orphan, age);
        let process = Process::new(self.pid)?;
        let (status, stat) = (process.status()?, process.stat()?);
        sample.rss = status.vmrss.unwrap_or_default() * 1024;
        sample.threads = status.threads;
        sample.cpu = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        sample.fds = process.fd_count()? as u64;
        for kind in ["ScalePolicy", "MetricSource", "Deployment", "Pod"] {
            sample.objects.insert(kind.to_owned(), cluster.count(kind).await?);
        }
        Ok(sample)
    }

    /// What has had series without an object for longest.
    fn orphan(&mut self, text: &str, live: &HashSet<String>, at: f64) -> (String, f64) {
        let shown: HashSet<String> = series(text).filter_map(object).filter(|object| !live.contains(object)).collect();
        self.orphans.retain(|object, _| shown.contains(object));
        for object in shown {
            self.orphans.entry(object).or_insert(at);
        }
        let oldest = self.orphans.iter().min_by(|one, other| one.1.total_cmp(other.1));
        oldest.map_or_else(Default::default, |(object, since)| (object.clone(), at - since))
    }
}

async fn names(cluster: &Cluster) -> anyhow::Result<HashSet<String>> {
    let (policies, sources) = (cluster.names("ScalePolicy").await?, cluster.names("MetricSource").await?);
    let policies = policies.into_iter().map(|name| format!("policy {name}"));
    Ok(policies.chain(sources.into_iter().map(|name| format!("source {name}"))).collect())
}

fn series(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn label<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let labels = series.split_once('{')?.1;
    let start = labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\""))?;
    start.split_once('"').map(|(value, _)| value)
}

/// The object that a series is about, if any.
fn object(series: &str) -> Option<String> {
    match (label(series, "namespace"), label(series, "name"), label(series, "source")) {
        (Some(namespace), Some(name), _) => Some(format!("policy {namespace}/{name}")),
        // Others are the controller's own.
        (_, _, Some(source)) if source.contains('/') => Some(format!("source {source}")),
        _ => None,
    }
}

/// Counts what is shown.
fn read(text: &str) -> Sample {
    let mut sample = Sample::default();
    let mut policies: HashMap<String, u64> = HashMap::new();
    for line in series(text) {
        sample.series += 1;
        let family = line.split(['{', ' ']).next().unwrap_or_default();
        let value = || line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or_default();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Counts.
        match family {
            "ballast_tasks" => sample.tasks = value() as u64,
            "ballast_policies" => sample.known = value() as u64,
            "ballast_policies_overdue" => sample.overdue = value() as u64,
            _ => {}
        }
        match object(line) {
            Some(policy) if policy.starts_with("policy") => {
                sample.policy_series += 1;
                *policies.entry(policy).or_default() += 1;
                *sample.families.entry(family.to_owned()).or_default() += 1;
            }
            Some(_) => sample.source_series += 1,
            None => {}
        }
    }
    sample.shown = policies.len() as u64;
    sample.most = policies.values().copied().max().unwrap_or_default();
    sample
}
