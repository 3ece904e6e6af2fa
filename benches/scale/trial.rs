//! One row: a contender is given its objects, settles, is watched while nothing happens, and then gets its load steps.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use kube::Client;

use crate::answers::Watch;
use crate::audit::{self, Audit};
use crate::contender::{Ground, Running};
use crate::fleet::Fleet;
use crate::helper::Helper;
use crate::names::Target;
use crate::objects::{self, STEP};
use crate::options::{Contender, Signal};
use crate::process::Processes;
use crate::results::{Row, Steady, Step};

/// What all rows have in common.
pub struct Trials<'a> {
    pub ground: Ground<'a>,
    pub client: Client,
    pub fleet: Fleet,
    pub audit: Audit,
    /// Whoever shows the load, and the processes that serve it.
    pub metrics: BTreeMap<Signal, (Helper, Processes)>,
    /// CPU of the API server without a contender.
    pub quiet: f64,
}

/// Seconds from the start of a contender to the next step, where no steady state is measured before.
const AGAIN: u64 = 30;

impl Trials<'_> {
    /// The API server's CPU while nobody asks it anything, in cores.
    pub async fn measure_quiet(&mut self) -> Result<()> {
        let server = self.api_server()?.measure()?;
        tokio::time::sleep(Duration::from_secs(15)).await;
        self.quiet = server.end()?.cores;
        Ok(())
    }

    /// Runs a row from start to end; the cluster is afterwards as before.
    pub async fn row(&mut self, contender: Contender, signal: Signal) -> Result<Row> {
        let options = self.ground.options;
        let started = Instant::now();
        let (mut steady, mut steps, mut objects_seconds) = (None, Vec::new(), 0.0);
        for _ in 0..options.steps.max(1) {
            objects_seconds = self.give(contender, signal).await?;
            let watch = Watch::start(&self.client).await?;
            let running = self.ground.start(contender, signal).await?;
            let settle = if steady.is_none() { options.settle } else { options.settle.min(AGAIN) };
            tokio::time::sleep(Duration::from_secs(settle)).await;
            if steady.is_none() {
                steady = Some(self.steady(contender, signal, &running, &watch).await?);
            }
            if options.steps > 0 {
                steps.push(self.step(contender, signal, &running, &watch).await?);
            }
            running.stop(self.ground.plane).await?;
            self.take(contender).await?;
            self.metrics_of(signal).load(1.0).await?;
            let moved = watch.moved();
            drop(watch);
            self.fleet.reset(moved).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let targets = self.fleet.targets;
        Ok(Row { contender, signal, targets, objects_seconds, steady: steady.unwrap_or_default(), steps, seconds })
    }

    async fn give(&self, contender: Contender, signal: Signal) -> Result<f64> {
        let (api, resource) = objects_of(contender);
        let time = self.fleet.give(api, resource, |target: Target| match contender {
            Contender::Hpa | Contender::HpaTuned | Contender::Keda => objects::hpa(target),
            Contender::Ballast | Contender::Ballast5s => objects::policy(target, signal),
        });
        Ok(time.await?.as_secs_f64())
    }

    async fn take(&self, contender: Contender) -> Result<()> {
        let (api, resource) = objects_of(contender);
        self.fleet.take(api, resource).await
    }

    async fn steady(&mut self, contender: Contender, signal: Signal, running: &Running, watch: &Watch) -> Result<Steady> {
        watch.forget();
        let interval = contender.interval();
        // Whole intervals, so that no phase counts twice.
        let length = Duration::from_secs(self.ground.options.steady.div_ceil(interval) * interval);
        let (server, etcd) = (self.api_server()?.measure()?, self.process("etcd")?.measure()?);
        let (own, metrics) = (running.processes.measure()?, self.metrics[&signal].1.measure()?);
        let (mark, started) = (self.audit.mark()?, Instant::now());
        tokio::time::sleep(length).await;
        let requests = self.audit.since(mark)?;
        let seconds = started.elapsed().as_secs_f64();
        let kinds = audit::kinds(&requests);
        Ok(Steady {
            seconds,
            requests: kinds.all as f64 / seconds,
            writes: kinds.writes as f64 / seconds,
            leases: kinds.leases as f64 / seconds,
            by_kind: requests.into_iter().map(|((user, what), count)| (format!("{user}: {what}"), count)).collect(),
            contender: own.end()?,
            api_server: server.end()?,
            api_server_quiet_cores: self.quiet,
            etcd_cores: etcd.end()?.cores,
            metrics_cores: metrics.end()?.cores,
            size_writes: watch.forget(),
            queries: None,
            own: BTreeMap::new(),
        })
    }

    async fn step(&mut self, contender: Contender, signal: Signal, running: &Running, watch: &Watch) -> Result<Step> {
        let phase = fastrand::f64() * contender.interval() as f64;
        tokio::time::sleep(Duration::from_secs_f64(phase)).await;
        watch.forget();
        let (server, own, mark) = (self.api_server()?.measure()?, running.processes.measure()?, self.audit.mark()?);
        let step = self.metrics_of(signal).load(STEP).await?;
        let limit = Duration::from_secs(self.ground.options.limit);
        let mut answers = watch.answers(self.fleet.targets, step, limit).await?;
        let (server, own) = (server.end()?, own.end()?);
        let requests = self.audit.since(mark)?;
        // Another interval, in which nothing more should be written.
        tokio::time::sleep(Duration::from_secs(contender.interval() + 2)).await;
        let after = watch.answers(self.fleet.targets, step, Duration::ZERO).await?;
        (answers.writes, answers.elsewhere) = (after.writes, after.elsewhere);
        let mut step = Step::new(&answers, self.fleet.targets, phase);
        step.requests = audit::kinds(&requests).all;
        (step.contender, step.api_server_cores) = (own, server.cores);
        Ok(step)
    }

    fn metrics_of(&mut self, signal: Signal) -> &mut Helper {
        &mut self.metrics.get_mut(&signal).expect("every chosen signal was started").0
    }

    fn api_server(&self) -> Result<Processes> {
        self.process("kube-apiserver")
    }

    fn process(&self, name: &str) -> Result<Processes> {
        process(self.ground.plane, name)
    }
}

/// A process of the plane.
pub fn process(plane: &Path, name: &str) -> Result<Processes> {
    let pid = std::fs::read_to_string(plane.join("pids").join(name))?;
    Ok(Processes(vec![pid.trim().parse()?]))
}

fn objects_of(contender: Contender) -> (&'static str, &'static str) {
    match contender {
        Contender::Hpa | Contender::HpaTuned => ("apis/autoscaling/v2", "horizontalpodautoscalers"),
        Contender::Ballast | Contender::Ballast5s => ("apis/ballast.dev/v1alpha1", "scalepolicies"),
        Contender::Keda => ("apis/keda.sh/v1alpha1", "scaledobjects"),
    }
}
