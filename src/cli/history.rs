//! `ballast history`: the last decisions of one policy, with plots of sizes and demand.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use jiff::tz::TimeZone;

use super::access::{AccessArgs, PolicyName, policy_name};
use super::cluster::block_on;
use super::controller::ControllerArgs;
use super::explain::Output;
use super::output::{ended, put, width};
use crate::clock::Clock;
use crate::report::{PolicyHistory, View, history_page, timestamp};

/// `ballast history`.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// The policy.
    #[arg(value_name = "[NAMESPACE/]NAME", value_parser = policy_name)]
    policy: PolicyName,
    /// Decisions shown at most, the newest last.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Form of the output; JSON and YAML have all decisions, whatever the limit.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    controller: ControllerArgs,
    #[command(flatten)]
    access: AccessArgs,
}

/// Runs the command.
pub fn main(args: &HistoryArgs) -> ExitCode {
    ended(block_on(show(args)).map(|()| ExitCode::SUCCESS), 1)
}

async fn show(args: &HistoryArgs) -> Result<()> {
    let session = args.access.session(Some(&args.policy)).await?;
    let policy = session.policy(&args.policy.name).await?;
    let (record, why) = args.controller.record(&session, &policy).await?;
    let note =
        why.map(|why| format!("From the policy's status, which keeps changes of the size only; the controller was not reached: {why:#}"));
    let now = timestamp(Clock::real().now());
    let past = PolicyHistory::of(&record, now);
    let text = match args.output {
        Output::Table => {
            let zone = TimeZone::system();
            let view = View { now, zone: &zone, width: width(), note: note.as_deref() };
            history_page(&past, &record, &view, usize::try_from(args.limit).unwrap_or(usize::MAX))
        }
        Output::Json => serde_json::to_string_pretty(&past)? + "\n",
        Output::Yaml => serde_saphyr::to_string(&past)?,
    };
    put(&text).context("cannot write the output")
}
