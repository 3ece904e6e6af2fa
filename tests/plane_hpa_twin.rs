//! The real stock autoscaler and Ballast side by side: twin targets, the same inputs, compared in sizes, conditions and Events.
//!
//! `TWIN_ONLY=cpu cargo test --test plane_hpa_twin -- --nocapture` runs the scenarios whose names contain `cpu`; with `TWIN_STOCK_ONLY=1`
//! only the stock autoscaler runs, which checks the table of scenarios itself.

mod plane_support;
mod twin;

use plane_support::{Ballast, Flags, Options, plane, run};

/// Both sync every 2 s and look back 10 s before they shrink, so that a trajectory takes seconds; all else is default.
const HPA_FLAGS: &str = "--horizontal-pod-autoscaler-sync-period=2s --horizontal-pod-autoscaler-downscale-stabilization=10s \
    --concurrent-horizontal-pod-autoscaler-syncs=20 --kube-api-qps=500 --kube-api-burst=1000";

#[test]
fn ballast_does_what_the_stock_autoscaler_does() {
    run(async {
        let stock_only = std::env::var_os("TWIN_STOCK_ONLY").is_some();
        let only = std::env::var("TWIN_ONLY").unwrap_or_default();
        let plane = plane(Options { hpa: Some(HPA_FLAGS), ..Options::default() }).await;
        let twins = twin::Twins::new(plane, !stock_only).await;
        let flags = Flags { sync_period: "2s", ..Flags::default() };
        let ballast = if stock_only { None } else { Some(Ballast::start(plane, "twin", &flags).await) };

        let scenarios = twin::scenarios().into_iter().filter(|s| s.name.contains(&only));
        let comparisons = futures::future::join_all(scenarios.map(|scenario| twins.run(scenario))).await;

        let mismatches = twin::print(&comparisons);
        println!("{} scenarios", comparisons.len());
        for (name, mismatch) in &mismatches {
            let log = ballast.as_ref().map_or_else(String::new, |b| b.lines(&format!("/{name} ")));
            println!("\n{name}: {mismatch}\n{log}");
        }
        assert!(mismatches.is_empty(), "{} mismatches, see above", mismatches.len());
        assert!(!stock_only, "only the stock autoscaler ran (TWIN_STOCK_ONLY), as expected; nothing was compared");
    });
}
