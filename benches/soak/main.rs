//! Hours under churn and faults on a real control plane: does the process keep its size? `make soak HOURS=1`; `--help` lists the options.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic, clippy::unwrap_used)]

mod churn;
mod faults;
mod objects;
mod page;
#[path = "../../tests/plane_support/mod.rs"]
mod plane_support;
mod process;
mod sample;
#[path = "../../tests/support_faults/mod.rs"]
mod support_faults;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ballast::clock::Clock;
use clap::Parser;

use churn::Churn;
use faults::Faults;
use objects::{Cluster, Kind, Slot};
use page::{Page, Run};
use plane_support::{Options as PlaneOptions, Tunnel, ensure_namespace, plane};
use process::Ballast;
use sample::{Sample, Sampler};
use support_faults::FaultProxy;

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(10);

/// Policies that stay from begin to end.
const FIXED: usize = 20;

/// Namespaces; more than from which on usage is listed for the whole cluster at once.
const NAMESPACES: usize = 10;

/// Longest time until everything has been decided, and until what is deleted is forgotten.
const SETTLED: Duration = Duration::from_mins(4);

#[derive(Parser)]
#[command(about = "Runs the controller for hours under churn and faults, and judges whether it keeps its size")]
struct Options {
    /// Length of the churn in hours
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Policies at any time
    #[arg(long, default_value_t = 300)]
    policies: usize,
    /// Changes of objects per second
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// The controller [default: as built with this program]
    #[arg(long)]
    ballast: Option<PathBuf>,
    /// Folder for soak.json, soak.svg and soak.md
    #[arg(long, default_value = "target/soak")]
    out: PathBuf,
    /// Also writes docs/soak.md and its picture
    #[arg(long)]
    document: bool,
    /// Judges a run again that was saved (soak.json) instead of running one
    #[arg(long, value_name = "FILE")]
    again: Option<PathBuf>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let judged = match &options.again {
        Some(file) => again(&options, file),
        None => plane_support::run(run(&options)),
    };
    match judged {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as it should be.
async fn run(options: &Options) -> Result<bool> {
    std::fs::create_dir_all(&options.out)?;
    let (world, mut ballast) = begin(options).await?;
    let mut samples = Vec::new();
    let fixed = world.churn.add(FIXED, &[Kind::Forecast, Kind::Unknown]).await;
    ballast.start(&world.kubeconfig, &world.faults.default.url).await?;
    let mut probe = Sampler::new(ballast.pid()?, ballast.admin);
    let start = settled(&world, &mut probe, "start", u64::MAX, Clock::real().instant()).await?;
    let tasks = start.tasks;
    samples.push(start);

    world.churn.add(options.policies.saturating_sub(FIXED), &[]).await;
    println!("{} policies; churn for {} h; samples in {}", options.policies, options.hours, options.out.display());
    churn(options, &world, &fixed, &mut probe, &mut samples).await?;

    world.faults.mend().await;
    world.churn.clear(&fixed).await;
    // Idle connections are kept for a while.
    samples.push(settled(&world, &mut probe, "end", tasks + 5, Clock::real().instant()).await?);
    let Options { hours, policies, rate, .. } = *options;
    let good = judged(options, &Run { hours, policies, rate, done: world.churn.done(), failed: world.churn.failed(), samples })?;
    let stopped = ballast.stop().await?;
    println!("controller: {stopped}; log: {}", ballast.log.display());
    Ok(stopped.success() && good)
}

fn again(options: &Options, file: &Path) -> Result<bool> {
    std::fs::create_dir_all(&options.out)?;
    judged(options, &serde_json::from_slice(&std::fs::read(file)?)?)
}

/// Whether a run is good; writes and prints why.
fn judged(options: &Options, run: &Run) -> Result<bool> {
    let findings = verdict::judge(&run.samples);
    let page = Page { run, findings: &findings };
    page.write(&options.out)?;
    if options.document {
        page.document()?;
    }
    println!("{}", page.summary());
    Ok(findings.iter().all(|finding| finding.good))
}

/// Everything but the controller.
struct World {
    kubeconfig: PathBuf,
    churn: Arc<Churn>,
    faults: Arc<Faults>,
}

async fn begin(options: &Options) -> Result<(World, Ballast)> {
    // Objects come faster than the controllers' default rates allow.
    let controller_manager = "--kube-api-qps=200 --kube-api-burst=400";
    let plane = plane(PlaneOptions { scrape: "5s", controller_manager, ..PlaneOptions::default() }).await;
    let (fleet, usage) = (plane.fleet().await, plane.metrics().await);
    let prometheus = plane.prometheus().await;
    let (default, sources) = (FaultProxy::start(&prometheus.url).await, FaultProxy::start(&prometheus.url).await);

    let text = std::fs::read_to_string(&plane.kubeconfig)?;
    let server = text.split("https://").nth(1).and_then(|rest| rest.split_whitespace().next()).context("no server in the kubeconfig")?;
    let mut tunnel = Tunnel::new(server).await;
    tunnel.open().await;
    let kubeconfig = plane.dir.join("kubeconfig-soak");
    std::fs::write(&kubeconfig, text.replace(server, &tunnel.address.to_string()))?;

    let namespaces: Vec<String> = (0..NAMESPACES).map(|number| format!("soak-{number}")).collect();
    for namespace in namespaces.iter().map(String::as_str).chain(["ballast-system"]) {
        ensure_namespace(&plane.client, namespace).await;
    }
    let cluster = Cluster { client: plane.client.clone(), source_url: sources.url.clone() };
    let (slots, state) = Default::default();
    let churn = Arc::new(Churn { fleet, usage, prometheus, cluster, namespaces, slots, state });
    tokio::spawn({
        let churn = Arc::clone(&churn);
        async move { churn.serve_requests().await }
    });
    // The first of the fixed policies has usage.
    let victim = Slot::new(String::new(), Kind::Cpu, 1).name;
    let tunnel = tokio::sync::Mutex::new(tunnel);
    let faults = Arc::new(Faults { usage, default, sources, tunnel, victim, now: Arc::default() });
    faults.mend().await;
    let binary = options.ballast.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ballast")));
    let ballast = Ballast::new(binary, options.out.join("ballast.log"), plane.dir.clone()).await?;
    Ok((World { kubeconfig, churn, faults }, ballast))
}

/// Waits until every policy on the API server is known and shown, and no other, and the numbers stand still.
async fn settled(world: &World, probe: &mut Sampler, phase: &str, tasks: u64, since: Instant) -> Result<Sample> {
    let mut last = Sample::default();
    while Clock::real().instant().duration_since(since) < SETTLED {
        tokio::time::sleep(EVERY).await;
        let sample = probe.take(0.0, phase, &world.churn.cluster, String::new()).await?;
        let policies = sample.objects.get("ScalePolicy").copied().unwrap_or_default();
        let all = i64::try_from(sample.shown)? == policies && i64::try_from(sample.known)? == policies;
        // Each of the fixed policies has one signal.
        let loads = sample.families.get("ballast_policy_signal_load").copied().unwrap_or_default() == FIXED as u64;
        let still = (sample.policy_series, sample.source_series) == (last.policy_series, last.source_series);
        println!(
            "{phase}: {policies} policies, {} shown, {} known, {} series of policies, {} of sources, {} tasks, {:.1} MiB",
            sample.shown,
            sample.known,
            sample.policy_series,
            sample.source_series,
            sample.tasks,
            sample.rss as f64 / 1_048_576.0
        );
        let few = sample.tasks <= tasks;
        last = sample;
        if all && still && loads && few {
            break;
        }
    }
    Ok(last)
}

async fn churn(options: &Options, world: &World, fixed: &[Slot], probe: &mut Sampler, samples: &mut Vec<Sample>) -> Result<()> {
    let begin = Clock::real().instant();
    world.churn.keep(fixed);
    let changes = tokio::spawn({
        let churn = Arc::clone(&world.churn);
        let mut every = tokio::time::interval(Duration::from_secs_f64(1.0 / options.rate));
        // One change of several objects may take longer than its turn; then the next ones wait.
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        async move {
            loop {
                every.tick().await;
                churn.step().await;
            }
        }
    });
    let breaks = tokio::spawn({
        let faults = Arc::clone(&world.faults);
        async move { faults.run().await }
    });
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while begin.elapsed().as_secs_f64() < options.hours * 3600.0 {
        every.tick().await;
        let (at, fault) = (begin.elapsed().as_secs_f64(), world.faults.now.lock().clone());
        match probe.take(at, "churn", &world.churn.cluster, fault).await {
            Ok(sample) => {
                page::print(&sample);
                samples.push(sample);
                // What there is can be looked at while the rest is to come.
                page::save(&options.out, samples)?;
            }
            // The process must be there; a busy API server may not answer once.
            Err(error) => {
                eprintln!("{at:.0} s: no sample: {error:#}");
                anyhow::ensure!(probe.is_alive(), "the controller has ended");
            }
        }
    }
    anyhow::ensure!(!changes.is_finished() && !breaks.is_finished(), "the churn ended before its time");
    changes.abort();
    breaks.abort();
    let _ = (changes.await, breaks.await);
    world.churn.release(fixed);
    // Nothing may be left cut.
    let mut tunnel = world.faults.tunnel.lock().await;
    tunnel.cut().await;
    tunnel.open().await;
    Ok(())
}
