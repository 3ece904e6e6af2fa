//! `ballast explain` with what it cannot work with, and as a kubectl plugin: exit codes and messages.

#![allow(clippy::unwrap_used)] // Helpers fail as tests do.

use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;

fn explain(binary: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(binary);
    command.arg("explain").args(args).env_clear().env("HOME", "/nonexistent");
    command.output().unwrap()
}

fn ballast() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ballast"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[rstest]
#[case::nothing(&[], &["[NAMESPACE/]NAME", "required"])]
#[case::parts(&["a/b/c"], &["a/b/c", "NAMESPACE/NAME"])]
#[case::empty(&["shop/"], &["shop/", "NAMESPACE/NAME"])]
#[case::two_namespaces(&["shop/web", "-n", "other"], &["--namespace other", "shop/web"])]
#[case::output(&["web", "-o", "xml"], &["xml", "table", "json", "yaml"])]
#[case::watch(&["web", "-w", "-o", "json"], &["--watch", "--output"])]
#[case::unknown(&["web", "--admn", "x"], &["--admn", "--admin"])]
fn wrong_usage_is_code_2(#[case] args: &[&str], #[case] said: &[&str]) {
    let output = explain(ballast(), args);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(said.iter().all(|word| text.contains(word)), "should say {said:?}: {text}");
}

#[rstest]
#[case::file(&["web", "--kubeconfig", "/nonexistent/kubeconfig"], &["--kubeconfig: /nonexistent/kubeconfig"])]
#[case::nowhere(&["web"], &["no cluster"])]
#[case::context(&["web", "--context", "prod"], &["--context"])]
fn without_a_cluster_it_is_code_1_with_what_was_looked_for(#[case] args: &[&str], #[case] said: &[&str]) {
    let output = explain(ballast(), args);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(said.iter().all(|word| text.contains(word)), "should say {said:?}: {text}");
}

/// kubectl runs a program of this name for `kubectl ballast`.
#[test]
fn as_a_kubectl_plugin_it_names_itself_as_typed() {
    let dir = tempfile::tempdir().unwrap();
    let plugin = dir.path().join("kubectl-ballast");
    std::os::unix::fs::symlink(ballast(), &plugin).unwrap();
    let output = explain(&plugin, &["--help"]);
    assert!(output.status.success());
    assert!(text(&output).contains("Usage: kubectl ballast explain [OPTIONS] <[NAMESPACE/]NAME>"), "{}", text(&output));
    assert!(text(&explain(ballast(), &["--help"])).contains("Usage: ballast explain"));
}
