//! What a run showed: a table, a picture, and the document made of them.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::sample::Sample;
use crate::verdict::{Finding, median};

/// A run, as it is saved.
#[derive(Serialize, Deserialize)]
pub struct Run {
    pub hours: f64,
    pub policies: usize,
    pub rate: f64,
    /// What was done, how often.
    pub done: Vec<(String, u64)>,
    /// Changes that the API server refused, and what it said last.
    pub failed: (u64, String),
    pub samples: Vec<Sample>,
}

/// A run that was judged.
pub struct Page<'a> {
    pub run: &'a Run,
    pub findings: &'a [Finding],
}

/// Width and height of one curve's frame.
const SIZE: (f64, f64) = (680.0, 90.0);

/// What is drawn: title, value, unit.
type Curve = (&'static str, fn(&Sample) -> f64, &'static str);

const CURVES: [Curve; 5] = [
    ("Resident memory", |sample| sample.rss as f64 / 1_048_576.0, "MiB"),
    ("Tasks", |sample| sample.tasks as f64, ""),
    ("Open files", |sample| sample.fds as f64, ""),
    ("Series of policies", |sample| sample.policy_series as f64, ""),
    ("Policies on the API server", |sample| policies(sample), ""),
];

#[allow(clippy::cast_precision_loss)]
fn policies(sample: &Sample) -> f64 {
    sample.objects.get("ScalePolicy").copied().unwrap_or_default() as f64
}

/// One line per sample, while it runs.
pub fn print(sample: &Sample) {
    let Sample { at, rss, cpu, fds, threads, tasks, series, policy_series, shown, orphan_age, fault, overdue, .. } = sample;
    let rss = *rss as f64 / 1_048_576.0;
    println!(
        "{at:6.0} s  {rss:6.1} MiB  {cpu:6.1} s cpu  {fds:4} fds  {threads:3} threads  {tasks:4} tasks  {series:5} series, {policy_series} of {shown} policies, \
         {overdue} overdue, orphan {orphan_age:.0} s; {fault}"
    );
}

/// Writes the samples.
pub fn save(out: &Path, samples: &[Sample]) -> Result<()> {
    Ok(std::fs::write(out.join("samples.json"), serde_json::to_vec(samples)?)?)
}

// === impl Page ===

impl Page<'_> {
    /// Writes all forms into a folder.
    pub fn write(&self, out: &Path) -> Result<()> {
        std::fs::write(out.join("soak.json"), serde_json::to_vec(self.run)?)?;
        std::fs::write(out.join("soak.svg"), self.picture())?;
        Ok(std::fs::write(out.join("soak.md"), self.text())?)
    }

    /// Writes `docs/soak.md`.
    pub fn document(&self) -> Result<()> {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        std::fs::write(docs.join("images/soak.svg"), self.picture())?;
        Ok(std::fs::write(docs.join("soak.md"), self.text())?)
    }

    /// What was found, as a table.
    pub fn summary(&self) -> String {
        let mut text = String::from("\n| What | Verdict | Figures |\n| --- | --- | --- |\n");
        for Finding { what, good, text: figures } in self.findings {
            let _ = writeln!(text, "| {what} | {} | {figures} |", if *good { "good" } else { "**bad**" });
        }
        let _ = writeln!(text, "\nChanges: {}.", self.changes());
        text
    }

    fn changes(&self) -> String {
        let mut all: Vec<String> = self.run.done.iter().map(|(what, count)| format!("{count} {what}")).collect();
        if let (failed @ 1.., last) = &self.run.failed {
            all.push(format!("{failed} refused (the last: {last})"));
        }
        all.join(", ")
    }

    fn text(&self) -> String {
        let during = || self.run.samples.iter().filter(|sample| sample.phase == "churn");
        let (first, last) = (during().next(), during().next_back());
        let cpu = first.zip(last).map_or(0.0, |(first, last)| (last.cpu - first.cpu) / (last.at - first.at).max(1.0));
        let rss = median(during().map(|sample| sample.rss as f64)) / 1_048_576.0;
        let pods = median(during().map(|sample| sample.objects.get("Pod").copied().unwrap_or_default() as f64));
        let rate =
            format!("{} policies with {pods:.0} pods, {} changes a second, {:.2} hours", self.run.policies, self.run.rate, self.run.hours);
        let mut text = String::from(include_str!("preface.md"));
        let _ = writeln!(text, "\n## This run\n\n{rate}; {rss:.0} MiB in the middle, {:.1} % of a core.", 100.0 * cpu);
        text += &self.summary();
        text += "\n![Memory, tasks, files and series over the run](images/soak.svg)\n";
        text
    }

    /// One frame per curve, under each other. Begin and end of the churn's thirds are marked.
    fn picture(&self) -> String {
        let churn: Vec<&Sample> = self.run.samples.iter().filter(|sample| sample.phase == "churn").collect();
        let (width, height) = SIZE;
        let (left, step) = (70.0, height + 45.0);
        let last = churn.last().map_or(1.0, |sample| sample.at.max(1.0));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            width + left + 20.0,
            step * CURVES.len() as f64 + 10.0
        );
        for (index, (title, value, unit)) in CURVES.iter().enumerate() {
            let top = 25.0 + step * index as f64;
            let most = churn.iter().map(|sample| value(sample)).fold(1.0, f64::max) * 1.1;
            let x = |at: f64| left + width * at / last;
            let y = |value: f64| top + height * (1.0 - value / most);
            let points: Vec<String> = churn.iter().map(|sample| format!("{:.1},{:.1}", x(sample.at), y(value(sample)))).collect();
            let _ = writeln!(svg, "<text x=\"{left}\" y=\"{:.0}\">{title}</text>", top - 6.0);
            let _ = writeln!(
                svg,
                "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#999\"/>\n\
                 <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{most:.0} {unit}</text>\n<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">0</text>",
                left - 5.0,
                top + 10.0,
                left - 5.0,
                top + height
            );
            for third in [1.0, 2.0] {
                let x = x(last * third / 3.0);
                let _ = writeln!(svg, "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{:.0}\" stroke=\"#ccc\"/>", top + height);
            }
            let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"1.5\" points=\"{}\"/>", points.join(" "));
            let label = format!("{:.0} min", last / 60.0);
            let _ = writeln!(svg, "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{label}</text>", left + width, top + height + 14.0);
        }
        svg + "</svg>\n"
    }
}
