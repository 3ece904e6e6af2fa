//! The plots of a trial.

use plotly::common::{DashType, Fill, HoverInfo, Line, LineShape, Marker, MarkerSymbol, Mode, Orientation, Title, Visible};
use plotly::layout::{Axis, AxisType, DragMode, HoverMode, Legend, Margin, RangeMode};
use plotly::{Configuration, Layout, Plot, Scatter};

use super::clock::Clock;
use super::escape;
use super::thin::{self, Step};
use super::verdict;
use crate::sim::{Outcome, Told, Trial};

/// Longest name beside an axis, in characters.
const NAME: usize = 24;

type Series = Scatter<i64, Option<f64>>;

/// Load and what the policy made of it.
pub fn load(trial: &Trial, policy: &Outcome, decisions: &[&Told], clock: Clock) -> Plot {
    let mut plot = plot(layout(clock, "pods").y_axis2(
        Axis::new().overlaying("y").range(vec![0.0, 1.0]).fixed_range(true).visible(false).show_grid(false),
    ));
    let shade = series(&shade(&thin::shortages(trial, &policy.states), thin::seconds(trial)), clock, "Short", "short", 0.5);
    plot.add_trace(shade.fill(Fill::ToZeroY).y_axis("y2").hover_info(HoverInfo::Skip));
    let demand = series(&thin::load(trial), clock, "Load", "load", 1.0);
    plot.add_trace(demand.fill(Fill::ToZeroY).hover_template("%{y:.2f}"));
    let number = |name, meta, width, of: fn(&crate::sim::State) -> f64| {
        series(&thin::states(trial, &policy.states, of), clock, name, meta, width).hover_template("%{y}")
    };
    if policy.states.iter().any(|state| state.wanted.is_some()) {
        let wanted = number("Wanted", "wanted", 1.25, |state| state.wanted.map_or(f64::NAN, f64::from));
        plot.add_trace(dashed(wanted, &DashType::Dot, 1.25));
    }
    plot.add_trace(number("Ready", "ready", 2.25, |state| f64::from(state.ready)));
    plot.add_trace(dashed(number("Ordered", "ordered", 1.5, |state| f64::from(state.ordered)), &DashType::Solid, 1.5));
    for kind in KINDS {
        let own: Vec<(usize, &&Told)> = decisions.iter().enumerate().filter(|(_, told)| verdict(told) == kind.verdict).collect();
        if own.is_empty() {
            continue;
        }
        let x = own.iter().map(|(_, told)| clock.position(told.second)).collect();
        let y = own.iter().map(|(_, told)| Some(f64::from(told.to))).collect();
        let marker = Marker::new().symbol(kind.symbol.clone()).size(kind.size).line(Line::new().width(1.0));
        let mut trace: Box<Series> = Scatter::new(x, y).name(kind.verdict).mode(Mode::Markers).marker(marker).meta(kind.meta);
        // The page's script puts the reasons in by these.
        trace = trace.ids(own.iter().map(|(index, _)| index.to_string()).collect::<Vec<_>>()).hover_template("%{text}");
        plot.add_trace(if kind.shown { trace } else { trace.visible(Visible::LegendOnly) });
    }
    plot
}

/// How decisions of a verdict are drawn.
struct Kind {
    verdict: &'static str,
    meta: &'static str,
    symbol: MarkerSymbol,
    size: usize,
    shown: bool,
}

/// Those that change nothing are drawn when the reader asks for them.
const KINDS: [Kind; 6] = [
    Kind { verdict: "Scale up", meta: "up", symbol: MarkerSymbol::TriangleUp, size: 9, shown: true },
    Kind { verdict: "Scale down", meta: "down", symbol: MarkerSymbol::TriangleDown, size: 9, shown: true },
    Kind { verdict: "Unknown", meta: "unknown", symbol: MarkerSymbol::X, size: 9, shown: true },
    Kind { verdict: "Disabled", meta: "unknown", symbol: MarkerSymbol::Square, size: 8, shown: true },
    Kind { verdict: "Held", meta: "held", symbol: MarkerSymbol::Diamond, size: 7, shown: false },
    Kind { verdict: "Steady", meta: "still", symbol: MarkerSymbol::Circle, size: 6, shown: false },
];

