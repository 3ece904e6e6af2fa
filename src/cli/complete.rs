//! Completion for kubectl: `kubectl ballast st<TAB>` runs `kubectl_complete-ballast` with the words so far, a link to this binary.
//!
//! The answer is cobra's: one candidate per line, behind a tab what it is, and last a line with a directive for the shell.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Arg, ArgAction, Command, ValueHint};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::config::Kubeconfig;
use kube::core::PartialObjectMeta;

use super::access::AccessArgs;
use super::cluster::block_on;
use crate::api::ScalePolicy;

/// Longest wait for names from the API server: who presses a key does not wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// Names asked for at most.
const NAMES: u32 = 500;
/// Directives of cobra: files are offered too, or only what is listed.
const FILES: &str = ":0";
const NO_FILES: &str = ":4";

/// What may stand at the last of the words.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// One of these, with what each is.
    Words(Vec<(String, String)>),
    /// A name of the cluster.
    Policies,
    Namespaces,
    Contexts,
    Files,
}

/// What the words so far say about where names are looked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    namespace: Option<String>,
    context: Option<String>,
}

/// Answers for `words`, the last of which is being typed.
pub fn main(command: &Command, words: &[String]) -> ExitCode {
    let (wanted, place) = wanted(command, words);
    let typed = words.last().map(String::as_str).unwrap_or_default();
    let directive = if wanted == Wanted::Files { FILES } else { NO_FILES };
    // A cluster that cannot be asked is no news while somebody types.
    let candidates = candidates(wanted, &place).unwrap_or_default();
    let mut text = String::new();
    for (word, meaning) in candidates.iter().filter(|(word, _)| word.starts_with(typed)) {
        let tab = if meaning.is_empty() { "" } else { "\t" };
        text.extend([word, tab, meaning, "\n"]);
    }
    super::print(format!("{text}{directive}\n").as_bytes())
}

/// Finds out what is asked for, as clap would read the words. The command is built, so that its subcommands have its global flags.
fn wanted(command: &Command, words: &[String]) -> (Wanted, Place) {
    let (before, typed) = match words.split_last() {
        Some((last, before)) => (before, last.as_str()),
        None => (words, ""),
    };
    let (mut at, mut place, mut positionals) = (command, Place::default(), 0);
    let mut open: Option<&Arg> = None;
    for word in before {
        if let Some(flag) = open.take() {
            note(flag, word, &mut place);
        } else if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => {
                    if let Some(flag) = flag(at, |arg| arg.get_long() == Some(name)) {
                        note(flag, value, &mut place);
                    }
                }
                None => open = flag(at, |arg| arg.get_long() == Some(long)).filter(|arg| takes_value(arg)),
            }
        } else if let Some(short) = word.strip_prefix('-').and_then(|short| short.chars().next()) {
            let flag = flag(at, |arg| arg.get_short() == Some(short)).filter(|arg| takes_value(arg));
            match (flag, word.get(2..).filter(|value| !value.is_empty())) {
                (Some(flag), Some(value)) => note(flag, value, &mut place),
                (flag, _) => open = flag,
            }
        } else if let Some(sub) = at.find_subcommand(word) {
            at = sub;
        } else {
            positionals += 1;
        }
    }
    let words = match open {
        Some(flag) => values(flag),
        None if typed.starts_with('-') => Wanted::Words(flags(at)),
        None if at.has_subcommands() => {
            let visible = at.get_subcommands().filter(|sub| !sub.is_hide_set());
            Wanted::Words(visible.map(|sub| (sub.get_name().to_owned(), line(sub.get_about()))).collect())
        }
        None => at.get_positionals().nth(positionals).map_or_else(|| Wanted::Words(Vec::new()), values),
    };
    (words, place)
}

fn flag(at: &Command, is: impl Fn(&Arg) -> bool) -> Option<&Arg> {
    at.get_arguments().find(|arg| is(arg))
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn note(flag: &Arg, value: &str, place: &mut Place) {
    match flag.get_long() {
        Some("namespace") => place.namespace = Some(value.to_owned()),
        Some("context") => place.context = Some(value.to_owned()),
        _ => {}
    }
}

fn flags(at: &Command) -> Vec<(String, String)> {
    let visible = at.get_arguments().filter(|arg| !arg.is_hide_set());
    visible.filter_map(|arg| Some((format!("--{}", arg.get_long()?), line(arg.get_help())))).collect()
}

/// What may stand for an argument's value, by its kind or by what its name says.
fn values(arg: &Arg) -> Wanted {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        let visible = possible.iter().filter(|value| !value.is_hide_set());
        return Wanted::Words(visible.map(|value| (value.get_name().to_owned(), line(value.get_help()))).collect());
    }
    let name = arg.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str).unwrap_or_default();
    match arg.get_long() {
        Some("namespace" | "controller-namespace") => Wanted::Namespaces,
        Some("context") => Wanted::Contexts,
        _ if name.contains("NAMESPACE/") => Wanted::Policies,
        _ if name.contains("FILE") || name.contains("POLICY") || name == "DIR" => Wanted::Files,
        _ if !matches!(arg.get_value_hint(), ValueHint::Unknown | ValueHint::Other) => Wanted::Files,
        _ => Wanted::Words(Vec::new()),
    }
}

