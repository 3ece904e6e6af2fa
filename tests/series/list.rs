//! The series: what the model cluster has to bear, how it behaves, and the autoscaler's spec.

use std::f64::consts::TAU;
use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use ballast::sim::{Incident, IncidentKind, Load, Meter, Nodes, Noise, Outage, OutageKind, Rollout, Setup, Trace, Workload};
use serde_json::{Value, json};

use super::clock::LOOK;
use super::real::target;
use crate::twin::{behaving, cpu, external, spec};

/// Looks at each series.
const LOOKS: u32 = 90;

/// What the pods show: at 100 % one uses the core it requests, serves 100 requests, and keeps all of its 100 workers busy.
pub static WORKLOAD: LazyLock<Workload> = LazyLock::new(|| {
    let meters = [("cpu", Meter::cpu(1.0)), ("rate.web", Meter::new(100.0)), ("busy.web", Meter::new(100.0))];
    meters.into_iter().fold(Workload::default(), |workload, (signal, meter)| workload.with(signal, meter))
});

/// One series. Times of the spec are real seconds: 1 s is 1.25 looks.
#[derive(Clone)]
pub struct Series {
    /// A DNS label.
    pub name: &'static str,
    /// What it shows, for people.
    pub shows: &'static str,
    pub load: Load,
    pub setup: Setup,
    spec: Value,
}

impl Series {
    /// Spec of the `HorizontalPodAutoscaler`.
    pub fn spec(&self) -> Value {
        let mut spec: Value = serde_json::from_str(&self.spec.to_string().replace("$name", "web")).unwrap();
        spec["scaleTargetRef"] = target();
        spec
    }

    fn with(self, change: impl FnOnce(&mut Setup)) -> Self {
        let mut series = self;
        change(&mut series.setup);
        series
    }
}

/// All of them.
pub fn all() -> Vec<Series> {
    [recorded(), shapes(), rules(), starts(), troubles()].concat()
}

fn series(name: &'static str, shows: &'static str, load: Load, spec: Value) -> Series {
    Series { name, shows, load, setup: Setup::default(), spec }
}

/// Part of a recorded trace.
fn trace(file: &str, start: f64, peak: f64) -> Load {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/traces").join(file);
    let days = f64::from(LOOKS) * LOOK as f64 / 86_400.0;
    Load::of_trace(&Trace::read(File::open(path).unwrap()).unwrap(), start..start + days, peak)
}

/// Load by look, in pods.
fn made(load: impl Fn(f64) -> f64) -> Load {
    let (mut rows, mut peak) = (String::new(), 0.0_f64);
    for look in 0..=LOOKS {
        let load = load(f64::from(look));
        writeln!(rows, "{},{load}", u64::from(look) * LOOK).unwrap();
        peak = if look < LOOKS { peak.max(load) } else { peak };
    }
    Load::of_trace(&Trace::read(rows.as_bytes()).unwrap(), 0.0..1.0, peak)
}

/// Level by level: each holds from its look on.
fn levels(levels: &'static [(f64, f64)]) -> Load {
    made(|look| levels.iter().rev().find(|(from, _)| *from <= look).unwrap().1)
}

/// The time of a look.
fn looks(looks: u64) -> Duration {
    Duration::from_secs(looks * LOOK)
}

/// The whole request rate, of which each pod should have 70 % of what it can bear.
fn rate() -> Value {
    external("rate", "AverageValue", "70")
}

fn rules_of(window: u32, select: &str, policies: &[(&str, u32, u32)]) -> Value {
    let policies: Vec<Value> =
        policies.iter().map(|(kind, value, period)| json!({"type": kind, "value": value, "periodSeconds": period})).collect();
    json!({"stabilizationWindowSeconds": window, "selectPolicy": select, "policies": policies})
}

/// At once, to any size.
fn free() -> Value {
    rules_of(0, "Max", &[("Percent", 900, 2), ("Pods", 20, 2)])
}

