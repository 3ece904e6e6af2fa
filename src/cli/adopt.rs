//! `ballast adopt`: from an HPA to a policy, in steps, and back.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use kube::Client;

use super::access::{PolicyName, TIMEOUT, policy_name};
use super::cluster::{block_on, kube_config};
use super::controller::{Controller, ask};
use super::output::{is_closed_pipe, put};
use crate::adopt::regret::Seen;
use crate::adopt::{Adoption, Back, Cluster, Shadow};
use crate::convert::Options;
use crate::trial::span::span;

/// Time between two looks of `--report --for`: more than an interval would lose decisions, and less tells nothing new.
const LOOK: Duration = Duration::from_secs(15);

/// `ballast adopt`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools)] // Flags.
pub struct AdoptArgs {
    /// The `HorizontalPodAutoscaler`.
    #[arg(value_name = "[NAMESPACE/]HPA", value_parser = policy_name)]
    hpa: PolicyName,
    #[command(flatten)]
    step: Step,
    /// Namespace of the HPA; default: that of the kubeconfig's context.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// With --shadow: name of the policy. Default: that of the HPA.
    #[arg(long, value_name = "NAME", requires = "shadow")]
    policy: Option<String>,
    /// With --shadow: Ballast's own estimator. Default: the stock rule, so that the policy does what the HPA does.
    #[arg(long, requires = "shadow")]
    smooth: bool,
    /// With --shadow: go on even if something of the HPA has no place in a policy.
    #[arg(long, requires = "shadow")]
    partial: bool,
    /// With --report: look on for this long, such as 30m or 2h. Default: only what the controller remembers, half an hour or more.
    #[arg(long = "for", value_name = "LENGTH", value_parser = span, requires = "report")]
    length: Option<Duration>,
    /// With --report: form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// With --hand-over: even if the policy would move the target at once, or cannot read its metrics.
    #[arg(long, requires = "hand_over")]
    force: bool,
    /// With --back: delete the policy instead of letting it recommend.
    #[arg(long, requires = "back")]
    remove: bool,
    /// Longest wait for the controller in each step.
    #[arg(long, value_name = "LENGTH", value_parser = span, default_value = "60s")]
    timeout: Duration,
    /// With --report: address of the controller's admin port. Default: the controller's pods are asked through the API server, as far as
    /// the user may do that (get on pods/proxy).
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// Namespace of the controller.
    #[arg(long, value_name = "NAMESPACE", default_value = "ballast-system")]
    controller_namespace: String,
    /// Kubeconfig file; default: the usual kubectl rules.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// The steps; one per call.
#[derive(Args, Clone, Copy, Debug)]
#[group(required = true, multiple = false)]
#[allow(clippy::struct_excessive_bools)] // Flags.
struct Step {
    /// Create a policy beside the HPA that only recommends.
    #[arg(long)]
    shadow: bool,
    /// Compare what the policy would have done with what the HPA did.
    #[arg(long)]
    report: bool,
    /// Delete the HPA, keep it in an annotation of the policy, and let the policy scale from the present size on.
    #[arg(long)]
    hand_over: bool,
    /// Create the HPA again as it was; the policy only recommends.
    #[arg(long)]
    back: bool,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// As JSON.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  ballast adopt shop/web --shadow
  ballast adopt shop/web --report --for 2h
  ballast adopt shop/web --hand-over
  ballast adopt shop/web --back

Each step may be called again: it makes what is missing. It needs the caller's rights to get, list, create, patch and delete scalepolicies and
to get, create and delete horizontalpodautoscalers of the namespace.

Exit codes: 0 done, 1 refused, failed, or not done in time, 2 wrong usage.";

/// Runs the command.
pub fn main(args: &AdoptArgs) -> ExitCode {
    if let (Some(flag), Some(namespace)) = (&args.namespace, &args.hpa.namespace)
        && flag != namespace
    {
        eprintln!("error: --namespace {flag} contradicts {namespace}/{}: give one namespace", args.hpa.name);
        return ExitCode::from(2);
    }
    match block_on(adopt(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn adopt(args: &AdoptArgs) -> Result<()> {
    let mut config = kube_config(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    (config.connect_timeout, config.read_timeout) = (Some(TIMEOUT), Some(TIMEOUT));
    let namespace = args.namespace.as_ref().or(args.hpa.namespace.as_ref()).unwrap_or(&config.default_namespace).clone();
    let client = Client::try_from(config).context("cannot make a client")?;
    let mut tell = |text: &str| {
        // Whoever closed the pipe still wants the step made.
        let _ = put(&format!("{text}\n"));
    };
    let cluster = Cluster::new(&client, &namespace);
    let mut adoption = Adoption { cluster, hpa: args.hpa.name.clone(), patience: args.timeout, tell: &mut tell };
    if args.step.shadow {
        let options = Options { smooth: args.smooth, source: None };
        let remarks = adoption.shadow(&Shadow { name: args.policy.clone(), options, partial: args.partial }).await?;
        for remark in remarks {
            eprintln!("{remark}");
        }
    } else if args.step.hand_over {
        adoption.hand_over(args.force).await?;
    } else if args.step.back {
        adoption.back(if args.remove { Back::Remove } else { Back::Recommend }).await?;
    } else {
        let policy = adoption.policy().await?;
        report(args, &client, &namespace, policy.metadata.name.as_deref().unwrap_or_default()).await?;
    }
    Ok(())
}

async fn report(args: &AdoptArgs, client: &Client, namespace: &str, policy: &str) -> Result<()> {
    let controller = match &args.admin {
        Some(url) => Controller::At(url),
        None => Controller::In { client, namespace: &args.controller_namespace },
    };
    let mut seen = Seen::default();
    let mut left = args.length.unwrap_or_default();
    loop {
        let record = ask(controller, namespace, policy).await.context("the controller was not reached")?;
        if record.mode != "Recommend" {
            bail!("ScalePolicy/{policy} scales by itself (mode {}): there is nothing beside it to compare with", record.mode);
        }
        seen.take(&record);
        if left.is_zero() {
            break;
        }
        let pause = left.min(LOOK);
        tokio::time::sleep(pause).await;
        left = left.saturating_sub(pause);
    }
    let Some(regret) = seen.regret() else { bail!("ScalePolicy/{policy} has been decided once at most: call again, or with --for 10m") };
    put(&match args.output {
        Output::Table => regret.page(),
        Output::Json => serde_json::to_string_pretty(&regret)? + "\n",
    })?;
    Ok(())
}
