//! Where `MetricSource` objects come from.

use std::sync::Arc;

use crate::api::MetricSourceSpec;

/// The `MetricSource`s as they are now. Whoever watches them keeps it; asking costs nothing.
pub trait Catalog: Send + Sync {
    /// The object of that name, if there is one.
    fn find(&self, namespace: &str, name: &str) -> Option<CatalogEntry>;
}

/// One object.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    /// Grows with every change of any object, so that an object made anew under the same name has another one.
    pub revision: u64,
    /// What it says, or what is wrong with its fields.
    pub spec: Result<Arc<MetricSourceSpec>, String>,
}
