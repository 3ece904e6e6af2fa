//! Thin commands: parse, call, print, exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::output::Colours;
use crate::config::RunArgs;

mod access;
pub mod admission;
mod adopt;
mod cluster;
mod complete;
mod controller;
mod convert;
pub mod crds;
mod diff;
mod explain;
mod history;
mod lint;
mod output;
mod pause;
pub mod reference;
mod replay;
mod run;
mod server;
mod simulate;
mod status;
mod test;

/// A horizontal autoscaler for Kubernetes: smooth, safe when metrics fail, and it says why.
#[derive(Parser)]
#[command(name = "ballast", version, max_term_width = 120)]
struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Colours::Auto, value_name = "WHEN")]
    color: Colours,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the controller. A flag given twice means its last value, so that `extraArgs` of the chart override what the chart sets.
    #[command(args_override_self = true)]
    Run(Box<RunArgs>),
    /// Show policies as a table: target, metrics, sizes, the last decision, and what holds it until when.
    Status(status::StatusArgs),
    /// Show why a policy's target has the size it has, and what will happen next.
    Explain(explain::ExplainArgs),
    /// Show the last decisions of a policy, with plots of its sizes and demand.
    History(history::HistoryArgs),
    /// Hold a size by hand: no growth, no shrinking, or neither.
    Pause(pause::PauseArgs),
    /// End a pause.
    Resume(pause::ResumeArgs),
    /// Compare a policy with the HPA that it replaces; exit codes as of diff(1).
    Diff(diff::DiffArgs),
    /// Show what a policy would have done, from the history in a Prometheus server.
    Replay(Box<replay::ReplayArgs>),
    /// Try a policy on recorded load in a model cluster, beside the stock HPA or another policy, and score it.
    Simulate(Box<simulate::SimulateArgs>),
    /// Turn HPAs, what KEDA has, and rules of prometheus-adapter into policies.
    Convert(convert::ConvertArgs),
    /// Find what is wrong with policies and sources in files, before they are applied.
    Lint(lint::LintArgs),
    /// Move a workload from its HPA to a policy and back, in steps that can be made again.
    Adopt(Box<adopt::AdoptArgs>),
    /// Run unit tests of policies: samples in, expected sizes and reasons out.
    Test(test::TestArgs),
    /// Print the custom resource definitions.
    Crds,
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
pub fn run() -> ExitCode {
    if called() == Called::ForCompletion {
        let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let mut command = Cli::command();
        command.build();
        return complete::main(&command, &words);
    }
    let Cli { color, command } = parse();
    color.choose();
    match command {
        Command::Run(args) => run::main(&args),
        Command::Status(args) => status::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::History(args) => history::main(&args),
        Command::Pause(args) => pause::pause(&args),
        Command::Resume(args) => pause::resume(&args),
        Command::Diff(args) => diff::main(&args),
        Command::Replay(args) => replay::main(&args),
        Command::Simulate(args) => simulate::main(&args),
        Command::Convert(args) => convert::main(&args),
        Command::Lint(args) => lint::main(&args),
        Command::Adopt(args) => adopt::main(&args),
        Command::Test(args) => test::main(&args),
        Command::Crds => match crds::yaml() {
            Ok(yaml) => print(yaml.as_bytes()),
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
        Command::Completions { shell } => {
            let mut out = Vec::new();
            let name = if called() == Called::AsPlugin { "kubectl-ballast" } else { "ballast" };
            clap_complete::generate(shell, &mut Cli::command(), name, &mut out);
            print(&out)
        }
    }
}

/// By which name the binary was called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    Plain,
    AsPlugin,
    ForCompletion,
}

fn called() -> Called {
    let path = std::env::args_os().next().map(std::path::PathBuf::from);
    match path.as_deref().and_then(std::path::Path::file_stem).and_then(std::ffi::OsStr::to_str) {
        Some("kubectl-ballast") => Called::AsPlugin,
        Some("kubectl_complete-ballast") => Called::ForCompletion,
        _ => Called::Plain,
    }
}

/// The command line. Called `kubectl-ballast` the binary is a kubectl plugin, and names itself as its user does.
fn parse() -> Cli {
    let plugin = called() == Called::AsPlugin;
    let command = if plugin { Cli::command().name("kubectl-ballast").bin_name("kubectl ballast") } else { Cli::command() };
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// Writes to standard output; a closed pipe (`ballast crds | head`) is not an error.
fn print(bytes: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
