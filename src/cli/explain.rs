//! `ballast explain`: the record of one policy, from its status and, where it can be reached, from the controller.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::access::{AccessArgs, PolicyName, Usage, policy_name};
use super::cluster::block_on;
use super::controller::ControllerArgs;
use super::output::{ended, put, redraw, width};
use crate::clock::Clock;
use crate::report::{View, page};

/// Time between two pages of `--watch`.
const WATCH: Duration = Duration::from_secs(2);

/// `ballast explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The policy.
    #[arg(value_name = "[NAMESPACE/]NAME", value_parser = policy_name)]
    policy: PolicyName,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Show the page anew every 2 s until interrupted, like watch(1); only as a table.
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    controller: ControllerArgs,
    #[command(flatten)]
    access: AccessArgs,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// A page for people.
    Table,
    /// The record as JSON.
    Json,
    /// The record as YAML.
    Yaml,
}

/// Runs the command.
pub fn main(args: &ExplainArgs) -> ExitCode {
    ended(block_on(show(args)).map(|()| ExitCode::SUCCESS), 1)
}

async fn show(args: &ExplainArgs) -> Result<()> {
    if args.watch && args.output != Output::Table {
        return Err(Usage("--watch shows a page; it cannot be combined with --output json or yaml".to_owned()).into());
    }
    let mut text = explain(args).await?;
    if !args.watch {
        return put(&text).context("cannot write the output");
    }
    loop {
        redraw(&text)?;
        tokio::time::sleep(WATCH).await;
        // An outage of the API server is something to see, not an end.
        text = explain(args).await.unwrap_or_else(|error| format!("error: {error:#}\n"));
    }
}

async fn explain(args: &ExplainArgs) -> Result<String> {
    let session = args.access.session(Some(&args.policy)).await?;
    let policy = session.policy(&args.policy.name).await?;
    // The status is enough to answer; what only the controller knows is missing then, and the page says why.
    let (record, why) = args.controller.record(&session, &policy).await?;
    let note = why.map(|why| {
        format!("From the policy's status; the controller, which also knows demand and the last decisions, was not reached: {why:#}")
    });
    match args.output {
        Output::Table => {
            let zone = TimeZone::system();
            let now = crate::report::timestamp(Clock::real().now());
            Ok(page(&record, &View { now, zone: &zone, width: width(), note: note.as_deref() }))
        }
        Output::Json => Ok(serde_json::to_string_pretty(&record)? + "\n"),
        Output::Yaml => Ok(serde_saphyr::to_string(&record)?),
    }
}
