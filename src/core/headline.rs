//! What to tell people about a decision, and about what became of it.

use super::reason::{Outcome, Reason};
use super::{Condition, ConditionKind, Decision, Policy, Verdict, conditions, zero};

impl Decision {
    /// One line for an Event, a log, a table: the size, and why.
    pub fn headline(&self) -> String {
        let Self { from, to, .. } = self;
        let start = match self.verdict {
            Verdict::ScaleUp | Verdict::ScaleDown if self.recommends() => format!("Recommended size: {to} (now {from})"),
            Verdict::ScaleUp | Verdict::ScaleDown => format!("New size: {to} (was {from})"),
            Verdict::Steady => format!("stays at {from}"),
            Verdict::Held => format!("held at {from}"),
            Verdict::Unknown => format!("size unknown, kept at {from}"),
            Verdict::Disabled => return self.reasons.first().map(ToString::to_string).unwrap_or_default(),
        };
        let moved = matches!(self.verdict, Verdict::ScaleUp | Verdict::ScaleDown);
        let mut text = start;
        for (index, reason) in self.reasons.iter().enumerate() {
            // A move that was cut says by what, and a move that was not made for want of a signal says which, and what follows. A size
            // that somebody else has set is told in the look that finds it.
            let told = matches!(
                reason,
                Reason::Incomplete { wanted: Some(_), .. }
                    | Reason::OutageHold { .. }
                    | Reason::SetByOther { .. }
                    | Reason::Collapsed { .. }
            );
            if index == 0 || told || (moved && reason.holds()) {
                text.push_str(if index == 0 { ": " } else { "; " });
                let reason = reason.to_string();
                let again = self.needs().filter(|_| index > 0).and_then(|wanted| reason.strip_prefix(&format!("wants {wanted}; ")));
                text.push_str(again.unwrap_or(&reason));
            }
        }
        text
    }

    /// The size that the first reason says is needed.
    fn needs(&self) -> Option<u32> {
        match self.reasons.first()? {
            Reason::Demand(demand) if demand.outcome == Outcome::Needs => Some(demand.proposal),
            _ => None,
        }
    }

    /// Nothing is to be written because the policy only recommends.
    pub fn recommends(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, Reason::RecommendOnly))
    }

    /// Conditions to set, over those of the decision, once its size was written.
    pub fn conditions_after_rescale(&self, policy: &Policy) -> Vec<Condition> {
        let mut list = vec![conditions::rescaled(self.from, self.to)];
        list.extend(zero::mark(policy, self.from, self.to));
        list
    }

    /// Somebody else undoes each move.
    pub fn is_contested(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind == ConditionKind::ReplicasContested)
    }

    /// The condition to set, over those of the decision, where the status says that the size was contested and it is no longer.
    pub fn condition_after_contest(&self) -> Option<Condition> {
        (!self.is_contested()).then(conditions::uncontested)
    }

    /// The condition to set, over those of the decision, when its size could not be written.
    pub fn condition_after_failure(&self, error: &str) -> Condition {
        conditions::not_rescaled(self.to, error)
    }
}