fn recorded() -> Vec<Series> {
    let behavior = json!({
        "scaleUp": rules_of(0, "Max", &[("Percent", 50, 6), ("Pods", 2, 6)]),
        "scaleDown": rules_of(10, "Max", &[("Percent", 20, 6)]),
    });
    vec![
        series(
            "recorded-burst",
            "a burst of a message stream",
            trace("twitter_stream_2021_08.csv.gz", 0.0573, 11.0),
            spec(2, 20, &[rate()]),
        ),
        series(
            "recorded-web",
            "a web server by the minute, under rate policies",
            trace("nasa_http_1995_07.csv.gz", 12.396, 12.0),
            behaving(2, 20, &[rate()], &behavior),
        ),
        series(
            "recorded-chat",
            "requests to a chat service: noise",
            trace("azure_llm_conv_2023.csv", 0.01, 10.0),
            behaving(2, 20, &[rate()], &json!({"scaleUp": free(), "scaleDown": rules_of(6, "Max", &[("Percent", 100, 2)])})),
        ),
        series(
            "recorded-cpu",
            "CPU of the pods under the message stream",
            trace("twitter_stream_2021_08.csv.gz", 0.641, 9.0),
            spec(2, 20, &[cpu(70)]),
        ),
    ]
}

fn shapes() -> Vec<Series> {
    let wave = |look: f64| 7.0 + 4.0 * (TAU * look / 40.0).sin();
    let steady = || made(|_| 7.0);
    let quick = json!({"scaleUp": free(), "scaleDown": rules_of(2, "Max", &[("Percent", 100, 2)])});
    vec![
        series(
            "step",
            "tenfold at once, then back: doubling and the window",
            levels(&[(0.0, 1.2), (10.0, 12.0), (40.0, 3.0)]),
            spec(1, 20, &[rate()]),
        ),
        series("step-cpu", "CPU that saturates at the limit", levels(&[(0.0, 2.0), (10.0, 10.0), (50.0, 3.0)]), spec(1, 20, &[cpu(70)])),
        series(
            "sine",
            "up and down with windows in both directions",
            made(wave),
            behaving(
                1,
                20,
                &[rate()],
                &json!({
                    "scaleUp": rules_of(2, "Max", &[("Percent", 900, 2)]), "scaleDown": rules_of(6, "Max", &[("Percent", 100, 2)]),
                }),
            ),
        ),
        series("sine-cpu", "the same on CPU without behavior", made(wave), spec(1, 20, &[cpu(60)])),
        series(
            "noise",
            "noise across the edges of tolerance",
            steady().with_noise(Noise::Uniform(0.2), 7),
            behaving(1, 20, &[rate()], &quick),
        ),
        // 7.7 / 7.0 is 1.1 and 6.3 / 7.0 is 0.9: both ends of tolerance are inside it, one thousandth of a pod more is outside.
        series(
            "tolerance",
            "the exact ends of tolerance",
            levels(&[(0.0, 7.0), (8.0, 7.7), (20.0, 7.7001), (32.0, 7.0), (44.0, 6.3), (56.0, 6.2999), (70.0, 7.0)]),
            behaving(1, 20, &[rate()], &quick),
        ),
    ]
}

fn rules() -> Vec<Series> {
    let ramp = |look: f64| if look < 45.0 { 2.0 + look * 0.25 } else { 13.25 - (look - 45.0) * 0.25 };
    let rates = |up: &str, down: &str| {
        json!({
            "scaleUp": rules_of(0, up, &[("Pods", 1, 2), ("Percent", 20, 6)]),
            "scaleDown": rules_of(0, down, &[("Pods", 2, 6), ("Percent", 10, 2)]),
        })
    };
    let swing = |look: f64| (10.0 + 12.0 * (TAU * look / 45.0).sin()).max(0.2);
    let pulses = |look: f64| {
        let (dip, peak) = ((20.0..25.0).contains(&look) || (40.0..60.0).contains(&look), (70.0..73.0).contains(&look));
        if dip {
            3.0
        } else if peak {
            12.0
        } else {
            8.0
        }
    };
    vec![
        series("ramp-max", "rate policies, the largest change", made(ramp), behaving(1, 20, &[rate()], &rates("Max", "Max"))),
        series("ramp-min", "rate policies, the smallest change", made(ramp), behaving(1, 20, &[rate()], &rates("Min", "Min"))),
        series(
            "pulses",
            "dips and peaks shorter and longer than the windows",
            made(pulses),
            behaving(
                1,
                20,
                &[rate()],
                &json!({
                    "scaleUp": rules_of(2, "Max", &[("Percent", 900, 2)]), "scaleDown": rules_of(10, "Max", &[("Percent", 100, 2)]),
                }),
            ),
        ),
        series(
            "bounds",
            "both bounds, the first size above the upper one",
            made(swing),
            behaving(3, 12, &[rate()], &json!({"scaleUp": free(), "scaleDown": rules_of(2, "Max", &[("Percent", 100, 2)])})),
        ),
        series(
            "one-way",
            "a direction that is off",
            made(|look| swing(look + 25.0)),
            behaving(1, 30, &[rate()], &json!({"scaleUp": free(), "scaleDown": {"selectPolicy": "Disabled"}})),
        ),
        series(
            "gap",
            "no metric for 15 looks while the load rises",
            levels(&[(0.0, 4.0), (25.0, 9.0), (60.0, 3.0)]),
            spec(1, 20, &[rate()]),
        )
        .with(|setup| setup.outages = vec![Outage { at: looks(20), lasting: looks(15), kind: OutageKind::Missing, signal: None }]),
        series(
            "value",
            "busy workers in all ready pods: a whole value with a target of its own",
            made(|look| 5.0 + 2.0 * (TAU * look / 60.0).sin()),
            behaving(1, 30, &[external("busy", "Value", "70")], &quick_pods()),
        ),
    ]
}

