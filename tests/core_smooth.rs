//! The level filter: stories on manual time, one look every 15 s.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::smooth::Level;
use ballast::core::*;
use core_support::*;
use rstest::rstest;

fn smooth(signals: Vec<Signal>) -> Policy {
    let free = |window| rules(window, Select::Max, &[(Amount::Percent(1000), 15), (Amount::Pods(1000), 15)]);
    Policy {
        // No windows, no rates, no guard: what moves is the filter.
        smoothing: Smoothing::Smooth(SmoothParameters { collapse_hold: secs(0), ..SmoothParameters::default() }),
        behavior: Some(Behavior { up: free(0), down: free(0) }),
        ..policy(signals)
    }
}

fn story(replicas: u32) -> Story {
    Story::new(smooth(vec![per_replica()]), replicas)
}

/// One look at a total that asks for `wanted` replicas, sampled now.
fn look(story: &mut Story, wanted: f64) -> Decision {
    let mut observation = seen_total(story.replicas, story.replicas as usize, 0.0);
    observation.readings = vec![Reading::Total(Sample { value: wanted * 1000.0, time: story.now, window: secs(30) })];
    story.look(&observation, 15)
}

fn smoothed(decision: &Decision) -> Option<&reason::Smoothed> {
    decision.reasons.iter().find_map(|reason| match reason {
        Reason::Smoothed(smoothed) => Some(smoothed),
        _ => None,
    })
}

#[test]
fn the_first_sample_is_followed_exactly() {
    let decision = look(&mut story(4), 13.0);
    assert_eq!(decision.to, 13);
    assert!(smoothed(&decision).is_none(), "the factor is exactly 1");
}

#[test]
fn a_jump_is_followed_in_the_look_that_sees_it() {
    let mut story = story(4);
    for _ in 0..40 {
        look(&mut story, 4.0);
    }
    assert_eq!(look(&mut story, 40.0).to, 40);
}

#[test]
fn a_jump_out_of_noise_is_followed_too() {
    let mut story = story(20);
    for i in 0..120 {
        look(&mut story, if i % 2 == 0 { 19.0 } else { 21.0 });
    }
    let decision = look(&mut story, 60.0);
    assert!((58..=60).contains(&decision.to), "1.5 sigma of +-5 % less at most: {}", decision.headline());
}

#[test]
fn a_drop_is_followed_through_the_level() {
    let mut story = story(40);
    for _ in 0..40 {
        look(&mut story, 40.0);
    }
    // m = 10 + 30 * exp(-15 s / 30 s) = 28.2, then 21.0, 16.7 ...
    assert_eq!(look(&mut story, 10.0).to, 29);
    assert_eq!(look(&mut story, 10.0).to, 22);
    assert_eq!(look(&mut story, 10.0).to, 17);
    let sizes: Vec<u32> = (0..20).map(|_| look(&mut story, 10.0).to).collect();
    assert_eq!(sizes.last(), Some(&11), "the band holds the last step");
}

#[test]
fn the_time_constant_is_in_seconds_not_in_looks() {
    let mut level = Level::start(40.0, NOW);
    let mut other = level;
    let parameters = SmoothParameters::default();
    level.consume(parameters, 10.0, at(30));
    for second in 1..=30 {
        other.consume(parameters, 10.0, at(second));
    }
    assert!((level.level() - other.level()).abs() < 1e-9, "{level:?} {other:?}");
    assert!((level.level() - (10.0 + 30.0 * (-1.0f64).exp())).abs() < 1e-9);
}

#[rstest]
#[case::four_percent(0.04)]
#[case::nine_percent(0.09)]
fn noise_inside_the_band_never_writes(#[case] noise: f64) {
    let mut story = story(50);
    for i in 0..2000u32 {
        let wobble = f64::from(i.wrapping_mul(2_654_435_761) >> 16) / 65_535.0 * 2.0 - 1.0;
        let decision = look(&mut story, 50.0 * (1.0 + noise * wobble));
        assert_eq!(decision.to, 50, "look {i}: {}", decision.headline());
    }
}

#[test]
fn one_low_outlier_does_not_scale_in() {
    let mut story = story(50);
    for _ in 0..40 {
        look(&mut story, 50.0);
    }
    // A sample of nearly nothing: the plain rule would fall to 1; the level falls to 61 %.
    assert_eq!(look(&mut story, 0.5).to, 31);
    assert_eq!(look(&mut story, 50.0).to, 50, "back at once");
}

