//! Defaults for policies by namespace, which may change while the controller runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::api::Defaults;
use crate::config::{NamespaceDefaults, SmoothingName};
use crate::core;

/// The flags' defaults, and over them those of the configuration file.
#[derive(Debug)]
pub struct LiveDefaults {
    base: Defaults,
    by_namespace: ArcSwap<BTreeMap<String, NamespaceDefaults>>,
}

// === impl LiveDefaults ===

impl LiveDefaults {
    /// Defaults of the flags, and of the file as first read.
    pub fn new(base: Defaults, by_namespace: BTreeMap<String, NamespaceDefaults>) -> Self {
        Self { base, by_namespace: ArcSwap::from_pointee(by_namespace) }
    }

    /// Takes the defaults of a file that was read again; the engine then compiles every policy anew.
    pub fn reload(&self, by_namespace: BTreeMap<String, NamespaceDefaults>) {
        if **self.by_namespace.load() != by_namespace {
            self.by_namespace.store(Arc::new(by_namespace));
        }
    }

    /// Changes whenever the defaults do.
    pub(super) fn version(&self) -> Arc<BTreeMap<String, NamespaceDefaults>> {
        self.by_namespace.load_full()
    }

    /// Defaults for the policies of a namespace.
    pub fn of(&self, namespace: &str) -> Defaults {
        self.by_namespace.load().get(namespace).map_or_else(|| self.base.clone(), |own| over(&self.base, own))
    }
}

fn over(base: &Defaults, own: &NamespaceDefaults) -> Defaults {
    let seconds = |own: Option<u32>, base| own.map_or(base, |s| Duration::from_secs(u64::from(s)));
    Defaults {
        tolerance: own.tolerance.unwrap_or(base.tolerance),
        interval: seconds(own.interval_seconds, base.interval),
        downscale_stabilization: seconds(own.downscale_stabilization_seconds, base.downscale_stabilization),
        smoothing: match own.smoothing {
            Some(SmoothingName::Smooth) => core::Smoothing::Smooth(core::SmoothParameters::default()),
            Some(SmoothingName::None) => core::Smoothing::None,
            None => base.smoothing,
        },
        ..base.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_keeps_what_it_does_not_set() {
        let shop = NamespaceDefaults { interval_seconds: Some(5), smoothing: Some(SmoothingName::None), ..NamespaceDefaults::default() };
        let live = LiveDefaults::new(Defaults::default(), BTreeMap::from([("shop".to_owned(), shop)]));
        let expected = Defaults { interval: Duration::from_secs(5), smoothing: core::Smoothing::None, ..Defaults::default() };
        assert_eq!(live.of("shop"), expected);
        assert_eq!(live.of("other"), Defaults::default());
    }

    #[test]
    fn the_same_file_read_again_is_no_change() {
        let live = LiveDefaults::new(Defaults::default(), BTreeMap::new());
        let before = live.version();
        live.reload(BTreeMap::new());
        assert!(Arc::ptr_eq(&before, &live.version()));
        live.reload(BTreeMap::from([("shop".to_owned(), NamespaceDefaults::default())]));
        assert!(!Arc::ptr_eq(&before, &live.version()));
    }
}
