//! `ballast simulate`: what a policy would have done under recorded load, beside its rivals.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::output::{put, width};
use crate::api::quantity::Quantity;
use crate::config::PolicyDefaults;
use crate::report::{TrialView, html, trial_page};
use crate::sim::Trial;
use crate::trial::span::{Moment, share, some_span, span};
use crate::trial::{
    Assertion, Bench, Blur, Choice, Contender, Model, Overrides, Scale, TrialError, assertion, contender, load, policy_file,
};

/// `ballast simulate`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct SimulateArgs {
    /// File with the policy: a `ScalePolicy`, an autoscaling/v2 `HorizontalPodAutoscaler`, or a workload with ballast.dev/ annotations, as YAML
    /// or JSON. Of several in a file FILE#NAME is taken.
    #[arg(value_name = "POLICY")]
    policy: String,
    /// Recorded load: CSV of seconds and values, plain or gzipped, at any step. Times of 10 digits are Unix times.
    #[arg(long, value_name = "FILE.csv[.gz]")]
    trace: PathBuf,
    /// Who else bears the load: `hpa` (the stock rule with the policy's metrics, bounds and behavior), `keda` (the
    /// same under KEDA), `kpa` (Knative's, with its bounds), or a file with another policy. May be repeated.
    #[arg(long, value_name = "hpa|keda|kpa|POLICY")]
    against: Vec<String>,

    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    result: ResultArgs,
    #[command(flatten)]
    defaults: PolicyDefaults,
}

/// What becomes of a trial.
#[derive(Args, Clone, Debug)]
pub(super) struct ResultArgs {
    /// Form of the output; JSON is the whole trial: load, scores, states and decisions.
    #[arg(short, long, value_enum, default_value_t = Output::Table, help_heading = "Output")]
    pub output: Output,
    /// Decisions of the policy shown in the table: so many moves, `none`, or `all` with those that left the size as it was.
    #[arg(long, value_name = "N|all|none", default_value = "20", value_parser = decisions, help_heading = "Output")]
    decisions: usize,
    /// Also write a report into this file: one HTML page that needs no network.
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    report: Option<PathBuf>,
    #[arg(long = "assert", value_name = "CONDITIONS", value_parser = assertions, long_help = assertion::help(), help = "Conditions that the score must meet, such as 'violation_seconds<60,pod_hours<1.2*hpa.pod_hours'; exit code 1 if one does not hold", help_heading = "Output")]
    assertions: Vec<Assertions>,
}

/// What the load is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
struct LoadArgs {
    /// What one pod at 100 % bears of the trace's unit, e.g. 150. Default: the capacity that the policy's first metric of load states, or its
    /// average over --utilization.
    #[arg(long, value_name = "QUANTITY", value_parser = quantity, conflicts_with = "peak")]
    capacity: Option<f64>,
    /// Scale the trace so that its peak needs this many pods at 100 %.
    #[arg(long, value_name = "PODS", value_parser = pods)]
    peak: Option<f64>,
    /// Share of a pod's capacity that an averageValue stands for.
    #[arg(long, value_name = "SHARE", default_value = "70%", value_parser = share)]
    utilization: f64,
    /// Begin here: a length from the start of the trace, or a time where that of the start is known.
    #[arg(long, value_name = "LENGTH|TIME", value_parser = Moment::parse)]
    from: Option<Moment>,
    /// End here.
    #[arg(long, value_name = "LENGTH|TIME", value_parser = Moment::parse)]
    to: Option<Moment>,
    /// Take this many days from the beginning, or from --from on.
    #[arg(long, value_name = "N", value_parser = pods, conflicts_with = "to")]
    days: Option<f64>,
    /// Time of the trace's first row, e.g. 2026-11-02T00:00:00Z. Policies with schedules need it.
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// Add randomness: a share such as 9% (uniform), or poisson, or poisson:3 for three times its variance (values are events per second).
    #[arg(long, value_name = "SHARE|poisson[:N]", value_parser = Blur::parse)]
    noise: Option<Blur>,
    /// Time at the start that is not scored, as it shows the size the workload happened to begin with. Default: 10m, but at most a quarter.
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    warm_up: Option<Duration>,
}

/// How the cluster behaves.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// File with all that can be said of the cluster: fields such as podStartSeconds, rollouts, nodes, outages, and signals by name with what
    /// they show. See docs/simulate.md. The options below stand over it.
    #[arg(long, value_name = "FILE.yaml")]
    cluster: Option<PathBuf>,
    /// From the order of a pod to its readiness; default 45s.
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    pod_start: Option<Duration>,
    /// Additional time to readiness, uniform from 0 to this; default 0s.
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    pod_start_spread: Option<Duration>,
    /// Time between samples; default 15s.
    #[arg(long, value_name = "LENGTH", value_parser = some_span)]
    scrape: Option<Duration>,
    /// From the end of a sample's window until it can be read; default 30s.
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    metric_age: Option<Duration>,
    /// Time that a sample averages over; default 15s.
    #[arg(long, value_name = "LENGTH", value_parser = some_span)]
    window: Option<Duration>,
    /// How long work waits for capacity before it is lost; default 0s.
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    patience: Option<Duration>,
    /// Seed of all that is random; the same seed gives the same run. Default 0.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Scores and decisions for people.
    Table,
    /// The trial as JSON.
    Json,
}

/// One `--assert`.
#[derive(Clone, Debug)]
struct Assertions(Vec<Assertion>);

const EXAMPLES: &str = "\
Examples:
  ballast simulate policy.yaml --trace requests.csv --against hpa
  ballast simulate policy.yaml#web --trace cpu.csv.gz --peak 40 --pod-start 2m --report out.html
  ballast simulate policy.yaml --trace requests.csv --against hpa --against old.yaml \\
      --assert 'violation_seconds<60,pod_hours<1.2*hpa.pod_hours'

