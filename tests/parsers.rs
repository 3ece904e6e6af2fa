//! Every parser of what comes from outside, given anything: none panics, none takes long, and where a text can be written back it means the same.
//!
//! Each gets bytes or texts of any kind, and texts close to its grammar, which get further into it. `PROPTEST_CASES` sets how many (256).

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod promql_support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use ballast::api::quantity::Quantity;
use ballast::api::source_config::SourceConfig;
use ballast::api::{Defaults, MetricSourceSpec, ScalePolicy, TargetRef, annotations, compile};
use ballast::clock::Clock;
use ballast::core::Time;
use ballast::replay::Look;
use ballast::sim::trace::Trace;
use ballast::source::prometheus::{SourceLimits, check_bounds, decode, enforce, substitute_ever};
use ballast::trial::{Blur, assertion, fixture, policy_file, span};
use ballast::{checkpoint, config, schedule};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Files in which something from outside is read, and the tests that give it anything. What a `From` or `FromStr` of these files reads is
/// reached through the functions that are tested.
const PARSERS: &[(&str, &[&str])] = &[
    ("src/adopt/steps.rs", &["tests/plane_adopt.rs"]),
    ("src/api/annotations/mod.rs", &["annotations_of_any_kind"]),
    ("src/api/quantity.rs", &["quantities_of_any_kind"]),
    ("src/cli/controller.rs", &["records_of_any_kind"]),
    ("src/cli/diff.rs", &["tests/plane_plugin.rs"]),
    ("src/cluster/selector.rs", &["src/cluster/selector.rs"]),
    ("src/cluster/slim.rs", &["src/cluster/selector.rs"]),
    ("src/config/file.rs", &["configurations_of_any_kind"]),
    ("src/convert/adapter/config.rs", &["tests/convert_cases/anything.rs"]),
    ("src/convert/hpa.rs", &["tests/convert_cases/anything.rs"]),
    ("src/replay/cache.rs", &["tests/cli_replay.rs"]),
    ("src/sim/trace.rs", &["traces_of_any_kind"]),
    ("src/source/apiserver.rs", &["tests/source_apis.rs"]),
    ("src/source/direct/protobuf.rs", &["src/source/direct/protobuf.rs"]),
    ("src/source/direct/text.rs", &["src/source/direct/text.rs"]),
    ("src/source/prometheus/decode.rs", &["tests/prom_queries.rs"]),
    ("src/source/prometheus/limits.rs", &["limits_of_any_kind"]),
    ("src/trial/assertion.rs", &["assertions_and_spans_of_any_kind"]),
    ("src/trial/cluster.rs", &["files_of_any_kind"]),
    ("src/trial/policy_file.rs", &["files_of_any_kind"]),
    ("src/trial/load.rs", &["assertions_and_spans_of_any_kind"]),
    ("src/trial/span.rs", &["assertions_and_spans_of_any_kind"]),
];

/// Nothing may take this long, even on a machine that is busy with everything else; what runs away takes minutes.
const LONG: Duration = Duration::from_secs(20);

/// Does something on a stack of the size that a worker of the runtime has, and within [`LONG`].
fn bounded<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let clock = Clock::real();
    let start = clock.instant();
    let done = std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, work).unwrap();
        worker.join().unwrap_or_else(|_| panic!("it panicked"))
    });
    let took = clock.instant() - start;
    assert!(took < LONG, "it took {took:?}");
    done
}

fn defaults() -> Defaults {
    Defaults::default()
}

fn policy(spec: &Value) -> Result<ScalePolicy, serde_json::Error> {
    serde_json::from_value(json!({
        "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": "web", "namespace": "shop" }, "spec": spec,
    }))
}

/// Compiles a spec if it is one, and asks its schedules.
fn compiled(spec: &Value, at: i64) {
    let Ok(policy) = policy(spec) else { return };
    if let Ok(compiled) = compile(&policy, &defaults()) {
        let scheduled = schedule::at(&compiled.schedules, compiled.policy.min_replicas, Time::from_millis(at));
        assert!(scheduled.floor.is_none_or(|floor| floor.replicas <= compiled.policy.max_replicas), "{spec}");
    }
}

