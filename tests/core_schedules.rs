//! What schedules do to decisions. When which of them holds is tested in `api_schedules`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)] // A helper that fails is a test that fails.

mod core_support;

use std::sync::Arc;
use std::time::Duration;

use ballast::core::*;
use ballast::schedule::{self, Schedule, Windows};
use core_support::*;
use proptest::prelude::*;

/// A window from so many seconds after `NOW`.
fn window(name: &str, start: u64, end: u64, floor: Option<u32>, ceiling: Option<u32>) -> Schedule {
    let zone = schedule::zone("Europe/Berlin").unwrap();
    Schedule { name: Arc::from(name), windows: Windows::Once { start: at(start), end: at(end) }, zone, floor, ceiling, ramp: secs(0) }
}

/// The plain rule with 2 to 20 replicas and no scale-in window.
fn plain() -> Policy {
    Policy { min_replicas: 2, max_replicas: 20, downscale_stabilization: secs(0), ..policy(vec![per_replica()]) }
}

/// A story by the clock.
struct Day {
    story: Story,
    schedules: Vec<Schedule>,
}

impl Day {
    fn new(policy: Policy, replicas: u32, schedules: Vec<Schedule>) -> Self {
        Self { story: Story::new(policy, replicas), schedules }
    }

    fn look(&mut self, mut observation: Observation, step: u64) -> Decision {
        observation.scheduled = schedule::at(&self.schedules, self.story.policy.min_replicas, self.story.now);
        self.story.look(&observation, step)
    }

    fn wants(&mut self, wanted: u32, step: u64) -> Decision {
        let replicas = self.story.replicas;
        self.look(seen_total(replicas, replicas as usize, f64::from(wanted) * 1000.0), step)
    }
}

#[test]
fn a_floor_lifts_at_its_start_and_lets_go_at_its_end() {
    let mut day = Day::new(plain(), 4, vec![window("sale", 20, 60, Some(10), None)]);
    let before = day.wants(4, 15);
    assert_eq!((before.to, before.next_look), (4, None));
    let before = day.wants(4, 5);
    assert_eq!((before.to, before.next_look), (4, Some(at(20))), "the next look is at the boundary");
    let start = day.wants(4, 15);
    assert_eq!((start.to, start.verdict, codes(&start)), (10, Verdict::ScaleUp, vec!["BelowMinimum"]));
    assert_eq!(start.headline(), "New size: 10 (was 4): size 4 is below minReplicas 10 by schedule sale until 14:47:40 Europe/Berlin");
    let during = day.wants(4, 25);
    assert_eq!((during.to, during.verdict), (10, Verdict::Held));
    assert_eq!(during.headline(), "held at 10: wants 4; minReplicas 10 by schedule sale until 14:47:40 Europe/Berlin");
    assert_eq!(condition(&during, ConditionKind::ScalingLimited), Some((true, "TooFewReplicas")));
    assert_eq!(day.wants(4, 15).to, 4);
}

#[test]
fn demand_counts_between_floor_and_ceiling() {
    let mut day = Day::new(plain(), 6, vec![window("day", 0, 1000, Some(5), Some(12))]);
    day.wants(6, 15);
    assert_eq!([3, 7, 9, 15, 30].map(|wanted| day.wants(wanted, 15).to), [5, 7, 9, 12, 12]);
    let cut = day.wants(30, 15);
    assert_eq!(cut.headline(), "held at 12: wants 30; maxReplicas 12 by schedule day until 15:03:20 Europe/Berlin");
    assert_eq!(condition(&cut, ConditionKind::ScalingLimited), Some((true, "TooManyReplicas")));
}

#[test]
fn a_ceiling_brings_down_at_once() {
    let mut day = Day::new(Policy { downscale_stabilization: secs(300), ..plain() }, 15, vec![window("night", 0, 1000, None, Some(5))]);
    let decision = day.wants(15, 15);
    assert_eq!((decision.to, codes(&decision)), (5, vec!["AboveMaximum"]));
}

#[test]
fn a_count_leaves_demand_no_say() {
    let mut day = Day::new(plain(), 4, vec![window("test", 0, 1000, Some(7), Some(7))]);
    assert_eq!([2, 20, 7].map(|wanted| day.wants(wanted, 15).to), [7, 7, 7]);
}

