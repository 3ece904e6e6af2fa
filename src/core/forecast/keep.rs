//! What a forecast has learned, as a part of memory that is too large to be saved with each move: kept by itself, once an hour.

use super::{DAY, SLOT, Seasonal, start_of};
use crate::core::{Memory, Time};

impl Memory {
    /// End of the newest slot that any forecast has learned, if there is one.
    pub fn learned_until(&self) -> Option<Time> {
        self.levels.iter().filter_map(|filter| filter.seasonal.as_ref()?.slots.newest()).max().map(|slot| start_of(slot) + SLOT)
    }

    /// Keeps what forecasts learned in the newest so many days; nothing at all of 0.
    pub fn keep_learned(&mut self, days: u16) {
        for filter in &mut self.levels {
            if days == 0 {
                filter.seasonal = None;
            } else if let Some(seasonal) = &mut filter.seasonal {
                seasonal.slots.keep(i64::from(days) * DAY);
            }
        }
    }

    /// Takes over what forecasts of the same signals learned, where that is more.
    pub fn learn_from(&mut self, other: &Self) {
        let newest = |seasonal: &Option<Box<Seasonal>>| seasonal.as_ref().and_then(|seasonal| seasonal.slots.newest());
        for filter in &mut self.levels {
            let counterpart = other.levels.iter().find(|old| old.nth == filter.nth && old.kind == filter.kind);
            if let Some(old) = counterpart.filter(|old| newest(&old.seasonal) > newest(&filter.seasonal)) {
                filter.seasonal.clone_from(&old.seasonal);
            }
        }
    }
}
