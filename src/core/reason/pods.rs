//! How many pods a signal looked at.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// Pods by what they are to a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodCounts {
    /// Counted with their sample (for a whole value: ready).
    pub ready: u32,
    /// Should have a sample and have none.
    pub missing: u32,
    /// Starting.
    pub unready: u32,
    /// Ending or ended.
    pub ignored: u32,
}

/// Only what is out of the ordinary.
impl Display for PodCounts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.missing == 0 && self.unready == 0 {
            return Ok(());
        }
        write!(f, " ({} pods counted", self.ready)?;
        for (count, what) in [(self.missing, "without sample"), (self.unready, "starting"), (self.ignored, "ending")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        f.write_str(")")
    }
}
