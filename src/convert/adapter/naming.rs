//! From the name of a metric to the series that gives it.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, parse};
use regex::{Captures, Regex};

use super::config::Rule;
use crate::source::prometheus::check_bounds;

/// The label of a series' own name.
const NAME: &str = "__name__";

/// The series that a rule turns into a metric of this name; `None` if there is none.
///
/// # Errors
/// Why that cannot be told: the rule is none, or names too many series.
pub fn series(rule: &Rule, metric: &str) -> Result<Option<String>, String> {
    let naming = Naming::of(rule)?;
    let (fixed, matchers) = selector(&rule.series_query)?;
    let candidate = match fixed {
        Some(name) => name,
        None => match naming.backward(metric)? {
            Some(name) => name,
            None => return Ok(None),
        },
    };
    let named = matchers.iter().all(|matcher| matcher.is_match(&candidate));
    Ok((named && filtered(rule, &candidate)? && naming.forward(&candidate).as_deref() == Some(metric)).then_some(candidate))
}

/// The name that a series query gives, and its other conditions on the name.
fn selector(query: &str) -> Result<(Option<String>, Vec<Matcher>), String> {
    let wrong = |why: String| format!("its seriesQuery {query} is no selector of series: {why}");
    check_bounds(query).map_err(|why| wrong(why.to_string()))?;
    let Expr::VectorSelector(selector) = parse(query).map_err(wrong)? else { return Err(wrong("it is an expression".to_owned())) };
    let mut matchers: Vec<Matcher> = selector.matchers.matchers.into_iter().filter(|matcher| matcher.name == NAME).collect();
    let mut fixed = selector.name;
    matchers.retain(|matcher| {
        let is_name = matches!(matcher.op, MatchOp::Equal);
        if is_name {
            fixed = Some(matcher.value.clone());
        }
        !is_name
    });
    Ok((fixed, matchers))
}

fn filtered(rule: &Rule, series: &str) -> Result<bool, String> {
    for filter in &rule.series_filters {
        if !filter.is.is_empty() && !expression(&filter.is)?.is_match(series) {
            return Ok(false);
        }
        if !filter.is_not.is_empty() && expression(&filter.is_not)?.is_match(series) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn expression(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|_| format!("{text} is no regular expression"))
}

/// From names of series to names of metrics, and back.
struct Naming<'a> {
    matches: &'a str,
    regex: Regex,
    to: &'a str,
}

// === impl Naming ===

impl<'a> Naming<'a> {
    fn of(rule: &'a Rule) -> Result<Self, String> {
        let matches = if rule.name.matches.is_empty() { ".*" } else { &rule.name.matches };
        let regex = expression(matches)?;
        let to = match (rule.name.to.as_str(), regex.captures_len()) {
            ("", 1) => "$0",
            ("", 2) => "$1",
            ("", groups) => return Err(format!("its name.matches has {} groups, and no name.as says what to do with them", groups - 1)),
            (to, _) => to,
        };
        Ok(Self { matches, regex, to })
    }

    /// The metric of a series.
    fn forward(&self, series: &str) -> Option<String> {
        let mut metric = String::new();
        self.regex.captures(series)?.expand(self.to, &mut metric);
        Some(metric)
    }

    /// A series that may give the metric; [`Naming::forward`] says whether it does.
    fn backward(&self, metric: &str) -> Result<Option<String>, String> {
        let (pattern, groups) = template(self.to);
        let Some(found) = expression(&pattern)?.captures(metric) else { return Ok(None) };
        if let Some(whole) = groups.iter().position(|group| *group == 0) {
            return Ok(found.get(whole + 1).map(|whole| whole.as_str().to_owned()));
        }
        fill(self.matches, &groups, &found)
            .map(Some)
            .ok_or_else(|| format!("which series its name.matches {} stands for cannot be told from the name of the metric", self.matches))
    }
}

/// A pattern with a group for each of a template's, and which these are.
fn template(to: &str) -> (String, Vec<usize>) {
    let (mut pattern, mut groups, mut rest) = ("^".to_owned(), Vec::new(), to);
    while let Some(at) = rest.find('$') {
        pattern += &regex::escape(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, after) = match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(pair) => pair,
            None => rest.split_at(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())),
        };
        // An unknown group is empty.
        if let Ok(group) = name.parse() {
            groups.push(group);
            pattern += "(.+)";
        }
        rest = after;
    }
    pattern += &regex::escape(rest);
    (pattern + "$", groups)
}

