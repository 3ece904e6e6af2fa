//! Pods that were ordered and do not start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::*;
use core_support::*;
use proptest::prelude::*;
use rstest::rstest;

const CRASH: Option<Trouble> = Some(Trouble::Crash);

/// A queue that asks for as many replicas as it holds thousands, no rates.
fn queue() -> Policy {
    let free = || rules(0, Select::Max, &[(Amount::Pods(1000), 1)]);
    Policy { behavior: Some(Behavior { up: free(), down: free() }), ..policy(vec![per_replica()]) }
}

fn seen_by(policy: &Policy, spec: u32, pods: Vec<P>, wanted: u32) -> Decision {
    decide_once(policy, &observed(spec, pods, vec![total(f64::from(wanted) * 1000.0)]))
}

/// So many that serve, and others.
fn with(serving: usize, others: Vec<P>) -> Vec<P> {
    [many(serving, &ready(0.0)), others].concat()
}

#[rstest]
#[case::all_serve(8, vec![], 20)]
#[case::starting_pods_are_no_fault(2, many(6, &starting(0.0)), 20)]
#[case::one_of_eight(7, vec![missing().stuck(400, CRASH)], 20)]
#[case::a_quarter(6, many(2, &missing().stuck(400, CRASH)), 20)]
#[case::more_than_a_quarter(5, many(3, &missing().stuck(400, CRASH)), 10)]
#[case::one_of_two_is_not_stopped(1, vec![missing().stuck(400, CRASH)], 4)]
#[case::the_only_one_is_not_stopped(0, vec![missing().stuck(400, CRASH)], 4)]
#[case::none_of_eight(0, many(8, &missing().stuck(400, CRASH)), 8)]
#[case::just_within_the_grace(5, many(3, &missing().stuck(300, CRASH)), 20)]
#[case::pending_without_a_node(5, many(3, &missing().phase(Phase::Pending).never_started().readiness(None).created(301)), 10)]
fn twice_what_has_started_or_4(#[case] serving: usize, #[case] others: Vec<P>, #[case] expected: u32) {
    let spec = u32::try_from(serving + others.len()).unwrap();
    let decision = seen_by(&queue(), spec, with(serving, others), 20);
    assert_eq!(decision.to, expected, "{}", decision.headline());
}

#[test]
fn it_is_said_with_count_and_cause() {
    let others = vec![
        missing().stuck(400, CRASH),
        missing().stuck(400, CRASH),
        missing().phase(Phase::Pending).stuck(400, Some(Trouble::Unschedulable)),
    ];
    let decision = seen_by(&queue(), 12, with(5, others.clone()), 20);
    assert_eq!((decision.verdict, decision.held_by()), (Verdict::Held, Some("PodsNotStarting")));
    let text = "held at 12: wants 20; 3 of 8 pods are not starting: CrashLoopBackOff, Unschedulable; 5 started, which allows 12";
    assert_eq!(decision.headline(), text);
    assert_eq!(condition(&decision, ConditionKind::ScalingLimited), Some((true, "PodsNotStarting")));
    let warning = &decision.warnings[0];
    assert_eq!(warning.reason, "PodsNotStarting");
    assert_eq!(warning.message, "3 of 8 pods are not starting: CrashLoopBackOff, Unschedulable; no further scale-out on their account");
    // A move that was cut says so as well.
    let cut = seen_by(&queue(), 8, with(5, others), 20);
    assert!(
        cut.headline().starts_with("New size: 10 (was 8)") && cut.headline().contains("3 of 8 pods are not starting"),
        "{}",
        cut.headline()
    );
}

#[rstest]
#[case(None, Phase::Running, "not ready")]
#[case(None, Phase::Pending, "Pending")]
#[case(Some(Trouble::Image), Phase::Pending, "ImagePullBackOff")]
#[case(Some(Trouble::Container), Phase::Pending, "CreateContainerError")]
#[case(Some(Trouble::Unschedulable), Phase::Pending, "Unschedulable")]
#[case(Some(Trouble::Crash), Phase::Running, "CrashLoopBackOff")]
fn causes_have_kubernetes_words(#[case] trouble: Option<Trouble>, #[case] phase: Phase, #[case] word: &str) {
    let decision = seen_by(&queue(), 12, with(1, many(7, &missing().stuck(400, trouble).phase(phase))), 20);
    assert!(decision.headline().contains(&format!("7 of 8 pods are not starting: {word};")), "{}", decision.headline());
}

#[test]
fn scale_in_stays_possible_and_no_size_is_lowered() {
    let pods = || with(1, many(7, &missing().stuck(400, CRASH)));
    let mut story = Story::new(queue(), 8);
    assert_eq!(story.look(&observed(8, pods(), vec![total(8000.0)]), 15).verdict, Verdict::Steady);
    assert_eq!(story.look(&observed(8, pods(), vec![total(3000.0)]), 15).to, 3);
}

