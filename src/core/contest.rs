//! Two writers of one size: somebody who scales once is told from somebody who undoes every move, and no loop comes of it.
//!
//! A size that somebody else has set is a fact like any other: the next decision starts from it, at once. Only when the same happens again
//! after each answer is the size contested. Then moves wait after each reset, so that a workload is not thrown to and fro by every look:
//!
//! - growth for 30 s ([`GROWTH`]): a new pod needs about that long to be of use, and where resets come slower (Argo CD looks every few
//!   minutes) most of the time is spent at the size that the load needs. At most 120 writes an hour come of it;
//! - shrinking for 10 min ([`SHRINKING`]): too many replicas cost money, not requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::{Time, Writer};

/// Resets in a row that make a contest: one is a hand that scales, two are a hand that corrects itself or two deployments.
const RESETS: u32 = 3;
/// A size that stood for this long is accepted. Longer than Flux (10 min) and Argo CD (3 min) take between two looks by default, so that their
/// resets are seen as one series, and longer than [`SHRINKING`], so that a contest does not end by not being tried.
const QUIET: Duration = Duration::from_mins(15);
/// Growth waits for this long after a reset.
const GROWTH: Duration = Duration::from_secs(30);
/// Shrinking waits for this long after a reset.
const SHRINKING: Duration = Duration::from_mins(10);

/// A series of resets: each undid the answer to the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Contest {
    /// Who made the last one.
    writer: Writer,
    resets: u32,
    /// When the last one was found that undid something.
    reset: Time,
    /// When the first own move after it was written.
    answer: Option<Time>,
}

impl Contest {
    /// Somebody else has set the size, which may go on with the series `before`. Not only one name counts: a tool may write in several ways.
    pub fn reset(before: Option<&Self>, writer: Writer, now: Time) -> Self {
        let (resets, reset) = match before {
            Some(&Self { answer: Some(_), resets, .. }) => (resets.saturating_add(1), now),
            // Whoever sets it twice in a row only replaced a size of their own, and must not put the answer off by doing so.
            Some(&Self { answer: None, resets, reset, .. }) => (resets, reset),
            None => (1, now),
        };
        Self { writer, resets, reset, answer: None }
    }

    /// An own move was written.
    pub fn answered(&mut self, now: Time) {
        self.answer.get_or_insert(now);
    }

    /// Whether the last answer has stood, or nothing happened, for long enough.
    pub fn is_over(&self, now: Time) -> bool {
        now.since(self.answer.unwrap_or(self.reset)) > QUIET
    }

    /// Who contests the size, if somebody does.
    pub fn contester(&self) -> Option<&Writer> {
        (self.resets >= RESETS).then_some(&self.writer)
    }

    /// What holds a move from `from` to `to` back, and until when.
    pub fn hold(&self, from: u32, to: u32, now: Time) -> Option<(Reason, Time)> {
        let writer = self.contester()?.clone();
        let until = self.reset + if to > from { GROWTH } else { SHRINKING };
        let held = to != from && now < until;
        held.then(|| (Reason::Contested { wanted: to, writer, remaining: until.since(now) }, until))
    }

    /// Replaces all times.
    pub fn adjust(&mut self, by: impl Fn(Time) -> Time) {
        self.reset = by(self.reset);
        self.answer = self.answer.map(by);
    }
}
