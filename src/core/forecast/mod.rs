//! The forecast: what this time of day, or of the week, brought before; learned online, trusted by its own recent error, and only ever added.
//!
//! Per signal, over total demand in the signal's unit, with slots of 5 min (formulas: seasonal naive with level, median of seasons; the band
//! is an empirical quantile; the loss is Koenker and Bassett's, 1978):
//!
//! ```text
//! y(s)   = highest filtered demand of slot s, trend not included                    28 days of them, two bytes each; unknown is unknown
//! r(o)   = level of the last 30 min / level of the same slots o ago, within 0.5..2  1 where nothing of it is known
//! f(t)   = median over o of y(t - o) * r(o)   o: 1..4 weeks once three are known, else 1..7 days
//! F      = min(f * q_f, highest y of a week)  q_f: decayed 0.8-quantile of y / f, half-life 2 days
//! R      = D * q_r                            the reactive value D (trend included) under the same band, for comparison
//! loss   = decayed mean of max(0.8 (y - F), 0.2 (F - y)), time constant a day; the same for R
//! on     : 24 h of scores, and loss_F < 0.8 loss_R
//! ```
//!
//! Scored is what was foretold at the begin of a slot for the slot that begins once pods ordered then bear load: so long at least they are
//! there to bear it, as no size is taken back sooner than after five minutes. What is asked for is the highest `F` from now until pods
//! ordered now bear load, at most twice what demand itself asks for (see `demand`); it ends with the slot in which the forecast loses its
//! standing.
//!
//! Never above the week's highest: what was never seen is not foretold, and noise within the tolerance stays there.
//! Quantile 0.8: a replica too few costs four times what one too many does. 0.8 of the loss: as good as reactive is not worth its pods.
//! For a restart (see `resume`): a forecast that is lost or old only asks for less than it could, and what was proposed holds as ever.

mod band;
mod keep;
mod scores;
mod season;
mod slots;
pub(super) mod told;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reason::{Raised, Unit};
use super::{Forecast, ForecastMode, Time};
use scores::Scores;
pub use season::Season;
use slots::Slots;

/// Length of a slot: short against a daily peak, long against the time constant of the level.
const SLOT: Duration = Duration::from_mins(5);
const SLOT_MILLIS: i64 = 5 * 60_000;
/// Slots of a day.
const DAY: i64 = 288;
/// Most that a forecast may ask for, in sizes that demand itself asks for.
pub(super) const MOST: u32 = 2;

/// What is known of one signal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seasonal {
    /// Past demand.
    slots: Slots,
    /// The slot that is not over yet.
    open: Option<Open>,
    scores: Scores,
    /// Slots from which to which the forecast was made, and what came of it.
    #[serde(skip)]
    made: Option<((i64, i64), Option<Foretold>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    slot: i64,
    #[serde(with = "super::bits")]
    highest: f64,
}

/// The highest forecast of a span, before the band.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Foretold {
    slot: i64,
    value: f64,
    season: Season,
    seasons: u8,
    /// Most that is foretold, band included.
    most: f64,
}

/// What a look adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// End of the sample.
    pub time: Time,
    /// Filtered demand.
    pub demand: f64,
    /// Demand that is acted on, trend included.
    pub reactive: f64,
    /// How far ahead replicas ordered now bear load.
    pub lead: Duration,
}

/// What the forecast of a signal says, and how far it is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// What is done with it.
    pub mode: ForecastMode,
    /// Whether it is trusted.
    pub standing: Standing,
    /// Recent errors, once there are any.
    pub errors: Option<Errors>,
    /// What is foretold; `None` where nothing is known of that time of day.
    pub ahead: Option<Ahead>,
}

/// Whether a forecast is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// A value with a target of its own is not a load that adds up over replicas.
    Unsuitable,
    /// It has scores of so much time, and needs a day of them.
    Learning(Duration),
    /// Its error is clearly less than the reactive one.
    Better,
    /// It is not.
    NoBetter,
}

/// Recent errors as shares of the mean demand: decayed pinball losses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Of the forecast.
    pub forecast: f64,
    /// Of the demand that is acted on without it.
    pub reactive: f64,
}

/// What is foretold for the time in which pods ordered now bear load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    /// Begin of the five minutes it is for.
    pub time: Time,
    /// Demand, in thousandths of the signal's unit over all pods, band included.
    pub demand: f64,
    /// What it was learned from.
    pub season: Season,
    /// How many of those.
    pub seasons: u8,
    /// Replicas for it, at most twice those that demand itself asks for.
    pub replicas: Option<u32>,
}