#[test]
fn a_floor_wins_over_a_ceiling_with_a_warning() {
    let mut day = Day::new(plain(), 4, vec![window("sale", 0, 100, Some(10), None), window("budget", 0, 200, None, Some(6))]);
    let decision = day.wants(4, 15);
    assert_eq!(decision.to, 10);
    let warning = &decision.warnings[0];
    assert_eq!(warning.reason, "ScheduleConflict");
    assert_eq!(
        warning.message,
        "minReplicas 10 by schedule sale until 14:48:20 Europe/Berlin is above maxReplicas 6 by schedule budget until 14:50 \
         Europe/Berlin; the higher size holds"
    );
    assert_eq!(day.wants(20, 85).to, 10);
    assert_eq!(day.wants(20, 15).to, 6, "without the floor the ceiling holds");
}

#[test]
fn a_pause_holds_what_a_schedule_asks_for() {
    let pause = Pause { direction: PauseDirection::All, until: Some(at(50)), reason: "".into(), by: "ana".into() };
    let mut day = Day::new(Policy { pause: Some(pause), ..plain() }, 4, vec![window("sale", 0, 1000, Some(10), None)]);
    assert_eq!(codes(&day.wants(4, 40)), ["Paused", "BelowMinimum"]);
    let last = day.wants(4, 10);
    assert_eq!((last.to, last.next_look), (4, Some(at(50))), "the pause ends before the next regular look");
    assert_eq!(day.wants(4, 15).to, 10);
}

/// The pause ends by itself at its time even when nothing else happens then.
#[test]
fn a_pause_and_a_schedule_each_call_for_a_look() {
    let pause = Pause { direction: PauseDirection::Up, until: Some(at(10)), reason: "".into(), by: "".into() };
    let mut day = Day::new(Policy { pause: Some(pause), ..plain() }, 4, vec![window("sale", 5, 1000, Some(10), None)]);
    assert_eq!(day.wants(8, 5).next_look, Some(at(5)));
    assert_eq!(day.wants(8, 5).next_look, Some(at(10)));
    assert_eq!(day.wants(8, 5).to, 10);
}

#[test]
fn a_floor_holds_in_an_outage() {
    let mut day = Day::new(plain(), 4, vec![window("sale", 0, 1000, Some(10), None)]);
    let dark = |size| observed(size, many(size as usize, &ready(0.0)), vec![failed("gone")]);
    assert_eq!(day.look(dark(4), 15).to, 10);
    assert_eq!(day.look(dark(10), 15).verdict, Verdict::Unknown);
}

#[test]
fn a_floor_wakes_a_target_that_sleeps_and_leaves_one_that_is_switched_off() {
    let policy = Policy { min_replicas: 0, zero: ScaleToZero::On, ..plain() };
    for (marked, to) in [(true, 3), (false, 0)] {
        let mut day = Day::new(policy.clone(), 0, vec![window("office", 0, 1000, Some(3), None)]);
        let observation = Observation { scaled_to_zero: marked, ..observed(0, vec![], vec![failed("gone")]) };
        assert_eq!(day.look(observation, 15).to, to);
    }
}

#[test]
fn a_count_of_0_sends_to_sleep_and_its_end_lets_wake() {
    let policy = Policy { min_replicas: 0, zero: ScaleToZero::On, ..plain() };
    let mut day = Day::new(policy.clone(), 4, vec![window("night", 0, 60, Some(0), Some(0))]);
    let asleep = day.wants(4, 30);
    assert_eq!(asleep.to, 0);
    assert!(asleep.conditions_after_rescale(&policy).iter().any(|c| c.kind == ConditionKind::ScaledToZero && c.status));
    let queue = || Observation { scaled_to_zero: true, ..observed(0, vec![], vec![total(3000.0)]) };
    let night = day.look(queue(), 30);
    assert_eq!((night.to, codes(&night)[0]), (0, "BoundedByMaximum"));
    assert_eq!(day.look(queue(), 15).to, 3);
}

fn a_schedule() -> impl Strategy<Value = Schedule> {
    (0u64..600, 1u64..600, prop::option::of(2u32..30), prop::option::of(2u32..30), 0u64..300).prop_map(
        |(start, length, floor, ceiling, ramp)| Schedule { ramp: secs(ramp), ..window("s", start, start + length, floor, ceiling) },
    )
}