#[test]
fn the_same_sample_is_not_consumed_twice() {
    let mut story = story(40);
    look(&mut story, 40.0);
    let mut observation = seen_total(story.replicas, 40, 0.0);
    observation.readings = vec![Reading::Total(Sample { value: 10_000.0, time: story.now, window: secs(30) })];
    let first = story.look(&observation, 1).to;
    for _ in 0..10 {
        observation.spec_replicas = story.replicas;
        assert_eq!(story.look(&observation, 1).to, first, "a slow source must not count more often");
    }
}

#[test]
fn a_repeated_sample_time_changes_no_part_of_the_filter() {
    let parameters = SmoothParameters::default();
    let mut level = Level::start(100.0, NOW);
    level.consume(parameters, 110.0, at(15));
    let before = level;
    level.consume(parameters, 110.0, at(15));
    level.consume(parameters, 500.0, at(14));
    assert_eq!(level, before);
}

#[test]
fn a_missing_signal_leaves_the_filter_alone() {
    let mut story = story(40);
    look(&mut story, 40.0);
    look(&mut story, 40.0);
    let before = story.memory.clone();
    for reading in [failed("gone"), total(f64::NAN), total(-1.0)] {
        let observation = observed(40, many(40, &ready(0.0)), vec![reading]);
        assert_eq!(story.look(&observation, 15).to, 40);
        assert_eq!(story.memory, before);
    }
}

#[test]
fn replica_changes_do_not_disturb_the_filter() {
    // 40 pods at 50 % of their request, target 50; half of them go at once, and for one more look the others still show 50 %.
    let mut story = Story::new(smooth(vec![cpu(50)]), 40);
    let at_now = |story: &Story, pods: Vec<P>| {
        let mut observation = seen(story.replicas, pods);
        if let Reading::PerPod { samples, .. } = &mut observation.readings[0] {
            samples.iter_mut().flatten().for_each(|sample| sample.time = story.now);
        }
        observation
    };
    for _ in 0..40 {
        let observation = at_now(&story, many(40, &ready(500.0)));
        story.look(&observation, 15);
    }
    story.replicas = 20;
    let observation = at_now(&story, many(20, &ready(500.0)));
    let decision = story.look(&observation, 15);
    assert_eq!(decision.to, 20, "neither has the load gone with the pods, nor is more needed: {}", decision.headline());
    let observation = at_now(&story, many(20, &ready(1000.0)));
    assert_eq!(story.look(&observation, 15).to, 40, "the others bear it now");
}

#[test]
fn a_lost_sample_is_no_drop() {
    let mut story = Story::new(smooth(vec![pods_metric(500.0)]), 10);
    for i in 0..40u32 {
        let pods = if i % 2 == 0 { many(10, &ready(500.0)) } else { [many(9, &ready(500.0)), vec![missing()]].concat() };
        let mut observation = seen(10, pods);
        if let Reading::PerPod { samples, .. } = &mut observation.readings[0] {
            samples.iter_mut().flatten().for_each(|sample| sample.time = story.now);
        }
        let decision = story.look(&observation, 15);
        assert!(smoothed(&decision).is_none(), "{:?}", decision.reasons);
    }
}

#[test]
fn editing_a_target_keeps_the_filter() {
    let mut story = story(40);
    for _ in 0..40 {
        look(&mut story, 40.0);
    }
    story.policy.signals[0].target = Target::AverageValue(2000.0);
    // 40 at the old target are 20 at the new; a drop to 10 (5) goes through the level of 28.2 (14.1).
    assert_eq!(look(&mut story, 10.0).to, 15);
}

#[test]
fn editing_one_signal_keeps_the_filters_of_the_others() {
    let mut story = story(40);
    for _ in 0..40 {
        look(&mut story, 40.0);
    }
    story.policy.signals.insert(0, prometheus(Target::Value(1000.0)));
    let mut observation = seen_total(40, 40, 0.0);
    let now = story.now;
    let sampled_now = |value| Reading::Total(Sample { value, time: now, window: secs(30) });
    observation.readings = vec![sampled_now(1.0), sampled_now(10_000.0)];
    assert_eq!(story.look(&observation, 15).to, 29);
}

