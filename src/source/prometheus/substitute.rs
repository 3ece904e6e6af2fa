//! `${namespace}`, `${name}` and `${pods}` in queries.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::core::Failure;
use crate::source::{Ask, PLACEHOLDERS};

/// Matches no text: something in front of the beginning. An empty alternation would match series without the label.
const NOTHING: &str = ".^";

/// Fills the placeholders of a query.
///
/// `${pods}` becomes a regular expression that matches the pods of the target and nothing else. Every value is escaped for
/// `PromQL`'s quoted strings, so none can end the string it stands in.
pub fn substitute(query: &str, ask: &Ask) -> Result<String, Failure> {
    let name = |out: &mut String| escape(out, &ask.target);
    fill(query, |out| escape(out, &ask.namespace), name, |out| alternation(out, ask.pods.iter().map(|pod| &**pod)))
}

/// The same for many targets, whose namespaces, and pods or other names, are the alternatives of regular expressions.
pub fn substitute_all(query: &str, namespaces: &BTreeSet<&str>, names: &BTreeSet<&str>) -> Result<String, Failure> {
    let any = |out: &mut String| alternation(out, names.iter().copied());
    fill(query, |out| alternation(out, namespaces.iter().copied()), any, any)
}

/// The same for all pods that a target ever had, by the names that its kind gives them.
///
/// A total over time needs this: the pods of today have no past beyond their own start. Pods of another workload match only if its name
/// is the target's with a part more and it makes its names in another way, e.g. a `DaemonSet` `web-canary` beside a `Deployment` `web`.
pub fn substitute_ever(query: &str, namespace: &str, kind: &str, target: &str) -> Result<String, Failure> {
    let suffix = match kind {
        "Deployment" => "-[a-z0-9]{1,10}-[a-z0-9]{5}",
        "ReplicaSet" | "ReplicationController" => "-[a-z0-9]{5}",
        "StatefulSet" => "-[0-9]+",
        _ => "-.+",
    };
    fill(
        query,
        |out| escape(out, namespace),
        |out| escape(out, target),
        |out| {
            escape(out, &literal(target));
            out.push_str(suffix);
        },
    )
}

fn fill(query: &str, namespace: impl Fn(&mut String), name: impl Fn(&mut String), pods: impl Fn(&mut String)) -> Result<String, Failure> {
    let mut out = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let placeholder = rest[start..].find('}').map_or(&rest[start..], |end| &rest[start..=start + end]);
        match placeholder {
            "${namespace}" => namespace(&mut out),
            "${name}" => name(&mut out),
            "${pods}" => pods(&mut out),
            unknown => {
                let known = PLACEHOLDERS.join(", ");
                return Err(Failure::refused(format!("unknown placeholder {}; there are {known}", super::super::failure::quote(unknown))));
            }
        }
        rest = &rest[start + placeholder.len()..];
    }
    out.push_str(rest);
    Ok(out)
}

fn alternation<'a>(out: &mut String, names: impl Iterator<Item = &'a str>) {
    let start = out.len();
    for name in names {
        if out.len() > start {
            out.push('|');
        }
        escape(out, &literal(name));
    }
    if out.len() == start {
        out.push_str(NOTHING);
    }
}

/// Whether a name stands for itself in a regular expression: servers look such alternatives up in a table instead of matching them.
pub fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// A regular expression (RE2) that matches `text` only. A dot, the one special character of pod names, becomes `[.]`, which needs no
/// escape in any kind of string.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '.' => out.push_str("[.]"),
            '\\' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => out.extend(['\\', c]),
            plain => out.push(plain),
        }
    }
    out
}

/// Escapes for strings in double and single quotes. Quotes become hexadecimal, which both kinds understand and which cannot end
/// a string in backticks either.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\\"),
            '"' | '\'' | '`' | '\0'..='\x1f' | '\x7f' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            plain => out.push(plain),
        }
    }
}
