//! The site that `make docs` makes: every page has its place, every link leads somewhere on the site and in the repository, nothing is fetched
//! from elsewhere, and what pages say of the code is so.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod docs_support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use ballast::core::reason::{Demand, Form, Outcome, PodCounts, Unit};
use docs_support::{files, page, prose, root};
use regex::Regex;
use serde_json::Value;

/// Documents outside of the site whose links must hold as well.
const OTHERS: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "deploy/README.md", "examples/README.md"];

fn pages() -> Vec<String> {
    files("docs", ".md").into_iter().filter(|file| file != "docs/SUMMARY.md").collect()
}

/// Where links and pictures of a document lead.
fn targets(text: &str) -> Vec<String> {
    let link = Regex::new(r#"\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"\s]+)""#).unwrap();
    link.captures_iter(&prose(text)).map(|found| found.get(1).or_else(|| found.get(2)).unwrap().as_str().to_owned()).collect()
}

/// Anchors of a page's headings, as both GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let headings = text.lines().filter(|line| {
        fenced ^= line.trim_start().starts_with("```");
        !fenced && line.starts_with('#')
    });
    let kept = |heading: &str| -> String {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(kept).collect()
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut whole, part| {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            other => whole.push(other),
        }
        whole
    })
}

#[test]
fn every_page_has_one_place() {
    let listed: Vec<String> = targets(&page("docs/SUMMARY.md")).iter().map(|file| format!("docs/{file}")).collect();
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(sorted, pages());
}

