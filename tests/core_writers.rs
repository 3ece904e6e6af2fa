//! Somebody else sets the size too: once, or after each move.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::*;
use core_support::*;
use proptest::prelude::*;
use rstest::rstest;

const CONTESTED: ConditionKind = ConditionKind::ReplicasContested;

fn manager(name: &str, way: Way) -> Writer {
    Writer::Manager { name: name.into(), way }
}

fn argo() -> Writer {
    manager("argocd-controller", Way::Apply)
}

/// No windows and no rates, so that only the other writer holds anything.
fn free() -> Policy {
    let free = || rules(0, Select::Max, &[(Amount::Pods(100), 1)]);
    Policy { behavior: Some(Behavior { up: free(), down: free() }), ..policy(vec![per_replica()]) }
}

/// A workload that somebody else sets a size of as well.
struct Shared(Story);

impl Shared {
    fn new(replicas: u32) -> Self {
        Self(Story::new(free(), replicas))
    }

    /// One look, at which demand asks for `wanted`, after which `step` seconds pass.
    fn look(&mut self, wanted: u32, step: u64) -> Decision {
        self.see(None, wanted, step)
    }

    /// `writer` has set `size`; one look.
    fn set(&mut self, writer: Writer, size: u32, wanted: u32, step: u64) -> Decision {
        self.0.replicas = size;
        self.see(Some(writer), wanted, step)
    }

    fn see(&mut self, writer: Option<Writer>, wanted: u32, step: u64) -> Decision {
        let mut observation = seen_total(self.0.replicas, self.0.replicas as usize, 0.0);
        observation.readings = vec![Reading::Total(Sample { time: self.0.now, ..sample(f64::from(wanted) * 1000.0) })];
        observation.writer = writer;
        self.0.look(&observation, step)
    }

    /// A move to what is wanted and three resets to `size`, 5 s after each move; the last one is not answered.
    fn fight(&mut self, size: u32, wanted: u32) -> Decision {
        assert_eq!(self.look(wanted, 5).to, wanted);
        for _ in 0..2 {
            let answer = self.set(argo(), size, wanted, 5);
            assert_eq!(answer.to, wanted, "{}", answer.headline());
        }
        self.set(argo(), size, wanted, 1)
    }
}

#[test]
fn a_scale_by_hand_is_named_once_and_answered_at_once() {
    let mut shared = Shared::new(4);
    shared.look(4, 15);
    let by_hand = shared.set(manager("kubectl", Way::Scale), 12, 5, 15);
    assert_eq!(by_hand.to, 5);
    assert!(by_hand.headline().ends_with("; 12 was set by kubectl (scale), 4 before"), "{}", by_hand.headline());
    assert_eq!(codes(&by_hand).iter().filter(|code| **code == "SetByOther").count(), 1);
    assert_eq!(condition(&by_hand, CONTESTED), None);
    assert!(by_hand.warnings.is_empty());
    let next = shared.look(5, 15);
    assert!(!codes(&next).contains(&"SetByOther"), "{}", next.headline());
}

/// A write that met a conflict is decided again, without asking who set the size; told of none but its own.
#[test]
fn a_decision_that_is_made_again_names_the_writer_again() {
    let mut shared = Shared::new(4);
    shared.look(4, 15);
    let policy = free();
    let mut observation = seen_total(12, 12, 0.0);
    let mut look = |writer: Option<Writer>| {
        observation.readings = vec![Reading::Total(Sample { time: shared.0.now, ..sample(5000.0) })];
        observation.writer = writer;
        decide(&policy, &mut shared.0.memory, &observation, shared.0.now)
    };
    let named = |decision: &Decision| decision.headline().ends_with("; 12 was set by kubectl (scale), 4 before");
    for writer in [Some(manager("kubectl", Way::Scale)), None, None] {
        let decision = look(writer);
        assert!(decision.to == 5 && named(&decision), "{}", decision.headline());
    }
    shared.0.memory.rescaled(&policy, 12, 5, shared.0.now);
    shared.0.replicas = 5;
    assert!(!codes(&shared.look(5, 15)).contains(&"SetByOther"));
}

#[test]
fn a_size_that_suits_is_named_too() {
    let mut shared = Shared::new(4);
    shared.look(4, 15);
    let decision = shared.set(manager("kubectl", Way::Scale), 6, 6, 15);
    assert_eq!((decision.to, decision.verdict), (6, Verdict::Steady));
    assert!(decision.headline().contains("6 was set by kubectl (scale), 4 before"), "{}", decision.headline());
}

#[test]
fn the_first_size_ever_seen_is_nobodys() {
    let mut shared = Shared::new(4);
    assert!(!codes(&shared.set(argo(), 4, 4, 15)).contains(&"SetByOther"));
}

