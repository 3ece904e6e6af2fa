//! Reasons as text: short, with numbers, readable in an Event without knowing the code.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::quantity::short;
use super::{Bound, Demand, Direction, Form, Hold, Outcome, Quantity, Raised, Rate, Reason, Smoothed};
use crate::core::forecast::told;
use crate::core::{Amount, Estimate, PauseDirection, RatePolicy};

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demand(demand) => demand.fmt(f),
            Self::Smoothed(smoothed) => smoothed.fmt(f),
            Self::Forecast(raised) => raised.fmt(f),
            Self::SignalFailed { signal, message, needed: true } => write!(f, "{signal} unknown: {message}"),
            Self::SignalFailed { signal, message, needed: false } => {
                write!(f, "{signal} unknown: {message}; a brake that is unknown holds nothing")
            }
            Self::Watched(watched) => watched.fmt(f),
            Self::Guarded { by, wanted } | Self::Braked { by, wanted } => write!(f, "wants {wanted}; {by}"),
            Self::GuardedLately { wanted, window, remaining } => {
                let (window, left) = (Seconds(*window), Seconds(*remaining));
                write!(f, "wants {wanted}; a guard has held within the last {window}, which counts for {left} more")
            }
            Self::Incomplete { failed, of, wanted: None } => write!(f, "{failed} of {of} signals unknown"),
            Self::Incomplete { failed, of, wanted: Some(wanted) } => {
                write!(f, "{failed} of {of} signals unknown; the others need {wanted}, but without the rest the size is not reduced")
            }
            Self::Stabilized(hold) => hold.fmt(f),
            Self::Collapsed { signal, unit, from, to, size, wanted, remaining } => {
                let (from, to) = (Quantity(*from, *unit), Quantity(*to, *unit));
                let left = Seconds(*remaining);
                write!(f, "wants {wanted}; {signal} fell from {from} to {to} too fast to be believed, so {size} are kept for {left} more")
            }
            Self::RateLimited { direction, rate: Rate::Off, wanted, .. } => {
                write!(f, "wants {wanted}; scale-{} is disabled", noun(*direction))
            }
            Self::RateLimited { rate, size, wanted, .. } => write!(f, "wants {wanted}; {rate} allows {size} now"),
            Self::OutageHold { remaining, then } => write!(f, "held for {} more, then {then}", Seconds(*remaining)),
            Self::Fallback { outage, replicas } => write!(f, "signals missing for {}: fallback to {replicas}", Seconds(*outage)),
            Self::Bounded { bound, size, wanted, by: None } => write!(f, "wants {wanted}; {bound} is {size}"),
            Self::Bounded { bound, size, wanted, by: Some(by) } => write!(f, "wants {wanted}; {bound} {size} {by}"),
            Self::OutOfBounds { bound, size, found, by } => {
                let side = if *bound == Bound::Minimum { "below" } else { "above" };
                write!(f, "size {found} is {side} {bound} {size}")?;
                by.as_ref().map_or(Ok(()), |by| write!(f, " {by}"))
            }
            Self::PodsNotStarting { stuck, of, cause, started, size, wanted } => {
                write!(f, "wants {wanted}; {stuck} of {of} pods are not starting: {cause}; {started} started, which allows {size}")
            }
            Self::SetByOther { writer, from, to } => write!(f, "{to} was set by {writer}, {from} before"),
            Self::Contested { wanted, writer, remaining } => {
                write!(f, "wants {wanted}; {writer} undoes each move, so the next one waits {} more", Seconds(*remaining))
            }
            Self::Paused { direction, wanted, by, why, remaining } => {
                let held = match direction {
                    PauseDirection::All => "scaling",
                    PauseDirection::Up => "scale-up",
                    PauseDirection::Down => "scale-down",
                };
                write!(f, "wants {wanted}; {held} paused")?;
                if !by.is_empty() {
                    write!(f, " by {by}")?;
                }
                if !why.is_empty() {
                    write!(f, " ({why})")?;
                }
                match remaining {
                    Some(left) => write!(f, " for {} more", Seconds(*left)),
                    None => f.write_str(" until the pause is removed"),
                }
            }
            Self::SwitchedOff => f.write_str("switched off: the size was set to 0, and not by an autoscaler"),
            Self::Selector { message } => f.write_str(message),
            Self::RecommendOnly => f.write_str("recommendation only, nothing is written"),
        }
    }
}

