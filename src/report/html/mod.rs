//! A trial as one offline HTML file: what each contender did under the load, why, and how good that was.
//!
//! The file asks no network for anything: plotly.js is inside, and a content security policy forbids the rest. Long series are thinned to
//! their extremes, which the page says.

mod clock;
mod escape;
mod plots;
mod scores;
mod sheet;
mod thin;

use serde::Serialize;

pub use escape::html as escape;
pub use plots::configuration;
pub use sheet::Sheet;

use crate::core::Verdict;
use crate::sim::{Outcome, Told, Trial};
use clock::Clock;

/// Most decisions that a page holds. They are about as many as anybody reads, and keep the page of a year's trial below some megabytes.
const DECISIONS: usize = 5000;
/// Plots that show the same time.
const LINK: &str = "time";

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody bore the load.
    #[error("the trial of `{0}` has no contenders: nothing to show")]
    NoContenders(String),
    /// There was no load, or its slots have no length.
    #[error("the trial of `{0}` has no load: nothing to show")]
    NoLoad(String),
    /// A part of the page is no JSON.
    #[error("{what}: {source}")]
    Json {
        /// The part.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The plotting crate has changed what it offers.
    #[error("the plotting library has no embedded script")]
    Library,
}

/// The page of a trial. The first contender is the policy in question: its decisions are shown, and the others are its rivals.
///
/// # Errors
///
/// A trial without load or without contenders.
pub fn page(trial: &Trial) -> Result<String, Error> {
    let Some((policy, rivals)) = trial.contenders.split_first() else { return Err(Error::NoContenders(trial.load_name.clone())) };
    if trial.load.is_empty() || trial.slot_seconds == 0 {
        return Err(Error::NoLoad(trial.load_name.clone()));
    }
    let clock = Clock::new(trial.start, thin::seconds(trial));
    let mut sheet = Sheet::new(&format!("{} under {}", policy.name, trial.load_name));
    sheet.html(&scores::head(trial, policy, clock));
    sheet.html(&scores::tiles(policy));
    sheet.html(&scores::against(policy, rivals));
    sheet.html("<h2>Load, capacity and decisions</h2>");
    sheet.html(&format!(
        "<p class=\"muted\">One pod bears a load of 1. Drag to zoom, double-click to see all; the plots below follow. Shaded: load exceeds \
         ready capacity. Markers are decisions: point at one for its reason.{}</p>",
        thinned(trial)
    ));
    let kept = keep(&policy.decisions);
    let label = "Load in pods, ready, ordered and wanted replicas over time, with decisions; the tables below hold scores and decisions";
    sheet.plot("load", &plots::load(trial, policy, &kept, clock), 460, label, Some(LINK))?;
    if !rivals.is_empty() {
        sheet.html("<h2>Replicas ordered, beside the rivals</h2>");
        sheet.plot("rivals", &plots::rivals(trial, clock), 320, "Replicas ordered by each contender over time", Some(LINK))?;
    }
    sheet.html("<h2>When capacity was short</h2>");
    let lanes = u32::try_from(trial.contenders.len()).unwrap_or(u32::MAX).min(100);
    sheet.plot(
        "short",
        &plots::short(trial, clock),
        80 + 40 * lanes,
        "Times at which load exceeded ready capacity, by contender",
        Some(LINK),
    )?;
    sheet.html(&scores::table(trial));
    sheet.html(&decisions_html(policy, kept.len(), clock));
    sheet.data("decisions", &rows(&kept, clock))?;
    sheet.script(include_str!("report.js"));
    sheet.render()
}

fn thinned(trial: &Trial) -> String {
    if !thin::is_thinned(trial) {
        return String::new();
    }
    format!(
        " This trial is long: each series is thinned to at most {} points, the smallest and the largest value of equal parts of the time, so \
         that no extreme and no shortage is lost; scores and decisions are exact.",
        thin::POINTS
    )
}

/// The decisions a page shows, in their order: where there are too many, moves come first, then those that could not be made.
fn keep(decisions: &[Told]) -> Vec<&Told> {
    let rank = |told: &Told| match told.verdict {
        _ if told.from != told.to => 0,
        Some(Verdict::Unknown | Verdict::Disabled) => 1,
        Some(Verdict::Held) => 2,
        _ => 3,
    };
    let mut kept: Vec<&Told> = decisions.iter().collect();
    kept.sort_by_key(|told| rank(told));
    kept.truncate(DECISIONS);
    kept.sort_by_key(|told| told.second);
    kept
}

/// One word for a decision, as people say it.
fn verdict(told: &Told) -> &'static str {
    match told.verdict {
        Some(Verdict::Steady) => "Steady",
        Some(Verdict::Held) => "Held",
        Some(Verdict::Unknown) => "Unknown",
        Some(Verdict::Disabled) => "Disabled",
        Some(Verdict::ScaleUp) => "Scale up",
        None if told.to > told.from => "Scale up",
        Some(Verdict::ScaleDown) | None => "Scale down",
    }
}

/// A decision as the page's script reads it.
#[derive(Serialize)]
struct Row<'a> {
    at: i64,
    time: String,
    from: u32,
    to: u32,
    verdict: &'static str,
    reason: &'a str,
}

fn rows<'a>(kept: &[&'a Told], clock: Clock) -> Vec<Row<'a>> {
    let row = |told: &&'a Told| Row {
        at: clock.position(told.second),
        time: clock.text(told.second),
        from: told.from,
        to: told.to,
        verdict: verdict(told),
        reason: &told.reason,
    };
    kept.iter().map(row).collect()
}

fn decisions_html(policy: &Outcome, kept: usize, clock: Clock) -> String {
    let total = policy.decisions.len();
    let left_out = if kept < total {
        format!(" Of {total}, the page holds {kept}: all moves first, then those that were held or could not be made.")
    } else {
        String::new()
    };
    format!(
        "<h2 id=\"decisions-title\">Decisions of {name}</h2>\n\
         <p class=\"muted\">Decisions that moved the size, and those whose verdict differs from the one before.{left_out} {note} A time shows its hour in \
         the plots.</p>\n\
         <div class=\"tools\"><label>Verdict <select id=\"verdict\"></select></label>\
         <label>Reason contains <input id=\"contains\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label>\
         <span id=\"count\" class=\"muted\" role=\"status\"></span></div>\n\
         <div class=\"scroll\" role=\"region\" aria-labelledby=\"decisions-title\" tabindex=\"0\"><table id=\"decisions-table\" aria-labelledby=\"decisions-title\"><thead><tr>\
         <th scope=\"col\">Time</th><th scope=\"col\" class=\"number\">Replicas</th><th scope=\"col\">Verdict</th><th scope=\"col\">Why</th>\
         </tr></thead><tbody></tbody></table></div>\n\
         <p><button type=\"button\" id=\"more\" hidden>Show more</button></p>\n\
         <noscript><p>Plots and decisions are drawn by a script in this file, which this reader does not run.</p></noscript>",
        name = escape(&policy.name),
        note = clock.note(),
    )
}
