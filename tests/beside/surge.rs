//! A rolling update with surge pods under an `AverageValue` target, while the load stays what it was: kubernetes/kubernetes#141134.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::pair::{Pair, Stage, decision};
use super::table::Row;
use crate::plane_support::{Ballast, eventually, now};
use crate::twin::{Scenario, Side, external, spec};

const NAME: &str = "surge";

/// Ten pods, each 9 % above its target: within tolerance, so all is well.
pub async fn run(stage: &Stage, ballast: &Ballast) -> Row {
    stage.load(NAME, "jobs", 1090);
    let scenario = Scenario::first(NAME, 10, spec(1, 20, &[external("jobs", "AverageValue", "100")]));
    // New pods are ready but not yet available, so the rollout stands still with its two surge pods until it is let go.
    let mut pair = stage.pair(scenario.with(|s| s.workload.min_ready_seconds = 100_000)).await;
    pair.zero = now();
    let rollout = json!({
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}},
        "template": {"metadata": {"annotations": {"version": "2"}}},
    });
    for side in pair.sides() {
        patch(stage, side, &rollout).await;
    }
    // Both look at the surge: the stock autoscaler takes it for the size, Ballast decides several times.
    stage.plane.fleet().await.ready(&stage.ballast.namespace, NAME, 12).await;
    pair.until(&stage.stock, "counts the surge as its size", |sizes, _| sizes.last() > Some(&10)).await;
    let grown = pair.sizes(&stage.stock)[1];
    for _ in 0..3 {
        next_decision(&pair, ballast).await;
    }
    let policy = pair.policy(&stage.ballast).await.unwrap();

    for side in pair.sides() {
        patch(stage, side, &json!({"minReadySeconds": 0})).await;
    }
    for side in pair.sides() {
        rolled_out(&pair, side).await;
    }
    // After the rollout too: a window later whatever was proposed in it is forgotten.
    tokio::time::sleep(Duration::from_secs(25)).await;
    next_decision(&pair, ballast).await;
    assert_eq!(pair.sizes(&stage.ballast), [10], "the load is the same; {}", ballast.tail());
    pair.row(
        "rollout of 10 pods with 2 surge pods, constant load, AverageValue",
        pair.rescale(&stage.stock, grown).await,
        decision(&policy),
    )
}

async fn patch(stage: &Stage, side: &Side, spec: &Value) {
    let scenario = Scenario::new(NAME, 10, json!({}));
    let api = side.workload(&scenario).api(&stage.plane.client);
    api.patch(NAME, &PatchParams::default(), &Patch::Merge(json!({"spec": spec}))).await.unwrap();
}

/// Waits until Ballast has made one more decision from what there is now.
async fn next_decision(pair: &Pair<'_>, ballast: &Ballast) {
    let time = async || pair.recorded(ballast).await.map(|decision| decision["time"].clone());
    let last = time().await.unwrap();
    eventually("one more decision", Duration::from_secs(30), async || match time().await? {
        time if time == last => Err(time.to_string()),
        _ => Ok(()),
    })
    .await;
}

async fn rolled_out(pair: &Pair<'_>, side: &Side) {
    let api = side.workload(&Scenario::new(NAME, 10, json!({}))).api(&pair.stage.plane.client);
    eventually("the rollout ends", Duration::from_secs(60), async || {
        let object = api.get(NAME).await.map_err(|e| e.to_string())?;
        let (spec, status) = (&object.data["spec"], &object.data["status"]);
        let done = status["observedGeneration"].as_i64() == object.metadata.generation
            && [&status["replicas"], &status["updatedReplicas"], &status["availableReplicas"]].iter().all(|n| **n == spec["replicas"]);
        if done { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}
