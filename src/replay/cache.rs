//! Answers kept on disk, so that a run which was ended goes on where it was, and one with another policy asks nothing again.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::core::Time;
use crate::source::prometheus::{Number, Run};

/// A directory of answers, one file each, written whole or not at all.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    written: AtomicU64,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// Two keys may share a file name.
    key: String,
    runs: Vec<KeptRun>,
}

#[derive(Serialize, Deserialize)]
struct KeptRun {
    labels: BTreeMap<String, String>,
    /// Milliseconds and value.
    points: Vec<(i64, f64)>,
}

// === impl Cache ===

impl Cache {
    /// Keeps answers in `dir`, which is made if it is not there, for its owner only.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(dir)?;
        Ok(Self { dir: dir.to_owned(), written: AtomicU64::new(0) })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The answer kept for a key. What cannot be read is not there.
    pub fn get(&self, key: &str) -> Option<Vec<Run>> {
        let kept: Kept = serde_json::from_slice(&std::fs::read(self.path(key)).ok()?).ok()?;
        let number = |(millis, value)| Number { value, time: Time::from_millis(millis) };
        let run = |run: KeptRun| Run { labels: run.labels, points: run.points.into_iter().map(number).collect() };
        (kept.key == key).then(|| kept.runs.into_iter().map(run).collect())
    }

    /// Keeps an answer.
    ///
    /// # Errors
    /// Where the disk does not take it; then nothing is kept.
    pub fn put(&self, key: &str, runs: &[Run]) -> io::Result<()> {
        let point = |number: &Number| (number.time.as_millis(), number.value);
        let run = |run: &Run| KeptRun { labels: run.labels.clone(), points: run.points.iter().map(point).collect() };
        let text = serde_json::to_vec(&Kept { key: key.to_owned(), runs: runs.iter().map(run).collect() })?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let half = self.dir.join(format!(".{}-{number}.tmp", std::process::id()));
        let written = std::fs::File::create(&half).and_then(|mut file| file.write_all(&text));
        written.and_then(|()| std::fs::rename(&half, self.path(key))).inspect_err(|_| {
            // What is left of it would only be in the way.
            let _ = std::fs::remove_file(&half);
        })
    }

    fn path(&self, key: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.dir.join(format!("{:016x}.json", hasher.finish()))
    }
}
