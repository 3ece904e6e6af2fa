//! The collapse guard: a fall of demand that is too fast to be true gets no scale-in for a while.
//!
//! An exporter that suddenly reports 0, a relabelling that loses most series, a load balancer that counts nothing: numbers all the same,
//! so nothing says that they are wrong, and whoever believes them removes a service under load. Per signal, over its level `m`
//! (see `smooth`), a sample `a` is implausible if
//!
//! ```text
//! a < 20 % of M        M: highest m of the last two looks (at least 30 s), and of what the sample itself looks back over
//! a < M - 3 z sigma    far outside the noise; z: the noise band, 1.5
//! a / M < s / 2        much deeper than any fall that came true in the last 25 h, of which s was left
//! ```
//!
//! What the signal asked for in that time is then kept for a bounded time (`collapse_hold`, 300 s by default), as far as the size allows: a size
//! is never raised. What is still there after that time is believed, and remembered, so that a load that is switched off each night
//! is held once. Several implausible samples are held one by one, so that what is kept falls as the level did.
//!
//! For a restart (see `resume`): every rule asks for less of a sample the higher the level and the lower the noise, which is how both are
//! restored; the highest level counts as seen, and the last size kept as asked for, at the first decision after it.

mod peaks;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bits;
use super::limits::Proposals;
use super::smooth::Level;
use super::{SmoothParameters, Time};
use peaks::Peaks;

/// Less than this share of the level is a collapse. After one look, a tenfold outlier leaves a level of which the next sample is 22 %.
const SHARE: f64 = 0.2;
/// Noise bands that a collapse exceeds: with the default band 4.5 standard deviations, about as far as the filter lets noise reach.
const NOISE_BANDS: f64 = 3.0;
/// A fall takes this long at least before it is ordinary: two looks of the default interval, one of which may have come just before it.
const FALL: Duration = Duration::from_secs(30);
/// How long a fall that came true is remembered: what happens each day, also on the day the clock is put back, is no surprise.
const REMEMBERED: Duration = Duration::from_hours(25);
/// Time in which a restored level, which starts higher, has become what it would have been: 20 time constants.
const DOUBT: Duration = Duration::from_mins(10);
/// A fall to less than this share was one to nothing.
const NOTHING: f64 = 0.01;

/// What the guard remembers of one signal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Collapse {
    /// Past levels, by which a sample is judged: one outlier moves them little.
    levels: Peaks,
    /// Past demand acted on, which is what is kept: it follows a rise at once.
    demands: Peaks,
    /// The fall that is not believed yet.
    fall: Option<Fall>,
    /// The deepest fall that came true lately.
    seen: Option<Seen>,
    /// Until when falls teach nothing, as the level was restored.
    doubt: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fall {
    /// Where it began: the level, and the demand acted on.
    #[serde(with = "bits")]
    level: f64,
    #[serde(with = "bits")]
    from: f64,
    /// The lowest sample since.
    #[serde(with = "bits")]
    to: f64,
    /// Sizes to keep; 0 at looks that saw nothing implausible.
    floors: Proposals,
    /// Whether it is remembered if it comes true: not one of which a part was not seen.
    teaches: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// What was left, as a share of the level before.
    #[serde(with = "bits")]
    share: f64,
    time: Time,
}

/// An implausible sample, in the signal's unit over all pods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Drop {
    /// The level before.
    pub level: f64,
    /// The demand acted on before.
    pub from: f64,
    /// The sample.
    pub to: f64,
}

/// Sizes below `size` are held until `until`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Freeze {
    /// The demand before the fall, and the lowest sample since.
    pub from: f64,
    pub to: f64,
    pub size: u32,
    pub until: Time,
}

/// How far back the guard looks: two looks, and what a sample itself covers, since a rate over five minutes falls for five minutes; but
/// not longer than a fall is held, or an hour's average would be held for hours. `None`: the guard is off.
pub(super) fn look_back(parameters: SmoothParameters, interval: Duration, window: Duration) -> Option<Duration> {
    let hold = parameters.collapse_hold;
    (!hold.is_zero()).then(|| FALL.max(2 * interval) + window.min(hold))
}

