//! The forecast: learned, scored, trusted only while it is better, and only ever added.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use std::sync::OnceLock;
use std::time::Duration;

use ballast::checkpoint::{Keeper, open, record, seal, whole};
use ballast::core::forecast::{Outlook, Season, Standing};
use ballast::core::*;
use core_support::*;
use proptest::prelude::*;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Midnight of a day, UTC.
const START: Time = Time::from_secs(20_000 * 86_400);

fn policy_with(mode: ForecastMode) -> Policy {
    let forecast = Forecast { mode, horizon: Some(secs(120)) };
    // Narrow downwards, so that each night ends at 10 replicas.
    let tolerance = Tolerance { up: 0.1, down: 0.05 };
    Policy {
        smoothing: Smoothing::Smooth(SmoothParameters::default()),
        forecast,
        tolerance,
        interval: secs(60),
        ..policy(vec![per_replica()])
    }
}

/// 10 replicas' load, and 40 from 9:00 to 11:00, reached within two minutes: no trend is seen in time.
fn daily(second: u64) -> f64 {
    let time = (second % DAY) as f64 - 9.0 * HOUR as f64;
    10.0 + 30.0 * (time / 120.0).clamp(0.0, 1.0) * ((7200.0 - time) / 1800.0).clamp(0.0, 1.0)
}

/// A workload under a load, one look a minute, whose size follows at once.
#[derive(Clone)]
struct World {
    policy: Policy,
    memory: Memory,
    size: u32,
    second: u64,
}

impl World {
    fn new(mode: ForecastMode) -> Self {
        Self { policy: policy_with(mode), memory: Memory::default(), size: 10, second: 0 }
    }

    fn now(&self) -> Time {
        START + secs(self.second)
    }

    fn observe(&self, reading: Reading) -> Observation {
        Observation { status_replicas: self.size, ..observed(self.size, Vec::new(), vec![reading]) }
    }

    fn see(&self, replicas: f64) -> Observation {
        self.observe(Reading::Total(Sample { value: replicas * 1000.0, time: self.now(), window: secs(30) }))
    }

    fn look(&mut self, observation: &Observation) -> Decision {
        let now = self.now();
        let decision = decide(&self.policy, &mut self.memory, observation, now);
        self.memory.rescaled(&self.policy, decision.from, decision.to, now);
        (self.size, self.second) = (decision.to, self.second + 60);
        decision
    }

    /// Lives under a load until so many seconds after midnight of the first day.
    fn live(&mut self, until: u64, load: impl Fn(u64) -> f64) -> Option<Decision> {
        let mut last = None;
        while self.second < until {
            last = Some(self.look(&self.see(load(self.second))));
        }
        last
    }
}

fn outlook(decision: &Decision) -> Outlook {
    decision.signals[0].outlook.expect("an outlook")
}

fn lived(mode: ForecastMode, days: u64) -> World {
    let mut world = World::new(mode);
    world.live(days * DAY, daily);
    world
}

/// Four days of the daily load.
fn experienced() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| lived(ForecastMode::On, 4)).clone()
}

#[test]
fn it_learns_for_a_day_is_scored_for_another_and_says_so() {
    let mut world = World::new(ForecastMode::On);
    let first = world.live(20 * HOUR, daily).unwrap();
    assert_eq!(outlook(&first).standing, Standing::Learning(Duration::ZERO));
    assert_eq!(outlook(&first).to_string(), "adds nothing: learning, needs a day of history and then 24 h of scores");
    let second = world.live(31 * HOUR + 600, daily).unwrap();
    assert_eq!(outlook(&second).to_string(), "adds nothing: learning, needs 24 h of scores, has 7 h");
    assert_eq!(condition(&second, ConditionKind::ForecastActive), Some((false, "Learning")));
    let third = world.live(50 * HOUR, daily).unwrap();
    assert_eq!(outlook(&third).to_string(), "on: its recent error is less than 80% of that without");
    assert_eq!(condition(&third, ConditionKind::ForecastActive), Some((true, "Better")));
}

