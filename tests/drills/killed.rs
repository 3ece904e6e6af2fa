//! The controller is killed while it does not believe a fall: its successor does not either.

use std::time::Duration;

use serde_json::json;

use super::{World, said, seconds, series, steady};
use crate::plane_support::{Ballast, FaultRow, Flags, Level, Scene, Sizes, now, prometheus};

const QUEUE: &str = r#"queue{namespace="${namespace}",app="${name}"}"#;

/// An exporter says 0, and the controller is killed: started again (`kill`), or followed by its standby (`failover`).
pub async fn killed(world: &World, how: &str) {
    let plane = world.scene.plane;
    let scene = Scene::new(plane).await;
    let sizes = Sizes::watch(&plane.client, &scene.namespace);
    let app = scene.deployment(how, 6).await;
    let queue = |value| world.scraped.set(&series("queue", &scene, &app), Level::At(value));
    queue(60.0);
    world.scraped.shows(&series("queue", &scene, &app), "60").await;
    let guard = json!({ "type": "Smooth", "collapseHoldSeconds": 60 });
    scene.policy(&app, json!({ "metrics": [prometheus("queue", QUEUE, ("AverageValue", "10"))], "smoothing": guard })).await;

    let fixed = ["--config", &world.config, "--checkpoint-interval", "2s", "--lease-duration", "4s", "--renew-deadline", "3s"];
    let scope = ["--retry-period", "500ms", "--namespaces", &scene.namespace, "--lease-namespace", &scene.namespace];
    let more = fixed.into_iter().chain(scope).map(str::to_owned).collect();
    let flags = Flags { downscale_stabilization: "2s", leader_elect: how == "failover", more, ..Flags::default() };
    let first = Ballast::start(plane, &format!("faults-{how}-1"), &flags).await;
    steady(&scene, &app).await;

    let start = now();
    queue(0.0);
    let did = said(&scene, &app, "Collapsed", "fell from 60 to 0 too fast to be believed").await;
    let held = seconds(start);
    let second = format!("faults-{how}-2");
    let _second = if how == "failover" {
        let second = Ballast::start(plane, &second, &flags).await;
        first.crash().await;
        second
    } else {
        first.crash().await;
        Ballast::start(plane, &second, &flags).await
    };
    // Well beyond the window, and the time until the lease is free.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let end = now();
    queue(60.0);
    steady(&scene, &app).await;
    let back = seconds(end);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let after = if how == "failover" { "killed, the standby leads" } else { "killed and started again" };
    let fault = format!("exporter says 0 (Prometheus), and the controller is {after}");
    world.table.add(FaultRow { fault, did, held, back: Some(back), wrong: sizes.falls(&app, start) });
}
