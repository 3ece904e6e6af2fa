//! `ballast simulate` on recorded traces: output, files, assertions, exit codes, and what it says of wrong input.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ballast::core::Verdict;
use ballast::sim::Trial;
use rstest::rstest;

const POLICY: &str = "examples/simulate/policy.yaml";
const CPU: &str = "examples/apps/go-app-deployment-policy.yaml";
const SCHEDULES: &str = "examples/schedules/policy.yaml";
const TRACE: &str = "benches/traces/twitter_stream_2021_08.csv.gz";
const HOUR: &str = "benches/traces/azure_llm_conv_2023.csv";

fn simulate(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("simulate").args(args).env("COLUMNS", "120").output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn trial(args: &[&str]) -> Trial {
    let output = simulate(&[args, &["-o", "json"]].concat());
    assert!(output.status.success(), "{}", err(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_table_has_scores_beside_rivals_then_moves() {
    let output = simulate(&[POLICY, "--trace", TRACE, "--days", "0.25", "--against", "hpa", "--against", "kpa", "--decisions", "2"]);
    let text = out(&output);
    assert!(output.status.success(), "{}", err(&output));
    assert!(text.starts_with("web under twitter_stream_2021_08.csv.gz: 6 h, "), "{text}");
    assert!(text.contains("the first 10 min not scored\na pod bears 10 of rps\n"), "{text}");
    let head: Vec<&str> = text.lines().find(|line| line.starts_with("FIGURE")).unwrap().split_whitespace().collect();
    assert_eq!(head, ["FIGURE", "web", "hpa", "kpa"]);
    for figure in ["violation_seconds", "pod_hours", "cost", "actions", "under_percent"] {
        assert!(text.lines().any(|line| line.starts_with(figure) && line.split_whitespace().count() > 3), "{figure}: {text}");
    }
    let decisions = text.split("DECISIONS OF web\n").nth(1).unwrap();
    assert_eq!(decisions.matches("New size: ").count(), 2, "{text}");
    assert!(decisions.contains("and ") && decisions.trim_end().ends_with("more: --decisions all"), "{text}");
}

#[test]
fn json_is_the_trial_and_the_same_seed_gives_the_same_one() {
    let with = |seed| trial(&[POLICY, "--trace", TRACE, "--from", "1d", "--to", "1d 2h", "--noise", "poisson", "--seed", seed]);
    let first = with("7");
    assert_eq!(first, with("7"));
    assert_ne!(first.load, with("8").load);
    assert_eq!(first.load.len() as u64 * first.slot_seconds, 7200);
    let names: Vec<&str> = first.contenders.iter().map(|outcome| outcome.name.as_str()).collect();
    assert_eq!(names, ["web"]);
    assert!(first.contenders[0].score.pod_hours > 0.0 && !first.contenders[0].states.is_empty());
}

/// A capacity of 10 and an average of 7 at 70 % are the same; so is the peak that follows from them.
#[test]
fn load_in_pods_follows_from_target_capacity_or_peak() {
    let dir = tempfile::tempdir().unwrap();
    let average = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(POLICY)).unwrap();
    let average = average.replace("{type: Capacity, capacity: 10}", "{type: AverageValue, averageValue: 7}");
    let average = file(dir.path(), "average.yaml", &average);
    let part = ["--trace", TRACE, "--to", "1h"];
    let load = |policy: &str, more: &[&str]| trial(&[&[policy], &part[..], more].concat()).load;
    let peak = |load: &[f64]| load.iter().copied().fold(0.0, f64::max);
    let by_target = load(POLICY, &[]);
    assert!((peak(&by_target) - peak(&load(average.to_str().unwrap(), &[]))).abs() < 1e-9);
    assert!((peak(&by_target) - 2.0 * peak(&load(POLICY, &["--capacity", "20"]))).abs() < 1e-9);
    assert!((peak(&by_target) - 1.25 * peak(&load(average.to_str().unwrap(), &["--utilization", "56%"]))).abs() < 1e-9);
    assert!((peak(&load(CPU, &["--peak", "12"])) - 12.0).abs() < 1e-9);
}

/// The signal that measures load is in the trace's unit for every contender, whatever it is called and whatever its target.
#[test]
fn contenders_see_the_same_load() {
    let dir = tempfile::tempdir().unwrap();
    let other = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: old}, spec: {minReplicas: 2, maxReplicas: 60, \
        scaleTargetRef: {kind: Deployment, name: web}, metrics: [{type: External, external: {metric: {name: requests}, \
        target: {type: AverageValue, averageValue: 5}}}]}}";
    let other = file(dir.path(), "old.json", other);
    let trial = trial(&[POLICY, "--trace", TRACE, "--to", "6h", "--against", other.to_str().unwrap(), "--against", "keda"]);
    let [_, old, keda] = &trial.contenders[..] else { panic!("three contenders") };
    assert_eq!((old.name.as_str(), keda.name.as_str()), ("old", "keda"));
    // At half of their capacity pods cost twice what the load would need.
    assert!((1.7..2.6).contains(&old.score.cost), "{}", old.score.cost);
    assert!(old.score.pod_hours > keda.score.pod_hours);
}

/// The stock HPA keeps its own.
#[test]
fn defaults_are_those_of_the_controllers_flags() {
    let with = |more: &[&str]| trial(&[&[POLICY, "--trace", HOUR, "--peak", "20", "--against", "hpa"], more].concat()).contenders;
    let (usual, hasty) = (with(&[]), with(&["--horizontal-pod-autoscaler-downscale-stabilization", "0s"]));
    assert!(hasty[0].score.reversals > usual[0].score.reversals, "{:?} {:?}", hasty[0].score, usual[0].score);
    assert_eq!(hasty[1], usual[1]);
}

#[test]
fn schedules_are_honoured_on_the_calendar_of_the_load() {
    // Monday 7:30 in Berlin: half an hour later office hours begin with a floor of 5.
    let trial = trial(&[SCHEDULES, "--trace", HOUR, "--peak", "2", "--start", "2026-11-02T06:30:00Z", "--warm-up", "0s"]);
    assert_eq!(trial.start, Some(1_793_601_000));
    let ordered = |second: u64| trial.contenders[0].states.iter().rfind(|state| state.second <= second).unwrap().ordered;
    assert!(ordered(14 * 60) < 5 && ordered(30 * 60) >= 5, "{} {}", ordered(14 * 60), ordered(30 * 60));
    let told = |verdict| trial.contenders[0].decisions.iter().filter(move |told| told.verdict == Some(verdict));
    assert!(told(Verdict::ScaleUp).any(|told| told.reason.contains("by schedule office-hours")));
}

#[test]
fn a_report_is_written_beside_the_output() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("out.html");
    let output = simulate(&[POLICY, "--trace", HOUR, "--report", report.to_str().unwrap()]);
    assert!(output.status.success(), "{}", err(&output));
    let page = std::fs::read_to_string(&report).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("web under azure_llm_conv_2023.csv"), "{}", &page[..200]);
    let missing = simulate(&[POLICY, "--trace", HOUR, "--report", "/nonexistent/out.html"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).starts_with("error: --report: /nonexistent/out.html: "), "{}", err(&missing));
}

