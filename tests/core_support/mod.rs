//! Builders for the tests of the decision: short enough that a case reads like the rule it checks.

#![allow(dead_code)] // Each test target uses its part.

use std::time::Duration;

use ballast::core::*;
use proptest::test_runner::{Config as ProptestConfig, FileFailurePersistence};

/// Cases of a property: 10,000 in CI, fewer where somebody waits for them (`PROPTEST_CASES` sets another number). Failures are kept
/// beside the test, in `*.proptest-regressions`, and run first from then on: commit them.
pub fn properties() -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("proptest-regressions");
    let mut config = ProptestConfig { failure_persistence: Some(Box::new(kept)), max_shrink_iters: 4000, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = if std::env::var_os("CI").is_some() { 10_000 } else { 512 };
    }
    config
}

/// When the decisions take place, unless a test moves on.
pub const NOW: Time = Time::from_secs(1_000_000);

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `NOW` plus some seconds.
pub fn at(seconds: u64) -> Time {
    NOW + secs(seconds)
}

/// `NOW` minus some seconds.
pub fn ago(seconds: u64) -> Time {
    NOW - secs(seconds)
}

pub fn signal(kind: SignalKind, target: Target) -> Signal {
    Signal::new(kind, target)
}

pub fn cpu(percent: u32) -> Signal {
    signal(SignalKind::Resource { resource: "cpu".into() }, Target::Utilization(percent))
}

pub fn cpu_average(milli: f64) -> Signal {
    signal(SignalKind::Resource { resource: "cpu".into() }, Target::AverageValue(milli))
}

pub fn memory(percent: u32) -> Signal {
    signal(SignalKind::Resource { resource: "memory".into() }, Target::Utilization(percent))
}

pub fn container_cpu(percent: u32) -> Signal {
    signal(SignalKind::ContainerResource { resource: "cpu".into(), container: "app".into() }, Target::Utilization(percent))
}

pub fn pods_metric(milli: f64) -> Signal {
    signal(SignalKind::Pods { metric: "qps".into() }, Target::AverageValue(milli))
}

pub fn object(target: Target) -> Signal {
    signal(SignalKind::Object { metric: "hits".into(), kind: "Ingress".into(), name: "main".into() }, target)
}

pub fn external(target: Target) -> Signal {
    signal(SignalKind::External { metric: "queue_length".into(), selector: String::new() }, target)
}

pub fn prometheus(target: Target) -> Signal {
    signal(SignalKind::Prometheus { name: "http-requests-per-second".into() }, target)
}

/// The plain stock rule: 1 to 1000 replicas, no behavior, tolerance 10 %, scale-in window 300 s, no smoothing.
pub fn policy(signals: Vec<Signal>) -> Policy {
    Policy {
        min_replicas: 1,
        max_replicas: 1000,
        signals,
        behavior: None,
        tolerance: Tolerance { up: 0.1, down: 0.1 },
        downscale_stabilization: secs(300),
        smoothing: Smoothing::None,
        forecast: Forecast::default(),
        warm_up: WarmUp::default(),
        interval: secs(15),
        mode: Mode::Enforce,
        pause: None,
        fallback: Fallback::default(),
        zero: ScaleToZero::Off,
    }
}

pub fn rules(window: u64, select: Select, policies: &[(Amount, u64)]) -> ScalingRules {
    let policies = policies.iter().map(|&(amount, period)| RatePolicy { amount, period: secs(period) }).collect();
    ScalingRules { window: secs(window), adaptive: false, select, policies }
}

/// The behavior the API server fills in for `behavior: {}`.
pub fn default_up() -> ScalingRules {
    rules(0, Select::Max, &[(Amount::Pods(4), 15), (Amount::Percent(100), 15)])
}

pub fn default_down() -> ScalingRules {
    rules(300, Select::Max, &[(Amount::Percent(100), 15)])
}

/// A pod with its sample and its request.
#[derive(Clone, Debug)]
pub struct P {
    pub pod: Pod,
    pub sample: Option<Sample>,
    pub request: Request,
}

fn named(name: &str) -> P {
    P {
        pod: Pod {
            name: name.into(),
            phase: Phase::Running,
            deleting: false,
            start_time: Some(ago(3600)),
            ready: Some(Ready { status: true, since: ago(3590) }),
            ..Pod::default()
        },
        sample: None,
        request: Request::Milli(1000.0),
    }
}

pub fn sample(milli: f64) -> Sample {
    Sample { value: milli, time: NOW, window: secs(30) }
}

/// An old, ready pod using so many thousandths; it requests 1000.
pub fn ready(usage: f64) -> P {
    P { sample: Some(sample(usage)), ..named("web") }
}

/// A ready pod without a sample.
pub fn missing() -> P {
    named("web")
}

pub fn pending() -> P {
    named("web").phase(Phase::Pending)
}

/// A pod that is not Ready since it started 60 s ago, with a sample.
pub fn starting(usage: f64) -> P {
    ready(usage).started(60).readiness(Some((false, 60)))
}

impl P {
    pub fn phase(mut self, phase: Phase) -> Self {
        self.pod.phase = phase;
        self
    }

    pub fn deleting(mut self) -> Self {
        self.pod.deleting = true;
        self
    }

    /// Started so many seconds ago.
    pub fn started(mut self, seconds: u64) -> Self {
        self.pod.start_time = Some(ago(seconds));
        self
    }

