//! What people write: `ScalePolicy`, `MetricSource` and annotations, and their validated conversion into the core's terms.

pub mod annotations;
pub mod behavior;
pub mod compile;
pub mod conditions;
pub mod crd;
mod error;
pub mod metric_source;
pub mod metrics;
pub(crate) mod nearest;
mod preset_rules;
pub mod quantity;
pub mod report;
pub mod scale_policy;
pub mod schedule;
pub mod selector;
pub mod source_config;
pub mod status;
pub mod time;

pub use compile::{Compiled, Defaults, TargetRef, compile};
pub use error::{FieldError, join};
pub use metric_source::{MetricSource, MetricSourceSpec};
pub use scale_policy::{ScalePolicy, ScalePolicySpec};
pub use source_config::SourceConfig;
pub use status::ScalePolicyStatus;

/// API group of Ballast's own kinds, and prefix of its annotations and labels.
pub const GROUP: &str = "ballast.dev";
