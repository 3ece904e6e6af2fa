//! The rule of the soak finds leaks, and does not take noise for one.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used)]

// Parts of the benchmark: what it measures is not taken here.
#[allow(dead_code)]
mod sample {
    use std::collections::BTreeMap;

    #[derive(Clone, Debug, Default)]
    pub struct Sample {
        pub at: f64,
        pub phase: String,
        pub rss: u64,
        pub fds: u64,
        pub threads: u64,
        pub tasks: u64,
        pub policy_series: u64,
        pub source_series: u64,
        pub most: u64,
        pub orphan_age: f64,
        pub orphan: String,
        pub families: BTreeMap<String, u64>,
        pub objects: BTreeMap<String, i64>,
    }
}
#[path = "../benches/soak/verdict.rs"]
mod verdict;

use rstest::rstest;
use sample::Sample;

const MIB: u64 = 1 << 20;

/// An hour at 70 MiB with bursts, and everything as before at its end.
fn hour() -> Vec<Sample> {
    let one = |at: f64, phase: &str| Sample {
        at,
        phase: phase.to_owned(),
        rss: 70 * MIB,
        fds: 80,
        threads: 4,
        tasks: 100,
        policy_series: 60,
        source_series: 28,
        most: 4,
        families: [("current".to_owned(), 20)].into(),
        objects: [("ScalePolicy".to_owned(), 300), ("Pod".to_owned(), 600)].into(),
        ..Sample::default()
    };
    let churn = (0..360_u32).map(|number| {
        let burst: u64 = if number % 7 == 0 { 9 } else { 0 };
        Sample { rss: (70 + burst) * MIB, tasks: 100 + 5 * burst, ..one(f64::from(number) * 10.0, "churn") }
    });
    let mut samples: Vec<Sample> = churn.collect();
    samples.insert(0, one(0.0, "start"));
    samples.push(one(0.0, "end"));
    samples
}

fn bad(samples: &[Sample]) -> Vec<&'static str> {
    verdict::judge(samples).into_iter().filter(|finding| !finding.good).map(|finding| finding.what).collect()
}

#[test]
fn bursts_are_no_leak() {
    assert_eq!(bad(&hour()), Vec::<&str>::new());
}

#[rstest]
#[case::twelve_mib_an_hour(|s: &mut Sample| s.rss += megabytes(12.0 * s.at / 3600.0), &["memory"])]
#[case::twenty_tasks_in_twenty_minutes(|s: &mut Sample| s.tasks += whole(s.at / 60.0), &["tasks"])]
#[case::files(|s: &mut Sample| s.fds += whole(s.at / 60.0), &["files"])]
#[case::less_to_do(|s: &mut Sample| if s.at > 2400.0 { s.objects.insert("Pod".to_owned(), 400); }, &["load"])]
#[case::a_series_that_stays(|s: &mut Sample| if s.at > 3000.0 { s.orphan_age = s.at - 3000.0 }, &["series of the deleted"])]
#[case::too_many_series(|s: &mut Sample| s.most = 9, &["series of one policy"])]
#[case::a_series_left(|s: &mut Sample| if s.phase == "end" { s.families.insert("current".to_owned(), 21); }, &["series after it all"])]
#[case::a_source_left(|s: &mut Sample| if s.phase == "end" { s.source_series += 1 }, &["series after it all"])]
#[case::tasks_left(|s: &mut Sample| if s.phase == "end" { s.tasks += 30 }, &["tasks after it all"])]
fn a_leak_is_found(#[case] leak: fn(&mut Sample), #[case] expected: &[&str]) {
    let mut samples = hour();
    samples.iter_mut().for_each(leak);
    assert_eq!(bad(&samples), expected);
}

#[test]
fn a_run_without_samples_is_not_good() {
    assert!(!bad(&[]).is_empty());
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: f64) -> u64 {
    number as u64
}

fn megabytes(number: f64) -> u64 {
    whole(number * 1_048_576.0)
}