Exit codes: 0 done, 1 an assertion does not hold or a file cannot be written, 2 wrong usage or input.";

/// Runs the command.
pub fn main(args: &SimulateArgs) -> ExitCode {
    let (bench, trial) = match tried(args) {
        Ok(tried) => tried,
        Err(error) => {
            for line in error.to_string().lines() {
                eprintln!("error: {line}");
            }
            return ExitCode::from(2);
        }
    };
    args.result.tell(bench.note(), &trial)
}

fn tried(args: &SimulateArgs) -> Result<(Bench, Trial), TrialError> {
    args.defaults.validate()?;
    let defaults = args.defaults.compiled();
    let written = policy_file::policy(&args.policy, &defaults)?;
    for warning in &written.compiled.warnings {
        eprintln!("warning: {}: {warning}", written.place);
    }
    let mut contenders = vec![Contender::policy(&written)];
    for against in &args.against {
        contenders.push(Contender::against(against, &written, &defaults, args.load.utilization)?);
    }
    contender::distinct(&mut contenders);
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name.as_str()).collect();
    args.result.validate(&names)?;
    let model = args.cluster.model()?;
    let choice = args.load.choice(model.setup.seed)?;
    let loaded = load(&args.trace, &choice, &contenders[0], &model)?;
    let bench = Bench::new(contenders, model, loaded, args.load.utilization, args.load.warm_up)?;
    let trial = bench.run();
    Ok((bench, trial))
}

impl ResultArgs {
    /// Refuses conditions on what is not tried.
    pub fn validate(&self, names: &[&str]) -> Result<(), TrialError> {
        self.conditions().try_for_each(|condition| condition.validate(names))
    }

    /// Whether it needs a trial.
    pub fn is_about_scores(&self) -> bool {
        self.report.is_some() || !self.assertions.is_empty()
    }

    /// Prints the trial, writes the report, checks the conditions.
    pub fn tell(&self, note: &str, trial: &Trial) -> ExitCode {
        match self.show(note, trial) {
            Ok(()) => self.verdict(trial),
            Err(error) if super::output::is_closed_pipe(&error) => self.verdict(trial),
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn show(&self, note: &str, trial: &Trial) -> Result<()> {
        if let Some(path) = &self.report {
            std::fs::write(path, html::page(trial)?).with_context(|| format!("--report: {}", path.display()))?;
        }
        let text = match self.output {
            Output::Table => trial_page(trial, &TrialView { width: width(), decisions: self.decisions, note }),
            Output::Json => serde_json::to_string(trial)? + "\n",
        };
        put(&text)?;
        Ok(())
    }

    /// Says on standard error what became of the assertions, as standard output may be JSON.
    fn verdict(&self, trial: &Trial) -> ExitCode {
        let (mut failed, mut of) = (0, 0);
        for condition in self.conditions() {
            of += 1;
            match condition.check(trial) {
                Ok(checked) if checked.holds => eprintln!("ok      {}", checked.text),
                Ok(checked) => {
                    failed += 1;
                    eprintln!("FAILED  {}", checked.text);
                }
                Err(error) => {
                    eprintln!("error: {error}");
                    return ExitCode::from(2);
                }
            }
        }
        if failed == 0 {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {failed} of {of} assertions do not hold");
        ExitCode::FAILURE
    }

    fn conditions(&self) -> impl Iterator<Item = &Assertion> {
        self.assertions.iter().flat_map(|list| &list.0)
    }
}

impl LoadArgs {
    fn choice(&self, seed: u64) -> Result<Choice, TrialError> {
        let scale = match (self.capacity, self.peak) {
            (Some(capacity), _) => Scale::Capacity(capacity),
            (None, Some(pods)) => Scale::Peak(pods),
            (None, None) => Scale::Target,
        };
        let to = match (self.days, self.from) {
            (Some(days), from) => {
                let length = Duration::try_from_secs_f64(days * 86_400.0).unwrap_or(Duration::MAX);
                match from {
                    Some(Moment::At(time)) => {
                        let end = time.checked_add(length).map_err(|error| TrialError::option("--days", error.to_string()))?;
                        Some(Moment::At(end))
                    }
                    Some(Moment::After(after)) => Some(Moment::After(after.saturating_add(length))),
                    None => Some(Moment::After(length)),
                }
            }
            (None, _) => self.to,
        };
        Ok(Choice { from: self.from, to, start: self.start, scale, utilization: self.utilization, noise: self.noise, seed })
    }
}

impl ClusterArgs {
    /// The cluster.
    pub fn model(&self) -> Result<Model, TrialError> {
        Ok(self.cluster.as_deref().map(Model::read).transpose()?.unwrap_or_default().with(&self.overrides()))
    }

    fn overrides(&self) -> Overrides {
        let Self { pod_start, pod_start_spread, scrape, window, metric_age, patience, seed, .. } = *self;
        Overrides { pod_start, pod_start_spread, scrape, window, metric_age, patience, seed }
    }
}

fn assertions(text: &str) -> Result<Assertions, String> {
    assertion::list(text).map(Assertions)
}

fn decisions(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        "none" => Ok(0),
        number => number.parse().map_err(|_| "must be a number, all or none".to_owned()),
    }
}

pub(super) fn quantity(text: &str) -> Result<f64, String> {
    let milli = Quantity::from(text).milli().map_err(|error| error.to_string())?;
    if milli > 0 { Ok(milli as f64 / 1000.0) } else { Err("must be above 0".to_owned()) }
}

fn pods(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "must be a number above 0".to_owned())
}
