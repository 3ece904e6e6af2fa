//! `enforceLabel`: a tenant's query may only see the series of its own namespace.

use std::borrow::Cow;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};

use crate::core::Failure;
use crate::source::PLACEHOLDERS;
use crate::source::failure::quote;

/// Longest query that is rewritten.
const MAX_LENGTH: usize = 16_384;
/// Most brackets and operators: each may be one level of the syntax tree, over which parsing back, printing, rewriting and dropping recurse. A
/// worker's stack of 2 MiB overflows somewhere above 1000 in a debug build; queries of people have fewer than 50.
const MAX_NODES: usize = 500;
/// Operators that are words.
const WORDS: [&str; 4] = ["and", "or", "unless", "atan2"];

/// Sets `label="value"` in every selector of a query. A selector that already has this condition keeps it; any other condition on that label
/// is refused, since its author wants series that the answer would not have.
///
/// Placeholders must not be filled yet: as they can then only stand in strings, nothing filled in later escapes the rewriting.
pub fn enforce(query: &str, label: &str, value: &str) -> Result<String, Failure> {
    let refuse =
        |why: &str| Failure::refused(format!("the query cannot be limited to {label}={value:?}, as this source requires: {}", quote(why)));
    check_size(query).map_err(refuse)?;
    let mut expr = parse(query).map_err(|error| refuse(&error))?;
    let matcher = Matcher::new(MatchOp::Equal, label, value);
    rewrite(&mut expr, &matcher).map_err(|why| refuse(&why))?;
    let text = expr.to_string();
    // What was written must mean what was built: a name with quotes or brackets in it must not become syntax.
    match parse(&text) {
        Ok(again) if again == expr => Ok(text),
        _ => Err(refuse("it contains names that cannot be written back safely")),
    }
}

fn check_size(query: &str) -> Result<(), &'static str> {
    if query.len() > MAX_LENGTH {
        return Err("it is longer than 16384 bytes");
    }
    let code = without_strings(query);
    let marks = code.chars().filter(|c| "([{+-*/%^=<>!@".contains(*c)).count();
    let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words = words.filter(|word| WORDS.iter().any(|operator| operator.eq_ignore_ascii_case(word))).count();
    if marks + words > MAX_NODES { Err("it has more than 500 operators and brackets") } else { Ok(()) }
}

/// The query without comments and without what stands in quotes.
fn without_strings(query: &str) -> String {
    let mut code = String::new();
    let mut chars = query.chars();
    while let Some(c) = chars.next() {
        match c {
            '#' => {
                let _ = chars.by_ref().find(|c| *c == '\n');
                code.push(' ');
            }
            '"' | '\'' | '`' => {
                while let Some(inner) = chars.next().filter(|inner| *inner != c) {
                    if inner == '\\' && c != '`' {
                        chars.next();
                    }
                }
                code.push(' ');
            }
            c => code.push(c),
        }
    }
    code
}

fn rewrite(expr: &mut Expr, matcher: &Matcher) -> Result<(), Cow<'static, str>> {
    match expr {
        Expr::Aggregate(aggregate) => {
            if let Some(parameter) = &mut aggregate.param {
                rewrite(parameter, matcher)?;
            }
            rewrite(&mut aggregate.expr, matcher)
        }
        Expr::Unary(unary) => rewrite(&mut unary.expr, matcher),
        Expr::Binary(binary) => {
            rewrite(&mut binary.lhs, matcher)?;
            rewrite(&mut binary.rhs, matcher)
        }
        Expr::Paren(paren) => rewrite(&mut paren.expr, matcher),
        Expr::Subquery(subquery) => rewrite(&mut subquery.expr, matcher),
        // Joins series that no selector of the query names, by labels that tenants may share.
        Expr::Call(call) if call.func.name == "info" => Err("it uses info(), which reads series of its own accord".into()),
        Expr::Call(call) => call.args.args.iter_mut().try_for_each(|argument| rewrite(argument, matcher)),
        Expr::VectorSelector(selector) => select(selector, matcher),
        Expr::MatrixSelector(matrix) => select(&mut matrix.vs, matcher),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
        Expr::Extension(_) => Err("it uses an extension of PromQL".into()),
    }
}

fn select(selector: &mut VectorSelector, matcher: &Matcher) -> Result<(), Cow<'static, str>> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err("it uses \"or\" between conditions".into());
    }
    let matchers = &mut selector.matchers.matchers;
    if let Some(other) = matchers.iter().find(|other| other.name == matcher.name && !says_the_same(other, matcher)) {
        return Err(format!("it has the condition {other}").into());
    }
    matchers.retain(|other| other.name != matcher.name);
    matchers.push(matcher.clone());
    // They are written in this order.
    matchers.sort_by_cached_key(ToString::to_string);
    Ok(())
}

/// Whether a condition is the enforced one: with the same value, or with the placeholder of the policy's own namespace.
fn says_the_same(other: &Matcher, enforced: &Matcher) -> bool {
    let value = other.value == enforced.value || other.value == PLACEHOLDERS[0];
    value && matches!(other.op, MatchOp::Equal | MatchOp::Re(_))
}