#[test]
fn the_peak_of_each_day_finds_its_replicas_at_most_twice_the_present_need() {
    let mut world = experienced();
    let before = world.live(4 * DAY + 9 * HOUR - 240, daily).unwrap();
    // The band may keep one more over night.
    assert!((10..=11).contains(&before.to), "{}", before.headline());
    let ahead = world.live(4 * DAY + 9 * HOUR - 60, daily).unwrap();
    assert_eq!((ahead.verdict, ahead.to), (Verdict::ScaleUp, 20));
    assert_eq!(codes(&ahead)[0], "Forecast");
    let said = ahead.headline();
    assert!(said.starts_with("New size: 20 (was ") && said.contains("): queue_length forecast "), "{said}");
    assert!(said.contains(" for 09:00 UTC: needs 20 (same time on 4 past days; error "), "{said}");
    let ahead = outlook(&ahead).ahead.unwrap();
    assert_eq!((ahead.season, ahead.seasons, ahead.replicas), (Season::Day, 4, Some(20)));
    assert!((38_000.0..44_000.0).contains(&ahead.demand), "{}", ahead.demand);
    // The plateau itself is what demand asks for, give or take the band.
    let during = world.live(4 * DAY + 10 * HOUR, daily).unwrap();
    assert!((40..=44).contains(&during.to), "{}", during.headline());
}

#[test]
fn a_shadow_shows_and_changes_nothing() {
    let (mut shadow, mut off) = (World::new(ForecastMode::Shadow), World::new(ForecastMode::Off));
    let mut asked = 0;
    for _ in 0..4 * DAY / 60 {
        let load = daily(shadow.second);
        let (with, without) = (shadow.look(&shadow.see(load)), off.look(&off.see(load)));
        assert_eq!((with.to, with.wanted, codes(&with)), (without.to, without.wanted, codes(&without)));
        assert_eq!(without.signals[0].outlook, None);
        assert_eq!(condition(&without, ConditionKind::ForecastActive), None);
        asked += u32::from(outlook(&with).ahead.and_then(|ahead| ahead.replicas) > with.wanted);
        if let Some((status, _)) = condition(&with, ConditionKind::ForecastActive) {
            assert!(!status);
        }
    }
    assert!(asked > 0, "what it would have asked for is shown");
}

#[test]
fn a_forecast_that_is_wrong_is_off_within_a_day_and_says_so() {
    // The peak comes at night from now on.
    let mut world = experienced();
    let moved = |second: u64| daily(second + 11 * HOUR + 30 * 60);
    let mut off = None;
    for _ in 0..2 * DAY / 60 {
        let decision = world.look(&world.see(moved(world.second)));
        if off.is_none() && outlook(&decision).standing == Standing::NoBetter {
            off = Some(world.second - 4 * DAY);
            assert_eq!(outlook(&decision).to_string(), "adds nothing: its recent error is not less than 80% of that without");
            assert_eq!(condition(&decision, ConditionKind::ForecastActive), Some((false, "NoBetter")));
            assert!(!codes(&decision).contains(&"Forecast"), "gone with the look that finds it");
        }
    }
    println!("off after {:.1} h", off.unwrap() as f64 / HOUR as f64);
    assert!(off.unwrap() < DAY);
}

#[test]
fn what_was_not_seen_is_not_zero() {
    // Nobody looked on the third day from 6:00 to 16:00.
    let mut world = World::new(ForecastMode::On);
    world.live(2 * DAY + 6 * HOUR, daily);
    world.second = 2 * DAY + 16 * HOUR;
    let decision = world.live(4 * DAY + 9 * HOUR - 60, daily).unwrap();
    assert_eq!(outlook(&decision).ahead.unwrap().seasons, 3);
    assert!((20..=22).contains(&decision.to), "{}", decision.headline());
}

