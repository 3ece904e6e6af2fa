//! The terminal page of `ballast explain`, for decisions that the core made. `UPDATE=1 cargo test --test report_page` writes the pages anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use ballast::api::conditions::merge;
use ballast::api::report::{count, current_metrics, decision_status, metrics_text};
use ballast::api::status::ScaleEvent;
use ballast::api::time::from_core;
use ballast::api::{Compiled, Defaults, ScalePolicy, ScalePolicyStatus, compile};
use ballast::core::{
    Decision, Failure, FailureKind, Memory, Observation, Origin, Phase, Pod, Poll, Reading, Ready, Request, Sample, Time, Trouble, Verdict,
    Way, Writer, decide,
};
use ballast::report::{Line, PolicyHistory, Reader, Record, Ring, StatusTable, View, history_page, page};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

const START: &str = "2026-07-01T12:00:00Z";

/// A policy on CPU and requests over time: each look decides, and moves are written.
struct Story {
    policy: ScalePolicy,
    compiled: Compiled,
    status: ScalePolicyStatus,
    memory: Memory,
    ring: Ring,
    last: Option<Decision>,
    replicas: u32,
    now: Time,
    /// Who set `replicas`, if not the policy.
    writer: Option<Writer>,
    /// How many of the pods never started.
    broken: u32,
    /// Who gave the requests.
    origin: Option<Origin>,
}

impl Story {
    fn new(more: &Value, replicas: u32) -> Self {
        let mut spec = json!({
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "minReplicas": 2, "maxReplicas": 12,
            "smoothing": { "type": "None" },
            "metrics": [
                { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } },
                { "type": "Prometheus", "prometheus": { "name": "http-requests-per-second", "query": "sum(rate(http_requests_total[1m]))",
                    "target": { "type": "AverageValue", "averageValue": "20" } } },
            ],
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut policy = ScalePolicy::new("web", serde_json::from_value(spec).unwrap());
        (policy.metadata.namespace, policy.metadata.generation) = (Some("shop".into()), Some(1));
        let compiled = compile(&policy, &Defaults::default()).unwrap();
        let now = Time::from_millis(START.parse::<Timestamp>().unwrap().as_millisecond());
        let (status, memory, ring) = Default::default();
        Self { policy, compiled, status, memory, ring, last: None, replicas, now, writer: None, broken: 0, origin: None }
    }

    /// Looks once: CPU in thousandths of a core over all pods, requests per second, `None`: the query failed.
    fn look(&mut self, cpu: f64, requests: Option<f64>) -> &mut Self {
        let (now, replicas) = (self.now, self.replicas);
        let ready = Some(Ready { status: true, since: now - Duration::from_hours(1) });
        let pod = |index| Pod {
            name: format!("web-{index}").into(),
            phase: Phase::Running,
            deleting: false,
            start_time: Some(now - Duration::from_hours(2)),
            ready: ready.map(|ready| Ready { status: index < replicas - self.broken, ..ready }),
            trouble: (index >= replicas - self.broken).then_some(Trouble::Crash),
            ..Pod::default()
        };
        let each =
            Sample { value: (cpu / f64::from(replicas)).round(), time: now - Duration::from_secs(12), window: Duration::from_secs(15) };
        let message =
            "Prometheus at http://prometheus.monitoring:9090 said 503 Service Unavailable: the query queue is full, try again later";
        let requests = requests.map_or_else(
            || Reading::Failed(Failure { kind: FailureKind::Unreachable, message: message.into() }),
            |rate| Reading::Total(Sample { value: rate * 1000.0, time: now, window: Duration::from_mins(1) }),
        );
        let pods = usize::try_from(replicas).unwrap();
        let observation = Observation {
            spec_replicas: replicas,
            status_replicas: replicas,
            pods: (0..replicas).map(pod).collect(),
            readings: vec![
                Reading::PerPod { samples: vec![Some(each); pods], requests: vec![Request::Milli(100.0); pods], limits: vec![] },
                requests,
            ],
            origins: vec![None, self.origin.clone().map(Into::into)],
            writer: self.writer.take(),
            ..Observation::default()
        };
        let decision = decide(&self.compiled.policy, &mut self.memory, &observation, now);
        self.ring.push(&decision, &decision.headline());
        self.show(&decision);
        if decision.to != decision.from && self.policy.spec.mode == ballast::api::scale_policy::Mode::Enforce {
            self.memory.rescaled(&self.compiled.policy, decision.from, decision.to, now);
            self.replicas = decision.to;
            let event =
                ScaleEvent { time: from_core(now), from: count(decision.from), to: count(decision.to), reason: decision.headline() };
            self.status.scale_events.insert(0, event);
        }
        self.last = Some(decision);
        self.now = now + Duration::from_secs(15);
        self
    }

    fn looks(&mut self, times: usize, cpu: f64, requests: f64) -> &mut Self {
        for _ in 0..times {
            self.look(cpu, Some(requests));
        }
        self
    }

    fn show(&mut self, decision: &Decision) {
        self.status.current_replicas = Some(count(decision.from));
        if decision.verdict != Verdict::Unknown {
            self.status.desired_replicas = Some(count(decision.to));
        }
        self.status.observed_generation = Some(1);
        merge(&mut self.status.conditions, &decision.conditions, Some(1), &from_core(decision.time));
        self.status.current_metrics = current_metrics(&self.compiled, &decision.signals);
        self.status.decision = Some(decision_status(decision));
    }

    fn of_status(&self) -> Record {
        Record::of(&self.policy, &self.status, Ok(&self.compiled))
    }

    fn of_controller(&self) -> Record {
        let mut record = self.of_status().with(&self.compiled, self.last.as_ref().unwrap());
        record.history = Some(self.ring.history());
        // What the controller says arrives as JSON.
        serde_json::from_value(serde_json::to_value(record).unwrap()).unwrap()
    }

    /// Three seconds after the last look.
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond((self.now - Duration::from_secs(12)).as_millis()).unwrap()
    }

