//! `ballast convert`: policies from HPAs, KEDA's objects and rules of prometheus-adapter, in files or in a cluster.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::access::TIMEOUT;
use super::cluster::{block_on, kube_config};
use super::output::{is_closed_pipe, put};
use crate::api::Defaults;
use crate::convert::{Converted, Input, Options, convert};
use crate::trial::TrialError;
use crate::trial::policy_file::documents;

/// `ballast convert`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools)] // Flags.
pub struct ConvertArgs {
    /// Files with HPAs, `ScaledObject`s, or rules of prometheus-adapter for the HPAs' metrics; `-` is standard input. Or objects of the
    /// cluster: hpa/NAME, scaledobject/NAME.
    #[arg(value_name = "FILE|-|hpa/NAME|scaledobject/NAME")]
    from: Vec<String>,
    /// All HPAs and `ScaledObject`s of the namespace.
    #[arg(long, conflicts_with = "all_namespaces")]
    all: bool,
    /// All HPAs and `ScaledObject`s of the cluster.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Namespace of objects of the cluster; default: that of the kubeconfig's context.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
    /// Print the policies even if something has no place in them.
    #[arg(long)]
    partial: bool,
    /// Ballast's own estimator. Default: the stock rule, `smoothing: {type: None}`, so that the policy does what the HPA did.
    #[arg(long)]
    smooth: bool,
    /// Source of all Prometheus metrics: a `MetricSource`, or one of the controller's. Default: `default` for metrics of an adapter, and a new
    /// `MetricSource` for each server of a `ScaledObject`.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
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
    /// One document per object.
    Yaml,
    /// The object, or a list of several.
    Json,
}

const EXAMPLES: &str = "\
Examples:
  ballast convert hpa.yaml > policy.yaml
  ballast convert hpa.yaml adapter-config.yaml | kubectl diff -f -
  ballast convert -n shop hpa/web scaledobject/orders
  ballast convert -A --partial -o json

What becomes something else, or is lost, is said on standard error, one comment line per field.

Exit codes: 0 all of it is in the policies, 1 something is not (nothing is printed without --partial), 2 wrong usage or input.";

/// Kinds in a cluster, with how they are written on the command line.
const KINDS: [(&str, &str, &str, &[&str]); 2] = [
    ("autoscaling", "v2", "HorizontalPodAutoscaler", &["hpa", "horizontalpodautoscaler", "horizontalpodautoscalers"]),
    ("keda.sh", "v1alpha1", "ScaledObject", &["so", "scaledobject", "scaledobjects"]),
];

