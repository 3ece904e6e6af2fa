//! The commands of the kubectl plugin with what they cannot work with, and what they say without a cluster: exit codes, messages, completion.

#![allow(clippy::unwrap_used)] // Helpers fail as tests do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;

fn call(binary: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(binary);
    command.args(args).env_clear().env("HOME", "/nonexistent").output().unwrap()
}

fn ballast(args: &[&str]) -> Output {
    call(Path::new(env!("CARGO_BIN_EXE_ballast")), args)
}

/// The binary under another name, as kubectl finds it.
fn link(dir: &tempfile::TempDir, name: &str) -> PathBuf {
    let link = dir.path().join(name);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ballast"), &link).unwrap();
    link
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn says(output: &Output, code: i32, said: &[&str]) {
    let text = text(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(said.iter().all(|word| text.contains(word)), "should say {said:?}: {text}");
}

#[rstest]
#[case::two_scopes(&["status", "-A", "-n", "shop"], &["--all-namespaces", "--namespace"])]
#[case::name_and_all(&["status", "web", "-A"], &["--all-namespaces"])]
#[case::name_and_labels(&["status", "web", "-l", "a=b"], &["--selector"])]
#[case::no_labels(&["status", "-l", " "], &["--selector must not be empty"])]
#[case::form(&["status", "-o", "xml"], &["table", "wide", "json", "yaml"])]
#[case::two_namespaces(&["history", "shop/web", "-n", "other"], &["--namespace other", "shop/web"])]
#[case::limit(&["history", "web", "--limit", "0"], &["--limit", "0"])]
#[case::nothing_paused(&["pause"], &["[NAMESPACE/]NAME"])]
#[case::direction(&["pause", "web", "--direction", "left"], &["up", "down", "all"])]
#[case::length(&["pause", "web", "--for", "long"], &["--for", "45s, 2m, 1h30m or 3d"])]
#[case::two_ends(&["pause", "web", "--for", "1h", "--until", "18:00"], &["--for", "--until"])]
#[case::past(&["pause", "web", "--until", "2020-01-01T00:00:00Z"], &["--until 2020-01-01T00:00:00Z: lies in the past"])]
#[case::end(&["pause", "web", "--until", "soon"], &["--until soon: must be a time such as"])]
#[case::colours(&["status", "--color", "blue"], &["auto", "always", "never"])]
#[case::shell(&["completions", "tcsh"], &["bash", "fish", "powershell", "zsh"])]
fn wrong_usage_is_code_2(#[case] args: &[&str], #[case] said: &[&str]) {
    says(&ballast(args), 2, said);
}

/// Of `diff` 1 means "different", as of diff(1).
#[rstest]
#[case::status(&["status"], 1)]
#[case::history(&["history", "web"], 1)]
#[case::pause(&["pause", "web", "--by", "ana"], 1)]
#[case::resume(&["resume", "web"], 1)]
#[case::diff(&["diff", "web"], 2)]
fn a_server_that_is_not_there_is_one_line(#[case] args: &[&str], #[case] code: i32) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    // Nobody listens on the discard port of loopback.
    let config = "{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}], \
        users: [{name: u, user: {}}], contexts: [{name: c, context: {cluster: c, user: u}}]}";
    std::fs::write(&file, config).unwrap();
    let output = ballast(&[args, &["--kubeconfig", file.to_str().unwrap()]].concat());
    says(&output, code, &["error: cannot ask http://127.0.0.1:9/: Connection refused"]);
    assert_eq!(text(&output).lines().count(), 1, "{}", text(&output));
}

#[test]
fn as_a_plugin_help_and_completions_have_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let plugin = link(&dir, "kubectl-ballast");
    says(&call(&plugin, &["--help"]), 0, &["Usage: kubectl ballast [OPTIONS] <COMMAND>", "status", "history", "pause", "resume", "diff"]);
    says(&call(&plugin, &["pause", "--help"]), 0, &["Usage: kubectl ballast pause [OPTIONS] <[NAMESPACE/]NAME>", "--for <LENGTH>"]);
    says(&call(&plugin, &["completions", "bash"]), 0, &["default kubectl-ballast\n"]);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        says(&ballast(&["completions", shell]), 0, &["ballast", "history"]);
    }
}

/// kubectl runs a program of this name, and reads what cobra would write.
#[test]
fn kubectl_completes_commands_flags_and_values() {
    let dir = tempfile::tempdir().unwrap();
    let complete = link(&dir, "kubectl_complete-ballast");
    let lines = |args: &[&str]| {
        let output = call(&complete, args);
        assert!(output.status.success(), "{}", text(&output));
        text(&output).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let commands = lines(&["st"]);
    assert!(commands[0].starts_with("status\tShow policies as a table") && commands.len() == 2, "{commands:?}");
    assert_eq!(commands[1], ":4");
    assert_eq!(lines(&["pause", "web", "--direction", "u"]), ["up", ":4"]);
    assert!(lines(&["status", "--wat"])[0].starts_with("--watch\t"));
    assert_eq!(lines(&["simulate", ""]), [":0"]);
    // Without a cluster there are no names, and no message between the words that are typed.
    assert_eq!(lines(&["explain", ""]), [":4"]);
}
