//! `enforceLabel`: a tenant's query may only see the series of its own namespace.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};

use crate::core::Failure;
use crate::source::failure::quote;

/// Longest query that is rewritten, and deepest nesting: the rewriting is recursive.
const MAX_LENGTH: usize = 16_384;
const MAX_DEPTH: usize = 64;

/// Sets `label="value"` in every selector of a query, in place of any other condition on that label.
///
/// Placeholders must not be filled yet: as they can then only stand in strings, nothing filled in later escapes the rewriting.
pub fn enforce(query: &str, label: &str, value: &str) -> Result<String, Failure> {
    let refuse =
        |why: &str| Failure::refused(format!("the query cannot be limited to {label}={value:?}, as this source requires: {}", quote(why)));
    check_size(query).map_err(refuse)?;
    let mut expr = parse(query).map_err(|error| refuse(&error))?;
    let matcher = Matcher::new(MatchOp::Equal, label, value);
    rewrite(&mut expr, &matcher).map_err(refuse)?;
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
    let (mut depth, mut signs, mut operators) = (0_usize, 0_usize, 0_usize);
    for byte in query.bytes() {
        match byte {
            b'(' | b'{' | b'[' => depth += 1,
            b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'+' => signs += 1,
            b'*' | b'/' | b'%' | b'^' | b'=' | b'<' | b'>' => operators += 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err("it is nested more than 64 deep");
        }
    }
    if signs + operators > 1024 { Err("it has more than 1024 operators") } else { Ok(()) }
}

fn rewrite(expr: &mut Expr, matcher: &Matcher) -> Result<(), &'static str> {
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
        Expr::Call(call) => call.args.args.iter_mut().try_for_each(|argument| rewrite(argument, matcher)),
        Expr::VectorSelector(selector) => select(selector, matcher),
        Expr::MatrixSelector(matrix) => select(&mut matrix.vs, matcher),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
        Expr::Extension(_) => Err("it uses an extension of PromQL"),
    }
}

fn select(selector: &mut VectorSelector, matcher: &Matcher) -> Result<(), &'static str> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err("it uses \"or\" between conditions");
    }
    let matchers = &mut selector.matchers.matchers;
    matchers.retain(|other| other.name != matcher.name);
    matchers.push(matcher.clone());
    // They are written in this order.
    matchers.sort_by_cached_key(ToString::to_string);
    Ok(())
}
