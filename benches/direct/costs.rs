//! What it costs to ask many pods: time, CPU and memory of the controller's own part, by a process that serves for all pods.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ballast::clock::Clock;
use ballast::core::{Origin, Reading};
use ballast::source::direct::{Endpoint, Pod, Pods};
use ballast::source::{Answers, Ask, Batch, Catalog, CatalogEntry, PrometheusQuery, Query, Settings, Sources, WhenEmpty, preset};
use futures::StreamExt;
use procfs::process::Process;

/// Loopback addresses that are served: each connection takes a port for a minute, and one address has too few for all.
const ADDRESSES: u8 = 32;
/// Pods of a workload.
const EACH: usize = 20;
/// Looks at all pods.
const LOOKS: u32 = 4;

/// What the looks took.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    pub pods: usize,
    /// Of one look at all pods.
    pub seconds: f64,
    /// CPU time for one pod.
    pub micros: f64,
    /// Resident memory before the first look, and after the last.
    pub before: f64,
    pub after: f64,
    /// Bytes of an answer.
    pub body: usize,
}

struct Nothing;

impl Catalog for Nothing {
    fn find(&self, _: &str, _: &str) -> Option<CatalogEntry> {
        None
    }
}

/// A Go service's metrics, about as many as its client has by default.
fn exposition(requests: u64) -> String {
    let gauges = (0..60).map(|n| {
        let name = format!("go_memstats_number_{n}");
        format!("# HELP {name} A number of the runtime, as there are many.\n# TYPE {name} gauge\n{name} {n}.5e+06\n")
    });
    let codes = [200, 404, 500].into_iter().flat_map(|code| {
        let labels = format!("code=\"{code}\",handler=\"/work\",method=\"get\"");
        let count = format!("http_requests_total{{{labels}}} {requests}\n");
        let buckets = ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf"];
        let buckets = buckets.map(|bucket| format!("http_request_duration_seconds_bucket{{{labels},le=\"{bucket}\"}} {requests}\n"));
        buckets.into_iter().chain([count])
    });
    gauges.chain(codes).collect()
}

/// Serves for all pods until the end of its input; says its port.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let answer = move || {
            let requests = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            std::future::ready(([("content-type", "text/plain; version=0.0.4")], exposition(requests)))
        };
        let app = axum::Router::new().route("/metrics", axum::routing::get(answer));
        let first = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = first.local_addr()?.port();
        tokio::spawn(axum::serve(first, app.clone()).into_future());
        for last in 2..=ADDRESSES {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).await?;
            tokio::spawn(axum::serve(listener, app.clone()).into_future());
        }
        println!("{port}");
        std::io::stdout().flush()?;
        tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await?;
        anyhow::Ok(())
    })
}

/// The process that serves; it ends with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn asks(pods: usize, port: u16) -> Result<Vec<Ask>> {
    let preset = preset::find("http-requests").context("the preset")?;
    let (query, filled) = preset.fill_direct(&BTreeMap::new()).context("the preset's query")?;
    let filled = Arc::new(filled);
    let ask = |workload: usize| {
        let name = |n: usize| Arc::from(format!("web-{workload}-7d4b9c{n:05}"));
        let pod = |n: usize| {
            let last = 1 + u8::try_from((workload * EACH + n) % usize::from(ADDRESSES)).unwrap_or_default();
            let socket = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
            Pod { endpoint: Ok(Endpoint { socket, path: None }), running: true, serving: true }
        };
        let query = PrometheusQuery {
            name: "http-requests".to_owned(),
            source: "default".to_owned(),
            query: query.clone(),
            window: Duration::from_mins(1),
            when_empty: WhenEmpty::Absent,
            preset: Some(Arc::clone(&filled)),
        };
        Ask {
            namespace: Arc::from("shop"),
            target: Arc::from(format!("web-{workload}")),
            selector: Arc::from("app=web"),
            pods: (0..EACH).map(name).collect(),
            query: Query::Prometheus(query),
            direct: Some(Pods { pods: (0..EACH).map(pod).collect(), fall_back: false }),
        }
    };
    Ok((0..pods / EACH).map(ask).collect())
}

/// Asks so many pods several times.
pub fn measure(pods: usize) -> Result<Costs> {
    // An error means that it is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut server = Server(Command::new(std::env::current_exe()?).arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().context("the server's output")?).read_line(&mut line)?;
    let asks = asks(pods, line.trim().parse()?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let clock = Clock::real();
        let client = kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse()?))?;
        let settings = Settings { direct: Some(|_| true), ..Settings::default() };
        let sources = Sources::new(client, clock.clone(), settings, Arc::new(Nothing));
        let batches = || asks.iter().map(|ask| Batch { asks: vec![ask.clone()], deadline: Duration::from_mins(1) }).collect::<Vec<_>>();
        let me = Process::myself()?;
        let used = || anyhow::Ok(me.stat().map(|stat| stat.utime + stat.stime)? as f64 / procfs::ticks_per_second() as f64);
        let resident = || anyhow::Ok(me.status()?.vmrss.unwrap_or_default() as f64 / 1024.0);
        let before = resident()?;
        let (begin, cpu) = (Instant::now(), used()?);
        let mut last: Vec<(usize, Answers)> = Vec::new();
        for _ in 0..LOOKS {
            last = Arc::clone(&sources).answer(batches(), clock.now()).concat().await;
        }
        let looks = f64::from(LOOKS);
        let (seconds, micros) = (begin.elapsed().as_secs_f64() / looks, 1e6 * (used()? - cpu) / looks / pods as f64);
        let whole = |answers: &Answers| {
            matches!(answers.readings[..], [Reading::Total(_)])
                && matches!(answers.origins[..], [Some(ref origin)] if matches!(**origin, Origin::Pods(poll) if poll.answered as usize == EACH))
        };
        let heard = last.iter().filter(|(_, answers)| whole(answers)).count();
        if heard < pods / EACH {
            bail!("only {heard} of {} workloads gave all values, such as {:?}", pods / EACH, last.iter().find(|(_, answers)| !whole(answers)));
        }
        Ok(Costs { pods, seconds, micros, before, after: resident()?, body: exposition(1000).len() })
    })
}