#[test]
fn a_load_that_stands_still_is_never_written_for() {
    // Points within the tolerance of each other and of the target, for four days.
    let mut world = World::new(ForecastMode::On);
    world.policy.tolerance.down = 0.1;
    let noise = |second: u64| 1.0 + 0.09 * ((second / 60).wrapping_mul(2_654_435_761) % 1000) as f64 / 1000.0;
    for _ in 0..4 * DAY / 60 {
        let decision = world.look(&world.see(10.0 * noise(world.second)));
        assert_eq!(decision.to, 10, "{}", decision.headline());
    }
}

#[test]
fn a_value_with_a_target_of_its_own_has_none() {
    let policy = Policy { signals: vec![external(Target::Value(1000.0))], ..policy_with(ForecastMode::On) };
    let decision = decide_once(&policy, &seen_total(3, 3, 1000.0));
    assert_eq!(outlook(&decision).to_string(), "adds nothing: a value with a target of its own has no forecast");
    assert_eq!(condition(&decision, ConditionKind::ForecastActive), Some((false, "Unsuitable")));
}

#[test]
fn a_successor_goes_on_with_what_was_learned() {
    let mut world = experienced();
    // The checkpoint holds the history, what moves put into the status does not.
    let checkpoint = whole("u", world.now(), &world.memory);
    world.live(4 * DAY + 600, daily);
    let status = record("u", world.now(), &world.memory);
    assert!(status.memory.learned_until().is_none());
    assert_eq!(checkpoint.memory.learned_until(), Some(START + secs(4 * DAY - 300)));
    let bytes = seal(std::slice::from_ref(&checkpoint)).unwrap();
    println!("checkpoint of four days: {} bytes", bytes.len());
    let found = open(&bytes).unwrap();
    assert_eq!(found[0], checkpoint);
    let (mut keeper, memory) = Keeper::restore(vec![found[0].clone(), status], &[], None, secs(60));
    let mut successor = World { memory, ..world.clone() };
    successor.live(4 * DAY + 5 * HOUR, daily);
    assert!(keeper.is_due(&successor.memory, &successor.policy), "what was learned since is due");
    keeper.written(keeper.record("u", &successor.memory, successor.now()).unwrap());
    successor.live(4 * DAY + 5 * HOUR + 3000, daily);
    assert!(!keeper.is_due(&successor.memory, &successor.policy), "but not more often than once an hour");
    successor.live(4 * DAY + 6 * HOUR + 600, daily);
    assert!(keeper.is_due(&successor.memory, &successor.policy));
    assert!((20..=22).contains(&successor.live(4 * DAY + 9 * HOUR - 60, daily).unwrap().to));
}

#[test]
fn an_object_that_would_be_too_large_gives_up_the_oldest_history_first() {
    let mut world = World::new(ForecastMode::Shadow);
    // Noise in every slot of four weeks: nothing that compresses.
    let mut random = fastrand::Rng::with_seed(1);
    while world.second < 28 * DAY {
        world.look(&world.see(10.0 + 20.0 * random.f64()));
        world.second += 240;
    }
    let one = seal(&[whole("u", world.now(), &world.memory)]).unwrap().len();
    println!("checkpoint of four weeks of noise: {one} bytes");
    assert!(one < 16 * 1024, "{one}");
    let many: Vec<_> = (0..160).map(|n| whole(&format!("u{n}"), world.now(), &world.memory)).collect();
    let opened = open(&seal(&many).unwrap()).unwrap();
    assert_eq!(opened.len(), many.len());
    assert!(opened.iter().all(|record| record.memory.learned_until().is_some()));
}

/// What a look may bring, a minute or any other time after the one before.
#[derive(Clone, Debug)]
enum Look {
    Load(f64),
    Failed,
    Gap(u64),
    Jump(i64),
}

