//! What the targets' pods would export, in one place: counters of requests that Prometheus takes as if it had scraped each pod.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::get;
use parking_lot::Mutex;

use crate::helper::commands;
use crate::names::Target;
use crate::objects::USAGE;

/// Requests counted so far by each pod, and how fast they come.
struct Counter {
    count: f64,
    rate: f64,
    since: Instant,
}

impl Counter {
    fn now(&self) -> f64 {
        self.count + self.rate * self.since.elapsed().as_secs_f64()
    }
}

/// Serves `/metrics` until the input ends.
pub async fn serve(targets: usize) -> anyhow::Result<()> {
    let series: Vec<String> = (0..targets)
        .map(Target)
        .flat_map(|target| {
            let of_pod = move |pod| format!(r#"http_requests_total{{namespace="{}",pod="{pod}",code="200"}}"#, target.namespace());
            target.pods().map(of_pod)
        })
        .collect();
    let counter = Arc::new(Mutex::new(Counter { count: 1e6, rate: USAGE, since: Instant::now() }));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?.to_string();
    let read = Arc::clone(&counter);
    let metrics = move || {
        let count = read.lock().now();
        let mut text = String::with_capacity(series.len() * 100);
        for one in &series {
            let _ = writeln!(text, "{one} {count:.3}");
        }
        std::future::ready(text)
    };
    let app = axum::Router::new().route("/metrics", get(metrics));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let change = move |load| {
        let mut counter = counter.lock();
        *counter = Counter { count: counter.now(), rate: USAGE * load, since: Instant::now() };
    };
    // It is read when Prometheus comes; nothing is to be done in between.
    commands(&address, Duration::from_hours(24), change).await
}