#[test]
fn the_third_reset_is_not_answered_at_once() {
    let mut shared = Shared::new(4);
    let third = shared.fight(4, 9);
    assert_eq!((third.to, third.verdict, third.held_by()), (4, Verdict::Held, Some("Contested")));
    assert_eq!(condition(&third, CONTESTED), Some((true, "AnotherWriter")));
    let warning = third.warnings.iter().find(|warning| warning.reason == "ReplicasContested").unwrap();
    for words in ["argocd-controller (apply)", "ignoreDifferences"] {
        assert!(warning.message.contains(words), "{}", warning.message);
    }
    assert!(third.headline().starts_with("held at 4: wants 9; argocd-controller (apply) undoes each move"), "{}", third.headline());
}

#[test]
fn growth_gets_through_every_30_s_and_never_faster() {
    let mut shared = Shared::new(4);
    shared.fight(4, 9);
    let mut writes = 0;
    for second in 1..3600 {
        // Undone within the second, again and again.
        let decision = if shared.0.replicas == 9 { shared.set(argo(), 4, 9, 1) } else { shared.look(9, 1) };
        assert!(decision.to >= 4);
        writes += usize::from(decision.to == 9);
        assert_eq!(condition(&decision, CONTESTED), Some((true, "AnotherWriter")), "second {second}");
    }
    assert!((115..=120).contains(&writes), "{writes} writes in an hour");
}

#[test]
fn shrinking_waits_for_10_min() {
    let mut shared = Shared::new(9);
    let third = shared.fight(9, 4);
    assert_eq!((third.to, third.held_until()), (9, Some(third.time + secs(600))));
    assert_eq!(shared.look(4, 598).to, 9);
    assert_eq!(shared.look(4, 1).to, 9);
    assert_eq!(shared.look(4, 1).to, 4);
    // Undone again: the series goes on.
    assert_eq!(shared.set(argo(), 9, 4, 5).held_by(), Some("Contested"));
}

#[test]
fn growth_beyond_what_shrinking_waits_for_is_not_held_as_long() {
    let mut shared = Shared::new(9);
    shared.fight(9, 4);
    assert_eq!(shared.look(12, 30).to, 9);
    assert_eq!(shared.look(12, 1).to, 12);
}

#[test]
fn an_answer_that_stands_ends_the_contest() {
    let mut shared = Shared::new(4);
    shared.fight(4, 9);
    shared.look(9, 30);
    assert_eq!(shared.look(9, 0).to, 9);
    let before = shared.look(9, 900);
    assert_eq!(condition(&before, CONTESTED), Some((true, "AnotherWriter")));
    assert!(before.is_contested() && before.condition_after_contest().is_none());
    let last = shared.look(9, 1);
    assert_eq!(condition(&last, CONTESTED), Some((true, "AnotherWriter")));
    let after = shared.look(9, 1);
    assert_eq!(condition(&after, CONTESTED), None);
    let over = after.condition_after_contest().unwrap();
    assert_eq!((over.kind, over.status, over.reason), (CONTESTED, false, "NoOtherWriter"));
    // Another hand, hours later, begins anew.
    assert_eq!(shared.set(argo(), 4, 9, 1).to, 9);
}

#[test]
fn a_contest_about_nothing_ends_too() {
    let mut shared = Shared::new(4);
    shared.fight(4, 9);
    // Demand has gone back to what the other one sets.
    assert_eq!(condition(&shared.look(4, 899), CONTESTED), Some((true, "AnotherWriter")));
    assert_eq!(condition(&shared.look(4, 2), CONTESTED), Some((true, "AnotherWriter")));
    assert_eq!(condition(&shared.look(4, 1), CONTESTED), None);
}

#[rstest]
#[case::every_3_minutes(180)]
#[case::every_10_minutes(600)]
fn a_slow_tool_is_found_out_too(#[case] period: u64) {
    let mut shared = Shared::new(4);
    shared.look(9, period);
    let mut contested = Vec::new();
    for _ in 0..4 {
        contested.push(condition(&shared.set(argo(), 4, 9, 31), CONTESTED).is_some());
        shared.look(9, period - 31);
        assert_eq!(shared.0.replicas, 9);
    }
    assert_eq!(contested, [false, false, true, true]);
}

#[test]
fn hands_hours_apart_are_no_contest() {
    let mut shared = Shared::new(4);
    shared.look(4, 15);
    for _ in 0..10 {
        let decision = shared.set(manager("kubectl", Way::Scale), 12, 5, 1200);
        assert_eq!((decision.to, condition(&decision, CONTESTED)), (5, None));
    }
}

