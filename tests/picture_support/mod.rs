//! Line drawings for documents, as SVG: legible in light and dark, and without colour by dashes.

use std::fmt::Write;

/// Of one panel: its whole, and the margins around the drawing: top, right, bottom, left.
const PANEL: (f64, f64) = (420.0, 250.0);
const MARGIN: (f64, f64, f64, f64) = (44.0, 14.0, 42.0, 46.0);
const HEAD: f64 = 34.0;
const COLUMNS: usize = 2;
const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #24292f; } .title { font-weight: 600; } .muted { fill: #57606a; }
.grid { stroke: #d0d7de; stroke-width: 1; } path { fill: none; stroke-width: 2; stroke-linejoin: round; } .back { fill: #ffffff; }
.load { fill: #afb8c1; fill-opacity: 0.45; stroke: none; } .band { fill: #54aeff; fill-opacity: 0.25; stroke: none; }
.ballast { stroke: #0969da; } .hpa { stroke: #b35900; stroke-dasharray: 6 3; } .wanted { stroke: #1a7f37; stroke-dasharray: 2 3; }
.raw { stroke: #8c959f; stroke-width: 1; } .level { stroke: #0969da; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .muted { fill: #9198a1; } .grid { stroke: #3d444d; } .back { fill: #0d1117; }
.load { fill: #656c76; } .band { fill: #1f6feb; } .ballast, .level { stroke: #58a6ff; } .hpa { stroke: #f0883e; } .wanted { stroke: #3fb950; }
.raw { stroke: #9198a1; } }
";

/// How points are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Each value holds until the next.
    Steps,
    /// Straight lines.
    Line,
    /// The area down to 0, in steps.
    Area,
    /// A closed outline.
    Outline,
}

/// One line; `class` is its style and its entry in the legend.
pub struct Line {
    pub class: &'static str,
    pub form: Form,
    pub points: Vec<(f64, f64)>,
}

/// One drawing with its axes.
pub struct Panel {
    pub title: &'static str,
    /// What came of it, below the title.
    pub note: String,
    pub across: &'static str,
    /// Ends of the axes.
    pub x: (f64, f64),
    pub y: f64,
    /// Between two lines of the grid.
    pub step: (f64, f64),
    pub lines: Vec<Line>,
}

/// The picture; the legend tells each class in words.
pub fn draw(label: &str, legend: &[(&str, &str)], panels: &[Panel]) -> String {
    let width = PANEL.0 * COLUMNS.min(panels.len()) as f64;
    let height = HEAD + PANEL.1 * panels.len().div_ceil(COLUMNS) as f64;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}"><style>{STYLE}</style><rect class="back" width="{width}" height="{height}"/>"#
    );
    let mut x = 16.0;
    for (class, words) in legend {
        let mark = if ["load", "band"].contains(class) { format!("M{x} 12h24v12h-24Z") } else { format!("M{x} 18h24") };
        write!(svg, r#"<path class="{class}" d="{mark}"/><text x="{}" y="22">{words}</text>"#, x + 30.0).unwrap();
        x += 52.0 + 6.4 * words.len() as f64;
    }
    for (place, panel) in panels.iter().enumerate() {
        let (x, y) = (PANEL.0 * (place % COLUMNS) as f64, HEAD + PANEL.1 * (place / COLUMNS) as f64);
        write!(svg, r#"<g transform="translate({x} {y})">"#).unwrap();
        panel.draw(&mut svg);
        svg.push_str("</g>");
    }
    svg + "</svg>\n"
}

impl Panel {
    fn draw(&self, svg: &mut String) {
        let (top, right, bottom, left) = MARGIN;
        let (width, height) = (PANEL.0 - left - right, PANEL.1 - top - bottom);
        let across = |x: f64| left + width * ((x - self.x.0) / (self.x.1 - self.x.0)).clamp(0.0, 1.0);
        let up = |y: f64| top + height * (1.0 - (y / self.y).clamp(0.0, 1.0));
        write!(
            svg,
            r#"<text class="title" x="{left}" y="18">{}</text><text class="muted" x="{left}" y="35">{}</text>"#,
            self.title, self.note
        )
        .unwrap();
        let ticks = |from: f64, to: f64, step: f64| {
            let first = (from / step).ceil();
            (0..).map(move |count| (first + f64::from(count)) * step).take_while(move |tick| *tick <= to + 1e-9)
        };
        for tick in ticks(0.0, self.y, self.step.1) {
            let y = up(tick);
            write!(svg, r#"<path class="grid" d="M{left} {y:.1}h{width}"/>"#).unwrap();
            write!(svg, r#"<text class="muted" x="{}" y="{:.1}" text-anchor="end">{tick}</text>"#, left - 6.0, y + 4.0).unwrap();
        }
        for tick in ticks(self.x.0, self.x.1, self.step.0) {
            let x = across(tick);
            write!(svg, r#"<text class="muted" x="{x:.1}" y="{}" text-anchor="middle">{tick}</text>"#, top + height + 16.0).unwrap();
        }
        let middle = left + width / 2.0;
        write!(svg, r#"<text class="muted" x="{middle}" y="{}" text-anchor="middle">{}</text>"#, top + height + 32.0, self.across).unwrap();
        for line in &self.lines {
            let inside: Vec<(f64, f64)> = line.within(self.x).into_iter().map(|(x, y)| (across(x), up(y))).collect();
            write!(svg, r#"<path class="{}" d="{}"/>"#, line.class, line.form.path(&inside, across(self.x.1), up(0.0))).unwrap();
        }
    }
}

impl Line {
    /// The points that are seen, from the value that holds at the left end on.
    fn within(&self, (from, to): (f64, f64)) -> Vec<(f64, f64)> {
        if self.form == Form::Outline {
            return self.points.clone();
        }
        let before = self.points.iter().rev().find(|(x, _)| *x <= from).map(|&(_, y)| (from, y));
        before.into_iter().chain(self.points.iter().copied().filter(|(x, _)| *x > from && *x <= to)).collect()
    }
}

impl Form {
    fn path(self, points: &[(f64, f64)], end: f64, base: f64) -> String {
        let Some((first, rest)) = points.split_first() else { return String::new() };
        let mut path = format!("M{:.1} {:.1}", first.0, first.1);
        let mut height = first.1;
        for &(x, y) in rest {
            match self {
                Self::Steps | Self::Area if (y - height).abs() < 0.05 => continue,
                Self::Steps | Self::Area => write!(path, "H{x:.1}V{y:.1}").unwrap(),
                Self::Line | Self::Outline => write!(path, "L{x:.1} {y:.1}").unwrap(),
            }
            height = y;
        }
        match self {
            Self::Steps => write!(path, "H{end:.1}").unwrap(),
            Self::Area => write!(path, "H{end:.1}V{base:.1}H{:.1}Z", first.0).unwrap(),
            Self::Outline => path.push('Z'),
            Self::Line => {}
        }
        path
    }
}
