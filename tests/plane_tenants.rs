//! A tenant's query sees no series but its own: what `enforceLabel` makes of a query is read by a real, current Prometheus, whose own parser
//! says which conditions it found, and which is asked for the values.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod promql_support;
mod source_support;

use std::path::Path;
use std::process::Command;

use ballast::source::prometheus::{enforce, substitute};
use promql_support::{ATTEMPTS, expression, words};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use source_support::prometheus::{Prometheus, Web, exporter};
use source_support::{ask, provider, query};

/// Two tenants and somebody without a namespace; what is not the shop's is marked.
const METRICS: &str = r#"
load{namespace="shop",pod="web-1"} 1
load{namespace="bank",pod="web-1"} 77424242424210
load{pod="web-1"} 77424242424220
secret{namespace="bank",pod="web-1",token="77424242424230"} 77424242424240
secret{namespace="bank",pod="web-2",token="77424242424230"} 77424242424250
secret{token="77424242424260"} 77424242424270
latency_bucket{namespace="bank",le="1"} 77424242424280
latency_bucket{namespace="bank",le="+Inf"} 77424242424290
target_info{namespace="bank",instance="77424242424300",job="test"} 1
"#;

/// Prometheus as the test cluster has it: newer than Debian's, with everything experimental switched on.
async fn prometheus() -> Prometheus {
    provider();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new(root.join("tests/cluster/build.sh")).arg("prometheus").output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let bin = String::from_utf8(built.stdout).unwrap();
    let program = Path::new(bin.lines().last().unwrap()).join("prometheus");
    let features =
        "--enable-feature=promql-experimental-functions,promql-extended-range-selectors,promql-duration-expr,promql-binop-fill-modifiers";
    Prometheus::of(&program, &[features], Some(exporter(METRICS).await), Web::default()).await
}

async fn get(server: &Prometheus, endpoint: &str, query: &str) -> (bool, Value) {
    let form = [("query", query)];
    let response = reqwest::Client::new().post(format!("{}/api/v1/{endpoint}", server.url)).form(&form).send().await.unwrap();
    let ok = response.status().is_success();
    (ok, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

/// The conditions of every selector of a syntax tree as the server sees it.
fn selectors<'a>(tree: &'a Value, out: &mut Vec<&'a Value>) {
    match tree {
        Value::Object(fields) => {
            out.extend(fields.get("matchers"));
            fields.values().for_each(|field| selectors(field, out));
        }
        Value::Array(items) => items.iter().for_each(|item| selectors(item, out)),
        _ => {}
    }
}

/// What is wrong with a query that was let through.
async fn leak(server: &Prometheus, text: &str) -> Option<String> {
    let ask = ask("shop", "web", &["web-1", "web-2"], query("own", ""));
    let Ok(filled) = substitute(text, &ask) else { return None };
    let (ok, answer) = get(server, "parse_query", &filled).await;
    if !ok {
        return None;
    }
    assert_eq!(answer["status"], "success", "{answer}");
    let mut found = Vec::new();
    selectors(&answer["data"], &mut found);
    for conditions in found {
        let on_label: Vec<_> = conditions.as_array().unwrap().iter().filter(|condition| condition["name"] == "namespace").collect();
        if on_label.len() != 1 || on_label[0]["type"] != "=" || on_label[0]["value"] != "shop" {
            return Some(format!("a selector with the conditions {conditions}"));
        }
    }
    // The tree has no room for a mistake, but for one of its own.
    let (_, values) = get(server, "query", &filled).await;
    values.to_string().contains("7424242424").then(|| values.to_string())
}

async fn scraped(server: &Prometheus) {
    for _ in 0..100 {
        if get(server, "query", "secret").await.1["data"]["result"].as_array().is_some_and(|all| all.len() == 3) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("nothing was scraped");
}

#[tokio::test]
async fn no_query_sees_another_tenants_series() {
    let server = prometheus().await;
    scraped(&server).await;
    assert!(
        leak(&server, "secret").await.is_some() && leak(&server, r#"load{namespace=~"shop|bank"}"#).await.is_some(),
        "the test sees leaks"
    );
    let (mut passed, mut leaks) = (0, Vec::new());
    for attempt in ATTEMPTS {
        let Ok(text) = enforce(attempt, "namespace", "shop") else { continue };
        passed += 1;
        leaks.extend(leak(&server, &text).await.map(|what| format!("{attempt} became {text}: {what}")));
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert!(passed > 40, "most are harmless once they are limited: {passed}");
    for refused in ["info(load)", r#"load{namespace="bank"}"#, r#"load{a="1" or b="2"}"#, r#"load{__graphite__="bank.*"}"#] {
        assert!(enforce(refused, "namespace", "shop").is_err(), "{refused}");
    }
}

/// The same for queries that nobody thought of.
#[test]
fn no_generated_query_sees_another_tenants_series() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(prometheus());
    runtime.block_on(scraped(&server));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let passed = std::cell::Cell::new(0);
    let any = prop_oneof![4 => expression(), 1 => words()];
    let result = runner.run(&any, |attempt| {
        if let Ok(text) = enforce(&attempt, "namespace", "shop") {
            passed.set(passed.get() + 1);
            let leak = runtime.block_on(leak(&server, &text));
            prop_assert!(leak.is_none(), "{} became {}: {}", attempt, text, leak.unwrap_or_default());
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    println!("{} queries passed the enforcement, none of them the server's", passed.get());
    assert!(passed.get() > 20, "the generator makes queries that are accepted: {}", passed.get());
}
