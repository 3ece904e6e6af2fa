//! What documents print can be run: the commands of README and guides on recorded load, the fixtures of the guide and the help text.

#![allow(clippy::unwrap_used)] // Helpers fail as tests do.

mod docs_support;

use std::path::Path;
use std::process::{Command, Output};

use ballast::api::Defaults;
use ballast::trial::fixture::suite;
use docs_support::{calls, page};

/// Runs a call from the root of the repository, with its report in a directory of its own.
fn simulate(call: &[String]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut call = call.to_vec();
    let report = call.iter().position(|word| word == "--report").map(|at| at + 1);
    if let Some(at) = report {
        dir.path().join(&call[at]).to_str().unwrap().clone_into(&mut call[at]);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("simulate").args(&call).output().unwrap();
    if let Some(at) = report {
        assert!(std::fs::read_to_string(&call[at]).unwrap().starts_with("<!doctype html>"));
    }
    output
}

/// Scale-in after one minute costs so much that the gate says no, as the README says; everything else succeeds.
#[test]
fn the_commands_on_recorded_load_do_what_is_said_of_them() {
    let readme = calls(&page("README.md"), "simulate");
    assert_eq!(readme.len(), 2);
    let first = simulate(&readme[0]);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let gate = simulate(&readme[1]);
    assert_eq!(gate.status.code(), Some(1), "{gate:?}");
    let said = String::from_utf8_lossy(&gate.stderr);
    assert!(said.contains("FAILED  violation_seconds<=web-2.violation_seconds") && said.contains("ok      pod_hours<="), "{said}");
    for guide in ["docs/simulate.md", "docs/quick-start.md"] {
        let calls = calls(&page(guide), "simulate");
        assert!(!calls.is_empty(), "{guide}");
        for call in calls {
            let output = simulate(&call);
            assert!(output.status.success(), "{guide}: {call:?}: {output:?}");
        }
    }
}

fn passes(dir: &Path, policy: &str, fixture: &str, name: &str) {
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(policy), dir.join(name)).unwrap();
    let path = dir.join("docs_test.yaml");
    std::fs::write(&path, fixture).unwrap();
    let suite = suite(&[path], "", &Defaults::default()).unwrap();
    assert_eq!((suite.passed, suite.failed, suite.broken), (1, 0, 0), "{suite:#?}");
}

#[test]
fn the_fixture_of_the_guide_passes() {
    let dir = tempfile::tempdir().unwrap();
    let page = page("docs/simulate.md");
    let marked = page.split("tests/docs_simulate.rs -->\n```yaml\n").nth(1).unwrap();
    passes(dir.path(), "examples/tests/shop.yaml", marked.split("```").next().unwrap(), "shop.yaml");
}

#[test]
fn the_fixture_of_the_help_text_passes() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ballast")).args(["test", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let fixture = help.split("A fixture is a YAML file:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    passes(dir.path(), "examples/apps/go-app-deployment-policy.yaml", fixture, "web.yaml");
}
