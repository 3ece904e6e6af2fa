//! A real OpenTelemetry Collector, and the spans that it was sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::wait::eventually;
use super::{Plane, free_address};

/// The collector; ends when dropped, and with the plane at the latest.
pub struct Collector {
    /// Its base address.
    pub url: String,
    file: PathBuf,
    _child: Child,
}

/// A span as the collector got it.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty: none.
    pub parent: String,
    pub name: String,
    /// 1: internal, 3: client.
    pub kind: u64,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// See `start`.
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    /// Names, with their attributes.
    pub events: Vec<(String, BTreeMap<String, String>)>,
    /// 2: error; and its message.
    pub status: (u64, String),
    /// Who sent it.
    pub resource: BTreeMap<String, String>,
}

// === impl Collector ===

impl Collector {
    /// Builds it, unless that is done, starts it and waits until it listens.
    pub async fn start(plane: &Plane, name: &str) -> Self {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/build.sh");
        let made = Command::new(build).arg("otelcol").stdin(Stdio::null()).stderr(Stdio::inherit()).output().await.unwrap();
        assert!(made.status.success(), "tests/cluster/build.sh otelcol failed");
        let bin = String::from_utf8(made.stdout).unwrap().lines().last().unwrap().to_owned();

        let (address, file) = (free_address().await, plane.dir.join(format!("{name}.jsonl")));
        let config = json!({
            "receivers": { "otlp": { "protocols": { "http": { "endpoint": address } } } },
            "exporters": { "file": { "path": file } },
            "service": {
                "telemetry": { "metrics": { "level": "none" } },
                "pipelines": { "traces": { "receivers": ["otlp"], "exporters": ["file"] } },
            },
        });
        let path = plane.dir.join(format!("{name}.yaml"));
        std::fs::write(&path, config.to_string()).unwrap();
        let log = plane.dir.join(format!("logs/{name}.log"));
        let output = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(format!("{bin}/otelcol"));
        command.arg("--config").arg(format!("file:{}", path.display())).env("BALLAST_CLUSTER_DIR", &plane.dir).kill_on_drop(true);
        let mut child = command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        eventually("the collector listens", Duration::from_secs(60), async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the collector ended with {status}:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            tokio::net::TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        Self { url: format!("http://{address}"), file, _child: child }
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).flat_map(|line| of_line(&line)).collect()
    }

    /// Waits for a span.
    pub async fn span(&self, what: &str, limit: Duration, is: impl Fn(&Span) -> bool) -> Span {
        eventually(what, limit, async || {
            let all = self.spans();
            let names = || all.iter().map(|span| format!("{} {:?}", span.name, span.attributes)).collect::<Vec<_>>().join("\n");
            all.iter().find(|span| is(span)).cloned().ok_or_else(names)
        })
        .await
    }
}

// === impl Span ===

impl Span {
    /// An attribute's text.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }

    /// Whether it has these attributes.
    pub fn has(&self, expected: &[(&str, &str)]) -> bool {
        expected.iter().all(|(key, value)| self.get(key) == Some(value))
    }
}

fn of_line(line: &Value) -> Vec<Span> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut spans = Vec::new();
    for from in list(&line["resourceSpans"]) {
        let resource = attributes(&from["resource"]["attributes"]);
        for span in list(&from["scopeSpans"]).iter().flat_map(|scope| list(&scope["spans"])) {
            let time = |key: &str| span[key].as_str().unwrap().parse().unwrap();
            spans.push(Span {
                trace: text(&span["traceId"]),
                id: text(&span["spanId"]),
                parent: text(&span["parentSpanId"]),
                name: text(&span["name"]),
                kind: span["kind"].as_u64().unwrap_or_default(),
                start: time("startTimeUnixNano"),
                end: time("endTimeUnixNano"),
                attributes: attributes(&span["attributes"]),
                events: list(&span["events"]).iter().map(|event| (text(&event["name"]), attributes(&event["attributes"]))).collect(),
                status: (span["status"]["code"].as_u64().unwrap_or_default(), text(&span["status"]["message"])),
                resource: resource.clone(),
            });
        }
    }
    spans
}

/// Attributes as text; a key that comes twice is a fault of the sender.
fn attributes(list: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for one in list.as_array().into_iter().flatten() {
        let (key, value) = (one["key"].as_str().unwrap(), one["value"].as_object().unwrap().values().next().unwrap());
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert!(all.insert(key.to_owned(), value).is_none(), "{key} comes twice: {list}");
    }
    all
}
