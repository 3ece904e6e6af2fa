//! Several signals: one size.

use super::demand::Measured;

/// What the signals ask for together.
pub(super) enum Combined {
    /// The largest proposal, and the signal it comes from.
    Wanted { replicas: u32, driver: usize },
    /// Nothing to act on: all signals failed, or some did and the others would shrink.
    Incomplete { failed: usize, first: usize, wanted: Option<u32> },
}

impl Combined {
    /// What the known signals ask for.
    pub fn wanted(&self) -> Option<u32> {
        match *self {
            Self::Wanted { replicas, .. } => Some(replicas),
            Self::Incomplete { wanted, .. } => wanted,
        }
    }
}

/// The maximum of the drivers' proposals. An unknown driver or guard blocks shrinking only: known ones may always grow
/// (kubernetes/kubernetes#99394, #61007).
pub(super) fn combine(measured: &[Measured], current: u32) -> Combined {
    let mut best: Option<(u32, usize)> = None;
    let mut first_failed = None;
    let mut failed = 0;
    for (index, measured) in measured.iter().enumerate() {
        match measured.report.proposal {
            Some(replicas) if best.is_none_or(|(most, _)| replicas > most) => best = Some((replicas, index)),
            None if measured.report.is_missing() => {
                failed += 1;
                first_failed = first_failed.or(Some(index));
            }
            _ => {}
        }
    }
    match (best, first_failed) {
        (Some((replicas, _)), Some(first)) if replicas < current => Combined::Incomplete { failed, first, wanted: Some(replicas) },
        (Some((replicas, driver)), _) => Combined::Wanted { replicas, driver },
        (None, first) => Combined::Incomplete { failed, first: first.unwrap_or_default(), wanted: None },
    }
}
