//! KEDA between 0 and 1, and the HPA that it makes above, with times worked out by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;
mod sim_support;

use ballast::core::{Policy, ScaleToZero, Signal, SignalKind, Target};
use ballast::sim::{Autoscaler, Ballast, Keda, KedaFallback, Load, Outage, OutageKind, Setup, Shape, run};
use core_support::secs;
use sim_support::*;

fn policy(min: u32) -> Policy {
    let rps = Signal::new(SignalKind::External { metric: "rps".into(), selector: String::new() }, Target::AverageValue(70_000.0));
    let zero = if min == 0 { ScaleToZero::On } else { ScaleToZero::Off };
    Policy { min_replicas: min, max_replicas: 80, zero, ..core_support::policy(vec![rps]) }
}

fn moves(setup: &Setup, load: &Load, autoscaler: &mut impl Autoscaler) -> Vec<(u64, u32)> {
    let mut moves = Vec::new();
    run(plan(setup, load), autoscaler, |cluster, look| {
        if look.replicas != cluster.ordered() {
            moves.push((cluster.second(), look.replicas));
        }
    });
    moves
}

#[test]
fn above_one_it_is_the_stock_autoscaler() {
    let (setup, load) = (Setup::default(), step(4.0, 40.0));
    let of_keda = moves(&setup, &load, &mut Keda::new(policy(2)));
    assert_eq!(of_keda, [(345, 12), (360, 24), (375, 48), (390, 58)]);
    assert_eq!(of_keda, moves(&setup, &load, &mut Ballast::new(policy(2))));
}

#[test]
fn idle_work_is_put_to_sleep_after_the_cooldown_and_woken_by_the_next_poll() {
    // Nothing arrives from 300 to 1500.
    let shape = |second: u64| if (300..1500).contains(&second) { 0.0 } else { 4.0 };
    let rows: Vec<String> = (0..=2000).step_by(5).map(|second| format!("{second},{}", shape(second))).collect();
    let load = Load::of_trace(&ballast::sim::Trace::read(rows.join("\n").as_bytes()).unwrap(), 0.0..1.0, 4.0);
    let setup = Setup { patience: secs(600), ..Setup::default() };
    let moves = moves(&setup, &load, &mut Keda::new(policy(0)));
    // The HPA goes to 1 when the last 6 it wanted, at 330, are 300 s ago. Active at 330 last: the cooldown is over at the poll of 660. What comes
    // from 1500 on is seen whole from 1545 on, polled at 1560, and the HPA goes on from 1.
    assert_eq!(moves, [(645, 1), (660, 0), (1560, 1), (1575, 4), (1590, 6)]);
}

#[test]
fn above_zero_activity_is_judged_by_its_threshold() {
    let load = Load::of_shape(Shape::Constant(0.5), 1.0);
    let mut keda = Keda::new(policy(0));
    keda.activation = 60_000.0;
    // 50 per second are not enough.
    assert_eq!(moves(&Setup::default(), &load, &mut keda), [(330, 0)]);
}

#[test]
fn its_fallback_acts_after_its_failures() {
    let load = constant(4.0);
    let outage = Outage { at: secs(300), lasting: secs(600), kind: OutageKind::Missing, signal: None };
    let setup = Setup { outages: vec![outage], ..Setup::default() };
    assert_eq!(moves(&setup, &load, &mut Keda::new(policy(2))), [], "without one the size is held");
    let mut keda = Keda::new(policy(2));
    keda.fallback = Some(KedaFallback { failure_threshold: 3, replicas: 10 });
    // Fails at 300, 315 and 330; after 900 the HPA waits for 5 minutes.
    assert_eq!(moves(&setup, &load, &mut keda), [(330, 10), (1200, 6)]);
}
