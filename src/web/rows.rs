//! The list of policies: one page of it, filtered and sorted here, so that a browser never gets ten thousand rows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::report::Summary;

/// Rows of a page when none are asked for.
const ROWS: usize = 50;
/// Rows of a page at most.
const MOST: usize = 200;
/// Namespaces that the filter proposes at most.
const NAMESPACES: usize = 1000;
/// A text of a row is cut here; the policy's own page has all of it.
const TEXT: usize = 300;

/// Which policies, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// Occurs in the namespace, name, target or reason, whatever the case.
    pub search: String,
    /// The namespace; empty: all.
    pub namespace: String,
    /// The verdict as its word, `New` before the first one, `Problem` for what is not as it should be; empty: all.
    pub verdict: String,
    /// Order.
    pub sort: Sort,
    /// The other way round.
    pub descending: bool,
    /// Rows left out at the beginning.
    pub offset: usize,
    /// Rows at most; 50 by default, up to 200.
    pub limit: Option<usize>,
}

/// Orders; what is equal stays in the order of namespaces and names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// By namespace and name.
    #[default]
    Name,
    /// By kind and name of the target.
    Target,
    /// By present size.
    Replicas,
    /// By how far the wanted size is away.
    Distance,
    /// What needs attention first.
    Verdict,
    /// Changed last first.
    Changed,
}

/// A page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    /// Policies that fit.
    matched: usize,
    /// Rows before this page.
    offset: usize,
    rows: Vec<Summary>,
}

/// Of all policies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals<'a> {
    policies: usize,
    problems: usize,
    verdicts: BTreeMap<&'a str, usize>,
    namespaces: Vec<&'a str>,
    more_namespaces: bool,
}

/// Counts over all policies, and the namespaces there are.
pub(super) fn totals(all: &[Summary]) -> Totals<'_> {
    let mut verdicts = BTreeMap::new();
    for policy in all {
        *verdicts.entry(word(policy)).or_insert(0) += 1;
    }
    let namespaces: BTreeSet<&str> = all.iter().map(|policy| policy.namespace.as_str()).collect();
    Totals {
        policies: all.len(),
        problems: all.iter().filter(|policy| policy.problem.is_some()).count(),
        verdicts,
        more_namespaces: namespaces.len() > NAMESPACES,
        namespaces: namespaces.into_iter().take(NAMESPACES).collect(),
    }
}

/// The page that is asked for; past the end, the last one. `all` is in the order of namespaces and names.
pub(super) fn page(all: &[Summary], asked: &Asked) -> Page {
    let search = asked.search.trim().to_lowercase();
    let mut found: Vec<&Summary> = all.iter().filter(|policy| fits(policy, asked, &search)).collect();
    sort(&mut found, asked.sort, asked.descending);
    let limit = asked.limit.unwrap_or(ROWS).clamp(1, MOST);
    let last = found.len().saturating_sub(1) / limit * limit;
    let offset = asked.offset.min(last);
    let rows = found.iter().skip(offset).take(limit).map(|policy| short(policy)).collect();
    Page { matched: found.len(), offset, rows }
}

fn word(policy: &Summary) -> &str {
    policy.verdict.as_deref().unwrap_or("New")
}

fn fits(policy: &Summary, asked: &Asked, search: &str) -> bool {
    let verdict = match asked.verdict.as_str() {
        "" => true,
        "Problem" => policy.problem.is_some(),
        verdict => word(policy) == verdict,
    };
    let has = |text: &str| text.to_lowercase().contains(search);
    let texts = || {
        let path = format!("{}/{}", policy.namespace, policy.name);
        has(&path) || has(&policy.target) || [&policy.message, &policy.problem].into_iter().flatten().any(|text| has(text))
    };
    verdict && (asked.namespace.is_empty() || asked.namespace == policy.namespace) && (search.is_empty() || texts())
}

