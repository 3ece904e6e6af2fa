//! What the forecast brings in the model cluster: for load that repeats by the clock, and for load that does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;
mod sim_support;

use std::fmt::Write;
use std::time::Duration;

use ballast::core::{Forecast, ForecastMode, Policy, Signal, SignalKind, SmoothParameters, Smoothing, Target};
use ballast::sim::{Ballast, Figures, Load, Noise, Run, Setup, Trace, run};
use core_support::{policy, secs};
use sim_support::plan;

const DAYS: u64 = 8;
/// Not scored: what is learned must be there.
const WARM_UP: Duration = Duration::from_hours(3 * 24);

/// A row every minute.
fn load(shape: impl Fn(u64, f64) -> f64) -> Load {
    let mut rows = String::new();
    for minute in 0..=DAYS * 1440 {
        let (day, hour) = (minute / 1440, (minute % 1440) as f64 / 60.0);
        writeln!(rows, "{},{:.4}", minute * 60, shape(day, hour)).unwrap();
    }
    let arrivals = Noise::Arrivals { rate: 20.0, dispersion: 4.0 };
    Load::of_trace(&Trace::read(rows.as_bytes()).unwrap(), 0.0..100.0, 40.0).with_noise(arrivals, 1)
}

/// Linear from 0 at `from` to 1 at `to`.
fn rise(hour: f64, from: f64, to: f64) -> f64 {
    ((hour - from) / (to - from)).clamp(0.0, 1.0)
}

fn figures(load: &Load, start: u64, mode: ForecastMode) -> Figures {
    let signal = Signal::new(SignalKind::Prometheus { name: "rps".into() }, Target::Capacity(100_000.0));
    let policy = Policy {
        min_replicas: 2,
        max_replicas: 80,
        smoothing: Smoothing::Smooth(SmoothParameters::default()),
        forecast: Forecast { mode, horizon: None },
        ..policy(vec![signal])
    };
    let setup = Setup { pod_start: secs(start), ..Setup::default() };
    run(Run { warm_up: WARM_UP, ..plan(&setup, load) }, &mut Ballast::new(policy), |_, _| {}).figures()
}

/// Violation seconds and pod-hours without and with it.
fn compare(name: &str, load: &Load, start: u64) -> (f64, f64) {
    let (without, with) = (figures(load, start, ForecastMode::Off), figures(load, start, ForecastMode::On));
    println!(
        "{name}, start {start} s: V {:.3} -> {:.3} %, C {:.3} -> {:.3}, actions {} -> {}",
        without.violation_percent, with.violation_percent, without.cost, with.cost, without.actions, with.actions
    );
    (with.violation_seconds as f64 / (without.violation_seconds as f64).max(1.0), with.pod_hours / without.pod_hours)
}

#[test]
fn jobs_that_start_at_nine_every_day_find_their_replicas() {
    // From 15 to 30 within a minute, for an hour.
    let load = load(|_, hour| 15.0 + 15.0 * rise(hour, 9.0, 9.0 + 1.0 / 60.0) * (1.0 - rise(hour, 10.0, 10.25)));
    for (start, most) in [(45, 0.6), (120, 0.5), (300, 0.5)] {
        let (violation, cost) = compare("cron", &load, start);
        assert!(violation < most && cost < 1.05, "{start} s: {violation:.2} of the violations for {cost:.3} of the pod-hours");
    }
}

#[test]
fn a_day_at_the_office_is_met_earlier() {
    // People come from 8 to 9:30, go for lunch, and leave from 17 on; each day is a little different.
    let load = load(|day, hour| {
        let (late, level) = (0.05 * (day * 7 % 5) as f64, 1.0 + 0.04 * (day * 3 % 5) as f64);
        let at = hour - late;
        level * (4.0 + 24.0 * rise(at, 8.0, 8.5) * (1.0 - rise(at, 17.0, 19.0)) - 8.0 * rise(at, 12.0, 12.2) * (1.0 - rise(at, 12.9, 13.1)))
    });
    for start in [120, 300] {
        let (violation, cost) = compare("office", &load, start);
        assert!(violation <= 0.9 && cost < 1.08, "{start} s: {violation:.2} of the violations for {cost:.3} of the pod-hours");
    }
}

#[test]
fn load_that_does_not_repeat_is_left_alone() {
    // Rises at another time each day.
    let load = load(|day, hour| {
        10.0 + 15.0
            * rise((hour + 5.3 * (day * day) as f64) % 24.0, 9.0, 9.1)
            * (1.0 - rise((hour + 5.3 * (day * day) as f64) % 24.0, 13.0, 14.0))
    });
    let (_, cost) = compare("irregular", &load, 120);
    assert!(cost < 1.03, "{cost:.3} of the pod-hours");
}
