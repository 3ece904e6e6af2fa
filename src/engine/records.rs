//! Questions about policies from outside the engine. They go through its channel, so that its state needs no lock and an answer is never
//! half of one decision and half of the next.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::Engine;
use super::entry::Entry;
use crate::cluster::{Key, Shards};
use crate::report::{Record, Summary};

/// Questions that may wait; more are refused.
const WAITING: usize = 16;
/// The loop answers between two events; one that takes longer has stopped or has not started.
const ANSWER: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NoRecord {
    /// Another process decides.
    #[error("this process does not lead{}", .leader.as_ref().map(|leader| format!("; {leader} does")).unwrap_or_default())]
    NotLeading {
        /// Who leads, as the lease names it.
        leader: Option<String>,
    },
    /// Another process decides this policy.
    #[error("shard {shard} of {shards}, to which this policy belongs, is not decided by this process{}", .leader.as_ref().map(|leader| format!(", but by {leader}")).unwrap_or_default())]
    Elsewhere {
        /// The policy's shard.
        shard: usize,
        /// How many there are.
        shards: usize,
        /// Who leads it, as its lease names them.
        leader: Option<String>,
    },
    /// No such policy.
    #[error("ScalePolicy {0} is not known to this controller")]
    NotFound(Key),
    /// The loop does not answer.
    #[error("no answer: the controller is starting, stopping or too busy")]
    Busy,
}

/// Asks the engine; clones share its channel.
#[derive(Clone)]
pub struct Records {
    asks: mpsc::Sender<Ask>,
    shards: Shards,
}

/// A question.
pub struct Ask {
    what: What,
    answer: oneshot::Sender<Result<Answer, NoRecord>>,
}

enum What {
    One(Key),
    List { namespace: Option<String>, after: Option<(String, String)>, limit: usize },
}

enum Answer {
    One(Box<Record>),
    List(Vec<Summary>),
}

// === impl Records ===

impl Records {
    /// The asking end, and the one that the engine takes.
    pub fn channel(shards: Shards) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, rx) = mpsc::channel(WAITING);
        (Self { asks, shards }, rx)
    }

    /// The whole record of one policy.
    pub async fn policy(&self, key: Key) -> Result<Box<Record>, NoRecord> {
        match self.ask(What::One(key)).await? {
            Answer::One(record) => Ok(record),
            Answer::List(_) => Err(NoRecord::Busy),
        }
    }

    /// Up to `limit` policies in the order of their names, of one namespace or of all, those after a namespace and name.
    pub async fn list(&self, namespace: Option<String>, after: Option<(String, String)>, limit: usize) -> Result<Vec<Summary>, NoRecord> {
        match self.ask(What::List { namespace, after, limit }).await? {
            Answer::List(list) => Ok(list),
            Answer::One(_) => Err(NoRecord::Busy),
        }
    }

    async fn ask(&self, what: What) -> Result<Answer, NoRecord> {
        if self.shards.count() == 1 && !self.shards.leads_any() {
            return Err(NoRecord::NotLeading { leader: self.shards.holder(0) });
        }
        let (answer, rx) = oneshot::channel();
        self.asks.try_send(Ask { what, answer }).map_err(|_| NoRecord::Busy)?;
        match tokio::time::timeout(ANSWER, rx).await {
            Ok(Ok(answer)) => answer,
            _ => Err(NoRecord::Busy),
        }
    }
}

// === impl Engine ===

impl Engine {
    /// Answers one question.
    pub(super) fn answer(&self, ask: Ask) {
        let several = self.parts.shards.count() > 1;
        let answer = if several || !self.led.is_empty() { self.look_up(ask.what) } else { Err(NoRecord::Busy) };
        // Whoever asked may have gone.
        let _ = ask.answer.send(answer);
    }

    /// Why there is no such entry.
    fn not_here(&self, key: Key) -> NoRecord {
        let shards = &self.parts.shards;
        let policy = self.parts.index.policy(&key);
        match policy.and_then(|policy| Some(shards.shard(policy.metadata.uid.as_deref()?))) {
            Some(shard) if shards.leads_shard(shard) => NoRecord::Busy,
            Some(shard) => NoRecord::Elsewhere { shard, shards: shards.count(), leader: shards.holder(shard) },
            None => NoRecord::NotFound(key),
        }
    }

    fn look_up(&self, what: What) -> Result<Answer, NoRecord> {
        match what {
            What::One(key) => {
                let Some(entry) = self.entries.get(&key) else { return Err(self.not_here(key)) };
                Ok(Answer::One(Box::new(entry.account())))
            }
            What::List { namespace, after, limit } => {
                let name = |key: &Key| (key.namespace.to_string(), key.name.to_string());
                let asked = |key: &&Key| {
                    namespace.as_ref().is_none_or(|namespace| **namespace == *key.namespace)
                        && after.as_ref().is_none_or(|after| name(key) > *after)
                };
                let mut sorted: BTreeMap<(String, String), &Entry> = BTreeMap::new();
                for (key, entry) in self.entries.iter().filter(|(key, _)| asked(key)) {
                    sorted.insert(name(key), entry);
                    if sorted.len() > limit {
                        sorted.pop_last();
                    }
                }
                Ok(Answer::List(sorted.into_values().map(|entry| entry.base().summary()).collect()))
            }
        }
    }
}

impl Entry {
    /// What object and status tell.
    fn base(&self) -> Record {
        Record::of(&self.object, &self.status, self.compiled.as_deref().map_err(Vec::as_slice))
    }

    /// Everything.
    fn account(&self) -> Record {
        let record = self.base();
        let mut record = match (&self.compiled, &self.last) {
            (Ok(compiled), Some(last)) => record.with(compiled, &last.decision()),
            _ => record,
        };
        record.history = Some(self.history.history());
        record
    }
}
