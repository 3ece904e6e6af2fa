//! A controller killed at any tick and restored from what it had saved, beside one that was not killed: random histories.
//!
//! `PROPTEST_CASES` sets the number of histories.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::checkpoint::{Keeper, Move, Record, from_text, open, seal, to_text};
use ballast::core::*;
use core_support::*;
use proptest::prelude::*;
use rstest::rstest;

const INTERVAL: u64 = 30;
const UID: &str = "6f2c41d0-0d7b-4f6e-9c1a-000000000001";

/// One controller of one workload, with all that it leaves behind when it dies.
#[derive(Clone)]
struct Controller {
    memory: Memory,
    keeper: Keeper,
    size: u32,
    /// Newest first.
    moves: Vec<(Time, u32, u32)>,
    status: Option<String>,
    object: Option<Vec<u8>>,
    writes: usize,
}

impl Controller {
    fn new(size: u32) -> Self {
        let (memory, keeper) = (Memory::default(), Keeper::default());
        Self { memory, keeper, size, moves: Vec::new(), status: None, object: None, writes: 0 }
    }

    fn look(&mut self, policy: &Policy, demand: f64, now: Time) -> Decision {
        let reading = Reading::Total(Sample { value: demand * 1000.0, time: now, window: secs(30) });
        let observation = Observation { status_replicas: self.size, ..observed(self.size, Vec::new(), vec![reading]) };
        let decision = decide(policy, &mut self.memory, &observation, now);
        self.save(policy, false, now);
        if decision.to != decision.from {
            self.memory.rescaled(policy, decision.from, decision.to, now);
            self.size = decision.to;
            self.moves.insert(0, (now, decision.from, decision.to));
            self.save(policy, true, now);
        }
        decision
    }

    fn save(&mut self, policy: &Policy, moved: bool, now: Time) {
        if let Some(record) = self.keeper.at_once(UID, &self.memory, policy, moved, now) {
            self.status = Some(to_text(&record).unwrap());
        }
    }

    fn checkpoint(&mut self, policy: &Policy, now: Time) {
        if self.keeper.is_due(&self.memory, policy) {
            let record = ballast::checkpoint::record(UID, now, &self.memory);
            self.object = Some(seal(std::slice::from_ref(&record)).unwrap());
            self.keeper.written(record);
            self.writes += 1;
        }
    }

    /// Kill -9, and a new process: only bytes are left.
    fn crash(&mut self) {
        let mut found: Vec<Record> = self.object.as_ref().map(|bytes| open(bytes).unwrap()).unwrap_or_default();
        found.extend(self.status.as_ref().map(|text| from_text(text).unwrap()));
        let second = |time: Time| Time::from_secs(time.as_millis().div_euclid(1000));
        let moves: Vec<Move> = self.moves.iter().take(10).map(|&(at, from, to)| Move { second: second(at), from, to }).collect();
        (self.keeper, self.memory) = Keeper::restore(found, &moves, None, secs(INTERVAL));
    }
}

/// The size that the rates allow at most (or at least), from the moves that were really made.
fn allowed(rules: &ScalingRules, moves: &[(Time, u32, u32)], current: u32, up: bool, now: Time) -> f64 {
    let bounds = rules.policies.iter().map(|policy| {
        let recent = moves.iter().filter(|(at, ..)| *at > now - policy.period);
        let start = f64::from(current) - recent.map(|&(_, from, to)| f64::from(to) - f64::from(from)).sum::<f64>();
        match (policy.amount, up) {
            (Amount::Pods(pods), true) => start + f64::from(pods),
            (Amount::Pods(pods), false) => start - f64::from(pods),
            (Amount::Percent(percent), true) => (start * (1.0 + f64::from(percent) / 100.0)).ceil(),
            (Amount::Percent(percent), false) => (start * (1.0 - f64::from(percent) / 100.0)).trunc(),
        }
    });
    let widest = (rules.select == Select::Max) == up;
    bounds.reduce(if widest { f64::max } else { f64::min }).unwrap()
}

#[derive(Clone)]
struct History {
    policy: Policy,
    step: u64,
    /// Demand in replicas, one per look.
    demand: Vec<f64>,
    kill: usize,
    offset: u64,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Policy { behavior, downscale_stabilization, min_replicas, .. } = &self.policy;
        write!(f, "min {min_replicas}, window {downscale_stabilization:?}, {behavior:?}, ")?;
        write!(f, "step {}, kill at look {}, offset {}, demand {:?}", self.step, self.kill, self.offset, self.demand)
    }
}

fn phases() -> impl Strategy<Value = Vec<f64>> {
    let phase = (0u32..200, 1u32..30, 0u32..3);
    prop::collection::vec(phase, 2..10).prop_map(|phases| {
        let mut demand = Vec::new();
        for (level, looks, noise) in phases {
            demand.extend((0..looks).map(|i| f64::from(level + noise * (i * 7 % 4)) / 10.0));
        }
        demand
    })
}

