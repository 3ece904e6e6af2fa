//! `PromQL` that somebody might write to see what is not theirs.

// Each test binary uses its own part of this module; in a list of texts all look alike.
#![allow(dead_code, clippy::needless_raw_string_hashes)]

use proptest::prelude::*;
use proptest::strategy::Union;

/// Attempts by hand. A namespace `bank` and series without any are what must not be seen by `shop`.
pub const ATTEMPTS: &[&str] = &[
    r#"load{namespace="bank"}"#,
    r#"load{namespace=~".*"}"#,
    r#"load{namespace=~".+"}"#,
    r#"load{namespace!=""}"#,
    r#"load{namespace!~"shop"}"#,
    r#"load{namespace=""}"#,
    r#"load{namespace="shop",namespace="bank"}"#,
    r#"load{namespace="shop" or namespace="bank"}"#,
    r#"{__name__="load" or namespace="bank"}"#,
    r#"{__name__="load"}"#,
    r#"{__name__=~".+"}"#,
    r#"{__name__=~"load|secret",namespace=~"shop|bank"}"#,
    r#"{"load"}"#,
    r#"{"load",namespace="bank"}"#,
    r#"{"load","namespace"="bank"}"#,
    r#"load{"namespace"="bank"}"#,
    r#"load{'namespace'='bank'}"#,
    r#"load{`namespace`=`bank`}"#,
    r#"load{"name\x73pace"="bank"}"#,
    r#"load{"\u006eamespace"="bank"}"#,
    r#"load{namespace="\x62ank"}"#,
    r#"load{namespace="${namespace}|bank"}"#,
    r#"load{namespace=~"${namespace}|bank"}"#,
    r#"load{namespace="${name}"}"#,
    r#"load{namespace=~"${pods}"}"#,
    r#"load{pod=~"${pods}|.*"}"#,
    r#"load{pod="x"} or load"#,
    r#"load or {namespace="bank"}"#,
    r#"load and on() secret"#,
    r#"load * on(pod) group_left(token) secret"#,
    r#"load * ignoring(namespace) group_left(namespace) secret"#,
    r#"load + ignoring(namespace,pod) group_right secret"#,
    r#"secret unless load"#,
    "secret unless on(namespace) load",
    r#"sum without(namespace) (secret)"#,
    r#"sum by (namespace) (secret)"#,
    r#"count_values("namespace", secret)"#,
    r#"topk(scalar(secret{namespace="bank"}), load)"#,
    r#"quantile(scalar(sum(secret)), load)"#,
    r#"label_replace(secret, "namespace", "shop", "namespace", "(.*)")"#,
    r#"label_replace(load, "pod", "bank", "namespace", ".*")"#,
    r#"label_join(secret, "namespace", "", "x")"#,
    "absent(secret)",
    r#"absent(secret{namespace="bank"})"#,
    r#"absent_over_time(secret[5m])"#,
    "scalar(secret)",
    "vector(scalar(secret))",
    "max_over_time(secret[1m:1s])",
    "max_over_time(max_over_time(secret[1m:1s])[1m:1s])",
    r#"max_over_time((secret{namespace="bank"} or load)[1m:1s])"#,
    "secret offset -1s",
    "secret offset 1s",
    "secret @ end()",
    "secret @ start() offset 1s",
    "last_over_time(secret[5m] @ end())",
    "info(load)",
    r#"info(load, {namespace="bank"})"#,
    r#"info(load, {__name__=~".+_info"})"#,
    r#"sum(info(load))"#,
    "limitk(9, secret)",
    "limit_ratio(1, secret)",
    "sort_by_label(secret, \"namespace\")",
    "sort_desc(secret)",
    "histogram_quantile(0.9, secret)",
    "histogram_quantile(0.9, sum by (le, namespace) (rate(latency_bucket[1m])))",
    "histogram_count(secret)",
    "double_exponential_smoothing(secret[1m], 0.5, 0.5)",
    "mad_over_time(secret[1m])",
    "ts_of_last_over_time(secret[1m])",
    "load # {\n or secret",
    "load # \" \n or secret # \"",
    "load{a=\"#\"} or secret",
    "load{a=\"}\"} or secret",
    r#"load{a="\"} or secret{b=\""}"#,
    r"load{a='\'} or secret{b=\''}",
    r"load{a=`\`} or secret",
    r#"load{a=`\`,b=`} or secret{`}"#,
    r#"load{a='"} or secret{b="'}"#,
    "load{a=\"x\ny\"} or secret",
    "load{a=\"\u{2028}\"} or secret",
    "load{a=\"\u{0}\"}",
    "load\u{a0}or\u{a0}secret",
    "load OR secret",
    "LOAD or Secret",
    r#"{"load} or secret{", a="b"}"#,
    r#"{"load", "a\"} or secret{\"b"="c"}"#,
    r#"sum by ("a) (load) or sum by (b") (secret)"#,
    r#"sum by ("namespace") (secret)"#,
    r#"load * on("pod") group_left("to\"ken") secret"#,
    r#"{"名前"}"#,
    r#"{"load","名前"="bank"}"#,
    r#"load{__graphite__="bank.*"}"#,
    r#"load{__tenant_id__="bank"}"#,
    r#"{namespace="shop"}"#,
    r#"{}"#,
    r#"{__name__="secret",__name__="load"}"#,
    "-secret",
    "+secret",
    "secret > bool 0",
    "secret == load",
    "1 + secret",
    "(secret)",
    "((secret))[1m:]",
    "rate(secret[1m] offset 1s) ",
    "secret[5m]",
    "ALERTS",
    "scrape_samples_scraped",
    "up",
    "secret anchored",
    "rate(secret[1m] smoothed)",
    "secret{namespace=\"shop\"}[1m:1s] @ 1e9",
    "with (x = secret) x",
    "secret default 0",
    "secret if load",
    "secret keep_metric_names",
    "union(load, secret)",
    "label_set(secret, \"namespace\", \"shop\")",
];