    /// As a line of `ballast status`, under another name.
    fn line(&self, name: &str) -> Line {
        let mut record = self.of_status();
        (record.name, record.target) = (name.into(), format!("Deployment/{name}"));
        let metrics = metrics_text(&self.compiled, &self.last.as_ref().unwrap().signals);
        Line { record, metrics, created: Some("2026-06-20T08:00:00Z".parse().unwrap()), deleted: false }
    }

    fn golden(&self, name: &str, width: usize) {
        golden(name, &self.of_controller(), self.now(), width, None);
    }
}

/// Compares the page without styles with `tests/golden/explain-NAME.txt`.
fn golden(name: &str, record: &Record, now: Timestamp, width: usize, note: Option<&str>) {
    let styled = page(record, &View { now, zone: &TimeZone::UTC, width, note });
    committed(&format!("explain-{name}"), &styled, width);
}

/// The same for `ballast history`.
fn golden_history(name: &str, record: &Record, now: Timestamp) {
    let view = View { now, zone: &TimeZone::UTC, width: 90, note: None };
    committed(&format!("history-{name}"), &history_page(&PolicyHistory::of(record, now), record, &view, 6), 90);
}

fn committed(name: &str, styled: &str, width: usize) {
    let text = anstream::adapter::strip_str(styled).to_string();
    for line in text.lines() {
        assert!(line.chars().count() <= width, "wider than {width}: {line}");
        assert_eq!(line.trim_end(), line, "blanks at the end of a line");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{} differs; if this is right: UPDATE=1 cargo test --test report_page\n{text}", path.display());
}

/// Load that rose and fell: 4 → 9, and back to 4 that the window holds.
fn held() -> Story {
    let mut story = Story::new(&json!({}), 4);
    story.looks(20, 200.0, 70.0).looks(2, 300.0, 110.0).looks(12, 440.0, 150.0).looks(6, 300.0, 110.0).looks(10, 200.0, 70.0);
    story
}

#[test]
fn held_by_the_window() {
    held().golden("held-80", 80);
    held().golden("held-120", 120);
}

#[test]
fn who_gave_a_value() {
    let mut story = Story::new(&json!({}), 4);
    story.looks(3, 200.0, 70.0);
    story.origin = Some(Origin::Pods(Poll { answered: 4, asked: 4, of: 4, error: None }));
    story.look(200.0, Some(150.0)).golden("pods-asked", 90);
    let why = "the pods themselves: 1 of 8 pods have a value of their own, 7 did not answer; web-3: no answer within 1 s";
    story.origin = Some(Origin::Source { why: why.into() });
    story.look(400.0, Some(150.0)).golden("source-asked", 90);
    golden("source-asked-status", &story.of_status(), story.now(), 90, None);
}

#[test]
fn held_as_the_status_alone_tells_it() {
    let story = held();
    let note = "From the policy's status; the controller was not reached: pods is forbidden";
    golden("held-status", &story.of_status(), story.now(), 100, Some(note));
}

#[test]
fn the_history_has_sizes_demand_and_decisions_on_one_axis() {
    let story = held();
    golden_history("held", &story.of_controller(), story.now());
    golden_history("status", &story.of_status(), story.now());
}

/// The pictures of docs/images are what the commands print, in the colours of a terminal.
#[test]
fn the_pictures_of_the_plugin() {
    let story = held();
    let (now, record, zone) = (story.now(), story.of_controller(), TimeZone::UTC);
    let view = View { now, zone: &zone, width: 100, note: None };
    picture("kubectl-history", "kubectl ballast history web", &history_page(&PolicyHistory::of(&record, now), &record, &view, 6));

    let pause = json!({ "pause": { "direction": "Up", "reason": "load test", "by": "ann", "until": "2026-07-01T13:30:00Z" } });
    let [mut paused, mut steady, mut grows, mut failed] = [&pause, &json!({}), &json!({}), &json!({})].map(|more| Story::new(more, 4));
    paused.looks(50, 400.0, 70.0);
    steady.looks(50, 200.0, 70.0);
    grows.looks(49, 200.0, 70.0).look(300.0, Some(110.0));
    failed.looks(48, 200.0, 70.0).look(150.0, None).look(150.0, None);
    let lines = [paused.line("checkout"), failed.line("search"), grows.line("shop-api"), steady.line("stock"), story.line("web")];
    let reader = Reader { now, zone: &zone, width: usize::MAX };
    picture("kubectl-status", "kubectl ballast status --watch", &StatusTable::new(false, false).page(&lines, &reader));
}

/// Compares what a terminal shows with `docs/images/NAME.svg`.
fn picture(name: &str, call: &str, page: &str) {
    let svg = anstyle_svg::Term::new().palette(anstyle_svg::WIN10_CONSOLE).render_svg(&format!("$ {call}\n{page}"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/images/{name}.svg"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &svg).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == svg, "{} differs; if this is right: UPDATE=1 cargo test --test report_page", path.display());
}

#[test]
fn steady_tells_when_it_would_move() {
    Story::new(&json!({}), 4).looks(5, 200.0, 70.0).golden("steady", 100);
    Story::new(&json!({}), 2).looks(5, 100.0, 35.0).golden("steady-at-minimum", 100);
}

#[test]
fn cut_by_a_rate_and_by_the_maximum() {
    let rate = json!({ "behavior": { "scaleUp": { "policies": [{ "type": "Pods", "value": 2, "periodSeconds": 60 }] } } });
    Story::new(&rate, 4).looks(4, 200.0, 70.0).looks(1, 520.0, 70.0).golden("scale-up-cut", 100);
    Story::new(&rate, 4).looks(4, 200.0, 70.0).looks(2, 520.0, 70.0).golden("held-by-rate", 100);
    Story::new(&json!({}), 4).looks(2, 200.0, 70.0).looks(9, 800.0, 300.0).golden("held-by-maximum", 100);
    Story::new(&json!({}), 3).looks(30, 150.0, 50.0).looks(1, 220.0, 50.0).golden("scale-up", 100);
    Story::new(&json!({}), 2).looks(5, 20.0, 7.0).golden("held-at-minimum", 100);
    Story::new(&json!({}), 2).looks(25, 20.0, 7.0).golden("held-by-minimum", 100);
    Story::new(&json!({}), 4).looks(5, 20.0, 7.0).golden("held-above-minimum", 100);
}

#[test]
fn a_pause_with_its_end_and_its_owner() {
    let pause = json!({ "pause": { "direction": "Up", "reason": "load test", "by": "ann", "until": "2026-07-01T13:30:00Z" } });
    Story::new(&pause, 4).looks(9, 400.0, 70.0).golden("paused", 100);
    Story::new(&pause, 4).looks(9, 200.0, 70.0).golden("pause-idle", 100);
}

#[test]
fn recommended_only() {
    Story::new(&json!({ "mode": "Recommend" }), 4).looks(9, 400.0, 70.0).golden("recommend", 100);
}

#[test]
fn an_unknown_signal_keeps_the_size() {
    let mut story = Story::new(&json!({}), 6);
    story.looks(8, 300.0, 110.0);
    for _ in 0..4 {
        story.look(200.0, None);
    }
    story.golden("unknown", 100);
}

#[test]
fn another_writer_undoes_each_move() {
    let mut story = Story::new(&json!({}), 4);
    story.looks(4, 200.0, 70.0);
    for _ in 0..3 {
        story.look(300.0, Some(110.0));
        assert_eq!(story.replicas, 6);
        story.replicas = 4;
        story.writer = Some(Writer::Manager { name: "argocd-controller".into(), way: Way::Apply });
    }
    story.look(300.0, Some(110.0)).golden("contested", 100);
}

#[test]
fn pods_that_do_not_start_stop_growth() {
    let mut story = Story::new(&json!({}), 4);
    story.looks(4, 200.0, 70.0).look(200.0, Some(155.0));
    story.broken = 5;
    story.looks(2, 200.0, 300.0).golden("pods-not-starting", 100);
}

/// CPU drives, and the second signal, whose target is 0.8, has another role.
fn watched(role: &str) -> Story {
    let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } });
    let other = json!({ "type": "Prometheus", "role": role, "prometheus": { "name": "share-of-limit", "query": "max(share)",
        "target": { "type": "Value", "value": "0.8" } } });
    let free = json!({ "scaleDown": { "stabilizationWindowSeconds": 30 } });
    Story::new(&json!({ "metrics": [cpu, other], "behavior": free }), 6)
}

