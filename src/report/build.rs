//! From a policy, its status and, where there is one, the whole decision to the record.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::record::{
    ClampRecord, ConditionRecord, DecisionRecord, EstimateRecord, ForecastRecord, OriginRecord, PauseRecord, ReasonRecord, Record,
    ScaleRecord, SignalRecord, Summary, ToleranceRecord,
};
use crate::api::report::{signal_reports, value_and_target};
use crate::api::status::{DecisionStatus, MetricStatus, OriginStatus};
use crate::api::{Compiled, FieldError, ScalePolicy, ScalePolicyStatus};
use crate::core::forecast::Outlook;
use crate::core::reason::Unit;
use crate::core::{self, Clamp, Current, Decision, Origin, Poll, Reason, Role, Signal, SignalReport, Target, Verdict};
use crate::source::Query;

impl Record {
    /// What the policy and its status tell. `compiled` is what the spec says, or what is wrong with it.
    pub fn of(policy: &ScalePolicy, status: &ScalePolicyStatus, compiled: Result<&Compiled, &[FieldError]>) -> Self {
        let spec = &policy.spec;
        let target = format!("{}/{}", spec.scale_target_ref.kind, spec.scale_target_ref.name);
        let pause = spec.pause.as_ref().map(|pause| PauseRecord {
            direction: format!("{:?}", pause.direction),
            until: pause.until.as_ref().map(|until| until.0),
            reason: pause.reason.clone(),
            by: pause.by.clone(),
        });
        let condition = |c: &Condition| ConditionRecord {
            kind: c.type_.clone(),
            status: c.status.clone(),
            since: Some(c.last_transition_time.0),
            reason: c.reason.clone(),
            message: c.message.clone(),
        };
        let events = status.scale_events.iter();
        Self {
            namespace: policy.metadata.namespace.clone().unwrap_or_default(),
            name: policy.metadata.name.clone().unwrap_or_default(),
            target,
            mode: format!("{:?}", spec.mode),
            min_replicas: count(spec.min_replicas.unwrap_or(1)),
            max_replicas: count(spec.max_replicas),
            interval_seconds: spec.interval_seconds.map(|seconds| u64::from(count(seconds))),
            tolerance: None,
            current_replicas: status.current_replicas.map(count),
            desired_replicas: status.desired_replicas.map(count),
            edited: status.observed_generation.is_some() && status.observed_generation != policy.metadata.generation,
            faults: compiled.err().unwrap_or_default().iter().map(ToString::to_string).collect(),
            presets: status.presets.as_ref().map(|presets| presets.message.clone()),
            pause,
            decision: status.decision.as_ref().map(DecisionRecord::of_status),
            signals: compiled.map_or_else(|_| Vec::new(), |compiled| signals_of_status(compiled, &status.current_metrics)),
            problems: status.conditions.iter().filter(|c| is_problem(c)).map(condition).collect(),
            conditions: status.conditions.iter().map(condition).collect(),
            scale_events: events
                .map(|event| ScaleRecord {
                    time: event.time.0,
                    from: count(event.from),
                    to: count(event.to),
                    message: event.reason.clone(),
                })
                .collect(),
            history: None,
        }
    }

    /// Adds what only the controller knows of the last decision.
    #[must_use]
    pub fn with(mut self, compiled: &Compiled, decision: &Decision) -> Self {
        let policy = &compiled.policy;
        self.interval_seconds = Some(policy.interval.as_secs());
        self.tolerance = Some(ToleranceRecord { up: policy.tolerance.up, down: policy.tolerance.down });
        if !decision.signals.is_empty() {
            self.signals = signals(compiled, &decision.signals);
        }
        for (record, (signal, (query, report))) in
            self.signals.iter_mut().zip(policy.signals.iter().zip(compiled.queries.iter().zip(&decision.signals)))
        {
            (record.grows_above, record.shrinks_below) = thresholds(policy, signal, query, report, decision.from);
        }
        self.decision = Some(DecisionRecord::of(decision));
        self
    }
}

