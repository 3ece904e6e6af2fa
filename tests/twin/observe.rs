//! What an autoscaler did, as everyone can see it: sizes, conditions, Events.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Client, ResourceExt};
use parking_lot::Mutex;
use serde_json::Value;

use crate::plane_support::now;

/// Every value that `spec.replicas` has had and when it was seen, per namespace and name, from a watch (which leaves nothing out).
#[derive(Clone, Default)]
pub struct Sizes(Arc<Mutex<ByTarget>>);

/// By namespace and name.
type ByTarget = HashMap<(String, String), Vec<(Timestamp, i32)>>;

impl Sizes {
    /// Starts watching.
    pub fn start(client: &Client) -> Self {
        let sizes = Self::default();
        for (group, kind) in [("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "ReplicaSet"), ("twin.test", "Widget")] {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            tokio::spawn(sizes.clone().follow(api));
        }
        sizes
    }

    async fn follow(self, api: Api<DynamicObject>) {
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
        while let Some(event) = events.next().await {
            let Ok(object) = event else { continue };
            let size = i32::try_from(object.data["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap();
            let mut all = self.0.lock();
            let sizes = all.entry((object.namespace().unwrap_or_default(), object.name_any())).or_default();
            if sizes.last().is_none_or(|(_, last)| *last != size) {
                sizes.push((now(), size));
            }
        }
    }

    /// Sizes so far.
    pub fn of(&self, namespace: &str, name: &str) -> Vec<i32> {
        self.timed(namespace, name).into_iter().map(|(_, size)| size).collect()
    }

    /// The same, each with the time from which on it held.
    pub fn timed(&self, namespace: &str, name: &str) -> Vec<(Timestamp, i32)> {
        self.0.lock().get(&(namespace.to_owned(), name.to_owned())).cloned().unwrap_or_default()
    }
}

/// Reasons of `AbleToScale`, `ScalingActive` and `ScalingLimited` in this order, `-` for none. The status is told only where it is not the
/// one that always goes with the reason.
pub fn conditions(policy: &DynamicObject) -> String {
    let all = policy.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let reason = |kind: &str| {
        let Some(condition) = all.iter().find(|c| c["type"] == kind) else { return "-".to_owned() };
        let (reason, status) = (text(&condition["reason"]), text(&condition["status"]));
        if status == usual_status(&reason) { reason } else { format!("{reason}({status})") }
    };
    ["AbleToScale", "ScalingActive", "ScalingLimited"].map(reason).join(" ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn usual_status(reason: &str) -> &'static str {
    let negative = ["Failed", "Invalid", "Ambiguous", "ScalingDisabled", "DesiredWithinRange"];
    if negative.iter().any(|n| reason.starts_with(n)) { "False" } else { "True" }
}

/// Events on a policy.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Sizes named by `SuccessfulRescale`.
    pub rescales: BTreeSet<i32>,
    /// Reasons of the Warnings.
    pub warnings: BTreeSet<String>,
}

/// Reads them. `FailedUpdateStatus` is left out: it comes from conflicts with the test's own edits, by chance of timing.
pub async fn told(client: &Client, namespace: &str, kind: &str, name: &str) -> Told {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let chosen = ListParams::default().fields(&format!("involvedObject.kind={kind},involvedObject.name={name}"));
    let mut told = Told::default();
    for event in api.list(&chosen).await.unwrap() {
        let (reason, message) = (event.reason.unwrap_or_default(), event.message.unwrap_or_default());
        if reason == "SuccessfulRescale" {
            let size = message.split("New size: ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
            told.rescales.extend(size.and_then(|s| s.parse::<i32>().ok()));
        } else if event.type_.as_deref() == Some("Warning") && reason != "FailedUpdateStatus" {
            told.warnings.insert(reason);
        }
    }
    told
}
