//! The rows of the safety table that concern signals, as stories on manual time with the default smoothing: whatever goes wrong with what
//! is measured, no replica is taken away on account of it. Windows are off, so that what holds is the rule itself.
//!
//! In detail elsewhere: `core_stale` (age, gaps in rates), `core_fallback` (outages), `core_hpa_pods` (classes of pods), `core_rollout`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::core::*;
use core_support::*;
use rstest::rstest;

fn smooth() -> Smoothing {
    Smoothing::Smooth(SmoothParameters::default())
}

fn free(smoothing: Smoothing, signals: Vec<Signal>) -> Policy {
    let free = || rules(0, Select::Max, &[(Amount::Percent(1000), 15), (Amount::Pods(1000), 15)]);
    Policy { smoothing, behavior: Some(Behavior { up: free(), down: free() }), ..policy(signals) }
}

/// Ten replicas that have borne exactly their load for ten minutes.
fn busy(policy: Policy) -> Story {
    let mut story = Story::new(policy, 10);
    for _ in 0..40 {
        assert_eq!(total(&mut story, 10.0, 30).to, 10);
    }
    story
}

/// One look at a whole value in replicas, over a window.
fn total(story: &mut Story, wants: f64, window: u64) -> Decision {
    let mut observation = seen_total(story.replicas, story.replicas as usize, 0.0);
    observation.readings = vec![Reading::Total(Sample { value: wants * 1000.0, time: story.now, window: secs(window) })];
    story.look(&observation, 15)
}

/// Looks at a total until the size falls, at most so many: after how many seconds it did, and to what.
fn until_it_shrinks(story: &mut Story, looks: u64, mut wants: impl FnMut(u64) -> f64) -> Option<(u64, u32)> {
    let size = story.replicas;
    (0..looks).find_map(|look| {
        let decision = total(story, wants(look), 30);
        (decision.to < size).then_some((look * 15, decision.to))
    })
}

// === the value is none ===

#[rstest]
#[case::empty(failed("returned no series"))]
#[case::nan(core_support::total(f64::NAN))]
#[case::infinite(core_support::total(f64::INFINITY))]
#[case::negative(core_support::total(-1.0))]
fn what_is_no_value_holds_and_is_named(
    #[case] reading: Reading,
    #[values(per_replica(), prometheus(Target::AverageValue(1000.0)))] signal: Signal,
) {
    let name = signal.kind.to_string();
    let mut story = busy(free(smooth(), vec![signal]));
    for _ in 0..100 {
        let decision = story.look(&observed(10, many(10, &ready(0.0)), vec![reading.clone()]), 15);
        assert_eq!((decision.to, decision.verdict), (10, Verdict::Unknown));
        assert!(decision.headline().contains(&format!("{name} unknown: ")), "{}", decision.headline());
        assert_eq!(condition(&decision, ConditionKind::ScalingActive).map(|(active, _)| active), Some(false));
    }
}

#[test]
fn a_source_that_was_away_is_quarantined_until_its_rate_is_full() {
    let mut story = busy(free(smooth(), vec![prometheus(Target::AverageValue(1000.0))]));
    for _ in 0..20 {
        story.look(&observed(10, many(10, &ready(0.0)), vec![failed("connection refused")]), 15);
    }
    // A rate over two minutes climbs back from 0, as what nobody scraped counts as nothing.
    for look in 0..8 {
        let decision = total(&mut story, f64::from(look) * 10.0 / 8.0, 120);
        assert_eq!(decision.to, 10, "{}", decision.headline());
    }
    assert_eq!(total(&mut story, 10.0, 120).verdict, Verdict::Steady);
}

#[test]
fn a_stale_value_holds_for_as_long_as_it_stays() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    let end = story.now;
    let old = Reading::Total(Sample { value: 3000.0, time: end - secs(100), window: secs(30) });
    for _ in 0..40 {
        let decision = story.look(&observed(10, many(10, &ready(0.0)), vec![old.clone()]), 15);
        assert_eq!(decision.to, 10, "{}", decision.headline());
    }
}

