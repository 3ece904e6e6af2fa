//! The scores of a trial, for readers who have never seen one.

use std::fmt::Write as _;
use std::time::Duration;

use super::clock::Clock;
use super::{escape, thin};
use crate::report::span;
use crate::sim::{Figures, Outcome, Trial};

/// A line of the table.
struct Figure {
    name: &'static str,
    /// What it is, in a sentence.
    meaning: &'static str,
    value: fn(&Figures) -> f64,
    /// As printed.
    text: fn(&Figures) -> String,
    /// Whether less of it is better; else nothing is.
    lower_is_better: bool,
}

/// The table by its groups.
const GROUPS: [(&str, &[Figure]); 4] = [
    (
        "Was there enough?",
        &[
            Figure {
                name: "Short",
                meaning: "time in which load and waiting work exceeded ready capacity",
                value: |f| f.violation_seconds as f64,
                text: |f| format!("{} ({} %)", span::length(Duration::from_secs(f.violation_seconds)), number(f.violation_percent, 3)),
                lower_is_better: true,
            },
            Figure {
                name: "Tight",
                meaning: "share of time in which they exceeded 90 % of it",
                value: |f| f.tight_percent,
                text: |f| format!("{} %", number(f.tight_percent, 2)),
                lower_is_better: true,
            },
            Figure {
                name: "Lost",
                meaning: "share of the load that was never borne",
                value: |f| f.lost_percent,
                text: |f| format!("{} %", number(f.lost_percent, 3)),
                lower_is_better: true,
            },
        ],
    ),
    (
        "What did it cost?",
        &[
            Figure {
                name: "Pod-hours",
                meaning: "replicas ordered, times the hours they were ordered for",
                value: |f| f.pod_hours,
                text: |f| number(f.pod_hours, 1),
                lower_is_better: true,
            },
            Figure {
                name: "Cost",
                meaning: "the same over the pod-hours of a clairvoyant who always has exactly enough; 70 % utilisation costs 1.43",
                value: |f| f.cost,
                text: |f| number(f.cost, 2),
                lower_is_better: true,
            },
        ],
    ),
    (
        "How restless was it?",
        &[
            Figure {
                name: "Actions",
                meaning: "changes of the size ordered",
                value: |f| f.actions as f64,
                text: |f| format!("{} ({}/h)", f.actions, number(f.actions_per_hour, 1)),
                lower_is_better: true,
            },
            Figure {
                name: "Reversals",
                meaning: "changes in the other direction than the one before",
                value: |f| f.reversals as f64,
                text: |f| format!("{} ({}/h)", f.reversals, number(f.reversals_per_hour, 1)),
                lower_is_better: true,
            },
        ],
    ),
    (
        "How well did supply follow demand? (elasticity after Herbst et al.)",
        &[
            Figure {
                name: "Under-provisioning",
                meaning: "pods missing, as a share of those needed, over time",
                value: |f| f.under_percent,
                text: |f| format!("{} %", number(f.under_percent, 2)),
                lower_is_better: true,
            },
            Figure {
                name: "Over-provisioning",
                meaning: "pods not needed, as a share of those needed, over time; headroom is part of it",
                value: |f| f.over_percent,
                text: |f| format!("{} %", number(f.over_percent, 1)),
                lower_is_better: true,
            },
            Figure {
                name: "Time under",
                meaning: "share of time with fewer pods than needed",
                value: |f| f.under_time_percent,
                text: |f| format!("{} %", number(f.under_time_percent, 2)),
                lower_is_better: true,
            },
            Figure {
                name: "Time over",
                meaning: "share of time with more pods than needed",
                value: |f| f.over_time_percent,
                text: |f| format!("{} %", number(f.over_time_percent, 1)),
                lower_is_better: true,
            },
            Figure {
                name: "Jitter",
                meaning: "changes of the ready pods less changes of demand, per hour; below zero: supply changes less often",
                value: |f| f.jitter_per_hour,
                text: |f| number(f.jitter_per_hour, 2),
                lower_is_better: false,
            },
            Figure {
                name: "Instability",
                meaning: "share of slots in which supply and demand do not move in the same direction",
                value: |f| f.instability_percent,
                text: |f| format!("{} %", number(f.instability_percent, 1)),
                lower_is_better: false,
            },
        ],
    ),
];

/// Title, and what was run.
pub fn head(trial: &Trial, policy: &Outcome, clock: Clock) -> String {
    let length = |seconds| span::length(Duration::from_secs(seconds));
    let mean = trial.load.iter().sum::<f64>() / trial.load.len().max(1) as f64;
    let peak = trial.load.iter().copied().fold(0.0, f64::max);
    let mut text = format!(
        "<h1>{} <span class=\"muted\">under</span> {}</h1>\n<p class=\"muted\">{} of load, mean {} pods, peak {} pods",
        escape(&policy.name),
        escape(&trial.load_name),
        length(thin::seconds(trial)),
        number(mean, 1),
        number(peak, 1),
    );
    if let Clock::Absolute(_) = clock {
        let _ = write!(text, ", from {} to {} UTC", clock.text(0), clock.text(thin::seconds(trial)));
    }
    if trial.warm_up_seconds > 0 {
        let _ = write!(text, ". The first {} are not scored", length(trial.warm_up_seconds));
    }
    text + ".</p>"
}

