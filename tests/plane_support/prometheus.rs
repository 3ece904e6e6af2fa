//! A real Prometheus beside the plane, and the exporter it scrapes: series appear, change and go as the test says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::wait::eventually;

/// A series' value at any time.
#[derive(Clone, Copy, Debug)]
pub enum Level {
    /// Stays.
    At(f64),
    /// Grows by so much per second, from 0 at the time it is set.
    Rising(f64),
}

type Series = BTreeMap<String, (Level, jiff::Timestamp)>;

/// The server with its exporter; it ends with the plane.
pub struct Scraped {
    /// Its base address.
    pub url: String,
    series: Arc<Mutex<Series>>,
}

impl Scraped {
    /// Starts both; the exporter is scraped this often.
    pub async fn start(dir: &Path, every: &str) -> Self {
        let series = Arc::<Mutex<Series>>::default();
        let exposed = Arc::clone(&series);
        let metrics = move || std::future::ready(exposition(&exposed.lock()));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let app = axum::Router::new().route("/metrics", axum::routing::get(metrics));
        tokio::spawn(async move { axum::serve(listener, app).await });

        let up = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/up.sh");
        let out = tokio::process::Command::new(up).args(["prometheus", "--dir"]).arg(dir).stdin(Stdio::null()).output().await.unwrap();
        assert!(out.status.success(), "tests/cluster/up.sh prometheus failed:\n{}", String::from_utf8_lossy(&out.stderr));
        let labels = json!({"__scrape_interval__": every, "__scrape_timeout__": every});
        let targets = json!([{"targets": [address], "labels": labels}]).to_string();
        // Renamed into place: half a file would be taken for a fault.
        std::fs::write(dir.join("prometheus/exporter"), targets).unwrap();
        std::fs::rename(dir.join("prometheus/exporter"), dir.join("prometheus/targets/exporter.json")).unwrap();
        let env = std::fs::read_to_string(dir.join("env")).unwrap();
        let url = env.lines().find_map(|line| line.strip_prefix("PROMETHEUS_URL=")).unwrap().to_owned();
        let scraped = Self { url, series };
        scraped.set("exporter_ready", Level::At(1.0));
        scraped.shows("exporter_ready", "1").await;
        scraped
    }

    /// Exposes a series, e.g. `queue{namespace="shop"}`, or changes its value.
    pub fn set(&self, series: &str, level: Level) {
        self.series.lock().insert(series.to_owned(), (level, super::now()));
    }

    /// Stops to expose every series whose text contains this, as when an exporter goes away: Prometheus then marks them as stale.
    pub fn remove(&self, text: &str) {
        self.series.lock().retain(|series, _| !series.contains(text));
    }

    /// The answer to a query, as values by label `pod` (empty where there is none).
    pub async fn query(&self, promql: &str) -> Result<BTreeMap<String, String>, String> {
        let url = format!("{}/api/v1/query", self.url);
        let response = reqwest::Client::new().post(url).form(&[("query", promql)]).send().await.map_err(|e| e.to_string())?;
        let body: Value = serde_json::from_slice(&response.bytes().await.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        let elements = body["data"]["result"].as_array().ok_or_else(|| body.to_string())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(elements.iter().map(|element| (text(&element["metric"]["pod"]), text(&element["value"][1]))).collect())
    }

    /// Waits until a query gives this one value.
    pub async fn shows(&self, promql: &str, value: &str) {
        eventually(&format!("Prometheus: {promql} is {value}"), Duration::from_secs(20), async || {
            let found = self.query(promql).await?;
            if found.values().eq([value]) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
}

fn exposition(series: &Series) -> String {
    let now = super::now();
    let value = |(level, since): &(Level, jiff::Timestamp)| match level {
        Level::At(value) => *value,
        Level::Rising(rate) => rate * now.duration_since(*since).as_secs_f64(),
    };
    series.iter().map(|(name, level)| format!("{name} {}", value(level))).chain([String::new()]).collect::<Vec<_>>().join("\n")
}
