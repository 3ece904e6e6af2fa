//! Metrics of policies, the sizes they lead to, and the controller that reads them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod outage;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::plane_support::{Ballast, Flags, Options, Scene, Scraped, plane};
pub use crate::plane_support::{cpu, metric, prometheus};
use crate::support_faults::FaultProxy;

/// Sources whose server can be made to fail, each with its own proxy in front of Prometheus.
pub const FRAGILE: [&str; 5] = ["busy", "slow", "down", "broken-off", "strange"];

pub const ACTIVE: &str = "ScalingActive";

/// One controller for all tests, with Prometheus as its source `default`.
pub struct World {
    pub proxies: Vec<FaultProxy>,
    _ballast: Ballast,
}

pub async fn begin() -> (Scene, &'static Scraped, &'static World) {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let (_, prometheus) = tokio::join!(plane.metrics(), plane.prometheus());
    let start = async || {
        let proxies = join_all(FRAGILE.map(|_| FaultProxy::start(&prometheus.url))).await;
        let fragile = FRAGILE.iter().zip(&proxies).map(|(name, proxy)| json!({ "name": name, "url": proxy.url, "timeoutSeconds": 1 }));
        let sources: Vec<_> = fragile.chain([json!({ "name": "default", "url": prometheus.url })]).collect();
        let file = plane.dir.join("ballast.yaml");
        std::fs::write(&file, json!({ "sources": sources }).to_string()).unwrap();
        let more = vec!["--config".to_owned(), file.to_str().unwrap().to_owned()];
        let flags = Flags { downscale_stabilization: "2s", more, ..Flags::default() };
        World { proxies, _ballast: Ballast::start(plane, "metrics", &flags).await }
    };
    let world = WORLD.get_or_init(start).await;
    (Scene::new(plane).await, prometheus, world)
}

/// A growth by at most so many pods in half an hour: for a value that does not fall when pods come.
pub fn at_most(pods: i32) -> Value {
    json!({ "scaleUp": { "policies": [{ "type": "Pods", "value": pods, "periodSeconds": 1800 }] } })
}

/// One metric that takes a Deployment from 2 to another size.
pub struct Row {
    pub name: &'static str,
    pub metric: Value,
    pub size: i64,
    /// The Event.
    pub why: &'static str,
    /// `status.metricsText` and a value of `status.currentMetrics`, once the size is reached.
    pub table: &'static str,
    pub current: (&'static str, Value),
}

impl Row {
    pub async fn check(&self, scene: &Scene) {
        let name = scene.name(self.name);
        scene.moved(&name, &[(2, self.size)]).await;
        let why = format!("New size: {} (was 2): {}: needs {}", self.size, self.why.replace("{name}", &name), self.size);
        for kind in ["ScalePolicy", "Deployment"] {
            scene.event(kind, &name, "SuccessfulRescale", &[&why]).await;
        }
        scene.shows(&name, "/status/metricsText", &self.table.replace("{name}", &name)).await;
        scene.condition(&name, ACTIVE, "True", "ValidMetricFound", &["the size was computed from"]).await;
        scene.condition(&name, "AbleToScale", "True", "ReadyForNewScale", &[]).await;
        let (pointer, value) = &self.current;
        scene.shows(&name, &format!("/status/currentMetrics/0/{pointer}"), value.as_str().unwrap_or(&value.to_string())).await;
        scene.shows(&name, "/status/desiredReplicas", &self.size.to_string()).await;
        // Nothing followed: the size it chose is the one it wants.
        scene.moved(&name, &[(2, self.size)]).await;
    }
}
