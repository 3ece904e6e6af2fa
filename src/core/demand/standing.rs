//! Guards and brakes: where a signal stands to its target. They ask for no size, so nothing of theirs is filtered or foretold.

use smallvec::smallvec;

use super::estimate::{Seen, Smooth};
use super::{Context, Measured, Proposal, failed, gap, is_stale, propose};
use crate::core::reason::{Form, Reason, Standing, Unit, Watched};
use crate::core::{Memory, Reading, Role, Signal, SignalReport};

/// Compares the reading of a guard or brake with its target.
pub(super) fn watch(context: Context<'_>, signal: &Signal, reading: Option<&Reading>, memory: &mut Memory) -> Measured {
    let result = propose(context, signal.target, reading, |seen: Seen| Smooth::plain(seen.raw));
    let gap = gap(&signal.kind, result.as_ref().ok().map(|(_, _, newest)| *newest), memory, context.now);
    let (proposal, newest) = match result {
        Ok((proposal, _, newest)) => (proposal, newest),
        Err(message) => return failed(signal, message),
    };
    let standing = match signal.role {
        // What does not stand against a scale-in must be of now, and of the whole time that it looks back over.
        Role::Guard if !is_above(&proposal, signal.role) && is_stale(context, newest) => Standing::Stale,
        Role::Guard if !is_above(&proposal, signal.role) && gap.is_some() => Standing::Returned,
        // An old value is as good as none, and an unknown brake holds nothing.
        Role::Brake if is_stale(context, newest) => Standing::Stale,
        role if is_above(&proposal, role) => Standing::Above,
        _ => Standing::Below,
    };
    let watched = proposal.watched(signal, standing);
    let age_millis = u64::try_from(context.now.since(newest.time).as_millis()).ok();
    let report =
        SignalReport { holds: watched.holds(), current: Some(proposal.current), age_millis, ..SignalReport::unknown(signal, None) };
    Measured { report, reasons: smallvec![Reason::Watched(watched)], freeze: None, lasting: None }
}

/// Where some pods have no sample, a guard is above its target if either end of the interval says so. A brake goes by what is known: pods
/// that have yet to start must not make room for more of them.
fn is_above(proposal: &Proposal, role: Role) -> bool {
    let known = match proposal.form {
        Form::Utilization | Form::PerPod => proposal.value / proposal.target,
        Form::PerReplica | Form::Whole | Form::Capacity => proposal.ratio,
    };
    known > 1.0 || (role == Role::Guard && proposal.ratio > 1.0)
}

impl Proposal {
    fn watched(&self, signal: &Signal, standing: Standing) -> Watched {
        let Self { form, value, target, pods, .. } = *self;
        Watched { signal: signal.name().clone(), role: signal.role, form, unit: Unit::of(&signal.kind), value, target, pods, standing }
    }
}
