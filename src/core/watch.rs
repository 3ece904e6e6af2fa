//! What guards and brakes hold of the size that everything else leaves.
//!
//! - A guard above its target keeps scale-in from happening, and so for one scale-in window more: a value that swings about the target must
//!   not let the size slip at each low. It never makes the size grow.
//! - A brake above its target keeps growth from happening, for so long only: the drivers' proposals are remembered, so growth goes on
//!   as soon as it lets go. It never makes the size shrink.
//! - Bounds, schedules, fallback and waking from 0 are the owner's words, not demand: no brake holds them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::demand::Measured;
use super::limits::Step;
use super::reason::{Reason, Watched};
use super::{Memory, Policy, Role, Time};

/// The first guard and the first brake that hold now.
#[derive(Default)]
pub(super) struct Watch {
    guard: Option<Watched>,
    brake: Option<Watched>,
    /// All guards are known, and there are some.
    guards_known: bool,
}

/// What is remembered of guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Guarded {
    /// One was above its target at the last look.
    Now,
    /// One was until then.
    Until(Time),
}

// === impl Watch ===

impl Watch {
    pub fn of(measured: &[Measured]) -> Self {
        let holding = |role: Role| {
            let mut reasons = measured.iter().filter(|one| one.report.holds && one.report.role == role).flat_map(|one| &one.reasons);
            reasons.find_map(|reason| if let Reason::Watched(watched) = reason { Some(watched.clone()) } else { None })
        };
        let guards = || measured.iter().filter(|one| one.report.role == Role::Guard);
        let guards_known = guards().all(|one| one.report.failure.is_none()) && guards().next().is_some();
        Self { guard: holding(Role::Guard), brake: holding(Role::Brake), guards_known }
    }

    /// Applies them to a size.
    pub fn limit(self, policy: &Policy, memory: &mut Memory, current: u32, wanted: u32, now: Time) -> Step {
        let window = window(policy);
        memory.guarded = match memory.guarded {
            _ if !policy.signals.iter().any(|signal| signal.role == Role::Guard) => None,
            _ if self.guard.is_some() => Some(Guarded::Now),
            // A guard that failed may be anything.
            before if !self.guards_known => before,
            Some(Guarded::Now) => Some(Guarded::Until(now)),
            Some(Guarded::Until(time)) if time + window <= now => None,
            before => before,
        };
        if wanted < current {
            if let Some(guard) = self.guard {
                return Step { size: current, reason: Some(Reason::Guarded { by: guard, wanted }), next: None };
            }
            if let Some(Guarded::Until(time)) = memory.guarded
                && time + window > now
            {
                let remaining = (time + window).since(now);
                return Step {
                    size: current,
                    reason: Some(Reason::GuardedLately { wanted, window, remaining }),
                    next: Some(time + window),
                };
            }
        } else if let Some(brake) = self.brake.filter(|_| wanted > current && current > 0) {
            return Step { size: current, reason: Some(Reason::Braked { by: brake, wanted }), next: None };
        }
        Step::free(wanted)
    }
}

/// The scale-in window, as it is written or by default.
fn window(policy: &Policy) -> Duration {
    policy.behavior.as_ref().map_or(policy.downscale_stabilization, |behavior| behavior.down.window)
}

// === impl Guarded ===

impl Guarded {
    /// Whether it holds longer than what was saved.
    pub fn outlasts(self, saved: Option<Self>) -> bool {
        match (self, saved) {
            (_, Some(Self::Now)) => false,
            (Self::Now, _) | (Self::Until(_), None) => true,
            (Self::Until(time), Some(Self::Until(saved))) => time > saved,
        }
    }
}
