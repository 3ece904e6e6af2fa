//! How far back a query looks.

use std::time::Duration;

use promql_parser::parser::Expr;

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
