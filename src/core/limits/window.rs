//! Stabilization: past proposals hold back a move.

use std::time::Duration;

use super::Step;
use super::history::{Proposal, Proposals};
use crate::core::reason::{Direction, Hold, Reason};
use crate::core::{Behavior, Policy, Time};

/// Applies the windows to `wanted` and stores it.
pub(super) fn stabilize(policy: &Policy, proposals: &mut Proposals, current: u32, wanted: u32, now: Time) -> Step {
    let (step, longest) = match &policy.behavior {
        None => (without_behavior(policy.downscale_stabilization, proposals, wanted, now), policy.downscale_stabilization),
        Some(behavior) => (with_behavior(behavior, proposals, current, wanted, now), behavior.up.window.max(behavior.down.window)),
    };
    proposals.store(wanted, now, longest);
    step
}

/// The highest proposal within the window, its far end included, wins, even above the current size.
fn without_behavior(window: Duration, proposals: &Proposals, wanted: u32, now: Time) -> Step {
    let cutoff = now - window;
    match proposals.highest(|time| time >= cutoff) {
        Some(past) if past.replicas > wanted => {
            // The far end is included, so the window ends one tick of the clock later.
            held(Direction::Down, past, past.replicas, wanted, window, past.time + window + Duration::from_millis(1), now)
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
        (Some(past), _) if wanted >= current => held(Direction::Up, past, size, wanted, up, past.time + up, now),
        (_, Some(past)) if wanted < current => held(Direction::Down, past, size, wanted, down, past.time + down, now),
        _ => Step::free(size),
    }
}

fn held(direction: Direction, past: Proposal, size: u32, wanted: u32, window: Duration, end: Time, now: Time) -> Step {
    let hold = Hold { direction, wanted, size, past: past.replicas, window, age: now.since(past.time), remaining: end.since(now) };
    Step { size, reason: Some(Reason::Stabilized(hold)), next: Some(end) }
}