fn rate(limited: bool) -> BoxedStrategy<Vec<(Amount, u64)>> {
    if !limited {
        return Just(vec![(Amount::Pods(100), 15)]).boxed();
    }
    let amount = prop_oneof![(1u32..6).prop_map(Amount::Pods), (5u32..200).prop_map(Amount::Percent)];
    prop::collection::vec((amount, 5u64..120), 1..3).boxed()
}

prop_compose! {
    fn history(smoothing: Smoothing, limited: bool)(
        demand in phases(), step in prop_oneof![Just(1u64), Just(5), Just(15)], kill in any::<prop::sample::Index>(), offset in 0u64..INTERVAL,
        behavior in prop::option::weighted(if limited { 0.99 } else { 0.5 }, (0u64..200, rate(limited), rate(limited), any::<bool>())), window in 0u64..200, min in 1u32..4,
    ) -> History {
        let select = |min| if min { Select::Min } else { Select::Max };
        let behavior = behavior.map(|(down, up_rate, down_rate, min)|
            Behavior { up: rules(0, select(min), &up_rate), down: rules(down, select(min), &down_rate) });
        let policy = Policy {
            behavior, smoothing, min_replicas: min, max_replicas: 40, downscale_stabilization: secs(window),
            // A band around the size keeps what it is: two sizes inside it would never meet again.
            tolerance: Tolerance { up: 0.0, down: 0.0 }, interval: secs(step), ..policy(vec![per_replica()])
        };
        let kill = kill.index(demand.len());
        History { policy, step, demand, kill, offset }
    }
}

/// Sizes after each look, without and with the kill.
fn both(history: &History) -> Result<Vec<(u32, u32)>, TestCaseError> {
    let History { policy, step, demand, kill, offset } = history;
    let mut one = Controller::new(5);
    let mut next = NOW + secs(*offset);
    let mut sizes = Vec::new();
    let mut now = NOW;
    let mut other: Option<Controller> = None;
    for (index, &demand) in demand.iter().enumerate() {
        while next <= now {
            one.checkpoint(policy, next);
            next = next + secs(INTERVAL);
        }
        if index == *kill {
            let mut killed = one.clone();
            killed.crash();
            other = Some(killed);
        }
        one.look(policy, demand, now);
        match &mut other {
            None => sizes.push((one.size, one.size)),
            Some(other) => {
                let (before, moves) = (other.size, other.moves.clone());
                other.look(policy, demand, now);
                if let (Some(behavior), true) = (&policy.behavior, other.size > before) {
                    let most = allowed(&behavior.up, &moves, before, true, now);
                    prop_assert!(f64::from(other.size) <= most, "{before} to {} at look {index}, allowed {most}", other.size);
                } else if let (Some(behavior), true) = (&policy.behavior, other.size < before) {
                    let least = allowed(&behavior.down, &moves, before, false, now);
                    prop_assert!(f64::from(other.size) >= least, "{before} to {} at look {index}, allowed {least}", other.size);
                }
                sizes.push((one.size, other.size));
            }
        }
        now = now + secs(*step);
    }
    Ok(sizes)
}

/// A signal fails, and the controller is killed in that look already: on its return the signal is distrusted as long as without the kill.
#[test]
fn a_gap_in_a_rate_outlives_the_kill() {
    let free = || rules(0, Select::Max, &[(Amount::Pods(100), 15)]);
    let behavior = Some(Behavior { up: free(), down: free() });
    let policy = Policy { behavior, ..policy(vec![prometheus(Target::AverageValue(1000.0))]) };
    let mut one = Controller::new(5);
    one.look(&policy, 5.0, NOW);
    one.checkpoint(&policy, at(1));
    let outage = Observation { status_replicas: 5, ..observed(5, Vec::new(), vec![failed("down")]) };
    decide(&policy, &mut one.memory, &outage, at(15));
    one.save(&policy, false, at(15));
    let mut other = one.clone();
    other.crash();
    // The rate looks back over 30 s.
    for (second, size) in [(20, 5), (49, 5), (51, 2)] {
        assert_eq!(one.look(&policy, 2.0, at(second)).to, size);
        assert_eq!(other.look(&policy, 2.0, at(second)).to, size);
    }
}

