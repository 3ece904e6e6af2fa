//! `ballast replay`: what a policy would have done, from a Prometheus server's history.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;

use super::access::{AccessArgs, PolicyName, policy_name};
use super::cluster::block_on;
use super::server::ServerArgs;
use super::simulate::{ClusterArgs, Output, ResultArgs, quantity};
use crate::api::{Compiled, compile, join};
use crate::clock::Clock;
use crate::config::PolicyDefaults;
use crate::core::{Signal, Target, Time};
use crate::replay::load::{Wanted, Workload, load};
use crate::replay::looks::looks;
use crate::replay::open::{open, unrecorded};
use crate::replay::was::{AS_IT_WAS, was};
use crate::replay::when::when;
use crate::replay::{Asker, Cache};
use crate::report::open_loop;
use crate::sim::Meter;
use crate::trial::load::Loaded;
use crate::trial::policy_file::{self, Written};
use crate::trial::span::{share, span};
use crate::trial::{Bench, Contender, TrialError, contender};

/// `ballast replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The policy: a file as in `ballast simulate`, or the name of one in the cluster.
    #[arg(value_name = "FILE|[NAMESPACE/]NAME")]
    policy: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Begin of what is replayed: RFC 3339, or before now as in -6h.
    #[arg(long, value_name = "TIME", default_value = "-24h", allow_hyphen_values = true)]
    from: String,
    /// Its end.
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// Decide each look of the controller again, on what it saw (recorded with `--record-looks` of `ballast run`), and show where this policy
    /// and this version decide otherwise.
    #[arg(long)]
    open_loop: bool,
    /// Who else bears the load: `hpa`, `keda`, `kpa`, or a file with another policy, as in `ballast simulate`. What really happened always stands beside
    /// the policy, as `as-it-was`, where its sizes are known. May be repeated.
    #[arg(long, value_name = "hpa|keda|kpa|POLICY", conflicts_with = "open_loop")]
    against: Vec<String>,
    /// What one pod at 100 % bears of a signal, e.g. 150, or cpu=100m for the signal of that name. Default: the capacity that a target states, an
    /// averageValue over --utilization, and of CPU what a pod requests (by kube-state-metrics). May be repeated.
    #[arg(long, value_name = "[SIGNAL=]QUANTITY", value_parser = capacity)]
    capacity: Vec<(Option<String>, f64)>,
    /// Share of a pod's capacity that an averageValue stands for.
    #[arg(long, value_name = "SHARE", default_value = "70%", value_parser = share)]
    utilization: f64,
    /// Time at the start that is not scored. Default: 10m, but at most a quarter.
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    warm_up: Option<Duration>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    result: ResultArgs,
    /// With --open-loop: exit code 1 if a decision differs, as of `git diff`.
    #[arg(long, requires = "open_loop")]
    exit_code: bool,
    /// Namespace of the policy; default: what the policy says, else that of the kubeconfig's context, else `default`.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Directory in which answers are kept, so that a run which was ended goes on where it was; default: `ballast/replay` in the user's
    /// cache directory.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Keep no answers, use none.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    /// Kubeconfig file; default: the usual kubectl rules.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    #[command(flatten)]
    defaults: PolicyDefaults,
}

/// Where the policy comes from, and where it applies.
struct Found {
    namespace: String,
    written: Written,
}

