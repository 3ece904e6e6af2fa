//! The fixture in docs/simulate.md, and that in the help text, do what is written there.

#![allow(clippy::unwrap_used)] // Helpers fail as tests do.

use std::path::Path;
use std::process::Command;

use ballast::api::Defaults;
use ballast::trial::fixture::suite;

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
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/simulate.md")).unwrap();
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
