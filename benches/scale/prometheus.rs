//! The real Prometheus: started, pointed at the exporter, and asked how it is.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::contender::{cluster_script, succeed};
use crate::objects::USAGE;

/// Time between two scrapes.
pub const SCRAPE: &str = "5s";

/// A running server.
#[derive(Clone)]
pub struct Prometheus {
    /// Its base address.
    pub url: String,
}

impl Prometheus {
    /// Starts it as a part of the plane.
    pub async fn start(plane: &Path) -> Result<Self> {
        let mut up = cluster_script("up.sh");
        up.args(["prometheus", "--dir"]).arg(plane);
        succeed(up).await?;
        let env = std::fs::read_to_string(plane.join("env"))?;
        let url = env.lines().find_map(|line| line.strip_prefix("PROMETHEUS_URL=")).context("no PROMETHEUS_URL")?;
        Ok(Self { url: url.to_owned() })
    }

    /// Makes it scrape this address, and no other exporter.
    pub fn scrape(plane: &Path, address: &str) -> Result<()> {
        let labels = json!({"__scrape_interval__": SCRAPE, "__scrape_timeout__": SCRAPE});
        let targets = json!([{"targets": [address], "labels": labels}]).to_string();
        // Renamed into place: half a file would be taken for a fault.
        let (new, file) = (plane.join("prometheus/exporter"), plane.join("prometheus/targets/exporter.json"));
        std::fs::write(&new, targets)?;
        Ok(std::fs::rename(new, file)?)
    }

    /// Waits until so many series show the rate at a load of 1, and none another.
    pub async fn calm(&self, series: usize) -> Result<()> {
        let rate = format!("rate(http_requests_total[1m]) / {USAGE}");
        let query = format!("count(abs({rate} - 1) < 0.02) - (count(abs({rate} - 1) >= 0.02) or vector(0))");
        let mut last = String::new();
        for _ in 0..90 {
            match self.query(&query).await {
                Ok(value) if (value - series as f64).abs() < 0.5 => return Ok(()),
                answer => last = format!("{answer:?}"),
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        bail!("Prometheus does not show {series} calm series; last: {last}")
    }

    async fn query(&self, promql: &str) -> Result<f64> {
        let url = format!("{}/api/v1/query", self.url);
        let body = reqwest::Client::new().post(url).form(&[("query", promql)]).send().await?.bytes().await?;
        let body: Value = serde_json::from_slice(&body)?;
        let value = body["data"]["result"][0]["value"][1].as_str().with_context(|| body.to_string())?;
        Ok(value.parse()?)
    }

    /// Queries that it has answered so far.
    pub async fn queries(&self) -> Result<f64> {
        let text = reqwest::get(format!("{}/metrics", self.url)).await?.text().await?;
        let counted =
            text.lines().filter(|line| line.starts_with("prometheus_http_requests_total{") && line.contains(r#"handler="/api/v1/query"#));
        Ok(counted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}