// === the value is wrong ===

#[test]
fn an_exporter_that_suddenly_says_0_is_not_believed_for_300_s() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    let first = total(&mut story, 0.0, 30);
    assert_eq!((first.to, first.verdict, first.held_by()), (10, Verdict::Held, Some("Collapsed")));
    assert_eq!(
        first.headline(),
        "held at 10: wants 7; queue_length fell from 10 to 0 too fast to be believed, so 10 are kept for 300s more"
    );
    assert_eq!(first.held_until(), Some(first.time + secs(300)));
    assert_eq!(condition(&first, ConditionKind::AbleToScale), Some((true, "ScaleDownFrozen")));
    assert_eq!(first.warnings[0].reason, "DemandCollapsed");
    // The rise after it is followed at once, and nothing is left of the fall.
    for _ in 0..10 {
        assert_eq!(total(&mut story, 0.0, 30).to, 10);
    }
    assert_eq!(total(&mut story, 12.0, 30).to, 12);
    assert_eq!(until_it_shrinks(&mut story, 100, |_| 12.0), None);
}

#[test]
fn a_collapse_that_lasts_is_believed() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    let (seconds, _) = until_it_shrinks(&mut story, 100, |_| 0.0).unwrap();
    // Two looks and the sample's own 30 s back it still falls from the full level.
    assert!((300..=375).contains(&seconds), "{seconds}");
    for _ in 0..10 {
        total(&mut story, 0.0, 30);
    }
    assert_eq!(story.replicas, 1);
}

#[test]
fn with_the_default_window_the_end_of_a_load_test_costs_a_minute_more_at_most() {
    let story = |hold| {
        let smoothing = Smoothing::Smooth(SmoothParameters { collapse_hold: secs(hold), ..SmoothParameters::default() });
        busy(Policy { smoothing, ..policy(vec![per_replica()]) })
    };
    let (mut guarded, mut other) = (story(300), story(0));
    let (with, without) = (until_it_shrinks(&mut guarded, 100, |_| 0.5), until_it_shrinks(&mut other, 100, |_| 0.5));
    assert!(with.unwrap().0 <= without.unwrap().0 + 60, "{with:?} {without:?}");
    assert!(with.unwrap().0 <= 375, "{with:?}");
}

#[test]
fn what_happened_lately_is_believed_at_once_and_less_deep_falls_too() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    for _ in 0..40 {
        total(&mut story, 1.0, 30);
    }
    assert_eq!(story.replicas, 1);
    for day in 0..4 {
        // 23 hours.
        for _ in 0..5520 {
            total(&mut story, 10.0, 30);
        }
        assert_eq!(story.replicas, 10);
        assert_eq!(until_it_shrinks(&mut story, 1, |_| 1.0), Some((0, 7)), "day {day}");
        assert!(until_it_shrinks(&mut story, 10, |_| 1.0).is_some(), "day {day}");
    }
    for _ in 0..400 {
        total(&mut story, 10.0, 30);
    }
    assert_eq!(until_it_shrinks(&mut story, 10, |_| 0.1), None, "never so deep");
}

#[test]
fn a_fall_that_did_not_last_teaches_nothing() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    for _ in 0..3 {
        assert_eq!(until_it_shrinks(&mut story, 8, |_| 0.0), None);
        assert_eq!(until_it_shrinks(&mut story, 100, |_| 10.0), None);
    }
}

#[rstest]
#[case::to_a_fifth(|_| 2.0)]
#[case::over_five_minutes(|look: u64| (10.0 - look as f64 / 2.0).max(0.5))]
#[case::halved_each_minute(|look: u64| 10.0 * 0.5f64.powf(look as f64 / 4.0))]
fn an_ordinary_fall_is_followed(#[case] wants: fn(u64) -> f64) {
    let story = |hold| {
        let smoothing = Smoothing::Smooth(SmoothParameters { collapse_hold: secs(hold), ..SmoothParameters::default() });
        busy(free(smoothing, vec![per_replica()]))
    };
    let (mut guarded, mut other) = (story(300), story(0));
    let first = until_it_shrinks(&mut guarded, 100, wants);
    assert_eq!(first, until_it_shrinks(&mut other, 100, wants));
    assert!(first.is_some());
}

