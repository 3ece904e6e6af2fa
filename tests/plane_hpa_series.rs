//! The simulated stock HPA against the real one over whole series of metrics.
//!
//! The model cluster of the simulator is put behind real APIs (its pods are objects of a real API server, its metrics come through the metrics
//! APIs), and the real kube-controller-manager scales it on a fast clock. Then the simulator runs the same series by itself with looks at the same
//! times. Sizes and condition reasons must be equal at every look; and must not be once a rule of the simulation is changed.
//!
//! `SERIES_ONLY=sine cargo test --test plane_hpa_series -- --nocapture` runs the series whose names contain `sine`; `UPDATE=1` writes
//! docs/simulator.md.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;
mod series;
mod twin;

use plane_support::{Options, plane, run};
use series::{Calls, all, compare, controls, document, print};

/// Times in the pace of `series::clock`: the window is 22.5 looks and the initialization period 20, which is the default of 5 min.
const HPA_FLAGS: &str = "--horizontal-pod-autoscaler-sync-period=450ms --horizontal-pod-autoscaler-downscale-stabilization=18s \
    --horizontal-pod-autoscaler-cpu-initialization-period=16s --horizontal-pod-autoscaler-initial-readiness-delay=1600ms \
    --concurrent-horizontal-pod-autoscaler-syncs=40 --kube-api-qps=500 --kube-api-burst=1000";

#[test]
fn the_simulated_stock_rule_does_what_the_real_one_does() {
    run(async {
        let plane = plane(Options { hpa: Some(HPA_FLAGS), ..Options::default() }).await;
        let calls = Calls::start(plane).await;
        let only = std::env::var("SERIES_ONLY").unwrap_or_default();
        let chosen = all().into_iter().filter(|series| series.name.contains(&only));
        let comparisons = futures::future::join_all(chosen.map(|series| compare(plane, calls.clone(), series))).await;

        let controls = controls(&comparisons);
        print(&comparisons, &controls);
        let different: Vec<_> = comparisons.iter().filter_map(|c| Some((c.series.name, c.difference()?))).collect();
        for (name, (real, simulated)) in &different {
            println!("{name}: real {real:?}, simulated {simulated:?}");
        }
        assert!(different.is_empty(), "{} series differ, see above", different.len());
        assert!(only.is_empty(), "all chosen series are equal, but not all were run (SERIES_ONLY)");
        for control in &controls {
            assert!(!control.told_by.is_empty(), "no series noticed the change: {}", control.change);
        }
        document(&comparisons, &controls);
    });
}
