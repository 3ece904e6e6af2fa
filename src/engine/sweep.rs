//! Which policies are looked at now: those that are due, together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::Engine;
use super::look::{Job, Looker};
use crate::cluster::Key;
use crate::core::Mode;

/// Shortest time between two looks at one policy, however often its target is changed: two writers of one size must not chase each other.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A look that has not ended by then never will; it is made again, so that whatever became of it no policy is forgotten.
const LOST_LOOK: Duration = Duration::from_secs(60);

/// After so many looks that did not show the last write, which are some tenths of a second, the watch is not waited for.
const PATIENT_LOOKS: u32 = 5;

impl Engine {
    /// Starts looks at everything that is due, and what may be looked at early.
    pub(super) fn sweep(&mut self) {
        let now = self.parts.clock.instant();
        let mut jobs = Vec::new();
        for (key, due) in self.due.take(now) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let Ok(compiled) = &entry.compiled else { continue };
            let compiled = Arc::clone(compiled);
            if self.leaving.contains_key(&entry.lead.shard) {
                continue;
            }
            if let Some(lost) = entry.last_look.map(|last| last + LOST_LOOK).filter(|lost| entry.looking && now < *lost) {
                entry.again = true;
                self.due.at_latest(&key, lost);
                continue;
            }
            self.due.next_interval(&key, compiled.policy.interval, now);
            if entry.writing.is_some() {
                // Nothing can be decided until that has ended; what happened meanwhile is looked at then.
                entry.again |= !self.due.is_regular(due, compiled.policy.interval);
                continue;
            }
            entry.looking = true;
            entry.last_look = Some(now);
            let expected = entry.memory.size().filter(|_| compiled.policy.mode == Mode::Enforce && !entry.retargeted);
            let afresh = entry.conflicts > 0 || entry.behind >= PATIENT_LOOKS;
            let replaced = entry.replaced.clone();
            let probe = entry.probes(&compiled, now);
            jobs.push(Job { key, compiled, due, early: false, expected, replaced, afresh, probe });
        }
        self.look(jobs, now);
        self.look_early(now);
    }

    /// Looks at all of `jobs` together, in a task.
    pub(super) fn look(&self, jobs: Vec<Job>, now: Instant) -> Option<JoinHandle<()>> {
        if jobs.is_empty() {
            return None;
        }
        let tick = self.tick(&jobs);
        let (seen, metrics, clock) = (self.seen.clone(), self.parts.metrics.clone(), self.parts.clock.clone());
        let time = clock.now();
        let told_by = tick.clone();
        let tell = move |told| {
            metrics.collect.observe(clock.instant().saturating_duration_since(now).as_secs_f64());
            // The engine has gone: there is nobody to decide.
            let _ = seen.send((told_by.clone(), told));
        };
        let (index, sources) = (Arc::clone(&self.parts.index), Arc::clone(&self.parts.sources));
        let looker = Looker { index, scale: self.parts.scale.clone(), sources, tell: Arc::new(tell) };
        Some(tokio::spawn(tick.during(Arc::new(looker).look(jobs, time))))
    }

    /// Looks at a policy now, or as soon as the last look is long enough ago.
    pub(super) fn look_soon(&mut self, key: &Key) {
        let Some(entry) = self.entries.get(key) else { return };
        let now = self.parts.clock.instant();
        let at = entry.last_look.map_or(now, |last| now.max(last + BETWEEN_LOOKS));
        self.due.at_latest(key, at);
    }
}
