//! metrics.k8s.io: usage of CPU, memory and other resources by pod.
//!
//! One list of a namespace, or of the cluster, answers everybody who asks about pods there at about the same time. Of its entries only what
//! somebody asked about is kept, while the answer is still being read.

mod decode;
mod json;
mod lists;
mod wanted;

use crate::core::Failure;

pub(super) use lists::{Lists, Scope};
pub(super) use wanted::{Listed, Wanted};

pub use decode::decode;
pub use wanted::Wanted as WantedUsage;

const API: &str = "metrics.k8s.io";

/// Nothing measured in a namespace.
fn nothing_in(namespace: &str) -> Failure {
    Failure::empty(format!("{API}: no pod of namespace {namespace} has metrics"))
}
