//! What the same time of past days or weeks brought, at today's level.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::DAY;
use super::slots::Slots;

/// Slots over which levels are compared: half an hour.
const LEVEL: i64 = 6;
/// Bounds of the level ratio: what changes more than twofold is another kind of day.
const RATIO: (f64, f64) = (0.5, 2.0);
/// Days looked back.
const DAYS: i64 = 7;
/// Weeks looked back.
const WEEKS: i64 = 4;
/// Weeks that make a weekly season: fewer, and one odd week decides.
const ENOUGH_WEEKS: usize = 3;

/// What repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Season {
    /// The same time of the past days.
    Day,
    /// The same time of the same weekday.
    Week,
}

/// Forecast of a slot, at the begin of slot `now`, with its season and how many of them are known.
pub(super) fn forecast(slots: &Slots, now: i64, target: i64) -> Option<(f64, Season, u8)> {
    let weeks = seasons(slots, now, target, 7 * DAY, WEEKS);
    let (season, mut values) =
        if weeks.len() >= ENOUGH_WEEKS { (Season::Week, weeks) } else { (Season::Day, seasons(slots, now, target, DAY, DAYS)) };
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let (low, high) = (values.get(count.checked_sub(1)? / 2)?, values.get(count / 2)?);
    Some((f64::midpoint(*low, *high), season, u8::try_from(count).unwrap_or(u8::MAX)))
}

fn seasons(slots: &Slots, now: i64, target: i64, length: i64, count: i64) -> SmallVec<[f64; 8]> {
    let offsets = (1..=count).map(|season| season * length);
    offsets.filter_map(|offset| Some(slots.get(target.saturating_sub(offset))? * ratio(slots, now, offset))).collect()
}

/// Level of the last half hour against that of one season before, as far as both are known.
fn ratio(slots: &Slots, now: i64, offset: i64) -> f64 {
    let (mut new, mut old) = (0.0, 0.0);
    for back in 1..=LEVEL {
        let slot = now.saturating_sub(back);
        if let (Some(recent), Some(past)) = (slots.get(slot), slots.get(slot.saturating_sub(offset))) {
            new += recent;
            old += past;
        }
    }
    if old > 0.0 {
        (new / old).clamp(RATIO.0, RATIO.1)
    } else if new > 0.0 {
        RATIO.1
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]

    use super::*;

    /// Days of so many each, all day long, and half a day of the last.
    fn days(levels: &[f64]) -> Slots {
        let mut slots = Slots::default();
        for (day, level) in (0..).zip(levels) {
            (0..DAY).for_each(|slot| slots.put(day * DAY + slot, *level));
        }
        slots
    }

    fn at(slots: &Slots, target: i64) -> Option<(f64, Season, u8)> {
        forecast(slots, slots.newest().unwrap() + 1, target)
    }

    #[test]
    fn the_median_of_days_at_the_level_of_today() {
        // A peak at slot 100 of three days, one of them odd; today all is half as high again.
        let mut slots = Slots::default();
        for (day, level, peak) in [(0, 100.0, 400.0), (1, 100.0, 400.0), (2, 100.0, 3200.0), (3, 150.0, 0.0)] {
            let until = if day == 3 { 100 } else { DAY };
            (0..until).for_each(|slot| slots.put(day * DAY + slot, if slot == 100 { peak } else { level }));
        }
        let (value, season, count) = at(&slots, 3 * DAY + 100).unwrap();
        assert!((value / 600.0 - 1.0).abs() < 0.01, "{value}");
        assert_eq!((season, count), (Season::Day, 3));
    }

    #[test]
    fn the_weekday_counts_once_three_weeks_are_known() {
        // Sunday is every seventh day.
        let levels: Vec<f64> = (0..22).map(|day| if day % 7 == 0 { 32.0 } else { 64.0 }).collect();
        let two_weeks = days(&levels[..14]);
        assert_eq!(at(&two_weeks, 14 * DAY + 10), Some((64.0, Season::Day, 7)));
        let three_weeks = days(&levels[..21]);
        // Saturday ends: the level is that of all Saturdays.
        assert_eq!(at(&three_weeks, 21 * DAY + 10), Some((32.0, Season::Week, 3)));
    }

    #[test]
    fn nothing_known_is_no_forecast_and_the_ratio_is_bounded() {
        assert_eq!(forecast(&Slots::default(), 0, 0), None);
        // Yesterday's 16 twice, since its level was a sixteenth of this; the 1 before it as it was, since of its level nothing is known.
        assert_eq!(at(&days(&[1.0, 16.0]), 2 * DAY).unwrap().0, 16.5);
        // A tenth of yesterday counts as half of it.
        let mut slots = days(&[64.0]);
        (0..20).for_each(|slot| slots.put(DAY + slot, 4.0));
        assert_eq!(at(&slots, DAY + 20).unwrap().0, 32.0);
        let mut slots = days(&[0.0]);
        assert_eq!(at(&slots, DAY).unwrap().0, 0.0);
        slots.put(DAY + 40, 4.0);
        assert_eq!(at(&slots, DAY + 41).unwrap().0, 0.0);
    }

    #[test]
    fn a_gap_takes_its_season_out() {
        let mut slots = days(&[8.0]);
        // Nobody looked for a day and a half.
        (0..10).for_each(|slot| slots.put(2 * DAY + DAY / 2 + slot, 8.0));
        assert_eq!(at(&slots, 2 * DAY + DAY / 2 + 10), Some((8.0, Season::Day, 1)));
        assert_eq!(at(&slots, 20 * DAY), None);
    }
}
