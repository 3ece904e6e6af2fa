//! Where and with what it was measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The machine, and versions of the programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub memory_gib: f64,
    pub kernel: String,
    /// Load average over 15 minutes before the run: above a few tenths somebody else was at work.
    pub load_before: f64,
    pub versions: BTreeMap<String, String>,
}

impl Machine {
    /// This one; programs are those of a plane, and Ballast's.
    pub fn here(bin: &Path, ballast: &Path) -> Result<Self> {
        let read = |file: &str| std::fs::read_to_string(file).with_context(|| file.to_owned());
        let field = |text: &str, key: &str| {
            text.lines().find_map(|line| line.strip_prefix(key)).map(|rest| rest.trim_start_matches([':', ' ', '\t']).trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo")?, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let load = read("/proc/loadavg")?.split(' ').nth(2).and_then(|text| text.parse().ok());
        let versions = [
            ("Kubernetes", bin.join("kube-apiserver"), "--version"),
            ("etcd", bin.join("etcd"), "--version"),
            ("Prometheus", bin.join("prometheus"), "--version"),
            ("Ballast", ballast.to_owned(), "--version"),
        ];
        let versions = versions.into_iter().map(|(name, program, flag)| Ok((name.to_owned(), version(&program, flag)?)));
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: field(&read("/proc/cpuinfo")?, "model name").unwrap_or_default(),
            memory_gib: memory.unwrap_or_default() / 1024.0 / 1024.0,
            // What follows the number names the machine's maker.
            kernel: read("/proc/sys/kernel/osrelease")?.trim().split('-').next().unwrap_or_default().to_owned(),
            load_before: load.unwrap_or_default(),
            versions: versions.collect::<Result<_>>()?,
        })
    }
}

/// The first word of a program's answer that looks like a version.
fn version(program: &Path, flag: &str) -> Result<String> {
    let output = Command::new(program).arg(flag).output().with_context(|| program.display().to_string())?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let looks_so = |word: &&str| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    Ok(text.split_whitespace().find(looks_so).unwrap_or("unknown").trim_start_matches('v').trim_end_matches(',').to_owned())
}
