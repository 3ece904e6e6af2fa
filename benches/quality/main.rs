//! How good are the decisions: every load under every rival, as tables of violation, cost and actions. `--help` lists the options.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic)]

mod claims;
mod jobs;
mod loads;
mod page;
mod policies;
mod tables;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ballast::sim::{Noise, Score, Setup};
use clap::Parser;

use claims::Claims;
use jobs::Jobs;
use loads::Named;
use policies::Rival;

#[allow(clippy::struct_excessive_bools)] // Flags.
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
    /// Seconds between samples
    #[arg(long, default_value_t = 15)]
    scrape: u64,
    /// Seconds that a sample averages over [default: those between samples]
    #[arg(long)]
    window: Option<u64>,
    /// Seconds that work waits for capacity before it is lost
    #[arg(long, default_value_t = 0)]
    patience: u64,
    /// Adds arrival noise to the traces: 20 requests/s fill a pod, the variance is four times that of Poisson arrivals
    #[arg(long)]
    noise: bool,
    /// Seed of the noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// JSON that replaces fields of the spec of Ballast's policies, e.g. '{"intervalSeconds":5}'
    #[arg(long, default_value = "{}", value_parser = object)]
    spec: serde_json::Value,
    /// Also the stock autoscaler on the request rate, retuned per trace to the pod-hours of each rival
    #[arg(long)]
    equal_cost: bool,
    /// Also what each of Ballast's policies gains and costs at metric ages of 30 and 10 s, pod starts of 45 and 120 s, without and with noise
    #[arg(long)]
    settings: bool,
    /// Everything, with its explanation: docs/quality.md
    #[arg(long)]
    document: bool,
    /// One table per load, with all scores
    #[arg(long)]
    long: bool,
    /// Also the results on recorded load as an HTML page, into this file
    #[arg(long)]
    html: Option<PathBuf>,
    /// Writes every look of every run as CSV into this folder
    #[arg(long)]
    timeline: Option<PathBuf>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is varied.
#[derive(Clone, Copy, PartialEq)]
struct Setting {
    age: u64,
    start: u64,
    noise: bool,
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { age, start, noise } = self;
        write!(f, "metric age {age} s, pod start {start} s{}", if *noise { ", arrival noise" } else { "" })
    }
}

#[allow(clippy::disallowed_methods)] // Measures the run, not the simulated time.
fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let started = Instant::now();
    let mut days = 0.0;
    let chosen = Setting { age: options.age, start: options.start, noise: options.noise };
    if options.document {
        println!("{}", include_str!("preface.md"));
    }
    report(&options, chosen, &mut days)?;
    if options.settings || options.document {
        let mut claims = Claims::default();
        for age in [30, 10] {
            for start in [45, 120] {
                for noise in [false, true] {
                    let setting = Setting { age, start, noise };
                    let (loads, rivals, scores, sweep) = scored(&options, setting, true)?;
                    days += simulated(&scores) + simulated(&sweep);
                    claims.add(&setting.to_string(), &loads, &rivals, &scores, &sweep);
                }
            }
        }
        claims.print();
    }
    eprintln!("{days:.0} simulated policy-days in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// The tables of one setting.
fn report(options: &Options, setting: Setting, days: &mut f64) -> anyhow::Result<()> {
    let equal_cost = options.equal_cost || options.document || options.html.is_some();
    let (traces, rivals, scores, sweep) = scored(options, setting, equal_cost)?;
    let shapes = loads::synthetic(|name| matches(name, &options.only));
    let shape_scores = jobs(options, setting).all(&shapes, &rivals);
    if !traces.is_empty() {
        println!("## Recorded load: {setting}\n\nCells: V % / cost C / actions per day.\n");
        tables::compact(&traces, &rivals, &scores);
        tables::summary(&rivals, &scores);
        if equal_cost {
            tables::equal_cost(&traces, &rivals, &scores, &sweep);
        }
        if let Some(file) = &options.html {
            page::write(file, &setting.to_string(), &traces, &rivals, &scores, &sweep)?;
        }
    }
    if !shapes.is_empty() {
        println!("## Synthetic load: 8 h, {setting}\n\nCells: V % / cost C / actions.\n");
        tables::synthetic(&shapes, &rivals, &shape_scores);
    }
    if options.long {
        tables::long(&traces, &rivals, &scores);
        tables::long(&shapes, &rivals, &shape_scores);
    }
    *days += simulated(&scores) + simulated(&sweep) + simulated(&shape_scores);
    Ok(())
}

/// The traces, the rivals, their scores, and those of the stock autoscaler by target.
type Scored = (Vec<Named>, Vec<Rival>, Vec<Vec<Score>>, Vec<Vec<Score>>);

fn scored(options: &Options, setting: Setting, sweep: bool) -> anyhow::Result<Scored> {
    let noise = setting.noise.then_some((Noise::Arrivals { rate: 20.0, dispersion: 4.0 }, options.seed));
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/traces")];
    folders.extend(options.traces.clone());
    let traces = loads::traces(&folders, |name| matches(name, &options.only), noise)?;
    let rivals: Vec<Rival> = Rival::ALL.into_iter().filter(|rival| matches(rival.name(), &options.rivals)).collect();
    let jobs = jobs(options, setting);
    let scores = jobs.all(&traces, &rivals);
    let sweep = if sweep { jobs.sweep(&traces) } else { Vec::new() };
    Ok((traces, rivals, scores, sweep))
}

fn jobs(options: &Options, setting: Setting) -> Jobs<'_> {
    let seconds = Duration::from_secs;
    let setup = Setup {
        pod_start: seconds(setting.start),
        metric_age: seconds(setting.age),
        scrape: seconds(options.scrape),
        window: seconds(options.window.unwrap_or(options.scrape)),
        patience: seconds(options.patience),
        ..Setup::default()
    };
    Jobs { setup, workload: policies::workload(), patch: &options.spec, timeline: options.timeline.as_deref() }
}

fn simulated(scores: &[Vec<Score>]) -> f64 {
    scores.iter().flatten().map(|score| score.hours() / 24.0).sum()
}

fn matches(name: &str, parts: &[String]) -> bool {
    parts.is_empty() || parts.iter().any(|part| name.contains(part.as_str()))
}

/// Parsed here: a JSON value made from text is a JSON string.
fn object(text: &str) -> Result<serde_json::Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ serde_json::Value::Object(_)) => Ok(value),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
