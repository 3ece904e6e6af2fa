//! Why a size was chosen or kept, with numbers. One type, rendered alike in Events, conditions, logs, metrics and reports.

use serde::{Deserialize, Serialize};

/// One step of the explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reason {
    /// The size is what the signals ask for.
    Steady,
}
