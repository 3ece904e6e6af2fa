//! What each policy saw last, read when `/metrics` is. Series end with their policy, and with the leadership of this process.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::PolicyLabels;
use crate::clock::Clock;
use crate::core::{Decision, Observation, Time};
use crate::replay::{Look, Move};

/// Loads and looks by policy; clones share them.
#[derive(Clone)]
pub struct Policies {
    /// Looks kept of each policy.
    looks: usize,
    clock: Clock,
    seen: Arc<Mutex<HashMap<PolicyLabels, Seen>>>,
}

#[derive(Default)]
struct Seen {
    /// Total load by signal, in its unit, where it is known.
    load: Vec<(Arc<str>, f64)>,
    /// What keeps the wanted size from being set.
    held_by: Option<&'static str>,
    /// Packed, each in the place of its number modulo how many are kept.
    looks: Vec<Vec<u64>>,
    /// Of the first look.
    term: Option<Time>,
    /// Of the next look.
    number: u64,
    /// Not told by a look yet.
    moves: Vec<Move>,
    /// From then on the policy is overdue, unless it is decided before.
    overdue: Option<Instant>,
}

/// What is known of a look besides what was seen.
pub struct About {
    /// `metadata.generation` of the policy.
    pub generation: i64,
    /// The memory was empty.
    pub fresh: bool,
    /// Fingerprints of the signals.
    pub signals: Vec<u32>,
}

// === impl Policies ===

impl Policies {
    /// Keeps this many looks of each policy, or none.
    pub fn new(looks: usize, clock: Clock) -> Self {
        Self { looks, clock, seen: Arc::default() }
    }

    /// The policy counts as overdue unless it is decided by then; `None`: it cannot be decided at all.
    pub fn expect(&self, policy: &PolicyLabels, by: Option<Instant>) {
        self.with(policy, |seen| seen.overdue = by);
    }

    /// Policies that should have been decided by now.
    pub fn overdue(&self) -> usize {
        let now = self.clock.instant();
        self.seen.lock().values().filter(|seen| seen.overdue.is_some_and(|at| at < now)).count()
    }

    /// Whether looks are kept.
    pub const fn keeps_looks(&self) -> bool {
        self.looks > 0
    }

    /// Shows the load that a decision was made for, and what holds it.
    pub fn decided(&self, policy: &PolicyLabels, decision: &Decision) {
        let load = decision.signals.iter().filter_map(|signal| Some((Arc::clone(&signal.name), signal.estimate?.raw / 1000.0)));
        self.with(policy, |seen| {
            seen.load.clear();
            seen.load.extend(load);
            seen.held_by = decision.held_by();
        });
    }

    /// Keeps a look.
    pub fn looked(&self, policy: &PolicyLabels, observation: &Observation, about: About, decision: &Decision) {
        let About { generation, fresh, signals } = about;
        let Decision { time, wanted, to, verdict, .. } = *decision;
        self.with(policy, |seen| {
            let (term, number, moves) = (*seen.term.get_or_insert(time), seen.number, std::mem::take(&mut seen.moves));
            seen.number += 1;
            let observation = observation.clone();
            let look = Look { term, number, generation, fresh, time, moves, observation, signals, wanted, to, verdict };
            let place = usize::try_from(number % self.looks as u64).unwrap_or_default();
            if seen.looks.len() <= place {
                seen.looks.resize_with(place + 1, Vec::new);
            }
            // One that is too large leaves its place empty.
            seen.looks[place] = look.pack().unwrap_or_default();
        });
    }

    /// Notes a size that was written, for the next look to tell.
    pub fn moved(&self, policy: &PolicyLabels, step: Move) {
        if self.keeps_looks() {
            self.with(policy, |seen| seen.moves.push(step));
        }
    }

    /// A policy is gone.
    pub fn forget(&self, policy: &PolicyLabels) {
        self.seen.lock().remove(policy);
    }

    /// Another process decides now.
    pub fn clear(&self) {
        self.seen.lock().clear();
    }

    fn with(&self, policy: &PolicyLabels, change: impl FnOnce(&mut Seen)) {
        let mut all = self.seen.lock();
        match all.get_mut(policy) {
            Some(seen) => change(seen),
            None => change(all.entry(policy.clone()).or_default()),
        }
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policies")
    }
}

impl Collector for Policies {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let overdue = ConstGauge::new(i64::try_from(self.overdue()).unwrap_or(i64::MAX));
        let about = "Policies whose decision is late by more than their interval, now";
        overdue.encode(encoder.encode_descriptor("policies_overdue", about, None, overdue.metric_type())?)?;
        let all = self.seen.lock();
        let kind = ConstGauge::new(0_i64);
        if all.values().any(|seen| !seen.load.is_empty()) {
            let about = "Load that a signal of the policy shows: the total over the target's pods in the metric's unit, as measured; no series while unknown";
            let mut family = encoder.encode_descriptor("policy_signal_load", about, None, kind.metric_type())?;
            for (policy, seen) in &*all {
                for (signal, load) in &seen.load {
                    let labels = [("namespace", policy.namespace.as_str()), ("name", policy.name.as_str()), ("signal", signal)];
                    ConstGauge::new(*load).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        if all.values().any(|seen| seen.held_by.is_some()) {
            let about = "1 while the policy wants another size and something holds it, with the word that its status has for it, such as Guarded, Braked or \
                Stabilized; else there is no series";
            let mut family = encoder.encode_descriptor("policy_held", about, None, kind.metric_type())?;
            for (policy, seen) in &*all {
                if let Some(by) = seen.held_by {
                    let labels = [("namespace", policy.namespace.as_str()), ("name", policy.name.as_str()), ("held_by", by)];
                    ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        if all.values().any(|seen| !seen.looks.is_empty()) {
            let about = "The last looks at the policy's target, packed, for ballast replay --open-loop; only with --record-looks";
            let mut family = encoder.encode_descriptor("look_word", about, None, kind.metric_type())?;
            for (policy, seen) in &*all {
                for (place, words) in seen.looks.iter().enumerate() {
                    for (index, word) in words.iter().enumerate() {
                        let (place, index) = (place.to_string(), index.to_string());
                        let labels =
                            [("namespace", policy.namespace.as_str()), ("name", policy.name.as_str()), ("look", &place), ("word", &index)];
                        ConstGauge::new(i64::try_from(*word).unwrap_or_default()).encode(family.encode_family(&labels)?)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_policy_is_overdue_until_it_is_decided_or_gone() {
        let clock = Clock::manual(Time::from_secs(0));
        let policies = Policies::new(0, clock.clone());
        let [web, api] = ["web", "api"].map(|name| PolicyLabels { namespace: "shop".into(), name: name.into() });
        let after = |seconds| Some(clock.instant() + Duration::from_secs(seconds));
        policies.expect(&web, after(30));
        policies.expect(&api, after(60));
        assert_eq!(policies.overdue(), 0);
        clock.advance(Duration::from_secs(31));
        assert_eq!(policies.overdue(), 1);
        policies.expect(&web, after(30));
        assert_eq!(policies.overdue(), 0);
        clock.advance(Duration::from_secs(60));
        assert_eq!(policies.overdue(), 2);
        policies.forget(&web);
        policies.expect(&api, None);
        assert_eq!(policies.overdue(), 0);
    }
}