#[test]
fn a_removed_signals_filter_is_forgotten() {
    let mut story = story(40);
    look(&mut story, 40.0);
    let with_queue = serde_json::to_string(&story.memory).unwrap();
    assert!(with_queue.contains("queue_length"));
    story.policy.signals = vec![prometheus(Target::AverageValue(1000.0))];
    look(&mut story, 40.0);
    assert!(!serde_json::to_string(&story.memory).unwrap().contains("queue_length"));
}

#[test]
fn signals_that_look_alike_have_filters_of_their_own() {
    let mut story = Story::new(smooth(vec![per_replica(), per_replica()]), 40);
    for _ in 0..10 {
        let mut observation = seen_total(40, 40, 0.0);
        let now = story.now;
        let reading = |value| Reading::Total(Sample { value, time: now, window: secs(30) });
        observation.readings = vec![reading(40_000.0), reading(4000.0)];
        let decision = story.look(&observation, 15);
        assert!(smoothed(&decision).is_none(), "{:?}", decision.reasons);
    }
}

#[test]
fn a_load_of_nothing_after_a_load_is_a_drop_too() {
    let mut story = Story::new(smooth(vec![pods_metric(500.0)]), 10);
    let mut observation = seen(10, many(10, &ready(500.0)));
    story.look(&observation, 15);
    // Samples of 0 cannot be scaled up; the level is spread over the pods instead.
    observation = seen(10, many(10, &ready(0.0)));
    if let Reading::PerPod { samples, .. } = &mut observation.readings[0] {
        samples.iter_mut().flatten().for_each(|sample| sample.time = story.now);
    }
    assert_eq!(story.look(&observation, 15).to, 7);
}

#[rstest]
#[case::external(per_replica())]
#[case::prometheus(prometheus(Target::AverageValue(1000.0)))]
fn an_idle_target_reaches_0_and_stays(#[case] signal: Signal) {
    let mut story = Story::new(Policy { min_replicas: 0, zero: ScaleToZero::On, ..smooth(vec![signal]) }, 40);
    look(&mut story, 40.0);
    let looks = (0..100).find(|_| look(&mut story, 0.0).to == 0).unwrap();
    assert!((20..40).contains(&looks), "about 6 minutes: {looks}");
    for _ in 0..5 {
        let mut observation = Observation { scaled_to_zero: true, ..seen_total(0, 0, 0.0) };
        observation.readings = vec![Reading::Total(Sample { value: 0.0, time: story.now, window: secs(30) })];
        assert_eq!(story.look(&observation, 15).to, 0);
    }
}

#[test]
fn the_past_never_raises_a_size() {
    // Reduced by hand while the level still remembers the load of before.
    let mut story = story(40);
    for _ in 0..40 {
        look(&mut story, 40.0);
    }
    story.replicas = 12;
    let decision = look(&mut story, 12.0);
    assert_eq!(decision.to, 12);
    assert_eq!(decision.reasons[0].code(), "Past");
    assert_eq!(look(&mut story, 30.0).to, 30, "what is measured does");
}

#[test]
fn noise_is_learnt_and_clipped() {
    let parameters = SmoothParameters::default();
    let mut level = Level::start(100.0, NOW);
    for i in 1..=400u64 {
        level.consume(parameters, if i % 2 == 0 { 95.0 } else { 105.0 }, at(15 * i));
    }
    assert!((4.0..9.0).contains(&level.sigma()), "{level:?}");
    let before = level.sigma();
    level.consume(parameters, 100_000.0, at(15 * 401));
    level.consume(parameters, 100.0, at(15 * 402));
    assert!(level.sigma() < before * 1.2, "one outlier of a thousandfold is not noise: {level:?}");
}

#[test]
fn the_reason_carries_the_numbers() {
    let mut story = story(40);
    look(&mut story, 40.0);
    let decision = look(&mut story, 10.0);
    let text = decision.reasons.iter().find(|reason| reason.code() == "Smoothed").unwrap().to_string();
    assert_eq!(text, "queue_length taken as 28.2 in all: measured 10, level 28.2, noise 0");
    assert_eq!(decision.signals[0].current.unwrap().average, Some(250.0), "the status shows what was measured");
}

#[test]
fn without_smoothing_there_is_no_filter() {
    let mut story = Story::new(Policy { smoothing: Smoothing::None, ..smooth(vec![per_replica()]) }, 40);
    look(&mut story, 40.0);
    assert_eq!(look(&mut story, 10.0).to, 10);
    assert!(!serde_json::to_string(&story.memory).unwrap().contains("queue_length"));
}
