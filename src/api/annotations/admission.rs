//! The rules of annotations as a `ValidatingAdmissionPolicy`, so that the API server refuses a typo when it is applied.
//!
//! Everything is made of the tables that the parser reads. The policy may be more lenient than the parser, which has the last word in the
//! controller, and never stricter: what works may not be refused. So its patterns know what Rust's and jiff's parsers take (signs, leading zeros,
//! all white space of Unicode), and leave to the parser what CEL cannot say: names of time zones, values of cron fields, the cost of a query.
//!
//! The expressions keep to what CEL has in Kubernetes 1.30. All faults are told in one message, as the parser tells them.

use serde_json::{Value, json};

use super::super::compile::directs;
use super::super::error::SHOWN;
use super::super::quantity::POSITIVE_PATTERN;
use super::{KEYS, Key, PREFIX, Syntax};
use crate::source::PLACEHOLDERS;
use crate::source::preset::{AUTO, PRESETS, Preset};

/// Rust's white space, and everything else, for a list of characters.
const SPACE: &str = r"\t-\r \x{85}\p{Z}";
/// A count as Rust reads an `i32`; its size is compared apart.
const COUNT: &str = "(?:[+]?0*[0-9]{1,10}|-0+)";
/// The beginning of a time: the rest has more forms than are worth a pattern.
const TIME: &str = "[+-]?[0-9]{4,6}-?[0-9]{2}-?[0-9]{2}[Tt][0-9]{2}";
/// A time whose parts CEL's own parser takes.
const PLAIN_TIME: &str =
    "^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:Z|[+-][0-2][0-9]:[0-5][0-9])$";
/// Of 100: a key that has less in common with a known one was not meant to be it.
const NEAR: u8 = 50;

/// The policy's spec but for `matchConstraints`.
///
/// With `failurePolicy: Ignore`, as the policy is a convenience: if an expression cannot be evaluated, a workload is deployed all the same, and the
/// controller tells what is wrong with its annotations.
pub fn spec() -> Value {
    let mut variables = vec![json!({ "name": "given", "expression": "object.metadata.annotations" })];
    let values = KEYS.iter().map(|key| (name(key.name), format!("variables.given[?'{PREFIX}{}'].orValue('').trim()", key.name)));
    let derived = [
        ("min", format!("{} ? int({}) : 1", count("minReplicas", 0), var("minReplicas"))),
        ("max", format!("{} ? int({}) : 2147483647", count("maxReplicas", 1), var("maxReplicas"))),
        ("presets", "variables.preset.split(',').map(name, name.trim())".to_owned()),
        ("words", format!("variables.schedule.findAll(r'[^{SPACE}]+')")),
        (
            "sizes",
            format!("variables.words.filter(w, w.matches(r'^(?:min|max|replicas)={COUNT}$')).map(w, int(w.substring(w.indexOf('=') + 1)))"),
        ),
        ("unknownKeys", unknown_keys()),
        ("wrongValues", KEYS.iter().filter_map(wrong_value).collect::<Vec<_>>().join(" + ")),
        ("contradictions", [metrics(), presets(), bounds(), schedule()].concat().join(" + ")),
        ("faults", "variables.unknownKeys + variables.wrongValues + variables.contradictions".to_owned()),
    ];
    let derived = derived.into_iter().map(|(name, expression)| (name.to_owned(), expression));
    variables.extend(values.chain(derived).map(|(name, expression)| json!({ "name": name, "expression": expression })));
    json!({
        "failurePolicy": "Ignore",
        "matchConditions": match_conditions(),
        "variables": variables,
        "validations": [{
            "expression": "size(variables.faults) == 0",
            "messageExpression": "variables.faults.join('; ')",
            "message": "annotations of Ballast are wrong; see its reference of annotations",
        }],
    })
}

