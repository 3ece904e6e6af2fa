//! `preset: auto`: what fits is asked for with a look, now and then, and a choice makes the policy another one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::Engine;
use super::entry::Entry;
use crate::api::status::PresetChoice;
use crate::api::time::from_core;
use crate::api::{Compiled, compile};
use crate::cluster::{EventType, Key, ObjectRef};
use crate::core::{Reading, Time};
use crate::source::preset::auto;

/// A choice is looked after this often: exporters come with a release, not within seconds.
const AGAIN: Duration = Duration::from_mins(10);

impl Entry {
    /// Whether to ask with this look which presets fit: with each one as long as nothing was chosen.
    pub fn probes(&mut self, compiled: &Compiled, now: Instant) -> bool {
        let Some(auto) = &compiled.auto else { return false };
        let due = auto.chosen.is_empty() || self.probed.is_none_or(|last| now.saturating_duration_since(last) >= AGAIN);
        if due {
            self.probed = Some(now);
        }
        due
    }
}

impl Engine {
    /// Takes what a probe gave. True if another choice was made: the policy is to be looked at anew.
    pub(super) fn choose(&mut self, key: &Key, compiled: &Compiled, probed: &Reading, target: Option<ObjectRef>, now: Time) -> bool {
        let (Some(before), Reading::Total(sample)) = (&compiled.auto, probed) else { return false };
        // Without series that could drive, what was chosen stays: they may be missing for a while only.
        let Some(choice) = auto::choose(sample.value / 1000.0, before.rates) else { return false };
        if choice.presets == before.chosen {
            return false;
        }
        let Some(entry) = self.entries.get_mut(key) else { return false };
        info!(policy = %key, presets = choice.presets.join(","), message = choice.message, "presets chosen");
        let chosen = choice.presets.iter().map(|name| (*name).to_owned()).collect();
        entry.status.presets = Some(PresetChoice { chosen, message: choice.message.clone(), time: from_core(now) });
        entry.compiled = compile(&entry.as_shown(), &self.parts.defaults.of(&key.namespace)).map(Arc::new);
        let about = super::report::policy_ref(&entry.object);
        for object in std::iter::once(about).chain(target) {
            self.parts.events.record(object, EventType::Normal, "PresetsChosen", &choice.message);
        }
        true
    }
}
