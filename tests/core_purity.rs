//! The decision stays pure: no runtime, no I/O, no clock, no Kubernetes, no logging anywhere in `src/core`. The simulator around it, in
//! `src/sim`, is as pure, but reads traces from what others have opened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

use std::path::{Path, PathBuf};

/// What a part may use.
struct Part {
    folder: &'static str,
    /// Roots of paths beside its own items.
    crates: &'static [&'static str],
    /// Modules of this crate.
    modules: &'static [&'static str],
    /// Exceptions from [`FORBIDDEN`].
    allowed: &'static [&'static str],
}

const CORE: Part = Part { folder: "src/core", crates: &["std", "serde", "smallvec", "statrs"], modules: &["crate::core"], allowed: &[] };
const SIM: Part = Part {
    folder: "src/sim",
    crates: &["std", "serde", "statrs", "fastrand", "flate2", "thiserror"],
    modules: &["crate::core", "crate::sim"],
    allowed: &["std::io"],
};

/// Parts of std that reach outside, and what else must not appear.
const FORBIDDEN: [&str; 16] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "std::os",
    "std::path",
    "Instant",
    "SystemTime",
    "println!",
    "eprintln!",
    "async fn",
    ".await",
    "unsafe",
    "dbg!",
];
/// Crates of this project that the core must not use, by any path.
const OUTSIDE: [&str; 14] = [
    "tokio",
    "kube",
    "k8s_openapi",
    "reqwest",
    "tracing",
    "serde_json",
    "anyhow",
    "jiff",
    "parking_lot",
    "arc_swap",
    "futures",
    "prometheus_client",
    "axum",
    "clap",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// Code without comments and string literals, line by line.
fn code(text: &str) -> String {
    let strip = |line: &str| {
        let mut out = String::new();
        let mut quoted = false;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted => drop(chars.next()),
                '"' => quoted = !quoted,
                '/' if !quoted && chars.peek() == Some(&'/') => break,
                _ if !quoted => out.push(c),
                _ => {}
            }
        }
        out
    };
    text.lines().map(strip).collect::<Vec<_>>().join("\n")
}

fn violations(part: &Part, name: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut found = Vec::new();
    for word in FORBIDDEN {
        if code.contains(word) && !part.allowed.contains(&word) {
            found.push(format!("{name}: {word}"));
        }
    }
    for outside in OUTSIDE {
        let path = format!("{outside}::");
        if code.match_indices(&path).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')) {
            found.push(format!("{name}: {path}"));
        }
    }
    for line in code.lines() {
        let Some(path) = line.trim().strip_prefix("use ").or_else(|| line.trim().strip_prefix("pub use ")) else { continue };
        let root = path.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        let own = ["crate", "super", "self"].contains(&root);
        // A plain lower-case root that is no crate is a sibling module named in a `pub use`.
        let sibling = code.contains(&format!("mod {root};"));
        if !(own || sibling || part.crates.contains(&root)) {
            found.push(format!("{name}: use {root}"));
        }
        if path.starts_with("crate::") && !part.modules.iter().any(|module| path.starts_with(module)) {
            found.push(format!("{name}: use {path}"));
        }
    }
    found
}

fn check(part: &Part) {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part.folder));
    assert!(files.len() > 5, "{files:?}");
    let found: Vec<String> =
        files.iter().flat_map(|file| violations(part, &file.display().to_string(), &std::fs::read_to_string(file).unwrap())).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_core_uses_only_std_and_three_pure_crates() {
    check(&CORE);
}

#[test]
fn the_simulator_has_no_clock_and_no_runtime() {
    check(&SIM);
}

#[test]
fn the_scan_finds_what_it_forbids() {
    for bad in [
        "use tokio::time;",
        "use kube::Api;",
        "use k8s_openapi::api;",
        "use crate::source::Source;",
        "let now = std::time::Instant::now();",
        "let text = serde_json::to_string(&memory);",
        "tracing::info!(1);",
        "let home = std::env::var(name);",
        "use std::{fs, io}; std::fs::read(path);",
        "pub async fn decide() {}",
    ] {
        assert!(!violations(&CORE, "a", bad).is_empty(), "{bad}");
    }
    for good in [
        "use std::time::Duration;",
        "// tokio::spawn is for the engine",
        "let text = \"tokio::spawn\";",
        "use super::Time;",
        "use crate::core::Time;",
    ] {
        assert!(violations(&CORE, "a", good).is_empty(), "{good}");
    }
}

#[test]
fn files_stay_small() {
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core")) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
    }
}
