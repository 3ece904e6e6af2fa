//! The plots of a trial.

use plotly::common::{Anchor, DashType, Fill, HoverInfo, Line, LineShape, Marker, MarkerSymbol, Mode, Orientation, Title, Visible};
use plotly::configuration::ModeBarButtonName;
use plotly::layout::{Annotation, Axis, AxisType, DragMode, HoverMode, Legend, Margin, RangeMode, TraceOrder};
use plotly::{Configuration, Layout, Plot, Scatter};

use super::clock::Clock;
use super::escape;
use super::thin::{self, Step};
use super::verdict;
use crate::sim::{Outcome, State, Told, Trial};

/// Longest name of a lane, in characters.
const NAME: usize = 48;

/// Most shortages of a lane that get marks.
const MARKED: usize = 400;

type Series = Scatter<i64, Option<f64>>;

/// Load and what the policy made of it.
pub fn load(trial: &Trial, policy: &Outcome, decisions: &[&Told], clock: Clock) -> Plot {
    let mut plot = plot(
        layout(trial, clock, "pods")
            .y_axis2(Axis::new().overlaying("y").range(vec![0.0, 1.0]).fixed_range(true).visible(false).show_grid(false)),
    );
    let shade = series(&shade(&thin::shortages(trial, &policy.states), thin::seconds(trial)), clock, "Short", "short", steps(0.5));
    plot.add_trace(shade.fill(Fill::ToZeroY).y_axis("y2").hover_info(HoverInfo::Skip));
    let demand = series(&thin::load(trial), clock, "Load", "load", steps(1.0));
    plot.add_trace(demand.fill(Fill::ToZeroY).hover_template("%{y:.2f}"));
    let number = |name, meta, line, of: fn(&State) -> f64| {
        series(&thin::states(trial, &policy.states, of), clock, name, meta, line).hover_template("%{y}")
    };
    if policy.states.iter().any(|state| state.wanted.is_some()) {
        let wanted = number("Wanted", "wanted", steps(1.0), |state| state.wanted.map_or(f64::NAN, f64::from));
        plot.add_trace(wanted.opacity(0.75));
    }
    plot.add_trace(number("Ready", "ready", steps(3.0), |state| f64::from(state.ready)));
    plot.add_trace(number("Ordered", "ordered", steps(1.25), |state| f64::from(state.ordered)));
    // So many that they hide each other are small.
    let smaller = match decisions.len() {
        0..=600 => 0,
        601..=2000 => 2,
        _ => 4,
    };
    for kind in KINDS {
        let own: Vec<(usize, &&Told)> = decisions.iter().enumerate().filter(|(_, told)| verdict(told) == kind.verdict).collect();
        if own.is_empty() {
            continue;
        }
        let x = own.iter().map(|(_, told)| clock.position(told.second)).collect();
        let y = own.iter().map(|(_, told)| Some(f64::from(told.to))).collect();
        let marker = Marker::new().symbol(kind.symbol.clone()).size(kind.size - smaller).line(Line::new().width(if smaller < 4 {
            1.0
        } else {
            0.0
        }));
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
    let mut plot = plot(layout(trial, clock, "replicas ordered").legend(legend().trace_order(TraceOrder::Reversed)));
    let demand = series(&thin::load(trial), clock, "Load", "load", steps(1.0));
    plot.add_trace(demand.fill(Fill::ToZeroY).hover_template("%{y:.2f}"));
    for (index, contender) in trial.contenders.iter().enumerate().rev() {
        let ordered = thin::states(trial, &contender.states, |state| f64::from(state.ordered));
        let dash = [DashType::Solid, DashType::Dash, DashType::Dot, DashType::DashDot][index % 4].clone();
        let line = steps(if index == 0 { 2.25 } else { 1.25 }).dash(dash);
        plot.add_trace(series(&ordered, clock, &contender.name, colour(index), line).hover_template("%{y}"));
    }
    plot
}

/// When each contender was short, one lane each.
pub fn short(trial: &Trial, clock: Clock) -> Plot {
    let lanes = trial.contenders.len() as f64;
    let axis = Axis::new().range(vec![lanes - 0.5, -0.9]).fixed_range(true).show_grid(false).zero_line(false).show_tick_labels(false);
    // Names stand above their lanes: beside them they would take the space of a narrow window.
    let names = trial.contenders.iter().enumerate().map(|(lane, contender)| {
        let at = Annotation::new().x_ref("paper").x(0.0).x_anchor(Anchor::Left).y(lane as f64 - 0.2).y_anchor(Anchor::Bottom);
        at.show_arrow(false).text(escape(&cut(&contender.name)))
    });
    let layout = layout(trial, clock, "").y_axis(axis).show_legend(false).hover_mode(HoverMode::Closest);
    let mut plot = plot(layout.annotations(names.collect()));
    for (lane, contender) in trial.contenders.iter().enumerate() {
        let lane_at = Some(lane as f64);
        let end = vec![clock.position(0), clock.position(thin::seconds(trial))];
        let base: Box<Series> = Scatter::new(end, vec![lane_at; 2]).mode(Mode::Lines).line(Line::new().width(10.0));
        plot.add_trace(base.meta("lane").hover_info(HoverInfo::Skip));
        let (mut x, mut y) = (Vec::new(), Vec::new());
        let spans = thin::shortages(trial, &contender.states);
        // Marks keep their width where a span is less than a pixel. Many of them would be slow, and are seen anyway.
        let mode = if spans.len() <= MARKED { Mode::LinesMarkers } else { Mode::Lines };
        for (from, to) in spans {
            x.extend([clock.position(from), clock.position(to), clock.position(to)]);
            y.extend([lane_at, lane_at, None]);
        }
        let line = Line::new().width(10.0).simplify(false);
        let marker = Marker::new().symbol(MarkerSymbol::LineNS).size(10).line(Line::new().width(1.5));
        let trace = Scatter::new(x, y).name(escape(&contender.name)).mode(mode).line(line).marker(marker);
        plot.add_trace(trace.meta(colour(lane)).hover_template("%{x}"));
    }
    plot
}

fn plot(layout: Layout) -> Plot {
    let mut plot = Plot::new();
    plot.set_layout(layout);
    plot.set_configuration(configuration());
    plot
}

/// How all plots of a page behave. The page's script has a way of its own to show all again.
pub fn configuration() -> Configuration {
    use ModeBarButtonName::{AutoScale2d, Lasso2d, ResetScale2d, Select2d};
    let configuration =
        Configuration::new().responsive(true).display_logo(false).typeset_math(false).show_tips(false).double_click_delay(500);
    configuration.mode_bar_buttons_to_remove(vec![Select2d, Lasso2d, AutoScale2d, ResetScale2d])
}

/// All of the time, to be zoomed along it only.
fn layout(trial: &Trial, clock: Clock, unit: &str) -> Layout {
    let mut x = Axis::new()
        .type_(AxisType::Date)
        .range(vec![clock.position(0), clock.position(thin::seconds(trial))])
        .hover_format(clock.hover_format())
        .show_spikes(true)
        .spike_thickness(1)
        .show_grid(false);
    if let Some(format) = clock.tick_format() {
        x = x.tick_format(format);
    }
    let y = Axis::new().title(Title::with_text(unit)).range_mode(RangeMode::ToZero).fixed_range(true);
    Layout::new()
        .x_axis(x)
        .y_axis(y)
        .hover_mode(HoverMode::XUnified)
        .hover_distance(30)
        .drag_mode(DragMode::Zoom)
        // The same for all, so that a time is at the same place in each.
        .margin(Margin::new().top(32).right(12).bottom(44).left(52))
        .legend(legend())
}

fn legend() -> Legend {
    Legend::new().orientation(Orientation::Horizontal).y(1.02).y_anchor(Anchor::Bottom).x(0.0)
}

/// A line of steps.
fn series(steps: &[Step], clock: Clock, name: &str, meta: &str, line: Line) -> Box<Series> {
    let x = steps.iter().map(|step| clock.position(step.0)).collect();
    let y = steps.iter().map(|step| Some(step.1).filter(|value| value.is_finite())).collect();
    Scatter::new(x, y).name(escape(name)).mode(Mode::Lines).line(line).meta(meta)
}

fn steps(width: f64) -> Line {
    Line::new().width(width).shape(LineShape::Hv)
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
