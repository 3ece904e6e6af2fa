//! Commands, links and words printed in documents.

#![allow(dead_code)] // Each test target uses its part.

use std::path::Path;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a document.
pub fn page(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// Files of a folder with this ending, as paths from the root, in order.
pub fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, ending));
        } else if path.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The commands in a document's shell blocks, each on one line and without the comment behind it.
pub fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let text = blocks.collect::<String>().replace("\\\n", " ");
    let commands = text.lines().map(|line| line.split(" # ").next().unwrap_or_default());
    let words = commands.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.filter(|command| !command.is_empty() && !command.starts_with('#')).collect()
}

/// Arguments of each call of this subcommand in a document's shell blocks.
pub fn calls(page: &str, subcommand: &str) -> Vec<Vec<String>> {
    let start = format!("ballast {subcommand} ");
    let commands = commands(page);
    let calls = commands.iter().filter_map(|command| command.strip_prefix("./target/release/").unwrap_or(command).strip_prefix(&start));
    calls.map(|call| call.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()).collect()
}

/// A document without its blocks and spans of code.
pub fn prose(page: &str) -> String {
    let mut text = String::new();
    let mut fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            text += &line.split('`').step_by(2).collect::<Vec<_>>().join("");
        }
        text.push('\n');
    }
    text
}
