//! Trials to draw: a recorded day under three autoscalers, hostile names, and a long one.

#[path = "../docs_support/mod.rs"]
mod docs_support;

use std::process::Command;
use std::time::Duration;

use ballast::api::{Defaults, ScalePolicy, compile};
use ballast::core::{Policy, Verdict};
use ballast::sim::{Ballast, Figures, Kpa, Load, Meter, Outcome, Run, Setup, Shape, State, Told, Trial, Workload};
use docs_support::{calls, page};
use serde_json::{Value, json};

fn policy(metric: &Value, smoothing: &Value) -> Policy {
    let spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "minReplicas": 2, "maxReplicas": 80, "metrics": [metric], "smoothing": smoothing,
    });
    compile(&ScalePolicy::new("web", serde_json::from_value(spec).unwrap()), &Defaults::default()).unwrap().policy
}

fn cpu() -> Value {
    json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } })
}

fn rps() -> Value {
    let target = json!({ "type": "AverageValue", "averageValue": 70 });
    json!({ "type": "Prometheus", "prometheus": { "name": "rps", "query": "sum(rate(http_requests_total[1m]))", "target": target } })
}

/// What the README shows: its first command on recorded load.
pub fn recorded() -> Trial {
    let call = calls(&page("README.md"), "simulate").remove(0);
    let call = call.iter().take_while(|word| *word != "--report").map(String::as_str).chain(["-o", "json"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("simulate").args(call).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Three autoscalers under a load.
fn contest(name: &str, load: &Load, warm_up: u64) -> Trial {
    let mut trial = Trial::new(name, load, warm_up);
    let (setup, workload) = (Setup::default(), Workload::default().with("cpu", Meter::cpu(1.0)).with("rps", Meter::new(100.0)));
    let plan = Run { setup: &setup, workload: &workload, load, warm_up: Duration::from_secs(warm_up) };
    trial.add("shop/web", plan, &mut Ballast::new(policy(&rps(), &Value::Null)));
    trial.add("Stock HPA (cpu 70 %)", plan, &mut Ballast::stock(policy(&cpu(), &json!({ "type": "None" }))));
    trial.add("Knative KPA", plan, &mut Kpa::new(2, 80));
    trial
}

/// What would run, load or break something if it were not escaped.
pub const HOSTILE: [&str; 4] = [
    "</script><script>window.broken=1</script>",
    "<img src=http://127.0.0.1:9/x onerror=window.broken=1>",
    "\"><b onmouseover=\"window.broken=1\">{{plotly}} %{y} $x^2$ \u{202e}\u{2028}\u{0}",
    "<a href=\"javascript:window.broken=1\">a</a> <!-- &lt; -->",
];

/// A trial in which everything that users name is hostile.
pub fn hostile() -> Trial {
    let mut trial = contest(HOSTILE[0], &Load::of_shape(Shape::Step { from: 4.0, to: 20.0, at: 1200 }, 1.0), 0);
    for (contender, name) in trial.contenders.iter_mut().zip(&HOSTILE[1..]) {
        contender.name = String::from(*name);
    }
    for (told, text) in trial.contenders[0].decisions.iter_mut().zip(HOSTILE.iter().cycle()) {
        told.reason = format!("{} {text}", told.reason);
    }
    trial
}

/// Sixty days with a slot every 15 s under four contenders, made of arithmetic: what matters is the volume.
pub fn long() -> Trial {
    let slots = 60 * 86_400 / 15;
    let load: Vec<f64> =
        (0..slots).map(|slot| 12.0 + 8.0 * (f64::from(slot) / 916.7).sin() + f64::from(slot % 101 * 79 % 101) / 50.0).collect();
    let contenders = (0..4).map(|index| long_outcome(index, &load)).collect();
    Trial { load_name: "sixty days".into(), start: None, slot_seconds: 15, load, warm_up_seconds: 3600, contenders }
}

fn long_outcome(index: u32, load: &[f64]) -> Outcome {
    let every = 4 + 9 * index as usize;
    let (mut states, mut decisions, mut last) = (Vec::new(), Vec::new(), 0);
    for (slot, &load) in load.iter().enumerate().step_by(every) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A few pods.
        let ordered = (load / 0.7).ceil() as u32;
        let second = slot as u64 * 15;
        states.push(State { second, ready: last.max(1), ordered, wanted: Some(ordered + 1) });
        let verdict = if ordered > last { Verdict::ScaleUp } else { Verdict::ScaleDown };
        if ordered != last && (index > 0 || slot % 7 == 0) {
            let reason = format!("rps asks for {ordered} replicas: 70.3 requests/s per pod, target 70, level {load:.3} and rising");
            decisions.push(Told { second, from: last, to: ordered, verdict: Some(verdict), reason });
        }
        last = ordered;
    }
    let score = figures(1440.0, u64::from(index) * 500 + 3, 20_000.0 - 1000.0 * f64::from(index));
    Outcome { name: format!("contender {index}"), score, states, decisions }
}

/// Scores of a trial that was not simulated.
fn figures(hours: f64, violation_seconds: u64, pod_hours: f64) -> Figures {
    let mut figures = ballast::sim::Score::new(1).figures();
    figures.hours = hours;
    figures.violation_seconds = violation_seconds;
    figures.violation_percent = violation_seconds as f64 / hours / 36.0;
    figures.pod_hours = pod_hours;
    figures
}
