//! Files to trials: what people write about a policy, a load and a cluster, and what they expect of it.
//!
//! | module | what lives there |
//! |---|---|
//! | [`policy_file`] | policies in files |
//! | [`contender`], [`calendar`] | who bears the load, schedules included |
//! | [`cluster`] | the model cluster: a file, and options over it |
//! | [`load`] | a trace as load in pods |
//! | [`bench`] | all of that together, run |
//! | [`assertion`] | what the score must be like |
//! | [`fixture`] | unit tests of policies |
//! | [`span`] | lengths and points of time |

pub mod assertion;
pub mod bench;
pub mod calendar;
pub mod cluster;
pub mod contender;
mod error;
mod fields;
pub mod fixture;
pub mod load;
pub mod policy_file;
pub mod span;

pub use assertion::Assertion;
pub use bench::Bench;
pub use cluster::{Model, Overrides};
pub use contender::{Contender, Rival};
pub use error::TrialError;
pub use load::{Blur, Choice, Scale, load};
