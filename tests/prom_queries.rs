//! Bodies, placeholders and enforced labels: what needs no server.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ballast::core::{FailureKind, Reading, Sample, Time};
use ballast::source::prometheus::{decode, enforce, reading, substitute};
use ballast::source::{Ask, WhenEmpty};
use promql_parser::parser::{Expr, parse};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use source_support::{ask, query};

fn body(kind: &str, result: &Value) -> Vec<u8> {
    json!({"status": "success", "data": {"resultType": kind, "result": result}}).to_string().into_bytes()
}

fn element(pod: Option<&str>, value: &str) -> Value {
    let metric = pod.map_or(json!({"job": "x"}), |pod| json!({"pod": pod, "job": "x"}));
    json!({"metric": metric, "value": [1_700_000_000.25, value]})
}

fn read(body: &[u8], pods: &[&str], when_empty: WhenEmpty) -> Result<Reading, (FailureKind, String)> {
    let (answer, _) = decode(body).map_err(|error| (FailureKind::Invalid, error.to_string()))?;
    let pods: Vec<Arc<str>> = pods.iter().map(|&pod| Arc::from(pod)).collect();
    let asked = ballast::source::PrometheusQuery { when_empty, ..query("default", "q") };
    reading(&answer, &asked, &pods, Time::from_secs(9)).map_err(|failure| (failure.kind, failure.message))
}

fn sample(value: f64) -> Sample {
    Sample { value, time: Time::from_millis(1_700_000_000_250), window: Duration::ZERO }
}

fn vector(elements: &[Value]) -> Vec<u8> {
    body("vector", &json!(elements))
}

#[test]
fn a_scalar_and_a_single_element_are_totals_in_thousandths() {
    let total = Ok(Reading::Total(sample(1500.0)));
    assert_eq!(read(&body("scalar", &json!([1_700_000_000.25, "1.5"])), &[], WhenEmpty::Absent), total);
    assert_eq!(read(&vector(&[element(None, "1.5")]), &["a"], WhenEmpty::Absent), total);
    assert_eq!(read(&vector(&[element(Some(""), "1.5")]), &["a"], WhenEmpty::Absent), total);
}

#[test]
fn elements_with_a_pod_label_align_with_the_pods_asked_for() {
    let body = vector(&[element(Some("c"), "3"), element(Some("foreign"), "9"), element(Some("a"), "1"), element(Some("d"), "NaN")]);
    let samples = vec![Some(sample(1000.0)), None, Some(sample(3000.0)), None];
    assert_eq!(read(&body, &["a", "b", "c", "d"], WhenEmpty::Absent), Ok(Reading::PerPod { samples, requests: vec![], limits: vec![] }));
    let unknown = Reading::PerPod { samples: vec![None], requests: vec![], limits: vec![] };
    assert_eq!(read(&vector(&[element(Some("x"), "1")]), &["a"], WhenEmpty::Absent), Ok(unknown));
}

#[rstest]
#[case::empty(vector(&[]), FailureKind::Empty, "returned no series")]
#[case::several(vector(&[element(None, "1"), element(None, "2")]), FailureKind::Invalid, "returned 2 series, one is needed")]
#[case::mixed(vector(&[element(None, "1"), element(Some("a"), "2")]), FailureKind::Invalid, "1 have no label pod")]
#[case::twice(vector(&[element(Some("a"), "1"), element(Some("a"), "2")]), FailureKind::Invalid, "several series of pod a;")]
#[case::nan(vector(&[element(None, "NaN")]), FailureKind::Invalid, "returned NaN")]
#[case::infinite(vector(&[element(None, "+Inf")]), FailureKind::Invalid, "returned inf")]
#[case::minus_infinite(body("scalar", &json!([1, "-Inf"])), FailureKind::Invalid, "returned -inf")]
#[case::too_large_in_thousandths(vector(&[element(None, "1e307")]), FailureKind::Invalid, "not a usable number")]
#[case::text(body("string", &json!([1, "x"])), FailureKind::Invalid, "gives a text")]
#[case::range(body("matrix", &json!([])), FailureKind::Invalid, "range of values")]
#[case::no_number(vector(&[element(None, "one")]), FailureKind::Invalid, "\"one\" is not a number")]
#[case::histogram(
    vector(&[json!({"metric": {}, "histogram": [1, {"count": "3", "sum": "2"}]})]), FailureKind::Invalid, "native histograms")]
