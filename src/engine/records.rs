//! Questions about policies from outside the engine. They go through its channel, so that its state needs no lock and an answer is never
//! half of one decision and half of the next.

use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::Engine;
use super::entry::Entry;
use crate::cluster::{Key, Shards};
use crate::report::{Record, Summary};

/// Questions that may wait: one of each stream of the page, and some of others. More are refused.
const WAITING: usize = 32;
/// The loop answers between two events; one that takes longer has stopped or has not started.
const ANSWER: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
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

/// Who knows policies.
pub trait Shelf {
    /// Which.
    fn keys(&self) -> Vec<&Key>;

    /// One line about one of them.
    fn summary(&self, key: &Key) -> Option<Summary>;

    /// All about one of them.
    fn record(&self, key: &Key) -> Result<Record, NoRecord>;
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

    /// What this process decides, and who decides the rest.
    pub const fn shards(&self) -> &Shards {
        &self.shards
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

// === impl Ask ===

impl Ask {
    /// Answers from a shelf.
    pub fn answer(self, from: &impl Shelf) {
        let answer = match self.what {
            What::One(key) => from.record(&key).map(|record| Answer::One(Box::new(record))),
            What::List { namespace, after, limit } => {
                let mut keys = from.keys();
                keys.retain(|key| {
                    namespace.as_ref().is_none_or(|namespace| **namespace == *key.namespace)
                        && after
                            .as_ref()
                            .is_none_or(|(namespace, name)| (&*key.namespace, &*key.name) > (namespace.as_str(), name.as_str()))
                });
                if limit < keys.len() {
                    keys.select_nth_unstable(limit);
                    keys.truncate(limit);
                }
                keys.sort_unstable();
                Ok(Answer::List(keys.into_iter().filter_map(|key| from.summary(key)).collect()))
            }
        };
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }

    /// Says why there is no answer.
    fn refuse(self, why: NoRecord) {
        let _ = self.answer.send(Err(why));
    }
}

// === impl Engine ===

impl Engine {
    /// Answers one question.
    pub(super) fn answer(&self, ask: Ask) {
        if self.parts.shards.count() > 1 || !self.led.is_empty() {
            ask.answer(self);
        } else {
            ask.refuse(NoRecord::Busy);
        }
    }

    /// Why there is no such entry.
    fn not_here(&self, key: &Key) -> NoRecord {
        let shards = &self.parts.shards;
        let policy = self.parts.index.policy(key);
        match policy.and_then(|policy| Some(shards.shard(policy.metadata.uid.as_deref()?))) {
            Some(shard) if shards.leads_shard(shard) => NoRecord::Busy,
            Some(shard) => NoRecord::Elsewhere { shard, shards: shards.count(), leader: shards.holder(shard) },
            None => NoRecord::NotFound(key.clone()),
        }
    }
}

impl Shelf for Engine {
    fn keys(&self) -> Vec<&Key> {
        self.entries.keys().collect()
    }

    fn summary(&self, key: &Key) -> Option<Summary> {
        let entry = self.entries.get(key)?;
        Some(Summary::of(&entry.object, &entry.status, entry.compiled.as_ref().err().and_then(|faults| faults.first())))
    }

    fn record(&self, key: &Key) -> Result<Record, NoRecord> {
        self.entries.get(key).map(|entry| entry.account()).ok_or_else(|| self.not_here(key))
    }
}

impl Entry {
    /// Everything.
    fn account(&self) -> Record {
        let record = Record::of(&self.object, &self.status, self.compiled.as_deref().map_err(Vec::as_slice));
        let mut record = match (&self.compiled, &self.last) {
            (Ok(compiled), Some(last)) => record.with(compiled, &last.decision()),
            _ => record,
        };
        record.history = Some(self.history.history());
        record
    }
}
