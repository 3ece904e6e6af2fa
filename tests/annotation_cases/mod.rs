//! Annotations that work and annotations that don't: what the controller's parser and the API server's policy are both held against.

// Each test binary uses a part of it.
#![allow(dead_code)]

use ballast::api::annotations::KEYS;

/// Keys without their prefix, with values.
pub type Pairs = &'static [(&'static str, &'static str)];

/// Values that a key may not have, beside `max-replicas: 10`.
pub const WRONG_VALUES: &[(&str, &str)] = &[
    ("max-replicas", "0"),
    ("max-replicas", "ten"),
    ("max-replicas", "-1"),
    ("max-replicas", "99999999999"),
    ("max-replicas", ""),
    ("min-replicas", "-1"),
    ("min-replicas", "1.5"),
    ("target-cpu", "70"),
    ("target-cpu", "0%"),
    ("target-cpu", "seventy%"),
    ("target-cpu", "-5m"),
    ("target-memory", "512"),
    ("target-memory", "0Mi"),
    ("target-rps", "0"),
    ("target-rps", "100/s"),
    ("capacity-rps", "-3"),
    ("interval", "0"),
    ("interval", "301"),
    ("interval", "6m"),
    ("interval", "15 s"),
    ("mode", "off"),
    ("forecast", "maybe"),
    ("preset-freshness", "fresh"),
    ("pause", "yes"),
    ("pause", "down until=tomorrow"),
    ("pause", "down for=1h"),
    ("pause", "false until=2030-12-24T18:00:00Z"),
    ("source", ""),
    ("schedule", "weekdays 8-18"),
    ("schedule", "0 8 * * 1-5 min=5"),
    ("schedule", "0 8 * * 1-5 for"),
    ("schedule", "for 10h min=5"),
    ("schedule", "0 8 * * 1-5 for 10 min=5"),
    ("schedule", "0 8 * * 1-5 for 30m1h min=5"),
    ("schedule", "0 8 * * 1-5 for 99999999d min=5"),
    ("schedule", "0 8 * * 1-5 for 10h min=-5"),
    ("schedule", "0 8 * * 1-5 for 10h min=5 min=6"),
    ("schedule", "0 8 * * 1-5 for 10h min=5 zone=UTC"),
    ("schedule", "tomorrow to friday min=5"),
    ("schedule", ""),
];

/// Annotations that cannot stand together, and what is said of them.
pub const CONTRADICTIONS: &[(Pairs, &str)] = &[
    (&[("max-replicas", "2"), ("min-replicas", "3")], "max-replicas]: 2: must be at least ballast.dev/min-replicas (3)"),
    (&[("max-replicas", "2"), ("min-replicas", "0")], "min-replicas]: 0: 0 needs target-rps"),
    (
        &[("max-replicas", "2"), ("target-rps", "1"), ("capacity-rps", "1")],
        "capacity-rps]: 1: may not be given together with ballast.dev/target-rps",
    ),
    (&[("max-replicas", "2"), ("query", "up")], "query]: up: needs ballast.dev/query-target or ballast.dev/query-capacity"),
    (&[("max-replicas", "2"), ("query-target", "1")], "query-target]: 1: needs ballast.dev/query"),
    (
        &[("max-replicas", "2"), ("query", "up"), ("query-target", "1"), ("query-capacity", "1")],
        "query-capacity]: 1: may not be given together",
    ),
    (&[("max-replicas", "2"), ("query", "up{a=\"${b}\"}"), ("query-target", "1")], "query]: ${b}: unknown placeholder"),
    (&[("max-replicas", "2"), ("query", " "), ("query-target", "1")], "query]: must not be empty"),
    (&[("max-replicas", "2"), ("preset-target", "1")], "preset-target]: 1: needs ballast.dev/preset"),
    (&[("max-replicas", "2"), ("preset-freshness", "stored")], "preset-freshness]: stored: needs ballast.dev/preset"),
    (
        &[("max-replicas", "2"), ("preset", "go-memory-headroom"), ("preset-freshness", "direct")],
        "preset-freshness]: direct: needs a preset that the workload's own pods show: http-requests",
    ),
    (&[("max-replicas", "2"), ("preset", "java-heap")], "preset]: java-heap: is not a preset; there are http-requests"),
    (&[("max-replicas", "2"), ("source", "tenant")], "source]: tenant: is used by target-rps"),
    (
        &[("max-replicas", "4"), ("schedule", "0 8 * * * for 1h min=5")],
        "schedule.minReplicas: 5: must be spec.minReplicas (1) to spec.maxReplicas (4)",
    ),
    (
        &[("max-replicas", "4"), ("schedule", "0 8 * * * for 1h")],
        "schedule]: 0 8 * * * for 1h: schedule: needs minReplicas, maxReplicas or replicas",
    ),
    (&[("max-replicas", "4"), ("schedule", "0 8 * * for 1h min=2")], "schedule.cron: 0 8 * *: must be minute, hour"),
    (&[("max-replicas", "4"), ("schedule", "0 8 * * * for 1h min=2 tz=Mars")], "schedule.timeZone: Mars: is not a known IANA time zone"),
    (
        &[("max-replicas", "4"), ("schedule", "2026-11-28T00:00:00Z to 2026-11-27T00:00:00Z min=2")],
        "schedule.end: 2026-11-27T00:00:00Z: must be after start (2026-11-28T00:00:00Z)",
    ),
    (&[("target-cpu", "70%")], "max-replicas]: is missing: it switches Ballast on"),
    (&[("max-replica", "3")], "max-replica]: 3: unknown key; did you mean ballast.dev/max-replicas?"),
    (&[("max-replicas", "3"), ("targetCPU", "3")], "targetCPU]: 3: unknown key; did you mean ballast.dev/target-cpu?"),
    (&[("max-replicas", "3"), ("xyzzy", "3")], "xyzzy]: 3: unknown key; there are max-replicas, min-replicas"),
];

