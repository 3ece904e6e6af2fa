//! The panels of the dashboards as they look: their own questions, asked of a real Prometheus about half a day of a controller, drawn where the
//! dashboards place them in a real browser. Grafana itself is not at hand; what it would draw of the JSON (places, titles, units, thresholds, legends) is.
//!
//! `UPDATE=1` writes the screenshots of docs/images.

// A helper that fails is a test that fails; loads and times are small numbers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod browser_support;
mod dashboard_support;
mod web_support;

use std::collections::BTreeMap;
use std::path::Path;

use browser_support::looks::{keep, picture, scrolls_sideways};
use browser_support::{Browser, Page};
use dashboard_support::{SHOWN, STEP, history};
use serde_json::{Map, Value, json};
use web_support::source_support::prometheus::{Prometheus, Web};

/// A file of the repository.
fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// A question of a dashboard with its variables filled in.
fn filled(question: &str) -> String {
    let values = [
        ("$__rate_interval", "4m".to_owned()),
        ("$__range_s", SHOWN.to_string()),
        ("$__range", "12h".to_owned()),
        ("$job", ".+".to_owned()),
        ("$namespace", "shop".to_owned()),
        ("$policy", "web".to_owned()),
    ];
    values.iter().fold(question.to_owned(), |text, (name, value)| text.replace(name, value))
}

struct Asked<'a> {
    server: &'a Prometheus,
    http: reqwest::Client,
    end: u64,
}

impl Asked<'_> {
    /// The series of a question, each with a value per step, null where it has none.
    async fn series(&self, target: &Value) -> Vec<Value> {
        let begin = if target["instant"] == true { self.end } else { self.end - SHOWN };
        let [begin, end, step] = [begin, self.end, STEP].map(|number| number.to_string());
        let form = [("query", filled(target["expr"].as_str().unwrap())), ("start", begin.clone()), ("end", end), ("step", step)];
        let answer = self.http.post(format!("{}/api/v1/query_range", self.server.url)).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        let begin: u64 = begin.parse().unwrap();
        let steps = usize::try_from((self.end - begin) / STEP).unwrap() + 1;
        let series = answer["data"]["result"].as_array().unwrap().iter().map(|found| {
            let mut values = vec![Value::Null; steps];
            for sample in found["values"].as_array().unwrap() {
                let place = usize::try_from((sample[0].as_f64().unwrap() as u64 - begin) / STEP).unwrap();
                let value: f64 = sample[1].as_str().unwrap().parse().unwrap();
                values[place] = if value.is_finite() { json!(value) } else { Value::Null };
            }
            let labels = found["metric"].as_object().unwrap();
            json!({ "name": legend(target["legendFormat"].as_str().unwrap(), labels), "labels": labels, "values": values })
        });
        series.collect()
    }

    /// The panels of a dashboard with what they show.
    async fn panels(&self, board: &Value) -> Vec<Value> {
        let mut panels = Vec::new();
        for panel in board["panels"].as_array().unwrap() {
            let mut series = Vec::new();
            for target in panel["targets"].as_array().into_iter().flatten() {
                series.extend(self.series(target).await);
            }
            let rename = &panel["transformations"][0]["options"]["renameByName"];
            panels.push(json!({
                "type": panel["type"], "title": filled(panel["title"].as_str().unwrap()), "gridPos": panel["gridPos"],
                "defaults": panel["fieldConfig"]["defaults"], "rename": rename, "series": series,
            }));
        }
        panels
    }
}

/// What a legend says of a series.
fn legend(format: &str, labels: &Map<String, Value>) -> String {
    labels.iter().fold(format.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value.as_str().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboards_show_half_a_day() {
    let Some(mut browser) = Browser::start() else { return };
    let (text, end) = history().await;
    let server = Prometheus::start(None, Web { history: Some(text), ..Web::default() }).await;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let asked = Asked { server: &server, http, end: u64::try_from(end.as_millis()).unwrap() / 1000 };
    let times: Vec<u64> = (asked.end - SHOWN..=asked.end).step_by(usize::try_from(STEP).unwrap()).collect();
    let [script, style] = ["uPlot.iife.min.js", "uPlot.min.css"].map(|name| read(&format!("src/web/assets/uplot/{name}")));
    // What the process itself needs is that of this test: it is drawn below the picture.
    for (name, last) in [("overview", "Time to collect"), ("policy", "Held by")] {
        let board: Value = serde_json::from_str(&read(&format!("deploy/dashboards/{name}.json"))).unwrap();
        let panels = asked.panels(&board).await;
        let place = &panels.iter().find(|panel| panel["title"] == last).unwrap()["gridPos"];
        // Rows of the grid are 36 pixels, and what stands above them 40.
        let height = 40 + 36 * u32::try_from(place["y"].as_u64().unwrap() + place["h"].as_u64().unwrap()).unwrap();
        let empty: BTreeMap<_, _> = panels
            .iter()
            .filter(|panel| panel["type"] != "row" && panel["series"] == json!([]))
            .map(|panel| (panel["title"].to_string(), panel["type"].to_string()))
            .collect();
        // At the end all services have the size that was decided.
        assert!(empty.keys().all(|title| title.contains("Farthest from their size")), "{name}: without data: {empty:?}");
        let data = json!({ "title": board["title"], "panels": panels, "times": times }).to_string().replace('<', "\\u003c");
        let page = format!("<style>{style}</style><script>{script}</script><script>const BOARD = {data};</script>");
        let file = tempfile::NamedTempFile::with_suffix(".html").unwrap();
        std::fs::write(file.path(), read("tests/dashboard_support/board.html").replacen("<h1>", &format!("{page}<h1>"), 1)).unwrap();
        for scheme in ["light", "dark"] {
            let mut page = Page::open(&mut browser, file.path(), (1240, height), scheme);
            page.until("document.documentElement.dataset.drawn === 'yes'");
            let drawn = page.value("document.querySelectorAll('canvas').length");
            let plots = panels.iter().filter(|panel| panel["type"] == "timeseries").count();
            assert_eq!(drawn, plots);
            assert!(!scrolls_sideways(&mut page), "{name} {scheme}");
            assert_eq!(page.complaints(), [""; 0]);
            let shot = page.screenshot();
            keep(&format!("dashboard-{name}-{scheme}"), &shot);
            picture(&format!("dashboard-{name}-{scheme}.png"), &shot);
        }
    }
}
