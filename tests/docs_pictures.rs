//! The pictures of docs/how-it-decides.md, drawn from the model cluster, and what that page says of them. `UPDATE=1 cargo test --test
//! docs_pictures` draws them anew.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod core_support;
mod picture_support;
mod sim_support;

use std::fmt::Write;
use std::path::Path;

use ballast::core::{Estimate, Policy, Signal, SignalKind, SmoothParameters, Smoothing, Target};
use ballast::sim::{Ballast, Figures, Load, Noise, Setup, Shape, Trace, run};
use core_support::policy;
use picture_support::{Form, Line, Panel, draw};
use sim_support::{plan, rps};

/// Requests per second that fill a pod, as in `sim_support`.
const FULL: f64 = 100.0;

/// The cluster at a look, after the decision.
struct Seen {
    minute: f64,
    load: f64,
    ready: f64,
    ordered: f64,
    wanted: Option<u32>,
    estimate: Option<Estimate>,
    headline: String,
}

/// Thousandths of a request per second and pod: 70 % of what fills it.
fn setpoint() -> Policy {
    policy(vec![rps(0.7 * FULL * 1000.0)])
}

fn smooth(policy: Policy) -> Ballast {
    Ballast::new(Policy { smoothing: Smoothing::Smooth(SmoothParameters::default()), ..policy })
}

fn bear(load: &Load, mut autoscaler: Ballast) -> (Vec<Seen>, Figures) {
    let setup = Setup::default();
    let mut seen = Vec::new();
    let score = run(plan(&setup, load), &mut autoscaler, |cluster, look| {
        let decision = look.decision.as_ref().unwrap();
        seen.push(Seen {
            minute: cluster.second() as f64 / 60.0,
            load: cluster.load(),
            ready: f64::from(cluster.ready()),
            ordered: f64::from(look.replicas),
            wanted: decision.wanted,
            estimate: decision.signals.first().and_then(|signal| signal.estimate),
            headline: decision.headline(),
        });
    });
    (seen, score.figures())
}

fn line(class: &'static str, form: Form, seen: &[Seen], value: impl Fn(&Seen) -> f64) -> Line {
    Line { class, form, points: seen.iter().map(|seen| (seen.minute, value(seen))).collect() }
}

/// Whether the committed picture is the one just drawn.
fn keep(name: &str, svg: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, svg).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == svg, "{} differs from what is drawn; if this is right: UPDATE=1 cargo test --test docs_pictures", path.display());
}

/// Load, and what both have ready for it.
fn beside(title: &'static str, load: &Load, x: (f64, f64), y: f64) -> (Panel, Figures, Figures) {
    let (ours, our) = bear(load, smooth(setpoint()));
    let (theirs, their) = bear(load, Ballast::stock(setpoint()));
    let lines = vec![
        line("load", Form::Area, &ours, |seen| seen.load),
        line("hpa", Form::Steps, &theirs, |seen| seen.ready),
        line("ballast", Form::Steps, &ours, |seen| seen.ready),
    ];
    let note = format!("short of capacity: HPA {} s, Ballast {} s", their.violation_seconds, our.violation_seconds);
    (Panel { title, note, across: "minutes", x, y, step: (2.0, y / 5.0), lines }, our, their)
}

#[test]
fn rises_are_followed_in_one_look_and_ahead() {
    let step = Load::of_shape(Shape::Step { from: 5.0, to: 40.0, at: 600 }, 0.5);
    let ramp = Load::of_shape(Shape::Ramp { from: 5.0, to: 40.0, during: (600, 1200) }, 0.5);
    let (step, our_step, hpa_step) = beside("A step, at minute 10", &step, (8.0, 18.0), 75.0);
    let (ramp, our_ramp, hpa_ramp) = beside("A ramp, from minute 10 to 20", &ramp, (8.0, 26.0), 75.0);
    assert!(our_step.violation_seconds < hpa_step.violation_seconds && our_ramp.violation_seconds < hpa_ramp.violation_seconds);
    let legend = [("load", "load, in pods at 100 %"), ("ballast", "ready pods, Ballast"), ("hpa", "ready pods, HPA")];
    keep("decide-rise.svg", &draw("Ready pods of Ballast and the HPA while load rises at once and slowly", &legend, &[step, ramp]));
}

