//! The last decision of one policy in as little memory as it needs: thousands of them are kept for somebody who asks about one.

use smallvec::SmallVec;

use crate::core::{Clamp, Decision, Reason, SignalReport, Time, Verdict};

/// A decision without what is no longer of interest once it was told: its conditions, its warnings and the time of
/// the next look.
#[derive(Clone, Debug)]
pub struct Last {
    time: Time,
    from: u32,
    to: u32,
    wanted: Option<u32>,
    verdict: Verdict,
    reasons: Box<[Reason]>,
    signals: Box<[SignalReport]>,
    clamps: Box<[Clamp]>,
}

// === impl Last ===

impl Last {
    /// The size it asked for.
    pub const fn to(&self) -> u32 {
        self.to
    }

    /// The decision, as far as it was kept.
    pub fn decision(&self) -> Decision {
        Decision {
            time: self.time,
            from: self.from,
            to: self.to,
            wanted: self.wanted,
            verdict: self.verdict,
            reasons: self.reasons.iter().cloned().collect(),
            signals: self.signals.iter().cloned().collect(),
            clamps: self.clamps.iter().cloned().collect(),
            conditions: SmallVec::new(),
            warnings: Vec::new(),
            next_look: None,
        }
    }
}

impl From<&Decision> for Last {
    fn from(decision: &Decision) -> Self {
        let Decision { time, from, to, wanted, verdict, reasons, signals, clamps, .. } = decision;
        Self {
            time: *time,
            from: *from,
            to: *to,
            wanted: *wanted,
            verdict: *verdict,
            reasons: reasons.as_slice().into(),
            signals: signals.as_slice().into(),
            clamps: clamps.as_slice().into(),
        }
    }
}
