//! Whether the process kept its size. The rule, so that a run can be judged by anybody:
//!
//! - The first third of the churn warms up: caches fill, memories of policies grow to their windows.
//! - Memory: the median of the last third is at most 5 % above that of the middle third. A median, because a sample may fall into a burst of
//!   decisions; thirds, because a leak grows and noise does not.
//! - Tasks, files and threads: the same, or more by at most [`SLACK`]; and as many as before when all that came is gone again. A run that is too short for a
//!   median has only this.
//! - Load: in the last third there are as many policies and pods as in the middle one, give or take a tenth; else the rest says nothing.
//! - Series: nothing that was deleted has a series for longer than [`FORGOTTEN`], no policy has more than [`PER_POLICY`], and when all that came is
//!   gone again, each family that names policies has as many series as before.

use serde::Serialize;

use crate::sample::Sample;

/// Growth that is still flat.
pub const FLAT: f64 = 0.05;

/// Policies and pods may be fewer or more by this.
const SAME_LOAD: f64 = 0.1;

/// More tasks or files that are still flat: connections and requests under way come and go.
const SLACK: f64 = 10.0;

/// Time in seconds in which a deleted object must lose its series, API server out of reach or not.
const FORGOTTEN: f64 = 60.0;

/// Series that one policy may have: two sizes, a contest, two of its forecast, and its signals' loads.
const PER_POLICY: u64 = 8;

/// More of them that may be left when all is gone: connections that are kept for a while.
const LEFT: f64 = 20.0;

/// Shortest churn in seconds whose medians say anything: each third should see every fault.
const SHORTEST: f64 = 900.0;

/// One thing that was judged.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub what: &'static str,
    pub good: bool,
    pub text: String,
}

/// Judges a run.
pub fn judge(samples: &[Sample]) -> Vec<Finding> {
    let churn: Vec<&Sample> = samples.iter().filter(|sample| sample.phase == "churn").collect();
    let last = churn.last().map_or(0.0, |sample| sample.at);
    let third = |number: f64| {
        let within = move |sample: &&&Sample| sample.at > last * (number - 1.0) / 3.0 && sample.at <= last * number / 3.0;
        churn.iter().filter(within).copied().collect::<Vec<_>>()
    };
    let (middle, end) = (third(2.0), third(3.0));
    let flat = |what, value: fn(&Sample) -> f64, slack: f64, scale: f64, unit: &str| {
        let (before, after) = (median(middle.iter().map(|s| value(s))), median(end.iter().map(|s| value(s))));
        let good = before > 0.0 && after - before <= (before * FLAT).max(slack);
        let change = 100.0 * (after - before) / before;
        let short = if last < SHORTEST { "; too short to be judged" } else { "" };
        Finding {
            what,
            good: good || last < SHORTEST,
            text: format!("{:.1} → {:.1}{unit} ({change:+.1} %){short}", before / scale, after / scale),
        }
    };
    let mut findings = vec![
        flat("memory", |s| s.rss as f64, 0.0, 1_048_576.0, " MiB"),
        flat("tasks", |s| s.tasks as f64, SLACK, 1.0, ""),
        flat("files", |s| s.fds as f64, SLACK, 1.0, ""),
        flat("threads", |s| s.threads as f64, 2.0, 1.0, ""),
    ];
    findings.push(same_load(&middle, &end, last));
    findings.extend([orphans(samples), per_policy(samples), returned(samples)]);
    findings.extend([
        left(samples, "tasks after it all", |sample| sample.tasks as f64),
        left(samples, "files after it all", |sample| sample.fds as f64),
    ]);
    findings
}

fn same_load(middle: &[&Sample], end: &[&Sample], last: f64) -> Finding {
    let count = |samples: &[&Sample], kind: &str| {
        #[allow(clippy::cast_precision_loss)] // Hundreds.
        median(samples.iter().map(|sample| sample.objects.get(kind).copied().unwrap_or_default() as f64))
    };
    let change = |kind| (count(middle, kind), count(end, kind));
    let (policies, pods) = (change("ScalePolicy"), change("Pod"));
    let same = |(before, after): (f64, f64)| before > 0.0 && (after - before).abs() <= SAME_LOAD * before;
    let text = format!("{} → {} policies, {} → {} pods", policies.0, policies.1, pods.0, pods.1);
    Finding { what: "load", good: last < SHORTEST || same(policies) && same(pods), text }
}

fn orphans(samples: &[Sample]) -> Finding {
    let worst = samples.iter().max_by(|one, other| one.orphan_age.total_cmp(&other.orphan_age));
    let (age, name) = worst.map_or((0.0, ""), |sample| (sample.orphan_age, &sample.orphan));
    let text = if age > 0.0 { format!("{name} for {age:.0} s after it was gone") } else { "none".to_owned() };
    Finding { what: "series of the deleted", good: !samples.is_empty() && age <= FORGOTTEN, text }
}

fn per_policy(samples: &[Sample]) -> Finding {
    let most = samples.iter().map(|sample| sample.most).max().unwrap_or_default();
    Finding { what: "series of one policy", good: (1..=PER_POLICY).contains(&most), text: format!("{most} at most") }
}

fn returned(samples: &[Sample]) -> Finding {
    let what = "series after it all";
    let of = |phase| samples.iter().rfind(|sample| sample.phase == phase);
    let (Some(start), Some(end)) = (of("start"), of("end")) else {
        return Finding { what, good: false, text: "there is no sample of the start or of the end".to_owned() };
    };
    let text = format!(
        "{} of policies and {} of sources, {} and {} at the start",
        end.policy_series, end.source_series, start.policy_series, start.source_series
    );
    let good = start.families == end.families && start.source_series == end.source_series && start.policy_series > 0;
    Finding { what, good, text }
}

fn left(samples: &[Sample], what: &'static str, value: fn(&Sample) -> f64) -> Finding {
    let of = |phase| samples.iter().rfind(|sample| sample.phase == phase).map(value);
    let (start, end) = (of("start").unwrap_or_default(), of("end").unwrap_or(f64::INFINITY));
    Finding { what, good: start > 0.0 && end <= start + LEFT, text: format!("{start} at the start, {end} at the end") }
}

/// The middle value; 0 of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
