//! The adaptive scale-in window and the slow drain of policies that name no window: stories on manual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::*;
use core_support::*;
use rstest::rstest;

/// The level follows at once, so that what holds is the window.
fn smoothing() -> Smoothing {
    Smoothing::Smooth(SmoothParameters { time_constant: secs(0), lead: Some(secs(0)), ..SmoothParameters::default() })
}

fn story(smoothing: Smoothing, replicas: u32) -> Story {
    Story::new(Policy { smoothing, ..policy(vec![per_replica()]) }, replicas)
}

/// Seconds from the first look that wants `to` until the size is there.
fn time_to(story: &mut Story, to: u32) -> u64 {
    let start = story.now;
    for _ in 0..500 {
        if story.wants(to, 15).to == to {
            return story.now.since(start).as_secs() - 15;
        }
    }
    panic!("never at {to}, but at {}", story.replicas)
}

#[test]
fn each_scale_in_that_proves_wrong_makes_the_next_wait_longer() {
    let mut story = story(smoothing(), 10);
    let mut times = Vec::new();
    for _ in 0..5 {
        story.wants(10, 15);
        times.push(time_to(&mut story, 5));
    }
    // From the first low look, 15 s after the last high one. Windows of 300, 450, 675 and 900 s, less what was forgotten meanwhile.
    assert_eq!(times, [300, 435, 645, 870, 870]);
}

#[test]
fn what_was_learned_is_forgotten_in_six_hours() {
    let mut story = story(smoothing(), 10);
    story.wants(10, 15);
    time_to(&mut story, 5);
    let after = |story: &Story, hours: u64| {
        let mut later = Story { policy: story.policy.clone(), memory: story.memory.clone(), ..*story };
        later.wants(10, 15);
        later.now = later.now + secs(hours * 3600);
        later.wants(10, 15);
        time_to(&mut later, 5)
    };
    assert_eq!(after(&story, 0), 435);
    assert_eq!(after(&story, 3), 360);
    assert_eq!(after(&story, 6), 300);
}

#[test]
fn growth_long_after_a_scale_in_proves_nothing() {
    let mut story = story(smoothing(), 10);
    story.wants(10, 15);
    time_to(&mut story, 5);
    story.now = story.now + secs(601);
    story.wants(10, 15);
    assert_eq!(time_to(&mut story, 5), 300);
}

/// A longer window looks back on sizes of long ago; they may hold the present one, and never raise it.
#[test]
fn a_longer_window_never_raises_the_size() {
    let mut story = story(smoothing(), 40);
    story.wants(40, 15);
    time_to(&mut story, 5);
    let decision = story.wants(7, 15);
    assert_eq!(decision.to, 7, "{}", decision.headline());
    assert_eq!(story.wants(5, 15).to, 7);
}

#[rstest]
#[case::one_of_ten(10, 9, 1785)]
#[case::one_of_six(6, 5, 1785)]
#[case::one_of_five(5, 4, 300)]
#[case::two_of_ten(10, 8, 300)]
fn small_scale_ins_drain_slowly(#[case] from: u32, #[case] to: u32, #[case] seconds: u64) {
    let mut policy = policy(vec![per_replica()]);
    (policy.smoothing, policy.tolerance) = (smoothing(), Tolerance { up: 0.05, down: 0.05 });
    let mut story = Story::new(policy, from);
    story.wants(from, 15);
    let decision = story.wants(to, 15);
    assert_eq!((decision.to, decision.verdict), (from, Verdict::Held));
    assert_eq!(time_to(&mut story, to), seconds - 15, "after one look before");
}

/// Windows that the policy names are as it says, and so is the stock rule.
#[rstest]
#[case::stock(Smoothing::None, None)]
#[case::named(smoothing(), Some(false))]
#[case::behavior_without_a_window(smoothing(), Some(true))]
fn named_windows_stay_as_they_are(#[case] smoothing: Smoothing, #[case] adaptive: Option<bool>) {
    let mut story = story(smoothing, 10);
    story.policy.behavior = adaptive.map(|adaptive| Behavior {
        up: rules(0, Select::Max, &[(Amount::Pods(100), 15)]),
        down: ScalingRules { adaptive, ..rules(300, Select::Max, &[(Amount::Pods(100), 15)]) },
    });
    story.wants(10, 15);
    let first = time_to(&mut story, 5);
    story.wants(10, 15);
    story.wants(10, 15);
    let second = time_to(&mut story, 5);
    if adaptive == Some(true) { assert!(second > first + 100, "{first} {second}") } else { assert!(second <= first, "{first} {second}") }
}

#[test]
fn a_default_window_of_0_stays_0() {
    let mut story = story(smoothing(), 10);
    story.policy.downscale_stabilization = secs(0);
    assert_eq!(story.sizes(&[10, 9, 8, 5, 10, 5]), [10, 10, 8, 5, 10, 5], "9 of 10 is within the tolerance");
}
