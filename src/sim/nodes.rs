//! Room for pods: a group of equal nodes that grows when pods find no room, as a cluster autoscaler makes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::seconds;

/// The nodes of the workload. In files `nodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// Pods that fit on one node, at least 1.
    pub pods_per_node: u32,
    /// Fewest nodes, default 0.
    #[serde(default)]
    pub min: u32,
    /// Most nodes, at least 1; default without bound.
    #[serde(default = "unbounded")]
    pub max: u32,
    /// From a pod without room to the node that takes it, default 120 s.
    #[serde(default = "node_start", with = "seconds", rename = "startSeconds")]
    pub start: Duration,
    /// How long a node must have been superfluous before it goes, default 600 s as in the cluster autoscaler.
    #[serde(default = "node_idle", with = "seconds", rename = "idleSeconds")]
    pub idle: Duration,
}

fn unbounded() -> u32 {
    u32::MAX
}

fn node_start() -> Duration {
    Duration::from_secs(120)
}

fn node_idle() -> Duration {
    Duration::from_secs(600)
}

impl Nodes {
    /// Nodes for so many pods each, as many as are needed.
    pub fn of(pods_per_node: u32) -> Self {
        Self { pods_per_node, min: 0, max: unbounded(), start: node_start(), idle: node_idle() }
    }

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if self.pods_per_node == 0 {
            problems.push(Problem::new("nodes.podsPerNode", "0 is not at least 1"));
        }
        if self.max == 0 || self.max < self.min {
            problems.push(Problem::new("nodes.max", format!("{} is not at least 1 and at least `min`, {}", self.max, self.min)));
        }
    }

    fn needed(&self, pods: u32) -> u32 {
        pods.div_ceil(self.pods_per_node.max(1)).clamp(self.min.min(self.max), self.max)
    }
}

/// The nodes at a second. Pods have no place of their own: a node may go as soon as the others have room for all.
#[derive(Clone, Debug)]
pub struct NodeGroup<'a> {
    nodes: Option<&'a Nodes>,
    ready: u32,
    /// When each ordered node comes.
    coming: Vec<i64>,
    /// Since when there are more than are needed.
    superfluous: Option<i64>,
}

impl<'a> NodeGroup<'a> {
    /// As many as so many pods need; without `nodes` there is always room.
    pub fn new(nodes: Option<&'a Nodes>, pods: u32) -> Self {
        Self { nodes, ready: nodes.map_or(0, |nodes| nodes.needed(pods)), coming: Vec::new(), superfluous: None }
    }

    /// Pods that fit, all in all.
    pub fn room(&self) -> u32 {
        self.nodes.map_or(u32::MAX, |nodes| self.ready.saturating_mul(nodes.pods_per_node))
    }

    /// Nodes that were ordered are there when their time has come.
    pub fn arrive(&mut self, now: i64) {
        let before = self.coming.len();
        self.coming.retain(|&second| second > now);
        self.ready += count(before - self.coming.len());
    }

    /// Orders nodes for pods without room, or removes what was superfluous for long enough.
    pub fn adapt(&mut self, now: i64, placed: u32, waiting: u32) {
        let Some(nodes) = self.nodes else { return };
        let wanted = waiting.div_ceil(nodes.pods_per_node.max(1)).min(nodes.max.saturating_sub(self.ready));
        let ordered = count(self.coming.len());
        let comes = now.saturating_add_unsigned(nodes.start.as_secs());
        self.coming.extend((ordered..wanted).map(|_| comes));
        let needed = nodes.needed(placed);
        if waiting > 0 || needed >= self.ready {
            self.superfluous = None;
        } else if now - *self.superfluous.get_or_insert(now) >= idle(nodes) {
            (self.ready, self.superfluous) = (needed, None);
        }
    }

    /// When something changes next.
    pub fn due(&self) -> i64 {
        let gone = self.superfluous.zip(self.nodes).map(|(since, nodes)| since.saturating_add(idle(nodes)));
        self.coming.iter().copied().chain(gone).min().unwrap_or(i64::MAX)
    }
}

fn idle(nodes: &Nodes) -> i64 {
    i64::try_from(nodes.idle.as_secs()).unwrap_or(i64::MAX)
}

fn count(nodes: usize) -> u32 {
    u32::try_from(nodes).unwrap_or(u32::MAX)
}
