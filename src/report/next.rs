//! What will happen next, as far as it can be known: the question after "why this size?".

use jiff::Timestamp;

use super::record::{DecisionRecord, Record, SignalRecord};

/// One line on what comes next. `when` says when a point in time will be, e.g. `at 12:03:10 (in 48 s)`.
pub fn next(record: &Record, when: impl Fn(Timestamp) -> String) -> String {
    if !record.faults.is_empty() {
        return "nothing until the spec is corrected".to_owned();
    }
    let Some(decision) = &record.decision else {
        return "the first decision; if it does not come, the controller does not run or does not watch this namespace".to_owned();
    };
    if record.edited {
        return "a decision by the edited spec; if it does not come, the controller does not run".to_owned();
    }
    match decision.verdict.as_str() {
        "Held" => held(record, decision, when),
        "Steady" => unsure(&decision.reason).map_or_else(|| steady(record), |text| format!("{text}; {}", looks(record))),
        "ScaleUp" | "ScaleDown" if record.mode == "Recommend" => {
            format!("nothing: mode Recommend writes no size; in mode Enforce it would be {}", decision.to)
        }
        "ScaleUp" | "ScaleDown" => moved(record, decision, when),
        "Unknown" => format!("the size is kept until it is known again; {}", looks(record)),
        "Disabled" => "nothing until somebody sets a size above 0".to_owned(),
        other => format!("verdict {other}: this version does not know it"),
    }
}

/// What must happen before the wanted size is set.
fn held(record: &Record, decision: &DecisionRecord, when: impl Fn(Timestamp) -> String) -> String {
    // What holds comes before the bounds, and no move goes beyond those.
    let bounded = |size: u32| size.max(record.min_replicas).min(record.max_replicas);
    let wanted = decision.wanted.map(bounded);
    if wanted == Some(decision.from) && matches!(decision.held_by.as_deref(), Some("Stabilized" | "RateLimited" | "BoundedByMinimum")) {
        return steady(record);
    }
    let to = wanted.map_or_else(|| "the wanted size".to_owned(), |wanted| wanted.to_string());
    let direction = direction(decision);
    match (decision.held_by.as_deref().unwrap_or_default(), decision.until) {
        ("Stabilized", Some(until)) => match decision.then.map(bounded) {
            Some(then) if then == decision.from => {
                format!("no {direction} {} either: a newer proposal then still stands for {then}; {to} comes later", when(until))
            }
            Some(then) if wanted.is_some_and(|wanted| wanted != then) => {
                format!("{direction} to {then} possible {}, later to {to}, if the signals stay as they are", when(until))
            }
            _ => format!("{direction} to {to} possible {}, if the signals stay as they are", when(until)),
        },
        ("Collapsed", Some(until)) => format!("{direction} to {to} possible {}, if the fall of demand lasts until then", when(until)),
        ("RateLimited", Some(until)) => format!("{direction} toward {to} goes on {}, when the rate allows more", when(until)),
        ("DirectionDisabled", _) => {
            format!("nothing: {direction} is disabled in the policy (selectPolicy: Disabled); {to} would be enough")
        }
        ("BoundedByMaximum", _) => {
            let asked = decision.wanted.map(|wanted| format!(": {wanted} are wanted")).unwrap_or_default();
            format!("nothing until demand falls or maxReplicas is raised{asked}")
        }
        ("PodsNotStarting", _) => {
            format!("{direction} toward {to} with each pod that starts; `kubectl describe pod` says what keeps the others from it")
        }
        ("Guarded", _) => {
            format!("{direction} to {to} once {} no longer above its target, for one scale-in window", holding(record, "Guard"))
        }
        ("GuardedLately", Some(until)) => format!("{direction} to {to} possible {}, if no guard holds until then", when(until)),
        ("Braked", _) => format!("{direction} toward {to} once {} no longer above its target", holding(record, "Brake")),
        ("Contested", Some(until)) => {
            format!("{direction} to {to} is tried again {}, unless the other writer gives way before", when(until))
        }
        ("Paused", Some(until)) => format!("the pause ends {}; {to} is wanted now", when(until)),
        ("Paused", None) => format!("nothing until the pause is removed from the policy; {to} is wanted now"),
        (_, Some(until)) => format!("{direction} to {to} possible {}", when(until)),
        (_, None) => format!("{direction} to {to} as soon as nothing holds it any more"),
    }
}

