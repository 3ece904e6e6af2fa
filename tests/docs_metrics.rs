//! The table of the controller's own metrics, made from what it exports. `UPDATE=1 cargo test --test docs_metrics` writes it.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod exposition_support;

use std::fmt::Write;
use std::path::Path;

use exposition_support::exposition;

/// Name, type, labels and help of each family.
fn table(exposition: &str) -> String {
    let mut text = String::from(
        "<!-- Generated: UPDATE=1 cargo test --test docs_metrics -->\n# Metrics of the controller\n\nServed at `/metrics` of the admin port \
         (`--admin-address`, 8080) in the OpenMetrics text format. Series of a policy end with the policy, those of a source with the source.\n\n\
         | Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n",
    );
    let help: Vec<(&str, &str)> = exposition.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    for (family, meaning) in help {
        let kind = exposition.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {family} "))).unwrap();
        let suffix = if kind == "counter" { "_total" } else { "" };
        let series = exposition.lines().find(|line| line.starts_with(&format!("{family}{suffix}")) && !line.starts_with('#')).unwrap();
        let labels = series.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| format!("`{name}`"));
        let names: Vec<String> = names.filter(|name| name != "`le`").collect();
        writeln!(text, "| `{family}{suffix}` | {kind} | {} | {} |", names.join(", "), meaning.trim_end_matches('.')).unwrap();
    }
    text
}

#[tokio::test]
async fn the_table_of_metrics_is_up_to_date() {
    let exposition = exposition().await;
    let table = table(&exposition);
    assert!(table.lines().count() > 18, "{exposition}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), table, "UPDATE=1 cargo test --test docs_metrics");
}