/// Runs the command.
pub fn main(args: &ConvertArgs) -> ExitCode {
    let converted = match converted(args) {
        Ok(converted) => converted,
        Err(error) => {
            for line in format!("{error:#}").lines() {
                eprintln!("error: {line}");
            }
            return ExitCode::from(2);
        }
    };
    for remark in &converted.remarks {
        eprintln!("{remark}");
    }
    if converted.is_partial() && !args.partial {
        eprintln!("error: not all of it can be carried over; --partial prints what can");
        return ExitCode::FAILURE;
    }
    match text(args.output, &converted).and_then(|text| Ok(put(&text)?)) {
        Err(error) if !is_closed_pipe(&error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
        _ if converted.is_partial() => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn converted(args: &ConvertArgs) -> Result<Converted> {
    let (objects, files): (Vec<&str>, Vec<&str>) = args.from.iter().map(String::as_str).partition(|text| object(text).is_some());
    let mut inputs = files.into_iter().map(file).collect::<Result<Vec<Input>, TrialError>>()?;
    if args.all || args.all_namespaces || !objects.is_empty() {
        inputs.push(block_on(from_cluster(args, &objects))?);
    }
    if inputs.is_empty() {
        bail!("give a file, - for standard input, hpa/NAME, scaledobject/NAME, or --all");
    }
    let options = Options { smooth: args.smooth, source: args.source.clone() };
    Ok(convert(&inputs, &options, &Defaults::default())?)
}

/// `hpa/NAME` as an index of [`KINDS`] and the name; a file of that path is a file.
fn object(text: &str) -> Option<(usize, &str)> {
    let (kind, name) = text.split_once('/')?;
    let kind = kind.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let known = KINDS.iter().position(|(.., words)| words.contains(&kind.as_str()))?;
    (!Path::new(text).exists() && !name.is_empty() && !name.contains('/')).then_some((known, name))
}

/// The documents of a file, or of standard input.
pub(super) fn file(path: &str) -> Result<Input, TrialError> {
    let (place, text) = if path == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        ("standard input", read.map(|_| text))
    } else {
        (path, std::fs::read_to_string(path))
    };
    let text = text.map_err(|error| TrialError::Read { path: PathBuf::from(place), error })?;
    let documents = documents(place, &text)?.into_iter().filter(Value::is_object).collect();
    Ok(Input { place: place.to_owned(), documents })
}

async fn from_cluster(args: &ConvertArgs, objects: &[&str]) -> Result<Input> {
    let mut config = kube_config(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    (config.connect_timeout, config.read_timeout) = (Some(TIMEOUT), Some(TIMEOUT));
    let namespace = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).context("cannot make a client")?;
    let api = |index: usize| -> Api<DynamicObject> {
        let (group, version, kind, _) = KINDS[index];
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if args.all_namespaces {
            Api::all_with(client.clone(), &resource)
        } else {
            Api::namespaced_with(client.clone(), &namespace, &resource)
        }
    };
    let mut documents = Vec::new();
    for (index, name) in objects.iter().filter_map(|text| object(text)) {
        let found = tokio::time::timeout(TIMEOUT, api(index).get(name)).await;
        let found = found.with_context(|| format!("no answer within {} s", TIMEOUT.as_secs()))?;
        documents.push(serde_json::to_value(found.map_err(plain)?)?);
    }
    if args.all || args.all_namespaces {
        for (index, (group, version, kind, _)) in KINDS.iter().enumerate() {
            let found = tokio::time::timeout(TIMEOUT, api(index).list(&ListParams::default())).await;
            match found.with_context(|| format!("no answer within {} s", TIMEOUT.as_secs()))? {
                Ok(list) => {
                    for item in list.items {
                        let mut item = serde_json::to_value(item)?;
                        // Items of a list do not say what they are.
                        item["apiVersion"] = json!(format!("{group}/{version}"));
                        item["kind"] = json!(kind);
                        documents.push(item);
                    }
                }
                // KEDA is not installed: a path that nobody serves has no reason either.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(plain(error)),
            }
        }
    }
    let place = if args.all_namespaces { "cluster".to_owned() } else { format!("namespace {namespace}") };
    Ok(Input { place, documents })
}

/// An error of the API server in its own words.
fn plain(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow::anyhow!(status.message.clone()),
        other => other.into(),
    }
}

fn text(output: Output, converted: &Converted) -> Result<String> {
    let objects = &converted.objects;
    match output {
        Output::Yaml => {
            let texts = objects
                .iter()
                .map(|object| -> Result<String> { Ok(["---\n", serde_saphyr::to_string(object)?.trim_end(), "\n"].concat()) });
            texts.collect()
        }
        Output::Json => {
            let value = match &objects[..] {
                [object] => object.clone(),
                objects => json!({ "apiVersion": "v1", "kind": "List", "items": objects }),
            };
            Ok(serde_json::to_string_pretty(&value)? + "\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_kubectl_users_do() {
        for (text, found) in [
            ("hpa/web", Some((0, "web"))),
            ("HorizontalPodAutoscalers.autoscaling/web", Some((0, "web"))),
            ("so/orders", Some((1, "orders"))),
            ("scaledobject.keda.sh/orders", Some((1, "orders"))),
            ("deployment/web", None),
            ("hpa.yaml", None),
            ("hpa/", None),
            ("-", None),
        ] {
            assert_eq!(object(text), found, "{text}");
        }
    }
}
