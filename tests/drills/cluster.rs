//! What goes wrong in the cluster rather than in measuring: pods that do not start, and somebody who undoes each move.

use std::time::Duration;

use serde_json::json;

use super::{PATIENCE, World, said, seconds, series, steady};
use crate::plane_support::{FaultRow, Level, PodState, eventually, now, prometheus};

/// A replica for each 10 in a queue of 60; pods may take 30 s to start, the least there is.
async fn six(world: &World, name: &str) -> String {
    let scene = &world.scene;
    let app = scene.deployment(name, 6).await;
    queue(world, &app, 60.0);
    world.scraped.shows(&series("queue", scene, &app), "60").await;
    let query = r#"queue{namespace="${namespace}",app="${name}"}"#;
    let metrics = json!([prometheus("queue", query, ("AverageValue", "10"))]);
    scene.policy(&app, json!({ "metrics": metrics, "warmUpSeconds": 5, "maxReplicas": 40 })).await;
    steady(scene, &app).await;
    app
}

fn queue(world: &World, app: &str, value: f64) {
    world.scraped.set(&series("queue", &world.scene, app), Level::At(value));
}

/// New pods crash: no more of them, and none of those that serve is lost.
pub async fn stuck(world: &World) {
    let (scene, fleet) = (&world.scene, world.scene.plane.fleet().await);
    let app = six(world, "stuck").await;
    fleet.shape(&app, &[vec![PodState::READY; 6], vec![PodState::CRASHING; 34]].concat()).await;
    queue(world, &app, 120.0);
    scene.size("Deployment", &app, 12).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    let start = now();
    queue(world, &app, 300.0);
    let did = said(scene, &app, "PodsNotStarting", "6 of 12 pods are not starting: CrashLoopBackOff").await;
    let held = seconds(start);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let wrong = world.sizes.moves(&app, start);
    let end = now();
    fleet.shape(&app, &[]).await;
    scene.size("Deployment", &app, 30).await;
    let back = Some(seconds(end));
    world.table.add(FaultRow { fault: "new pods crash while demand grows".to_owned(), did, held, back, wrong });
}

/// Somebody sets 4 after each move to 6: named, and not fought in a loop.
pub async fn contested(world: &World) {
    let scene = &world.scene;
    let app = six(world, "contested").await;
    let reset = async || scene.patch("Deployment", &app, json!({ "spec": { "replicas": 4 } })).await;
    let start = now();
    for moves in 1..=2 {
        reset().await;
        // Told before it is undone, or the reset would look like the other's second thought.
        scene
            .until("the move is told", "ScalePolicy", &app, |policy| {
                let told = policy["status"]["scaleEvents"].as_array().map(Vec::len).unwrap_or_default();
                if told >= moves { Ok(()) } else { Err(policy["status"].to_string()) }
            })
            .await;
    }
    reset().await;
    let did = said(scene, &app, "Contested", "undoes each move, so the next one waits").await;
    let held = seconds(start);
    let end = now();
    // What demand needs gets through all the same, half a minute later.
    eventually("the size is 6 again", PATIENCE, async || {
        let found = &scene.get("Deployment", &app).await?["spec"]["replicas"];
        if found == 6 { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    let back = Some(seconds(end));
    // Three were the other's own.
    let wrong = world.sizes.falls(&app, start).saturating_sub(3);
    world.table.add(FaultRow { fault: "another writer undoes each move".to_owned(), did, held, back, wrong });
}
