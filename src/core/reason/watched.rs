//! What a guard or brake says.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::quantity::short;
use super::{Form, PodCounts, Quantity, Unit};
use crate::core::Role;

/// Where a guard or brake stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Name of the signal.
    pub signal: Arc<str>,
    /// Guard or brake.
    pub role: Role,
    /// How value and target are meant.
    pub form: Form,
    /// Unit of value and target.
    pub unit: Unit,
    /// Measured value: percent, or thousandths of the unit.
    pub value: f64,
    /// The target, likewise.
    pub target: f64,
    /// Pods, as far as the signal looks at them.
    pub pods: PodCounts,
    /// What came of it.
    pub standing: Standing,
}

/// What came of comparing a guard or brake with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// At the target or below: moves are free.
    Below,
    /// Above: moves are held.
    Above,
    /// The newest sample is older than the signal's limit: a guard holds, a brake does not.
    Stale,
    /// Below, but what the value looks back over has a gap, as its source was away: a guard holds.
    Returned,
}

impl Watched {
    /// Whether it stands against moves in its direction.
    pub const fn holds(&self) -> bool {
        match self.role {
            Role::Driver => false,
            Role::Guard => !matches!(self.standing, Standing::Below),
            Role::Brake => matches!(self.standing, Standing::Above),
        }
    }
}

impl Display for Watched {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (value, target) = (Quantity(self.value, self.unit), Quantity(self.target, self.unit));
        let (word, held) = match self.role {
            Role::Brake => ("brake", "growth"),
            Role::Guard | Role::Driver => ("guard", "scale-in"),
        };
        write!(f, "{} ", self.signal)?;
        match self.form {
            Form::Utilization => write!(f, "{}% of request, {word} at {}%", short(self.value), short(self.target))?,
            Form::PerPod => write!(f, "{value} per pod, {word} at {target}")?,
            Form::PerReplica => write!(f, "{value} in all, {word} at {target} per replica")?,
            Form::Whole => write!(f, "{value}, {word} at {target}")?,
            Form::Capacity => write!(f, "{value} in all, {word} at capacity {target} per replica")?,
        }
        match self.standing {
            Standing::Below => f.write_str(": holds nothing")?,
            Standing::Above => write!(f, ": above, holds {held}")?,
            Standing::Stale if self.role == Role::Brake => f.write_str(": too old to hold growth on")?,
            Standing::Stale => f.write_str(": too old to shrink on, holds scale-in")?,
            Standing::Returned => f.write_str(": its source was away and the window is not full again, holds scale-in")?,
        }
        self.pods.fmt(f)
    }
}
