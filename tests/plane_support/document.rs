//! Figures in the docs that a test makes.

use std::path::Path;

/// With `UPDATE` set, writes figures between the marks of a file of the docs, which must be there.
pub fn document(file: &str, figures: &str) {
    document_part(file, "figures", figures);
}

/// The same for one of several parts, between marks of this name.
pub fn document_part(file: &str, part: &str, figures: &str) {
    if std::env::var_os("UPDATE").is_none() {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&file).unwrap();
    let (start, end) = (format!("<!-- {part} -->\n"), format!("\n<!-- end of {part} -->"));
    let (before, rest) = text.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    std::fs::write(file, [before, &start, figures, &end, after].concat()).unwrap();
}
