//! `ballast test`: unit tests of policies.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::output::{is_closed_pipe, put};
use crate::config::PolicyDefaults;
use crate::report::suite_page;
use crate::trial::TrialError;
use crate::trial::fixture::{Suite, suite};

/// `ballast test`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct TestArgs {
    /// Fixture files, or directories below which all fixtures are taken.
    #[arg(value_name = "DIR|FILE", required = true)]
    paths: Vec<PathBuf>,
    /// Run only tests whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,
    /// Also show what was decided in each test, and why.
    #[arg(short, long)]
    verbose: bool,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    defaults: PolicyDefaults,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// As JSON.
    Json,
}

const EXAMPLES: &str = "\
A fixture is a YAML file:
  policy: web.yaml             # beside the fixture; or the ScalePolicy itself
  tests:
  - name: growth at once, shrinking after five minutes
    replicas: 4
    signals:
    - signal: cpu
      shared: '280x3 560x8 280x40'   # percent of a request, one value per interval
    expect:
    - {at: 30s, replicas: 4, verdict: Steady}
    - {at: 2m, atLeast: 8}
    - {at: 4m, verdict: Held, reason: Stabilized}

See docs/simulate.md for all fields.

Exit codes: 0 all as expected, 1 something is not, 2 wrong usage, or a fixture or policy that cannot be used.";

/// Runs the command.
pub fn main(args: &TestArgs) -> ExitCode {
    let valid = args.defaults.validate().map_err(TrialError::from);
    let suite = match valid.and_then(|()| suite(&args.paths, &args.filter, &args.defaults.compiled())) {
        Ok(suite) => suite,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match show(args, &suite) {
        Err(error) if !is_closed_pipe(&error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
        _ if suite.broken > 0 => ExitCode::from(2),
        _ if suite.failed > 0 => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn show(args: &TestArgs, suite: &Suite) -> Result<()> {
    let text = match args.output {
        Output::Text => suite_page(suite, args.verbose),
        Output::Json => serde_json::to_string_pretty(suite)? + "\n",
    };
    put(&text)?;
    Ok(())
}