#[test]
fn readiness_that_broke_down_under_load_is_no_failed_start() {
    let lost = P { pod: Pod { served: secs(3600), ..missing().pod }, ..missing() }.created(7200).readiness(Some((false, 600)));
    assert_eq!(seen_by(&queue(), 8, with(1, many(7, &lost)), 20).to, 20);
    // Ready for a moment before each crash is not the same.
    let crashing = P { pod: Pod { served: secs(20), ..lost.pod.clone() }, ..lost };
    assert_eq!(seen_by(&queue(), 8, with(1, many(7, &crashing)), 20).to, 8);
}

#[test]
fn pods_that_end_are_not_counted() {
    let ending = [many(5, &missing().stuck(400, CRASH).deleting()), many(5, &missing().stuck(400, CRASH).phase(Phase::Failed))].concat();
    assert_eq!(seen_by(&queue(), 8, with(8, ending), 20).to, 20);
}

#[test]
fn the_grace_is_the_policys_warm_up() {
    let mut policy = queue();
    policy.warm_up.cpu_initialization = secs(900);
    let pods = |age| with(5, many(3, &missing().stuck(age, CRASH)));
    assert_eq!(seen_by(&policy, 8, pods(900), 20).to, 20);
    assert_eq!(seen_by(&policy, 8, pods(901), 20).to, 10);
    // Without any warm-up, a pod that has just been made is not broken yet.
    policy.warm_up.cpu_initialization = secs(0);
    assert_eq!(seen_by(&policy, 8, pods(30), 20).to, 20);
    assert_eq!(seen_by(&policy, 8, pods(31), 20).to, 10);
}

#[test]
fn bounds_are_the_owners_word() {
    let policy = Policy { min_replicas: 30, ..queue() };
    assert_eq!(seen_by(&policy, 8, many(8, &missing().stuck(400, CRASH)), 20).to, 30);
}

/// Consumers crash, so the queue grows without end: the size does not.
#[test]
fn a_queue_whose_consumers_crash_does_not_scale_to_the_maximum() {
    let mut story = Story::new(queue(), 4);
    let mut sizes = Vec::new();
    for look in 0..80_u32 {
        // The first 4 serve; the others crash from the start, and the backlog grows with every look.
        let age = u64::from(look) * 15;
        let crashing = story.replicas.saturating_sub(4) as usize;
        let pods: Vec<P> = with(4, many(crashing, &missing().stuck(age, CRASH)));
        let mut observation = observed(story.replicas, pods, vec![total(f64::from(5 + look) * 1000.0)]);
        // The builders count from the first look.
        let passed = story.now.since(NOW);
        observation.pods.iter_mut().for_each(|pod| pod.created = pod.created.map(|created| created + passed));
        if let Reading::Total(sample) = &mut observation.readings[0] {
            sample.time = story.now;
        }
        sizes.push(story.look(&observation, 15).to);
    }
    let largest = sizes.iter().max().unwrap();
    // What was asked for during the grace (20 looks), and no more.
    assert_eq!(*largest, sizes[20], "{sizes:?}");
    assert!(sizes.is_sorted());
}

/// Three broken pods on a bad node, and a demand that has grown tenfold: it is followed as far as pods start elsewhere.
#[test]
fn demand_is_followed_beside_broken_pods() {
    let (mut serving, mut size, mut steps) = (4, 7, Vec::new());
    while size < 100 && steps.len() < 20 {
        let pods = with(serving, many(3, &missing().stuck(4000, CRASH)));
        size = seen_by(&queue(), size, pods, 100).to;
        steps.push(size);
        // All new pods start.
        serving = size as usize - 3;
    }
    // At 14 the broken ones are less than a quarter.
    assert_eq!(steps, [8, 10, 14, 100]);
}

proptest! {
    #[test]
    fn more_demand_never_gives_fewer_and_nothing_is_lowered(
        serving in 0usize..20, starting_pods in 0usize..10, stuck in 0usize..20, wanted in 1u32..200, more in 0u32..200,
    ) {
        let others = [many(starting_pods, &starting(0.0)), many(stuck, &missing().stuck(400, CRASH))].concat();
        let spec = u32::try_from(serving + others.len()).unwrap().max(1);
        let pods = with(serving, others);
        let less = seen_by(&queue(), spec, pods.clone(), wanted);
        let greater = seen_by(&queue(), spec, pods, wanted + more);
        prop_assert!(greater.to >= less.to);
        prop_assert!(greater.to >= spec.min(greater.wanted.unwrap()), "{}", greater.headline());
    }
}