/// What each contender ordered.
pub fn rivals(trial: &Trial, clock: Clock) -> Plot {
    let mut plot = plot(layout(clock, "replicas ordered"));
    let demand = series(&thin::load(trial), clock, "Load", "load", 1.0);
    plot.add_trace(demand.fill(Fill::ToZeroY).hover_template("%{y:.2f}"));
    for (index, contender) in trial.contenders.iter().enumerate().rev() {
        let steps = thin::states(trial, &contender.states, |state| f64::from(state.ordered));
        let trace = series(&steps, clock, &contender.name, colour(index), 1.75).hover_template("%{y}");
        let dash = [DashType::Solid, DashType::Dash, DashType::Dot, DashType::DashDot][index % 4].clone();
        plot.add_trace(dashed(trace, &dash, if index == 0 { 2.25 } else { 1.5 }));
    }
    plot
}

/// When each contender was short, one lane each.
pub fn short(trial: &Trial, clock: Clock) -> Plot {
    let lanes = trial.contenders.len();
    let names = trial.contenders.iter().map(|contender| escape(&cut(&contender.name))).collect::<Vec<_>>();
    let axis = Axis::new()
        .tick_values((0..lanes).map(|lane| lane as f64).collect())
        .tick_text(names)
        .range(vec![lanes as f64 - 0.4, -0.6])
        .fixed_range(true)
        .show_grid(false)
        .zero_line(false)
        .auto_margin(true);
    let mut plot = plot(layout(clock, "").y_axis(axis).show_legend(false).hover_mode(HoverMode::Closest));
    for (lane, contender) in trial.contenders.iter().enumerate() {
        // A point at each end: all lanes are as long as the time, and one that is empty is drawn as well.
        let (mut x, mut y) = (vec![clock.position(0), clock.position(thin::seconds(trial))], vec![None, None]);
        for (from, to) in thin::shortages(trial, &contender.states) {
            x.extend([clock.position(from), clock.position(to), clock.position(to)]);
            y.extend([Some(lane as f64), Some(lane as f64), None]);
        }
        let line = Line::new().width(16.0).simplify(false);
        let name = escape(&contender.name);
        plot.add_trace(Scatter::new(x, y).name(name).mode(Mode::Lines).line(line).meta(colour(lane)).hover_template("%{x}"));
    }
    plot
}

fn plot(layout: Layout) -> Plot {
    let mut plot = Plot::new();
    plot.set_layout(layout);
    let configuration = Configuration::new().responsive(true).display_logo(false).typeset_math(false).scroll_zoom(false).show_tips(false);
    plot.set_configuration(configuration);
    plot
}

fn layout(clock: Clock, unit: &str) -> Layout {
    let mut x = Axis::new().type_(AxisType::Date).hover_format(clock.hover_format()).show_spikes(true).spike_thickness(1).show_grid(false);
    if let Some(format) = clock.tick_format() {
        x = x.tick_format(format);
    }
    let y = Axis::new().title(Title::with_text(unit)).range_mode(RangeMode::ToZero).auto_margin(true).fixed_range(true);
    Layout::new()
        .x_axis(x)
        .y_axis(y)
        .hover_mode(HoverMode::XUnified)
        .hover_distance(30)
        .drag_mode(DragMode::Zoom)
        .margin(Margin::new().top(8).right(12).bottom(44).left(48))
        .legend(Legend::new().orientation(Orientation::Horizontal).y(1.02).y_anchor(plotly::common::Anchor::Bottom).x(0.0))
}

/// A line of steps.
fn series(steps: &[Step], clock: Clock, name: &str, meta: &str, width: f64) -> Box<Series> {
    let x = steps.iter().map(|step| clock.position(step.0)).collect();
    let y = steps.iter().map(|step| Some(step.1).filter(|value| value.is_finite())).collect();
    Scatter::new(x, y).name(escape(name)).mode(Mode::Lines).line(Line::new().width(width).shape(LineShape::Hv)).meta(meta)
}

fn dashed(series: Box<Series>, dash: &DashType, width: f64) -> Box<Series> {
    series.line(Line::new().width(width).shape(LineShape::Hv).dash(dash.clone()))
}

/// 1 in the spans, 0 elsewhere.
fn shade(spans: &[(u64, u64)], end: u64) -> Vec<Step> {
    let mut steps = vec![(0, 0.0)];
    for &(from, to) in spans {
        steps.extend([(from, 1.0), (to, 0.0)]);
    }
    steps.push((end, 0.0));
    steps
}

/// The page's colour of a contender.
fn colour(index: usize) -> &'static str {
    ["series-0", "series-1", "series-2", "series-3", "series-4", "series-5"][index % 6]
}

fn cut(name: &str) -> String {
    if name.chars().count() <= NAME { name.to_owned() } else { name.chars().take(NAME - 1).chain(['…']).collect() }
}
