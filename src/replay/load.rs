//! The load behind a policy's signals over time, in pods: what the model cluster is to bear.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use thiserror::Error;

use super::history::{Asker, History, NoHistory, up};
use crate::api::TargetRef;
use crate::core::{Signal, SignalKind, Target, Time};
use crate::report::timestamp;
use crate::sim::load::SLOT;
use crate::sim::{Load, Outage, OutageKind, Trace};
use crate::source::prometheus::{Run, enforce, substitute_ever};
use crate::source::{PrometheusQuery, Query, WhenEmpty};

/// Time between two points: what the load of the model cluster is made of.
const STEP: Duration = Duration::from_secs(SLOT);

/// What is missing at the ends and not worth a word: the windows of most queries.
const NEAR: Duration = Duration::from_mins(5);

/// Values by Unix time in seconds.
pub(super) type BySecond = BTreeMap<i64, f64>;

/// A signal, and how to read pods from it.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The signal.
    pub signal: &'a Signal,
    /// Where it comes from.
    pub query: &'a Query,
    /// What one pod shows of it at 100 % load, in its own unit, where that is known.
    pub full: Option<f64>,
}

/// Whose load.
#[derive(Debug)]
pub struct Workload<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its policy.
    pub policy: &'a str,
    /// The workload.
    pub target: &'a TargetRef,
}

/// A load that was found.
#[derive(Debug)]
pub struct Found {
    /// In pods at 100 %; where several signals show it, that which needs most. Interpolated where none of them does.
    pub load: Load,
    /// Its begin.
    pub start: Time,
    /// Where signals have no values: so the policies see it.
    pub outages: Vec<Outage>,
    /// What each signal says, for people.
    pub notes: Vec<String>,
}

