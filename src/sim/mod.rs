//! A model cluster under recorded or made load, on a clock of its own: what would a policy have done, and how good was it?
//!
//! The production decision ([`crate::core::decide`]) runs unchanged; everything around it is a model. Like the core, this is pure: no
//! async, no clock, no I/O but reading a trace that was opened elsewhere, and the same seed gives the same run.
//!
//! | module | what lives there |
//! |---|---|
//! | [`trace`] | recorded load, as CSV |
//! | [`load`] | load in pods, second by second: scaled traces, synthetic shapes, noise |
//! | [`setup`] | how the model cluster behaves |
//! | [`workload`] | what its pods show in metrics |
//! | [`plant`] | the model cluster: time, load, work that waits |
//! | [`fleet`] | its pods: they start, fail and go |
//! | [`rollout`] | the Deployment: sizes and rolling updates |
//! | [`nodes`] | room for pods |
//! | [`pipeline`], [`counter`] | its metrics, late and averaged |
//! | [`faults`], [`chance`] | what goes wrong at a given time, and what is random |
//! | [`autoscaler`] | who decides: Ballast and the stock HPA (one code) |
//! | [`keda`], [`kpa`] | rivals with rules of their own: KEDA, Knative's KPA |
//! | [`score`] | how well demand was met, and at what cost |
//! | [`run`] | one load, one cluster, one autoscaler: one score |
//! | [`trial`] | one load, some contenders: what each did, to print, plot and check |

pub mod autoscaler;
pub(crate) mod chance;
pub(crate) mod counter;
pub mod faults;
pub(crate) mod fleet;
pub mod keda;
pub mod kpa;
pub mod load;
pub mod nodes;
pub(crate) mod pipeline;
pub mod plant;
pub mod problem;
pub mod rollout;
pub mod run;
pub mod score;
pub(crate) mod seconds;
pub mod setup;
pub mod trace;
pub mod trial;
pub mod workload;

pub use autoscaler::{Autoscaler, Ballast, Look};
pub use faults::{Incident, IncidentKind, Outage, OutageKind};
pub use keda::{Keda, KedaFallback};
pub use kpa::Kpa;
pub use load::{Load, Noise, Shape};
pub use nodes::Nodes;
pub use plant::{Cluster, EPOCH};
pub use problem::Problem;
pub use rollout::Rollout;
pub use run::{Run, run};
pub use score::{Figures, Score, Second};
pub use setup::Setup;
pub use trace::{Trace, TraceError};
pub use trial::{Outcome, State, Told, Trial, Watch};
pub use workload::{Measure, Meter, Workload};
