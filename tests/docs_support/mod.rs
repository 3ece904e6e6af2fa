//! Commands printed in documents.

use std::path::Path;

/// The text of a document.
pub fn page(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Arguments of each call of this subcommand in a document's shell blocks.
pub fn calls(page: &str, subcommand: &str) -> Vec<Vec<String>> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let text = blocks.collect::<String>().replace("\\\n", " ");
    let start = format!("ballast {subcommand} ");
    let calls = text.lines().filter_map(|line| line.trim().strip_prefix("./target/release/").unwrap_or(line.trim()).strip_prefix(&start));
    calls.map(|call| call.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()).collect()
}
