//! The open loop: each look of the controller decided again, on what was seen then. What the new decisions would have led to is not asked:
//! the next look is again the one that was made.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::look::Look;
use crate::api::Compiled;
use crate::core::{self, Failure, FailureKind, Memory, Policy, Reading, Smoothing, Time, Verdict};
use crate::report::timestamp;
use crate::schedule;

/// Past that a filter weighs, in time constants: what is older has less than 1 %.
const CONSTANTS: u32 = 5;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenLoop {
    /// The policy.
    pub policy: String,
    /// Each look, in order of time.
    pub looks: Vec<Decided>,
    /// Looks that were made but not recorded.
    pub missed: u64,
    /// Looks at which the decision differs, and the memory of the controller is known.
    pub differing: u64,
    /// Looks whose memory is not wholly known, because the record begins, or has a hole, not long before: they are decided, not counted.
    pub uncertain: u64,
    /// Looks at which the size was to change, as it was.
    pub moves_then: u64,
    /// The same as it would be.
    pub moves_now: u64,
    /// Generations of the policy that were in force.
    pub generations: BTreeSet<i64>,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// When it was made.
    pub time: Timestamp,
    /// Size found.
    pub from: u32,
    /// As it was.
    pub then: Outcome,
    /// As it would be.
    pub now: Outcome,
    /// Why it would be so.
    pub reason: String,
    /// The memory is known, so that a difference is one of the decision.
    pub certain: bool,
}

/// A decision in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Size decided.
    pub to: u32,
    /// Size that the signals ask for, if known.
    pub wanted: Option<u32>,
    /// One word for it.
    pub verdict: Verdict,
}

// === impl Decided ===

impl Decided {
    /// Another size, or another word for it.
    pub fn differs(&self) -> bool {
        (self.then.to, self.then.verdict) != (self.now.to, self.now.verdict)
    }
}

/// Decides `looks`, which are in order of time, by this policy.
pub fn open(name: &str, compiled: &Compiled, looks: &[Look], missed: u64) -> OpenLoop {
    let policy = &compiled.policy;
    let signals = compiled.fingerprints();
    let mut memory = Memory::default();
    // Until when the memory is not what the controller's was.
    let mut unknown_until: Option<Time> = None;
    let mut before: Option<&Look> = None;
    let mut decided = Vec::with_capacity(looks.len());
    for look in looks {
        let follows = before.is_some_and(|before| before.term == look.term && before.number + 1 == look.number);
        if look.fresh {
            memory = Memory::default();
            unknown_until = None;
        } else if !follows {
            unknown_until = Some(look.time + remembered(policy));
        }
        before = Some(look);
        for step in &look.moves {
            memory.rescaled(policy, step.from, step.to, step.time);
        }
        let mut observation = look.observation.clone();
        observation.readings = signals.iter().map(|signal| reading(look, *signal)).collect();
        observation.origins = signals.iter().map(|signal| recorded(look, *signal, &look.observation.origins).flatten()).collect();
        observation.scheduled = schedule::at(&compiled.schedules, policy.min_replicas, look.time);
        let decision = core::decide(policy, &mut memory, &observation, look.time);
        decided.push(Decided {
            time: timestamp(look.time),
            from: decision.from,
            then: Outcome { to: look.to, wanted: look.wanted, verdict: look.verdict },
            now: Outcome { to: decision.to, wanted: decision.wanted, verdict: decision.verdict },
            reason: decision.headline(),
            certain: unknown_until.is_none_or(|until| until <= look.time),
        });
    }
    let count = |which: &dyn Fn(&Decided) -> bool| decided.iter().filter(|look| which(look)).count() as u64;
    OpenLoop {
        policy: name.to_owned(),
        missed,
        differing: count(&|look| look.certain && look.differs()),
        uncertain: count(&|look| !look.certain),
        moves_then: count(&|look| look.then.to != look.from),
        moves_now: count(&|look| look.now.to != look.from),
        generations: looks.iter().map(|look| look.generation).collect(),
        looks: decided,
    }
}

/// Signals of a policy that no look has a reading of.
pub fn unrecorded<'a>(compiled: &'a Compiled, looks: &[Look]) -> Vec<&'a str> {
    let signals = compiled.policy.signals.iter().zip(compiled.fingerprints());
    signals.filter(|(_, mark)| !looks.iter().any(|look| look.signals.contains(mark))).map(|(signal, _)| &**signal.name()).collect()
}

/// What a look read of a signal.
fn reading(look: &Look, signal: u32) -> Reading {
    let unknown = || Failure { kind: FailureKind::Empty, message: "this look did not ask for it".to_owned() };
    recorded(look, signal, &look.observation.readings).unwrap_or_else(|| Reading::Failed(unknown()))
}

/// What a look holds of a signal in one of its lists.
fn recorded<T: Clone>(look: &Look, signal: u32, list: &[T]) -> Option<T> {
    look.signals.iter().position(|known| *known == signal).and_then(|index| list.get(index)).cloned()
}

/// How far back what a policy remembers reaches.
fn remembered(policy: &Policy) -> Duration {
    let mut longest = policy.downscale_stabilization.max(policy.fallback.hold);
    if let Some(behavior) = &policy.behavior {
        for rules in [&behavior.up, &behavior.down] {
            let periods = rules.policies.iter().map(|rate| rate.period);
            longest = periods.chain([rules.window]).fold(longest, Duration::max);
        }
    }
    if let Smoothing::Smooth(parameters) = policy.smoothing {
        longest = longest.max(CONSTANTS * parameters.time_constant).max(parameters.collapse_hold);
    }
    longest
}
