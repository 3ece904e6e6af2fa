//! `ballast run` with what it cannot work with: exit code and message, before anything is contacted.

#![allow(clippy::unwrap_used)] // Helpers fail as tests do.

use std::process::{Command, Output};

use rstest::rstest;

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    command.arg("run").args(["--kubeconfig", "/nonexistent/kubeconfig", "--admin-address", "127.0.0.1:0"]).args(args);
    command.env_clear().output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[rstest]
#[case::zero(&["--sync-period", "0s"], &["--sync-period", "0s", "1s to 5m"])]
#[case::long(&["--horizontal-pod-autoscaler-sync-period=10m"], &["--sync-period", "600s", "1s to 5m"])]
#[case::no_unit(&["--sync-period", "15"], &["--sync-period", "'15'"])]
#[case::negative(&["--downscale-stabilization=-5s"], &["--downscale-stabilization", "-5s", "negative"])]
#[case::window(&["--horizontal-pod-autoscaler-downscale-stabilization=2h"], &["--downscale-stabilization", "7200s", "0s to 1h"])]
#[case::tolerance(&["--horizontal-pod-autoscaler-tolerance=-0.1"], &["--tolerance", "-0.1", "at least 0"])]
#[case::nan(&["--tolerance=NaN"], &["--tolerance", "NaN", "finite"])]
#[case::qps(&["--write-qps", "0"], &["--write-qps", "0", "above 0"])]
#[case::concurrency(&["--concurrent-horizontal-pod-autoscaler-syncs=1000"], &["--write-concurrency", "1000", "1 to 256"])]
#[case::lease(&["--leader-elect-lease-duration=5s"], &["--lease-duration", "5s", "above --renew-deadline"])]
#[case::smoothing(&["--smoothing", "some"], &["--smoothing", "some", "smooth", "none"])]
#[case::kinds(&["--annotated-kinds", "Job"], &["--annotated-kinds", "Job", "StatefulSet"])]
#[case::unknown(&["--sync-perod", "15s"], &["--sync-perod", "--sync-period"])]
#[case::log(&["--log-level", "a=b=c"], &["--log-level", "a=b=c"])]
#[case::address(&["--admin-address", "8080"], &["--admin-address", "8080"])]
#[case::config(&["--config", "/nonexistent/ballast.yaml"], &["--config", "/nonexistent/ballast.yaml", "No such file"])]
fn wrong_usage_is_code_2_with_flag_value_and_range(#[case] args: &[&str], #[case] said: &[&str]) {
    let output = run(args);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(said.iter().all(|word| text.contains(word)), "should say {said:?}: {text}");
}

#[rstest]
#[case::key("sorces: []", &["unknown field", "sorces"])]
#[case::kind("sources: {a: b}", &["line 1"])]
#[case::range("defaults: {shop: {tolerance: -1}}", &["defaults.shop.tolerance", "-1", "at least 0"])]
#[case::url("sources: [{name: a, url: 'ftp://x'}]", &["sources[0].url", "must be an http or https address"])]
fn a_bad_file_is_code_2_with_path_and_field(#[case] content: &str, #[case] said: &[&str]) {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{}.yaml", content.len()));
    std::fs::write(&file, content).unwrap();
    let output = run(&["--config", file.to_str().unwrap()]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(said.iter().all(|word| text.contains(word)), "should say {said:?}: {text}");
}

#[test]
fn without_a_cluster_it_fails_with_the_file_it_looked_for() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("--kubeconfig: /nonexistent/kubeconfig"), "{}", text(&output));
}

/// A flag given twice means its last value: the chart's `extraArgs` come last.
#[test]
fn the_last_of_two_flags_holds() {
    let output = run(&["--sync-period", "0s", "--sync-period", "5s"]);
    assert_eq!(output.status.code(), Some(1), "only the kubeconfig is wrong: {}", text(&output));
}
