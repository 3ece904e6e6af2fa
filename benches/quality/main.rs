//! How good are the decisions: every load under every rival, as tables of violation, cost and actions. `--help` lists the options.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic)]

mod jobs;
mod loads;
mod policies;
mod tables;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ballast::sim::{Noise, Setup};
use clap::Parser;

use policies::Rival;

#[derive(Parser)]
#[command(about = "Scores autoscalers on recorded and synthetic load")]
struct Options {
    /// Folder with traces; may be given several times, and adds to those of the repository
    #[arg(long)]
    traces: Vec<PathBuf>,
    /// Only loads whose name contains one of these, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only rivals whose name contains one of these, separated by commas
    #[arg(long, value_delimiter = ',')]
    rivals: Vec<String>,
    /// Age of the metrics in seconds
    #[arg(long, default_value_t = 30)]
    age: u64,
    /// Time to readiness of a pod in seconds
    #[arg(long, default_value_t = 45)]
    start: u64,
    /// Seconds between samples; also the time they average over
    #[arg(long, default_value_t = 15)]
    scrape: u64,
    /// Seconds that a sample averages over, e.g. 60 for rate(...[1m]); by default those between samples
    #[arg(long)]
    window: Option<u64>,
    /// Adds arrival noise to the traces: 20 requests/s fill a pod, variance four times that of Poisson arrivals
    #[arg(long)]
    noise: bool,
    /// Seed of the noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// JSON that replaces fields of the spec of Ballast's policies, e.g. '{"intervalSeconds":5}'
    #[arg(long, default_value = "{}")]
    spec: serde_json::Value,
    /// Also the stock autoscaler retuned, per trace, to the pod-hours of each of Ballast's policies
    #[arg(long)]
    equal_cost: bool,
    /// One table per load, with all scores
    #[arg(long)]
    long: bool,
    /// Writes every look of every run as CSV into this folder
    #[arg(long)]
    timeline: Option<PathBuf>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[allow(clippy::disallowed_methods)] // Measures the run, not the simulated time.
fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let started = Instant::now();
    let wanted = |name: &str| matches(name, &options.only);
    let rivals: Vec<Rival> = Rival::ALL.into_iter().filter(|rival| matches(rival.name(), &options.rivals)).collect();
    let setup = Setup {
        pod_start: Duration::from_secs(options.start),
        metric_age: Duration::from_secs(options.age),
        scrape: Duration::from_secs(options.scrape),
        window: Duration::from_secs(options.window.unwrap_or(options.scrape)),
        ..Setup::default()
    };
    let noise = options.noise.then_some((Noise::Arrivals { rate: 20.0, dispersion: 4.0 }, options.seed));
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/traces")];
    folders.extend(options.traces.clone());
    let traces = loads::traces(&folders, wanted, noise)?;
    let synthetic = loads::synthetic(wanted);

    let jobs = jobs::Jobs { setup, patch: &options.spec, timeline: options.timeline.as_deref() };
    let scored = jobs.all(&traces, &rivals);
    let shapes = jobs.all(&synthetic, &rivals);
    println!(
        "Metric age {} s, pod start {} s, samples every {} s{}. Cells: V % / cost C / actions per day.\n",
        options.age,
        options.start,
        options.scrape,
        if options.noise { ", arrival noise" } else { "" }
    );
    if options.long {
        tables::long(&traces, &rivals, &scored);
        tables::long(&synthetic, &rivals, &shapes);
    }
    if !traces.is_empty() {
        tables::compact(&traces, &rivals, &scored);
        tables::summary(&rivals, &scored);
    }
    if options.equal_cost {
        tables::equal_cost(&traces, &rivals, &scored, &jobs.sweep(&traces));
    }
    if !synthetic.is_empty() {
        println!("Synthetic load, 8 h. Cells: V % / cost C / actions.\n");
        tables::synthetic(&synthetic, &rivals, &shapes);
    }
    let days: f64 = scored.iter().chain(&shapes).flatten().map(|score| score.hours() / 24.0).sum();
    eprintln!("{days:.0} simulated policy-days in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn matches(name: &str, parts: &[String]) -> bool {
    parts.is_empty() || parts.iter().any(|part| name.contains(part.as_str()))
}
