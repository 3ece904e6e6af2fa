//! Past demand by slot: 28 days in 16 KiB.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::DAY;

/// Slots kept: four weeks.
const KEPT: i64 = 28 * DAY;
/// Mark of a slot of which nothing is known; no number has these bits.
const UNKNOWN: u16 = u16::MAX;
/// What a number of 32 bits has more than one of ours: the sign, which is never set, and 15 bits of the fraction. 8 remain: steps of 0.4 %.
const DROPPED: u32 = 15;

/// The newest slots, each at its number modulo [`KEPT`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Slots {
    newest: Option<i64>,
    /// Empty, or one per slot kept.
    #[serde(serialize_with = "to_bytes", deserialize_with = "from_bytes")]
    values: Vec<u16>,
}

impl Slots {
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Demand of a slot, if it is known.
    pub fn get(&self, slot: i64) -> Option<f64> {
        let newest = self.newest?;
        if slot > newest || slot <= newest.saturating_sub(KEPT) {
            return None;
        }
        self.values.get(index(slot)).copied().filter(|&value| value != UNKNOWN).map(decode)
    }

    /// The highest demand of the slots from `from` until before `to`; 0 where nothing is known.
    pub fn highest(&self, from: i64, to: i64) -> f64 {
        (from..to).filter_map(|slot| self.get(slot)).fold(0.0, f64::max)
    }

    /// Stores the demand of a slot later than all others; those in between are unknown.
    pub fn put(&mut self, slot: i64, value: f64) {
        if self.values.is_empty() {
            self.values = vec![UNKNOWN; index(KEPT - 1) + 1];
        }
        if let Some(newest) = self.newest {
            if slot <= newest {
                return;
            }
            self.clear(newest.saturating_add(1).max(slot.saturating_sub(KEPT - 1)), slot);
        }
        self.newest = Some(slot);
        self.values[index(slot)] = encode(value);
    }

    /// Forgets slots later than `slot`, after the clock went back.
    pub fn not_after(&mut self, slot: i64) {
        if let Some(newest) = self.newest.filter(|&newest| newest > slot) {
            // All of them, if it went back by more than is kept.
            self.clear(slot.saturating_add(1).max(newest.saturating_sub(KEPT - 1)), newest.saturating_add(1));
            self.newest = Some(slot);
        }
    }

    /// Forgets all but the newest so many.
    pub fn keep(&mut self, slots: i64) {
        if let Some(newest) = self.newest {
            self.clear(newest.saturating_sub(KEPT - 1), newest.saturating_sub(slots).saturating_add(1));
        }
    }

    /// At most as many as are kept.
    fn clear(&mut self, from: i64, to: i64) {
        for slot in from..to {
            if let Some(value) = self.values.get_mut(index(slot)) {
                *value = UNKNOWN;
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Within 0..KEPT.
fn index(slot: i64) -> usize {
    slot.rem_euclid(KEPT) as usize
}

/// To the next lower number that has a form, so that noise within a tolerance stays within it; what is no demand is unknown.
#[allow(clippy::cast_possible_truncation)] // Fewer digits are what is wanted.
fn encode(value: f64) -> u16 {
    if !(0.0..f64::from(f32::MAX / 2.0)).contains(&value) {
        return UNKNOWN;
    }
    ((value as f32).to_bits() >> DROPPED) as u16
}

fn decode(value: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(value) << DROPPED))
}

/// Upper bytes first, since they repeat: so a checkpoint, which is compressed, stays small.
fn to_bytes<S: Serializer>(values: &[u16], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| value.to_be_bytes()[0]).chain(values.iter().map(|value| value.to_be_bytes()[1])))
}

fn from_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    let bytes = Vec::<u8>::deserialize(deserializer)?;
    let (upper, lower) = bytes.split_at(bytes.len() / 2);
    if upper.len() != lower.len() || !upper.is_empty() && upper.len() != index(KEPT - 1) + 1 {
        return Err(serde::de::Error::invalid_length(bytes.len(), &"two bytes for each slot kept"));
    }
    Ok(upper.iter().zip(lower).map(|(upper, lower)| u16::from_be_bytes([*upper, *lower])).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]

    use super::*;

    #[test]
    fn numbers_keep_their_size_to_half_a_percent() {
        for value in [0.0, 0.001, 1.0, 123_456.0, 9.2e18] {
            assert!((decode(encode(value)) - value).abs() <= 0.004 * value, "{value}");
        }
        assert_eq!([f64::NAN, -1.0, f64::INFINITY, f64::MAX].map(encode), [UNKNOWN; 4]);
    }

    #[test]
    fn four_weeks_are_kept_and_a_gap_is_unknown() {
        let mut slots = Slots::default();
        slots.put(-3, 1.0);
        slots.put(0, 0.0);
        slots.put(2, 4.0);
        assert_eq!([-4, -3, -1, 0, 1, 2, 3].map(|slot| slots.get(slot)), [None, Some(1.0), None, Some(0.0), None, Some(4.0), None]);
        slots.put(1, 9.0);
        assert_eq!(slots.get(1), None, "what is late is not taken");
        slots.put(KEPT - 1, 5.0);
        assert_eq!((slots.get(-3), slots.get(0), slots.get(2)), (None, Some(0.0), Some(4.0)));
        slots.put(i64::MAX, 6.0);
        assert_eq!((slots.get(2), slots.get(i64::MAX)), (None, Some(6.0)));
        slots.not_after(i64::MIN);
        slots.put(i64::MIN + 1, 7.0);
        assert_eq!((slots.get(i64::MIN + 1), slots.get(i64::MIN), slots.get(i64::MAX)), (Some(7.0), None, None));
    }

    #[test]
    fn days_that_are_not_kept_are_unknown() {
        let mut slots = Slots::default();
        (0..10).for_each(|slot| slots.put(slot, 1.0));
        slots.keep(3);
        assert_eq!([5, 6, 7, 9].map(|slot| slots.get(slot).is_some()), [false, false, true, true]);
    }

    #[test]
    fn bytes_of_another_length_are_refused() {
        let good = postcard::to_allocvec(&Slots::default()).unwrap();
        assert_eq!(postcard::from_bytes::<Slots>(&good).unwrap(), Slots::default());
        let bad = postcard::to_allocvec(&(Some(3_i64), vec![1_u8, 2])).unwrap();
        assert!(postcard::from_bytes::<Slots>(&bad).is_err());
    }
}
