//! Annotated workloads and the controller that reads them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod faults;
mod kept;

use tokio::sync::OnceCell;

use crate::plane_support::{Ballast, Flags, Options, Scene, Scraped, Workload, plane};

pub type Annotations = &'static [(&'static str, &'static str)];

/// One controller for all tests, with two names for one Prometheus: `scoped` sees the policy's own namespace only.
pub async fn begin() -> (Scene, &'static Scraped) {
    static BALLAST: OnceCell<Ballast> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    let (_, prometheus) = tokio::join!(plane.metrics(), plane.prometheus());
    let start = async || {
        let url = &prometheus.url;
        let config = format!("sources: [{{name: default, url: '{url}'}}, {{name: scoped, url: '{url}', enforceLabel: namespace}}]");
        let file = plane.dir.join("ballast.yaml");
        std::fs::write(&file, config).unwrap();
        let more = vec!["--config".to_owned(), file.to_str().unwrap().to_owned()];
        Ballast::start(plane, "annotations", &Flags { downscale_stabilization: "2s", more, ..Flags::default() }).await
    };
    BALLAST.get_or_init(start).await;
    (Scene::new(plane).await, prometheus)
}

/// Deployments and `StatefulSet`s in turn.
pub fn workload(scene: &Scene, index: usize, name: &str, replicas: i32) -> Workload {
    let kind = ["Deployment", "StatefulSet"][index % 2];
    Workload { kind, ..Workload::deployment(&scene.namespace, &scene.name(name), replicas) }
}

/// Name of the policy that annotations make.
pub fn policy_of(workload: &Workload) -> String {
    format!("{}.{}", workload.name, workload.kind.to_lowercase())
}