impl Display for Demand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (value, target) = (Quantity(self.value, self.unit), Quantity(self.target, self.unit));
        write!(f, "{} ", self.signal)?;
        match self.form {
            Form::Utilization => write!(f, "{}% of request, target {}%", short(self.value), short(self.target))?,
            Form::PerPod => write!(f, "{value} per pod, target {target}")?,
            Form::PerReplica => write!(f, "{value} in all, target {target} per replica")?,
            Form::Whole => write!(f, "{value}, target {target}")?,
            Form::Capacity => write!(f, "{value} in all, capacity {target} per replica")?,
        }
        match self.outcome {
            Outcome::Needs => write!(f, ": needs {}", self.proposal)?,
            Outcome::Within => write!(f, ": within tolerance, keeps {}", self.proposal)?,
            Outcome::Unsure => write!(f, ": no move is sure, keeps {}", self.proposal)?,
            Outcome::Surge => write!(f, ": within tolerance without the surge pods, keeps {}", self.proposal)?,
            Outcome::Stale => write!(f, ": too old to shrink on, keeps {}", self.proposal)?,
            Outcome::Returned => write!(f, ": its source was away and the window is not full again, keeps {}", self.proposal)?,
            Outcome::Past => write!(f, ": smoothed, and measured no longer so high, keeps {}", self.proposal)?,
        }
        self.pods.fmt(f)?;
        self.origin.as_ref().map_or(Ok(()), |origin| write!(f, " ({origin})"))
    }
}

impl Display for Smoothed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let show = |milli| Quantity(milli, self.unit);
        let Self { signal, estimate: Estimate { raw, level, sigma, demand, slope, lead }, saturated, .. } = self;
        write!(f, "{signal} taken as {} in all: measured {}, level {}, noise {}", show(*demand), show(*raw), show(*level), show(*sigma))?;
        if *saturated {
            f.write_str(", pods at their CPU limit, so at least twice that")?;
        }
        // Per minute: what a person reads off a graph.
        if *slope > 0.0 { write!(f, ", rising by {} per minute, {} ahead", show(60.0 * slope), Seconds(*lead)) } else { Ok(()) }
    }
}

impl Display for Raised {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { signal, unit, ahead, replicas, errors } = self;
        write!(f, "{signal} forecast {}: needs {replicas} ({}", told::Load(*ahead, *unit), ahead)?;
        errors.map_or(Ok(()), |errors| write!(f, "; {errors}"))?;
        f.write_str(")")
    }
}

impl Display for Hold {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let extreme = match self.direction {
            Direction::Up => "lowest",
            Direction::Down => "highest",
        };
        let Self { wanted, past, window, age, remaining, .. } = *self;
        write!(
            f,
            "wants {wanted}; {extreme} proposal of the last {} was {past}, {} ago, counts for {} more",
            Seconds(window),
            Seconds(age),
            Seconds(remaining)
        )
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Doubling => f.write_str("doubling per decision (or 4)"),
            Self::Tenfold => f.write_str("tenfold per decision (or 4 more)"),
            Self::Policy(RatePolicy { amount: Amount::Pods(pods), period }) => {
                write!(f, "the rate of {pods} pods per {}", Seconds(*period))
            }
            Self::Policy(RatePolicy { amount: Amount::Percent(percent), period }) => {
                write!(f, "the rate of {percent}% per {}", Seconds(*period))
            }
            Self::Off => f.write_str("nothing"),
        }
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minimum => "minReplicas",
            Self::Maximum => "maxReplicas",
        })
    }
}

/// The second half of "scale-up" and "scale-down".
fn noun(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

/// Whole seconds, rounded up so that "0s more" is never said of something that still holds.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0))
    }
}