/// A load that swings between little and all: once the filter knows that for noise, it is no surprise.
#[test]
fn noise_is_no_collapse() {
    let mut story = Story::new(free(smooth(), vec![per_replica()]), 10);
    let mut last = None;
    for look in 0..2000u32 {
        let decision = total(&mut story, if look % 3 == 0 { 1.0 } else { 10.0 }, 30);
        if codes(&decision).contains(&"Collapsed") {
            last = Some(look);
        }
    }
    assert!(last < Some(400), "{last:?}");
}

#[test]
fn one_outlier_upwards_is_followed_by_no_collapse() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    total(&mut story, 100.0, 0);
    let decision = total(&mut story, 10.0, 0);
    assert!(!codes(&decision).contains(&"Collapsed"), "{}", decision.headline());
}

#[test]
fn a_rate_over_minutes_falls_for_minutes() {
    let mut story = Story::new(Policy { downscale_stabilization: secs(120), smoothing: smooth(), ..policy(vec![per_replica()]) }, 10);
    for _ in 0..40 {
        total(&mut story, 10.0, 120);
    }
    // The exporter says the same counter again and again.
    let mut shrunk = None;
    for look in 0..100u32 {
        let decision = total(&mut story, (10.0 - f64::from(look) * 10.0 / 8.0).max(0.0), 120);
        shrunk = shrunk.or((decision.to < 10).then_some(look * 15));
    }
    assert!((300..600).contains(&shrunk.unwrap()), "{shrunk:?}");
}

/// The filter's level is still on its way up, but the size is there already.
#[test]
fn what_has_just_grown_is_kept_as_well() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    for _ in 0..2 {
        total(&mut story, 30.0, 30);
    }
    assert_eq!(story.replicas, 30);
    let decision = total(&mut story, 0.0, 30);
    assert_eq!((decision.to, decision.held_by()), (30, Some("Collapsed")), "{}", decision.headline());
}

#[test]
fn the_guard_keeps_what_its_signal_asked_for_and_no_more() {
    let mut story = Story::new(free(smooth(), vec![prometheus(Target::AverageValue(1000.0)), per_replica()]), 10);
    let look = |story: &mut Story, first: f64, second: f64| {
        let reading = |wants: f64, now| Reading::Total(Sample { value: wants * 1000.0, time: now, window: secs(30) });
        let readings = vec![reading(first, story.now), reading(second, story.now)];
        let observation = observed(story.replicas, many(story.replicas as usize, &ready(0.0)), readings);
        story.look(&observation, 15)
    };
    for _ in 0..40 {
        look(&mut story, 10.0, 6.0);
    }
    // The first falls as usual, the second is gone: its 6 stay.
    for _ in 0..18 {
        look(&mut story, 3.0, 0.0);
    }
    assert_eq!(story.replicas, 6);
    assert_eq!(look(&mut story, 3.0, 0.0).held_by(), Some("Collapsed"));
    // A size set by hand is not raised.
    story.replicas = 4;
    assert_eq!(look(&mut story, 3.0, 0.0).to, 4);
    assert_eq!(look(&mut story, 8.0, 0.0).to, 8, "growth is free");
}