/// What matters most of the policy.
pub fn tiles(policy: &Outcome) -> String {
    let score = &policy.score;
    let tile = |value: String, name: &str, more: String| format!("<li><small>{name}</small><b>{value}</b><small>{more}</small></li>");
    let tiles = [
        tile(
            span::length(Duration::from_secs(score.violation_seconds)),
            "short of capacity",
            format!("{} % of the time scored", number(score.violation_percent, 3)),
        ),
        tile(number(score.pod_hours, 1), "pod-hours", format!("{} × the least possible", number(score.cost, 2))),
        tile(score.actions.to_string(), "scale actions", format!("{} per hour", number(score.actions_per_hour, 1))),
        tile(score.reversals.to_string(), "reversals", format!("{} per hour", number(score.reversals_per_hour, 1))),
    ];
    format!("<ul class=\"tiles\" aria-label=\"Scores of {}\">{}</ul>", escape(&policy.name), tiles.concat())
}

/// A sentence for each rival.
pub fn against(policy: &Outcome, rivals: &[Outcome]) -> String {
    let mut text = String::new();
    for rival in rivals {
        let (own, other) = (&policy.score, &rival.score);
        let parts = [
            compare(own.violation_seconds as f64, other.violation_seconds as f64, "time short"),
            compare(own.pod_hours, other.pod_hours, "pod-hours"),
            compare(own.actions as f64, other.actions as f64, "scale actions"),
        ];
        let _ = writeln!(text, "<p>Against <b>{}</b>: {}.</p>", escape(&rival.name), parts.join(", "));
    }
    text
}

/// `12 % less time short`.
fn compare(own: f64, other: f64, what: &str) -> String {
    let less = if what.ends_with('s') { "fewer" } else { "less" };
    let percent = if other > 0.0 { 100.0 * (own / other - 1.0) } else { f64::NAN };
    if own.total_cmp(&other).is_eq() || percent.abs() < 0.5 {
        format!("as {} {what}", if less == "fewer" { "many" } else { "much" })
    } else if percent.is_nan() {
        format!("more {what} than its none")
    } else if percent > 300.0 {
        format!("{} × as {} {what}", number(own / other, 1), if less == "fewer" { "many" } else { "much" })
    } else if percent > 0.0 {
        format!("{percent:.0} % more {what}")
    } else {
        format!("{:.0} % {less} {what}", -percent)
    }
}

/// All scores beside each other, with what they mean.
pub fn table(trial: &Trial) -> String {
    let columns = trial.contenders.len() + 1;
    let mut text = "<h2 id=\"scores-title\">Scores</h2>\n<p class=\"muted\">Lower is better, and the best of a row is marked ★, where that has a meaning. \
                    Cheap and short is no win: read the first two groups together.</p>\n\
                    <div class=\"scroll\" role=\"region\" aria-labelledby=\"scores-title\" tabindex=\"0\"><table aria-labelledby=\"scores-title\">\n"
        .to_owned();
    let _ = write!(
        text,
        "<thead><tr><th scope=\"col\">{} h scored</th>",
        number(trial.contenders.first().map_or(0.0, |policy| policy.score.hours), 1)
    );
    for contender in &trial.contenders {
        let _ = write!(text, "<th scope=\"col\" class=\"number\">{}</th>", escape(&contender.name));
    }
    text.push_str("</tr></thead>\n");
    for (title, figures) in GROUPS {
        let _ = writeln!(text, "<tbody class=\"group\"><tr><th colspan=\"{columns}\" scope=\"rowgroup\">{title}</th></tr>");
        for figure in figures {
            row(&mut text, figure, trial);
        }
        text.push_str("</tbody>\n");
    }
    text + "</table></div>"
}

fn row(text: &mut String, figure: &Figure, trial: &Trial) {
    let _ = write!(text, "<tr><th scope=\"row\">{}<small>{}</small></th>", figure.name, figure.meaning);
    let values = || trial.contenders.iter().map(|contender| (figure.value)(&contender.score));
    let (best, worst) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    for contender in &trial.contenders {
        // Where all are alike none is best.
        let is_best = figure.lower_is_better && best < worst && (figure.value)(&contender.score) <= best;
        let (class, mark) = if is_best {
            (" best", "<span aria-hidden=\"true\">★ </span><span class=\"visually-hidden\">best: </span>")
        } else {
            ("", "")
        };
        let _ = write!(text, "<td class=\"number{class}\">{mark}{}</td>", (figure.text)(&contender.score));
    }
    text.push_str("</tr>\n");
}

/// A number with thin groups of thousands.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && whole.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    rest.map_or(out.clone(), |rest| format!("{out}.{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(number(1_234_567.891, 1), "1\u{202f}234\u{202f}567.9");
        assert_eq!(number(-1234.0, 0), "-1234");
        assert_eq!(number(0.04, 3), "0.040");
    }

    #[test]
    fn comparisons_are_sentences() {
        assert_eq!(compare(5.0, 20.0, "time short"), "75 % less time short");
        assert_eq!(compare(5.0, 20.0, "pod-hours"), "75 % fewer pod-hours");
        assert_eq!(compare(11.0, 10.0, "pod-hours"), "10 % more pod-hours");
        assert_eq!(compare(0.0, 0.0, "scale actions"), "as many scale actions");
        assert_eq!(compare(3.0, 0.0, "time short"), "more time short than its none");
        assert_eq!(compare(100.0, 10.0, "time short"), "10.0 × as much time short");
    }
}
