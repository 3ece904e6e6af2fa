//! The outlook in words.

use std::fmt::{self, Display, Formatter};

use super::{Ahead, Errors, Outlook, Season, Standing};
use crate::core::reason::{Quantity, Unit};
use crate::core::{ForecastMode, Time};

/// What is foretold and for when, e.g. `31.2k/s for 14:05 UTC`.
pub(in crate::core) struct Load(pub Ahead, pub Unit);

/// Hour and minute. In UTC, since the core knows no time zones.
struct Clock(Time);

impl Display for Load {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", Quantity(self.0.demand, self.1), Clock(self.0.time))
    }
}

/// What it was learned from, e.g. `same time on 3 past days`.
impl Display for Ahead {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (what, plural) = match self.season {
            Season::Day => ("day", if self.seasons == 1 { "" } else { "s" }),
            Season::Week => ("week", "s, same weekday"),
        };
        write!(f, "same time on {} past {what}{plural}", self.seasons)
    }
}

impl Display for Errors {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "error {:.1}% against {:.1}% without", 100.0 * self.forecast, 100.0 * self.reactive)
    }
}

impl Display for Clock {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_millis().div_euclid(60_000).rem_euclid(24 * 60);
        write!(f, "{:02}:{:02} UTC", minutes / 60, minutes % 60)
    }
}

/// Whether it is on, and why; without numbers that change with each look.
impl Display for Outlook {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let adds = match self.mode {
            ForecastMode::Off => "off",
            ForecastMode::Shadow => "shadow only",
            ForecastMode::On if self.is_on() => "on",
            ForecastMode::On => "adds nothing",
        };
        match self.standing {
            Standing::Unsuitable => write!(f, "{adds}: a value with a target of its own has no forecast"),
            Standing::Learning(scored) if scored.is_zero() => {
                write!(f, "{adds}: learning, needs a day of history and then 24 h of scores")
            }
            Standing::Learning(scored) => write!(f, "{adds}: learning, needs 24 h of scores, has {} h", scored.as_secs() / 3600),
            Standing::Better => {
                write!(f, "{adds}: its recent error is less than 80% of that without")
            }
            Standing::NoBetter => write!(f, "{adds}: its recent error is not less than 80% of that without"),
        }
    }
}
