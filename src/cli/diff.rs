//! `ballast diff`: a policy against the HPA that it replaces.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::access::{AccessArgs, PolicyName, Session, policy_name};
use super::cluster::block_on;
use super::explain::Output;
use super::output::{ended, put, width};
use crate::adopt::PARKED;
use crate::api::{Defaults, ScalePolicy, ScalePolicySpec, ScalePolicyStatus, compile, join};
use crate::report::{Differences, Side, differences_page};
use crate::trial::policy_file;

/// `ballast diff`.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// The policy.
    #[arg(value_name = "[NAMESPACE/]NAME", value_parser = policy_name)]
    policy: PolicyName,
    /// The HPA: a name in the same namespace, or a file. Default: the one that has the same target, or else the one that `ballast adopt` parked.
    #[arg(long, value_name = "NAME|FILE")]
    hpa: Option<String>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    access: AccessArgs,
}

/// Runs the command. Exit codes as of diff(1): 0 the same, 1 different, 2 failed.
pub fn main(args: &DiffArgs) -> ExitCode {
    ended(block_on(diff(args)), 2)
}

async fn diff(args: &DiffArgs) -> Result<ExitCode> {
    let session = args.access.session(Some(&args.policy)).await?;
    let policy = session.policy(&args.policy.name).await?;
    let parked = policy.annotations().get(PARKED).cloned();
    let policy = side(format!("ScalePolicy/{}", policy.name_any()), policy.spec, policy.status)?;
    let hpa = match args.hpa.as_deref().filter(|given| is_file(given)) {
        Some(file) => {
            let written = policy_file::policy(file, &Defaults::default())?;
            let name = format!("HorizontalPodAutoscaler/{} of {file}", written.name);
            Side { name, spec: written.policy.spec, compiled: written.compiled, status: None }
        }
        None => hpa(args.hpa.as_deref(), &session, &policy, parked.as_deref()).await?,
    };
    let differences = Differences::of(&session.namespace, &policy, &hpa);
    let text = match args.output {
        Output::Table => differences_page(&differences, width()),
        Output::Json => serde_json::to_string_pretty(&differences)? + "\n",
        Output::Yaml => serde_saphyr::to_string(&differences)?,
    };
    put(&text).context("cannot write the output")?;
    Ok(if differences.same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn side(name: String, spec: ScalePolicySpec, status: Option<ScalePolicyStatus>) -> Result<Side> {
    let policy = ScalePolicy::new("", spec);
    let compiled = compile(&policy, &Defaults::default()).map_err(|errors| anyhow!("{name} cannot be used: {}", join(&errors)))?;
    Ok(Side { name, spec: policy.spec, compiled, status })
}

/// The autoscaler of this name, or the one that has the policy's target; where it is gone, the one that `ballast adopt` put away.
async fn hpa(name: Option<&str>, session: &Session, policy: &Side, parked: Option<&str>) -> Result<Side> {
    let api: Api<HorizontalPodAutoscaler> = Api::namespaced(session.client.clone(), &session.namespace);
    let found = match name {
        Some(name) => session.ask(api.get_opt(name)).await?,
        None => only(session.ask(api.list(&ListParams::default())).await?.items, policy)?,
    };
    if let Some(found) = found {
        return read(format!("HorizontalPodAutoscaler/{}", found.name_any()), &found);
    }
    if let Some(parked) = parked {
        let parked: HorizontalPodAutoscaler =
            serde_json::from_str(parked).with_context(|| format!("{}: metadata.annotations[{PARKED}]", policy.name))?;
        if name.is_none_or(|name| name == parked.name_any()) {
            return read(format!("HorizontalPodAutoscaler/{} (parked)", parked.name_any()), &parked);
        }
    }
    let namespace = &session.namespace;
    match name {
        Some(name) => bail!("there is no HorizontalPodAutoscaler/{name} in namespace {namespace}"),
        None => bail!(
            "no HorizontalPodAutoscaler of namespace {namespace} targets {}; --hpa names one, or the file of the one that was replaced",
            policy.compiled.target
        ),
    }
}

/// An HPA's spec is a policy's, and its status has the same form.
fn read(name: String, hpa: &HorizontalPodAutoscaler) -> Result<Side> {
    let spec = serde_json::from_value(serde_json::to_value(&hpa.spec)?).with_context(|| name.clone())?;
    let status = serde_json::from_value(serde_json::to_value(&hpa.status)?).with_context(|| name.clone())?;
    side(name, spec, status)
}

/// The one that has the policy's target.
fn only(all: Vec<HorizontalPodAutoscaler>, policy: &Side) -> Result<Option<HorizontalPodAutoscaler>> {
    let target = &policy.compiled.target;
    let same = |hpa: &HorizontalPodAutoscaler| {
        let of = &hpa.spec.scale_target_ref;
        (&of.kind, &of.name) == (&target.kind, &target.name)
    };
    let mut found: Vec<_> = all.into_iter().filter(same).collect();
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(ResourceExt::name_any).collect();
        bail!("several HorizontalPodAutoscalers target {target}: {}; name one with --hpa", names.join(", "));
    }
    Ok(found.pop())
}

fn is_file(given: &str) -> bool {
    let file = given.split('#').next().unwrap_or_default();
    // A name has no slash, and no object is called like a file.
    file.contains('/') || [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end)) || Path::new(file).is_file()
}
