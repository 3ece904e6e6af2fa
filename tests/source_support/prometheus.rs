//! A real Prometheus that scrapes an exporter of the test.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::process::{Child, Command};

/// From Debian's package, or any other on the path.
const PROGRAM: &str = "prometheus";

/// A running server; it ends when dropped, or with this process.
pub struct Prometheus {
    /// Its address.
    pub url: String,
    /// Held for its input.
    _child: Child,
    pub dir: tempfile::TempDir,
}

/// How it serves its API.
#[derive(Default)]
pub struct Web {
    /// Content of `--web.config.file`.
    pub config: Option<String>,
    /// Files next to that file.
    pub files: Vec<(&'static str, String)>,
    /// Serves HTTPS.
    pub https: bool,
    /// What it has from the past, in the `OpenMetrics` text format with timestamps.
    pub history: Option<String>,
}

// === impl Prometheus ===

impl Prometheus {
    /// Starts a server that scrapes `exporter` every 200 ms, and waits until it accepts connections.
    pub async fn start(exporter: Option<SocketAddr>, web: Web) -> Self {
        Self::of(PROGRAM.as_ref(), &[], exporter, web).await
    }

    /// The same of another program, with more arguments.
    pub async fn of(program: &std::path::Path, more: &[&str], exporter: Option<SocketAddr>, web: Web) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let targets = exporter.map(|address| format!("'{address}'")).unwrap_or_default();
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
             scrape_configs: [{{job_name: test, static_configs: [{{targets: [{targets}]}}]}}]\n"
        );
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        for (name, text) in &web.files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        if let Some(history) = &web.history {
            let file = dir.path().join("history.txt");
            std::fs::write(&file, history).unwrap();
            let mut promtool = Command::new("promtool");
            let filled =
                promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(file).arg(dir.path().join("data")).output().await.unwrap();
            assert!(filled.status.success(), "{filled:?}");
        }
        let address = free_address();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        // A server held by a static is never dropped, so it ends when its input does: with this process, however that ends.
        let mut command = Command::new("sh");
        command
            .args(["-c", "\"$@\" </dev/null & cat >/dev/null; kill $!; wait $!", "sh"])
            .arg(program)
            .current_dir(dir.path())
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(text) = &web.config {
            std::fs::write(dir.path().join("web.yml"), text).unwrap();
            command.arg("--web.config.file=web.yml");
        }
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("sh cannot be started: {error}");
        });
        let scheme = if web.https { "https" } else { "http" };
        let server = Self { url: format!("{scheme}://{address}"), _child: child, dir };
        server.wait(address).await;
        server
    }

    async fn wait(&self, address: SocketAddr) {
        let mut log = String::new();
        for _ in 0..300 {
            log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            if log.contains("Server is ready to receive web requests") && tokio::net::TcpStream::connect(address).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{PROGRAM} is not ready after 30 s (tests/cluster/deps.sh plane installs it):\n{log}");
    }
}

/// A free port of the loopback interface.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Serves `metrics` with every `{scrapes}` replaced by ten times the number of scrapes so far.
pub async fn exporter(metrics: &'static str) -> SocketAddr {
    let scrapes = Arc::new(AtomicU64::new(0));
    let handler = move || {
        let count = scrapes.fetch_add(1, Ordering::SeqCst);
        async move { metrics.replace("{scrapes}", &(10 * count).to_string()) }
    };
    let app = axum::Router::new().route("/metrics", axum::routing::get(handler));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A server that has scraped `metrics` at least so many times within the last minute, by a counter of the pod `web-1` among them.
pub async fn scraped(metrics: &'static str, counter: &str, times: u32) -> Prometheus {
    super::provider();
    let server = Prometheus::start(Some(exporter(metrics).await), Web::default()).await;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    for _ in 0..150 {
        let address = format!("{}/api/v1/query?query=count_over_time({counter}[1m])>={times}", server.url);
        if http.get(address).send().await.unwrap().text().await.unwrap().contains("web-1") {
            return server;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing was scraped within 15 s");
}
