//! The real side: the simulator with the real stock autoscaler in it.

use std::time::Duration;

use ballast::core::{Observation, Pod, Reading, Sample, Signal, SignalKind};
use ballast::sim::{Autoscaler, Cluster, Look, run};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::api::{Asks, Call, Calls, GROUP};
use super::clock::{Clock, LATE, LOOK, PACE, SYNC};
use super::list::Series;
use super::pods::{APP, Mirror};
use super::simulated::{Row, plan, policy, simulate};
use crate::plane_support::{Plane, ensure_namespace, now};
use crate::twin::conditions;

/// Longest time between two calls of the autoscaler; only a failure ever takes this long.
const SILENCE: Duration = Duration::from_secs(60);
/// Time that the pods' changes are given to reach the autoscaler's informer.
const SETTLE: Duration = Duration::from_millis(200);
/// Runs of one series: the machine may be too slow for the first ones.
const TRIES: usize = 3;

/// What both sides made of a series.
pub struct Comparison {
    pub series: Series,
    pub real: Vec<Row>,
    pub simulated: Vec<Row>,
}

impl Comparison {
    /// Looks at which they agree.
    pub fn equal(&self) -> usize {
        self.real.iter().zip(&self.simulated).filter(|(real, simulated)| real.agrees(simulated)).count()
    }

    /// The first look at which they differ.
    pub fn difference(&self) -> Option<(&Row, &Row)> {
        assert_eq!(self.real.len(), self.simulated.len(), "{}: looks", self.series.name);
        self.real.iter().zip(&self.simulated).find(|(real, simulated)| !real.agrees(simulated))
    }
}

/// Runs a series on both sides. Where they differ and a look was too late, nothing can be said, and it is run again.
pub async fn compare(plane: &'static Plane, calls: Calls, series: Series) -> Comparison {
    for attempt in 1.. {
        let (plane, calls, own) = (plane, calls.clone(), series.clone());
        let namespace = format!("{}-{attempt}", series.name);
        ensure_namespace(&plane.client, &namespace).await;
        let handle = Handle::current();
        let (real, latest) =
            tokio::task::spawn_blocking(move || Real::new(plane, &calls, namespace, &own, handle).run(&own)).await.unwrap();
        let seconds: Vec<u64> = real.iter().map(|row| row.second).collect();
        let simulated = simulate(&series, &series.setup, &policy(&series), &seconds);
        let comparison = Comparison { series: series.clone(), real, simulated };
        if comparison.difference().is_none() || latest < SYNC + LATE || attempt == TRIES {
            return comparison;
        }
        println!("{}: run again, as a look was over only after {} ms", series.name, latest.as_millis());
    }
    unreachable!("attempts end")
}

/// kube-controller-manager as the autoscaler of a model cluster.
struct Real {
    handle: Handle,
    plane: &'static Plane,
    /// Also the name of its object, as its log names no namespace.
    namespace: String,
    /// The object to create.
    autoscaler: DynamicObject,
    min: u32,
    signals: Vec<Signal>,
    calls: mpsc::UnboundedReceiver<Call>,
    pods: Mirror,
    clock: Option<Clock>,
    /// The call with which the next look has begun.
    begun: Option<oneshot::Sender<Value>>,
    rows: Vec<Row>,
    /// Version of the autoscaler's object at the end of the last look.
    version: Option<String>,
    /// Looks that did not write its status: mostly because nothing changed.
    unwritten: Vec<usize>,
    latest: Duration,
}

impl Autoscaler for Real {
    fn min_replicas(&self) -> u32 {
        self.min
    }

    fn look(&mut self, cluster: &mut Cluster<'_>) -> Look {
        let (second, time) = (cluster.second(), cluster.now());
        let seen = cluster.observe(&self.signals).clone();
        let clock = *self.clock.get_or_insert_with(|| Clock::start(time));
        let handle = self.handle.clone();
        handle.block_on(self.look_at(second, &seen, clock))
    }
}

impl Real {
    fn new(plane: &'static Plane, calls: &Calls, namespace: String, series: &Series, handle: Handle) -> Self {
        let policy = policy(series);
        let mut autoscaler = DynamicObject::new(&namespace, &kind());
        autoscaler.data = json!({"spec": series.spec()});
        Self {
            handle,
            plane,
            autoscaler,
            min: policy.min_replicas,
            signals: policy.signals,
            calls: calls.of(&namespace),
            pods: Mirror::new(Api::namespaced(plane.client.clone(), &namespace)),
            namespace,
            clock: None,
            begun: None,
            rows: Vec::new(),
            version: None,
            unwritten: Vec::new(),
            latest: Duration::ZERO,
        }
    }

    /// What it did, and how long after its time the latest look was over.
    fn run(mut self, series: &Series) -> (Vec<Row>, Duration) {
        let plan = plan(series, &series.setup);
        // What is not modelled would fail on both sides alike.
        assert_eq!(plan.check(&self.signals), [], "{}", series.name);
        run(plan, &mut self, |_, _| {});
        let handle = self.handle.clone();
        handle.block_on(self.api().delete(&self.namespace, &DeleteParams::default())).unwrap();
        // With an old object in its cache it decides as ever, but its conditions are lost: an unwritten status then says nothing.
        if self.conflicts() {
            self.unwritten.iter().for_each(|look| self.rows[*look].conditions = None);
        }
        (self.rows, self.latest)
    }

