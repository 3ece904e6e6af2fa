//! A look that finds what the look before found allocates nothing: what is always said is made once, and what is rarely read is rendered
//! when it is read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use std::collections::BTreeMap;

use ballast::core::*;
use core_support::*;
use dhat::{HeapStats, Profiler};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Looks until memory has the room it needs and a scale-in window of 300 s has passed.
const FIRST: u64 = 40;
/// Looks that are counted.
const COUNTED: u64 = 100;

fn smooth(policy: Policy) -> Policy {
    Policy { smoothing: Smoothing::Smooth(SmoothParameters::default()), ..policy }
}

fn on(signal: Signal) -> Policy {
    smooth(policy(vec![signal]))
}

/// Ten pods at so many percent of their requests.
fn at_percent(percent: u32) -> Observation {
    seen(10, many(10, &ready(f64::from(percent) * 10.0)))
}

fn foreseeing() -> Policy {
    Policy { forecast: Forecast { mode: ForecastMode::On, horizon: None }, ..on(cpu(60)) }
}

fn paused() -> Policy {
    let pause = Pause { direction: PauseDirection::All, until: Some(at(100_000)), reason: "load test".into(), by: "ana".into() };
    Policy { pause: Some(pause), ..on(cpu(60)) }
}

fn never_up() -> Policy {
    let behavior = Behavior { up: rules(0, Select::Disabled, &[(Amount::Pods(4), 15)]), down: default_down() };
    Policy { behavior: Some(behavior), ..on(cpu(60)) }
}

fn by_schedule() -> Observation {
    let by = BySchedule { name: "office".into(), span: "until 18:00 Europe/Berlin".into() };
    let floor = Some(ScheduledBound { replicas: 10, by });
    Observation { scheduled: Scheduled { floor, ..Scheduled::default() }, ..at_percent(20) }
}

fn unlike() -> Observation {
    let pods = [many(8, &ready(600.0)), many(1, &missing()), many(1, &pending()), many(1, &ready(600.0).deleting())];
    seen(10, pods.concat())
}

fn two_signals() -> Observation {
    let mut observation = at_percent(60);
    observation.readings.push(total(10_000.0));
    observation
}

fn set_by_other() -> Observation {
    Observation { writer: Some(Writer::Manager { name: "kubectl".into(), way: Way::Scale }), ..at_percent(60) }
}

fn cases() -> Vec<(&'static str, Policy, Observation, Verdict)> {
    use Verdict::{Disabled, Held, ScaleDown, ScaleUp, Steady};
    let whole = || Target::AverageValue(1000.0);
    let recommend = Policy { mode: Mode::Recommend, ..on(cpu(60)) };
    vec![
        ("steady by the stock rule", policy(vec![cpu(60)]), at_percent(60), Steady),
        ("steady, smoothed", on(cpu(60)), at_percent(60), Steady),
        ("steady with a forecast", foreseeing(), at_percent(60), Steady),
        ("steady with an average of real numbers", on(prometheus(whole())), seen(10, many(10, &ready(1000.3))), Steady),
        ("steady with a value for the whole", on(prometheus(whole())), seen_total(10, 10, 10_000.0), Steady),
        ("steady by capacity", on(prometheus(Target::Capacity(1000.0))), seen(10, many(10, &ready(730.0))), Steady),
        ("steady with two signals", smooth(policy(vec![cpu(60), external(whole())])), two_signals(), Steady),
        ("steady with pods of all kinds", on(cpu(60)), unlike(), Steady),
        ("held by the scale-in window", Policy { downscale_stabilization: secs(100_000), ..on(cpu(60)) }, at_percent(30), Held),
        ("held by a direction that is off", never_up(), at_percent(90), Held),
        ("held by the maximum", Policy { max_replicas: 10, ..on(cpu(60)) }, at_percent(90), Held),
        ("held by a schedule", on(cpu(60)), by_schedule(), Held),
        ("held by a pause", paused(), at_percent(90), Held),
        ("growing", on(cpu(60)), at_percent(90), ScaleUp),
        ("shrinking as a recommendation", recommend, at_percent(30), ScaleDown),
        ("steady at a size that somebody else has set", on(cpu(60)), set_by_other(), Steady),
        ("switched off", on(cpu(60)), seen(0, vec![]), Disabled),
    ]
}

/// Blocks allocated by the looks that are counted, all of which must come to `verdict`. A writer sets the size when counting begins.
fn allocated(policy: &Policy, observation: &mut Observation, verdict: Verdict) -> u64 {
    let (mut memory, mut blocks) = (Memory::default(), 0);
    let size = observation.spec_replicas;
    for look in 0..FIRST + COUNTED {
        let now = at(look * 15);
        for reading in &mut observation.readings {
            match reading {
                Reading::PerPod { samples, .. } => samples.iter_mut().flatten().for_each(|sample| sample.time = now),
                Reading::Total(sample) => sample.time = now,
                Reading::Failed(_) => {}
            }
        }
        observation.spec_replicas = if observation.writer.is_some() && look < FIRST { size - 1 } else { size };
        let before = HeapStats::get().total_blocks;
        let decision = decide(policy, &mut memory, observation, now);
        if look >= FIRST {
            blocks += HeapStats::get().total_blocks - before;
            assert_eq!(decision.verdict, verdict, "{}", decision.headline());
        }
    }
    blocks
}

/// The only test of its binary, since the allocations of all threads are counted.
#[test]
fn a_look_that_finds_nothing_new_allocates_nothing() {
    let _profiler = Profiler::builder().testing().build();
    let count = |(name, policy, mut observation, verdict)| (name, allocated(&policy, &mut observation, verdict));
    let found: BTreeMap<&str, u64> = cases().into_iter().map(count).filter(|(_, blocks)| *blocks > 0).collect();
    assert!(found.is_empty(), "allocations in {COUNTED} looks: {found:#?}");
    let blocks = allocated(&on(cpu(60)), &mut seen(1000, many(1000, &ready(600.0))), Verdict::Steady);
    assert_eq!(blocks, COUNTED, "a thousand pods do not fit in place: one block per look, which also shows that blocks are counted");
}
