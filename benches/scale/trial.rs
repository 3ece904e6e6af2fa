//! One row: a contender is given its objects, settles, is watched while nothing happens, and then gets its load steps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use kube::Client;

use crate::answers::Watch;
use crate::audit::{self, Audit};
use crate::contender::{Ground, Running};
use crate::fleet::Fleet;
use crate::helper::Helper;
use crate::names::{PODS, Target};
use crate::objects::{self, STEP};
use crate::options::{Contender, Signal};
use crate::own::Histogram;
use crate::process::Processes;
use crate::results::{Row, Steady, Step};

/// What is written once at the beginning is no steady state: Ballast's first checkpoint comes after 30 s.
const BEGINNING: Duration = Duration::from_secs(45);

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
        let wanted = options.steps_of(contender, signal);
        for _ in 0..wanted.max(1) {
            self.calm(signal).await?;
            let watch = Watch::start(&self.client).await?;
            // KEDA's kinds come with it, and its objects can't be deleted without it.
            let late = contender == Contender::Keda;
            if !late {
                objects_seconds = self.give(contender, signal).await?;
            }
            let running = self.ground.start(contender, signal).await?;
            if late {
                objects_seconds = self.give(contender, signal).await?;
            }
            let settled = self.settle(contender).await?;
            if steady.is_none() {
                let measured = self.steady(contender, signal, &running, &watch).await?;
                steady = Some(Steady { settled_after: settled, ..measured });
            }
            if wanted > 0 {
                steps.push(self.step(contender, signal, &running, &watch).await?);
            }
            if late {
                self.take(contender).await?;
            }
            running.stop(self.ground.plane).await?;
            if !late {
                self.take(contender).await?;
            }
            self.metrics_of(signal).load(1.0).await?;
            self.fleet.reset(watch.moved()).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let targets = self.fleet.targets;
        Ok(Row { contender, signal, targets, objects_seconds, steady: steady.unwrap_or_default(), steps, seconds })
    }

    /// Waits for the end of the beginning: until as many statuses have been written as there are targets, and then for a last interval. Gives
    /// the seconds until all had theirs, or nothing if it was too long.
    async fn settle(&self, contender: Contender) -> Result<Option<f64>> {
        let (mut mark, started) = (self.audit.mark()?, Instant::now());
        let limit = Duration::from_secs(self.ground.options.settle);
        let interval = Duration::from_secs(contender.interval().max(15));
        let mut statuses = 0;
        loop {
            let requests = self.audit.since(&mut mark)?;
            statuses += requests.iter().filter(|((_, what), _)| is_status(what)).map(|(_, count)| count).sum::<u64>();
            if statuses >= self.fleet.targets as u64 {
                break;
            }
            if started.elapsed() > limit {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let seconds = started.elapsed();
        tokio::time::sleep(interval.max(BEGINNING.saturating_sub(seconds))).await;
        Ok(Some(seconds.as_secs_f64()))
    }

    async fn give(&self, contender: Contender, signal: Signal) -> Result<f64> {
        let (api, resource) = objects_of(contender);
        let time = self.fleet.give(api, resource, |target: Target| match contender {
            Contender::Hpa | Contender::HpaTuned => objects::hpa(target),
            Contender::Keda => objects::scaled_object(target, self.ground.prometheus.as_ref().map_or("", |server| &server.url)),
            Contender::Ballast | Contender::Ballast5s => objects::policy(target, signal),
        });
        Ok(time.await?.as_secs_f64())
    }

    async fn take(&self, contender: Contender) -> Result<()> {
        let (api, resource) = objects_of(contender);
        self.fleet.take(api, resource).await?;
        if contender == Contender::Keda {
            // Its operator has to let go of each, and nobody collects what belonged to them.
            self.fleet.gone(api, resource).await?;
            self.fleet.take("apis/autoscaling/v2", "horizontalpodautoscalers").await?;
        }
        Ok(())
    }

    /// Waits until Prometheus has forgotten the last step; the metrics API has at once.
    async fn calm(&self, signal: Signal) -> Result<()> {
        match &self.ground.prometheus {
            Some(prometheus) if signal == Signal::Prometheus => prometheus.calm(self.fleet.targets * PODS).await,
            _ => Ok(()),
        }
    }

    async fn queries(&self, signal: Signal) -> Result<Option<f64>> {
        match &self.ground.prometheus {
            Some(prometheus) if signal == Signal::Prometheus => prometheus.queries().await.map(Some),
            _ => Ok(None),
        }
    }

    async fn steady(&mut self, contender: Contender, signal: Signal, running: &Running, watch: &Watch) -> Result<Steady> {
        watch.forget();
        let interval = contender.interval();
        // Whole intervals, so that no phase counts twice.
        let length = Duration::from_secs(self.ground.options.steady.div_ceil(interval) * interval);
        let (server, etcd) = (self.api_server()?.measure()?, self.process("etcd")?.measure()?);
        let (own, metrics) = (running.processes.measure()?, self.metrics[&signal].1.measure()?);
        let (lateness, queries) = (running.lateness().await?, self.queries(signal).await?);
        let (mut mark, started) = (self.audit.mark()?, Instant::now());
        tokio::time::sleep(length).await;
        let requests = self.audit.since(&mut mark)?;
        let seconds = started.elapsed().as_secs_f64();
        let kinds = audit::kinds(&requests);
        Ok(Steady {
            settled_after: None,
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
            queries: queries.zip(self.queries(signal).await?).map(|(before, after)| (after - before) / seconds * interval as f64),
            own: own_figures(lateness.as_ref(), running).await?,
        })
    }

    async fn step(&mut self, contender: Contender, signal: Signal, running: &Running, watch: &Watch) -> Result<Step> {
        let phase = fastrand::f64() * contender.interval() as f64;
        tokio::time::sleep(Duration::from_secs_f64(phase)).await;
        watch.forget();
        let (server, own, mut mark) = (self.api_server()?.measure()?, running.processes.measure()?, self.audit.mark()?);
        let lateness = running.lateness().await?;
        let step = self.metrics_of(signal).load(STEP).await?;
        let limit = Duration::from_secs(self.ground.options.limit);
        let mut answers = watch.answers(self.fleet.targets, step, limit).await?;
        let (server, own) = (server.end()?, own.end()?);
        let requests = self.audit.since(&mut mark)?;
        let late = own_figures(lateness.as_ref(), running).await?;
        // Another interval, in which nothing more should be written.
        tokio::time::sleep(Duration::from_secs(contender.interval() + 2)).await;
        let after = watch.answers(self.fleet.targets, step, Duration::ZERO).await?;
        (answers.writes, answers.elsewhere) = (after.writes, after.elsewhere);
        let mut step = Step::new(&answers, self.fleet.targets, phase);
        step.requests = audit::kinds(&requests).all;
        (step.contender, step.api_server_cores, step.own) = (own, server.cores, late);
        Ok(step)
    }

    fn metrics_of(&mut self, signal: Signal) -> &mut Helper {
        &mut self.metrics.get_mut(&signal).expect("every chosen signal was started").0
    }

    fn api_server(&self) -> Result<Processes> {
        self.process("kube-apiserver")
    }

    fn process(&self, name: &str) -> Result<Processes> {
        Processes::of_plane(self.ground.plane, &[name])
    }
}

async fn own_figures(earlier: Option<&Histogram>, running: &Running) -> Result<BTreeMap<String, f64>> {
    Ok(running.lateness().await?.zip(earlier).map(|(now, earlier)| now.since(earlier)).unwrap_or_default())
}

fn is_status(what: &str) -> bool {
    what.ends_with(" horizontalpodautoscalers/status") || what.ends_with(" scalepolicies/status")
}

fn objects_of(contender: Contender) -> (&'static str, &'static str) {
    match contender {
        Contender::Hpa | Contender::HpaTuned => ("apis/autoscaling/v2", "horizontalpodautoscalers"),
        Contender::Ballast | Contender::Ballast5s => ("apis/ballast.dev/v1alpha1", "scalepolicies"),
        Contender::Keda => ("apis/keda.sh/v1alpha1", "scaledobjects"),
    }
}