#[case::garbage(b"<html>".to_vec(), FailureKind::Invalid, "not one of a Prometheus API")]
#[case::truncated(vector(&[element(None, "1")])[..40].to_vec(), FailureKind::Invalid, "not one of a Prometheus API")]
#[case::error(br#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.to_vec(), FailureKind::Invalid, "bad_data: parse error")]
fn unusable_answers_say_why(#[case] body: Vec<u8>, #[case] kind: FailureKind, #[case] text: &str) {
    let (found, message) = read(&body, &["a"], WhenEmpty::Absent).unwrap_err();
    assert_eq!(found, kind, "{message}");
    assert!(message.contains(text), "{message}");
}

#[test]
fn empty_is_zero_only_where_the_owner_says_so() {
    let zero = Sample { value: 0.0, time: Time::from_secs(9), window: Duration::ZERO };
    assert_eq!(read(&vector(&[]), &["a"], WhenEmpty::Zero), Ok(Reading::Total(zero)));
    assert_eq!(read(&vector(&[element(None, "NaN")]), &["a"], WhenEmpty::Zero).unwrap_err().0, FailureKind::Invalid);
}

#[test]
fn placeholders_are_filled() {
    let ask = ask("shop", "web", &["web-1", "web-2.x"], query("default", ""));
    let filled = substitute(r#"sum(rate(x{namespace="${namespace}",d="${name}",pod=~"${pods}"}[1m]))"#, &ask).unwrap();
    assert_eq!(filled, r#"sum(rate(x{namespace="shop",d="web",pod=~"web-1|web-2[.]x"}[1m]))"#);
    let none = Ask { pods: Arc::from([]), ..ask.clone() };
    assert_eq!(substitute("${pods}", &none).unwrap(), ".^");
    assert!(!matches("\".^\"", "") && !matches("\".^\"", "x"), "no pods must match nothing");
    let refused = substitute("x{a=\"${pod}\"}", &ask).unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused);
    assert_eq!(refused.message, "unknown placeholder ${pod}; there are ${namespace}, ${name}, ${pods}");
    assert!(substitute("x ${", &ask).unwrap_err().message.contains("unknown placeholder ${;"));
    assert_eq!(substitute("$pods $ {x} 100%", &ask).unwrap(), "$pods $ {x} 100%");
}

/// Whether a label's value meets the condition `=~<literal>`, anchored as a server does it.
fn matches(literal: &str, value: &str) -> bool {
    match parse(&format!("x{{a=~{literal}}}")) {
        Ok(Expr::VectorSelector(selector)) => selector.matchers.matchers.iter().all(|matcher| matcher.is_match(value)),
        other => panic!("{literal} is not one string with a regular expression: {other:?}"),
    }
}

#[rstest]
#[case::bare("up", r#"up{namespace="shop"}"#)]
#[case::kept(r#"up{job="x"}"#, r#"up{job="x",namespace="shop"}"#)]
#[case::own_namespace(r#"up{namespace="shop",job="x"}"#, r#"up{job="x",namespace="shop"}"#)]
#[case::own_placeholder(r#"up{namespace="${namespace}"}"#, r#"up{namespace="shop"}"#)]
#[case::own_regex(r#"up{namespace=~"shop"}"#, r#"up{namespace="shop"}"#)]
#[case::twice(r#"up{namespace="shop",namespace=~"${namespace}"}"#, r#"up{namespace="shop"}"#)]
#[case::single_quotes(r"up{namespace='shop'}", r#"up{namespace="shop"}"#)]
#[case::quoted_name(r#"up{"namespace"="shop"}"#, r#"up{namespace="shop"}"#)]
#[case::rate("sum(rate(x[1m]))", r#"sum(rate(x{namespace="shop"}[1m]))"#)]
#[case::both_sides("a / on (pod) b", r#"a{namespace="shop"} / on (pod) b{namespace="shop"}"#)]
#[case::parameter("topk(scalar(k), x)", r#"topk(scalar(k{namespace="shop"}), x{namespace="shop"})"#)]
#[case::subquery("max_over_time(rate(x[1m])[5m:30s])", r#"max_over_time(rate(x{namespace="shop"}[1m])[5m:30s])"#)]
#[case::offset("x offset 5m", r#"x{namespace="shop"} offset 5m"#)]
#[case::negated("-x", r#"-x{namespace="shop"}"#)]
#[case::comment("a # } or b{x=\"\n + b", r#"a{namespace="shop"} + b{namespace="shop"}"#)]
#[case::unless("a unless b", r#"a{namespace="shop"} unless b{namespace="shop"}"#)]
#[case::absent("absent(x)", r#"absent(x{namespace="shop"})"#)]
#[case::no_selector("vector(1) + time()", "vector(1) + time()")]
#[case::placeholder(r#"x{pod=~"${pods}"}"#, r#"x{namespace="shop",pod=~"${pods}"}"#)]
#[case::text_in_text(r#"label_replace(x, "a", "$1", "b", "(.*)\"}")"#, r#"label_replace(x{namespace="shop"}, "a", "$1", "b", "(.*)\"}")"#)]
fn every_selector_is_limited(#[case] query: &str, #[case] expected: &str) {
    assert_eq!(enforce(query, "namespace", "shop").unwrap(), expected);
}

#[rstest]
#[case::other(r#"up{namespace="victim"}"#, r#"namespace="victim""#)]
#[case::all(r#"up{namespace=~".+",job="x"}"#, r#"namespace=~".+""#)]
#[case::more(r#"up{namespace=~"shop|victim"}"#, r#"namespace=~"shop|victim""#)]
#[case::not_the_own(r#"up{namespace!="shop"}"#, r#"namespace!="shop""#)]
#[case::not_like_the_own(r#"up{namespace!~"${namespace}"}"#, r#"namespace!~"${namespace}""#)]
#[case::one_of_two(r#"up{namespace="shop",namespace!="b"}"#, r#"namespace!="b""#)]
#[case::deep(r#"sum(rate(up{namespace="shop"}[1m])) / sum(rate(up{namespace='victim'}[1m]))"#, r#"namespace="victim""#)]
#[case::quoted_name(r#"up{"namespace"="victim"}"#, r#"namespace="victim""#)]
#[case::other_placeholder(r#"up{namespace="${name}"}"#, r#"namespace="${name}""#)]
fn another_condition_on_the_label_is_refused_and_named(#[case] query: &str, #[case] condition: &str) {
    let failure = enforce(query, "namespace", "shop").unwrap_err();
    let expected = format!(r#"the query cannot be limited to namespace="shop", as this source requires: it has the condition {condition}"#);
    assert_eq!((failure.kind, failure.message), (FailureKind::Refused, expected));
}

#[rstest]
#[case::broken("sum(")]
#[case::or_of_matchers(r#"{a="1" or b="2"}"#)]
#[case::placeholder_outside_of_a_string("sum(${name})")]
#[case::name_that_is_syntax(r#"{"up or secret"}"#)]
#[case::group_label_that_is_syntax(r#"sum by ("x) (secret) or sum by (y") (up)"#)]
fn what_cannot_be_limited_is_refused(#[case] query: &str) {
    match enforce(query, "namespace", "shop") {
        Err(failure) => {
            assert_eq!(failure.kind, FailureKind::Refused);
            assert!(failure.message.contains(r#"namespace="shop""#), "{}", failure.message);
        }
        // Where the parser writes such a name back as a quoted name, the result must still be limited.
        Ok(text) => assert!(limited(&text, "namespace", "shop"), "{text}"),
    }
}

#[test]
fn deep_and_long_queries_are_refused_or_done_without_overflow() {
    let nested = |n: usize| format!("{}x{}", "(".repeat(n), ")".repeat(n));
    assert!(enforce(&nested(60), "namespace", "shop").is_ok());
    assert!(enforce(&nested(2000), "namespace", "shop").is_err());
    let _ = enforce(&format!("{}x", "-".repeat(1000)), "namespace", "shop");
    assert!(enforce(&vec!["x"; 400].join("+"), "namespace", "shop").is_ok());
    let _ = enforce(&vec!["x"; 700].join(" or "), "namespace", "shop");
    let _ = enforce(&vec!["x"; 700].join(" and "), "namespace", "shop");
}

/// Whether every selector of a query has exactly this condition on the label.
fn limited(text: &str, label: &str, value: &str) -> bool {
    fn all(expr: &Expr, check: &dyn Fn(&promql_parser::label::Matchers) -> bool) -> bool {
        match expr {
            Expr::Aggregate(e) => e.param.as_ref().is_none_or(|p| all(p, check)) && all(&e.expr, check),
            Expr::Unary(e) => all(&e.expr, check),
            Expr::Binary(e) => all(&e.lhs, check) && all(&e.rhs, check),
            Expr::Paren(e) => all(&e.expr, check),
            Expr::Subquery(e) => all(&e.expr, check),
            Expr::Call(e) => e.args.args.iter().all(|e| all(e, check)),
            Expr::VectorSelector(e) => check(&e.matchers),
            Expr::MatrixSelector(e) => check(&e.vs.matchers),
            _ => true,
        }
    }
    let check = |matchers: &promql_parser::label::Matchers| {
        let found = matchers.find_matchers(label);
        found.len() == 1 && found[0].value == value && found[0].op == promql_parser::label::MatchOp::Equal
    };
    all(&parse(text).unwrap(), &check)
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn decoding_broken_answers_never_panics(cut in 0_usize..120, at in 0_usize..120, byte in any::<u8>()) {
        let mut whole = vector(&[element(Some("a"), "1"), element(None, "-Inf")]);
        let at = at.min(whole.len() - 1);
        whole[at] = byte;
        whole.truncate(whole.len().saturating_sub(cut));
        if let Ok((answer, _)) = decode(&whole) {
            let _ = reading(&answer, &query("default", "q"), &[Arc::from("a")], Time::from_secs(0));
        }
    }

    #[test]
    fn any_number_decodes_to_itself(value in any::<f64>(), time in any::<f64>()) {
        let body = json!({"status": "success", "data": {"resultType": "scalar", "result": [time, value.to_string()]}});
        if time.is_finite() {
            let total = read(body.to_string().as_bytes(), &[], WhenEmpty::Absent);
            prop_assert_eq!(total.is_ok(), (value * 1000.0).is_finite());
        }
    }

    /// In each kind of quotes the filled query is one string literal, and in a regular expression it matches the names and nothing else.
    #[test]
    fn values_never_leave_their_string(names in proptest::collection::hash_set("[ -~\\n\\t]{1,12}", 1..4), quote in "[\"'`]") {
        let names: HashSet<String> = names;
        let pods: Vec<&str> = names.iter().map(String::as_str).collect();
        let ask = ask(pods[0], pods[0], &pods, query("default", ""));
        for placeholder in ["${namespace}", "${name}", "${pods}"] {
            let filled = substitute(&format!("{quote}{placeholder}{quote}"), &ask).unwrap();
            let Ok(Expr::StringLiteral(literal)) = parse(&filled) else { panic!("not one string: {filled}") };
            if quote != "`" && placeholder == "${pods}" {
                for name in &names {
                    prop_assert!(matches(&filled, name), "{} does not match {}", filled, name);
                }
                prop_assert!(!matches(&filled, "something-else-altogether"));
            } else if quote != "`" {
                prop_assert_eq!(&literal.val, pods[0]);
            }
        }
    }

    #[test]
    fn enforced_queries_are_limited(name in "[a-z_]{1,8}", value in "[ -~]{0,12}", other in "[a-z{}\"'`,=~!() \\\\]{0,12}") {
        let value = value.replace(['\\', '"'], "");
        for query in [
            format!("{name}{{namespace=\"{value}\",x=\"{value}\"}}"),
            format!("sum by ({name}) (rate({name}{{x='{other}'}}[1m]))"),
            format!("{{\"{other}\"}}"),
            format!("{name} + {other}"),
        ] {
            if let Ok(text) = enforce(&query, "namespace", "shop") {
                prop_assert!(limited(&text, "namespace", "shop"), "{} became {}", query, text);
            }
        }
    }
}
