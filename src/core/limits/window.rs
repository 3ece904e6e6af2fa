//! Stabilization: past proposals hold back a move.

use std::time::Duration;

use super::Step;
use super::history::{Proposal, Proposals};
use super::{Ask, patience};
use crate::core::reason::{Direction, Hold, Reason};
use crate::core::{Behavior, Memory, Policy, Smoothing, Time, trend};

/// Applies the windows to `wanted` and stores it.
pub(super) fn stabilize(policy: &Policy, memory: &mut Memory, current: u32, ask: Ask, now: Time) -> Step {
    let Memory { proposals, ahead, patience, .. } = memory;
    let Ask { wanted, mut lasting } = ask;
    let (mut step, mut longest) = match &policy.behavior {
        None => (without_behavior(policy.downscale_stabilization, proposals, wanted, now), policy.downscale_stabilization),
        Some(behavior) => (with_behavior(behavior, proposals, current, wanted, now), behavior.up.window.max(behavior.down.window)),
    };
    if let Some(default) = adaptive(policy) {
        // The learned window first: what it leaves may be a small scale-in.
        for _ in 0..2 {
            let window = patience.window_of(default, current, step.size, now);
            if let Some(longer) = longer(window, proposals, step.size, current, wanted, now).filter(|_| window > default) {
                step = longer;
            }
        }
        // A rise that was foreseen is measured by the end of this time, or it was none and must not cost the whole window.
        let kept = trend::SPAN.min(default);
        step = longer(kept, ahead, step.size, current, wanted, now).unwrap_or(step);
        ahead.store(wanted, now, kept);
        longest = longest.max(patience::longest(default));
    } else {
        *ahead = Proposals::default();
        lasting = wanted;
    }
    proposals.store_range(lasting, wanted, now, longest);
    step
}

/// The default scale-in window, where it may be learned: the policy does not say how long it should be.
pub(super) fn adaptive(policy: &Policy) -> Option<Duration> {
    match &policy.behavior {
        _ if policy.smoothing == Smoothing::None => None,
        None => Some(policy.downscale_stabilization),
        Some(behavior) => behavior.down.adaptive.then_some(behavior.down.window),
    }
    .filter(|window| !window.is_zero())
}

/// What a longer window than the default makes of a scale-in: it only holds, so the present size is the most.
fn longer(window: Duration, proposals: &Proposals, size: u32, current: u32, wanted: u32, now: Time) -> Option<Step> {
    let past = proposals.highest(|time| time > now - window).filter(|past| past.replicas > size && size < current)?;
    let end = past.time + window;
    let then = after_high(proposals, past, wanted).min(current);
    let size = past.replicas.min(current);
    Some(held(Hold { direction: Direction::Down, wanted, size, then, ..hold(past, window, end, now) }, end))
}

/// The highest proposal within the window, its far end included, wins, even above the current size.
fn without_behavior(window: Duration, proposals: &Proposals, wanted: u32, now: Time) -> Step {
    let cutoff = now - window;
    match proposals.highest(|time| time >= cutoff) {
        Some(past) if past.replicas > wanted => {
            // The far end is included, so the window ends one tick of the clock later.
            let end = past.time + window + Duration::from_millis(1);
            let then = after_high(proposals, past, wanted);
            held(Hold { direction: Direction::Down, wanted, size: past.replicas, then, ..hold(past, window, end, now) }, end)
        }
        _ => Step::free(wanted),
    }
}

/// The current size, raised to the lowest proposal of the up window or lowered to the highest of the down window.
fn with_behavior(behavior: &Behavior, proposals: &Proposals, current: u32, wanted: u32, now: Time) -> Step {
    let (up, down) = (behavior.up.window, behavior.down.window);
    let lowest = proposals.lowest(|time| time > now - up).filter(|past| past.replicas < wanted);
    let highest = proposals.highest(|time| time > now - down).filter(|past| past.replicas > wanted);
    let floor = lowest.map_or(wanted, |past| past.replicas);
    let ceiling = highest.map_or(wanted, |past| past.replicas);
    let size = current.max(floor).min(ceiling);
    if size == wanted {
        return Step::free(wanted);
    }
    match (lowest, highest) {
        (Some(past), _) if wanted >= current => {
            let end = past.time + up;
            let next = proposals.lowest(|time| time > past.time).map_or(wanted, |next| next.replicas.min(wanted));
            held(Hold { direction: Direction::Up, wanted, size, then: next.max(current), ..hold(past, up, end, now) }, end)
        }
        (_, Some(past)) if wanted < current => {
            let end = past.time + down;
            let then = after_high(proposals, past, wanted).min(current);
            held(Hold { direction: Direction::Down, wanted, size, then, ..hold(past, down, end, now) }, end)
        }
        _ => Step::free(size),
    }
}

/// What the window gives once `past` has left it: the highest proposal since, as far as it is above `wanted`.
fn after_high(proposals: &Proposals, past: Proposal, wanted: u32) -> u32 {
    proposals.highest(|time| time > past.time).map_or(wanted, |next| next.replicas.max(wanted))
}

/// The times of a hold; the sizes are to be filled in.
fn hold(past: Proposal, window: Duration, end: Time, now: Time) -> Hold {
    let (age, remaining) = (now.since(past.time), end.since(now));
    Hold { direction: Direction::Down, wanted: 0, size: 0, past: past.replicas, window, age, remaining, then: 0 }
}

fn held(hold: Hold, end: Time) -> Step {
    Step { size: hold.size, reason: Some(Reason::Stabilized(hold)), next: Some(end) }
}
