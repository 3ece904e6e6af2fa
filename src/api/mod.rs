//! What people write: `ScalePolicy`, `MetricSource` and annotations, and their validated conversion into the core's terms.

pub mod behavior;
pub mod compile;
mod error;
pub mod metrics;
pub mod quantity;
pub mod scale_policy;
pub mod selector;
pub mod status;

pub use compile::{Compiled, Defaults, TargetRef, compile};
pub use error::{FieldError, join};
pub use scale_policy::{ScalePolicy, ScalePolicySpec};
pub use status::ScalePolicyStatus;

/// API group of Ballast's own kinds, and prefix of its annotations and labels.
pub const GROUP: &str = "ballast.dev";
