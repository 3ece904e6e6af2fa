//! The answers to the load steps as an SVG: for each size and signal, how many targets had their new size after how many seconds.

use std::fmt::Write as _;

use crate::options::{Contender, Signal};
use crate::results::{Report, Row};

/// Of one panel: its whole, and the margins around the drawing.
const PANEL: (f64, f64) = (420.0, 250.0);
const MARGIN: (f64, f64, f64, f64) = (30.0, 14.0, 40.0, 52.0);
const COLUMNS: usize = 2;
const HEAD: f64 = 40.0;
/// Seconds at both ends; the scale is logarithmic, since answers take from half a second to minutes.
const SPAN: (f64, f64) = (0.5, 400.0);
const TICKS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0];
const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #24292f; } .title { font-weight: 600; } .muted { fill: #57606a; }
.grid { stroke: #d0d7de; stroke-width: 1; } path { fill: none; stroke-width: 2; } .back { fill: #ffffff; }
.hpa { stroke: #b35900; } .hpa-tuned { stroke: #d4a72c; stroke-dasharray: 6 3; } .ballast { stroke: #0969da; }
.ballast-5s { stroke: #1a7f37; } .keda { stroke: #8250df; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .muted { fill: #9198a1; } .grid { stroke: #3d444d; } .back { fill: #0d1117; }
.hpa { stroke: #f0883e; } .hpa-tuned { stroke: #e3b341; } .ballast { stroke: #58a6ff; } .ballast-5s { stroke: #3fb950; } .keda { stroke: #bc8cff; } }
";

/// The picture.
pub fn draw(report: &Report) -> String {
    let mut panels: Vec<(Signal, usize)> =
        report.rows.iter().filter(|row| !row.steps.is_empty()).map(|row| (row.signal, row.targets)).collect();
    panels.sort_unstable();
    panels.dedup();
    let mut known: Vec<Contender> = report.rows.iter().map(|row| row.contender).collect();
    known.sort_unstable();
    known.dedup();
    let (width, height) = (PANEL.0 * panels.len().clamp(1, COLUMNS) as f64, HEAD + PANEL.1 * panels.len().div_ceil(COLUMNS) as f64);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="Share of targets with their new size over the time since a load step"><style>{STYLE}</style><rect class="back" width="{width}" height="{height}"/>"#
    );
    for (place, contender) in known.iter().enumerate() {
        let x = 16.0 + 160.0 * place as f64;
        let _ = write!(
            svg,
            r#"<path class="{}" d="M{x} 20h24"/><text x="{}" y="24">{}</text>"#,
            class(*contender),
            x + 30.0,
            contender.title()
        );
    }
    for (place, (signal, targets)) in panels.into_iter().enumerate() {
        let (x, y) = (PANEL.0 * (place % COLUMNS) as f64, HEAD + PANEL.1 * (place / COLUMNS) as f64);
        let _ = write!(svg, r#"<g transform="translate({x} {y})">"#);
        let rows: Vec<&Row> = report.rows.iter().filter(|row| (row.signal, row.targets) == (signal, targets)).collect();
        panel(&mut svg, &format!("{targets} targets, {}", signal.title()), &rows);
        svg.push_str("</g>");
    }
    svg.push_str("</svg>\n");
    svg
}

fn class(contender: Contender) -> &'static str {
    match contender {
        Contender::Hpa => "hpa",
        Contender::HpaTuned => "hpa-tuned",
        Contender::Ballast => "ballast",
        Contender::Ballast5s => "ballast-5s",
        Contender::Keda => "keda",
    }
}

fn panel(svg: &mut String, title: &str, rows: &[&Row]) {
    let (top, right, bottom, left) = MARGIN;
    let (width, height) = (PANEL.0 - left - right, PANEL.1 - top - bottom);
    let across = |seconds: f64| left + width * (seconds.clamp(SPAN.0, SPAN.1) / SPAN.0).ln() / (SPAN.1 / SPAN.0).ln();
    let up = |share: f64| top + height * (1.0 - share);
    let _ = write!(svg, r#"<text class="title" x="{left}" y="18">{title}</text>"#);
    for percent in [0, 25, 50, 75, 100] {
        let y = up(f64::from(percent) / 100.0);
        let _ = write!(
            svg,
            r#"<path class="grid" d="M{left} {y:.1}h{width}"/><text class="muted" x="{}" y="{:.1}" text-anchor="end">{percent} %</text>"#,
            left - 6.0,
            y + 4.0
        );
    }
    for tick in TICKS {
        let x = across(tick);
        let _ = write!(
            svg,
            r#"<path class="grid" d="M{x:.1} {top}v{height}"/><text class="muted" x="{x:.1}" y="{}" text-anchor="middle">{tick}</text>"#,
            top + height + 16.0
        );
    }
    let _ = write!(
        svg,
        r#"<text class="muted" x="{}" y="{}" text-anchor="middle">seconds after the step</text>"#,
        left + width / 2.0,
        top + height + 32.0
    );
    for row in rows {
        for step in &row.steps {
            let mut path = format!("M{:.1} {:.1}", across(SPAN.0), up(0.0));
            let mut answered = 0;
            for &(hundredths, count) in &step.all {
                let x = across(f64::from(hundredths) / 100.0);
                answered += count;
                let _ = write!(path, "H{x:.1}V{:.1}", up(f64::from(answered) / step.targets as f64));
            }
            let _ = write!(svg, r#"<path class="{}" d="{path}"/>"#, class(row.contender));
        }
    }
}