fn a_look() -> impl Strategy<Value = Look> {
    prop_oneof![
        12 => (0.0..80.0).prop_map(Look::Load),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(0.0), Just(1e15), Just(-1.0)].prop_map(Look::Load),
        1 => Just(Look::Failed),
        2 => (0..30 * HOUR).prop_map(Look::Gap),
        1 => (-40 * 86_400i64..40 * 86_400).prop_map(Look::Jump),
    ]
}

fn few(divisor: u32) -> ProptestConfig {
    let config = properties();
    ProptestConfig { cases: (config.cases / divisor).max(64), ..config }
}

/// Looks from a certain hour of the fifth day on.
fn looks() -> impl Strategy<Value = (u64, Vec<Look>)> {
    (0..24u64, prop::collection::vec(a_look(), 1..30))
}

fn play(world: &mut World, look: &Look) -> Option<Observation> {
    match look {
        Look::Load(replicas) => Some(world.see(*replicas)),
        Look::Failed => Some(world.observe(failed("gone"))),
        Look::Gap(seconds) => {
            world.second += seconds;
            None
        }
        Look::Jump(seconds) => {
            world.second = world.second.saturating_add_signed(*seconds);
            None
        }
    }
}

proptest! {
    #![proptest_config(properties())]

    /// From any state: at least what demand asks for without it, and at most twice that.
    #[test]
    fn it_only_adds_and_at_most_as_much_again((hour, looks) in looks(), horizon in prop::option::of(1u64..3600), capacity in any::<bool>()) {
        let mut world = experienced();
        world.policy.forecast.horizon = horizon.map(secs);
        if capacity {
            world.policy.signals = vec![external(Target::Capacity(1000.0))];
        }
        world.second += hour * HOUR;
        for look in &looks {
            let Some(observation) = play(&mut world, look) else { continue };
            let plain = Policy { forecast: Forecast::default(), ..world.policy.clone() };
            let without = decide(&plain, &mut world.memory.clone(), &observation, world.now());
            let with = world.look(&observation);
            prop_assert!(with.to >= without.to, "{}\n{}", with.headline(), without.headline());
            prop_assert_eq!(with.wanted.is_some(), without.wanted.is_some());
            if let (Some(with), Some(without)) = (with.wanted, without.wanted) {
                prop_assert!((without..=2 * without).contains(&with), "{with} {without}");
            }
            if codes(&with).contains(&"Forecast") {
                prop_assert!(outlook(&with).is_on());
            }
        }
    }
}

proptest! {
    #![proptest_config(few(20))]

    #[test]
    fn a_restored_forecast_decides_alike((hour, looks) in looks()) {
        let mut world = experienced();
        world.second += hour * HOUR;
        for (index, look) in looks.iter().enumerate() {
            let Some(observation) = play(&mut world, look) else { continue };
            let mut restored = world.clone();
            if index % 8 == 0 {
                let bytes = seal(&[whole("u", world.now(), &world.memory)]).unwrap();
                restored.memory = open(&bytes).unwrap().remove(0).memory;
            }
            prop_assert_eq!(format!("{:?}", restored.look(&observation)), format!("{:?}", world.look(&observation)));
        }
    }
}

proptest! {
    // Four days each.
    #![proptest_config(few(100))]

    /// Whatever noise lies within the tolerance, of the target and of itself.
    #[test]
    fn noise_within_the_tolerance_is_never_written_for(size in 1u32..60, low in 0.905f64..1.0, shares in prop::collection::vec(1.0f64..1.095, 7..60), horizon in 1u64..3600) {
        let mut world = World::new(ForecastMode::On);
        world.policy.forecast.horizon = Some(secs(horizon));
        world.policy.tolerance.down = 0.1;
        world.size = size;
        for look in 0..4 * 288usize {
            let load = low * shares[look % shares.len()] * f64::from(size);
            let decision = world.look(&world.see(load));
            world.second += 240;
            prop_assert_eq!(decision.to, size, "{}", decision.headline());
        }
    }
}