#[test]
fn every_link_leads_somewhere_on_the_site_and_in_the_repository() {
    let mut checked = 0;
    for file in pages().into_iter().chain(OTHERS.map(str::to_owned)) {
        let text = page(&file);
        for target in targets(&text) {
            if target.starts_with("http://localhost") || target.starts_with("https://") {
                continue;
            }
            let (to, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if to.is_empty() { PathBuf::from(&file) } else { normal(&Path::new(&file).parent().unwrap().join(to)) };
            assert!(root().join(&path).exists(), "{file}: {target} leads nowhere");
            assert!(!file.starts_with("docs/") || path.starts_with("docs"), "{file}: {target} is not on the site; name the file as code");
            if !anchor.is_empty() {
                let there = anchors(&std::fs::read_to_string(root().join(&path)).unwrap());
                assert!(there.contains(anchor), "{file}: {} has no heading {anchor}, only {there:?}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn nothing_is_fetched_when_it_is_read() {
    let foreign = Regex::new(r#"!\[[^\]]*\]\(https?:|(?:src|srcset)="https?:|<(?:script|link|iframe)\b"#).unwrap();
    for file in pages() {
        let text = prose(&page(&file));
        assert!(!foreign.is_match(&text), "{file}: {:?}", foreign.find(&text));
    }
    let book = page("docs/book.toml");
    assert!(!book.contains("mathjax") && !book.contains("additional-js"), "{book}");
}

/// Reasons of conditions and Events, and codes of decisions: words in the code that people see in `kubectl describe`.
fn reasons() -> BTreeSet<String> {
    /// Units of bytes, and roles, which the pages write as fields.
    const OTHER_WORDS: [&str; 8] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Driver", "Guard", "Brake"];
    let word = Regex::new(r#""([A-Z][A-Za-z]+)""#).unwrap();
    let mut sources = [files("src/core", ".rs"), files("src/engine", ".rs")].concat();
    sources.push("src/source/fault.rs".to_owned());
    // Spans name kinds of workloads.
    sources.retain(|file| file != "src/engine/traced.rs");
    let mut reasons = BTreeSet::new();
    for file in sources {
        let text = page(&file);
        let code = text.split("#[cfg(test)]").next().unwrap();
        reasons.extend(word.captures_iter(code).map(|found| found[1].to_owned()));
    }
    reasons.retain(|reason| !OTHER_WORDS.contains(&reason.as_str()));
    for known in ["ScaleDownStabilized", "GuardedLately", "AnnotationsOverridden", "TLSFailed", "PresetsChosen", "ScheduleConflict"] {
        assert!(reasons.contains(known), "{known} is not found any more");
    }
    assert!(reasons.len() > 100, "{reasons:?}");
    reasons
}

#[test]
fn troubleshooting_knows_every_reason() {
    let text = page("docs/troubleshooting.md");
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let missing: Vec<String> = reasons().into_iter().filter(|reason| !words.contains(reason.as_str())).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md does not say what to do about {missing:?}");
}

#[test]
fn troubleshooting_names_no_reason_that_there_is_not() {
    let code: String = files("src", ".rs").iter().chain(&files("deploy/alerts", ".yaml")).map(|file| page(file)).collect();
    let known: BTreeSet<&str> = code.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let named = Regex::new(r"`(?:heldBy: )?(?:([A-Z][A-Za-z]+): )?([A-Z][A-Za-z]+)`|\*(?:Warning|Normal)\* ([A-Z][A-Za-z]+)").unwrap();
    for found in named.captures_iter(&page("docs/troubleshooting.md")) {
        for word in found.iter().skip(1).flatten().map(|word| word.as_str()) {
            // Types of placeholders in the introduction.
            assert!(known.contains(word) || ["Type", "Reason", "Code"].contains(&word), "{word} does not occur in the code");
        }
    }
}

/// The Event that README and quick start show.
#[test]
fn the_event_is_worded_as_the_controller_does() {
    let demand = Demand {
        signal: "http-requests-per-second".into(),
        form: Form::PerReplica,
        unit: Unit::PerSecond,
        value: 93_400.0,
        target: 20_000.0,
        ratio: 1.0,
        pods: PodCounts::default(),
        outcome: Outcome::Needs,
        proposal: 5,
        origin: None,
    };
    for file in ["README.md", "docs/quick-start.md"] {
        assert!(page(file).contains(&format!("New size: 5 (was 3): {demand}\n")), "{file}: {demand}");
    }
}

/// Sizes of the controller as they were measured, for docs/operations.md.
fn sizing() -> String {
    let results: Value = serde_json::from_str(&page("docs/scale.json")).unwrap();
    let mut table = String::new();
    for row in results["rows"].as_array().unwrap().iter().filter(|row| row["contender"] == "ballast") {
        let number = |path: &str| row.pointer(path).and_then(Value::as_f64).unwrap();
        let peaks = row["steps"].as_array().unwrap().iter().map(|step| step["contender"]["peak_mib"].as_f64().unwrap());
        let peak = peaks.fold(number("/steady/contender/peak_mib"), f64::max);
        let (signal, queries) = match row["signal"].as_str().unwrap() {
            "cpu" => ("CPU", "–".to_owned()),
            _ => ("Prometheus, a preset", format!("{:.0}", number("/steady/queries"))),
        };
        let (cores, memory) = (number("/steady/contender/cores"), number("/steady/contender/rss_mib"));
        let requests = number("/steady/requests");
        writeln!(table, "| {} | {signal} | {cores:.3} | {memory:.0} MiB | {peak:.0} MiB | {requests:.1} | {queries} |", row["targets"])
            .unwrap();
    }
    table
}

#[test]
fn sizes_are_those_measured() {
    let text = page("docs/operations.md");
    let (before, rest) = text.split_once("<!-- from docs/scale.json by tests/docs_site.rs -->\n").unwrap();
    let (section, after) = rest.split_once("\n<!-- end -->").unwrap();
    let head: String = section.lines().take(3).fold(String::new(), |head, line| head + line + "\n");
    let right = format!("{head}{}", sizing());
    if std::env::var_os("UPDATE").is_some() {
        let whole = format!("{before}<!-- from docs/scale.json by tests/docs_site.rs -->\n{right}\n<!-- end -->{after}");
        return std::fs::write(root().join("docs/operations.md"), whole).unwrap();
    }
    assert_eq!(section, right, "UPDATE=1 cargo test --test docs_site");
}