/// Runs the command.
pub fn main(args: &ReplayArgs) -> ExitCode {
    let clock = Clock::real();
    let now = clock.now();
    let span = when(&args.from, now).map_err(|why| format!("--from: {why}")).and_then(|from| {
        let to = when(&args.to, now).map_err(|why| format!("--to: {why}"))?;
        if args.open_loop && args.result.is_about_scores() {
            return Err("--open-loop compares decisions and scores nothing: --report and --assert go without it".to_owned());
        }
        if from < to { Ok((from, to.min(now))) } else { Err(format!("--from {} is not before --to {}", args.from, args.to)) }
    });
    let span = match span.and_then(|span| args.defaults.validate().map(|()| span).map_err(|error| error.to_string())) {
        Ok(span) => span,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match block_on(replay(args, clock, span)) {
        Ok(code) => code,
        Err(error) => {
            for line in format!("{error:#}").lines() {
                eprintln!("error: {line}");
            }
            // What was given cannot be used; trying again would not help.
            if error.is::<TrialError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

async fn replay(args: &ReplayArgs, clock: Clock, (from, to): (Time, Time)) -> Result<ExitCode> {
    let found = find(args).await?;
    let server = args.server.server(clock.clone())?;
    let cache = match (&args.cache, args.no_cache) {
        (_, true) => None,
        (Some(dir), _) => Some(Cache::open(dir).with_context(|| format!("--cache: {}", dir.display()))?),
        // Without a home there is nowhere to keep anything, and nobody to want it.
        (None, false) => user_cache().and_then(|dir| Cache::open(&dir).ok()),
    };
    let asker = Asker::new(server, cache, clock, bar());
    if args.open_loop {
        let (text, differing) = decide_again(args, &found, &asker, (from, to)).await?;
        let printed = super::print(text.as_bytes());
        return Ok(if args.exit_code && differing > 0 { ExitCode::FAILURE } else { printed });
    }
    bear_again(args, &found, &asker, (from, to)).await
}

/// The closed loop: the load of then, in the model cluster.
async fn bear_again(args: &ReplayArgs, found: &Found, asker: &Asker, (from, to): (Time, Time)) -> Result<ExitCode> {
    let Found { namespace, written } = found;
    let mut contenders = vec![Contender::policy(written)];
    for against in &args.against {
        contenders.push(Contender::against(against, written, &args.defaults.compiled(), args.utilization)?);
    }
    contender::distinct(&mut contenders);
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name.as_str()).chain([AS_IT_WAS]).collect();
    args.result.validate(&names)?;
    let mut model = args.cluster.model()?;
    let drivers = written.compiled.drivers();
    let Compiled { policy, queries, target, .. } = &drivers;
    let capacities = capacities(args, &policy.signals)?;
    let mut wanted = Vec::new();
    for (signal, query) in policy.signals.iter().zip(queries) {
        let given = capacities.get(signal.name().as_ref()).copied();
        let full = given.or_else(|| model.full(signal, args.utilization));
        if let Some(full) = given
            && !matches!(signal.target, Target::Utilization(_))
        {
            let meter = if signal.kind.is_cpu() { Meter::cpu(full) } else { Meter::new(full) };
            model.signals.entry(signal.name().to_string()).or_insert(meter);
        }
        wanted.push(Wanted { signal, query, full });
    }
    let workload = Workload { namespace, policy: &written.name, target };
    let mut recorded = load(asker, &workload, &wanted, from, to).await?;
    let was = was(asker, &workload, from, to).await?;
    asker.done();
    recorded.notes.extend(was.note().map(str::to_owned));
    model.setup.outages.append(&mut recorded.outages.clone());
    let start = recorded.start.as_millis().div_euclid(1000);
    let loaded = Loaded {
        name: format!("{namespace}/{}", written.name),
        load: recorded.load.clone(),
        start: Some(start),
        capacity: None,
        note: recorded.notes.join("; "),
    };
    let bench = Bench::new(contenders, model, loaded, args.utilization, args.warm_up)?;
    let mut trial = bench.run();
    trial.contenders.extend(was.outcome(&recorded, policy.min_replicas, trial.warm_up_seconds));
    Ok(args.result.tell(bench.note(), &trial))
}

/// What one pod bears by signal, as the options say; without a name the first signal that measures load is meant.
fn capacities(args: &ReplayArgs, signals: &[Signal]) -> Result<HashMap<String, f64>> {
    let names: Vec<&str> = signals.iter().map(|signal| signal.name().as_ref()).collect();
    let first = signals.iter().find(|signal| !matches!(signal.target, Target::Utilization(_) | Target::Value(_)));
    let mut capacities = HashMap::new();
    for (name, full) in &args.capacity {
        let name = match (name, first.or(signals.first())) {
            (Some(name), _) => name.clone(),
            (None, Some(signal)) => signal.name().to_string(),
            (None, None) => continue,
        };
        if !names.contains(&name.as_str()) {
            bail!("--capacity: {name}: must be one of the policy's signals, {}", names.join(", "));
        }
        capacities.insert(name, *full);
    }
    Ok(capacities)
}

/// Reads `150` or `cpu=100m`.
fn capacity(text: &str) -> Result<(Option<String>, f64), String> {
    match text.rsplit_once('=') {
        Some((name, quantity)) => Ok((Some(name.to_owned()), self::quantity(quantity)?)),
        None => Ok((None, quantity(text)?)),
    }
}

async fn decide_again(args: &ReplayArgs, found: &Found, asker: &Asker, (from, to): (Time, Time)) -> Result<(String, u64)> {
    let Found { namespace, written: Written { name, compiled, .. } } = found;
    let seen = looks(asker, namespace, name, from, to).await?;
    asker.done();
    for why in &seen.unreadable {
        eprintln!("warning: some looks are left out: {why}");
    }
    if seen.looks.is_empty() {
        bail!(
            "{} has no looks at {namespace}/{name} in this time (ballast_look_word): they are recorded while the controller runs with \
             --record-looks and is scraped",
            asker.server().name()
        );
    }
    let unknown = unrecorded(compiled, &seen.looks);
    if !unknown.is_empty() {
        bail!("no look asked for {}: what it would have shown is not recorded; replay without --open-loop", unknown.join(", "));
    }
    let result = open(&format!("{namespace}/{name}"), compiled, &seen.looks, seen.missed);
    let text = match args.result.output {
        Output::Table => open_loop::table(&result, &TimeZone::system()),
        Output::Json => serde_json::to_string_pretty(&result)? + "\n",
    };
    Ok((text, result.differing))
}

/// Reads the policy, from a file or the cluster, and checks it.
async fn find(args: &ReplayArgs) -> Result<Found> {
    let defaults = args.defaults.compiled();
    // A name has neither dot nor backslash before its slash, and no file is called like one by chance.
    let file = args.policy.split('#').next().unwrap_or_default();
    if Path::new(file).is_file() || [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end)) {
        let written = policy_file::policy(&args.policy, &defaults)?;
        let namespace = args.namespace.clone().or_else(|| written.policy.metadata.namespace.clone());
        return Ok(Found { namespace: namespace.unwrap_or_else(|| "default".to_owned()), written });
    }
    let PolicyName { namespace, name } = policy_name(&args.policy).map_err(|why| anyhow::anyhow!("{}: {why}", args.policy))?;
    let namespace = namespace.or_else(|| args.namespace.clone());
    let access = AccessArgs { namespace, kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
    let session = access.session(None).await?;
    let policy = session.policy(&name).await?;
    let namespace = session.namespace;
    let place = format!("ScalePolicy {namespace}/{name}");
    let compiled = compile(&policy, &defaults).map_err(|errors| anyhow::anyhow!("{place}: {}", join(&errors)))?;
    Ok(Found { namespace, written: Written { name, place, policy, compiled } })
}

/// Where users keep what can be had again.
fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("ballast/replay"))
}

/// Progress on a terminal; nothing anywhere else.
fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} pieces of history, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
