//! Memory that survives: many policies' memories as one compact block of bytes, and which block a policy belongs to.
//!
//! Pure; `cluster::checkpoint` keeps the blocks, `engine` decides when. What a restored memory is worth is argued in `core::resume`.

mod format;
mod keeper;
mod layout;
mod object;

use serde::{Deserialize, Serialize};

use crate::core::{Memory, Time};

pub use format::{OBJECT_BYTES, RECORD_BYTES, Unusable, VERSION, from_text, open, record, seal, to_text, whole};
pub use keeper::{Keeper, Move};
pub use layout::{Layout, OBJECTS};
pub use object::{HISTORY_WEIGHT, POLICIES_PER_OBJECT, object_of, objects_for};

/// What is remembered of one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// UID of the policy: a namesake made later must not inherit.
    pub uid: String,
    /// When it was taken.
    pub taken: Time,
    /// The memory then.
    pub memory: Memory,
}