/// The first sentence: shells show one line.
fn line(help: Option<&clap::builder::StyledStr>) -> String {
    let text = help.map(ToString::to_string).unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    first.split(['.', ';', ':']).next().unwrap_or_default().trim().to_owned()
}

fn candidates(wanted: Wanted, place: &Place) -> Result<Vec<(String, String)>> {
    match wanted {
        Wanted::Words(words) => Ok(words),
        Wanted::Files => Ok(Vec::new()),
        Wanted::Contexts => {
            let contexts = Kubeconfig::read()?.contexts.into_iter();
            Ok(contexts.map(|context| (context.name, context.context.map(|context| context.cluster).unwrap_or_default())).collect())
        }
        Wanted::Policies | Wanted::Namespaces => block_on(async {
            tokio::time::timeout(PATIENCE, names(wanted == Wanted::Namespaces, place)).await.unwrap_or_else(|_| Ok(Vec::new()))
        }),
    }
}

async fn names(namespaces: bool, place: &Place) -> Result<Vec<(String, String)>> {
    let access = AccessArgs { namespace: place.namespace.clone(), kubeconfig: None, context: place.context.clone() };
    let session = access.session(None).await?;
    let params = ListParams::default().limit(NAMES);
    if namespaces {
        let api: Api<Namespace> = Api::all(session.client.clone());
        let all = session.ask(api.list_metadata(&params)).await?;
        return Ok(all.items.iter().map(|object: &PartialObjectMeta<Namespace>| (object.name_any(), String::new())).collect());
    }
    let all = session.ask(session.policies().list_metadata(&params)).await?;
    Ok(all.items.iter().map(|object: &PartialObjectMeta<ScalePolicy>| (object.name_any(), String::new())).collect())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn asked(words: &[&str]) -> (Wanted, Place) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut command = crate::cli::Cli::command();
        command.build();
        wanted(&command, &words)
    }

    fn words(words: &[&str]) -> Vec<String> {
        match asked(words).0 {
            Wanted::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_flags_and_fixed_values_are_known_without_a_cluster() {
        let commands = words(&[""]);
        assert!(["status", "explain", "history", "pause", "resume", "diff"].iter().all(|name| commands.contains(&(*name).to_owned())));
        let flags = words(&["status", "--"]);
        assert!(["--watch", "--namespace", "--selector", "--color"].iter().all(|flag| flags.contains(&(*flag).to_owned())), "{flags:?}");
        assert_eq!(words(&["pause", "web", "--direction", ""]), ["up", "down", "all"]);
        assert_eq!(words(&["status", "-o", ""]), ["table", "wide", "json", "yaml"]);
        assert_eq!(words(&["pause", "web", "--for", ""]), Vec::<String>::new());
    }

    #[test]
    fn names_are_looked_for_where_the_words_before_say() {
        let place = |namespace: Option<&str>, context: Option<&str>| Place {
            namespace: namespace.map(str::to_owned),
            context: context.map(str::to_owned),
        };
        assert_eq!(asked(&["explain", "w"]), (Wanted::Policies, place(None, None)));
        assert_eq!(asked(&["history", "-n", "shop", ""]), (Wanted::Policies, place(Some("shop"), None)));
        assert_eq!(asked(&["pause", "--namespace=shop", "--context", "prod", ""]), (Wanted::Policies, place(Some("shop"), Some("prod"))));
        assert_eq!(asked(&["status", "-nshop", ""]).1, place(Some("shop"), None));
        assert_eq!(asked(&["status", "-n", ""]).0, Wanted::Namespaces);
        assert_eq!(asked(&["status", "--context", ""]).0, Wanted::Contexts);
        assert_eq!(asked(&["simulate", ""]).0, Wanted::Files);
        assert_eq!(asked(&["explain", "web", ""]).0, Wanted::Words(Vec::new()));
    }
}
