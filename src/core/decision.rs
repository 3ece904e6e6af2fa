//! The outcome of one look at a workload: a size, why, and what to tell people.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::forecast::Outlook;
use super::{Message, Origin, Reason, Role, Signal, Time};

/// What was decided, and everything worth saying about it.
///
/// Its lists have room in place for what a policy with two signals says, so that a look which changes nothing allocates nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When it was decided.
    pub time: Time,
    /// `spec.replicas` at the time.
    pub from: u32,
    /// The size the workload should have; equal to `from` when nothing is to be written.
    pub to: u32,
    /// Replicas that the signals ask for together, before anything holds them back; `None` while that is unknown.
    pub wanted: Option<u32>,
    /// One word for it.
    pub verdict: Verdict,
    /// Why, in the order of the pipeline; the first one is the headline. Never empty.
    pub reasons: SmallVec<[Reason; 6]>,
    /// One report per signal, in the order of the policy.
    pub signals: SmallVec<[SignalReport; 2]>,
    /// The stages that changed the size, in the order they did; each starts from what the one before left.
    pub clamps: SmallVec<[Clamp; 2]>,
    /// Conditions to set now; those not named stay as they are.
    pub conditions: SmallVec<[Condition; 4]>,
    /// Warnings to record as Events (metric failures, bad selectors); a rescale's own Event is made when it was written.
    pub warnings: Vec<Warning>,
    /// When something known will change by itself (a window or pause ends), if that is sooner than the next interval.
    pub next_look: Option<Time>,
}

/// One word for a decision; also a metric label, so the set is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// More replicas.
    ScaleUp,
    /// Fewer replicas.
    ScaleDown,
    /// The size is right, or within tolerance.
    Steady,
    /// A different size is wanted, but something holds it back (window, rate, bound, pause).
    Held,
    /// No decision: signals failed.
    Unknown,
    /// The target is switched off (size 0).
    Disabled,
}

/// One stage that replaced the size it was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clamp {
    /// The size that came in.
    pub before: u32,
    /// The size that went out.
    pub after: u32,
    /// Why.
    pub reason: Reason,
    /// When this may change by itself, if that is known.
    pub until: Option<Time>,
}

/// What one signal contributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalReport {
    /// Its name for people, e.g. `cpu` or `http-requests-per-second`.
    pub name: Arc<str>,
    /// What it may do to the size.
    pub role: Role,
    /// A guard or brake that stands against moves in its direction now, whether or not one is wanted.
    pub holds: bool,
    /// Current value in the target's terms, if known: percent, or thousandths of the unit.
    pub current: Option<Current>,
    /// Replicas it asks for, if known; only drivers ask for any.
    pub proposal: Option<u32>,
    /// Age of the newest sample at the time of the decision, in milliseconds.
    pub age_millis: Option<u64>,
    /// Who gave its reading, if its pods are to be asked themselves.
    pub origin: Option<Arc<Origin>>,
    /// What was made of the total demand; `None` without a usable reading, and of signals that do not drive.
    pub estimate: Option<Estimate>,
    /// What the forecast says; `None` where the policy asks for none, or without a usable reading.
    pub outlook: Option<Outlook>,
    /// Why it cannot be used.
    pub failure: Option<String>,
}

/// Total demand of one signal over all pods, in thousandths of its unit, before and after the filter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Measured.
    pub raw: f64,
    /// Filtered level; equal to `raw` without smoothing.
    pub level: f64,
    /// Standard deviation of the noise; 0 without smoothing.
    pub sigma: f64,
    /// Acted on.
    pub demand: f64,
    /// Rise per second that is followed ahead of time; 0 without one.
    pub slope: f64,
    /// For how long ahead; zero without a rise.
    pub lead: Duration,
}

/// A signal's value as the HPA's status shows it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Current {
    /// Percent of the requests.
    pub utilization: Option<u32>,
    /// Mean per pod, in thousandths of the unit.
    pub average: Option<f64>,
    /// Whole value, in thousandths of the unit.
    pub value: Option<f64>,
}

/// A condition of the policy's status. `kind` and `reason` are the HPA's own words where it has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Its type.
    pub kind: ConditionKind,
    /// Its status.
    pub status: bool,
    /// CamelCase reason.
    pub reason: &'static str,
    /// Text for people.
    pub message: Message,
}

/// Condition types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionKind {
    /// The scale can be read and written.
    AbleToScale,
    /// A size can be computed.
    ScalingActive,
    /// The wanted size was cut by a bound or a rate.
    ScalingLimited,
    /// An autoscaler put the target to zero.
    ScaledToZero,
    /// Somebody else undoes each move. Only set once that was so.
    ReplicasContested,
    /// The forecast may add replicas. Only set where the policy asks for one.
    ForecastActive,
    /// The spec cannot be used as it is, and only an edit helps. Only set while it is so.
    Stalled,
}

/// A warning to record as an Event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// CamelCase Event reason.
    pub reason: String,
    /// Event text.
    pub message: String,
}

// === impl Verdict ===

impl Verdict {
    /// The verdict as status, metrics and logs show it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ScaleUp => "ScaleUp",
            Self::ScaleDown => "ScaleDown",
            Self::Steady => "Steady",
            Self::Held => "Held",
            Self::Unknown => "Unknown",
            Self::Disabled => "Disabled",
        }
    }
}

// === impl SignalReport ===

impl SignalReport {
    /// Of a signal that cannot be used, or of which nothing is known yet.
    pub fn unknown(signal: &Signal, failure: Option<String>) -> Self {
        Self {
            name: Arc::clone(signal.name()),
            role: signal.role,
            holds: false,
            current: None,
            proposal: None,
            age_millis: None,
            origin: None,
            estimate: None,
            outlook: None,
            failure,
        }
    }

    /// It cannot be used, and nothing may shrink without it. A brake is not needed: unknown, it holds nothing.
    pub fn is_missing(&self) -> bool {
        self.failure.is_some() && self.role != Role::Brake
    }
}

// === impl Decision ===

impl Decision {
    /// What keeps the wanted size from being set, as a fixed word; the first reason of a held decision.
    pub fn held_by(&self) -> Option<&'static str> {
        self.reasons.first().filter(|_| self.verdict == Verdict::Held).map(Reason::code)
    }

    /// When what holds the wanted size may let go by itself, if that is known.
    pub fn held_until(&self) -> Option<Time> {
        self.clamps.last().filter(|_| self.verdict == Verdict::Held).and_then(|clamp| clamp.until)
    }
}