impl Summary {
    /// One line of the list. `fault` is what is wrong with the spec.
    pub fn of(policy: &ScalePolicy, status: &ScalePolicyStatus, fault: Option<&FieldError>) -> Self {
        let (spec, decision) = (&policy.spec, status.decision.as_ref());
        let problem = || status.conditions.iter().find(|c| is_problem(c)).map(|c| c.message.clone());
        Self {
            namespace: policy.metadata.namespace.clone().unwrap_or_default(),
            name: policy.metadata.name.clone().unwrap_or_default(),
            target: format!("{}/{}", spec.scale_target_ref.kind, spec.scale_target_ref.name),
            current_replicas: status.current_replicas.map(count),
            desired_replicas: status.desired_replicas.map(count),
            wanted_replicas: decision.and_then(|decision| decision.wanted).map(count),
            min_replicas: count(spec.min_replicas.unwrap_or(1)),
            max_replicas: count(spec.max_replicas),
            mode: format!("{:?}", spec.mode),
            verdict: decision.map(|decision| decision.verdict.clone()),
            message: decision.map(|decision| decision.message.clone()),
            metrics: status.metrics_text.clone(),
            last_scale_time: status.last_scale_time.as_ref().map(|time| time.0),
            problem: fault.map(ToString::to_string).or_else(problem),
        }
    }
}

/// Whether a condition says that something is not as it should be.
fn is_problem(condition: &Condition) -> bool {
    match condition.type_.as_str() {
        "AbleToScale" | "ScalingActive" => condition.status == "False",
        "ReplicasContested" => condition.status == "True",
        _ => false,
    }
}

impl DecisionRecord {
    fn of_status(status: &DecisionStatus) -> Self {
        Self {
            time: status.time.0,
            from: count(status.from),
            to: count(status.to),
            wanted: status.wanted.map(count),
            verdict: status.verdict.clone(),
            reason: status.reason.clone(),
            message: status.message.clone(),
            held_by: status.held_by.clone(),
            until: status.until.as_ref().map(|until| until.0),
            then: None,
            reasons: Vec::new(),
            clamps: Vec::new(),
        }
    }

    fn of(decision: &Decision) -> Self {
        let then = match decision.reasons.first() {
            Some(Reason::Stabilized(hold)) if decision.verdict == Verdict::Held => Some(hold.then),
            _ => None,
        };
        Self {
            time: timestamp(decision.time),
            from: decision.from,
            to: decision.to,
            wanted: decision.wanted,
            verdict: decision.verdict.word().to_owned(),
            reason: decision.reasons.first().map_or("Unknown", Reason::code).to_owned(),
            message: decision.headline(),
            held_by: decision.held_by().map(str::to_owned),
            until: decision.held_until().map(timestamp),
            then,
            reasons: decision.reasons.iter().map(reason).collect(),
            clamps: decision.clamps.iter().map(clamp).collect(),
        }
    }
}

fn reason(reason: &Reason) -> ReasonRecord {
    ReasonRecord { code: reason.code().to_owned(), message: reason.to_string() }
}

fn clamp(clamp: &Clamp) -> ClampRecord {
    ClampRecord { before: clamp.before, after: clamp.after, reason: reason(&clamp.reason), until: clamp.until.map(timestamp) }
}

fn signals_of_status(compiled: &Compiled, metrics: &[MetricStatus]) -> Vec<SignalRecord> {
    let mut records = signals(compiled, &signal_reports(compiled, metrics));
    for (record, metric) in records.iter_mut().zip(metrics) {
        let origin =
            |origin: &OriginStatus| OriginRecord { from: origin.from.clone(), message: origin.message.clone(), ..OriginRecord::default() };
        record.origin = metric.origin.as_ref().map(origin);
    }
    records
}

