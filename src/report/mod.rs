//! The record of a policy for people: what was seen, what was decided and why, what holds it, what comes next.
//!
//! [`Record`] is the JSON of `/debug/policies/NAMESPACE/NAME` and of `ballast explain -o json`; [`page`] renders it for terminals.
//! [`html`] is the same for a trial in the simulator, as an HTML file.

mod build;
mod columns;
mod curve;
mod differences;
mod history;
pub mod html;
mod last;
mod next;
pub mod open_loop;
mod page;
mod plot;
mod record;
mod ring;
mod span;
mod status;
mod suite;
mod trial;

pub(crate) use build::timestamp;
pub use differences::{Differences, Side, differences_page};
pub use history::{PolicyHistory, history_page};
pub use last::Last;
pub use next::next;
pub use page::{View, page};
pub use record::{
    BoundsRecord, Change, ClampRecord, ConditionRecord, DecisionRecord, EstimateRecord, History, PauseRecord, Point, ReasonRecord, Record,
    ScaleRecord, SignalRecord, Summary, ToleranceRecord,
};
pub use ring::Ring;
pub use status::{Line, Reader, StatusTable};
pub use suite::suite_page;
pub use trial::{TrialView, trial_page};
