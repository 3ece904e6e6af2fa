//! How far back a query looks.

use std::time::Duration;

use promql_parser::parser::{Expr, parse};

use crate::source::PLACEHOLDERS;

/// Longest query that is parsed: a longer one takes seconds, and none that is accepted is so long.
const MAX_LENGTH: usize = 16_384;

/// The longest range of a query, e.g. 1 min of `sum(rate(x[1m]))`; nested ranges add up. 0 without any, or where it cannot be parsed.
pub fn window(query: &str) -> Duration {
    if query.len() > MAX_LENGTH {
        return Duration::ZERO;
    }
    let filled = PLACEHOLDERS.iter().fold(query.to_owned(), |text, placeholder| text.replace(placeholder, "x"));
    parse(&filled).map_or(Duration::ZERO, |expr| of(&expr))
}

fn of(expr: &Expr) -> Duration {
    match expr {
        Expr::Aggregate(aggregate) => of(&aggregate.expr),
        Expr::Unary(unary) => of(&unary.expr),
        Expr::Binary(binary) => of(&binary.lhs).max(of(&binary.rhs)),
        Expr::Paren(paren) => of(&paren.expr),
        Expr::Subquery(subquery) => subquery.range + of(&subquery.expr),
        Expr::Call(call) => call.args.args.iter().map(|argument| of(argument)).max().unwrap_or_default(),
        Expr::MatrixSelector(matrix) => matrix.range,
        Expr::VectorSelector(_) | Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_range_counts() {
        for (query, seconds) in [
            ("up", 0),
            ("sum(rate(x{pod=~\"${pods}\"}[1m]))", 60),
            ("rate(a[1m]) / rate(b[5m])", 300),
            ("max_over_time(rate(x[1m])[10m:30s])", 660),
            ("-(quantile_over_time(0.9, x[90s]))", 90),
            ("sum(", 0),
        ] {
            assert_eq!(window(query), Duration::from_secs(seconds), "{query}");
        }
    }
}
