//! Every command on a page is run by a test: here, by a test that is named, or not at all with the reason.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod deploy_support;
mod docs_support;

use std::path::Path;
use std::process::Command;

use deploy_support::tool;
use docs_support::{commands, files, page, root};

/// What is done about a command.
enum Run {
    /// It is run here, and ends with 0.
    Here,
    /// It needs a cluster or the like; this file does the same to one, and these words occur in it.
    In(&'static str, &'static str),
    /// It is not run, for this reason.
    Not(&'static str),
}
use Run::{Here, In, Not};

const NODE: &str = "examples/demo/demo.sh"; // tests/node_demo.rs runs it,
const NODE_LIB: &str = "examples/demo/lib.sh"; // and it this.

/// The beginning of commands, and what is done about them; the first that fits counts. Beginnings with a page, `PAGE: `, are for that page only.
const RUNS: &[(&str, Run)] = &[
    ("ballast lint ", Here),
    ("ballast test ", Here),
    ("helm template ", Here),
    ("helm lint ", Here),
    ("promtool check rules ", Here),
    ("README.md: ./target/release/ballast simulate ", In("tests/docs_simulate.rs", r#"calls(&page("README.md"), "simulate")"#)),
    ("docs/simulate.md: ballast simulate ", In("tests/docs_simulate.rs", r#""docs/simulate.md""#)),
    ("docs/quick-start.md: ballast simulate ", In("tests/docs_simulate.rs", r#""docs/quick-start.md""#)),
    ("docs/migration.md: ballast convert ", In("tests/cli_convert.rs", r#"page("docs/migration.md"), "convert""#)),
    ("docs/gitops.md: size=", In("tests/plane_gitops.rs", "--field-manager=handover-to-ballast")),
    ("docs/gitops.md: kubectl apply --server-side ", In("tests/plane_gitops.rs", "--field-manager=handover-to-ballast")),
    ("docs/gitops.md: {", In("tests/plane_gitops.rs", r#""spec": { "replicas": 3 }"#)),
    ("docs/gitops.md: EOF", Not("the end of the manifest before it")),
    ("ballast adopt ", In("tests/plane_adopt.rs", "--hand-over")),
    ("ballast replay ", In("tests/cli_replay.rs", "--prometheus")),
    ("ballast explain ", In("tests/plane_explain.rs", "explain")),
    ("kubectl ballast ", In("tests/plane_plugin.rs", "kubectl-ballast")),
    ("ln -s ", In("tests/plane_plugin.rs", "kubectl_complete-ballast")),
    ("helm install ballast deploy/chart/ballast ", In(NODE_LIB, "helm install ballast deploy/chart/ballast --namespace ballast-system")),
    ("helm upgrade ballast deploy/chart/ballast ", In("tests/plane_chart.rs", r#"release("upgrade""#)),
    ("helm uninstall ballast ", In("tests/plane_chart.rs", r#""uninstall""#)),
    ("helm rollback ", Not("Helm applies an earlier release as it does an upgrade: tests/plane_chart.rs")),
    ("kubectl annotate deployment ", In("tests/plane_life.rs", r#""ballast.dev/max-replicas-", "ballast.dev/min-replicas-""#)),
    ("kubectl apply -k examples/apps", In(NODE, "kubectl apply -k examples/demo")), // An overlay of it.
    ("kubectl apply -f examples/apps/", In(NODE, "kubectl apply -k examples/demo")),
    ("kubectl apply -f examples/statefulset/", In("tests/node_demo.rs", r#"node.apply("examples/statefulset/policy.yaml")"#)),
    ("kubectl apply -f examples/rolling-update/", In("tests/node_demo.rs", r#"node.apply("examples/rolling-update/policy.yaml")"#)),
    ("kubectl apply -f examples/metric-source/", In("tests/plane_source.rs", "a_source_works_from_when_it_is_made")),
    ("kubectl apply edit-last-applied ", Not("it opens an editor")),
    ("kubectl get sp", In("tests/plane_api.rs", r#"["get", "sp", "-n""#)),
    ("kubectl describe sp ", In("tests/plane_metrics.rs", r#""describe", "sp""#)),
    ("kubectl describe deployment ", In("tests/plane_life.rs", r#"describes("deployment""#)),
    ("kubectl describe metricsource ", In("tests/plane_source.rs", r#"describes("metricsource""#)),
    ("kubectl scale deployment ", In("tests/plane_writers.rs", r#"["scale", "deployment""#)),
    ("kubectl patch sp ", In("tests/plane_life.rs", "patch")),
    ("kubectl --namespace ballast-system port-forward ", Not("a plane has no kubelet; tests/web_port.rs asks the same port directly")),
    ("make -s bench-scale ", Not("it takes 40 minutes and writes the page it stands on")),
    ("make demo-go ", In("tests/node_go.rs", r#"Node::of("go.sh""#)),
    ("docker build ", Not("there is no Docker on a test machine; tests/node_demo.rs packs the same binaries into images")),
    ("docker save ", Not("as docker build")),
    ("podman ", Not("as docker build")),
    ("kind load ", Not("as docker build")),
    ("ctr --namespace k8s.io images import ", In("tests/cluster/import.sh", "images import")),
    ("minikube image load ", Not("as docker build")),
    ("kubectl kustomize examples/apps ", Not("it applies images that Podman built")),
    ("vi ", Not("it opens an editor")),
];

fn documents() -> Vec<String> {
    let others = ["README.md", "examples/README.md", "deploy/README.md"].map(str::to_owned);
    files("docs", ".md").into_iter().chain(others).collect()
}

/// The rule for a command of a page.
fn rule(file: &str, command: &str) -> Option<usize> {
    let with_page = format!("{file}: {command} ");
    let command = format!("{command} ");
    RUNS.iter().position(|(start, _)| if start.contains(".md: ") { with_page.starts_with(start) } else { command.starts_with(start) })
}

#[test]
fn every_command_is_run_or_has_a_reason() {
    let mut used = vec![false; RUNS.len()];
    let mut unknown = Vec::new();
    for file in documents() {
        for command in commands(&page(&file)) {
            match rule(&file, &command) {
                Some(index) => used[index] = true,
                None => unknown.push(format!("{file}: {command}")),
            }
        }
    }
    assert!(unknown.is_empty(), "neither run nor listed in tests/docs_commands.rs:\n{}", unknown.join("\n"));
    let unused: Vec<&str> = RUNS.iter().zip(used).filter(|(_, used)| !used).map(|((start, _), _)| *start).collect();
    assert!(unused.is_empty(), "listed, and on no page: {unused:?}");
}

#[test]
fn who_is_said_to_run_a_command_does() {
    for (start, run) in RUNS {
        match run {
            In(file, words) => assert!(page(file).contains(words), "{start}: {file} has no {words}"),
            Not(reason) => assert!(reason.len() > 10, "{start}"),
            Here => {}
        }
    }
}

#[test]
fn what_needs_no_cluster_is_run_as_it_stands() {
    let ballast = Path::new(env!("CARGO_BIN_EXE_ballast"));
    let programs = [ballast.to_owned(), tool("helm"), tool("promtool")];
    let folders = programs.iter().map(|program| program.parent().unwrap().to_owned());
    let old = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&old))).unwrap();
    let mut run = 0;
    for file in documents() {
        for command in commands(&page(&file)) {
            if rule(&file, &command).is_some_and(|index| matches!(RUNS[index].1, Here)) {
                let mut shell = Command::new("sh");
                let output =
                    shell.args(["-c", &command]).env("PATH", &path).env("KUBECONFIG", "/nonexistent").current_dir(root()).output().unwrap();
                assert!(output.status.success(), "{file}: {command}: {output:?}");
                run += 1;
            }
        }
    }
    assert!(run >= 6, "{run}");
}
