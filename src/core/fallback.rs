//! What becomes of the size when signals stay away.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Policy;

/// What to do in a metric outage: hold for a while, then apply a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// How long the size is only held. Default 300 s: as long as the default look-back of scale-in, so that a restart of the
    /// metrics' server, which takes minutes, moves nothing.
    pub hold: Duration,
    /// What comes then. Default: the current size.
    pub replicas: FallbackReplicas,
}

/// The size after the hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FallbackReplicas {
    /// The one that is there.
    #[default]
    Current,
    /// At least this many; never fewer than there are.
    Floor(u32),
    /// Exactly this many, the only fallback that may remove replicas.
    Count(u32),
}

impl Default for Fallback {
    fn default() -> Self {
        Self { hold: Duration::from_secs(300), replicas: FallbackReplicas::Current }
    }
}

impl fmt::Display for FallbackReplicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("the current size"),
            Self::Floor(floor) => write!(f, "at least {floor} replicas"),
            Self::Count(count) => write!(f, "{count} replicas"),
        }
    }
}

/// The size that the fallback asks for after an outage of this length; `None` while it holds or when it only ever holds. Signals that are
/// still known and ask for more than it are heard.
pub(super) fn size(policy: &Policy, outage: Duration, current: u32, wanted: Option<u32>) -> Option<u32> {
    let Fallback { hold, replicas } = policy.fallback;
    let least = wanted.unwrap_or_default();
    match replicas {
        _ if outage < hold => None,
        FallbackReplicas::Current => None,
        FallbackReplicas::Floor(floor) => Some(floor.max(current).max(least)),
        FallbackReplicas::Count(count) => Some(count.max(least)),
    }
}
