//! The pure decision: what was seen in, a decision with its reasons out.
//!
//! No async, no I/O, no clock, no Kubernetes types, no logging. The controller, the simulator, the replay and the benches all
//! call [`decide`].

mod decision;
mod observation;
mod policy;
mod reason;
mod time;

pub use decision::{Condition, ConditionKind, Current, Decision, SignalReport, Verdict, Warning};
pub use observation::{Failure, FailureKind, Observation, Phase, Pod, Reading, Ready, Request, Sample};
pub use policy::{
    Amount, Behavior, Mode, Pause, PauseDirection, Policy, RatePolicy, ScaleToZero, ScalingRules, Select, Signal, SignalKind,
    SmoothParameters, Smoothing, Target, Tolerance, WarmUp,
};
pub use reason::Reason;
pub use time::Time;
