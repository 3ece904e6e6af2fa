//! How far back a query looks, and how often it looks within that.

use std::time::Duration;

use promql_parser::parser::Expr;

/// A subquery without a step of its own takes the server's evaluation interval, of which this is the default.
const STEP: Duration = Duration::from_mins(1);

/// How often the innermost expression of the query's subqueries is evaluated: those that are nested multiply. 1 without any.
pub fn steps(expr: &Expr) -> f64 {
    match expr {
        Expr::Aggregate(aggregate) => steps(&aggregate.expr),
        Expr::Unary(unary) => steps(&unary.expr),
        Expr::Binary(binary) => steps(&binary.lhs).max(steps(&binary.rhs)),
        Expr::Paren(paren) => steps(&paren.expr),
        Expr::Subquery(subquery) => {
            let step = subquery.step.filter(|step| !step.is_zero()).unwrap_or(STEP);
            subquery.range.div_duration_f64(step).max(1.0) * steps(&subquery.expr)
        }
        Expr::Call(call) => call.args.args.iter().map(|argument| steps(argument)).fold(1.0, f64::max),
        Expr::MatrixSelector(_) | Expr::VectorSelector(_) | Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => 1.0,
    }
}

/// The longest range of a parsed query, e.g. 1 min of `sum(rate(x[1m]))`; nested ranges add up. 0 without any.
pub fn window(expr: &Expr) -> Duration {
    match expr {
        Expr::Aggregate(aggregate) => window(&aggregate.expr),
        Expr::Unary(unary) => window(&unary.expr),
        Expr::Binary(binary) => window(&binary.lhs).max(window(&binary.rhs)),
        Expr::Paren(paren) => window(&paren.expr),
        Expr::Subquery(subquery) => subquery.range + window(&subquery.expr),
        Expr::Call(call) => call.args.args.iter().map(|argument| window(argument)).max().unwrap_or_default(),
        Expr::MatrixSelector(matrix) => matrix.range,
        Expr::VectorSelector(_) | Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Duration::ZERO,
    }
}
