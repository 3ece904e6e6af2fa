//! From an HPA to a policy beside it, to the policy alone, and back; each step can be made again and goes on where it was broken off.
//!
//! Whether the HPA exists is the one switch. A policy that enforces writes nothing while an HPA has the same target, and takes over when the
//! watch says that it is gone; so the order of writes is always: first all that makes the other side ready, then the one delete or create
//! that hands over. Between two writes the target has exactly one autoscaler:
//!
//! | step | write | who scales before it | and after it |
//! |---|---|---|---|
//! | shadow | the policy is created, `mode: Recommend` | the HPA | the HPA |
//! | hand-over | the policy gets the HPA's manifest as an annotation and `mode: Enforce` | the HPA | the HPA, while it exists |
//! | | the HPA is deleted, if it still is what was noted down | the HPA | the policy |
//! | back | the HPA is created from the annotation | the policy | the HPA, while it exists |
//! | | the policy loses the annotation and gets `mode: Recommend`, or is deleted | the HPA | the HPA |
//!
//! Parking the HPA by `selectPolicy: Disabled` was not chosen: it would still force its own bounds, and anybody who edits it takes up scaling.

mod api;
mod error;
pub mod regret;
mod steps;

pub use api::Cluster;
pub use error::AdoptError;
pub use steps::{Adoption, Back, Shadow};

/// Annotation of a policy that stands for an HPA: the HPA's name.
pub const ADOPTS: &str = "ballast.dev/adopts-hpa";
/// Annotation of a policy that took over from an HPA: the HPA as it was.
pub const PARKED: &str = "ballast.dev/parked-hpa";
/// Label of such policies.
pub const LABEL: &str = "ballast.dev/adopted";