/// The guards or brakes that hold, as the subject of a sentence.
fn holding(record: &Record, role: &str) -> String {
    let holds = |signal: &&SignalRecord| signal.role.as_deref() == Some(role) && signal.holds == Some(true);
    match record.signals.iter().filter(holds).map(|signal| signal.name.as_str()).collect::<Vec<_>>().as_slice() {
        [] => format!("the {} is", role.to_lowercase()),
        [one] => format!("{one} is"),
        all => format!("{} are", all.join(" and ")),
    }
}

fn direction(decision: &DecisionRecord) -> &'static str {
    match decision.wanted {
        Some(wanted) if wanted > decision.from => "scale-out",
        Some(_) => "scale-in",
        None => "a move",
    }
}

/// After a move: on to what is wanted, or on as usual.
fn moved(record: &Record, decision: &DecisionRecord, when: impl Fn(Timestamp) -> String) -> String {
    let cut = decision.clamps.last();
    match decision.wanted {
        Some(wanted) if wanted != decision.to => match cut.and_then(|clamp| clamp.until) {
            Some(until) => format!("on toward {wanted}; what cuts the move may let go {}", when(until)),
            None if cut.is_some_and(|clamp| clamp.reason.code.starts_with("Bounded")) => {
                format!("stays at the bound while {wanted} are wanted")
            }
            None => format!("on toward {wanted} with the next decisions"),
        },
        Some(wanted) => format!("{wanted} is what the signals want, so it stays while they do; {}", looks(record)),
        None => looks(record),
    }
}

/// What keeps a size although the value is off its target: not a hold, but no balance either.
fn unsure(reason: &str) -> Option<&'static str> {
    match reason {
        "SamplesMissing" => Some("a move once enough pods have samples to be sure of it"),
        "Forecast" => Some("as forecast and demand ask; the forecast may change with each five minutes"),
        "Surge" => Some("a move if the value is still off once the surge pods of the rollout are gone"),
        "Past" => Some("no growth on what the filter remembers; a move if the measured value asks for it"),
        "Stale" => Some("a scale-in once the sample is fresh again, if the value is still below"),
        "Returned" => Some("a scale-in once the value looks back over no gap, if it is still below"),
        _ => None,
    }
}

/// The values at which a size that is right, or as low as it may be, would change.
fn steady(record: &Record) -> String {
    let signals: Vec<&SignalRecord> = record.signals.iter().filter(|signal| signal.proposal.is_some()).collect();
    let joined = |value: fn(&SignalRecord) -> Option<&String>, word: &str| {
        let texts: Option<Vec<_>> =
            signals.iter().map(|signal| value(signal).map(|value| format!("{} {word} {value}", signal.name))).collect();
        texts.filter(|texts| !texts.is_empty())
    };
    let above = joined(|signal| signal.grows_above.as_ref(), "above").map(|texts| format!("scale-out at {}", texts.join(" or ")));
    let below = joined(|signal| signal.shrinks_below.as_ref(), "below").map(|texts| format!("scale-in at {}", texts.join(" and ")));
    let size = record.current_replicas.unwrap_or_default();
    let bound = |at: bool, text: &str| at.then(|| text.to_owned());
    let above = above.or_else(|| bound(size >= record.max_replicas, "no scale-out beyond maxReplicas"));
    let below = below.or_else(|| bound(size <= record.min_replicas, "no scale-in below minReplicas"));
    match [above, below].into_iter().flatten().collect::<Vec<_>>() {
        texts if texts.is_empty() => format!("nothing while demand stays as it is; {}", looks(record)),
        texts => texts.join("; "),
    }
}

fn looks(record: &Record) -> String {
    match record.interval_seconds {
        Some(seconds) => format!("the next look comes within {seconds} s"),
        None => "the next look comes with the next sync period".to_owned(),
    }
}