impl Collapse {
    /// Judges a sample by what was before it; `level` and `demand` are those after it.
    pub fn judge(&mut self, parameters: SmoothParameters, raw: f64, level: &Level, back: Duration) -> Option<Drop> {
        let now = level.time();
        let before = (self.levels.highest(back, now), self.demands.highest(back, now));
        self.levels.add(level.level(), back, now);
        self.demands.add(level.demand(parameters, raw), back, now);
        let (Some(highest), Some(from)) = before else { return None };
        let beyond_noise = raw < highest - NOISE_BANDS * parameters.noise_band.max(0.0) * level.sigma();
        let implausible = raw < SHARE * highest && beyond_noise && highest >= Level::NOTHING;
        (implausible && !self.has_seen(raw / highest, now)).then_some(Drop { level: highest, from, to: raw })
    }

    /// Whether a fall to this share is no surprise. It is remembered anew.
    fn has_seen(&mut self, share: f64, now: Time) -> bool {
        match &mut self.seen {
            Some(seen) if now.since(seen.time) > REMEMBERED => self.seen = None,
            Some(seen) if seen.share < NOTHING || share >= seen.share / 2.0 => {
                seen.time = now;
                return true;
            }
            _ => {}
        }
        false
    }

    /// One look: what was implausible in it and the size asked for before, if anything. Gives what is held now, `hold` long.
    pub fn look(&mut self, drop: Option<(Drop, u32)>, level: &Level, hold: Duration, now: Time) -> Option<Freeze> {
        if let Some((Drop { level, from, to }, size)) = drop {
            let fall = self.fall.get_or_insert_with(|| {
                self.doubt = self.doubt.filter(|until| *until > now);
                let teaches = self.doubt.is_none();
                Fall { level, from, to, floors: Proposals::default(), teaches }
            });
            fall.to = fall.to.min(to);
            fall.floors.store(size, now, hold);
        } else if let Some(fall) = &mut self.fall {
            fall.floors.store(0, now, hold);
        }
        let fall = self.fall.as_ref()?;
        let Some(highest) = fall.floors.highest(|time| time > now - hold).filter(|highest| highest.replicas > 0) else {
            let share = level.level() / fall.level;
            if fall.teaches && share < SHARE {
                self.seen = Some(Seen { share, time: now });
            }
            self.fall = None;
            return None;
        };
        Some(Freeze { from: fall.from, to: fall.to, size: highest.replicas, until: highest.time + hold })
    }

    /// After a hole: see above. `level` is the restored one.
    pub fn resume(&mut self, level: &Level, now: Time) {
        self.levels.resume(level.level(), now);
        self.demands.resume(level.level(), now);
        self.doubt = Some(now + DOUBT);
        if let Some(fall) = &mut self.fall {
            fall.teaches = false;
            if let Some(last) = fall.floors.last().filter(|last| *last > 0) {
                fall.floors.store(last, now, Duration::MAX);
            }
        }
    }

    /// The size that the last look asked to keep.
    pub fn floor(&self) -> u32 {
        self.fall.as_ref().and_then(|fall| fall.floors.last()).unwrap_or_default()
    }

    /// Whether another one restored from this would hold as this does, as long as nothing changes.
    pub fn is_like(&self, other: &Self) -> bool {
        self.floor() == 0 && other.floor() == 0 && self.seen.map(|seen| seen.share) == other.seen.map(|seen| seen.share)
    }

    /// Keeps so many entries at most.
    pub fn compact(&mut self, entries: usize) {
        self.levels.compact(entries);
        self.demands.compact(entries);
        if let Some(fall) = &mut self.fall {
            fall.floors.compact(entries);
        }
    }

    /// Moves the times of decisions; those of samples are their sources'.
    pub fn shift(&mut self, millis: i64) {
        if let Some(fall) = &mut self.fall {
            fall.floors.adjust(|time| time.moved(millis));
        }
        self.doubt = self.doubt.map(|until| until.moved(millis));
    }

    /// Moves times in the future to `now`.
    pub fn not_after(&mut self, now: Time) {
        self.levels.not_after(now);
        self.demands.not_after(now);
        if let Some(fall) = &mut self.fall {
            fall.floors.adjust(|time| time.min(now));
        }
        if let Some(seen) = &mut self.seen {
            seen.time = seen.time.min(now);
        }
        self.doubt = self.doubt.map(|until| until.min(now + DOUBT));
    }
}