/// No load.
#[derive(Debug, Error)]
pub enum NoLoad {
    /// The server does not answer, or refuses.
    #[error(transparent)]
    History(#[from] NoHistory),
    /// No signal tells how many pods are needed.
    #[error("no signal of the policy tells the load: {}", .0.join("; "))]
    Unknown(Vec<String>),
    /// The signals were never there.
    #[error("there are fewer than two values of {} in this time", .0.join(", "))]
    Nothing(Vec<String>),
}

/// Gathers the load from `from` to `to`.
///
/// # Errors
/// Where there is none.
pub async fn load(asker: &Asker, workload: &Workload<'_>, wanted: &[Wanted<'_>], from: Time, to: Time) -> Result<Found, NoLoad> {
    let mut pods: Vec<(&Wanted<'_>, BySecond)> = Vec::new();
    let (mut unusable, mut notes): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for wanted in wanted {
        let name = wanted.signal.name();
        let full = match wanted.full {
            Some(full) => Ok(full),
            None => {
                requested(asker, workload, wanted.signal, from, to).await?.ok_or("what one pod bears of it is not known: give --capacity")
            }
        };
        let values = match full {
            Ok(full) => values(asker, workload, wanted, from, to).await?.map(|values| (full, values)),
            Err(why) => Err(why.to_owned()),
        };
        match values {
            Ok((full, values)) => {
                notes.push(format!("a pod bears {full:.4} of {name}"));
                pods.push((wanted, values.into_iter().map(|(second, value)| (second, value / full)).collect()));
            }
            Err(why) => unusable.push(format!("{name}: {why}")),
        }
    }
    if pods.is_empty() {
        return Err(NoLoad::Unknown(unusable));
    }
    notes.extend(unusable.into_iter().map(|why| format!("not used: {why}")));
    let mut all: BySecond = BTreeMap::new();
    for (wanted, values) in &pods {
        for (second, value) in whole(values, window(wanted.query), from, to) {
            all.entry(second).and_modify(|known| *known = known.max(value)).or_insert(value);
        }
    }
    let names = || pods.iter().map(|(wanted, _)| wanted.signal.name().to_string()).collect();
    let Some((&first, &last)) = all.keys().next().zip(all.keys().next_back()).filter(|(first, last)| first < last) else {
        return Err(NoLoad::Nothing(names()));
    };
    let mut outages = Vec::new();
    for (Wanted { signal, .. }, values) in &pods {
        let gaps = gaps(values, first, last);
        let missing: i64 = gaps.iter().map(|(_, length)| length).sum();
        if missing > 0 {
            let share = 100.0 * missing as f64 / (last - first) as f64;
            notes.push(format!("{share:.2} % of {} is missing (gaps: {})", signal.name(), gaps.len()));
        }
        let length_of = |value: i64| Duration::from_secs(u64::try_from(value).unwrap_or_default());
        outages.extend(gaps.into_iter().map(|(begin, length)| Outage {
            at: length_of(begin - first),
            lasting: length_of(length),
            kind: OutageKind::Missing,
            signal: Some(signal.name().to_string()),
        }));
    }
    let start = Time::from_secs(first);
    if Time::from_secs(first).since(from) > NEAR || to.since(Time::from_secs(last)) > NEAR {
        notes.push(format!("there are values from {} to {} only", timestamp(start), timestamp(Time::from_secs(last))));
    }
    let mut rows = String::new();
    for (second, value) in &all {
        // Writing to a String cannot fail.
        let _ = writeln!(rows, "{},{value}", second - first);
    }
    let trace = Trace::read(rows.as_bytes()).map_err(|_| NoLoad::Nothing(names()))?;
    let days = 1.0 + (last - first) as f64 / 86_400.0;
    Ok(Found { load: Load::of_values(&trace, 0.0..days), start, outages, notes })
}

/// Totals of a signal over all pods, by second, or why there are none.
async fn values(
    asker: &Asker,
    workload: &Workload<'_>,
    wanted: &Wanted<'_>,
    from: Time,
    to: Time,
) -> Result<Result<BySecond, String>, NoHistory> {
    let Wanted { signal, query, .. } = wanted;
    if matches!(signal.target, Target::Value(_)) {
        return Ok(Err("a target of type Value shows no load, only whether there are enough pods".to_owned()));
    }
    let Query::Prometheus(query) = query else {
        // Only the controller saw it.
        let of = format!(",signal={}", quoted(signal.name()));
        let runs = own(asker, "ballast_policy_signal_load", workload, &of, from, to).await?;
        let why = "the server has no ballast_policy_signal_load of it: is the controller scraped?";
        return Ok(if runs.is_empty() { Err(why.to_owned()) } else { Ok(by_second(&runs, f64::max)) });
    };
    let promql = match promql(asker, workload, query) {
        Ok(promql) => promql,
        Err(failure) => return Ok(Err(failure.message)),
    };
    let runs = asker.range(&promql, from, to, STEP).await?;
    let per_pod = runs.iter().all(|run| run.labels.contains_key("pod"));
    if runs.len() > 1 && !per_pod {
        return Ok(Err(format!("the query gives {} series, one is needed (or one per pod, with a label pod)", runs.len())));
    }
    let mut values = by_second(&runs, |sum, value| sum + value);
    if query.when_empty == WhenEmpty::Zero {
        let step = i64::try_from(SLOT).unwrap_or(1);
        let mut second = seconds(up(from, STEP));
        while second * 1000 <= to.as_millis() {
            values.entry(second).or_insert(0.0);
            second += step;
        }
    }
    Ok(Ok(values))
}

/// The query as the controller asks it, but about every pod that there ever was.
fn promql(asker: &Asker, workload: &Workload<'_>, query: &PrometheusQuery) -> Result<String, crate::core::Failure> {
    let Workload { namespace, target, .. } = workload;
    let query = match &asker.server().material().enforce_label {
        Some(label) => enforce(&query.query, label, namespace)?,
        None => query.query.clone(),
    };
    substitute_ever(&query, namespace, &target.kind, &target.name)
}

/// What a pod requests of a resource, by kube-state-metrics: the last known mean.
async fn requested(asker: &Asker, workload: &Workload<'_>, signal: &Signal, from: Time, to: Time) -> Result<Option<f64>, NoHistory> {
    let (resource, container) = match &signal.kind {
        SignalKind::Resource { resource } => (resource, String::new()),
        SignalKind::ContainerResource { resource, container } => (resource, format!(",container={}", quoted(container))),
        _ => return Ok(None),
    };
    let selector = format!(
        r#"kube_pod_container_resource_requests{{namespace="${{namespace}}",pod=~"${{pods}}",resource={}{container}}}"#,
        quoted(resource)
    );
    let Workload { namespace, target, .. } = workload;
    let Ok(selector) = substitute_ever(&selector, namespace, &target.kind, &target.name) else { return Ok(None) };
    let runs = asker.range(&format!("avg(sum by (pod) ({selector}))"), from, to, STEP).await?;
    let last = runs.first().and_then(|run| run.points.last());
    Ok(last.map(|number| number.value).filter(|value| *value > 0.0))
}

/// A text as `PromQL` has it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Series of the controller's about one policy. Its labels may have been renamed by those of its pod (`honor_labels: false`).
pub(super) async fn own(
    asker: &Asker,
    metric: &str,
    workload: &Workload<'_>,
    more: &str,
    from: Time,
    to: Time,
) -> Result<History, NoHistory> {
    let Workload { namespace, policy, .. } = *workload;
    let name = quoted(policy);
    let runs = asker.range(&format!("{metric}{{name={name}{more}}} or {metric}{{exported_name={name}{more}}}"), from, to, STEP).await?;
    let is = |run: &Run, label: &str, wanted: &str| own_label(run, label).is_some_and(|found| found == wanted);
    Ok(runs.into_iter().filter(|run| is(run, "namespace", namespace) && is(run, "name", policy)).collect())
}

/// A label that the controller gave, also where those of its pod renamed it.
pub(super) fn own_label<'a>(run: &'a Run, label: &str) -> Option<&'a String> {
    run.labels.get(&format!("exported_{label}")).or_else(|| run.labels.get(label))
}