/// The text that a simple expression matches: letters and groups only, with the groups' texts given.
fn fill(matches: &str, groups: &[usize], found: &Captures<'_>) -> Option<String> {
    let inner = matches.strip_prefix('^').unwrap_or(matches);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let (mut text, mut letters, mut group) = (String::new(), inner.chars(), 0);
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(letters.next().filter(|escaped| !escaped.is_alphanumeric())?),
            '(' => {
                group += 1;
                let at = groups.iter().position(|known| *known == group)?;
                // Groups in groups, and those that are not counted, are not followed.
                for letter in letters.by_ref() {
                    match letter {
                        ')' => break,
                        '(' | '?' => return None,
                        _ => {}
                    }
                }
                text += found.get(at + 1)?.as_str();
            }
            letter if letter.is_alphanumeric() || letter == '_' || letter == ':' => text.push(letter),
            _ => return None,
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::adapter::config::{Filter, Naming as Written};

    fn rule(series: &str, matches: &str, to: &str) -> Rule {
        let name = Written { matches: matches.to_owned(), to: to.to_owned() };
        Rule { series_query: series.to_owned(), name, ..Rule::default() }
    }

    #[test]
    fn the_series_of_a_metric_is_found_or_known_to_be_none() {
        for (series_query, matches, to, metric, found) in [
            ("http_requests_total{pod!=\"\"}", "^(.*)_total$", "${1}_per_second", "http_requests_per_second", Some("http_requests_total")),
            ("http_requests_total", "^(.*)_total", "", "http_requests", Some("http_requests_total")),
            ("http_requests_total", "", "http_rate", "http_rate", Some("http_requests_total")),
            ("http_requests_total", "", "", "http_requests_total", Some("http_requests_total")),
            ("http_requests_total", "", "", "other", None),
            ("{__name__=~\"^queue_.*\",pod!=\"\"}", "", "", "queue_length", Some("queue_length")),
            ("{__name__=~\"^queue_.*\",pod!=\"\"}", "", "", "http_requests", None),
            ("{__name__=~\"^container_.*_total\"}", "^container_(.*)_total$", "$1", "fs_reads", Some("container_fs_reads_total")),
            (
                "{__name__=~\"^container_.*\"}",
                "^container_(.*)_seconds_total$",
                "${1}_rate",
                "cpu_rate",
                Some("container_cpu_seconds_total"),
            ),
            ("{__name__=~\"^http_.*\"}", "^(.+)_(.+)_total$", "${2}_of_${1}", "requests_of_http", Some("http_requests_total")),
        ] {
            let series = series(&rule(series_query, matches, to), metric);
            assert_eq!(series, Ok(found.map(str::to_owned)), "{series_query} {matches} {to} {metric}");
        }
    }

    #[test]
    fn filters_count() {
        let filter = |is: &str, is_not: &str| Filter { is: is.to_owned(), is_not: is_not.to_owned() };
        let with = |filter| Rule { series_filters: vec![filter], ..rule("{__name__=~\"^http_.*\"}", "", "") };
        assert_eq!(series(&with(filter("_total$", "")), "http_requests"), Ok(None));
        assert_eq!(series(&with(filter("", "_total$")), "http_requests_total"), Ok(None));
        assert_eq!(series(&with(filter("_total$", "")), "http_requests_total"), Ok(Some("http_requests_total".to_owned())));
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        for (series_query, matches, to, said) in [
            ("{__name__=~\".+_total\"}", "^.*_(.*)_total$", "$1", "cannot be told"),
            ("{__name__=~\".+_total\"}", "^((a|b)_x)_total$", "$1", "cannot be told"),
            ("a + b", "", "", "is no selector"),
            ("a", "^(a", "", "is no regular expression"),
            ("a", "^(a)(b)$", "", "has 2 groups"),
        ] {
            let error = series(&rule(series_query, matches, to), "a").unwrap_err();
            assert!(error.contains(said), "{series_query} {matches}: {error}");
        }
    }
}
