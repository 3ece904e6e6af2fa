//! One look of the controller: what its decision was made of, but for policy and memory, and what was decided.
//!
//! A look is kept as gauges (`ballast_look_word`), so that whatever scrapes the controller also records it. Its bytes are postcard with
//! times counted from the look, deflated; six of them make a number, which a float holds exactly, and so do stores that keep 15 digits.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::{Observation, Reading, Scheduled, SignalKind, Time, Verdict};
use crate::source::Query;

/// Version of the form; another one for every change of [`Look`] or of anything in it.
pub const VERSION: u8 = 2;

/// Most words of one look: about 250 pods. A larger one is not kept, and its place in the count stays empty.
pub const WORDS: usize = 1024;

/// Bytes of one word.
const BYTES: usize = 6;
/// Most bytes after inflating: what is larger was not written by us.
const INFLATED: u64 = 1 << 20;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// When the process that made it first looked at this policy; with `number` it names the look.
    pub term: Time,
    /// Looks of the term before it.
    pub number: u64,
    /// `metadata.generation` of the policy that was in force.
    pub generation: i64,
    /// Nothing was remembered of the workload.
    pub fresh: bool,
    /// When it was decided.
    pub time: Time,
    /// Own moves that were written since the look before.
    pub moves: Vec<Move>,
    /// What was seen; without the bounds of schedules, which follow from policy and time.
    pub observation: Observation,
    /// What each reading is of, see [`fingerprint`].
    pub signals: Vec<u32>,
    /// Replicas that the signals asked for.
    pub wanted: Option<u32>,
    /// The size decided.
    pub to: u32,
    /// One word for the decision.
    pub verdict: Verdict,
}

/// A size that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Size before.
    pub from: u32,
    /// Size after.
    pub to: u32,
    /// When the write had ended.
    pub time: Time,
}

/// Words that are no look.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unreadable {
    /// Another version's.
    #[error("recorded in form {0} by another version of Ballast; this one reads form {VERSION}")]
    Version(u64),
    /// Not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
}

/// A number that tells signals apart: by what they are and what is asked for them, not by their target.
pub fn fingerprint(kind: &SignalKind, query: &Query) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(format!("{kind:?} {query:?}").as_bytes());
    crc.sum()
}

// === impl Look ===

impl Look {
    /// As numbers below 2^48; the first holds version and length. `None`: too large.
    pub fn pack(mut self) -> Option<Vec<u64>> {
        let origin = self.time;
        self.observation.scheduled = Scheduled::default();
        self.shift(|time| Time::from_millis(time.as_millis().saturating_sub(origin.as_millis())));
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        encoder.write_all(&postcard::to_allocvec(&(origin, self)).ok()?).ok()?;
        let bytes = encoder.finish().ok()?;
        let words = bytes.chunks(BYTES).map(|chunk| chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        let head = u64::from(VERSION) << 32 | bytes.len() as u64;
        let words: Vec<u64> = std::iter::once(head).chain(words).collect();
        (words.len() <= WORDS).then_some(words)
    }

    /// Back from numbers.
    ///
    /// # Errors
    /// Where they are of another version, incomplete or changed.
    pub fn unpack(words: &[u64]) -> Result<Self, Unreadable> {
        let damaged = |why: &dyn std::fmt::Display| Unreadable::Damaged(why.to_string());
        let (head, rest) = words.split_first().ok_or_else(|| damaged(&"it is empty"))?;
        if head >> 32 != u64::from(VERSION) {
            return Err(Unreadable::Version(head >> 32));
        }
        let length = usize::try_from(head & u64::from(u32::MAX)).unwrap_or(usize::MAX);
        if length.div_ceil(BYTES) != rest.len() {
            return Err(damaged(&format!("{} of {} words", rest.len(), length.div_ceil(BYTES))));
        }
        let mut bytes = Vec::with_capacity(length);
        for word in rest {
            let some = BYTES.min(length - bytes.len());
            if word >> (8 * some) != 0 {
                return Err(damaged(&"a word is too large"));
            }
            bytes.extend_from_slice(&word.to_be_bytes()[8 - some..]);
        }
        let mut plain = Vec::new();
        ZlibDecoder::new(&*bytes).take(INFLATED).read_to_end(&mut plain).map_err(|error| damaged(&error))?;
        let (origin, mut look): (Time, Self) = postcard::from_bytes(&plain).map_err(|error| damaged(&error))?;
        look.shift(|time| Time::from_millis(time.as_millis().saturating_add(origin.as_millis())));
        Ok(look)
    }

    /// Moves every time: small numbers take few bytes.
    fn shift(&mut self, by: impl Fn(Time) -> Time) {
        let some = |time: &mut Option<Time>| *time = time.map(&by);
        self.term = by(self.term);
        self.time = by(self.time);
        for step in &mut self.moves {
            step.time = by(step.time);
        }
        for pod in &mut self.observation.pods {
            some(&mut pod.start_time);
            some(&mut pod.created);
            if let Some(ready) = &mut pod.ready {
                ready.since = by(ready.since);
            }
        }
        for reading in &mut self.observation.readings {
            match reading {
                Reading::Total(sample) => sample.time = by(sample.time),
                Reading::PerPod { samples, .. } => samples.iter_mut().flatten().for_each(|sample| sample.time = by(sample.time)),
                Reading::Failed(_) => {}
            }
        }
    }
}