#[test]
fn a_guard_and_a_brake_say_what_they_hold() {
    watched("Guard").looks(4, 300.0, 0.5).looks(4, 100.0, 0.93).golden("guarded", 100);
    watched("Guard").looks(4, 300.0, 0.5).looks(4, 100.0, 0.93).looks(1, 100.0, 0.6).golden("guarded-lately", 100);
    watched("Brake").looks(4, 300.0, 0.5).looks(1, 500.0, 1.2).golden("braked", 100);
    watched("Brake").looks(4, 300.0, 0.5).look(500.0, None).golden("brake-unknown", 100);
}

#[test]
fn a_bad_spec_and_a_policy_nobody_decided() {
    let story = Story::new(&json!({}), 4);
    golden("new", &story.of_status(), story.now(), 100, None);
    let mut policy = story.policy.clone();
    policy.spec.min_replicas = Some(20);
    let errors = compile(&policy, &Defaults::default()).unwrap_err();
    golden("bad", &Record::of(&policy, &ScalePolicyStatus::default(), Err(&errors)), story.now(), 100, None);
}

/// What is printed and served is what the types say: nothing is lost between controller and command.
#[test]
fn the_record_as_json() {
    let mut record = held().of_controller();
    record.history.as_mut().unwrap().points.truncate(2);
    let text = serde_json::to_string_pretty(&record).unwrap() + "\n";
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/record.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "if this is right: UPDATE=1 cargo test --test report_page");
}

#[test]
fn a_forecast_says_what_it_would_ask_for_and_why_it_is_trusted() {
    let more = json!({ "smoothing": { "type": "Smooth" }, "forecast": { "mode": "Shadow", "horizonSeconds": 120 } });
    let mut story = Story::new(&more, 4);
    // From noon until a minute before nine on the fourth day; from nine to eleven there is twice as much to do.
    for look in 0..(69 * 240 - 4) {
        let hour = (12 + look / 240) % 24;
        story.look(f64::from(story.replicas) * 40.0, Some(if (9..11).contains(&hour) { 140.0 } else { 70.0 }));
    }
    story.golden("forecast", 80);
}
