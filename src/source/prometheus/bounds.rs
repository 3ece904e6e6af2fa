//! Which queries may be parsed here at all: a parser must not overflow the stack, nor spend seconds and gigabytes on one query.

use std::borrow::Cow;

use promql_parser::util::unquote_string;
use regex::{Error, RegexBuilder};

use crate::source::PLACEHOLDERS;

/// Longest query that is parsed.
const MAX_LENGTH: usize = 16_384;
/// Most brackets and operators: each may be one level of the syntax tree, over which parsing back, printing, rewriting and dropping recurse. A
/// worker's stack of 2 MiB overflows somewhere above 1000 in a debug build; queries of people have fewer than 50.
const MAX_NODES: usize = 500;
/// Operators that are words.
const WORDS: [&str; 4] = ["and", "or", "unless", "atan2"];
/// Most conditions with a regular expression. The parser compiles each of them, which takes up to [`REGEX_SIZE`] and some milliseconds.
const MAX_REGEXES: usize = 32;
/// Bytes that one compiled regular expression may take: 400 names of pods need a third of it, `\pL{100}` more than all of it.
const REGEX_SIZE: usize = 512 << 10;

/// A query in its parts.
struct Parts<'a> {
    /// What stands outside of strings and comments.
    code: String,
    /// The strings that conditions take for regular expressions, with their quotes.
    regexes: Vec<&'a str>,
}

/// Refuses a query that is too long, too deep or too costly to parse.
pub fn check_bounds(query: &str) -> Result<(), &'static str> {
    if query.len() > MAX_LENGTH {
        return Err("it is longer than 16384 bytes");
    }
    let Parts { code, regexes } = parts(query);
    let marks = code.chars().filter(|c| "([{+-*/%^=<>!@".contains(*c)).count();
    let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words = words.filter(|word| WORDS.iter().any(|operator| operator.eq_ignore_ascii_case(word))).count();
    if marks + words > MAX_NODES {
        return Err("it has more than 500 operators and brackets");
    }
    if regexes.len() > MAX_REGEXES {
        return Err("it has more than 32 conditions with regular expressions");
    }
    regexes.into_iter().try_for_each(check_regex)
}

/// Takes a query apart. A string that does not end is none the parser would take.
fn parts(query: &str) -> Parts<'_> {
    let (mut code, mut regexes) = (String::new(), Vec::new());
    let mut chars = query.char_indices();
    while let Some((start, c)) = chars.next() {
        match c {
            '#' => {
                let _ = chars.by_ref().find(|(_, c)| *c == '\n');
                code.push(' ');
            }
            '"' | '\'' | '`' => {
                let mut end = query.len();
                while let Some((at, inner)) = chars.next() {
                    if inner == c {
                        end = at + 1;
                        break;
                    }
                    if inner == '\\' && c != '`' {
                        chars.next();
                    }
                }
                if code.trim_end().ends_with("=~") || code.trim_end().ends_with("!~") {
                    regexes.extend(query.get(start..end));
                }
                code.push(' ');
            }
            c => code.push(c),
        }
    }
    Parts { code, regexes }
}

/// Compiles a regular expression as the parser does, but within [`REGEX_SIZE`]. What is none is left to the parser to refuse.
fn check_regex(quoted: &str) -> Result<(), &'static str> {
    let Ok(text) = unquote_string(quoted) else { return Ok(()) };
    // They stand for names that are filled in later.
    let text = PLACEHOLDERS.iter().fold(text, |text, placeholder| text.replace(placeholder, "x"));
    let compile = |text: &str| RegexBuilder::new(&format!("^(?:{text})$")).size_limit(REGEX_SIZE).build();
    let compiled = match compile(&text) {
        // Go takes braces that are no repetition for themselves; the parser escapes them and tries again.
        Err(Error::Syntax(_)) => compile(&escape_braces(&text)),
        compiled => compiled,
    };
    match compiled {
        Ok(_) => Ok(()),
        Err(Error::Syntax(_)) => Err("it has a condition that is not a regular expression"),
        Err(_) => Err("it has a regular expression that takes too much memory"),
    }
}

/// Escapes every opening brace that does not begin a repetition such as `{2}`, `{2,}` or `{2,4}`.
fn escape_braces(text: &str) -> Cow<'_, str> {
    let repeats = |rest: &str| {
        let inner = rest.split_once('}').map_or("", |(inner, _)| inner);
        let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
        !least.is_empty() && [least, most].iter().all(|part| part.chars().all(|c| c.is_ascii_digit()))
    };
    if !text.contains('{') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '{' && !escaped && !repeats(&text[at + 1..]) {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("sum(rate(x[1m]))", None)]
    #[case::names(r#"x{pod=~"${pods}"}"#, None)]
    #[case::uuid(r#"x{id=~"[0-9a-f]{8}-[0-9a-f]{4}-.+"}"#, None)]
    #[case::braces_of_go(r#"x{a=~"a{bbb}c"}"#, None)]
    #[case::bomb(r#"x{a=~"\\pL{1000}"}"#, Some("too much memory"))]
    #[case::nested_bomb(r#"x{a=~"((a{100}){100}){100}"}"#, Some("too much memory"))]
    #[case::bomb_in_other_quotes(r"x{a!~`(\pL{100}){100}`}", Some("too much memory"))]
    #[case::bomb_after_a_comment("x{a=~ # \"\n \"(\\\\pL{100}){100}\"}", Some("too much memory"))]
    #[case::bomb_with_go_braces(r#"x{a=~"${pods}a{b}(\\pL{100}){100}"}"#, Some("too much memory"))]
    #[case::no_regex_here(r#"label_replace(x, "a", "$1", "b", "(\\pL{100}){100}")"#, None)]
    #[case::unclosed(r#"x{a=~"(a"}"#, Some("not a regular expression"))]
    fn regular_expressions_are_weighed(#[case] query: &str, #[case] refused: Option<&str>) {
        let found = check_bounds(query).err();
        assert_eq!(found.is_some(), refused.is_some(), "{found:?}");
        assert!(refused.is_none_or(|words| found.unwrap_or_default().contains(words)), "{found:?}");
    }

    #[test]
    fn there_are_only_so_many_of_them() {
        let query = |n: usize| format!("x{{{}}}", vec!["a=~\"x.*\""; n].join(","));
        assert!(check_bounds(&query(32)).is_ok());
        assert!(check_bounds(&query(33)).is_err());
    }
}