fn signals(compiled: &Compiled, reports: &[SignalReport]) -> Vec<SignalRecord> {
    let signals = compiled.policy.signals.iter().zip(&compiled.queries).zip(reports);
    signals
        .map(|((signal, query), report)| {
            let (value, target) = value_and_target(&signal.target, query, report.current);
            SignalRecord {
                name: report.name.to_string(),
                role: (report.role != Role::Driver).then(|| report.role.word().to_owned()),
                holds: (report.role != Role::Driver && report.failure.is_none()).then_some(report.holds),
                value,
                target,
                kind: kind(&signal.target).to_owned(),
                age_seconds: report.age_millis.map(|millis| millis as f64 / 1000.0),
                origin: report.origin.as_deref().map(origin),
                proposal: report.proposal,
                estimate: report.estimate.map(|estimate| EstimateRecord {
                    unit: Unit::of(&signal.kind),
                    raw: estimate.raw / 1000.0,
                    level: estimate.level / 1000.0,
                    noise: estimate.sigma / 1000.0,
                    demand: estimate.demand / 1000.0,
                }),
                forecast: report.outlook.map(|outlook| forecast(outlook, Unit::of(&signal.kind))),
                failure: report.failure.clone(),
                ..SignalRecord::default()
            }
        })
        .collect()
}

fn origin(origin: &Origin) -> OriginRecord {
    let record = OriginRecord { from: origin.word().to_owned(), message: origin.message(), ..OriginRecord::default() };
    match *origin {
        Origin::Source { .. } => record,
        Origin::Pods(Poll { answered, asked, of, error }) => OriginRecord {
            answered: Some(answered),
            asked: Some(asked),
            of: Some(of),
            error_percent: error.map(|error| 100.0 * error),
            ..record
        },
    }
}

fn forecast(outlook: Outlook, unit: Unit) -> ForecastRecord {
    let Outlook { mode, standing, errors, ahead } = outlook;
    ForecastRecord {
        mode: format!("{mode:?}"),
        standing: standing.word().to_owned(),
        message: outlook.to_string(),
        error_percent: errors.map(|errors| 100.0 * errors.forecast),
        error_without_percent: errors.map(|errors| 100.0 * errors.reactive),
        time: ahead.map(|ahead| timestamp(ahead.time)),
        demand: ahead.map(|ahead| ahead.demand / 1000.0),
        unit: ahead.map(|_| unit),
        replicas: ahead.and_then(|ahead| ahead.replicas),
        learned_from: ahead.map(|ahead| ahead.to_string()),
    }
}

const fn kind(target: &Target) -> &'static str {
    match target {
        Target::Utilization(_) => "Utilization",
        Target::AverageValue(_) => "AverageValue",
        Target::Value(_) => "Value",
        Target::Capacity(_) => "Capacity",
    }
}

/// The values beyond which the signal asks for another size than `size`: outside the tolerance, and far enough for a whole replica.
/// Not given for a capacity, whose headroom depends on the size, nor at a bound.
fn thresholds(policy: &core::Policy, signal: &Signal, query: &Query, report: &SignalReport, size: u32) -> (Option<String>, Option<String>) {
    if report.proposal.is_none() || size == 0 {
        return (None, None);
    }
    let up = 1.0 + policy.tolerance.up;
    // 3 replicas at 0.9 of the target still need 2.7, rounded up 3.
    let down = (1.0 - policy.tolerance.down).min(f64::from(size - 1) / f64::from(size));
    let at = |ratio: f64| {
        let (utilization, value) = match signal.target {
            // Percentages are compared as whole numbers.
            Target::Utilization(percent) => (Some(whole(f64::from(percent) * ratio)), 0.0),
            Target::AverageValue(value) | Target::Value(value) => (None, value * ratio),
            Target::Capacity(_) => return None,
        };
        value_and_target(&signal.target, query, Some(Current { utilization, average: Some(value), value: Some(value) })).0
    };
    let above = (size < policy.max_replicas).then(|| at(up)).flatten();
    let below = (size > policy.min_replicas && down > 0.0).then(|| at(down)).flatten();
    (above, below)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, and a percentage is not negative.
fn whole(percent: f64) -> u32 {
    percent.round() as u32
}

/// A count of the API, which is never negative.
fn count(replicas: i32) -> u32 {
    u32::try_from(replicas).unwrap_or_default()
}

/// A time of the core; what lies beyond the calendar is its end.
pub(crate) fn timestamp(time: core::Time) -> Timestamp {
    let end = if time.as_millis() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(time.as_millis()).unwrap_or(end)
}
