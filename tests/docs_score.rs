//! The worked example of docs/score.md is what the score computes.

#![allow(clippy::unwrap_used)] // A helper that fails is a test that fails.

use std::collections::BTreeMap;
use std::path::Path;

use ballast::sim::{Score, Second};
use serde_json::Value;

#[test]
fn the_worked_example_is_right_and_names_every_figure() {
    let mut score = Score::new(1);
    for (seconds, load, ready, ordered) in [(60, 2.5, 4, 4), (20, 4.5, 4, 6), (20, 4.5, 6, 6)] {
        for _ in 0..seconds {
            score.add(&Second { load, waiting: 0.0, lost: f64::max(load - f64::from(ready), 0.0), ready, ordered });
        }
    }
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/score.md")).unwrap();
    let example = page.split("## A worked example").nth(1).unwrap();
    let rows = example.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        Some((cells.next()?.trim().trim_end_matches('`').to_owned(), cells.next()?.trim().parse().ok()?))
    });
    let told: BTreeMap<String, f64> = rows.collect();
    let Value::Object(figures) = serde_json::to_value(score.figures()).unwrap() else { unreachable!() };
    let places = |value: f64| (value * 1000.0).round() / 1000.0;
    let computed: BTreeMap<String, f64> = figures.iter().map(|(name, value)| (name.clone(), places(value.as_f64().unwrap()))).collect();
    assert_eq!(told, computed);
    let tables = page.split("## A worked example").next().unwrap();
    assert!(figures.keys().all(|name| tables.contains(&format!("`{name}`"))), "a figure is not explained");
}