/// A few pods at a time, as what feeds back into a ratio needs.
fn quick_pods() -> Value {
    json!({"scaleUp": rules_of(0, "Max", &[("Pods", 2, 2)]), "scaleDown": rules_of(6, "Max", &[("Pods", 2, 2)])})
}

fn starts() -> Vec<Series> {
    let load = || levels(&[(0.0, 3.0), (8.0, 7.0), (45.0, 9.0), (60.0, 4.0)]);
    let late = |name, shows, start, spread| {
        series(name, shows, load(), spec(2, 24, &[cpu(70)])).with(|setup| {
            setup.pod_start = Duration::from_secs(start);
            setup.pod_start_spread = Duration::from_secs(spread);
        })
    };
    vec![
        late("late-pods", "CPU, pods that take 2 to 4 min to start", 120, 120),
        late("slow-pods", "CPU, pods that start after the initialization period", 400, 60),
        series(
            "two-metrics",
            "request rate and CPU, the larger one counts",
            load(),
            spec(2, 24, &[external("rate", "AverageValue", "80"), cpu(60)]),
        ),
        series("fast-scrape", "fresh samples over a long window", load(), spec(2, 24, &[cpu(70)])).with(|setup| {
            setup.scrape = Duration::from_secs(5);
            setup.window = Duration::from_secs(60);
            setup.metric_age = Duration::from_secs(10);
        }),
    ]
}

/// Pods that fail are well within the initialization period until they are back, or well past it: at its end API times of whole seconds leave
/// it to chance what counts.
fn failures() -> Series {
    let load = levels(&[(0.0, 4.0), (26.0, 8.0), (42.0, 4.0), (70.0, 8.0)]);
    let behavior = json!({"scaleDown": rules_of(6, "Max", &[("Percent", 100, 2)])});
    let incident = |at, share, kind, lasting| Incident { at: looks(at), share, kind, lasting };
    series("failures", "CPU: pods crash, lose their readiness, are evicted", load, behaving(2, 24, &[cpu(70)], &behavior)).with(|setup| {
        setup.restart = Some(Duration::from_secs(40));
        setup.incidents = vec![
            incident(5, 0.5, IncidentKind::Crash, None),
            incident(36, 0.3, IncidentKind::Unready, Some(looks(4))),
            incident(50, 0.4, IncidentKind::Evict, None),
            incident(78, 0.5, IncidentKind::Crash, None),
        ];
    })
}

fn troubles() -> Vec<Series> {
    let cpu_under = |name, shows, load, change: fn(&mut Setup)| series(name, shows, load, spec(2, 24, &[cpu(70)])).with(change);
    let steps = || levels(&[(0.0, 3.0), (8.0, 7.0), (45.0, 9.0), (60.0, 4.0)]);
    vec![
        cpu_under("starts", "CPU, log-normal start times: half take 1 min, one in a hundred 4 min", steps(), |setup| {
            setup.pod_start = Duration::from_secs(60);
            setup.pod_start_p99 = Some(Duration::from_secs(240));
        }),
        cpu_under("nodes", "CPU, pods that wait for a node", steps(), |setup| setup.nodes = Some(Nodes::of(2))),
        cpu_under("rollout", "CPU, a rolling update without surge while the load changes", steps(), |setup| {
            setup.rollouts = vec![Rollout { max_surge: 0, ..Rollout::at(looks(38)) }];
        }),
        failures(),
    ]
}
