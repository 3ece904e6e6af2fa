//! From the wanted size to the one that may be set now: windows, rates, bounds, in this order.

mod history;
mod patience;
mod rate;
mod window;

pub(super) use history::{Changes, Proposals};
pub(super) use patience::Patience;

use super::bounds::Bounds;
use super::reason::{Bound, Direction, Rate, Reason};
use super::{Memory, Policy, Smoothing, Time};
pub(super) use rate::doubling;
use rate::{Budget, reach, tenfold};

/// The result of one stage: a size, and why it is not what came in.
pub(super) struct Step {
    pub size: u32,
    pub reason: Option<Reason>,
    /// When the result may change by itself.
    pub next: Option<Time>,
}

impl Step {
    pub(super) fn free(size: u32) -> Self {
        Self { size, reason: None, next: None }
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    pub wanted: u32,
    /// Without the look ahead at a trend; at most `wanted`.
    pub lasting: u32,
}

/// Applies the stabilization windows.
pub(super) fn stabilize(policy: &Policy, memory: &mut Memory, current: u32, ask: Ask, now: Time) -> Step {
    if ask.wanted > current
        && let Some(default) = window::adaptive(policy)
    {
        memory.patience.grew(default, now);
    }
    window::stabilize(policy, memory, current, ask, now)
}

/// Applies rates and bounds to a stabilized size. `seasoned`: this is not the first look at the workload.
pub(super) fn limit(policy: &Policy, bounds: &Bounds<'_>, memory: &Memory, current: u32, wanted: u32, now: Time, seasoned: bool) -> Step {
    match &policy.behavior {
        None if wanted < bounds.min => bounded(bounds, Bound::Minimum, wanted),
        // A jump that is seen whole must not be answered by halves; what is seen first may be anything, so the stock limit holds it.
        None if policy.smoothing != Smoothing::None && seasoned => up_to(bounds, tenfold(current), wanted, || Rate::Tenfold, None),
        None => up_to(bounds, doubling(current), wanted, || Rate::Doubling, None),
        Some(behavior) if wanted > current => {
            let budget = Budget { ups: &memory.ups, downs: &memory.downs, now };
            let reach = reach(&behavior.up, Direction::Up, current, budget);
            up_to(bounds, reach.size, wanted, || reach.policy.map_or(Rate::Off, Rate::Policy), reach.next)
        }
        Some(behavior) if wanted < current => {
            let budget = Budget { ups: &memory.ups, downs: &memory.downs, now };
            let reach = reach(&behavior.down, Direction::Down, current, budget);
            if bounds.min >= reach.size {
                return if wanted < bounds.min { bounded(bounds, Bound::Minimum, wanted) } else { Step::free(wanted) };
            }
            if wanted >= reach.size {
                return Step::free(wanted);
            }
            let rate = reach.policy.map_or(Rate::Off, Rate::Policy);
            limited(Direction::Down, rate, reach.size, wanted, reach.next)
        }
        Some(_) => Step::free(wanted),
    }
}

/// The lower of maximum and rate binds; the maximum is named where both are equal.
fn up_to(bounds: &Bounds<'_>, limit: u32, wanted: u32, rate: impl Fn() -> Rate, next: Option<Time>) -> Step {
    let max = bounds.max;
    if wanted <= max.min(limit) {
        Step::free(wanted)
    } else if max > limit {
        limited(Direction::Up, rate(), limit, wanted, next)
    } else {
        bounded(bounds, Bound::Maximum, wanted)
    }
}

fn bounded(bounds: &Bounds<'_>, bound: Bound, wanted: u32) -> Step {
    let size = if bound == Bound::Minimum { bounds.min } else { bounds.max };
    Step { size, reason: Some(bounds.cut(bound, wanted)), next: None }
}

fn limited(direction: Direction, rate: Rate, size: u32, wanted: u32, next: Option<Time>) -> Step {
    Step { size, reason: Some(Reason::RateLimited { direction, rate, size, wanted }), next }
}