/// What a real controller is shown, beside `max-replicas: 10`: wrong values.
#[rustfmt::skip]
pub const PLANE_VALUES: &[(&str, &str)] = &[
    ("max-replicas", "0"), ("max-replicas", "ten"), ("max-replicas", "2147483648"), ("max-replicas", ""),
    ("min-replicas", "-1"), ("min-replicas", "1.5"),
    ("target-cpu", "70"), ("target-cpu", "0%"), ("target-cpu", "many%"), ("target-memory", "512"), ("target-memory", "-1Gi"),
    ("target-rps", "0"), ("target-rps", "100/s"), ("capacity-rps", "-3"), ("query-target", "x"), ("query-capacity", "0"),
    ("preset-target", "none"), ("preset-freshness", "fresh"), ("source", ""), ("interval", "0"), ("interval", "301s"), ("interval", "6m"),
    ("mode", "off"), ("forecast", "maybe"), ("pause", "maybe"), ("pause", "down until=tomorrow"), ("schedule", "weekdays"), ("schedule", "0 8 * * * min=5"),
];

/// Contradictions for a real controller, likewise.
#[rustfmt::skip]
pub const PLANE_RULES: &[(Pairs, &str)] = &[
    (&[("min-replicas", "11")], "ballast.dev/max-replicas]: 10: must be at least ballast.dev/min-replicas (11)"),
    (&[("min-replicas", "0")], "ballast.dev/min-replicas]: 0: 0 needs target-rps, capacity-rps, query, or a preset of a mesh or ingress"),
    (&[("target-rps", "1"), ("capacity-rps", "2")], "ballast.dev/capacity-rps]: 2: may not be given together with ballast.dev/target-rps"),
    (&[("query", "up")], "ballast.dev/query]: up: needs ballast.dev/query-target or ballast.dev/query-capacity"),
    (&[("query", "up{a=\"${b}\"}"), ("query-target", "1")], "ballast.dev/query]: ${b}: unknown placeholder; there are ${namespace}"),
    (&[("query-target", "3")], "ballast.dev/query-target]: 3: needs ballast.dev/query"),
    (&[("preset", "java-heap")], "ballast.dev/preset]: java-heap: is not a preset; there are http-requests, http-in-flight"),
    (&[("preset", "http-requests")], "ballast.dev/preset]: http-requests: needs ballast.dev/preset-target"),
    (&[("preset-target", "2")], "ballast.dev/preset-target]: 2: needs ballast.dev/preset"),
    (&[("preset-freshness", "Direct")], "ballast.dev/preset-freshness]: Direct: needs ballast.dev/preset"),
    (&[("preset", "go-memory-headroom"), ("preset-freshness", "Direct")],
        "ballast.dev/preset-freshness]: Direct: needs a preset that the workload's own pods show: http-requests"),
    (&[("source", "tenant")], "ballast.dev/source]: tenant: is used by target-rps, capacity-rps, query and preset only"),
    (&[("schedule", "0 8 * * * for 1h min=11")],
        "ballast.dev/schedule]: 0 8 * * * for 1h min=11: schedule.minReplicas: 11: must be spec.minReplicas (1) to spec.maxReplicas (10)"),
    (&[("max-replica", "3")], "ballast.dev/max-replica]: 3: unknown key; did you mean ballast.dev/max-replicas?"),
];

/// The example of every key, with what it needs beside it.
pub fn examples() -> Vec<Vec<(&'static str, &'static str)>> {
    let with_needs = |key: &ballast::api::annotations::Key| {
        let mut pairs = vec![("max-replicas", "10"), (key.name, key.example)];
        match key.name {
            "query" => pairs.push(("query-target", "1")),
            "query-target" | "query-capacity" => pairs.push(("query", "up")),
            "preset-target" | "preset-freshness" => pairs.push(("preset", "go-cpu")),
            "source" => pairs.push(("target-rps", "1")),
            _ => {}
        }
        pairs
    };
    KEYS.iter().filter(|key| !key.example.is_empty()).map(with_needs).collect()
}