/// Several series as one.
pub(super) fn by_second(runs: &History, join: impl Fn(f64, f64) -> f64) -> BySecond {
    let mut all = BTreeMap::new();
    for number in runs.iter().flat_map(|run| &run.points).filter(|number| number.value >= 0.0) {
        let second = seconds(number.time);
        all.entry(second).and_modify(|known| *known = join(*known, number.value)).or_insert(number.value);
    }
    all
}

fn seconds(time: Time) -> i64 {
    time.as_millis().div_euclid(1000)
}

/// How far back a value looks.
fn window(query: &Query) -> Duration {
    match query {
        Query::Prometheus(query) => query.window,
        _ => Duration::ZERO,
    }
}

/// Values whose windows lie between gaps. At the edge of one a rate is of what it can see, which is too low.
fn whole(values: &BySecond, window: Duration, from: Time, to: Time) -> BySecond {
    let step = i64::try_from(SLOT).unwrap_or(1);
    let last = to.as_millis().div_euclid(1000 * step) * step;
    let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
    let gaps = gaps(values, seconds(up(from, STEP)), last);
    let near = |second: i64| gaps.iter().any(|(begin, length)| second >= begin - window && second < begin + length + window);
    values.iter().map(|(second, value)| (*second, *value)).filter(|(second, _)| !near(*second)).collect()
}

/// Where values are missing between `first` and `last`: begin and length in seconds.
fn gaps(values: &BySecond, first: i64, last: i64) -> Vec<(i64, i64)> {
    let step = i64::try_from(SLOT).unwrap_or(1);
    let mut gaps = Vec::new();
    let mut next = first;
    for second in values.range(first..=last).map(|(second, _)| *second).chain([last + step]) {
        if second > next {
            gaps.push((next, second - next));
        }
        next = second + step;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_window_sees_at_the_edge_of_a_gap_is_not_the_load() {
        let values = (0..=40).filter(|index| !(10..20).contains(index)).map(|index| (15 * index, 1.0)).collect();
        let whole = whole(&values, Duration::from_secs(30), Time::from_secs(0), Time::from_secs(600));
        let missing: Vec<i64> = (0..=40).map(|index| 15 * index).filter(|second| !whole.contains_key(second)).collect();
        assert_eq!(missing, (8..22).map(|index| 15 * index).collect::<Vec<i64>>());
    }

    #[test]
    fn gaps_are_what_is_missing_between_the_ends() {
        let values = |seconds: &[i64]| seconds.iter().map(|second| (*second, 1.0)).collect::<BTreeMap<_, _>>();
        assert!(gaps(&values(&[0, 15, 30]), 0, 30).is_empty());
        assert_eq!(gaps(&values(&[15, 60, 75]), 0, 105), [(0, 15), (30, 30), (90, 30)]);
        assert_eq!(gaps(&values(&[]), 0, 30), [(0, 45)]);
    }
}
