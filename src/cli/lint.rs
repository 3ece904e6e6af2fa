//! `ballast lint`: what is wrong with policies and sources in files.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::convert::file;
use super::output::{is_closed_pipe, put};
use crate::config::PolicyDefaults;
use crate::lint::{Linted, lint};
use crate::trial::TrialError;

/// `ballast lint`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXIT_CODES)]
pub struct LintArgs {
    /// Files with policies, HPAs, annotated workloads and sources; `-` is standard input. They are looked at together.
    #[arg(value_name = "FILE|-", required = true)]
    files: Vec<String>,
    /// Warnings are errors.
    #[arg(long)]
    strict: bool,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    defaults: PolicyDefaults,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line per finding.
    Text,
    /// As JSON.
    Json,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage, or a file that cannot be read.";

/// Runs the command.
pub fn main(args: &LintArgs) -> ExitCode {
    let linted = match linted(args) {
        Ok(linted) => linted,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match show(args.output, &linted) {
        Err(error) if !is_closed_pipe(&error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
        _ if linted.has_errors() || args.strict && !linted.findings.is_empty() => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn linted(args: &LintArgs) -> Result<Linted, TrialError> {
    args.defaults.validate()?;
    let files = args.files.iter().map(|path| file(path).map(|input| (input.place, input.documents)));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let linted = lint(&files, &args.defaults.compiled());
    if linted.objects.is_empty() {
        let places: Vec<&str> = files.iter().map(|(place, _)| place.as_str()).collect();
        let wanted =
            "a ScalePolicy, an autoscaling/v2 HorizontalPodAutoscaler, a workload with ballast.dev/ annotations, or a MetricSource";
        return Err(TrialError::form(places.join(", "), format!("holds nothing to look at; wanted is {wanted}")));
    }
    Ok(linted)
}

fn show(output: Output, linted: &Linted) -> Result<()> {
    let text = match output {
        Output::Text => {
            let clean = linted.objects.iter().filter(|place| !linted.findings.iter().any(|finding| finding.place == **place));
            let clean = clean.map(|place| format!("{place}: ok\n"));
            clean.chain(linted.findings.iter().map(|finding| format!("{finding}\n"))).collect()
        }
        Output::Json => serde_json::to_string_pretty(&json!({ "objects": linted.objects, "findings": linted.findings }))? + "\n",
    };
    put(&text)?;
    Ok(())
}