fn sort(found: &mut [&Summary], by: Sort, descending: bool) {
    fn order<K: Ord>(found: &mut [&Summary], descending: bool, key: impl Fn(&Summary) -> K) {
        if descending {
            found.sort_by_cached_key(|policy| Reverse(key(policy)));
        } else {
            found.sort_by_cached_key(|policy| key(policy));
        }
    }
    match by {
        Sort::Name if descending => found.reverse(),
        Sort::Name => {}
        Sort::Target => order(found, descending, |policy| policy.target.clone()),
        Sort::Replicas => order(found, descending, |policy| policy.current_replicas),
        Sort::Distance => order(found, descending, |policy| Some(policy.wanted_replicas?.abs_diff(policy.current_replicas?))),
        Sort::Verdict => order(found, descending, rank),
        Sort::Changed => order(found, descending, |policy| Reverse(policy.last_scale_time)),
    }
}

/// What needs attention comes first.
fn rank(policy: &Summary) -> u8 {
    match word(policy) {
        _ if policy.problem.is_some() => 0,
        "Unknown" => 1,
        "Held" => 2,
        "ScaleUp" => 3,
        "ScaleDown" => 4,
        "New" => 5,
        "Steady" => 6,
        _ => 7,
    }
}

/// A row with texts of bounded length.
fn short(policy: &Summary) -> Summary {
    let cut = |text: &String| match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.clone(),
    };
    let [message, metrics, problem] = [&policy.message, &policy.metrics, &policy.problem].map(|text| text.as_ref().map(cut));
    Summary { message, metrics, problem, ..policy.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(count: usize) -> Vec<Summary> {
        let policy = |number: usize| Summary {
            namespace: format!("team-{:03}", number / 100),
            name: format!("svc-{number:05}"),
            target: format!("Deployment/svc-{number:05}"),
            current_replicas: Some(u32::try_from(number % 50).unwrap()),
            wanted_replicas: (!number.is_multiple_of(7)).then_some(5),
            verdict: [None, Some("Steady"), Some("Held")][number % 3].map(str::to_owned),
            message: Some(format!("stays: demand {number}")),
            problem: number.is_multiple_of(1000).then(|| "no answer".to_owned()),
            ..Summary::default()
        };
        (0..count).map(policy).collect()
    }

    #[test]
    fn a_page_is_what_was_asked_for() {
        let all = many(10_000);
        let names = |asked: &Asked| page(&all, asked).rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        let first = page(&all, &Asked::default());
        assert_eq!((first.matched, first.offset, first.rows.len()), (10_000, 0, ROWS));
        assert_eq!(page(&all, &Asked { limit: Some(usize::MAX), ..Asked::default() }).rows.len(), MOST);
        let last = page(&all, &Asked { offset: usize::MAX, limit: Some(0), ..Asked::default() });
        assert_eq!((last.offset, last.rows.len()), (9999, 1));
        assert_eq!(names(&Asked { search: " TEAM-042/svc-04217 ".into(), ..Asked::default() }), ["svc-04217"]);
        assert_eq!(page(&all, &Asked { namespace: "team-042".into(), ..Asked::default() }).matched, 100);
        assert_eq!(page(&all, &Asked { verdict: "Problem".into(), ..Asked::default() }).matched, 10);
        assert_eq!(page(&all, &Asked { verdict: "New".into(), ..Asked::default() }).matched, 3334);
        assert_eq!(names(&Asked { descending: true, ..Asked::default() })[0], "svc-09999");
        assert_eq!(names(&Asked { sort: Sort::Replicas, descending: true, ..Asked::default() })[..2], ["svc-00049", "svc-00099"]);
        assert_eq!(names(&Asked { sort: Sort::Distance, descending: true, ..Asked::default() })[0], "svc-00099");
        assert_eq!(names(&Asked { sort: Sort::Verdict, ..Asked::default() })[..2], ["svc-00000", "svc-01000"]);
        assert!(page(&[], &Asked { offset: 70, ..Asked::default() }).rows.is_empty());
    }

    #[test]
    fn texts_of_a_row_are_bounded() {
        let mut all = many(1);
        all[0].message = Some("ä".repeat(10_000));
        let row = page(&all, &Asked::default()).rows.remove(0);
        assert_eq!(row.message.unwrap().chars().count(), TEXT + 1);
    }

    #[test]
    fn totals_are_of_all() {
        let all = many(10_000);
        let totals = totals(&all);
        assert_eq!((totals.policies, totals.problems, totals.verdicts["Held"]), (10_000, 10, 3333));
        assert_eq!((totals.namespaces.len(), totals.more_namespaces), (100, false));
    }
}
