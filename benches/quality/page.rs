//! The results as one HTML file: violation over cost, trace by trace.

use std::fmt::Write as _;
use std::path::Path;

use ballast::report::html::{Sheet, configuration, escape};
use ballast::sim::Score;
use plotly::common::{Anchor, Line, Marker, MarkerSymbol, Mode, Orientation, Title};
use plotly::layout::{Axis, HoverMode, Legend, Margin, RangeMode};
use plotly::{Layout, Plot, Scatter};

use crate::loads::Named;
use crate::policies::Rival;
use crate::tables::{geometric, mean};

/// A symbol each, beside the colour.
const SYMBOLS: [MarkerSymbol; 8] = [
    MarkerSymbol::Circle,
    MarkerSymbol::Square,
    MarkerSymbol::Diamond,
    MarkerSymbol::TriangleUp,
    MarkerSymbol::Cross,
    MarkerSymbol::Star,
    MarkerSymbol::TriangleDown,
    MarkerSymbol::Hexagon,
];

/// Cost and violation.
type At = (f64, f64);

/// Writes the page of a setting. `sweep` holds the stock autoscaler's scores by load, then by target.
pub fn write(
    file: &Path,
    setting: &str,
    loads: &[Named],
    rivals: &[Rival],
    scores: &[Vec<Score>],
    sweep: &[Vec<Score>],
) -> anyhow::Result<()> {
    let mut sheet = Sheet::new("How good the decisions are");
    sheet.html(&format!(
        "<h1>How good the decisions are</h1>\n<p class=\"muted\">Recorded load under each autoscaler, {}. V is the share of time in which load exceeds \
         ready capacity; C is pod-hours over those of a clairvoyant who always has exactly enough (70 % utilisation costs 1.43). Left and \
         down is better. The line is the stock HPA on the request rate with its target swept from 95 % to 30 %: what that HPA \
         would have at the same pod-hours lies on it, straight above or below each mark.</p>",
        escape(setting)
    ));
    sheet.html("<h2 id=\"all\">All traces: geometric means</h2>");
    let means: Vec<At> = (0..rivals.len())
        .map(|rival| {
            let of = |value: fn(&Score) -> f64| scores.iter().map(move |row| value(&row[rival])).collect::<Vec<_>>();
            (mean(of(Score::cost).into_iter().map(f64::ln)).exp(), geometric(of(Score::violation).into_iter()))
        })
        .collect();
    let targets = sweep.first().map_or(0, Vec::len);
    let curve: Vec<At> = (0..targets)
        .map(|target| {
            let cost = mean(sweep.iter().map(|row| row[target].cost().ln())).exp();
            (cost, geometric(sweep.iter().map(|row| row[target].violation())))
        })
        .collect();
    let all = plot(rivals, &means, &curve, "V, geometric mean of V % + 0.01").0;
    sheet.plot("mean", &all, 460, "Violation over cost of each autoscaler, in the mean of all traces", None)?;
    sheet.html(&table(loads, rivals, scores));
    sheet.html("<h2>Trace by trace</h2>\n<p class=\"muted\">Symbols as above; point at one for its name.</p>\n<div class=\"grid\">");
    for (index, (load, row)) in loads.iter().zip(scores).enumerate() {
        let points: Vec<At> = row.iter().map(|score| (score.cost(), score.violation())).collect();
        let curve: Vec<At> = sweep[index].iter().map(|score| (score.cost(), score.violation())).collect();
        let (id, name) = (format!("plot-{index}"), escape(&load.name));
        sheet.html(&format!("<section><h3 id=\"trace-{index}\">{name}</h3>"));
        let (plot, layout) = plot(rivals, &points, &curve, "V %");
        let mut plot = plot;
        plot.set_layout(layout.show_legend(false).margin(Margin::new().top(28).right(12).bottom(44).left(56)));
        sheet.plot(&id, &plot, 260, &format!("Violation over cost under {}; the table holds the numbers", load.name), None)?;
        sheet.html("</section>");
    }
    sheet.html("</div>");
    std::fs::write(file, sheet.render()?).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

/// The rivals as marks and the sweep as a line, with the layout for changes.
fn plot(rivals: &[Rival], points: &[At], curve: &[At], unit: &str) -> (Plot, Layout) {
    let mut plot = Plot::new();
    let (x, y) = curve.iter().copied().unzip();
    let line: Box<Scatter<f64, f64>> = Scatter::new(x, y).name("HPA rps, target swept").mode(Mode::Lines).line(Line::new().width(1.5));
    plot.add_trace(line.meta("load").hover_template("C %{x:.2f}, V %{y:.3f}<extra>HPA rps, target swept</extra>"));
    for (index, (rival, &(cost, violation))) in rivals.iter().zip(points).enumerate() {
        let marker = Marker::new().size(11).symbol(SYMBOLS[index % SYMBOLS.len()].clone()).line(Line::new().width(1.0));
        let mark: Box<Scatter<f64, f64>> =
            Scatter::new(vec![cost], vec![violation]).name(escape(rival.name())).mode(Mode::Markers).marker(marker);
        let hover = "C %{x:.2f}, V %{y:.3f}<extra>%{fullData.name}</extra>";
        plot.add_trace(mark.meta(format!("series-{}", index % 6)).hover_template(hover));
    }
    // The sweep's ends are far away.
    let span = |of: fn(&At) -> f64| points.iter().map(of).fold((f64::INFINITY, 0.0_f64), |(a, b), value| (a.min(value), b.max(value)));
    let ((least, most), (_, top)) = (span(|at| at.0), span(|at| at.1));
    let margin = (0.12 * (most - least)).max(0.02);
    let layout = Layout::new()
        .x_axis(Axis::new().title(Title::with_text("cost C")).range(vec![least - margin, most + margin]).zero_line(false))
        .y_axis(Axis::new().title(Title::with_text(unit)).range(vec![-0.04 * top, (1.15 * top).max(0.01)]).range_mode(RangeMode::ToZero))
        .hover_mode(HoverMode::Closest)
        .margin(Margin::new().top(64).right(12).bottom(44).left(56))
        .legend(Legend::new().orientation(Orientation::Horizontal).y(1.02).y_anchor(Anchor::Bottom).x(0.0));
    plot.set_layout(layout.clone());
    plot.set_configuration(configuration());
    (plot, layout)
}

/// Every score that the plots show, and how often each moved.
fn table(loads: &[Named], rivals: &[Rival], scores: &[Vec<Score>]) -> String {
    let mut text = "<h2 id=\"scores\">Scores</h2>\n<p class=\"muted\">V % / C / actions per day. ★: nobody has both a lower V and a lower C.</p>\n\
                    <div class=\"scroll\" role=\"region\" aria-labelledby=\"scores\" tabindex=\"0\"><table aria-labelledby=\"scores\">\n<thead><tr><th scope=\"col\">Trace</th>"
        .to_owned();
    for rival in rivals {
        let _ = write!(text, "<th scope=\"col\" class=\"number\">{}</th>", escape(rival.name()));
    }
    text.push_str("</tr></thead><tbody>\n");
    for (index, (load, row)) in loads.iter().zip(scores).enumerate() {
        let _ = write!(text, "<tr><th scope=\"row\"><a href=\"#trace-{index}\">{}</a></th>", escape(&load.name));
        for score in row {
            let beaten = row.iter().any(|other| other.violation() < score.violation() && other.cost() < score.cost());
            let (class, mark) = if beaten { ("", "") } else { (" best", "★ ") };
            let numbers = format!("{:.3} / {:.2} / {:.0}", score.violation(), score.cost(), score.actions_per_day());
            let _ = write!(text, "<td class=\"number{class}\">{mark}{numbers}</td>");
        }
        text.push_str("</tr>\n");
    }
    text + "</tbody></table></div>"
}
