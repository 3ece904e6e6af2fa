//! What a scenario does to both twins.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::run::{Side, Twins};
use super::scenario::Scenario;
use crate::plane_support::{Fault, Load, PodState, Source, scale};

/// One action.
#[derive(Clone, Debug)]
pub enum Act {
    /// A load changes.
    Load(Source, Load),
    /// A metric fails, or works again.
    Fault(&'static str, Option<Fault>),
    /// Someone scales by hand.
    Scale(i32),
    /// The policy's spec is edited (merge patch).
    Edit(Value),
    /// The pods' states change.
    Shape(Vec<PodState>),
    /// One pod is deleted; with a finalizer it stays.
    DeletePod(usize),
    /// The workload is deleted.
    DeleteTarget,
    /// The workload is created again.
    CreateTarget(i32),
    /// The pod template is edited, so that a rollout begins.
    Rollout,
    /// A pod that carries the workload's labels and belongs to nobody.
    ForeignPod,
    /// A second policy for the same target.
    SecondPolicy,
    /// A target of the kind `Widget`, size 2, with this text as its selector.
    Widget(String),
}

impl Act {
    /// Does it, once for what both twins share and once per twin.
    pub async fn perform(&self, twins: &Twins, scenario: &Scenario) {
        match self {
            Self::Load(source, load) => twins.metrics.set(scenario.name, source.clone(), load.clone()),
            Self::Fault(metric, fault) => twins.metrics.fault(scenario.name, metric, *fault),
            Self::Shape(states) => twins.fleet.shape(scenario.name, states).await,
            _ => {
                for side in twins.sides(scenario) {
                    self.perform_on(twins, scenario, &side).await;
                }
            }
        }
    }

    async fn perform_on(&self, twins: &Twins, scenario: &Scenario, side: &Side) {
        let client = &twins.plane.client;
        let workload = side.workload(scenario);
        match self {
            Self::Scale(replicas) => scale(client, workload.kind, &side.namespace, scenario.name, *replicas).await,
            Self::Edit(spec) => {
                let patch = Patch::Merge(json!({"spec": spec}));
                side.policies(client).patch(scenario.name, &PatchParams::default(), &patch).await.unwrap();
            }
            Self::DeletePod(ordinal) => {
                let found = twins
                    .fleet
                    .pods()
                    .of(&side.namespace, scenario.name)
                    .find(|(_, p)| p.ordinal == *ordinal)
                    .map(|(key, _)| key.1.clone());
                let name = found.unwrap();
                pods_of(client, side).delete(&name, &DeleteParams::default()).await.unwrap();
            }
            Self::DeleteTarget => drop(workload.api(client).delete(scenario.name, &DeleteParams::background()).await.unwrap()),
            Self::CreateTarget(replicas) => {
                twins.fleet.ready(&side.namespace, scenario.name, 0).await;
                crate::plane_support::Workload { replicas: *replicas, ..workload }.create(client).await;
            }
            Self::Rollout => {
                let template = json!({"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}});
                workload.api(client).patch(scenario.name, &PatchParams::default(), &Patch::Merge(template)).await.unwrap();
            }
            Self::ForeignPod => {
                let template = workload.manifest()["spec"]["template"].clone();
                let metadata = json!({"name": format!("{}-foreign", scenario.name), "labels": {"app": scenario.name}});
                let pod: Pod = serde_json::from_value(json!({"metadata": metadata, "spec": template["spec"]})).unwrap();
                pods_of(client, side).create(&PostParams::default(), &pod).await.unwrap();
            }
            Self::SecondPolicy => side.create_policy(client, scenario, &format!("{}-second", scenario.name)).await,
            Self::Widget(selector) => twins.create_widget(side, scenario.name, selector).await,
            Self::Load(..) | Self::Fault(..) | Self::Shape(_) => unreachable!("shared by both twins"),
        }
    }
}

fn pods_of(client: &Client, side: &Side) -> Api<Pod> {
    Api::namespaced(client.clone(), &side.namespace)
}
