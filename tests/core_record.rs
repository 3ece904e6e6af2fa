//! The record of a decision: what was wanted, each stage that changed it, and until when.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod core_support;

use ballast::core::reason::Reason;
use ballast::core::{Clamp, Decision, Observation, Origin, Pause, PauseDirection, Poll, Reading, Sample, Verdict};
use core_support::*;

fn steps(decision: &Decision) -> Vec<(&'static str, u32, u32)> {
    decision.clamps.iter().map(|Clamp { before, after, reason, .. }| (reason.code(), *before, *after)).collect()
}

fn then(decision: &Decision) -> u32 {
    let Some(Reason::Stabilized(hold)) = decision.reasons.first() else { panic!("{:?}", decision.reasons) };
    hold.then
}

#[test]
fn a_free_decision_has_no_clamps() {
    let decision = Story::new(policy(vec![per_replica()]), 4).wants(6, 15);
    assert_eq!((decision.wanted, decision.verdict, decision.clamps.len(), decision.next_look), (Some(6), Verdict::ScaleUp, 0, None));
}

#[test]
fn each_stage_starts_from_what_the_one_before_left() {
    let mut paused = policy(vec![per_replica()]);
    let until = NOW + secs(3600);
    paused.pause = Some(Pause { direction: PauseDirection::All, until: Some(until), reason: "".into(), by: "".into() });
    paused.max_replicas = 9;
    let decision = Story::new(paused, 6).wants(20, 15);
    assert_eq!(steps(&decision), [("BoundedByMaximum", 20, 9), ("Paused", 9, 6)]);
    assert_eq!((decision.wanted, decision.held_by(), decision.held_until()), (Some(20), Some("Paused"), Some(until)));
}

/// The window steps down from proposal to proposal; each end that is announced is the time at which the size really changes.
#[test]
fn what_is_announced_happens_then() {
    let mut story = Story::new(policy(vec![per_replica()]), 4);
    story.sizes(&[8, 8, 6]);
    let decision = story.wants(3, 0);
    assert_eq!((decision.to, decision.wanted, then(&decision), steps(&decision)), (8, Some(3), 6, vec![("Stabilized", 3, 8)]));
    let until = decision.held_until().unwrap();
    story.now = until - secs(1);
    assert_eq!(story.wants(3, 0).to, 8);
    story.now = until;
    let decision = story.wants(3, 0);
    assert_eq!((decision.to, decision.verdict, decision.held_until()), (6, Verdict::ScaleDown, None));
    let decision = story.wants(3, 0);
    assert_eq!(then(&decision), 3);
    story.now = decision.held_until().unwrap();
    assert_eq!(story.wants(3, 0).to, 3);
}

#[test]
fn a_signal_carries_what_the_filter_made_of_it() {
    let mut story = Story::new(policy(vec![per_replica()]), 4);
    let estimate = story.wants(6, 15).signals[0].estimate.unwrap();
    assert_eq!((estimate.raw, estimate.demand), (6000.0, 6000.0));
    let failed = decide_once(&policy(vec![per_replica()]), &observed(4, many(4, &ready(0.0)), vec![failed("no answer")]));
    assert_eq!((failed.wanted, failed.signals[0].estimate), (None, None));
}

#[test]
fn who_gave_a_value_stands_in_the_report_and_in_the_reason() {
    let origins = [
        (Origin::Pods(Poll { answered: 20, asked: 20, of: 400, error: Some(0.0312) }), "(asked 20 of 400 pods, standard error 3.12%)"),
        (Origin::Source { why: "no pod answered".into() }, "(asked the source in place of the pods)"),
    ];
    for (origin, words) in origins {
        let sample = Sample { time: NOW, ..sample(6000.0) };
        let seen = observed(4, many(4, &ready(0.0)), vec![Reading::Total(sample)]);
        let decision = decide_once(&policy(vec![per_replica()]), &Observation { origins: vec![Some(origin.clone().into())], ..seen });
        assert_eq!(decision.signals[0].origin.as_deref(), Some(&origin));
        assert!(decision.headline().ends_with(words), "{}", decision.headline());
    }
}
