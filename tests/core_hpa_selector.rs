//! Targets whose pods cannot be told from others. Which pods belong to a target is settled before the decision, by ownership.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::{ConditionKind, Memory, Mode, Observation, Selector, Verdict};
use core_support::*;
use rstest::rstest;

fn ambiguous() -> Selector {
    Selector::Ambiguous { others: vec!["HorizontalPodAutoscaler/web".into(), "ScalePolicy/web-2".into()] }
}

fn with(selector: Selector, spec: u32) -> Observation {
    Observation { selector, ..seen(spec, many(3, &ready(2000.0))) }
}

#[rstest]
#[case::missing(Selector::Missing, "SelectorRequired", "InvalidSelector", "no pod selector")]
#[case::unparsable(Selector::Invalid { message: "found '=='".into() }, "InvalidSelector", "InvalidSelector", "found '=='")]
#[case::ambiguous(ambiguous(), "AmbiguousSelector", "AmbiguousSelector", "HorizontalPodAutoscaler/web, ScalePolicy/web-2")]
fn nothing_scales(#[case] selector: Selector, #[case] event: &str, #[case] reason: &str, #[case] says: &str) {
    let decision = decide_once(&policy(vec![cpu(50)]), &with(selector, 3));
    assert_eq!((decision.to, decision.verdict), (3, Verdict::Unknown));
    assert_eq!(condition(&decision, ConditionKind::ScalingActive), Some((false, reason)));
    let warnings: Vec<_> = decision.warnings.iter().map(|warning| warning.reason.as_str()).collect();
    assert_eq!(warnings, [event, "FailedComputeMetricsReplicas"]);
    assert!(decision.headline().contains(says), "{}", decision.headline());
    assert!(decision.signals.is_empty(), "metrics are not read");
}

#[rstest]
#[case::missing(Selector::Missing)]
#[case::unparsable(Selector::Invalid { message: "found '=='".into() })]
fn forced_moves_do_not_need_a_selector(#[case] selector: Selector) {
    assert_eq!(decide_once(&policy(vec![cpu(50)]), &with(selector, 1500)).to, 1000);
}

/// Two writers with different bounds would move the target to and fro for ever.
#[test]
fn beside_a_rival_not_even_the_bounds_are_forced() {
    let decision = decide_once(&policy(vec![cpu(50)]), &with(ambiguous(), 1500));
    assert_eq!((decision.to, decision.verdict), (1500, Verdict::Unknown));
}

#[test]
fn switched_off_comes_first() {
    assert_eq!(decide_once(&policy(vec![cpu(50)]), &with(Selector::Missing, 0)).verdict, Verdict::Disabled);
}

#[test]
fn a_usable_selector_changes_nothing() {
    assert_eq!(decide_once(&policy(vec![cpu(50)]), &with(Selector::Usable, 3)).verdict, Verdict::ScaleUp);
}

#[rstest]
#[case::missing(Selector::Missing)]
#[case::unparsable(Selector::Invalid { message: "found '=='".into() })]
fn no_proposal_is_stored_meanwhile(#[case] selector: Selector) {
    let mut story = Story::new(policy(vec![cpu(50)]), 3);
    story.look(&with(Selector::Usable, 3), 15);
    let proposals = |memory: &Memory| serde_json::to_value(memory).unwrap()["proposals"].clone();
    let before = proposals(&story.memory);
    story.look(&with(selector, story.replicas), 15);
    assert_eq!(proposals(&story.memory), before);
}

/// In the shadow of an HPA a smaller size, or a larger one, is recommended for longer than the window; then the HPA goes.
#[rstest]
#[case::smaller(3)]
#[case::larger(10)]
fn whoever_takes_over_begins_with_a_whole_window_at_the_size_it_finds(#[case] recommended: u32) {
    let mut story = Story::new(policy(vec![per_replica()]), 6);
    story.policy.mode = Mode::Recommend;
    for _ in 0..30 {
        story.wants(recommended, 15);
    }
    assert_eq!(story.wants(recommended, 15).to, recommended);
    story.policy.mode = Mode::Enforce;
    story.look(&Observation { selector: ambiguous(), ..seen_total(6, 6, 0.0) }, 15);
    let sizes = story.sizes(&[3; 25]);
    assert_eq!((&sizes[..19], sizes[24]), (&[6; 19][..], 3), "{sizes:?}");
}

#[test]
fn only_the_pods_handed_in_count() {
    // A foreign pod with the same labels is not in the observation, so it cannot shift the mean; without owned pods there is no size.
    assert_eq!(proposal(cpu(50), &seen(2, vec![])), None);
}