#[test]
fn a_collapse_that_began_is_remembered_and_the_stock_rule_knows_none() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    total(&mut story, 0.0, 30);
    story.memory = postcard::from_bytes(&postcard::to_allocvec(&story.memory).unwrap()).unwrap();
    story.memory.resume(story.now, secs(60));
    let (seconds, _) = until_it_shrinks(&mut story, 100, |_| 0.0).unwrap();
    assert!((300..=375).contains(&seconds), "{seconds}");

    let mut stock = busy(free(Smoothing::None, vec![per_replica()]));
    assert_eq!(until_it_shrinks(&mut stock, 1, |_| 1.0), Some((0, 1)));
    let off = Smoothing::Smooth(SmoothParameters { collapse_hold: secs(0), ..SmoothParameters::default() });
    assert_eq!(until_it_shrinks(&mut busy(free(off, vec![per_replica()])), 1, |_| 0.0), Some((0, 7)));
}

/// Killed at the moment the load falls: the restored one has not seen that, and is as careful.
#[test]
fn a_collapse_across_a_restart_is_one() {
    let mut story = busy(free(smooth(), vec![per_replica()]));
    let saved = story.now;
    story.now = story.now + secs(60);
    story.memory = postcard::from_bytes(&postcard::to_allocvec(&story.memory).unwrap()).unwrap();
    story.memory.resume(saved, secs(60));
    assert_eq!(total(&mut story, 0.0, 30).held_by(), Some("Collapsed"));
}

// === some pods have no sample ===

/// One look at pods that use so many thousandths each, some of which have no sample.
fn partly(smoothing: Smoothing, signal: Signal, used: &[f64], without: usize) -> u32 {
    let pods: Vec<P> = used.iter().map(|&used| ready(used)).chain(many(without, &missing())).collect();
    let size = u32::try_from(pods.len()).unwrap();
    decide_once(&free(smoothing, vec![signal]), &seen(size, pods)).to
}

#[rstest]
// Load per pod 500. Both ends of the interval say more, both say less, or they do not agree.
#[case::both_say_more(&[1000.0, 1000.0, 1000.0], 1, 6)]
#[case::one_says_more(&[1000.0, 1000.0], 2, 4)]
#[case::both_say_less(&[100.0, 100.0, 100.0, 100.0, 100.0, 100.0], 2, 4)]
#[case::one_says_less(&[300.0, 300.0], 8, 10)]
fn a_move_must_be_right_for_idle_and_for_busy_pods(#[case] used: &[f64], #[case] without: usize, #[case] size: u32) {
    for smoothing in [Smoothing::None, smooth()] {
        assert_eq!(partly(smoothing, pods_metric(500.0), used, without), size);
    }
}

#[rstest]
#[case::mean(pods_metric(500.0), &[900.0, 100.0, 100.0, 100.0], 3, 6)]
#[case::utilization(cpu(50), &[1400.0, 50.0, 50.0, 50.0, 50.0, 50.0], 1, 6)]
#[case::capacity(signal(SignalKind::Pods { metric: "qps".into() }, Target::Capacity(500.0)), &[900.0, 100.0, 100.0, 100.0, 100.0, 100.0], 3, 9)]
fn whoever_is_too_busy_to_answer_counts_as_the_busiest(
    #[case] signal: Signal,
    #[case] used: &[f64],
    #[case] without: usize,
    #[case] stock: u32,
) {
    let size = u32::try_from(used.len() + without).unwrap();
    assert_eq!(partly(smooth(), signal.clone(), used, without), size, "it stays");
    assert_eq!(partly(Smoothing::None, signal, used, without), stock, "the stock rule is as it was");
}

#[test]
fn samples_that_come_and_go_move_nothing() {
    let mut story = Story::new(free(smooth(), vec![pods_metric(500.0)]), 10);
    for look in 0..100usize {
        let mut observation = seen(10, (0..10).map(|pod| if (pod + look) % 10 < look % 7 { missing() } else { ready(500.0) }).collect());
        if let Reading::PerPod { samples, .. } = &mut observation.readings[0] {
            samples.iter_mut().flatten().for_each(|sample| sample.time = story.now);
        }
        let decision = story.look(&observation, 15);
        assert_eq!(decision.to, 10, "{}", decision.headline());
    }
}
