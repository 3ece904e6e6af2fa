//! How far one move may go: the behavior's rate policies, or the stock limit where there are none.

use super::history::Changes;
use crate::core::reason::Direction;
use crate::core::{Amount, RatePolicy, ScalingRules, Select, Time};

/// Without behavior the size may double, or reach this.
const FREE_SIZE: u32 = 4;

/// The farthest size allowed in one direction and what sets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reach {
    pub size: u32,
    /// The binding policy; `None`: the direction is off.
    pub policy: Option<RatePolicy>,
    /// When the budget of that policy grows again.
    pub next: Option<Time>,
}

/// Own moves of both directions: what one took, the other gives back.
#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    pub ups: &'a Changes,
    pub downs: &'a Changes,
    pub now: Time,
}

/// Twice the current size, at least 4.
pub(in crate::core) fn doubling(current: u32) -> u32 {
    current.saturating_mul(2).max(FREE_SIZE)
}

/// Ten times the current size, at least 4 more: what one wrong sample can cost.
pub(super) fn tenfold(current: u32) -> u32 {
    current.saturating_mul(10).max(current.saturating_add(FREE_SIZE))
}

/// The farthest size the rules allow from `current`; on the wrong side of it they allow nothing, and the size holds.
pub(super) fn reach(rules: &ScalingRules, direction: Direction, current: u32, budget: Budget<'_>) -> Reach {
    if rules.select == Select::Disabled {
        return Reach { size: current, policy: None, next: None };
    }
    let widest = (rules.select == Select::Max) == (direction == Direction::Up);
    let mut binding: Option<(i64, RatePolicy)> = None;
    for policy in &rules.policies {
        let size = bound(*policy, direction, current, budget);
        if binding.is_none_or(|(best, _)| if widest { size > best } else { size < best }) {
            binding = Some((size, *policy));
        }
    }
    let Some((size, policy)) = binding else {
        // Not reachable with a validated policy; no rule means no limit.
        let size = if direction == Direction::Up { u32::MAX } else { 0 };
        return Reach { size, policy: None, next: None };
    };
    let size = u32::try_from(size.max(0)).unwrap_or(u32::MAX);
    let size = if direction == Direction::Up { size.max(current) } else { size.min(current) };
    let spent = if direction == Direction::Up { budget.ups } else { budget.downs };
    Reach { size, policy: Some(policy), next: spent.next_expiry(policy.period, budget.now) }
}

/// The size one policy allows, counted from the size at the start of its period.
fn bound(policy: RatePolicy, direction: Direction, current: u32, budget: Budget<'_>) -> i64 {
    let added = budget.ups.within(policy.period, budget.now);
    let removed = budget.downs.within(policy.period, budget.now);
    let start = i64::from(current) - added + removed;
    match (policy.amount, direction) {
        (Amount::Pods(pods), Direction::Up) => start + i64::from(pods),
        (Amount::Pods(pods), Direction::Down) => start - i64::from(pods),
        // Rounded up, or a small workload could never grow.
        (Amount::Percent(percent), Direction::Up) => saturate((start as f64 * (1.0 + f64::from(percent) / 100.0)).ceil()),
        (Amount::Percent(percent), Direction::Down) => saturate(start as f64 * (1.0 - f64::from(percent) / 100.0)),
    }
}

/// Truncates to a whole size within what a scale can hold.
#[allow(clippy::cast_possible_truncation)] // `as` saturates, and the fraction is to be dropped.
fn saturate(size: f64) -> i64 {
    size.clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i64
}