proptest! {
    #![proptest_config(properties())]

    /// Whatever the load, the rates, the windows and the outages: while a schedule holds, so do its bounds.
    #[test]
    fn bounds_by_schedules_hold_at_every_look(
        schedules in prop::collection::vec(a_schedule(), 0..5), start in 2u32..30, loads in prop::collection::vec(prop::option::of(0u32..60), 1..60),
        rules in prop::option::of((1u32..10, 0u64..120)), floor in prop_oneof![Just(FallbackReplicas::Current), (0u32..40).prop_map(FallbackReplicas::Floor), (0u32..40).prop_map(FallbackReplicas::Count)],
    ) {
        let behavior = rules.map(|(pods, window)| {
            let rules = core_support::rules(window, Select::Max, &[(Amount::Pods(pods), 60)]);
            Behavior { up: rules.clone(), down: rules }
        });
        let policy = Policy { behavior, max_replicas: 30, fallback: Fallback { hold: secs(30), replicas: floor }, ..plain() };
        let mut day = Day::new(policy, start, schedules);
        for load in loads {
            let now = day.story.now;
            let holding = |schedule: &&Schedule| matches!(schedule.windows, Windows::Once { start, end } if start <= now && now < end);
            let floor = day.schedules.iter().filter(holding).filter_map(|schedule| schedule.floor).max().unwrap_or(2);
            let ceiling = day.schedules.iter().filter(holding).filter_map(|schedule| schedule.ceiling).min().unwrap_or(30);
            let decision = if let Some(load) = load {
                day.wants(load, 15)
            } else {
                let size = day.story.replicas;
                day.look(observed(size, many(size as usize, &ready(0.0)), vec![failed("gone")]), 15)
            };
            prop_assert!(decision.to >= floor, "{} < {floor}: {}", decision.to, decision.headline());
            // A ramp may lift the size over a ceiling, as floors do.
            let ramped = schedule::at(&day.schedules, 2, now).floor.map_or(2, |bound| bound.replicas);
            prop_assert!(decision.to <= ceiling.max(floor).max(ramped), "{} > {ceiling}: {}", decision.to, decision.headline());
        }
    }

    #[test]
    fn constant_schedules_and_constant_load_never_write(floor in 2u32..12, ceiling in prop::option::of(12u32..30), load in 0u32..40, size in 2u32..30, minutes in 1i64..90) {
        let cron = Windows::Cron { pattern: schedule::pattern("* * * * *").unwrap(), duration: Duration::from_secs(60 * minutes.unsigned_abs()) };
        let always = Schedule { windows: cron, ..window("always", 0, 0, Some(floor), ceiling) };
        let mut day = Day::new(Policy { max_replicas: 30, ..plain() }, size, vec![always]);
        // It takes up to four looks to double to the size that the load asks for.
        for _ in 0..6 {
            day.wants(load, 15);
        }
        for _ in 0..60 {
            let decision = day.wants(load, 15);
            prop_assert_eq!(decision.from, decision.to, "{}", decision.headline());
        }
    }

    /// Capacity is there at the start: a ramp never falls, and ends at the floor.
    #[test]
    fn a_ramp_never_falls_and_is_complete_at_the_start(floor in 3u32..1000, ramp in 1u64..5000, steps in prop::collection::vec(1u64..400_000, 1..60)) {
        let list = [Schedule { ramp: secs(ramp), ..window("s", 6000, 9000, Some(floor), None) }];
        let size = |now| schedule::at(&list, 2, now).floor.map_or(2, |bound| bound.replicas);
        let (mut now, mut last) = (NOW, 2);
        for step in steps {
            now = now + Duration::from_millis(step);
            if now < at(9000) {
                prop_assert!(size(now) >= last && size(now) <= floor);
                last = size(now);
            }
        }
        prop_assert_eq!(size(at(6000) - Duration::from_millis(1)), floor);
    }

    /// Nothing changes between now and the change that is announced.
    #[test]
    fn nothing_changes_before_the_announced_change(schedules in prop::collection::vec(a_schedule(), 0..5), from in 0u64..1_300_000, share in 0.0f64..1.0) {
        let now = NOW + Duration::from_millis(from);
        let here = schedule::at(&schedules, 2, now);
        let until = here.next_change.unwrap_or(now + secs(1000));
        let between = now + until.since(now).mul_f64(share).saturating_sub(Duration::from_millis(1));
        prop_assert!(until > now);
        let there = schedule::at(&schedules, 2, between);
        prop_assert_eq!((here.floor, here.ceiling), (there.floor, there.ceiling));
    }
}