#[test]
fn assertions_decide_the_exit_code_and_say_their_figures() {
    let with = |conditions: &str| simulate(&[POLICY, "--trace", HOUR, "--against", "hpa", "-o", "json", "--assert", conditions]);
    let good = with("violation_percent<=100,pod_hours<100*hpa.pod_hours");
    assert_eq!(good.status.code(), Some(0), "{}", err(&good));
    assert_eq!(err(&good).matches("ok      ").count(), 2, "{}", err(&good));
    let bad = with("violation_percent<=100,pod_hours<0.01*hpa.pod_hours,hpa.actions<0");
    assert_eq!(bad.status.code(), Some(1));
    let said = err(&bad);
    assert!(said.contains("FAILED  pod_hours<0.01*hpa.pod_hours: pod_hours is ") && said.contains(", the limit is 0.01 * "), "{said}");
    assert!(said.contains("FAILED  hpa.actions<0: actions is "), "{said}");
    assert!(said.ends_with("error: 2 of 3 assertions do not hold\n"), "{said}");
    // What CI keeps is whole all the same.
    assert!(serde_json::from_slice::<Trial>(&bad.stdout).is_ok());
}

#[test]
fn a_cluster_file_describes_what_options_cannot_and_options_stand_over_it() {
    let args = [POLICY, "--trace", TRACE, "--to", "4h", "--cluster", "examples/simulate/cluster.yaml"];
    let trial = trial(&[&args[..], &["--pod-start", "90s"]].concat());
    let outage = |told: &&ballast::sim::Told| told.verdict == Some(Verdict::Unknown);
    let unknown: Vec<u64> = trial.contenders[0].decisions.iter().filter(outage).map(|told| told.second).collect();
    assert!(!unknown.is_empty() && unknown.iter().all(|second| (9000..9600).contains(second)), "{unknown:?}");
}

