//! What processes use.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use procfs::process::Process;
use serde::{Deserialize, Serialize};

/// Use of one process or several over a time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time per time, in cores.
    pub cores: f64,
    /// Resident memory at the end, MiB.
    pub rss_mib: f64,
    /// Most resident memory since the start of the process, MiB.
    pub peak_mib: f64,
}

/// Processes that are measured together.
#[derive(Clone, Debug, Default)]
pub struct Processes(pub Vec<u32>);

/// A measurement under way.
pub struct Measuring {
    processes: Processes,
    ticks: u64,
    since: Instant,
}

impl Processes {
    /// Processes of a plane by name.
    pub fn of_plane(plane: &Path, names: &[&str]) -> Result<Self> {
        let id = |name: &&str| {
            let file = plane.join("pids").join(name);
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            Ok(text.trim().parse()?)
        };
        names.iter().map(id).collect::<Result<_>>().map(Self)
    }

    fn ticks(&self) -> Result<u64> {
        self.0.iter().map(|&pid| stat(pid)).sum()
    }

    /// Begins to measure.
    pub fn measure(&self) -> Result<Measuring> {
        Ok(Measuring { ticks: self.ticks()?, processes: self.clone(), since: Instant::now() })
    }
}

impl Measuring {
    /// Use since the start.
    pub fn end(&self) -> Result<Usage> {
        let seconds = self.since.elapsed().as_secs_f64();
        let ticks = self.processes.ticks()? - self.ticks;
        let mut usage = Usage { cores: ticks as f64 / procfs::ticks_per_second() as f64 / seconds, ..Usage::default() };
        for &pid in &self.processes.0 {
            let status = process(pid)?.status()?;
            let mib = |kib: Option<u64>| kib.unwrap_or_default() as f64 / 1024.0;
            usage.rss_mib += mib(status.vmrss);
            usage.peak_mib += mib(status.vmhwm);
        }
        Ok(usage)
    }
}

fn process(pid: u32) -> Result<Process> {
    Process::new(i32::try_from(pid)?).with_context(|| format!("process {pid}"))
}

fn stat(pid: u32) -> Result<u64> {
    let stat = process(pid)?.stat().with_context(|| format!("process {pid}"))?;
    Ok(stat.utime + stat.stime)
}
