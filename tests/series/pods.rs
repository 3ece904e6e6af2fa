//! The model's pods as objects in the API server, where the real autoscaler's informer finds them.

use std::collections::{HashMap, HashSet};

use ballast::core;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::clock::Clock;

/// Value of their label `app`.
pub const APP: &str = "web";

/// The pods of one namespace, and whether each is ready.
pub struct Mirror {
    api: Api<Pod>,
    known: HashMap<String, bool>,
}

impl Mirror {
    pub fn new(api: Api<Pod>) -> Self {
        Self { api, known: HashMap::new() }
    }

    /// Makes them those of the model.
    pub async fn show(&mut self, pods: &[core::Pod], clock: &Clock) {
        let named: HashSet<&str> = pods.iter().map(|pod| &*pod.name).collect();
        let gone: Vec<String> = self.known.keys().filter(|name| !named.contains(name.as_str())).cloned().collect();
        let at_once = DeleteParams::default().grace_period(0);
        futures::future::join_all(gone.iter().map(|name| self.api.delete(name, &at_once)))
            .await
            .into_iter()
            .for_each(|gone| drop(gone.unwrap()));
        self.known.retain(|name, _| named.contains(name.as_str()));
        let changed: Vec<&core::Pod> = pods.iter().filter(|pod| self.known.get(&*pod.name) != Some(&is_ready(pod))).collect();
        futures::future::join_all(changed.iter().map(|pod| self.write(pod, clock))).await;
        self.known.extend(changed.into_iter().map(|pod| (pod.name.to_string(), is_ready(pod))));
    }

    async fn write(&self, pod: &core::Pod, clock: &Clock) {
        if !self.known.contains_key(&*pod.name) {
            let container = json!({"name": "app", "image": "registry.invalid/app:1", "resources": {"requests": {"cpu": "1"}}});
            let object = json!({
                "metadata": {"name": pod.name, "labels": {"app": APP}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            });
            self.api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        }
        let patch = Patch::Merge(json!({"status": status(pod, clock)}));
        self.api.patch_status(&pod.name, &PatchParams::default(), &patch).await.unwrap();
    }
}

fn is_ready(pod: &core::Pod) -> bool {
    pod.ready.is_some_and(|ready| ready.status)
}

fn status(pod: &core::Pod, clock: &Clock) -> Value {
    let start = clock.scaled(pod.start_time.unwrap());
    // A pod that is not ready has not been since its start.
    let (ready, since) = if is_ready(pod) { ("True", clock.unscaled(pod.ready.unwrap().since)) } else { ("False", start.clone()) };
    let condition = json!({"type": "Ready", "status": ready, "lastTransitionTime": since});
    json!({"phase": "Running", "startTime": start, "conditions": [condition]})
}
