//! Why a size was chosen or kept, with numbers. One type, rendered alike in Events, conditions, logs, metrics and reports.

mod display;
mod pods;
mod quantity;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::forecast::{Ahead, Errors};
use super::{BySchedule, Estimate, FallbackReplicas, Origin, PauseDirection, RatePolicy, Time, Writer};
pub use pods::PodCounts;
pub(super) use quantity::short;
pub use quantity::{Quantity, Unit};
pub use watched::{Standing, Watched};

/// One step of the explanation; `Display` gives a short text with numbers, [`Reason::code`] a fixed label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reason {
    /// What one signal asks for.
    Demand(Demand),
    /// The level filter replaced what a signal measured.
    Smoothed(Smoothed),
    /// The forecast asks for more than demand itself.
    Forecast(Raised),
    /// A signal cannot be used.
    SignalFailed {
        /// Its name.
        signal: Arc<str>,
        /// The whole story.
        message: String,
        /// Nothing shrinks without it; only brakes are not needed.
        needed: bool,
    },
    /// What a guard or brake says.
    Watched(Watched),
    /// A guard holds scale-in.
    Guarded {
        /// Which, the first of them.
        by: Watched,
        /// The size that would have been set.
        wanted: u32,
    },
    /// A guard held scale-in until lately.
    GuardedLately {
        /// The size that would have been set.
        wanted: u32,
        /// How long it counts.
        window: Duration,
        /// Time left.
        remaining: Duration,
    },
    /// A brake holds growth.
    Braked {
        /// Which, the first of them.
        by: Watched,
        /// The size that would have been set.
        wanted: u32,
    },
    /// Failed signals leave no size to act on.
    Incomplete {
        /// Signals that failed.
        failed: usize,
        /// Signals in all.
        of: usize,
        /// What the others ask for, if any; smaller than the size, or it would be acted on.
        wanted: Option<u32>,
    },
    /// Signals are missing, and the size is held before the fallback is applied.
    OutageHold {
        /// Time left.
        remaining: Duration,
        /// What comes then.
        then: FallbackReplicas,
    },
    /// Signals have been missing for so long that the fallback is in force.
    Fallback {
        /// How long.
        outage: Duration,
        /// What it asks for.
        replicas: FallbackReplicas,
    },
    /// A past proposal holds the size.
    Stabilized(Hold),
    /// Demand fell implausibly fast, and what it asked for before is kept.
    Collapsed {
        /// Name of the signal.
        signal: Arc<str>,
        /// Unit of the numbers.
        unit: Unit,
        /// Level before the fall, in thousandths of the unit over all pods.
        from: f64,
        /// The lowest sample since, likewise.
        to: f64,
        /// The size kept.
        size: u32,
        /// The size wanted.
        wanted: u32,
        /// Time until the fall is believed.
        remaining: Duration,
    },
    /// The move is larger than the rate allows.
    RateLimited {
        /// Of the move.
        direction: Direction,
        /// What limits it.
        rate: Rate,
        /// The size allowed now.
        size: u32,
        /// The size wanted.
        wanted: u32,
    },
    /// The wanted size lies beyond a bound.
    Bounded {
        /// Which.
        bound: Bound,
        /// Its size.
        size: u32,
        /// The size wanted.
        wanted: u32,
        /// The schedule that sets the bound; `None`: the policy itself does.
        by: Option<BySchedule>,
    },
    /// The size found lies beyond a bound and is brought back without asking the signals.
    OutOfBounds {
        /// Which.
        bound: Bound,
        /// Its size.
        size: u32,
        /// The size found.
        found: u32,
        /// The schedule that sets the bound; `None`: the policy itself does.
        by: Option<BySchedule>,
    },
    /// Too many pods do not start to order more of them.
    PodsNotStarting {
        /// Pods that do not start.
        stuck: usize,
        /// Pods that are there.
        of: usize,
        /// What keeps them from it.
        cause: String,
        /// Pods that have started.
        started: usize,
        /// The size allowed.
        size: u32,
        /// The size wanted.
        wanted: u32,
    },
    /// The size found was set by somebody else.
    SetByOther {
        /// Who.
        writer: Writer,
        /// The size known before.
        from: u32,
        /// The size found.
        to: u32,
    },
    /// Somebody else undoes each move, so the next one waits.
    Contested {
        /// The size that would have been set.
        wanted: u32,
        /// Who.
        writer: Writer,
        /// Time left.
        remaining: Duration,
    },
    /// Somebody paused the moves of this direction.
    Paused {
        /// Which moves are held.
        direction: PauseDirection,
        /// The size that would have been set.
        wanted: u32,
        /// Who paused.
        by: Arc<str>,
        /// Why, in their words.
        why: Arc<str>,
        /// Time left; `None`: until the pause is removed.
        remaining: Option<Duration>,
    },
    /// Size 0 that no autoscaler set: the target is switched off.
    SwitchedOff,
    /// The target's selector cannot be used.
    Selector {
        /// What is wrong with it.
        message: String,
    },
    /// The policy only recommends: nothing is written.
    RecommendOnly,
}

/// What one signal asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Its name.
    pub signal: Arc<str>,
    /// How value and target are meant.
    pub form: Form,
    /// Unit of value and target.
    pub unit: Unit,
    /// Value compared with the target, after smoothing: percent, or thousandths of the unit.
    pub value: f64,
    /// The target, likewise.
    pub target: f64,
    /// Value / target as far as it decided, corrections included.
    pub ratio: f64,
    /// Pods, as far as the signal looks at them.
    pub pods: PodCounts,
    /// What came of it.
    pub outcome: Outcome,
    /// Replicas it asks for.
    pub proposal: u32,
    /// Who gave the value, if its pods are to be asked themselves.
    pub origin: Option<Arc<Origin>>,
}