/// Three hours of a constant load whose samples have a standard deviation of 12 %.
fn noisy(seed: u64) -> Load {
    Load::of_shape(Shape::Constant(14.0), 3.0).with_noise(Noise::Arrivals { rate: FULL, dispersion: 300.0 }, seed)
}

#[test]
fn noise_moves_sizes_less_often_than_those_of_the_hpa() {
    // One run says little: what is claimed is of twenty, one of which is shown.
    let moves = |autoscaler: &dyn Fn() -> Ballast| -> u64 { (1..=20).map(|seed| bear(&noisy(seed), autoscaler()).1.actions).sum() };
    let (our, their) = (moves(&|| smooth(setpoint())), moves(&|| Ballast::stock(setpoint())));
    assert!(our < their, "{our} {their}");
    let (ours, _) = bear(&noisy(7), smooth(setpoint()));
    let (theirs, _) = bear(&noisy(7), Ballast::stock(setpoint()));
    let known: Vec<&Seen> = ours.iter().filter(|seen| (30.0..=90.0).contains(&seen.minute) && seen.estimate.is_some()).collect();
    let of = |value: &dyn Fn(&Estimate) -> f64| -> Vec<(f64, f64)> {
        known.iter().map(|seen| (seen.minute, value(seen.estimate.as_ref().unwrap()) / 1000.0)).collect()
    };
    let band = SmoothParameters::default().noise_band;
    let mut outline = of(&|estimate| estimate.level + band * estimate.sigma);
    outline.extend(of(&|estimate| estimate.level - band * estimate.sigma).into_iter().rev());
    let x = (30.0, 90.0);
    let demand = Panel {
        title: "Demand, requests per second",
        note: format!("a constant load; the band is {band} standard deviations"),
        across: "minutes",
        x,
        y: 2000.0,
        step: (10.0, 500.0),
        lines: vec![
            Line { class: "band", form: Form::Outline, points: outline },
            Line { class: "raw", form: Form::Line, points: of(&|estimate| estimate.raw) },
            Line { class: "level", form: Form::Line, points: of(&|estimate| estimate.level) },
        ],
    };
    let sizes = Panel {
        title: "Replicas",
        note: format!("moves in 20 such runs of 3 hours: HPA {their}, Ballast {our}"),
        across: "minutes",
        x: (0.0, 180.0),
        y: 40.0,
        step: (30.0, 10.0),
        lines: vec![
            line("load", Form::Area, &ours, |seen| seen.load),
            line("hpa", Form::Steps, &theirs, |seen| seen.ordered),
            line("ballast", Form::Steps, &ours, |seen| seen.ordered),
        ],
    };
    let legend = [
        ("raw", "measured"),
        ("level", "level"),
        ("band", "noise band"),
        ("load", "load, in pods at 100 %"),
        ("ballast", "size, Ballast"),
        ("hpa", "size, HPA"),
    ];
    keep("decide-noise.svg", &draw("A noisy constant load: demand, its level and noise band, and the sizes", &legend, &[demand, sizes]));
}