    pub fn never_started(mut self) -> Self {
        self.pod.start_time = None;
        self
    }

    /// Status of the Ready condition and how many seconds ago it changed.
    pub fn readiness(mut self, ready: Option<(bool, u64)>) -> Self {
        self.pod.ready = ready.map(|(status, seconds)| Ready { status, since: ago(seconds) });
        self
    }

    /// Created so many seconds ago.
    pub fn created(mut self, seconds: u64) -> Self {
        self.pod.created = Some(ago(seconds));
        self
    }

    /// Created so many seconds ago and not ready since, for this reason if it is known.
    pub fn stuck(self, seconds: u64, trouble: Option<Trouble>) -> Self {
        let mut stuck = self.created(seconds).started(seconds).readiness(Some((false, seconds)));
        (stuck.pod.trouble, stuck.sample) = (trouble, None);
        stuck
    }

    /// The sample ended so many seconds ago and covers `window` seconds.
    pub fn sampled(mut self, seconds: u64, window: u64) -> Self {
        if let Some(sample) = &mut self.sample {
            (sample.time, sample.window) = (ago(seconds), secs(window));
        }
        self
    }

    pub fn requests(mut self, milli: f64) -> Self {
        self.request = Request::Milli(milli);
        self
    }

    pub fn request(mut self, request: Request) -> Self {
        self.request = request;
        self
    }
}

pub fn many(count: usize, pod: &P) -> Vec<P> {
    vec![pod.clone(); count]
}

/// An observation of one per-pod signal.
pub fn seen(spec: u32, pods: Vec<P>) -> Observation {
    let (samples, requests) = pods.iter().map(|p| (p.sample, p.request.clone())).unzip();
    observed(spec, pods, vec![Reading::PerPod { samples, requests, limits: vec![] }])
}

/// An observation with readings as given; pods get distinct names.
pub fn observed(spec: u32, pods: Vec<P>, readings: Vec<Reading>) -> Observation {
    let status = u32::try_from(pods.len()).unwrap();
    let pods = pods.into_iter().enumerate().map(|(i, p)| Pod { name: format!("{}-{i}", p.pod.name).into(), ..p.pod }).collect();
    Observation { spec_replicas: spec, status_replicas: status, pods, readings, ..Observation::default() }
}

/// An observation of one signal with a value for the whole and so many ready pods.
pub fn seen_total(spec: u32, pods: usize, milli: f64) -> Observation {
    observed(spec, many(pods, &ready(0.0)), vec![total(milli)])
}

pub fn total(milli: f64) -> Reading {
    Reading::Total(sample(milli))
}

pub fn failed(message: &str) -> Reading {
    Reading::Failed(Failure { kind: FailureKind::Unreachable, message: message.into() })
}

/// One decision of a fresh controller.
pub fn decide_once(policy: &Policy, observation: &Observation) -> Decision {
    decide(policy, &mut Memory::default(), observation, NOW)
}

/// What the first signal asks for, before windows and limits.
pub fn proposal(signal: Signal, observation: &Observation) -> Option<u32> {
    decide_once(&policy(vec![signal]), observation).signals[0].proposal
}

/// Status and reason of a condition of the decision.
pub fn condition(decision: &Decision, kind: ConditionKind) -> Option<(bool, &str)> {
    decision.conditions.iter().find(|condition| condition.kind == kind).map(|condition| (condition.status, condition.reason))
}

/// Codes of the decision's reasons.
pub fn codes(decision: &Decision) -> Vec<&'static str> {
    decision.reasons.iter().map(Reason::code).collect()
}

/// A workload over time: decisions every 15 s by one policy, with every move written and at once followed by the pods.
pub struct Story {
    pub policy: Policy,
    pub memory: Memory,
    pub replicas: u32,
    pub now: Time,
}

impl Story {
    pub fn new(policy: Policy, replicas: u32) -> Self {
        Self { policy, memory: Memory::default(), replicas, now: NOW }
    }

    /// Decides on an observation, writes the size, and moves on by `step` seconds.
    pub fn look(&mut self, observation: &Observation, step: u64) -> Decision {
        let decision = decide(&self.policy, &mut self.memory, observation, self.now);
        if decision.to != decision.from && self.policy.mode == Mode::Enforce {
            self.memory.rescaled(&self.policy, decision.from, decision.to, self.now);
            self.replicas = decision.to;
        }
        self.now = self.now + secs(step);
        decision
    }

    /// One look in which the first signal, an External value per replica with target 1000, asks for `wanted` replicas.
    pub fn wants(&mut self, wanted: u32, step: u64) -> Decision {
        let mut observation = seen_total(self.replicas, self.replicas as usize, 0.0);
        observation.readings = vec![Reading::Total(Sample { time: self.now, ..sample(f64::from(wanted) * 1000.0) })];
        self.look(&observation, step)
    }

    /// The sizes after each of the wanted ones, one look every 15 s.
    pub fn sizes(&mut self, wanted: &[u32]) -> Vec<u32> {
        wanted.iter().map(|&wanted| self.wants(wanted, 15).to).collect()
    }
}

/// A signal that asks for exactly `value / 1000` replicas outside its band.
pub fn per_replica() -> Signal {
    external(Target::AverageValue(1000.0))
}
