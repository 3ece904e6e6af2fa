//! The annotation keys of a workload.

use crate::api::nearest;

/// One key without its prefix, with what people need to know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Name after `ballast.dev/`.
    pub name: &'static str,
    /// Allowed values, as the API server can check them.
    pub syntax: Syntax,
    /// Allowed values in words.
    pub form: &'static str,
    /// A valid value.
    pub example: &'static str,
    /// What it does, with its default.
    pub meaning: &'static str,
}

/// Forms of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// A whole number, at least this.
    Count(i32),
    /// A quantity above 0.
    Quantity,
    /// A percentage of the requests, or a quantity with a unit.
    Resource,
    /// A query with placeholders.
    Query,
    /// Names of presets with commas between them.
    Presets,
    /// The name of a source.
    Source,
    /// The time between two decisions.
    Interval,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// A direction, and options.
    Pause,
    /// A window, and sizes.
    Schedule,
}

const fn key(name: &'static str, syntax: Syntax, form: &'static str, example: &'static str, meaning: &'static str) -> Key {
    Key { name, syntax, form, example, meaning }
}

const QUANTITY: &str = "a quantity above 0 such as 100, 0.5, 350m or 2k";
const COUNT: &str = "a whole number from 1 to 2147483647";

/// Every key, in the order of the reference.
pub const KEYS: &[Key] = &[
    key(
        "max-replicas",
        Syntax::Count(1),
        COUNT,
        "10",
        "Highest number of replicas. Switches Ballast on for the workload; other keys without it are a fault.",
    ),
    key(
        "min-replicas",
        Syntax::Count(0),
        "a whole number from 0 to 2147483647",
        "2",
        "Lowest number of replicas. Default 1. 0 needs a request rate, a query, or a preset of a mesh or ingress.",
    ),
    key(
        "target-cpu",
        Syntax::Resource,
        "a percentage such as 70%, or cores with a unit such as 350m",
        "70%",
        "CPU a pod should use on average: in percent of its requests, or in cores. Default 80% if no other metric drives.",
    ),
    key(
        "target-memory",
        Syntax::Resource,
        "a percentage such as 70%, or bytes with a unit such as 512Mi",
        "512Mi",
        "Memory a pod should use on average: in percent of its requests, or in bytes.",
    ),
    key(
        "target-rps",
        Syntax::Quantity,
        QUANTITY,
        "100",
        "HTTP requests per second a replica should serve, from the counter http_requests_total.",
    ),
    key(
        "capacity-rps",
        Syntax::Quantity,
        QUANTITY,
        "150",
        "HTTP requests per second a replica bears at 100 %; Ballast chooses the headroom. Instead of target-rps.",
    ),
    key(
        "query",
        Syntax::Query,
        "PromQL of 1 to 4096 characters; ${namespace}, ${name} and ${pods} are filled in",
        r#"sum(queue_length{namespace="${namespace}"})"#,
        "A query of your own; needs query-target or query-capacity.",
    ),
    key("query-target", Syntax::Quantity, QUANTITY, "30", "Value of the query that one replica should have on average."),
    key(
        "query-capacity",
        Syntax::Quantity,
        QUANTITY,
        "50",
        "Value of the query that one replica bears at 100 %; Ballast chooses the headroom. Instead of query-target.",
    ),
    key(
        "preset",
        Syntax::Presets,
        "the name of a preset, or several with commas between them; or auto",
        "go-run-queue,go-memory-headroom",
        "Ready queries, see the table of presets; each in its own role. Where none of them drives, CPU at 80% does. auto takes those that fit: without preset-target what tells that processors are short, with it a request rate.",
    ),
    key(
        "preset-target",
        Syntax::Quantity,
        QUANTITY,
        "0.6",
        "Value of the (first) preset that one replica should have on average. Default: that of the preset.",
    ),
    key(
        "preset-freshness",
        Syntax::Word(&["stored", "direct"]),
        "Stored or Direct",
        "Direct",
        "Direct: the workload's pods are asked themselves, for those of its presets that they show. Default Stored: the server is asked.",
    ),
    key(
        "source",
        Syntax::Source,
        "a name of 1 to 253 characters",
        "default",
        "Which server is asked: a MetricSource of the same namespace, or a source of the controller's configuration. Default: default.",
    ),
    key(
        "interval",
        Syntax::Interval,
        "1s to 300s, such as 15s, 15 or 1m",
        "15s",
        "How often the size is decided. Default: the controller's sync period (15 s).",
    ),
    key(
        "mode",
        Syntax::Word(&["enforce", "recommend"]),
        "Enforce or Recommend",
        "Recommend",
        "Recommend decides and reports without writing. Default Enforce.",
    ),
    key(
        "forecast",
        Syntax::Word(&["off", "shadow", "on"]),
        "Off, Shadow or On",
        "Shadow",
        "Looks ahead by the same time of past days or weeks. Shadow shows what it would add, On adds it while its recent error is less. Default Off.",
    ),
    key(
        "pause",
        Syntax::Pause,
        "true, all, up, down or false; then, if wanted, until=TIME, by=NAME and reason=TEXT to the end",
        "down until=2030-12-24T18:00:00Z by=ana reason=sales week",
        "Holds the size: in both directions (true, all), growth (up) or shrinking (down). false is no pause.",
    ),
    key(
        "schedule",
        Syntax::Schedule,
        "a cron expression, then for and a length such as 10h, 90m or 1h30m; or START to END as RFC 3339 times; then min=COUNT, max=COUNT \
        or replicas=COUNT, and if wanted tz=ZONE (default UTC) and ramp=LENGTH",
        "0 8 * * 1-5 for 10h min=5 tz=Europe/Berlin",
        "Sizes by the clock: a floor (min), a ceiling (max) or a count (replicas) while the window lasts, within min-replicas and max-replicas. \
        ramp lets the floor rise before the window. For several schedules write a ScalePolicy.",
    ),
];

/// The known key nearest to a misspelt one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    nearest::nearest(name, KEYS.iter().map(|key| key.name))
}