/// Two minutes of less load, then less load for good.
#[test]
fn a_short_drop_costs_nothing_and_a_long_one_waits_for_the_window() {
    let mut rows = String::new();
    for second in (0..=3600).step_by(15) {
        let low = (600..720).contains(&second) || second >= 1200;
        writeln!(rows, "{second},{}", if low { 8 } else { 20 }).unwrap();
    }
    let load = Load::of_values(&Trace::read(rows.as_bytes()).unwrap(), 0.0..1.0);
    let (seen, figures) = bear(&load, smooth(setpoint()));
    assert_eq!(figures.violation_seconds, 0);
    let size = |minute: f64| seen.iter().rfind(|seen| seen.minute <= minute).unwrap().ordered;
    assert!(size(19.9) >= size(9.0) && size(24.0) >= size(9.0) && size(30.0) < size(9.0), "{} {} {}", size(9.0), size(24.0), size(30.0));
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-it-decides.md")).unwrap();
    let quoted = page.lines().find(|line| line.starts_with("held at ")).unwrap();
    let held: Vec<&str> = seen.iter().filter(|seen| seen.headline.starts_with("held")).map(|seen| seen.headline.as_str()).collect();
    assert!(held.contains(&quoted), "{quoted} is not one of {held:#?}");
    let wanted = seen.iter().filter_map(|seen| Some((seen.minute, f64::from(seen.wanted?)))).collect();
    let panel = Panel {
        title: "A drop of two minutes, and one that stays",
        note: "scale-in window 300 s".to_owned(),
        across: "minutes",
        x: (8.0, 32.0),
        y: 40.0,
        step: (4.0, 10.0),
        lines: vec![
            line("load", Form::Area, &seen, |seen| seen.load),
            Line { class: "wanted", form: Form::Steps, points: wanted },
            line("ballast", Form::Steps, &seen, |seen| seen.ordered),
        ],
    };
    let legend = [("load", "load"), ("wanted", "wanted by the signal"), ("ballast", "size")];
    keep("decide-window.svg", &draw("The size waits for the scale-in window, and a short drop does not move it", &legend, &[panel]));
}

/// Utilization in percent at which a steady load ends. Noise is learned over two hours.
fn utilization(target: Target, load: f64, noise: f64) -> f64 {
    let signal = Signal::new(SignalKind::Prometheus { name: "rps".into() }, target);
    let hours = if noise > 0.0 { 3.0 } else { 1.0 };
    let load_over_time = Load::of_shape(Shape::Constant(load), hours).with_noise(Noise::Uniform(noise), 3);
    let (seen, _) = bear(&load_over_time, smooth(policy(vec![signal])));
    let late: Vec<f64> = seen.iter().filter(|seen| seen.minute >= 45.0 * hours).map(|seen| seen.ordered).collect();
    100.0 * load * late.len() as f64 / late.iter().sum::<f64>()
}

#[test]
fn small_and_unsteady_services_get_more_headroom() {
    let capacity = Target::Capacity(FULL * 1000.0);
    let loads = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0, 20.0, 25.0, 30.0, 40.0];
    let of =
        |target: Target, noise: f64| -> Vec<(f64, f64)> { loads.iter().map(|&load| (load, utilization(target, load, noise))).collect() };
    let (calm, unsteady) = (of(capacity, 0.0), of(capacity, 0.2));
    assert!(calm[0].1 < calm[11].1 && calm[11].1 <= 80.0 + 1e-9, "{calm:?}");
    assert!(unsteady.iter().zip(&calm).all(|(unsteady, calm)| unsteady.1 <= calm.1), "{unsteady:?} {calm:?}");
    let panel = Panel {
        title: "Utilization that a Capacity target plans, percent",
        note: "whole replicas: hence the edges".to_owned(),
        across: "load, in pods at 100 %",
        x: (0.0, 40.0),
        y: 100.0,
        step: (10.0, 20.0),
        lines: vec![
            Line { class: "ballast", form: Form::Line, points: calm },
            Line { class: "wanted", form: Form::Line, points: unsteady },
            Line { class: "hpa", form: Form::Line, points: vec![(0.0, 70.0), (40.0, 70.0)] },
        ],
    };
    let legend = [("ballast", "steady load"), ("wanted", "load ±20 %"), ("hpa", "setpoint of 70 %")];
    keep("decide-capacity.svg", &draw("Planned utilization over the size of a service", &legend, &[panel]));
}
