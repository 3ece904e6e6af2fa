//! A step of the load, and who answers when: pods that are asked themselves, the same policy over Prometheus, and the stock HPA on
//! metrics-server, beside each other on a real node with real pods. Needs root. With `--costs` instead: what it costs to ask so many pods.
//! `--document` writes what was measured into docs/direct.md.

#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::disallowed_methods)]

mod cluster;
mod costs;
#[allow(dead_code)] // Of another bench, which uses all of it.
#[path = "../scale/machine.rs"]
mod machine;
mod objects;
mod page;
mod scales;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use jiff::Timestamp;

use cluster::{Cluster, Load};
use machine::Machine;
use objects::{AT_REST, CONTENDERS, MOVED, REPLICAS};
use page::{Report, Run};

/// Settings of the bench.
#[derive(Parser, Clone, Debug)]
struct Options {
    /// Load steps.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=20))]
    runs: u32,
    /// Between two scrapes of Prometheus, and between two measurements of metrics-server: their manifests' default.
    #[arg(long, default_value = "15s")]
    resolution: String,
    /// Ask so many pods of this machine's loopback a few times instead.
    #[arg(long, value_parser = clap::value_parser!(u32).range(20..=40_000))]
    costs: Option<u32>,
    /// Serve for those pods.
    #[arg(long, hide = true)]
    serve: bool,
    /// Write docs/direct.md.
    #[arg(long)]
    document: bool,
    /// Cargo's own.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The load of rest lasts so long before a step: the minute over which the server's rate is taken, and a scrape more.
const REST: Duration = Duration::from_secs(76);
/// Whoever has not asked for the last size by then is late.
const WATCHED: Duration = Duration::from_secs(90);
/// A size that stands for so long is the last one: two of anybody's periods of 15 s.
const SETTLED: Duration = Duration::from_secs(31);
/// The whole bench ends by then.
const LIMIT: Duration = Duration::from_mins(15);

fn main() -> Result<()> {
    let options = Options::parse();
    if options.serve {
        return costs::serve();
    }
    if let Some(pods) = options.costs {
        let text = page::costs(&costs::measure(pods as usize)?);
        println!("{text}");
        return if options.document { page::write("costs", &text) } else { Ok(()) };
    }
    let start = Instant::now();
    let machine = Machine::here(&cluster::programs()?, Path::new(env!("CARGO_BIN_EXE_ballast")))?;
    let cluster = Cluster::start(&options.resolution)?;
    cluster.apply(&objects::workloads())?;
    for contender in CONTENDERS {
        cluster.kubectl(&["--namespace", contender, "rollout", "status", "deployment/web", "--timeout=90s"])?;
    }
    let addresses: Vec<String> = CONTENDERS.iter().map(|contender| cluster.address(contender)).collect::<Result<_>>()?;
    let _rest: Vec<Load> = addresses.iter().map(|address| cluster.load(address, AT_REST)).collect::<Result<_>>()?;
    let mut runs = Vec::new();
    for number in 0..options.runs {
        if start.elapsed() + REST + WATCHED > LIMIT {
            eprintln!("{number} runs are all that {} min have room for", LIMIT.as_secs() / 60);
            break;
        }
        let run = run(&cluster, &addresses, number).with_context(|| format!("run {number}"))?;
        println!("{run:?}");
        runs.push(run);
    }
    if runs.is_empty() {
        bail!("no run");
    }
    let report = Report { machine, runs, resolution: options.resolution, took: start.elapsed() };
    let text = report.text();
    println!("{text}");
    if options.document { page::write("step", &text) } else { Ok(()) }
}

/// One step, from rest to rest.
fn run(cluster: &Cluster, addresses: &[String], number: u32) -> Result<Run> {
    // A new autoscaler remembers nothing of the step before.
    cluster.delete_scalers()?;
    for contender in CONTENDERS {
        cluster.kubectl(&["--namespace", contender, "scale", "deployment/web", &format!("--replicas={REPLICAS}")])?;
    }
    let quiet = Instant::now();
    sleep(REST.saturating_sub(Duration::from_secs(40)));
    cluster.apply(&objects::scalers())?;
    // The step falls elsewhere in the periods of all each time: 3.7 s and 15 s have no common multiple for long.
    let shift = Duration::from_millis(3700) * number;
    sleep((REST + Duration::from_millis(shift.as_millis() as u64 % 15_000)).saturating_sub(quiet.elapsed()));
    cluster.all_known()?;
    for contender in CONTENDERS {
        let size = cluster.size(contender)?;
        if size != REPLICAS {
            bail!("{contender} has {size} replicas before the step");
        }
    }
    let step = Timestamp::now();
    let more: Vec<Load> = addresses.iter().map(|address| cluster.load(address, MOVED)).collect::<Result<_>>()?;
    let begin = Instant::now();
    while begin.elapsed() < WATCHED {
        sleep(Duration::from_secs(1));
        let scales = scales::since(&cluster.audit(), step)?;
        let last = |contender: &&str| scales.iter().filter(|scale| scale.namespace == **contender).map(|scale| scale.time).max();
        let settled = |last: Timestamp| Timestamp::now().duration_since(last) > SETTLED.try_into().unwrap_or_default();
        if CONTENDERS.iter().all(|contender| last(contender).is_some_and(settled)) {
            break;
        }
    }
    drop(more);
    println!("{}", cluster.origin()?);
    Ok(Run::new(step, &scales::since(&cluster.audit(), step)?))
}