/// Killed after the size was written and before anybody was told: the size itself tells.
#[rstest]
#[case::with_a_record(true)]
#[case::with_the_status_alone(false)]
fn a_move_that_was_not_told_uses_up_its_budget(#[case] record: bool) {
    let up = rules(0, Select::Max, &[(Amount::Pods(1), 60)]);
    let policy = Policy { behavior: Some(Behavior { up, down: default_down() }), ..policy(vec![per_replica()]) };
    let mut one = Controller::new(5);
    one.look(&policy, 5.0, NOW);
    one.checkpoint(&policy, at(1));
    let mut other = one.clone();
    one.look(&policy, 9.0, at(15));
    assert_eq!(one.size, 6);
    if record {
        other.crash();
    } else {
        (other.keeper, other.memory) = Keeper::restore(Vec::new(), &[], Some(5), secs(INTERVAL));
    }
    other.size = 6;
    assert_eq!(other.look(&policy, 9.0, at(16)).to, 6);
    assert_eq!(other.look(&policy, 9.0, at(75)).to, 6);
    assert_eq!(other.look(&policy, 9.0, at(76)).to, 7);
}

/// A scale-in proved wrong, and the controller is killed in that look: the longer window is remembered.
#[test]
fn a_learned_window_outlives_the_kill() {
    let smoothing = Smoothing::Smooth(SmoothParameters { time_constant: secs(0), lead: Some(secs(0)), ..SmoothParameters::default() });
    let policy = Policy { smoothing, ..policy(vec![per_replica()]) };
    let mut one = Controller::new(10);
    let mut second = 0;
    let mut look = |controllers: &mut [&mut Controller], demand: f64, until: u64| {
        while second < until {
            second += 15;
            for controller in &mut *controllers {
                controller.look(&policy, demand, at(second));
            }
        }
    };
    look(&mut [&mut one], 10.0, 15);
    look(&mut [&mut one], 5.0, 330);
    assert_eq!(one.size, 5, "after the default window of 300 s");
    look(&mut [&mut one], 10.0, 345);
    let mut other = one.clone();
    other.crash();
    look(&mut [&mut one, &mut other], 5.0, 690);
    assert_eq!((one.size, other.size), (10, 10), "300 s have passed, but that was too early before");
    look(&mut [&mut one, &mut other], 5.0, 810);
    assert_eq!((one.size, other.size), (5, 5), "450 s");
}

proptest! {
    #![proptest_config(properties())]

    /// Without smoothing: never below the one that was not killed, and above it for one interval at most.
    #[test]
    fn a_kill_never_shrinks_earlier_nor_much_later(history in history(Smoothing::None, false)) {
        let sizes = both(&history)?;
        let late = usize::try_from(INTERVAL.div_ceil(history.step)).unwrap();
        let window = history.policy.behavior.as_ref().map_or(history.policy.downscale_stabilization, |behavior| behavior.down.window);
        let window = usize::try_from(window.as_secs().div_ceil(history.step)).unwrap();
        for (index, &(one, other)) in sizes.iter().enumerate() {
            prop_assert!(other >= one, "look {index}: {one} without the kill, {other} with it: {sizes:?}");
            // A larger size doubles to more; but what was wanted lately is no late scale-in.
            let recent = sizes[index.saturating_sub(late)..=index].iter().map(|&(one, _)| one).max().unwrap();
            let wanted = history.demand[index.saturating_sub(late + window)..=index].iter().copied().fold(0.0, f64::max).ceil();
            prop_assert!(f64::from(other) <= f64::from(recent).max(wanted), "look {index}: {other} with the kill, {recent} lately without it: {sizes:?}");
        }
    }

    /// With the level filter: never below the one that was not killed. Without the noise band and the trend, by which rises are
    /// judged: what was lost changes them, and a rise may then be followed by a little more or less.
    #[test]
    fn a_kill_never_shrinks_earlier_with_smoothing(
        mut history in history(Smoothing::Smooth(SmoothParameters { noise_band: 0.0, lead: Some(secs(0)), ..SmoothParameters::default() }), false),
    ) {
        // A window that learns from scale-ins learns something else where one came later; here it is as the policy gives it.
        let window = history.policy.downscale_stabilization.as_secs();
        let free = |window| rules(window, Select::Max, &[(Amount::Pods(100), 15)]);
        history.policy.behavior.get_or_insert(Behavior { up: free(0), down: free(window) });
        let sizes = both(&history)?;
        for (index, &(one, other)) in sizes.iter().enumerate() {
            prop_assert!(other >= one, "look {index}: {one} without the kill, {other} with it: {sizes:?}");
        }
    }

    /// With limited rates: none is exceeded (which `both` checks), and the first scale-in after the kill is none that came too early.
    /// Later ones cannot be compared: a move at another time uses up the budget of another time.
    #[test]
    fn a_kill_never_refills_a_budget(history in history(Smoothing::None, true)) {
        let sizes = both(&history)?;
        let first = |size: fn(&(u32, u32)) -> u32| {
            (history.kill.max(1)..sizes.len()).find(|&index| size(&sizes[index]) < size(&sizes[index - 1]))
        };
        if let Some(other) = first(|sizes| sizes.1) {
            prop_assert!(first(|sizes| sizes.0).is_some_and(|one| one <= other), "look {other}: scale-in only with the kill: {sizes:?}");
        }
    }
}
