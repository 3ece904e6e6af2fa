//! Scenarios on twin targets: the stock autoscaler on one, Ballast on the other, with the same inputs.

// Each test binary uses its own part of this module.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::panic)]

mod act;
mod behavior;
mod failures;
mod formulas;
mod limits;
mod observe;
mod report;
mod run;
mod scenario;
mod sources;
mod trajectories;

pub use observe::{Sizes, conditions};
pub use report::print;
pub use run::{Autoscaler, Side, Twins};
pub use scenario::{Scenario, behaving, cpu, external, spec};

/// All scenarios, each with a name of its own.
pub fn scenarios() -> Vec<Scenario> {
    let all = [formulas::all(), sources::all(), failures::all(), limits::all(), behavior::all(), trajectories::all()].concat();
    let names: std::collections::BTreeSet<_> = all.iter().map(|s| s.name).collect();
    assert_eq!(names.len(), all.len(), "two scenarios have the same name");
    all
}
