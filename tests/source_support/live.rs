//! An exporter whose values the test changes while Prometheus scrapes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ballast::clock::Clock;

/// A new series comes with this many seconds of past, so that a rate over a minute is right at once.
const PAST_SECONDS: u32 = 90;

/// The exporter; clones share its series.
#[derive(Clone)]
pub struct Exporter {
    /// Where it is scraped.
    pub address: SocketAddr,
    series: Arc<Mutex<BTreeMap<String, Series>>>,
    clock: Clock,
}

/// A gauge, or a counter that rises.
struct Series {
    value: f64,
    /// Rise per second; 0 for a gauge.
    rate: f64,
    /// When `value` was right, in milliseconds.
    at: i64,
    /// Prometheus has its past.
    known: bool,
}

// === impl Exporter ===

impl Exporter {
    /// Starts it on a free port of the loopback interface.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let exporter = Self { address: listener.local_addr().unwrap(), series: Arc::default(), clock: Clock::real() };
        let shared = exporter.clone();
        let scrape = move || {
            let text = shared.expose();
            async move { text }
        };
        let app = axum::Router::new().route("/metrics", axum::routing::get(scrape));
        tokio::spawn(async move { axum::serve(listener, app).await });
        exporter
    }

    /// Sets a gauge, e.g. `queue_length{app="web"}`.
    pub fn gauge(&self, series: &str, value: f64) {
        self.set(series, |old| (old.value, old.rate) = (value, 0.0));
    }

    /// Lets a counter rise by this much per second from now on.
    pub fn counter(&self, series: &str, rate: f64) {
        self.set(series, |old| old.rate = rate);
    }

    fn set(&self, series: &str, change: impl FnOnce(&mut Series)) {
        let now = self.now();
        let mut all = self.series.lock().unwrap();
        let entry = all.entry(series.to_owned()).or_insert(Series { value: 1000.0, rate: 0.0, at: now, known: false });
        entry.advance(now);
        change(entry);
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    fn expose(&self) -> String {
        let now = self.now();
        let mut text = String::new();
        for (name, series) in self.series.lock().unwrap().iter_mut() {
            series.advance(now);
            if !series.known {
                for ago in (1..=PAST_SECONDS).rev() {
                    let value = series.value - series.rate * f64::from(ago);
                    writeln!(text, "{name} {value} {}", now - 1000 * i64::from(ago)).unwrap();
                }
                series.known = true;
            }
            writeln!(text, "{name} {}", series.value).unwrap();
        }
        text
    }
}

impl Series {
    #[allow(clippy::cast_precision_loss)] // Seconds of a test.
    fn advance(&mut self, now: i64) {
        self.value += self.rate * (now - self.at) as f64 / 1000.0;
        self.at = now;
    }
}