#[test]
fn somebody_who_changes_their_own_size_undoes_nothing() {
    let mut shared = Shared::new(4);
    shared.look(4, 15);
    for size in 5..20 {
        // Within tolerance of what is wanted: never answered.
        let decision = shared.set(manager("ci", Way::Update), size, size, 1);
        assert_eq!(condition(&decision, CONTESTED), None);
    }
    assert_eq!(shared.set(manager("ci", Way::Update), 9, 4, 1).to, 4);
}

#[test]
fn whoever_sets_a_size_all_the_time_does_not_keep_growth_away() {
    let mut shared = Shared::new(4);
    shared.fight(4, 9);
    // Another size every 5 s, always too small.
    let sizes: Vec<u32> = (0..12).map(|look| shared.set(argo(), 2 + look % 2, 9, 5).to).collect();
    assert_eq!(sizes[..6], [2, 3, 2, 3, 2, 3], "{sizes:?}");
    assert_eq!(sizes[6..], [9, 3, 2, 3, 2, 3], "{sizes:?}");
}

#[test]
fn whoever_removes_the_size_from_the_manifest_has_given_way() {
    let mut shared = Shared::new(9);
    shared.fight(9, 4);
    // Theirs was in force, so the API server has filled in the default.
    let decision = shared.set(Writer::Nobody, 1, 4, 15);
    assert_eq!((decision.to, condition(&decision, CONTESTED)), (4, None));
    assert!(decision.headline().ends_with("1 was set by default, since its owner removed the field, 9 before"), "{}", decision.headline());
}

#[test]
fn bounds_are_contested_like_anything_else() {
    let mut shared = Shared::new(4);
    shared.0.policy.min_replicas = 3;
    shared.look(4, 15);
    for _ in 0..2 {
        assert_eq!(shared.set(argo(), 1, 4, 5).to, 3);
    }
    let third = shared.set(argo(), 1, 4, 29);
    assert_eq!((third.to, third.verdict, third.held_by()), (1, Verdict::Held, Some("Contested")));
    assert_eq!(shared.look(4, 1).to, 1);
    assert_eq!(shared.look(4, 1).to, 3);
}

#[rstest]
#[case::argo_cd(argo(), "ignoreDifferences")]
#[case::flux(manager("kustomize-controller", Way::Apply), "Flux")]
#[case::helm(manager("helm-controller", Way::Apply), "chart")]
#[case::server_side_apply(manager("kubectl", Way::Apply), "manifest")]
#[case::client_side_apply(manager("kubectl-client-side-apply", Way::Update), "edit-last-applied")]
#[case::by_hand(manager("kubectl", Way::Scale), "pause the policy")]
#[case::keda(manager("keda", Way::Scale), "ScaledObject")]
#[case::anything(manager("home-grown", Way::Update), "leave spec.replicas alone")]
#[case::unknown(Writer::Unknown { why: "not permitted".into() }, "find out")]
fn each_writer_has_its_remedy(#[case] writer: Writer, #[case] words: &str) {
    assert!(writer.remedy().contains(words), "{}", writer.remedy());
}

#[test]
fn a_contest_outlives_the_memory_being_saved() {
    let mut shared = Shared::new(4);
    shared.fight(4, 9);
    let bytes = postcard::to_allocvec(&shared.0.memory).unwrap();
    shared.0.memory = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(shared.look(9, 1).held_by(), Some("Contested"));
}

#[test]
fn a_clock_that_went_back_prolongs_nothing() {
    let mut shared = Shared::new(4);
    shared.fight(4, 9);
    shared.0.now = ago(7200);
    assert_eq!(shared.look(9, 30).held_by(), Some("Contested"));
    assert_eq!(shared.look(9, 1).to, 9);
}

proptest! {
    /// Whatever others do and whatever is wanted: once contested, growth is written every 30 s at most, and shrinking every 10 min.
    #[test]
    fn writes_against_another_writer_are_bounded(looks in prop::collection::vec((prop::option::weighted(0.4, 1u32..20), 1u32..20, 1u64..20), 1..400)) {
        let mut shared = Shared::new(5);
        // When the last own move was undone, if it was.
        let mut reset: Option<Time> = None;
        for (set, wanted, step) in looks {
            let now = shared.0.now;
            let decision = match set.filter(|size| *size != shared.0.replicas) {
                Some(size) => { reset.get_or_insert(now); shared.set(argo(), size, wanted, step) }
                None => shared.look(wanted, step),
            };
            if decision.to != decision.from {
                if let (Some(reset), Some((true, _))) = (reset, condition(&decision, CONTESTED)) {
                    let waited = now.since(reset);
                    prop_assert!(waited >= secs(if decision.to > decision.from { 30 } else { 600 }), "{waited:?}: {}", decision.headline());
                }
                reset = None;
            }
        }
    }
}
