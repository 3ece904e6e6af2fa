//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Parser)]
#[command(
    about = "Autoscalers beside each other on one API server: speed of an answer, and what it costs",
    args_conflicts_with_subcommands = true
)]
pub struct Command {
    #[command(subcommand)]
    pub part: Option<Part>,
    #[command(flatten)]
    pub options: Options,
}

/// Processes that the run starts, so that their CPU is not taken for its own.
#[derive(Subcommand)]
pub enum Part {
    /// The metrics API (metrics.k8s.io); ends when its input does
    #[command(hide = true)]
    MetricsApi {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        targets: usize,
        #[arg(long)]
        noise: f64,
    },
    /// What Prometheus scrapes; ends when its input does
    #[command(hide = true)]
    Exporter {
        #[arg(long)]
        targets: usize,
    },
}

#[derive(Args)]
pub struct Options {
    /// Numbers of targets, each with 2 pods; objects are kept from one to the next
    #[arg(long, value_delimiter = ',', default_value = "500,2000,10000")]
    pub targets: Vec<usize>,
    /// Contenders, one after the other; each runs at the sizes and with the signals that it is meant for
    #[arg(long, value_delimiter = ',', default_value = "hpa,hpa-tuned,ballast,ballast-5s,keda")]
    pub contenders: Vec<Contender>,
    /// Where the load is read
    #[arg(long, value_delimiter = ',', default_value = "cpu,prometheus")]
    pub signals: Vec<Signal>,
    /// The controller to measure
    #[arg(long, default_value = env!("CARGO_BIN_EXE_ballast"))]
    pub ballast: PathBuf,
    /// More flags for `ballast run`, separated by blanks
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub ballast_flags: String,
    /// Seconds of steady state that are measured
    #[arg(long, default_value_t = 60)]
    pub steady: u64,
    /// Noise of each pod's CPU usage from one sample to the next, as a share of it
    #[arg(long, default_value_t = 0.01)]
    pub noise: f64,
    /// Most seconds from the start of a contender to the steady state, which begins 15 s after every object got its first status
    #[arg(long, default_value_t = 90)]
    pub settle: u64,
    /// Load steps per row, each with fresh objects and a restarted contender; 0 or 1 for slow ones (the stock autoscaler at its default flags, and
    /// all with Prometheus)
    #[arg(long, default_value_t = 2)]
    pub steps: usize,
    /// Seconds after which a step is given up
    #[arg(long, default_value_t = 300)]
    pub limit: u64,
    /// Also with contenders at sizes that they are not meant for
    #[arg(long)]
    pub all: bool,
    /// Keeps the cluster's logs in this folder
    #[arg(long)]
    pub logs: Option<PathBuf>,
    /// Runs nothing, and takes the rows from files that --json wrote; of equal rows the last counts
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub merge: Vec<PathBuf>,
    /// Writes everything that was measured
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draws the answers to the load steps
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Everything, with its explanation, instead of tables alone: docs/scale.md
    #[arg(long)]
    pub document: bool,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// An autoscaler with its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// The stock autoscaler with its default flags
    Hpa,
    /// The stock autoscaler with --kube-api-qps=2000 --kube-api-burst=4000 --concurrent-horizontal-pod-autoscaler-syncs=50
    HpaTuned,
    /// Ballast with its default flags
    Ballast,
    /// Ballast with --sync-period=5s
    #[value(name = "ballast-5s")]
    #[serde(rename = "ballast-5s")]
    Ballast5s,
    /// KEDA with the stock autoscaler that it needs, tuned as above
    Keda,
}

impl Contender {
    /// Seconds between two looks at a target.
    pub const fn interval(self) -> u64 {
        if matches!(self, Self::Ballast5s) { 5 } else { 15 }
    }

    /// Whether a row is worth its time: the stock autoscaler at its default flags needs many minutes for one pass over 10,000.
    pub fn meant_for(self, targets: usize, signal: Signal) -> bool {
        match self {
            Self::Hpa => signal == Signal::Cpu && targets <= 2000,
            Self::HpaTuned | Self::Ballast5s => signal == Signal::Cpu && targets >= 2000,
            Self::Ballast => true,
            Self::Keda => signal == Signal::Prometheus && targets <= 2000,
        }
    }
}

impl Options {
    /// Load steps of a row.
    pub fn steps_of(&self, contender: Contender, signal: Signal) -> usize {
        let slow = contender == Contender::Hpa || signal == Signal::Prometheus;
        if slow { self.steps.min(1) } else { self.steps }
    }

    /// Every row of a number of targets.
    pub fn rows(&self, targets: usize) -> Vec<(Contender, Signal)> {
        let of_signal = |&signal| self.contenders.iter().map(move |&contender| (contender, signal));
        self.signals.iter().flat_map(of_signal).filter(|&(contender, signal)| self.all || contender.meant_for(targets, signal)).collect()
    }
}

/// Where the load is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// CPU from the metrics API
    Cpu,
    /// The request rate from Prometheus
    Prometheus,
}