/// Only who changes Ballast's annotations is told of faults. One that was wrong before the policy came may not hold up a rollout, nor the
/// controllers that write revisions; nor are the copies judged that a Deployment makes on its `ReplicaSets`.
fn match_conditions() -> Value {
    let own = format!("k.startsWith('{PREFIX}')");
    let (new, old) = ("object.metadata.annotations", "oldObject.metadata.annotations");
    json!([
        { "name": "annotated", "expression": format!("has({new}) && {new}.exists(k, {own})") },
        { "name": "changed", "expression": format!(
            "request.operation == 'CREATE' || !has({old}) || {new}.exists(k, {own} && (!(k in {old}) || {old}[k] != {new}[k])) || \
            {old}.exists(k, {own} && !(k in {new}))") },
        { "name": "not-a-copy", "expression":
            "!has(object.metadata.ownerReferences) || !object.metadata.ownerReferences.exists(o, has(o.controller) && o.controller)" },
    ])
}

/// The nearest known key is the one with the most pairs of letters in common (Dice's coefficient).
fn unknown_keys() -> String {
    let known = list(KEYS.iter().map(|key| key.name));
    let full = list(KEYS.iter().map(|key| format!("{PREFIX}{}", key.name)));
    let common =
        "(k.findAll('..') + k.substring(1).findAll('..')).filter(p, n.lowerAscii().contains(p)).size() * 200 / (k.size() + n.size() - 2)";
    let all = KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
    let hint = format!(
        "[{known}.map(k, {common}).max()].map(best, best < {NEAR} ? 'there are {all}' : \
        'did you mean {PREFIX}' + {known}.filter(k, {common} == best)[0] + '?')[0]"
    );
    let value = shown(&format!("variables.given['{PREFIX}' + n].trim()"));
    format!(
        "variables.given.filter(k, k.startsWith('{PREFIX}') && !(k in {full})).map(k, k.substring({})).map(n, \
        'metadata.annotations[{PREFIX}' + n + ']: ' + {value} + ': unknown key; ' + {hint})",
        PREFIX.len(),
    )
}

fn wrong_value(key: &Key) -> Option<String> {
    let v = var(&name(key.name));
    let right = match key.syntax {
        Syntax::Count(least) => count(&name(key.name), least),
        Syntax::Quantity => format!("{v}.matches(r'{POSITIVE_PATTERN}')"),
        Syntax::Resource => format!(
            "({v}.endsWith('%') ? {v}.substring(0, size({v}) - 1).trim().matches(r'^[+]?0*[1-9][0-9]{{0,9}}$') : \
            {v}.matches(r'[A-Za-z]$') && {v}.matches(r'{POSITIVE_PATTERN}'))"
        ),
        Syntax::Query => format!("size({v}) >= 1 && size({v}) <= 4096"),
        Syntax::Source => format!("size({v}) >= 1 && size({v}) <= 253"),
        Syntax::Interval => format!("{v}.matches(r'^[+]?0*(?:(?:[1-9][0-9]?|[12][0-9][0-9]|300)s?|[1-5]m)$')"),
        Syntax::Word(words) => format!("{v}.lowerAscii() in {}", list(words)),
        Syntax::Pause => format!("{v}.matches(r'{}')", pause_pattern()),
        Syntax::Schedule => format!(
            "variables.words.join(' ').matches(r'{}') && \
            ['min=', 'max=', 'replicas=', 'ramp=', 'tz='].all(o, variables.words.filter(w, w.startsWith(o)).size() <= 1)",
            schedule_pattern()
        ),
        // Each name is looked at by itself.
        Syntax::Presets => return None,
    };
    Some(fault(&format!("{} && !({right})", has(key.name)), key.name, &format!("must be {}", key.form)))
}

fn pause_pattern() -> String {
    let space = format!("[{SPACE}]+");
    let until = format!("{space}until={TIME}[^{SPACE}]*");
    let by = format!("{space}by=[^{SPACE}]+");
    format!("(?s)^(?:(?i:false)|(?i:true|all|up|down)(?:{until}(?:{by})?|{by}(?:{until})?)?(?:{space}reason=.+)?)$")
}

