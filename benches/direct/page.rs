//! The table, and its place in docs/direct.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::costs::Costs;
use crate::machine::Machine;
use crate::objects::{AT_REST, CONTENDERS, EACH, MOVED, REPLICAS};
use crate::scales::Scale;

/// What one contender wrote after a step.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Seconds to the first size, and to the last.
    pub first: f64,
    pub last: f64,
    /// All sizes, in order.
    pub sizes: Vec<u64>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Run {
    /// By contender; without those who wrote nothing.
    pub answers: BTreeMap<String, Answer>,
}

/// All of it.
pub struct Report {
    pub machine: Machine,
    pub runs: Vec<Run>,
    pub resolution: String,
    pub took: Duration,
}

impl Run {
    pub fn new(step: Timestamp, scales: &[Scale]) -> Self {
        let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
        for scale in scales {
            let seconds = scale.time.duration_since(step).as_secs_f64();
            let new = || Answer { first: seconds, last: seconds, sizes: Vec::new() };
            let answer = answers.entry(scale.namespace.clone()).or_insert_with(new);
            answer.last = seconds;
            answer.sizes.push(scale.replicas);
        }
        Self { answers }
    }
}

impl Report {
    /// The whole section.
    pub fn text(&self) -> String {
        let Machine { cores, processor, memory_gib, kernel, versions, load_before } = &self.machine;
        let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let (rest, more) = (AT_REST.0 * AT_REST.1, MOVED.0 * MOVED.1);
        let mut text = format!(
            "By `make bench-direct`: {runs} steps of the load from {rest} to {after} requests/s, {factor} times as much, to three Deployments of the Go \
             service with {REPLICAS} replicas each, in namespaces of their own and at the same moment, so that whatever else the machine does meets all three. \
             Two policies differ in the word `freshness` alone, with {EACH} requests/s per replica; the HPA's CPU target stands for the same load. Each step \
             falls elsewhere in everybody's periods. Times are from the step to the write of a size, as the API server's audit log has it.\n\n\
             | | first size after s: median (min – max) | last size after s: median (min – max) | sizes of the first run |\n|---|---|---|---|\n",
            runs = self.runs.len(),
            after = rest + more,
            factor = (rest + more) / rest,
        );
        for contender in CONTENDERS {
            let answers: Vec<&Answer> = self.runs.iter().filter_map(|run| run.answers.get(contender)).collect();
            let sizes = answers.first().map(|answer| answer.sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
            let (first, last) = (spread(answers.iter().map(|answer| answer.first)), spread(answers.iter().map(|answer| answer.last)));
            let missing = match self.runs.len() - answers.len() {
                0 => String::new(),
                missing => format!("; none in {missing} runs"),
            };
            let _ = writeln!(text, "| {} | {first} | {last} | {}{missing} |", title(contender), sizes.unwrap_or_default());
        }
        let _ = write!(
            text,
            "\nAll periods are defaults: the policies' interval and the HPA's sync 15 s, Prometheus' scrapes and metrics-server's measurements {resolution}, \
             the preset's window 1 min; Ballast is a development build, installed by its chart. Measured {date} on {cores} cores ({processor}), \
             {memory_gib:.0} GiB, Linux {kernel}, {versions}; load average before the run {load_before}; the whole took {took:.0} min.\n",
            resolution = self.resolution,
            date = Timestamp::now().strftime("%Y-%m-%d"),
            versions = versions.join(", "),
            took = self.took.as_secs_f64() / 60.0,
        );
        text
    }
}

/// What it costs to ask many pods.
pub fn costs(costs: &Costs) -> String {
    let Costs { pods, seconds, micros, before, after, body } = costs;
    format!(
        "Measured by `make bench-direct DIRECT=\"--costs {pods}\"`, a development build without optimization: {pods} pods in workloads of 20, each with \
         {kib:.0} KiB of text, served by another process of the same two cores. One look at all of them takes {seconds:.1} s and {micros:.0} µs of CPU a pod; \
         resident memory grows by {more:.0} MiB to {after:.0} MiB, {each:.0} KiB a pod.\n",
        kib = *body as f64 / 1024.0,
        more = after - before,
        each = 1024.0 * (after - before) / *pods as f64,
    )
}

/// Puts a section where the last one stands.
pub fn write(section: &str, text: &str) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/direct.md");
    let (begin, end) = (format!("<!-- {section} -->\n"), format!("<!-- end of {section} -->\n"));
    let page = std::fs::read_to_string(&file)?;
    let (before, rest) = page.split_once(&begin).context("docs/direct.md has no place for it")?;
    let (_, after) = rest.split_once(&end).context("docs/direct.md has no end of its place")?;
    std::fs::write(&file, format!("{before}{begin}\n{text}\n{end}{after}"))?;
    Ok(())
}

fn title(contender: &str) -> &str {
    match contender {
        "direct" => "Ballast, `freshness: Direct`",
        "stored" => "Ballast, Prometheus",
        _ => "stock HPA, metrics-server",
    }
}

/// Median, least and most.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.get(values.len() / 2), values.first(), values.last()) {
        (Some(upper), Some(least), Some(most)) => {
            let median = f64::midpoint(*upper, values[(values.len() - 1) / 2]);
            format!("{median:.1} ({least:.1} – {most:.1})")
        }
        _ => "never".to_owned(),
    }
}