/// How a signal's value and target are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Percent of the pods' requests.
    Utilization,
    /// Mean per counted pod.
    PerPod,
    /// Whole value, shared by the replicas.
    PerReplica,
    /// Whole value against a whole target.
    Whole,
    /// Whole value against what one replica bears.
    Capacity,
}

/// What came of comparing a value with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The ratio calls for the proposal.
    Needs,
    /// Within tolerance: the size is kept.
    Within,
    /// Outside, but not sure once missing and starting pods are taken into account: the size is kept.
    Unsure,
    /// Outside, but only because more pods run than were asked for: the size is kept.
    Surge,
    /// Only the smoothed past is above the target, what is measured is not: the size is kept.
    Past,
    /// Below, but the newest sample is older than the signal's limit: the size is kept.
    Stale,
    /// Below, but what the value looks back over has a gap, as its source was away: the size is kept.
    Returned,
}

/// What the filters made of a signal's demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Smoothed {
    /// Name of the signal.
    pub signal: Arc<str>,
    /// Unit of the numbers.
    pub unit: Unit,
    /// The numbers.
    pub estimate: Estimate,
    /// The pods are at their CPU limit, so that the demand is taken to be twice what is measured at least.
    pub saturated: bool,
}

/// A forecast that asks for more replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Raised {
    /// Name of the signal.
    pub signal: Arc<str>,
    /// Unit of the numbers.
    pub unit: Unit,
    /// What is foretold, when, and by what.
    pub ahead: Ahead,
    /// Replicas it asks for.
    pub replicas: u32,
    /// Why it is trusted.
    pub errors: Option<Errors>,
}

/// A past proposal that holds the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Direction of the move held back.
    pub direction: Direction,
    /// The size wanted.
    pub wanted: u32,
    /// The size instead.
    pub size: u32,
    /// The past proposal.
    pub past: u32,
    /// The window looked at.
    pub window: Duration,
    /// Age of the past proposal.
    pub age: Duration,
    /// Time until it leaves the window.
    pub remaining: Duration,
    /// The size that the window gives then, if nothing else changes: `wanted`, or the next extreme.
    pub then: u32,
}

/// Direction of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// What limits the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rate {
    /// Without behavior: double the size, or 4, per decision.
    Doubling,
    /// Without behavior, with smoothing and some history: ten times the size, or 4 more, per decision.
    Tenfold,
    /// A policy of the behavior.
    Policy(RatePolicy),
    /// `selectPolicy: Disabled`.
    Off,
}

/// A bound of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// `minReplicas`.
    Minimum,
    /// `maxReplicas`.
    Maximum,
}

impl Reason {
    /// Fixed label for metrics and machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Demand(demand) => match demand.outcome {
                Outcome::Needs => "Demand",
                Outcome::Within => "WithinTolerance",
                Outcome::Unsure => "SamplesMissing",
                Outcome::Surge => "Surge",
                Outcome::Past => "Past",
                Outcome::Stale => "Stale",
                Outcome::Returned => "Returned",
            },
            Self::Smoothed(_) => "Smoothed",
            Self::Forecast(_) => "Forecast",
            Self::SignalFailed { .. } => "SignalFailed",
            Self::Watched(_) => "Watched",
            Self::Guarded { .. } => "Guarded",
            Self::GuardedLately { .. } => "GuardedLately",
            Self::Braked { .. } => "Braked",
            Self::Incomplete { .. } => "SignalsIncomplete",
            Self::OutageHold { .. } => "OutageHold",
            Self::Fallback { .. } => "Fallback",
            Self::Stabilized(_) => "Stabilized",
            Self::Collapsed { .. } => "Collapsed",
            Self::RateLimited { rate: Rate::Off, .. } => "DirectionDisabled",
            Self::RateLimited { .. } => "RateLimited",
            Self::Bounded { bound: Bound::Minimum, .. } => "BoundedByMinimum",
            Self::Bounded { bound: Bound::Maximum, .. } => "BoundedByMaximum",
            Self::OutOfBounds { bound: Bound::Minimum, .. } => "BelowMinimum",
            Self::OutOfBounds { bound: Bound::Maximum, .. } => "AboveMaximum",
            Self::PodsNotStarting { .. } => "PodsNotStarting",
            Self::SetByOther { .. } => "SetByOther",
            Self::Contested { .. } => "Contested",
            Self::Paused { .. } => "Paused",
            Self::SwitchedOff => "SwitchedOff",
            Self::Selector { .. } => "SelectorUnusable",
            Self::RecommendOnly => "RecommendOnly",
        }
    }

    /// Whether this step keeps a wanted size from being set.
    pub(super) const fn holds(&self) -> bool {
        matches!(
            self,
            Self::Stabilized(_)
                | Self::Collapsed { .. }
                | Self::RateLimited { .. }
                | Self::Bounded { .. }
                | Self::PodsNotStarting { .. }
                | Self::Guarded { .. }
                | Self::GuardedLately { .. }
                | Self::Braked { .. }
                | Self::Contested { .. }
                | Self::Paused { .. }
        )
    }
}

/// Time left until `end`, as reasons state it: relative, since a reader may be on another clock.
pub(super) fn remaining(end: Option<Time>, now: Time) -> Option<Duration> {
    end.map(|end| end.since(now))
}