/// Of words with one blank between them.
fn schedule_pattern() -> String {
    // More digits than these are more than a month.
    let [d, h, m, s] = [(2, 'd'), (3, 'h'), (5, 'm'), (7, 's')].map(|(digits, unit)| format!("0*[0-9]{{1,{digits}}}{unit}"));
    let length = format!("(?:{d}(?:{h})?(?:{m})?(?:{s})?|{h}(?:{m})?(?:{s})?|{m}(?:{s})?|{s})");
    let cron = "(?:@[^ ]+|[^ ]+(?: [^ ]+){4})";
    let option = format!("(?:(?:min|max|replicas)={COUNT}|ramp={length}|tz=[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*)");
    format!("^(?:{cron} for {length}|{TIME}[^ ]* to {TIME}[^ ]*)(?: {option})*$")
}

fn metrics() -> Vec<String> {
    let [target, capacity, query] = ["query-target", "query-capacity", "query"].map(has);
    let both = |one: &str, other: &str| {
        fault(&format!("{} && {}", has(one), has(other)), other, &format!("may not be given together with {PREFIX}{one}"))
    };
    let needs_query = |key: &str| fault(&format!("{} && !{query}", has(key)), key, &format!("needs {PREFIX}query"));
    let filled = PLACEHOLDERS.iter().fold(var("query"), |text, placeholder| format!("{text}.replace('{placeholder}', 'x')"));
    let unknown = format!("unknown placeholder; there are {}", PLACEHOLDERS.join(", "));
    let any = ["target-rps", "capacity-rps", "query", "preset"].map(has).join(" || ");
    vec![
        both("target-rps", "capacity-rps"),
        both("query-target", "query-capacity"),
        needs_query("query-target"),
        needs_query("query-capacity"),
        fault(&format!("{query} && !{target} && !{capacity}"), "query", &format!("needs {PREFIX}query-target or {PREFIX}query-capacity")),
        fault(&format!("{filled}.contains('${{')"), "query", &unknown),
        fault(&format!("{} && !({any})", has("source")), "source", "is used by target-rps, capacity-rps, query and preset only"),
    ]
}

fn presets() -> Vec<String> {
    let (given, target) = (has("preset"), has("preset-target"));
    let known = list(PRESETS.iter().map(|preset| preset.name).chain([AUTO]));
    let names = PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
    let bare = list(PRESETS.iter().filter(|preset| preset.default_target.is_none()).map(|preset| preset.name));
    let shown = list(PRESETS.iter().filter(|preset| preset.direct.is_some()).map(|preset| preset.name).chain([AUTO]));
    let (all, freshness) = ("variables.presets", var(&name("preset-freshness")));
    vec![
        fault(&format!("{target} && !{given}"), "preset-target", &format!("needs {PREFIX}preset")),
        fault(&format!("{} && !{given}", has("preset-freshness")), "preset-freshness", &format!("needs {PREFIX}preset")),
        fault(
            &format!("{} && {given} && {freshness}.lowerAscii() == 'direct' && !{all}.exists(p, p in {shown})", has("preset-freshness")),
            "preset-freshness",
            &format!("needs a preset that the workload's own pods show: {}", directs()),
        ),
        fault(&format!("{given} && !{all}.all(p, p in {known})"), "preset", &format!("is not a preset; there are {names}")),
        fault(&format!("{given} && {all}.exists(p, {all}.filter(q, q == p).size() > 1)"), "preset", "is named twice"),
        fault(
            &format!("{given} && {all}.exists(p, p in {bare} && !({target} && p == {all}[0]))"),
            "preset",
            &format!("needs {PREFIX}preset-target, which is for the first preset"),
        ),
    ]
}