/// Any JSON, of a size that an API server lets through.
fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        near_words().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), btree_map(field(), inner, 0..4).prop_map(|map| json!(map))]
    })
    .boxed()
}

/// Names of fields, so that some of any JSON is understood.
fn field() -> impl Strategy<Value = String> {
    let names = vec![
        "type",
        "resource",
        "name",
        "target",
        "averageUtilization",
        "averageValue",
        "value",
        "prometheus",
        "query",
        "source",
        "external",
        "metric",
        "selector",
        "matchLabels",
        "matchExpressions",
        "key",
        "operator",
        "values",
        "url",
        "auth",
        "tls",
        "headers",
        "sources",
        "defaults",
        "schedules",
        "start",
        "end",
        "timezone",
        "minReplicas",
        "maxReplicas",
        "behavior",
        "scaleDown",
        "scaleUp",
        "policies",
        "periodSeconds",
        "stabilizationWindowSeconds",
        "tolerance",
        "fallback",
        "smoothing",
        "forecast",
        "intervalSeconds",
        "metricSources",
        "allowedHosts",
    ];
    prop_oneof![4 => proptest::sample::select(names).prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

/// Values that mean something somewhere.
fn near_words() -> impl Strategy<Value = String> {
    let words = vec![
        "Resource",
        "Prometheus",
        "External",
        "cpu",
        "memory",
        "AverageValue",
        "Utilization",
        "Value",
        "Capacity",
        "70%",
        "100m",
        "1Gi",
        "-1",
        "0",
        "1e309",
        "In",
        "Exists",
        "Max",
        "Percent",
        "Pods",
        "0 8 * * 1-5",
        "Europe/Berlin",
        "${pods}",
        "Smooth",
        "None",
        "*.example",
        "::1/128",
    ];
    proptest::sample::select(words).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = String> {
    "[-+]?[0-9]{0,40}[.]?[0-9]{0,20}([eE][-+]?[0-9]{0,5})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?"
}

fn cron() -> impl Strategy<Value = String> {
    let part = "([*?LW]|[0-9]{1,3}|[A-Z]{3})([-/#,][0-9A-Z*?]{0,4}){0,3}";
    prop_oneof![4 => vec(part, 5).prop_map(|parts| parts.join(" ")), 1 => vec(part, 0..8).prop_map(|parts| parts.join(" ")), 1 => "@[a-z]{0,9}"]
}

fn yaml() -> impl Strategy<Value = String> {
    let token = vec![
        "sources:",
        "defaults:",
        "metricSources:",
        "\n",
        "\n  ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ": ",
        ", ",
        "&a ",
        "*a",
        "<<: ",
        "!!binary ",
        "|\n",
        "'",
        "\"",
        "name",
        "url",
        "http://x",
        "shop",
        "1",
        "~",
        "---\n",
        "...\n",
        "#",
        "? ",
        "%TAG",
        "\t",
        "intervalSeconds",
        "allowedHosts",
        "\u{85}",
        "kind",
    ];
    vec(proptest::sample::select(token), 0..40).prop_map(|tokens| tokens.concat())
}

fn target() -> TargetRef {
    TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "web".into() }
}

proptest! {
    #[test]
    fn quantities_of_any_kind(text in prop_oneof![number(), "\\PC{0,40}"], milli in -1_000_000_000_000_000_i64..1_000_000_000_000_000) {
        let quantity = Quantity(text);
        let (as_milli, ratio) = (quantity.milli(), quantity.ratio());
        prop_assert_eq!(as_milli.is_ok(), ratio.is_ok());
        prop_assert_eq!(Quantity::from_milli(milli as f64).milli(), Ok(milli));
        if let Ok(milli) = as_milli && milli.abs() < 1 << 50 {
            prop_assert_eq!(Quantity::from_milli(milli as f64).milli(), Ok(milli), "{:?}", quantity);
        }
    }

    #[test]
    fn annotations_of_any_kind(
        given in btree_map(prop_oneof![4 => 0_usize..annotations::KEYS.len(), 1 => Just(usize::MAX)], prop_oneof![number(), cron(), "\\PC{0,60}", near_words(), yaml()], 0..6),
        more in "[a-z/.-]{0,20}",
    ) {
        let name = |index: usize| annotations::KEYS.get(index).map_or_else(|| format!("ballast.dev/{more}"), |key| format!("ballast.dev/{}", key.name));
        let given: BTreeMap<String, String> = given.into_iter().map(|(index, value)| (name(index), value)).collect();
        bounded(|| match annotations::parse(&given, &target()) {
            Ok(Some(spec)) => compiled(&serde_json::to_value(spec).unwrap(), 1_800_000_000_000),
            Ok(None) => {}
            Err(errors) => assert!(!errors.is_empty(), "{given:?}"),
        });
    }

    #[test]
    fn schedules_of_any_kind(pattern in prop_oneof![4 => cron(), 1 => "\\PC{0,30}"], end in cron(), zone in prop_oneof!["Europe/Berlin", "[A-Z][a-z/_+0-9-]{0,20}", "UTC", "\\PC{0,20}"], at in any::<i64>()) {
        bounded(|| {
            let _ = schedule::pattern(&pattern);
            let _ = schedule::zone(&zone);
            let spec = |end: &str| json!({
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "maxReplicas": 9,
                "schedules": [{ "name": "a", "start": pattern, "end": end, "timezone": zone, "minReplicas": 3 }],
            });
            compiled(&spec(&end), at % 4_000_000_000_000);
            compiled(&spec("0 9 * * *"), at);
        });
    }

    #[test]
    fn policies_of_any_kind(spec in any_json(), metrics in vec(any_json(), 0..3), behavior in any_json(), at in any::<i64>()) {
        bounded(|| {
            compiled(&spec, at);
            let whole = json!({
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "maxReplicas": 9, "metrics": metrics, "behavior": behavior,
            });
            compiled(&whole, at);
        });
    }

    /// Also those that no server would take: they are refused or only warned of, without harm.
    #[test]
    fn queries_of_any_kind(query in prop_oneof![3 => promql_support::expression(), 2 => promql_support::words(), 1 => "\\PC{0,200}"], times in 1_usize..60) {
        let long = vec![query.as_str(); times].join(" + ");
        bounded(|| {
            for text in [&query, &long] {
                let metric = json!({ "name": "m", "query": text, "target": { "type": "Value", "value": "1" } });
                compiled(&json!({
                    "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "maxReplicas": 9,
                    "metrics": [{ "type": "Prometheus", "prometheus": metric }],
                }), 0);
                let _ = check_bounds(text);
                let _ = substitute_ever(text, "shop", "Deployment", "web");
                // What it adds may make the text too large to be taken again.
                if let Ok(limited) = enforce(text, "namespace", "shop") && check_bounds(&limited).is_ok() {
                    assert_eq!(enforce(&limited, "namespace", "shop").as_ref(), Ok(&limited), "limiting twice is limiting once");
                }
            }
        });
    }

    #[test]
    fn sources_of_any_kind(spec in any_json(), url in prop_oneof!["https?://[\\[\\]:0-9a-fA-F.x%@?#/_-]{0,40}", "\\PC{0,60}"]) {
        for value in [spec.clone(), json!({ "url": url }), json!({ "url": url, "auth": spec, "tls": spec, "headers": [spec] })] {
            if let Ok(source) = serde_json::from_value::<MetricSourceSpec>(value.clone()) {
                let _ = source.validate();
                let _ = source.secret_keys().count();
            }
            if let Ok(source) = serde_json::from_value::<SourceConfig>(value) {
                let _ = source.validate("sources[0]");
            }
        }
    }

    #[test]
    fn limits_of_any_kind(hosts in vec(prop_oneof!["[*.a-z0-9:_-]{0,20}", "\\PC{0,20}"], 0..3), ranges in vec("[0-9a-f:./]{0,24}", 0..3)) {
        let written = json!({ "allowedHosts": hosts, "allowedCIDRs": ranges, "deniedCIDRs": [] });
        if let Ok(limits) = serde_json::from_value::<SourceLimits>(written) {
            // What is told of them is what was written.
            let told = limits.to_string();
            let (names, ranges): (Vec<&str>, Vec<&str>) = told.split(", ").filter(|part| !part.is_empty()).partition(|part| !part.contains('/'));
            let again: SourceLimits = serde_json::from_value(json!({ "allowedHosts": names, "allowedCIDRs": ranges })).unwrap();
            prop_assert_eq!(again, limits);
        }
    }

    #[test]
    fn configurations_of_any_kind(text in prop_oneof![yaml(), "\\PC{0,80}"], value in any_json()) {
        bounded(|| {
            let _ = config::File::parse(&text);
            let _ = config::File::parse(&value.to_string());
        });
    }

    #[test]
    fn checkpoints_of_any_kind(bytes in vec(any::<u8>(), 0..400), text in "[A-Za-z0-9+/=]{0,80}") {
        bounded(|| {
            let _ = checkpoint::open(&bytes);
            let _ = checkpoint::from_text(&text);
            // The right version, and any content under a right checksum.
            let mut packed = GzEncoder::new(vec![checkpoint::VERSION], Compression::fast());
            packed.write_all(&bytes).unwrap();
            let _ = checkpoint::open(&packed.finish().unwrap());
        });
    }

    #[test]
    fn looks_of_any_kind(words in vec(any::<u64>(), 0..20), cut in 0_usize..20) {
        bounded(|| {
            let _ = Look::unpack(&words);
            let mut counted = words.clone();
            if let Some(head) = counted.first_mut() {
                *head = (*head & !0xffff_ffff) | (words.len().saturating_sub(1) as u64 * 7 - cut.min(words.len().saturating_sub(1) * 7) as u64);
            }
            let _ = Look::unpack(&counted);
        });
    }

    #[test]
    fn traces_of_any_kind(bytes in vec(any::<u8>(), 0..300), rows in vec("[0-9.e+-]{0,12},[0-9.e+-]{0,12}\r?", 0..6)) {
        bounded(|| {
            for plain in [bytes.clone(), rows.join("\n").into_bytes()] {
                let read = Trace::read(&*plain);
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(&plain).unwrap();
                let unpacked = Trace::read(&*packed.finish().unwrap());
                if !plain.starts_with(&[0x1f, 0x8b]) {
                    assert_eq!(read.is_ok(), unpacked.is_ok());
                }
            }
        });
    }

    #[test]
    fn assertions_and_spans_of_any_kind(
        text in prop_oneof!["([a-z_]{1,20}|[0-9.]{1,6})(<|<=|=|==|>|>=|!=)([0-9.*a-z_-]{1,20})(,.{0,10})?", "\\PC{0,60}"],
        short in prop_oneof!["[-+]?[0-9.]{0,20}(ns|us|ms|s|m|h|d|w|y|%)?", "poisson(:[0-9.e-]{0,8})?", "[0-9TZ:+-]{0,24}", "\\PC{0,20}"],
    ) {
        if let Ok(list) = assertion::list(&text) {
            prop_assert!(!list.is_empty());
        }
        let _ = span::span(&short);
        let _ = span::share(&short);
        let _ = Blur::parse(&short);
        if let Ok(moment) = span::Moment::parse(&short) {
            let _ = moment.seconds(Some(0));
        }
    }

    #[test]
    fn series_of_any_kind(text in prop_oneof!["([0-9_+x.e-]{0,12} ?){0,6}", "\\PC{0,40}"]) {
        bounded(|| {
            if let Ok(points) = fixture::series::series(&text) {
                assert!(!points.is_empty() && points.len() <= 300_000);
            }
        });
    }

    #[test]
    fn records_of_any_kind(value in any_json(), bytes in vec(any::<u8>(), 0..200)) {
        let _ = serde_json::from_value::<ballast::report::Record>(value);
        let _ = serde_json::from_slice::<ballast::report::Record>(&bytes);
        let _ = decode(&bytes);
    }
}

proptest! {
    // Each is a file, read three times.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, ..ProptestConfig::default() })]

    #[test]
    fn files_of_any_kind(text in prop_oneof![yaml(), "\\PC{0,80}"], spec in any_json()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.yaml");
        let whole = json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": "a" }, "spec": spec }).to_string();
        let case = json!({ "policy": "file.yaml", "cases": [spec] }).to_string();
        for text in [&text, &whole, &case] {
            std::fs::write(&path, text).unwrap();
            bounded(|| {
                let _ = policy_file::policy(&path.to_string_lossy(), &defaults());
                let _ = fixture::suite(std::slice::from_ref(&path), "", &defaults());
                let _ = ballast::trial::Model::read(&path);
            });
        }
    }
}

/// What no generator finds by chance: each is small and asks for much.
#[test]
fn bombs_are_refused_or_cheap() {
    let classes = |times: usize| format!("x{{{}}}", vec![r#"a=~"\\pL{90}""#; times].join(","));
    let deep = |open: &str, close: &str, times: usize| open.repeat(times) + "x" + &close.repeat(times);
    let bombs = [
        classes(250),
        r#"x{a=~"((\\pL{100}){100}){100}"}"#.to_owned(),
        format!("x{{a=~\"{}\"}}", "(".repeat(3000)),
        format!("x{{a=~\"{}\"}}", "a?".repeat(1900)),
        deep("(", ")", 2000),
        deep("abs(", ")", 800),
        deep("sum by (a) (", ")", 300),
        "-".repeat(4000) + "x",
        "x".to_owned() + &"[1m:]".repeat(700),
        vec!["x"; 900].join(" or "),
        vec!["x"; 1300].join(" ^ "),
        "x offset -".to_owned() + &"9".repeat(4000) + "y",
        "9".repeat(4000),
        "0x".to_owned() + &"f".repeat(4000),
        "\"".to_owned() + &"\\".repeat(4001),
        "{".repeat(4000),
        "${pods}".repeat(500),
    ];
    for query in bombs {
        bounded(|| {
            let metric = json!({ "name": "m", "query": query, "target": { "type": "Value", "value": "1" } });
            let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
            compiled(
                &json!({ "scaleTargetRef": target, "maxReplicas": 9, "metrics": [{ "type": "Prometheus", "prometheus": metric }] }),
                0,
            );
            let _ = enforce(&query, "namespace", "shop");
        });
    }
    // A megabyte of zeros in a kilobyte, again and again.
    let mut packed = GzEncoder::new(vec![checkpoint::VERSION], Compression::best());
    for _ in 0..200 {
        packed.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(bounded(|| checkpoint::open(&packed)).is_err());
    // Aliases of aliases.
    let laughs =
        (1..20).fold("a0: &a0 [x]\n".to_owned(), |text, n| format!("{text}a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(",")));
    assert!(bounded(|| config::File::parse(&laughs)).is_err());
    let nested = "[".repeat(20_000);
    assert!(bounded(|| config::File::parse(&nested)).is_err());
    assert!(bounded(|| serde_json::from_str::<ScalePolicy>(&nested)).is_err());
    assert!(bounded(|| fixture::series::series(&"1x100000 ".repeat(1000))).is_err());
}

/// Whoever adds a parser adds it to the table.
#[test]
fn every_parser_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut open, mut missing) = (vec![root.join("src")], Vec::new());
    let own = std::fs::read_to_string(root.join("tests/parsers.rs")).unwrap();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let reads = ["fn parse(", "pub fn parsed(", "serde_json::from_slice", "serde_json::from_str", "serde_saphyr::from", "fn from_str("];
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        // The command line is the user's own.
        if name != "src/cli/mod.rs" && reads.iter().any(|word| code.contains(word)) && !PARSERS.iter().any(|(file, _)| *file == name) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "parsers without a row in PARSERS: {missing:?}");
    for (file, tests) in PARSERS {
        assert!(root.join(file).exists(), "{file}");
        for test in *tests {
            let found = if test.contains('/') {
                std::fs::read_to_string(root.join(test)).unwrap_or_default().contains("#[test]")
                    || std::fs::read_to_string(root.join(test)).unwrap_or_default().contains("#[tokio::test]")
            } else {
                own.contains(&format!("fn {test}("))
            };
            assert!(found, "{file}: no test {test}");
        }
    }
}
