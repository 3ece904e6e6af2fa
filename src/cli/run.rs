//! `ballast run`: wires the parts together and takes them down in order.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use super::cluster::kube_config;
use crate::admin::{self, Readiness, Served};
use crate::api::SourceConfig;
use crate::clock::Clock;
use crate::cluster::{
    Backlog, Checkpoints, Index, LeaseOptions, Pace, Recorder, ScaleClient, Shards, StatusWriter, Watches, WriteQueue, run_lease,
    run_member, start_watches,
};
use crate::config::{File, RunArgs};
use crate::engine::{Annotated, Engine, LiveDefaults, Parts, Ready, Records};
use crate::source::direct::{Admits, of_a_pod};
use crate::source::prometheus::LiveLimits;
use crate::source::{Settings, Sources};
use crate::telemetry::{Metrics, Otlp, SourceMetrics, start_logging};
use crate::web::Web;

/// Longest silence of the API server on a connection.
const READ_TIMEOUT: Duration = Duration::from_secs(25);

/// How long statuses and Events that wait are written out at shutdown: with all other steps down it stays below a pod's 30 s.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Time between two readings of the configuration file: a mounted `ConfigMap` changes within a minute anyway.
const REREAD: Duration = Duration::from_secs(5);

/// Runs the controller until SIGTERM or SIGINT.
pub fn main(args: &RunArgs) -> ExitCode {
    let prepared = start_logging(args.log_format, &args.log_level).map_err(anyhow::Error::msg).and_then(|()| {
        args.validate()?;
        args.config.as_deref().map(File::read).transpose().map_err(Into::into)
    });
    let file = match prepared {
        Ok(file) => file.unwrap_or_default(),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(args, file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &RunArgs, file: File) -> Result<()> {
    let (reads, writes, namespace, api_server) = clients(args).await?;
    let (traces, otlp) = Otlp::start(&args.tracing)?;
    let clock = Clock::real();
    let limits = Arc::new(LiveLimits::new(file.metric_sources));
    let settings = settings(args, file.sources, &limits, api_server);
    let (index, changes) = Index::new();
    let sources = Sources::new(writes.clone(), clock.clone(), settings, Arc::<Index>::clone(&index));
    let metrics = Metrics::new(args.record_looks, [Box::new(SourceMetrics(Arc::clone(&sources))) as Box<_>]);

    // Three steps down: stop deciding; then write out what is queued; then let the lease go.
    let (stop, written, drained) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let tasks = TaskTracker::new();
    let io = TaskTracker::new();

    let listener = listen(args.admin_address).await?;
    info!(version = env!("CARGO_PKG_VERSION"), admin = %listener.local_addr()?, "starting");

    let watches = start_watches(&reads, &index, &args.namespaces, &tasks, &drained);
    let shards = if args.leader_elect { Shards::standby(clock.clone(), args.shards) } else { Shards::always(clock.clone()) };

    let sizes = Backlog::new(metrics.writes_waiting.clone());
    let (events, run_events) = Recorder::new(writes.clone(), clock.clone(), metrics.clone(), sizes.clone(), written.clone());
    let (status, run_status) = StatusWriter::new(writes.clone(), clock.clone(), metrics.clone(), shards.clone(), sizes.clone(), &written);
    io.spawn(run_events);
    io.spawn(run_status);
    let pace = Pace { per_second: args.write_qps, at_once: args.write_concurrency, backlog: sizes };
    let (queue, results) = WriteQueue::start(writes.clone(), clock.clone(), &pace, shards.clone(), &io, &written);

    let defaults = Arc::new(LiveDefaults::new(args.defaults.compiled(), file.defaults));
    if let Some(path) = args.config.clone() {
        tasks.spawn(follow_file(path, Arc::clone(&sources), limits, Arc::clone(&defaults), stop.clone()));
    }
    let readiness = readiness(watches.clone());
    let (records, asks) = Records::channel(shards.clone());
    let web = args.web_page.then(|| Web::new(records.clone(), Arc::clone(&sources), clock.clone(), &args.web_hosts, drained.clone()));
    tasks.spawn(admin::serve(listener, Served { readiness, metrics: metrics.clone(), records, web }, drained.clone()));

    let (annotated, annotated_rx) = mpsc::unbounded_channel();
    let kinds = ["Deployment", "StatefulSet"].into_iter().map(str::to_owned).chain(args.annotated_kinds.clone()).collect();
    let annotations = Annotated {
        index: Arc::clone(&index),
        client: writes.clone(),
        events: events.clone(),
        shards: shards.clone(),
        clock: clock.clone(),
        kinds,
    };
    let (changed_sources, changed_sources_rx) = mpsc::unbounded_channel();
    let sources_ready = Ready {
        index: Arc::clone(&index),
        sources: Arc::clone(&sources),
        client: writes.clone(),
        events: events.clone(),
        shards: shards.clone(),
        clock: clock.clone(),
    };
    let engine = Engine::new(Parts {
        index: Arc::clone(&index),
        scale: ScaleClient::new(reads.clone(), Arc::clone(&index), clock.clone()),
        sources,
        queue,
        status,
        events,
        shards: shards.clone(),
        clock: clock.clone(),
        metrics,
        traces,
        defaults,
        annotated: annotated.clone(),
        changed_sources,
        checkpoints: checkpoints(args, &writes, &namespace, &shards),
        early: args.scale_out_sync_period,
    });

    let signalled = signal();
    tokio::pin!(signalled);
    if !lists_complete(&watches, &mut signalled).await? {
        drained.cancel();
        return Ok(());
    }
    info!("first lists complete");
    tasks.spawn(sources_ready.run(changed_sources_rx, stop.clone()));
    tasks.spawn(annotations.run(annotated_rx, annotated, stop.clone()));
    let lease = args.leader_elect.then(|| {
        let options = lease_options(args, namespace);
        tasks.spawn(hold_leases(writes.clone(), options, shards, stop.clone(), drained.clone()))
    });
    let engine = tasks.spawn(engine.run(changes, results, asks, stop.clone()));

    let name = signalled.await?;
    info!(signal = name, "stopping");
    stop.cancel();
    engine.await.context("the engine failed")?;
    written.cancel();
    io.close();
    if tokio::time::timeout(LAST_WORDS, io.wait()).await.is_err() {
        info!("some statuses and Events have not been written in time");
    }
    drained.cancel();
    if let Some(lease) = lease {
        lease.await.context("the lease task failed")?;
    }
    tasks.close();
    // Watches and open admin connections are not worth more waiting.
    let _ = tokio::join!(tokio::time::timeout(Duration::from_secs(2), tasks.wait()), otlp.stop());
    info!("stopped");
    Ok(())
}

/// Ready once all that is watched has been listed.
fn readiness(watches: Watches) -> Readiness {
    let readiness = Readiness::default();
    readiness.add("watches", move || watches.waiting());
    readiness
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    admin::bind(address).await.with_context(|| format!("cannot listen on {address} (--admin-address)"))
}

/// Takes part in the election: of one leader, or of those who share several shards.
async fn hold_leases(client: Client, options: LeaseOptions, shards: Shards, stop: CancellationToken, drained: CancellationToken) {
    let lease = format!("{}/{}", options.namespace, options.name);
    info!(%lease, identity = %options.identity, shards = shards.count(), "waiting to lead");
    if shards.count() > 1 {
        run_member(client, options, shards, stop, drained).await;
    } else {
        run_lease(client, options, shards, stop, drained).await;
    }
}

/// What holds for sources.
fn settings(args: &RunArgs, sources: Vec<SourceConfig>, limits: &Arc<LiveLimits>, api_server: Option<SocketAddr>) -> Settings {
    let (prometheus_url, allow_loopback) = (args.prometheus_url.clone(), args.allow_loopback_sources);
    let direct = args.direct_scrape.then_some(of_a_pod as Admits);
    Settings { prometheus_url, sources, allow_loopback, limits: Arc::clone(limits), api_server, direct }
}

/// Waits for the watches: nobody leads before it can see, since a decision from half an index would be a wrong one. False: told to stop.
async fn lists_complete(watches: &Watches, mut signalled: impl Future<Output = Result<&'static str>> + Unpin) -> Result<bool> {
    while let Some(waiting) = watches.waiting() {
        tokio::select! {
            name = &mut signalled => {
                info!(signal = name?, "stopping before the first lists were complete");
                return Ok(false);
            }
            () = tokio::time::sleep(Duration::from_millis(50)) => tracing::trace!(%waiting, "waiting for first lists"),
        }
    }
    Ok(true)
}

/// Clients for reading and for writing, the namespace of the lease, and the API server's address, unless that is a name.
async fn clients(args: &RunArgs) -> Result<(Client, Client, String, Option<SocketAddr>)> {
    let mut config = kube_config(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    let namespace = args.lease_namespace.clone().unwrap_or_else(|| own_namespace(&config));
    let server = &config.cluster_url;
    let host = server.host().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let api_server = host.map(|host| SocketAddr::new(host, server.port_u16().unwrap_or(443)));
    // A watch ends after 20 s at most; a connection that is silent for longer is dead, and would be waited for in vain.
    config.read_timeout = Some(READ_TIMEOUT);
    let reads = Client::try_from(config.clone()).context("cannot make a client")?;
    // A retried write would be a stale one, and a retried question an answer to an older one.
    config.default_retry = false;
    let writes = Client::try_from(config).context("cannot make a client")?;
    Ok((reads, writes, namespace, api_server))
}

/// The namespace this process runs in, or the one the chart uses.
fn own_namespace(config: &Config) -> String {
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if in_cluster { config.default_namespace.clone() } else { "ballast-system".to_owned() }
}

/// Where memory is kept, unless that is switched off.
fn checkpoints(args: &RunArgs, client: &Client, namespace: &str, shards: &Shards) -> Option<(Checkpoints, Duration)> {
    let interval = Some(args.checkpoint_interval).filter(|interval| !interval.is_zero())?;
    let name = format!("{}-memory", args.lease_name);
    Some((Checkpoints::new(client.clone(), namespace, &name, shards.clone()), interval))
}

/// Unique per process: two controllers on one host, or one restarted, are not the same holder.
fn lease_options(args: &RunArgs, namespace: String) -> LeaseOptions {
    let host = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| "ballast".to_owned());
    let unique = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
    LeaseOptions {
        namespace,
        name: args.lease_name.clone(),
        identity: format!("{host}_{unique:016x}"),
        duration: args.lease_duration,
        renew_deadline: args.renew_deadline,
        retry_period: args.retry_period,
    }
}

/// Reads the configuration file again and again, and takes it into use when it has changed. A file that cannot be used leaves the last
/// good one in force and is named in the log once.
async fn follow_file(
    path: PathBuf,
    sources: Arc<Sources>,
    limits: Arc<LiveLimits>,
    defaults: Arc<LiveDefaults>,
    shutdown: CancellationToken,
) {
    let mut last = std::fs::read_to_string(&path).ok();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(REREAD) => {}
        }
        let text = tokio::fs::read_to_string(&path).await.ok();
        if text == last {
            continue;
        }
        match File::read(&path) {
            Ok(file) => {
                info!(file = %path.display(), "configuration changed");
                limits.set(file.metric_sources);
                sources.reload(file.sources);
                defaults.reload(file.defaults);
            }
            Err(error) => error!("{error}; the last good configuration stays in force"),
        }
        last = text;
    }
}

/// Waits for SIGTERM or SIGINT and names it.
async fn signal() -> Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
