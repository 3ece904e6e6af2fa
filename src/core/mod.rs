//! The pure decision: what was seen in, a decision with its reasons out.
//!
//! No async, no I/O, no clock, no Kubernetes types, no logging. The controller, the simulator, the replay and the benches all
//! call [`decide`].

mod bits;
mod bounds;
mod collapse;
mod combine;
mod conditions;
mod contest;
mod decide;
mod decision;
pub mod demand;
mod fallback;
pub mod forecast;
mod headline;
mod lead;
mod limits;
mod memory;
mod message;
mod observation;
mod origin;
mod pause;
mod pods;
mod policy;
pub mod reason;
mod resume;
mod signal;
pub mod smooth;
mod stuck;
mod time;
mod trend;
mod watch;
mod writer;
mod zero;

pub use bounds::{BySchedule, Scheduled, ScheduledBound, bounds};
pub use decide::{decide, would_grow};
pub use decision::{Clamp, Condition, ConditionKind, Current, Decision, Estimate, SignalReport, Verdict, Warning};
pub use fallback::{Fallback, FallbackReplicas};
pub use memory::Memory;
pub use message::Message;
pub use observation::{Failure, FailureKind, Observation, Phase, Pod, Reading, Ready, Request, Sample, Selector, Trouble};
pub use origin::{Origin, Poll};
pub use policy::{
    Amount, Behavior, Forecast, ForecastMode, Mode, Pause, PauseDirection, Policy, RatePolicy, Role, ScaleToZero, ScalingRules, Select,
    Signal, SignalKind, SmoothParameters, Smoothing, Target, Tolerance, WarmUp,
};
pub use reason::Reason;
pub use time::Time;
pub use writer::{Way, Writer};
