//! docs/security.md names the tests that show what it claims: each of them exists.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let is_name = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
    let (mut claims, mut missing) = (0, Vec::new());
    for word in text.split('`').skip(1).step_by(2) {
        let file_of = |name: &str| std::fs::read_to_string(root.join(format!("tests/{name}.rs"))).unwrap_or_default();
        let exists = match word.split_once("::") {
            Some((file, function)) if is_name(word) && !file.is_empty() => file_of(file).contains(&format!("fn {function}(")),
            _ if word.starts_with("src/") || word.starts_with("tests/") => root.join(word.split(' ').next().unwrap()).exists(),
            // A file of tests as a whole.
            _ if ["prom_", "api_", "plane_", "source_"].iter().any(|start| word.starts_with(start)) && is_name(word) => {
                !file_of(word).is_empty()
            }
            _ => continue,
        };
        claims += 1;
        if !exists {
            missing.push(word);
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert!(claims >= 25, "{claims}");
}

/// What is advised can be set.
#[test]
fn every_value_that_is_advised_is_one_of_the_charts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let advice = text.split("## Advice").nth(1).unwrap().split("## ").next().unwrap();
    let values: serde_json::Value =
        serde_saphyr::from_str(&std::fs::read_to_string(root.join("deploy/chart/ballast/values.yaml")).unwrap()).unwrap();
    let mut checked = 0;
    for row in advice.lines().filter(|line| line.starts_with("| `")) {
        let path = row.split('`').nth(1).unwrap().split(['[', ':']).next().unwrap();
        let found = path.split('.').try_fold(&values, |value, key| value.get(key));
        assert!(found.is_some(), "{path}");
        checked += 1;
    }
    assert!(checked >= 6, "{checked}");
}
