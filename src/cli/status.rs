//! `ballast status`: policies as a table, once or as they change.

use std::collections::BTreeMap;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use futures::{Stream, StreamExt};
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Resource};

use super::access::{AccessArgs, PolicyName, Session, Usage, policy_name};
use super::cluster::block_on;
use super::controller::of_status;
use super::output::{ended, height, on_terminal, put, redraw, width};
use crate::api::ScalePolicy;
use crate::clock::Clock;
use crate::cluster::{Guarded, Key, Unreadable, watch_error};
use crate::report::{Line, Reader, Record, StatusTable, timestamp};

/// Policies per page of a list.
const PAGE: u32 = 500;
/// Time between two pictures of a watch: what counts down is seen to do so.
const TICK: Duration = Duration::from_secs(1);
/// Seconds after which the server ends a watch, which is then taken up again; shorter than the client's wait for a word.
const WATCH_SECONDS: u32 = 20;

/// `ballast status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// One policy. Default: all of the namespace.
    #[arg(value_name = "[NAMESPACE/]NAME", value_parser = policy_name, conflicts_with_all = ["all_namespaces", "selector"])]
    policy: Option<PolicyName>,
    /// Policies of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Policies with these labels, e.g. team=shop,tier!=test.
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Go on and show changes until interrupted: in place on a terminal, else as more lines.
    #[arg(short, long)]
    watch: bool,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    access: AccessArgs,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line per policy.
    Table,
    /// The same with mode, last change of the size, and the whole reason.
    Wide,
    /// The records as JSON: of one policy an object, of several a list, of a watch one object per line.
    Json,
    /// The records as YAML; of a watch one document each.
    Yaml,
}

type Lines = BTreeMap<Key, Line>;

/// Runs the command.
pub fn main(args: &StatusArgs) -> ExitCode {
    ended(block_on(status(args)).map(|()| ExitCode::SUCCESS), 1)
}

async fn status(args: &StatusArgs) -> Result<()> {
    if args.selector.as_deref().is_some_and(|selector| selector.trim().is_empty()) {
        return Err(Usage("--selector must not be empty".to_owned()).into());
    }
    let session = args.access.session(args.policy.as_ref()).await?;
    let client = session.client.clone();
    let api: Api<Guarded<ScalePolicy>> = if args.all_namespaces { Api::all(client) } else { Api::namespaced(client, &session.namespace) };
    let lines = list(args, &session, &api).await?;
    if let Some(policy) = args.policy.as_ref().filter(|_| lines.is_empty()) {
        // A name that is wrong is told with what it may have meant.
        session.policy(&policy.name).await?;
    }
    let screen = Screen::new(args);
    if !args.watch {
        return screen.once(&session, &lines).context("cannot write the output");
    }
    let mut config = watcher::Config::default().timeout(WATCH_SECONDS);
    if let Some(selector) = &args.selector {
        config = config.labels(selector);
    }
    if let Some(policy) = &args.policy {
        config = config.fields(&named(&policy.name));
    }
    follow(screen, lines, watch_objects(api, config).default_backoff()).await
}

fn named(name: &str) -> String {
    format!("metadata.name={name}")
}

/// All that are asked for. One that cannot be read has a line too.
async fn list(args: &StatusArgs, session: &Session, api: &Api<Guarded<ScalePolicy>>) -> Result<Lines> {
    let mut params = ListParams::default().limit(PAGE);
    if let Some(selector) = &args.selector {
        params = params.labels(selector);
    }
    if let Some(policy) = &args.policy {
        params = params.fields(&named(&policy.name));
    }
    let mut lines = Lines::new();
    loop {
        let page = session.ask(api.list(&params)).await?;
        lines.extend(page.items.into_iter().map(line));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(lines),
        }
    }
}

fn line(Guarded(policy): Guarded<ScalePolicy>) -> (Key, Line) {
    let created = |metadata: &ObjectMeta| metadata.creation_timestamp.as_ref().map(|time| time.0);
    match policy {
        Ok(policy) => {
            let metrics = policy.status.as_ref().and_then(|status| status.metrics_text.clone()).unwrap_or_default();
            let line = Line { record: of_status(&policy), metrics, created: created(policy.meta()), deleted: false };
            (Key::of(policy.meta()), line)
        }
        Err(Unreadable { metadata, error }) => {
            let key = Key::of(&metadata);
            let record = Record {
                namespace: key.namespace.to_string(),
                name: key.name.to_string(),
                faults: vec![error.to_string()],
                ..Record::default()
            };
            (key, Line { record, metrics: String::new(), created: created(&metadata), deleted: false })
        }
    }
}

/// Where the lines go.
struct Screen<'a> {
    args: &'a StatusArgs,
    table: StatusTable,
    zone: TimeZone,
    clock: Clock,
    in_place: bool,
}

impl<'a> Screen<'a> {
    fn new(args: &'a StatusArgs) -> Self {
        let table = StatusTable::new(args.all_namespaces, args.output == Form::Wide);
        let in_place = args.watch && on_terminal() && matches!(args.output, Form::Table | Form::Wide);
        Self { args, table, zone: TimeZone::system(), clock: Clock::real(), in_place }
    }

