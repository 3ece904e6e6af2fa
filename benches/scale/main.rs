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
mod goals;
mod helper;
mod machine;
mod metrics_api;
mod names;
mod objects;
mod options;
mod own;
mod page;
#[path = "../../tests/plane_support/mod.rs"]
mod plane_support;
mod plot;
mod process;
mod prometheus;
mod results;
mod setup;
mod tables;
mod trial;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use options::{Command, Options, Part};
use results::Report;

fn main() -> ExitCode {
    let Command { part, options } = Command::parse();
    let result = plane_support::run(async {
        match part {
            Some(Part::MetricsApi { kubeconfig, targets, noise }) => metrics_api::serve(&kubeconfig, targets, noise).await,
            Some(Part::Exporter { targets }) => exporter::serve(targets).await,
            None => run(&options).await,
        }
    });
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

async fn run(options: &Options) -> Result<()> {
    let report = if options.merge.is_empty() { setup::run(options).await? } else { Report::merge(&options.merge)? };
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec(&report)?).with_context(|| file.display().to_string())?;
    }
    if let Some(file) = &options.plot {
        std::fs::write(file, plot::draw(&report)).with_context(|| file.display().to_string())?;
    }
    if options.document {
        println!("{}", page::document(&report, options.plot.as_deref()));
    } else {
        println!("{}", page::tables(&report));
    }
    Ok(())
}