    /// Whether a status was not written, by its log: Events of one object are held back after the first 25.
    fn conflicts(&self) -> bool {
        let log = std::fs::read_to_string(self.plane.dir.join("logs/hpa.log")).unwrap();
        log.contains(&format!("failed to update status for {}:", self.namespace))
    }

    async fn look_at(&mut self, second: u64, seen: &Observation, mut clock: Clock) -> Look {
        self.pods.show(&seen.pods, &clock).await;
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.create().await,
        };
        let _ = begun.send(self.scale(seen.spec_replicas, seen.status_replicas));
        let (mut size, mut first) = (seen.spec_replicas, self.rows.is_empty());
        let signals = self.signals.clone();
        let mut readings = signals.iter().zip(&seen.readings);
        // Out of bounds it asks for no metrics.
        self.begun = loop {
            let Call { asks, answer } = self.next().await;
            if std::mem::take(&mut first) {
                clock.real = now();
                self.clock = Some(clock);
            }
            match asks {
                Asks::Metric => {
                    let Some((signal, reading)) = readings.next() else { panic!("{} at {second} s: one metric too many", self.namespace) };
                    clock.wait(second).await;
                    let _ = answer.send(metrics(signal, reading, &seen.pods, &clock));
                }
                Asks::Size(wanted) => {
                    size = wanted;
                    let _ = answer.send(self.scale(wanted, seen.status_replicas));
                }
                Asks::Scale => break Some(answer),
            }
        };
        let over = clock.since(second);
        self.latest = self.latest.max(over);
        let object = self.api().get(&self.namespace).await.unwrap();
        if object.metadata.resource_version == self.version {
            self.unwritten.push(self.rows.len());
        }
        self.rows.push(Row { second, size, conditions: Some(conditions(&object)) });
        self.version = object.metadata.resource_version;
        let looks = (over + SETTLE).as_millis().div_ceil(PACE.as_millis());
        Look { replicas: size, next: Duration::from_secs(LOOK * u64::try_from(looks).unwrap()), decision: None }
    }

    /// Creates the autoscaler, and waits until it looks.
    async fn create(&mut self) -> oneshot::Sender<Value> {
        tokio::time::sleep(SETTLE).await;
        self.api().create(&PostParams::default(), &self.autoscaler).await.unwrap();
        let Call { asks, answer } = self.next().await;
        assert_eq!(asks, Asks::Scale, "{}", self.namespace);
        answer
    }

    async fn next(&mut self) -> Call {
        let call = tokio::time::timeout(SILENCE, self.calls.recv()).await;
        call.unwrap_or_else(|_| panic!("{}: the real autoscaler asks for nothing", self.namespace)).unwrap()
    }

    fn api(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.plane.client.clone(), &self.namespace, &kind())
    }

    fn scale(&self, spec: u32, status: u32) -> Value {
        json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": self.namespace},
            "spec": {"replicas": spec}, "status": {"replicas": status, "selector": format!("app={APP}")},
        })
    }
}

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("autoscaling", "v2", "HorizontalPodAutoscaler"))
}

/// `scaleTargetRef` of the model.
pub fn target() -> Value {
    let (group, version) = GROUP;
    json!({"apiVersion": format!("{group}/{version}"), "kind": "Model", "name": "web"})
}

/// A reading as the metrics APIs give it, in whole thousandths.
fn metrics(signal: &Signal, reading: &Reading, pods: &[Pod], clock: &Clock) -> Value {
    let milli = |value: f64| format!("{}m", value.round());
    let items: Vec<Value> = match reading {
        Reading::PerPod { samples, .. } => {
            let usage = |(pod, sample): (&Pod, &Option<Sample>)| {
                let Sample { value, time, window } = (*sample)?;
                Some(json!({
                    "metadata": {"name": pod.name, "labels": {"app": APP}}, "timestamp": clock.unscaled(time),
                    "window": format!("{}s", window.as_secs()), "containers": [{"name": "app", "usage": {"cpu": milli(value)}}],
                }))
            };
            pods.iter().zip(samples).filter_map(usage).collect()
        }
        Reading::Total(Sample { value, time, .. }) => {
            vec![json!({"metricName": "load", "metricLabels": {}, "timestamp": clock.unscaled(*time), "value": milli(*value)})]
        }
        Reading::Failed(_) => vec![],
    };
    let (kind, version) = match signal.kind {
        SignalKind::Resource { .. } => ("PodMetricsList", "metrics.k8s.io/v1beta1"),
        _ => ("ExternalMetricValueList", "external.metrics.k8s.io/v1beta1"),
    };
    json!({"kind": kind, "apiVersion": version, "metadata": {}, "items": items})
}