fn any_of(items: &[&'static str]) -> impl Strategy<Value = String> + Clone + use<> {
    let items: Vec<&'static str> = items.to_vec();
    proptest::sample::select(items).prop_map(str::to_owned)
}

/// A selector of any form, most of which the grammar allows.
fn selector() -> BoxedStrategy<String> {
    let name = any_of(&["load", "secret", "latency_bucket", "a:b", "", "bool", "sum", "offset"]);
    let label = any_of(&["namespace", "pod", "pod", "job", "__name__", "\"namespace\"", "\"na me\"", "a", "b", "le", "on"]);
    let op = any_of(&["=", "=", "=", "!=", "=~", "!~"]);
    let value = any_of(&[
        "\"shop\"",
        "'shop'",
        "`shop`",
        "\"bank\"",
        "\".*\"",
        "\"${namespace}\"",
        "'${pods}'",
        "\"\"",
        r#""\"}""#,
        r"'\''",
        r"`\`",
        "\"}\"",
        "\"\\\\\"",
        "\"#\"",
        r#""\x22 or secret""#,
    ]);
    let condition = (label, op, value).prop_map(|(label, op, value)| format!("{label}{op}{value}"));
    let join = any_of(&[",", ",", ", ", " or "]);
    (name, proptest::collection::vec(condition, 0..4), join).prop_map(|(name, all, join)| format!("{name}{{{}}}", all.join(&join))).boxed()
}

/// Any expression.
pub fn expression() -> BoxedStrategy<String> {
    let leaf = prop_oneof![6 => selector(), 1 => any_of(&["1", "0x1f", "1e3", "Inf", "\"text\"", "secret", "load", "time()"])].boxed();
    leaf.prop_recursive(4, 24, 3, |inner| {
        let range = any_of(&["[1m]", "[5m:1m]", "[1m:]", "[1m] offset 1m", "[1m] @ end()"]);
        let function = any_of(&["abs", "absent", "sort", "ceil", "timestamp", "info"]);
        let over_time = any_of(&["rate", "max_over_time", "absent_over_time", "last_over_time"]);
        let with_number = any_of(&["topk", "limitk", "quantile", "histogram_quantile", "clamp_min"]);
        let aggregate = any_of(&["sum", "max", "count", "stddev", "group"]);
        let grouping = any_of(&["", "by (namespace)", "without (namespace, pod)", "by (\"a b\")", "by ()"]);
        let operator = any_of(&["+", "-", "*", "/", "^", "%", "==", "> bool", "and", "or", "unless", "atan2"]);
        let matching = any_of(&["", "on (pod)", "ignoring (namespace)", "on () group_left (namespace)", "on (pod) group_right ()"]);
        Union::new(vec![
            (inner.clone(), range).prop_map(|(e, range)| format!("({e}){range}")).boxed(),
            (function.clone(), inner.clone()).prop_map(|(f, e)| format!("{f}({e})")).boxed(),
            (over_time, inner.clone()).prop_map(|(f, e)| format!("{f}(({e})[5m:1m])")).boxed(),
            (with_number, inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}(scalar({a}), {b})")).boxed(),
            (function, inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}({a}, {b})")).boxed(),
            (aggregate, grouping, inner.clone()).prop_map(|(a, g, e)| format!("{a} {g} ({e})")).boxed(),
            (inner.clone(), operator, matching, inner.clone()).prop_map(|(a, op, m, b)| format!("{a} {op} {m} {b}")).boxed(),
            inner.clone().prop_map(|e| format!("-{e}")).boxed(),
            inner.clone().prop_map(|e| format!("label_replace({e}, \"namespace\", \"$1\", \"pod\", \"(.*)\")")).boxed(),
            (inner, any_of(&[" offset 1m", " @ start()", " # x\n", ""])).prop_map(|(e, after)| format!("{e}{after}")).boxed(),
        ])
    })
    .boxed()
}

/// Words of the language in any order.
pub fn words() -> impl Strategy<Value = String> {
    let word = any_of(&[
        "load",
        "secret",
        "{",
        "}",
        "(",
        ")",
        "[1m]",
        "namespace",
        "=",
        "=~",
        "!~",
        "\"bank\"",
        "'shop'",
        "`",
        "\"",
        "'",
        "\\",
        "#",
        "\n",
        ",",
        "or",
        "and",
        "by",
        "on",
        "group_left",
        "offset",
        "1m",
        "@",
        "end()",
        "sum",
        "rate",
        "info",
        "-",
        "+",
        "1",
        ":",
        "bool",
        "${pods}",
        "\u{e9}",
        "\u{2028}",
    ]);
    proptest::collection::vec((word, any_of(&["", " "])), 0..14)
        .prop_map(|words| words.into_iter().map(|(word, gap)| word + &gap).collect())
}
