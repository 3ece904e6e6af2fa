//! `ballast replay`: what a policy would have done, from a Prometheus server's history.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use kube::Client;

use super::cluster::kube_config;
use super::explain::{self, PolicyName, policy_name};
use super::server::ServerArgs;
use crate::api::{Compiled, ScalePolicy, compile, join};
use crate::clock::Clock;
use crate::config::PolicyDefaults;
use crate::core::Time;
use crate::replay::looks::looks;
use crate::replay::open::{open, unrecorded};
use crate::replay::when::when;
use crate::replay::{Asker, Cache};
use crate::report::open_loop;

/// `ballast replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The policy: a file (`-`: standard input), or the name of one in the cluster.
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
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
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

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// Everything.
    Json,
}

/// A policy to replay.
struct Found {
    namespace: String,
    name: String,
    compiled: Compiled,
}

/// Runs the command.
pub fn main(args: &ReplayArgs) -> ExitCode {
    let clock = Clock::real();
    let now = clock.now();
    let span = when(&args.from, now).map_err(|why| format!("--from: {why}")).and_then(|from| {
        let to = when(&args.to, now).map_err(|why| format!("--to: {why}"))?;
        if from < to { Ok((from, to.min(now))) } else { Err(format!("--from {} is not before --to {}", args.from, args.to)) }
    });
    let span = match span.and_then(|span| args.defaults.validate().map(|()| span).map_err(|error| error.to_string())) {
        Ok(span) => span,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(replay(args, clock, span)) {
        Ok(text) => super::print(text.as_bytes()),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn replay(args: &ReplayArgs, clock: Clock, (from, to): (Time, Time)) -> Result<String> {
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
        return decide_again(args, &found, &asker, (from, to)).await;
    }
    bail!("only --open-loop so far")
}

async fn decide_again(args: &ReplayArgs, found: &Found, asker: &Asker, (from, to): (Time, Time)) -> Result<String> {
    let Found { namespace, name, compiled } = found;
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
    Ok(match args.output {
        Output::Table => open_loop::table(&result, &TimeZone::system()),
        Output::Json => serde_json::to_string_pretty(&result)? + "\n",
    })
}

/// Reads the policy, from a file or the cluster, and checks it.
async fn find(args: &ReplayArgs) -> Result<Found> {
    let is_file = |text: &str| text == "-" || Path::new(text).is_file() || [".yaml", ".yml", ".json"].iter().any(|end| text.ends_with(end));
    let (policy, namespace) = if is_file(&args.policy) {
        let policy = read(&args.policy)?;
        let namespace = args.namespace.clone().or_else(|| policy.metadata.namespace.clone());
        (policy, namespace.unwrap_or_else(|| "default".to_owned()))
    } else {
        let PolicyName { namespace, name } = policy_name(&args.policy).map_err(|why| anyhow::anyhow!("{}: {why}", args.policy))?;
        let mut config = kube_config(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
        config.connect_timeout = Some(explain::TIMEOUT);
        config.read_timeout = Some(explain::TIMEOUT);
        let namespace = namespace.or_else(|| args.namespace.clone()).unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config.clone()).context("cannot make a client")?;
        (explain::get(&client, &config, &namespace, &name).await?, namespace)
    };
    let compiled = compile(&policy, &args.defaults.compiled()).map_err(|errors| anyhow::anyhow!("{}: {}", args.policy, join(&errors)))?;
    Ok(Found { namespace, name: policy.metadata.name.unwrap_or_default(), compiled })
}

fn read(file: &str) -> Result<ScalePolicy> {
    let text = if file == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.with_context(|| file.to_owned())?;
    serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("{file}: {error}"))
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
