//! The committed CRDs and reference pages are what the code generates. `UPDATE=1 cargo test --test api_generated` writes them anew.

use std::fs;
use std::path::Path;

use ballast::cli::crds;

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
