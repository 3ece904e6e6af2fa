//! The alerts on Ballast itself: valid, each fires when it should and not before, each asks for metrics that there are, and each is explained.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use deploy_support::{Release, chart, documents, root, tool};
use serde_json::Value;

fn rules() -> Value {
    let text = fs::read_to_string(root().join("deploy/alerts/ballast.yaml")).unwrap();
    documents(&text).remove(0)
}

fn alerts() -> Vec<Value> {
    let alerts = rules()["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(alerts.len() >= 10, "{alerts:?}");
    alerts
}

fn promtool(args: &[&str]) {
    let output = Command::new(tool("promtool")).args(args).current_dir(root().join("deploy/alerts")).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {args:?}: {}", String::from_utf8_lossy(&text));
}

#[test]
fn alerts_are_valid_and_fire_when_they_should() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", "ballast.yaml"]);
    promtool(&["test", "rules", "tests.yaml"]);
}

#[test]
fn every_alert_is_tested_both_ways() {
    let tests = documents(&fs::read_to_string(root().join("deploy/alerts/tests.yaml")).unwrap()).remove(0);
    for alert in alerts() {
        let of = |test: &&Value| test["alertname"] == alert["alert"];
        let [quiet, failing] = [0, 1].map(|number| tests["tests"][number]["alert_rule_test"].as_array().unwrap().clone());
        assert!(quiet.iter().filter(of).any(|test| test.get("exp_alerts").is_none()), "{}: not shown to be quiet", alert["alert"]);
        assert!(failing.iter().filter(of).any(|test| test.get("exp_alerts").is_some()), "{}: not shown to fire", alert["alert"]);
    }
}

#[test]
fn alerts_ask_for_metrics_that_there_are() {
    let table = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let known: BTreeSet<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    for alert in alerts() {
        let expr = alert["expr"].as_str().unwrap();
        let words = expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked: Vec<&str> = words.filter(|word| word.starts_with("ballast_") || word.starts_with("process_")).collect();
        assert!(!asked.is_empty(), "{expr}");
        for metric in asked {
            assert!(known.contains(metric.trim_end_matches("_bucket")), "{}: {metric} is not in docs/metrics.md", alert["alert"]);
        }
    }
}

#[test]
fn every_alert_is_explained() {
    let page = fs::read_to_string(root().join("docs/alerts.md")).unwrap();
    let explained: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let alerts: Vec<String> = alerts().iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect();
    assert_eq!(explained, alerts);
}

#[test]
fn the_chart_has_the_same_alerts() {
    let copy = fs::read_to_string(chart().join("files/alerts/ballast.yaml")).unwrap();
    assert!(copy == fs::read_to_string(root().join("deploy/alerts/ballast.yaml")).unwrap(), "run deploy/render.sh");
    assert!(Release::new(None, &[]).of("PrometheusRule").is_empty());
    let release = Release::new(None, &["--set", "prometheusRule.enabled=true,prometheusRule.labels.release=prometheus"]);
    let rule = release.one("PrometheusRule");
    assert_eq!(rule["spec"], rules());
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
}