fn bounds() -> Vec<String> {
    let named = list(PRESETS.iter().filter(|preset| Preset::works_without_pods(preset)).map(|preset| preset.name));
    let seen = format!("{} || variables.presets.exists(p, p in {named})", ["target-rps", "capacity-rps", "query"].map(has).join(" || "));
    vec![
        format!(
            "({} ? [] : ['metadata.annotations[{PREFIX}max-replicas]: is missing: it switches Ballast on for the workload, e.g. \"10\"'])",
            has("max-replicas")
        ),
        fault("variables.max < variables.min", "max-replicas", &format!("must be at least {PREFIX}min-replicas")),
        fault(
            &format!("variables.min == 0 && !({seen})"),
            "min-replicas",
            "0 needs target-rps, capacity-rps, query, or a preset of a mesh or ingress: others cannot be measured without pods",
        ),
    ]
}

fn schedule() -> Vec<String> {
    let given = has("schedule");
    let option = |name: &str| format!("variables.words.exists(w, w.startsWith('{name}='))");
    let [min, max, replicas, ramp] = ["min", "max", "replicas", "ramp"].map(option);
    let when = |fact: &str, message: &str| fault(&format!("{given} && {fact}"), "schedule", message);
    let time = |at: usize| format!("variables.words[{at}]");
    let [start, end] = [time(0), time(2)];
    let plain = format!("size(variables.words) > 2 && {start}.matches(r'{PLAIN_TIME}') && {end}.matches(r'{PLAIN_TIME}')");
    vec![
        when(&format!("!({min} || {max} || {replicas})"), "needs min, max or replicas"),
        when(&format!("{replicas} && ({min} || {max})"), "replicas may not be given together with min or max"),
        when(&format!("{ramp} && !({min} || {replicas})"), "ramp needs min or replicas to rise to"),
        when(
            "variables.sizes.exists(n, n < variables.min || n > variables.max)",
            &format!("sizes must be {PREFIX}min-replicas to {PREFIX}max-replicas"),
        ),
        when(&format!("{min} && {max} && {}", first_above_second("min=", "max=")), "max must be at least min"),
        when(&format!("{plain} && timestamp({start}) >= timestamp({end})"), "the end must be after the start"),
    ]
}

/// Whether the size of one option is above that of another; both are there.
fn first_above_second(one: &str, other: &str) -> String {
    let sizes =
        |option: &str| format!("variables.words.filter(w, w.matches(r'^{option}{COUNT}$')).map(w, int(w.substring({})))", option.len());
    format!("{}.exists(a, {}.exists(b, a > b))", sizes(one), sizes(other))
}

/// A list with one message if `when` holds, and none otherwise.
fn fault(when: &str, key: &str, message: &str) -> String {
    let value = shown(&var(&name(key)));
    format!("({when} ? ['metadata.annotations[{PREFIX}{key}]: ' + {value} + ': {}'] : [])", escaped(message))
}

/// A value in a message: cut, and without line breaks, which messages may not have.
fn shown(value: &str) -> String {
    format!(
        "({value} == '' ? '\"\"' : size({value}) > {SHOWN} ? {value}.substring(0, {SHOWN}).replace('\\n', ' ') + '…' : {value}.replace('\\n', ' '))"
    )
}

fn count(variable: &str, least: i32) -> String {
    let v = var(variable);
    format!("{v}.matches(r'^{COUNT}$') && int({v}) >= {least} && int({v}) <= 2147483647")
}

fn has(key: &str) -> String {
    format!("('{PREFIX}{key}' in variables.given)")
}

fn var(name: &str) -> String {
    format!("variables.{name}")
}

/// A key as the name of a variable: `max-replicas` is `maxReplicas`.
fn name(key: &str) -> String {
    let mut words = key.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<_> = texts.into_iter().map(|text| format!("'{}'", escaped(text.as_ref()))).collect();
    format!("[{}]", quoted.join(", "))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
