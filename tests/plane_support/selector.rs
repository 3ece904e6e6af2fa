//! Label selectors as they stand in a URL.

use kube::core::{Expression, Selector};

/// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
pub fn parse(text: &str) -> Selector {
    terms(text).into_iter().map(expression).collect()
}

/// Splits at commas outside parentheses.
fn terms(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut terms) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms.retain(|term| !term.trim().is_empty());
    terms
}

fn expression(term: &str) -> Expression {
    let set = |text: &str| text.trim().trim_matches(['(', ')']).split(',').map(|v| v.trim().to_owned()).collect();
    let term = term.trim();
    if let Some((key, values)) = term.split_once(" notin ") {
        Expression::NotIn(key.trim().into(), set(values))
    } else if let Some((key, values)) = term.split_once(" in ") {
        Expression::In(key.trim().into(), set(values))
    } else if let Some((key, value)) = term.split_once("!=") {
        Expression::NotEqual(key.trim().into(), value.trim().into())
    } else if let Some((key, value)) = term.split_once('=') {
        Expression::Equal(key.trim().into(), value.trim_start_matches('=').trim().into())
    } else if let Some(key) = term.strip_prefix('!') {
        Expression::DoesNotExist(key.into())
    } else {
        Expression::Exists(term.into())
    }
}