impl Standing {
    /// As one word, for conditions and machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unsuitable => "Unsuitable",
            Self::Learning(_) => "Learning",
            Self::Better => "Better",
            Self::NoBetter => "NoBetter",
        }
    }
}

impl Outlook {
    /// For a signal that has no forecast; `None` where none is asked for.
    pub(super) fn unsuitable(policy: Forecast) -> Option<Self> {
        let standing = Standing::Unsuitable;
        (policy.mode != ForecastMode::Off).then_some(Self { mode: policy.mode, standing, errors: None, ahead: None })
    }

    /// What it adds to a size that demand asks for.
    pub(super) fn raised(&self, signal: &Arc<str>, unit: Unit, reactive: u32) -> Option<Raised> {
        let ahead = self.ahead.filter(|_| self.is_on())?;
        let replicas = ahead.replicas.filter(|replicas| *replicas > reactive)?;
        Some(Raised { signal: Arc::clone(signal), unit, ahead, replicas, errors: self.errors })
    }

    /// Whether it may add replicas.
    pub fn is_on(&self) -> bool {
        self.mode == ForecastMode::On && self.standing == Standing::Better
    }
}

/// What was computed last says nothing that the rest does not.
impl PartialEq for Seasonal {
    fn eq(&self, other: &Self) -> bool {
        (&self.slots, &self.open, &self.scores) == (&other.slots, &other.open, &other.scores)
    }
}

impl Seasonal {
    /// Takes a look in, and looks ahead.
    pub fn look(&mut self, mode: ForecastMode, seen: Seen) -> Outlook {
        let slot = slot_of(seen.time);
        match &mut self.open {
            Some(open) if open.slot == slot => open.highest = open.highest.max(seen.demand),
            // A late sample belongs to a slot that is closed.
            Some(open) if open.slot > slot => {}
            _ => self.begin(slot, seen),
        }
        let end = slot_of(seen.time + seen.lead);
        if self.made.is_none_or(|(span, _)| span != (slot, end)) {
            self.made = Some(((slot, end), self.highest(slot, end)));
        }
        let foretold = self.made.and_then(|(_, foretold)| foretold);
        let ahead = foretold.map(|Foretold { slot, value, season, seasons, most }| Ahead {
            time: start_of(slot),
            demand: (value * self.scores.band()).min(most),
            season,
            seasons,
            replicas: None,
        });
        Outlook { mode, standing: self.scores.standing(), errors: self.scores.errors(), ahead }
    }

    /// A slot is over, another begins.
    fn begin(&mut self, slot: i64, seen: Seen) {
        if let Some(open) = self.open.replace(Open { slot, highest: seen.demand }) {
            self.slots.put(open.slot, open.highest);
            self.scores.score(open.slot, open.highest);
        }
        let ahead = i64::try_from(seen.lead.as_millis().div_ceil(SLOT.as_millis())).unwrap_or(i64::MAX);
        let target = slot.saturating_add(ahead.clamp(1, scores::FARTHEST));
        if let Some((value, ..)) = season::forecast(&self.slots, slot, target) {
            self.scores.promise(target, value, self.most(slot), seen.reactive);
        }
    }

    /// The highest forecast of the slots from `slot` to `end`.
    fn highest(&self, slot: i64, end: i64) -> Option<Foretold> {
        let most = self.most(slot);
        let last = end.min(slot.saturating_add(scores::FARTHEST));
        let all = (slot..=last).filter_map(|slot_ahead| {
            let (value, season, seasons) = season::forecast(&self.slots, slot, slot_ahead)?;
            Some(Foretold { slot: slot_ahead, value, season, seasons, most })
        });
        all.max_by(|a, b| a.value.total_cmp(&b.value))
    }

    /// The highest demand of the week before `slot`.
    fn most(&self, slot: i64) -> f64 {
        self.slots.highest(slot.saturating_sub(7 * DAY), slot)
    }

    /// After the clock went back, what was learned of the future is forgotten.
    pub fn not_after(&mut self, now: Time) {
        let slot = slot_of(now);
        if self.open.is_some_and(|open| open.slot > slot) {
            self.open = None;
            self.made = None;
            self.slots.not_after(slot);
            self.scores.not_after(slot);
        }
    }
}

fn slot_of(time: Time) -> i64 {
    time.as_millis().div_euclid(SLOT_MILLIS)
}

fn start_of(slot: i64) -> Time {
    Time::from_millis(slot.saturating_mul(SLOT_MILLIS))
}
