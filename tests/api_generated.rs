//! The committed CRDs and reference pages are what the code generates. `UPDATE=1 cargo test --test api_generated` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use ballast::cli::{admission, crds, reference};

fn same(path: &Path, generated: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, generated).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == generated, "{} differs from the code: run UPDATE=1 cargo test --test api_generated", path.display());
}

#[test]
fn crds_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = crds::files().unwrap();
    for (name, text) in &files {
        same(&root.join("crds").join(name), text);
    }
    let committed = fs::read_dir(root.join("crds")).unwrap().count();
    assert_eq!(committed, files.len(), "crds/ holds a file that no kind generates");
}

#[test]
fn the_stream_holds_every_file() {
    let stream = crds::yaml().unwrap();
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&stream).unwrap();
    let names: Vec<_> = documents.iter().map(|document| document["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["scalepolicies.ballast.dev", "metricsources.ballast.dev"]);
}

#[test]
fn reference_pages_are_up_to_date() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    same(&docs.join("reference.md"), &reference::fields().unwrap());
    same(&docs.join("annotations.md"), &reference::annotations().unwrap());
    same(&docs.join("presets.md"), &reference::presets().unwrap());
}

#[test]
fn the_policy_for_annotations_is_up_to_date() {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chart/ballast");
    same(&chart.join("files/annotations-policy.yaml"), &admission::yaml().unwrap());
}

/// `kubectl explain` has something to say about every field.
#[test]
fn every_field_has_a_text() {
    for line in reference::fields().unwrap().lines().filter(|line| line.starts_with("| `")) {
        let meaning = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        assert!(meaning.len() >= 5 && meaning.ends_with(['.', ')', '%']) || meaning.contains("Default"), "{line}");
    }
}
