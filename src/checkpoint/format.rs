//! Bytes of a checkpoint: one byte of version, then gzip (whose checksum finds damage) over postcard.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use thiserror::Error;

use super::Record;
use crate::core::{Memory, Time};

/// Version of what follows; another one for every change of [`Record`] or of anything in it.
pub const VERSION: u8 = 4;

/// Most bytes of one record before compression, so that the largest object holds all its policies.
pub const RECORD_BYTES: usize = 1536;

/// Most bytes of one object; the API server takes 1 MiB with everything else in it.
pub const OBJECT_BYTES: usize = 900 * 1024;

/// Most bytes after decompression: what is larger was not written by us.
const OPENED_BYTES: u64 = 16 * 1024 * 1024;

/// Why a checkpoint cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Another version's.
    #[error("version {0} is unknown; this is version {VERSION}")]
    Version(u8),
    /// Not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Larger than an object may be.
    #[error("{0} bytes: more than the {OBJECT_BYTES} that fit")]
    TooLarge(usize),
}

/// Days of forecasts' history that are kept where all of them do not fit into an object: a week, and one for comparison.
const FEWER_DAYS: u16 = 8;

/// A record that fits, without what forecasts have learned: of a memory that is too large, the oldest entries are merged so that they hold longer, never shorter.
pub fn record(uid: &str, taken: Time, memory: &Memory) -> Record {
    let mut record = Record { uid: uid.to_owned(), taken, memory: memory.clone() };
    record.memory.keep_learned(0);
    for entries in [64, 16, 4, 1] {
        let bytes = postcard::experimental::serialized_size(&record);
        if bytes.is_ok_and(|bytes| bytes <= RECORD_BYTES) {
            break;
        }
        record.memory.compact(entries);
    }
    record
}

/// The same with what forecasts have learned, for an object only.
pub fn whole(uid: &str, taken: Time, memory: &Memory) -> Record {
    let mut record = record(uid, taken, memory);
    record.memory.learn_from(memory);
    record
}

/// Packs records. Where they do not fit, forecasts give up what is older than a week, and if need be all.
pub fn seal(records: &[Record]) -> Result<Vec<u8>, Unusable> {
    let mut sealed = pack(records);
    for days in [FEWER_DAYS, 0] {
        if !matches!(sealed, Err(Unusable::TooLarge(_))) {
            break;
        }
        let mut fewer = records.to_vec();
        for record in &mut fewer {
            record.memory.keep_learned(days);
        }
        sealed = pack(&fewer);
    }
    sealed
}

fn pack(records: &[Record]) -> Result<Vec<u8>, Unusable> {
    let damaged = |error: &dyn std::fmt::Display| Unusable::Damaged(error.to_string());
    let plain = postcard::to_allocvec(records).map_err(|error| damaged(&error))?;
    let mut encoder = GzEncoder::new(vec![VERSION], Compression::default());
    encoder.write_all(&plain).map_err(|error| damaged(&error))?;
    let sealed = encoder.finish().map_err(|error| damaged(&error))?;
    if sealed.len() > OBJECT_BYTES { Err(Unusable::TooLarge(sealed.len())) } else { Ok(sealed) }
}

/// Unpacks records.
pub fn open(bytes: &[u8]) -> Result<Vec<Record>, Unusable> {
    let (version, rest) = bytes.split_first().ok_or(Unusable::Empty)?;
    if *version != VERSION {
        return Err(Unusable::Version(*version));
    }
    let mut plain = Vec::new();
    GzDecoder::new(rest).take(OPENED_BYTES).read_to_end(&mut plain).map_err(|error| Unusable::Damaged(error.to_string()))?;
    match postcard::take_from_bytes(&plain) {
        Ok((records, [])) => Ok(records),
        Ok((_, left)) => Err(Unusable::Damaged(format!("{} bytes too many", left.len()))),
        Err(error) => Err(Unusable::Damaged(error.to_string())),
    }
}

/// One record as text, for a field of an object.
pub fn to_text(record: &Record) -> Result<String, Unusable> {
    seal(std::slice::from_ref(record)).map(|bytes| BASE64.encode(bytes))
}

/// The record in a field.
pub fn from_text(text: &str) -> Result<Record, Unusable> {
    let bytes = BASE64.decode(text).map_err(|error| Unusable::Damaged(error.to_string()))?;
    open(&bytes)?.pop().ok_or(Unusable::Empty)
}
