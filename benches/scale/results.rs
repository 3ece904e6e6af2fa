//! What was measured, as JSON holds it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::answers::Answers;
use crate::machine::Machine;
use crate::options::{Contender, Signal};
use crate::process::Usage;

/// A run, or several put together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// When it was begun.
    pub date: String,
    pub machine: Machine,
    /// Noise of CPU usage.
    pub noise: f64,
    /// Seconds to make the objects up to each number of targets.
    pub setup_seconds: BTreeMap<usize, f64>,
    pub rows: Vec<Row>,
}

impl Report {
    /// Reads runs and puts them together: of equal rows the last counts, the rest is that of the first.
    pub fn merge(files: &[PathBuf]) -> Result<Self> {
        let mut whole: Option<Self> = None;
        for file in files {
            let name = || file.display().to_string();
            let next: Self = serde_json::from_slice(&std::fs::read(file).with_context(name)?).with_context(name)?;
            let Some(known) = &mut whole else {
                whole = Some(next);
                continue;
            };
            if (known.machine.cores, &known.machine.processor) != (next.machine.cores, &next.machine.processor) {
                bail!("{}: measured on another machine", name());
            }
            for row in next.rows {
                known.rows.retain(|old| old.key() != row.key());
                known.rows.push(row);
            }
            known.setup_seconds.extend(next.setup_seconds);
        }
        let mut whole = whole.context("nothing to merge")?;
        whole.rows.sort_by_key(Row::key);
        Ok(whole)
    }

    /// A row.
    pub fn row(&self, contender: Contender, signal: Signal, targets: usize) -> Option<&Row> {
        self.rows.iter().find(|row| row.key() == (signal, targets, contender))
    }
}

/// One contender at one size with one signal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub contender: Contender,
    pub signal: Signal,
    pub targets: usize,
    /// Making the objects that the contender works on, seconds.
    pub objects_seconds: f64,
    pub steady: Steady,
    pub steps: Vec<Step>,
    /// How long all of it took, seconds.
    pub seconds: f64,
}

impl Row {
    /// What makes it that row.
    pub fn key(&self) -> (Signal, usize, Contender) {
        (self.signal, self.targets, self.contender)
    }
}

/// A time without any change of load.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Steady {
    /// Seconds from the contender's readiness to the first status of all its objects; none if that took too long.
    pub settled_after: Option<f64>,
    pub seconds: f64,
    /// Requests at the API server per second, by the contender only, leases apart.
    pub requests: f64,
    /// Those of them that write, leases apart.
    pub writes: f64,
    /// Renewals of leases.
    pub leases: f64,
    /// Requests by user and kind over the whole time.
    pub by_kind: BTreeMap<String, u64>,
    pub contender: Usage,
    pub api_server: Usage,
    /// The API server without a contender.
    pub api_server_quiet_cores: f64,
    pub etcd_cores: f64,
    /// What answers for the metrics: the metrics API, or Prometheus.
    pub metrics_cores: f64,
    /// Sizes that were written though nothing changed.
    pub size_writes: usize,
    /// Prometheus queries per interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<f64>,
    /// The contender's own figures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<String, f64>,
}

/// One load step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Step {
    /// Where in the interval after the steady state it came, seconds.
    pub phase: f64,
    /// Targets that have the size asked for.
    pub answered: usize,
    pub targets: usize,
    /// Seconds to the first write for a target.
    pub first: Spread,
    /// Seconds to the write of the size asked for.
    pub done: Spread,
    /// All writes of sizes.
    pub writes: usize,
    /// Targets that ended with another size than the one asked for.
    pub elsewhere: usize,
    /// Every answer: time in hundredths of a second and how many.
    pub all: Vec<(u32, u32)>,
    /// Requests at the API server by the contender, from the step to the last answer.
    pub requests: u64,
    pub contender: Usage,
    pub api_server_cores: f64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<String, f64>,
}

/// Of answer times, over the targets that were answered.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    pub median: Option<f64>,
    pub p99: Option<f64>,
    pub last: Option<f64>,
}

impl Spread {
    fn of(sorted: &[f64]) -> Self {
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).copied()
        };
        Self { median: at(0.5), p99: at(0.99), last: at(1.0) }
    }
}

impl Step {
    pub fn new(answers: &Answers, targets: usize, phase: f64) -> Self {
        let mut all: Vec<(u32, u32)> = Vec::new();
        for &time in &answers.done {
            let hundredths = (time * 100.0).round() as u32;
            match all.last_mut() {
                Some((last, count)) if *last == hundredths => *count += 1,
                _ => all.push((hundredths, 1)),
            }
        }
        Self {
            phase,
            answered: answers.done.len(),
            targets,
            first: Spread::of(&answers.first),
            done: Spread::of(&answers.done),
            writes: answers.writes,
            elsewhere: answers.elsewhere,
            all,
            ..Self::default()
        }
    }
}
