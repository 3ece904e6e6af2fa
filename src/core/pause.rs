//! A hold by hand: read from the policy alone, so a restart neither forgets nor revives it.

use super::reason::{Reason, remaining};
use super::{Pause, PauseDirection, Time};

/// Why a move from `from` to `to` is paused, if it is. A pause also holds moves back into the bounds: who pauses wants quiet.
pub(super) fn hold(pause: Option<&Pause>, from: u32, to: u32, now: Time) -> Option<Reason> {
    let pause = pause.filter(|pause| pause.until.is_none_or(|until| now < until))?;
    let covered = match pause.direction {
        PauseDirection::All => to != from,
        PauseDirection::Up => to > from,
        PauseDirection::Down => to < from,
    };
    covered.then(|| Reason::Paused {
        direction: pause.direction,
        wanted: to,
        by: pause.by.clone(),
        why: pause.reason.clone(),
        remaining: remaining(pause.until, now),
    })
}
