//! `ballast explain`: the record of one policy, from its status and, where it can be reached, from the controller.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use kube::api::ListParams;
use kube::{Api, Client, Config};

use super::cluster::{block_on, kube_config};
use super::controller::{Controller, ask};
use super::output::{is_closed_pipe, put, width};
use crate::api::{Defaults, ScalePolicy, compile};
use crate::clock::Clock;
use crate::report::{Record, View, page};

/// Longest wait for the API server.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two pages of `--watch`.
const WATCH: Duration = Duration::from_secs(2);
/// Cursor to the upper left, and all below it erased; left out where the output is no terminal.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// `ballast explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The policy.
    #[arg(value_name = "[NAMESPACE/]NAME", value_parser = policy_name)]
    policy: PolicyName,
    /// Namespace of the policy; default: that of the kubeconfig's context.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Show the page anew every 2 s until interrupted, like watch(1); only as a table.
    #[arg(short, long)]
    watch: bool,
    /// Address of the controller's admin port, e.g. <http://localhost:8080> after `kubectl port-forward`. Default: the controller's pods are
    /// asked through the API server, as far as the user may do that (get on pods/proxy).
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

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A page for people.
    Table,
    /// The record as JSON.
    Json,
    /// The record as YAML.
    Yaml,
}

/// `NAMESPACE/NAME` or `NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyName {
    pub namespace: Option<String>,
    pub name: String,
}

pub(super) fn policy_name(text: &str) -> Result<PolicyName, String> {
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, text),
    };
    if name.is_empty() || name.contains('/') || namespace == Some("") {
        return Err("must be NAME or NAMESPACE/NAME".to_owned());
    }
    Ok(PolicyName { namespace: namespace.map(str::to_owned), name: name.to_owned() })
}

/// Runs the command.
pub fn main(args: &ExplainArgs) -> ExitCode {
    if let (Some(flag), Some(namespace)) = (&args.namespace, &args.policy.namespace)
        && flag != namespace
    {
        eprintln!("error: --namespace {flag} contradicts {namespace}/{}: give one namespace", args.policy.name);
        return ExitCode::from(2);
    }
    if args.watch && args.output != Output::Table {
        eprintln!("error: --watch shows a page; it cannot be combined with --output json or yaml");
        return ExitCode::from(2);
    }
    match block_on(show(args)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed the pipe has read enough.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show(args: &ExplainArgs) -> Result<()> {
    let mut text = explain(args).await?;
    if !args.watch {
        return put(&text).context("cannot write the output");
    }
    loop {
        // A page that is longer than the screen loses its end: what matters most stands first.
        let rows = terminal_size::terminal_size().map_or(usize::MAX, |(_, height)| usize::from(height.0).saturating_sub(1));
        let page: Vec<&str> = text.lines().take(rows).collect();
        put(&format!("{CLEAR}{}\n", page.join("\n")))?;
        tokio::time::sleep(WATCH).await;
        // An outage of the API server is something to see, not an end.
        text = explain(args).await.unwrap_or_else(|error| format!("error: {error:#}"));
    }
}

async fn explain(args: &ExplainArgs) -> Result<String> {
    let mut config = kube_config(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    config.connect_timeout = Some(TIMEOUT);
    config.read_timeout = Some(TIMEOUT);
    let namespace = args.namespace.as_ref().or(args.policy.namespace.as_ref()).unwrap_or(&config.default_namespace).clone();
    let client = Client::try_from(config.clone()).context("cannot make a client")?;
    let policy = get(&client, &config, &namespace, &args.policy.name).await?;
    let controller = match &args.admin {
        Some(url) => Controller::At(url),
        None => Controller::In { client: &client, namespace: &args.controller_namespace },
    };
    // The status is enough to answer; what only the controller knows is missing then, and the page says why.
    let (record, note) = match ask(controller, &namespace, &args.policy.name).await {
        Ok(record) => (record, None),
        Err(error) if args.admin.is_some() => return Err(error.context("--admin")),
        Err(error) => (
            of_status(&policy),
            Some(format!(
                "From the policy's status; the controller, which also knows demand and the last decisions, was not reached: {error:#}"
            )),
        ),
    };
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

fn of_status(policy: &ScalePolicy) -> Record {
    let status = policy.status.clone().unwrap_or_default();
    let compiled = compile(policy, &Defaults::default());
    Record::of(policy, &status, compiled.as_ref().map_err(Vec::as_slice))
}

/// The policy, or an error that helps: which policy has a target of this name, if there is one.
pub(super) async fn get(client: &Client, config: &Config, namespace: &str, name: &str) -> Result<ScalePolicy> {
    let api: Api<ScalePolicy> = Api::namespaced(client.clone(), namespace);
    let found = tokio::time::timeout(TIMEOUT, api.get(name)).await;
    let server = &config.cluster_url;
    let error = match found.with_context(|| format!("no answer from {server} within {} s", TIMEOUT.as_secs()))? {
        Ok(policy) => return Ok(policy),
        Err(kube::Error::Api(status)) if status.is_not_found() && status.message.contains(name) => status.message.clone(),
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            bail!("the server at {server} does not know ScalePolicies: are Ballast's CRDs installed?")
        }
        Err(kube::Error::Api(status)) => bail!("{}", status.message),
        Err(error) => return Err(error).with_context(|| format!("cannot ask {server}")),
    };
    let all = tokio::time::timeout(TIMEOUT, api.list(&ListParams::default().limit(500))).await;
    let list = all.ok().and_then(Result::ok).map(|list| list.items).unwrap_or_default();
    let of_target =
        list.iter().filter(|policy| policy.spec.scale_target_ref.name == name).filter_map(|policy| policy.metadata.name.as_deref());
    match of_target.collect::<Vec<_>>() {
        names if names.is_empty() => bail!("{error} in namespace \"{namespace}\""),
        names => bail!("{error} in namespace \"{namespace}\"; a target of this name is scaled by {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_named_as_kubectl_users_do() {
        let name = |namespace: Option<&str>, name: &str| PolicyName { namespace: namespace.map(str::to_owned), name: name.to_owned() };
        assert_eq!(policy_name("web"), Ok(name(None, "web")));
        assert_eq!(policy_name("shop/web"), Ok(name(Some("shop"), "web")));
        for bad in ["", "/", "shop/", "/web", "a/b/c"] {
            assert!(policy_name(bad).is_err(), "{bad}");
        }
    }
}
