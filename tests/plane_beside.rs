//! Where the stock autoscaler is not right and Ballast is: both at the same time on twin workloads with the same load, through a restart of
//! the controller, a rollout with surge, and a metric that vanishes.
//!
//! `cargo test --test plane_beside -- --nocapture` prints what both did; with `UPDATE=1` that table is written to docs/beside-hpa.md.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod beside;
mod plane_support;
mod twin;

use beside::{Stage, empty, restart, surge};
use plane_support::{Ballast, Flags, Options, plane, run};

/// Both sync every 2 s and look back 20 s before they shrink, so that a story takes seconds; all else is default.
const HPA_FLAGS: &str = "--horizontal-pod-autoscaler-sync-period=2s --horizontal-pod-autoscaler-downscale-stabilization=20s";

#[test]
fn ballast_is_right_beside_the_stock_autoscaler() {
    run(async {
        let plane = plane(Options { hpa: Some(HPA_FLAGS), ..Options::default() }).await;
        let stage = Stage::new(plane).await;
        let memory = ["--checkpoint-interval", "2s", "--lease-namespace", &stage.ballast.namespace];
        let source = ["--prometheus-url", &plane.prometheus().await.url];
        let more = memory.into_iter().chain(source).map(str::to_owned).collect();
        let flags = Flags { sync_period: "2s", downscale_stabilization: "20s", more, ..Flags::default() };
        let ballast = Ballast::start(plane, "beside-1", &flags).await;

        let calm = async { tokio::join!(restart::without(&stage), surge::run(&stage, &ballast), empty::run(&stage)) };
        let (prepared, (window, surge, empty)) = tokio::join!(restart::prepare(&stage), calm);
        let restarted = restart::with(&stage, prepared, ballast, &flags, HPA_FLAGS).await;

        let rows: Vec<_> = [window].into_iter().chain(restarted).chain([surge]).chain(empty).collect();
        beside::print(&rows);
        beside::document(&rows);
    });
}