#[rstest]
#[case::no_trace(&[POLICY], &["--trace"])]
#[case::no_policy(&["nowhere.yaml", "--trace", HOUR], &["error: nowhere.yaml: No such file"])]
#[case::no_such_trace(&[POLICY, "--trace", "nowhere.csv"], &["error: nowhere.csv: No such file"])]
#[case::not_a_trace(&[POLICY, "--trace", POLICY], &["policy.yaml: line 1", "seconds,value"])]
#[case::capacity_unknown(&[CPU, "--trace", HOUR], &["go-app-deployment follows cpu", "--capacity", "--peak"])]
#[case::both_scales(&[POLICY, "--trace", HOUR, "--peak", "3", "--capacity", "2"], &["--capacity", "--peak"])]
#[case::schedule_without_start(&[SCHEDULES, "--trace", HOUR, "--peak", "3"], &["--start: is missing", "ScalePolicy/shop"])]
#[case::no_part(&[POLICY, "--trace", HOUR, "--from", "3h"], &["--from, --to", "3501 s"])]
#[case::length(&[POLICY, "--trace", HOUR, "--pod-start", "45"], &["--pod-start", "45s, 2m, 1h30m"])]
#[case::utilization(&[POLICY, "--trace", HOUR, "--utilization", "70"], &["--utilization", "70% or 0.7"])]
#[case::warm_up(&[POLICY, "--trace", HOUR, "--warm-up", "2h"], &["--warm-up", "leaves nothing"])]
#[case::against(&[POLICY, "--trace", HOUR, "--against", "vpa"], &["--against: vpa: must be hpa, keda, kpa or a file"])]
#[case::figure(&[POLICY, "--trace", HOUR, "--assert", "violations<1"], &["\"violations\" is not a figure", "violation_seconds"])]
#[case::rival(&[POLICY, "--trace", HOUR, "--assert", "actions<hpa.actions"], &["hpa does not take part (--against)"])]
#[case::noise(&[POLICY, "--trace", HOUR, "--noise", "lots"], &["--noise", "poisson"])]
#[case::sync_period(&[POLICY, "--trace", HOUR, "--sync-period", "0s"], &["error: --sync-period: 0s: must be 1s to 5m"])]
#[case::cluster(&[POLICY, "--trace", HOUR, "--cluster", POLICY], &["policy.yaml: apiVersion: unknown field; there are podStartSeconds, "])]
fn wrong_usage_and_input_are_code_2(#[case] args: &[&str], #[case] said: &[&str]) {
    let output = simulate(args);
    let text = err(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(said.iter().all(|word| text.contains(word)), "should say {said:?}: {text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn every_fault_of_a_policy_is_told_on_a_line_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(POLICY)).unwrap();
    let text = text.replace("minReplicas: 2", "minReplicas: 70\n  intervalSeconds: 900");
    let bad = file(dir.path(), "bad.yaml", &text);
    let output = simulate(&[bad.to_str().unwrap(), "--trace", HOUR]);
    assert_eq!(output.status.code(), Some(2));
    let place = format!("error: {}: ScalePolicy/web: ", bad.display());
    let expected = format!(
        "{place}spec.maxReplicas: 60: must be at least spec.minReplicas (70)\n{place}spec.intervalSeconds: 900: must be 1 to 300 seconds\n"
    );
    assert_eq!(err(&output), expected);
}

#[test]
fn help_names_every_figure() {
    let text = out(&simulate(&["--help"]));
    let names = ballast::trial::assertion::names();
    assert!(names.len() > 15 && names.iter().all(|name| text.contains(name)), "{text}");
}
