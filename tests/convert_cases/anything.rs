//! Anything in place of what people write: an error or a policy, never a panic.

use ballast::api::Defaults;
use ballast::convert::{Input, Options, convert};
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        "[0-9*,/@-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,6}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// A pointer into a document, by numbers.
fn put(document: &mut Value, way: &[prop::sample::Index], new: Value) {
    let Some((first, rest)) = way.split_first() else {
        *document = new;
        return;
    };
    match document {
        Value::Object(map) if !map.is_empty() => {
            let at = first.index(map.len());
            map.values_mut().nth(at).into_iter().for_each(|value| put(value, rest, new.clone()));
        }
        Value::Array(items) if !items.is_empty() => {
            let at = first.index(items.len());
            put(&mut items[at], rest, new);
        }
        other => *other = new,
    }
}

fn documents() -> Vec<Value> {
    let files = ["hpa.yaml", "hpa-custom.yaml", "scaledobject.yaml", "scaledobject-kafka.yaml"];
    let read = |file: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/migration").join(file);
        serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    files.into_iter().map(read).collect()
}

fn convert_any(documents: Vec<Value>) {
    let inputs = [Input { place: "in".to_owned(), documents }];
    if let Ok(converted) = convert(&inputs, &Options::default(), &Defaults::default()) {
        // What is printed for people is one line each, whatever stands in it.
        assert!(converted.remarks.iter().all(|remark| !remark.to_string().contains('\n')));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn documents_with_anything_somewhere(
        which in any::<prop::sample::Index>(),
        way in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        new in any_value(),
    ) {
        let mut all = documents();
        let at = which.index(all.len());
        put(&mut all[at], &way, new);
        convert_any(vec![all.swap_remove(at)]);
    }

    #[test]
    fn rules_with_anything_in_them(
        series in "(\\{__name__=~\"[a-z.*^$_]{0,9}\"\\}|[ -~]{0,24}|http_requests_total)",
        matches in "([a-z()?.*+^$\\\\_]{0,16}|\\^\\(\\.\\*\\)_total\\$)",
        to in "[a-z$0-3{}_]{0,12}",
        query in "([ -~]{0,24}|sum\\(<<[ .A-Za-z]{0,12}>>\\{<<\\.LabelMatchers>>\\}\\))",
    ) {
        let rule = json!({
            "seriesQuery": series, "resources": { "template": "<<.Resource>>" }, "metricsQuery": query, "name": { "matches": matches, "as": to },
        });
        let mut all = documents();
        all.push(json!({ "rules": [rule] }));
        convert_any(all);
    }
}
