//! The model's pods as objects in the API server, where the real autoscaler's informer finds them.

use std::collections::{HashMap, HashSet};

use ballast::core::{self, Phase, Ready};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::clock::Clock;

/// Value of their label `app`.
pub const APP: &str = "web";

/// The pods of one namespace, and the state that each was last given.
pub struct Mirror {
    api: Api<Pod>,
    known: HashMap<String, (Phase, Option<Ready>)>,
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
        let changed: Vec<&core::Pod> = pods.iter().filter(|pod| self.known.get(&*pod.name) != Some(&state(pod))).collect();
        futures::future::join_all(changed.iter().map(|pod| self.write(pod, clock))).await;
        self.known.extend(changed.into_iter().map(|pod| (pod.name.to_string(), state(pod))));
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

fn state(pod: &core::Pod) -> (Phase, Option<Ready>) {
    (pod.phase, pod.ready)
}

fn status(pod: &core::Pod, clock: &Clock) -> Value {
    let Some((start, ready)) = pod.start_time.zip(pod.ready) else {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"});
        return json!({"phase": "Pending", "conditions": [condition]});
    };
    // That it has not been ready since its start is compared with its start, any other change with samples.
    let since = if ready.since == start { clock.scaled(start) } else { clock.unscaled(ready.since) };
    let word = if ready.status { "True" } else { "False" };
    let condition = json!({"type": "Ready", "status": word, "lastTransitionTime": since});
    json!({"phase": "Running", "startTime": clock.scaled(start), "conditions": [condition]})
}
