//! Replay: what a policy would have done, from the history in a Prometheus server.
//!
//! | module | what lives there |
//! |---|---|
//! | [`look`] | one look of the controller as numbers that Prometheus can keep |
//! | [`looks`] | those looks, found again in a server's history |
//! | [`open`] | the open loop: every look decided again, as it was seen then |
//! | [`history`] | a server's history in bounded pieces, kept on disk |
//! | [`load`] | the load behind the policy's signals, over time |
//! | [`was`] | what the workload's size really was |
//! | [`when`] | times on a command line |

pub mod cache;
pub mod history;
pub mod load;
pub mod look;
pub mod looks;
pub mod open;
pub mod was;
pub mod when;

pub use cache::Cache;
pub use history::{Asker, History};
pub use look::{Look, Move};
