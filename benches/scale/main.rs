//! What an autoscaler costs, and how soon it answers, at thousands of targets: the stock autoscaler, Ballast and KEDA one after the other on
//! one real API server. `--help` lists the options.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic, clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods)] // Measures real time.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Counts and times of minutes.

mod answers;
mod audit;
mod contender;
mod exporter;
mod fleet;
mod helper;
mod metrics_api;
mod names;
mod objects;
mod options;
#[path = "../../tests/plane_support/mod.rs"]
mod plane_support;
mod process;
mod results;
mod setup;
mod tables;
mod trial;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use options::{Command, Options, Part};

fn main() -> ExitCode {
    let Command { part, options } = Command::parse();
    let result = plane_support::run(async {
        match part {
            Some(Part::MetricsApi { kubeconfig, targets }) => metrics_api::serve(&kubeconfig, targets).await,
            Some(Part::Exporter { targets }) => exporter::serve(targets).await,
            None => run(&options).await,
        }
    });
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

async fn run(options: &Options) -> Result<()> {
    let rows = setup::rows(options).await?;
    for &signal in &options.signals {
        let rows: Vec<_> = rows.iter().filter(|row| row.signal == signal).collect();
        if !rows.is_empty() {
            println!("\n{}: answers to a load step x3\n{}", signal.title(), tables::steps(&rows));
            println!("\n{}: steady state\n{}", signal.title(), tables::steady(&rows));
        }
    }
    Ok(())
}
