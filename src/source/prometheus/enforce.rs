//! `enforceLabel`: a tenant's query may only see the series of its own namespace.

use std::borrow::Cow;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};

use super::bounds::check_bounds;
use crate::core::Failure;
use crate::source::PLACEHOLDERS;
use crate::source::failure::quote;

/// A label that `VictoriaMetrics` takes for a query in Graphite's language.
const GRAPHITE: &str = "__graphite__";

/// Sets `label="value"` in every selector of a query. A selector that already has this condition keeps it; any other condition on that label
/// is refused, since its author wants series that the answer would not have.
///
/// Placeholders must not be filled yet: as they can then only stand in strings, nothing filled in later escapes the rewriting.
pub fn enforce(query: &str, label: &str, value: &str) -> Result<String, Failure> {
    let refuse =
        |why: &str| Failure::refused(format!("the query cannot be limited to {label}={value:?}, as this source requires: {}", quote(why)));
    check_bounds(query).map_err(refuse)?;
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
    if matchers.iter().any(|other| other.name == GRAPHITE) {
        return Err(format!("it uses {GRAPHITE}, which some servers take for a query of its own").into());
    }
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
