//! Which Events were written before, so that the same text is counted instead of written again.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// Events kept in mind; beyond it the oldest is forgotten and would show as a new one.
const REMEMBERED: usize = 4096;

/// Names and counts of the last Events. What they say is kept as a mark of 64 bits: notes are long, and policies that come and go under new
/// names would fill all the room there is. That two of so many have the same mark is less likely than one in a trillion.
#[derive(Default)]
pub struct Repeats {
    marks: RandomState,
    known: HashMap<u64, (String, i32)>,
    order: VecDeque<u64>,
}

// === impl Repeats ===

impl Repeats {
    /// Name of the Event that says the same, and how often that was said.
    pub fn get_mut(&mut self, record: &impl Hash) -> Option<&mut (String, i32)> {
        self.known.get_mut(&self.marks.hash_one(record))
    }

    /// An Event was written under this name.
    pub fn insert(&mut self, record: &impl Hash, name: String) {
        let mark = self.marks.hash_one(record);
        if self.known.insert(mark, (name, 1)).is_none() {
            self.order.push_back(mark);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_known_and_no_more() {
        let mut repeats = Repeats::default();
        for number in 0..2 * REMEMBERED {
            repeats.insert(&("web", number), format!("web.{number}"));
            // Written anew, since the API server had dropped it.
            repeats.insert(&("web", number), format!("web.{number}"));
        }
        assert_eq!((repeats.known.len(), repeats.order.len()), (REMEMBERED, REMEMBERED));
        assert!(repeats.get_mut(&("web", REMEMBERED - 1)).is_none());
        assert_eq!(repeats.get_mut(&("web", REMEMBERED)), Some(&mut (format!("web.{REMEMBERED}"), 1)));
    }
}