    fn once(mut self, session: &Session, lines: &Lines) -> Result<()> {
        let lines: Vec<Line> = lines.values().cloned().collect();
        let records = || lines.iter().map(|line| &line.record);
        let text = match (self.args.output, &self.args.policy) {
            (Form::Table | Form::Wide, _) if lines.is_empty() => {
                eprintln!("{}", nothing(self.args, session));
                return Ok(());
            }
            (Form::Table | Form::Wide, _) => self.page(&lines),
            (Form::Json, Some(_)) => serde_json::to_string_pretty(&records().next())? + "\n",
            (Form::Json, None) => serde_json::to_string_pretty(&records().collect::<Vec<_>>())? + "\n",
            (Form::Yaml, Some(_)) => serde_saphyr::to_string(&records().next())?,
            (Form::Yaml, None) => serde_saphyr::to_string(&records().collect::<Vec<_>>())?,
        };
        Ok(put(&text)?)
    }

    fn page(&mut self, lines: &[Line]) -> String {
        self.table.page(lines, &reader(&self.clock, &self.zone, self.in_place))
    }

    /// A policy that is new, or is not as it was.
    fn changed(&mut self, line: &Line) -> Result<()> {
        let text = match self.args.output {
            Form::Table | Form::Wide => self.table.line(line, &reader(&self.clock, &self.zone, self.in_place)),
            Form::Json => serde_json::to_string(&line.record)? + "\n",
            Form::Yaml => format!("---\n{}", serde_saphyr::to_string(&line.record)?),
        };
        Ok(put(&text)?)
    }

    /// All of them in place of the picture before.
    fn picture(&mut self, lines: &Lines, trouble: Option<&str>) -> Result<()> {
        self.table = StatusTable::new(self.args.all_namespaces, self.args.output == Form::Wide);
        let lines: Vec<Line> = lines.values().cloned().collect();
        let mut page = self.page(&lines);
        let rows = height().saturating_sub(usize::from(trouble.is_some()));
        let hidden = (lines.len() + 1).saturating_sub(rows);
        if hidden > 0 {
            let shown: Vec<&str> = page.lines().take(rows.saturating_sub(1)).collect();
            page = format!("{}\n… and {} more: -l and -n show fewer\n", shown.join("\n"), hidden + 1);
        }
        Ok(redraw(&format!("{}{page}", trouble.map(|trouble| format!("error: {trouble}\n")).unwrap_or_default()))?)
    }
}

/// Lines that the terminal breaks spoil a picture that is drawn in place; all others may be long, as kubectl's are.
fn reader<'a>(clock: &Clock, zone: &'a TimeZone, in_place: bool) -> Reader<'a> {
    Reader { now: timestamp(clock.now()), zone, width: if in_place { width() } else { usize::MAX } }
}

fn nothing(args: &StatusArgs, session: &Session) -> String {
    let place = if args.all_namespaces { "in any namespace".to_owned() } else { format!("in namespace {}", session.namespace) };
    let labels = args.selector.as_ref().map(|selector| format!(" with the labels {selector}")).unwrap_or_default();
    format!("No policies{labels} {place}.")
}

/// Shows changes until interrupted.
async fn follow(
    mut screen: Screen<'_>,
    mut lines: Lines,
    events: impl Stream<Item = watcher::Result<Event<Guarded<ScalePolicy>>>>,
) -> Result<()> {
    let mut events = pin!(events);
    if !screen.in_place {
        if matches!(screen.args.output, Form::Table | Form::Wide) {
            let all: Vec<Line> = lines.values().cloned().collect();
            put(&screen.page(&all))?;
        } else {
            lines.values().try_for_each(|line| screen.changed(line))?;
        }
    }
    let (mut listed, mut trouble) = (Lines::new(), None);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = ticks.tick() => {
                if screen.in_place {
                    screen.picture(&lines, trouble.as_deref())?;
                }
                continue;
            }
        };
        let mut news = Vec::new();
        match event {
            // A watch that is taken up again never ends.
            None => return Ok(()),
            Some(Err(error)) => {
                let error = watch_error(&error);
                if !screen.in_place && trouble.as_ref() != Some(&error) {
                    eprintln!("error: {error}");
                }
                trouble = Some(error);
                continue;
            }
            Some(Ok(Event::Init)) => listed.clear(),
            Some(Ok(Event::InitApply(policy))) => listed.extend([line(policy)]),
            Some(Ok(Event::InitDone)) => {
                let gone = lines.extract_if(.., |key, _| !listed.contains_key(key));
                news.extend(gone.map(|(key, line)| (key, Line { deleted: true, ..line })));
                news.extend(std::mem::take(&mut listed));
            }
            Some(Ok(Event::Apply(policy))) => news.push(line(policy)),
            Some(Ok(Event::Delete(policy))) => {
                let (key, line) = line(policy);
                news.push((key, Line { deleted: true, ..line }));
            }
        }
        trouble = None;
        for (key, line) in news {
            let same = lines.get(&key) == Some(&line);
            if line.deleted {
                lines.remove(&key)
            } else {
                lines.insert(key, line.clone())
            };
            if !same && !screen.in_place {
                screen.changed(&line)?;
            }
        }
    }
}
