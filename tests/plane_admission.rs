//! The chart's policy for annotations on a real API server: what it refuses and in which words, and that the controller would refuse it too.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod annotation_cases;
mod deploy_support;
mod plane_support;

use std::collections::BTreeMap;
use std::time::Duration;

use annotation_cases::{CONTRADICTIONS, PLANE_RULES, PLANE_VALUES, Pairs, WRONG_VALUES, examples};
use ballast::api::TargetRef;
use ballast::api::annotations::{KEYS, parse};
use deploy_support::Release;
use futures::stream::{self, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, PostParams};
use plane_support::{Options, Plane, apply, ensure_namespace, eventually, plane, run};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The namespace that the policy is bound to.
const SHOP: &str = "checked";
const SOON: Duration = Duration::from_secs(40);

/// Wrong, but no business of CEL: time zones, values of cron fields, days of the calendar, costs of queries, sizes of numbers.
const LEFT_TO_THE_CONTROLLER: &[Pairs] = &[
    &[("max-replicas", "4"), ("schedule", "0 8 * * * for 1h min=2 tz=Mars")],
    &[("max-replicas", "4"), ("schedule", "61 8 * * * for 1h min=2")],
    &[("max-replicas", "4"), ("schedule", "0 8 * * * for 40d min=2")],
    &[("max-replicas", "4"), ("schedule", "2026-13-28T00:00:00Z to 2026-13-29T00:00:00Z min=2")],
    &[("max-replicas", "4"), ("query", "max_over_time(up[52w:1s])"), ("query-target", "1")],
    &[("max-replicas", "4"), ("target-rps", "1000000000000000000000000000000000000")],
    &[("max-replicas", "4"), ("target-cpu", "3000000000%")],
    &[("max-replicas", "4"), ("pause", "up until=2030-12-24T18")],
];

/// Forms that work though they look odd.
const ODD: &[Pairs] = &[
    &[("max-replicas", " +0010 "), ("min-replicas", "-0"), ("target-rps", "1")],
    &[("max-replicas", "2147483647"), ("target-cpu", "  70 % "), ("target-memory", "+1.5Gi")],
    &[("max-replicas", "4"), ("target-rps", ".5"), ("interval", "+05m"), ("mode", "ENFORCE"), ("forecast", "shadow")],
    &[("max-replicas", "4"), ("target-rps", "1e3"), ("interval", "300"), ("pause", "False")],
    &[("max-replicas", "4"), ("pause", "TRUE\u{a0}by=ana\u{2003}until=2030-12-24t18:00:00z reason= x\ny")],
    &[("max-replicas", "4"), ("pause", "down until=20301224T180000+01 reason=until=never")],
    &[("max-replicas", "4"), ("schedule", "\t0  8 * *\n1-5 for 1d2h3m4s ramp=0s tz=europe/berlin min=+2 max=4")],
    &[("max-replicas", "4"), ("schedule", "@daily for 24h replicas=1")],
    &[("max-replicas", "4"), ("schedule", "2026-11-27T00:00:00+01:00 to 2026-11-27T00:00:00Z min=2 tz=Etc/GMT+5")],
    &[("max-replicas", "4"), ("preset", " go-cpu , go-run-queue,go-memory-headroom")],
    &[("max-replicas", "4"), ("preset", "go-memory-headroom, go-cpu"), ("preset-freshness", "DIRECT")],
    &[("max-replicas", "4"), ("preset", "auto"), ("preset-freshness", " direct ")],
    &[("max-replicas", "4"), ("min-replicas", "0"), ("preset", "istio-requests,go-cpu"), ("preset-target", "5")],
    &[("max-replicas", "4"), ("preset", "auto"), ("source", "tenant"), ("preset-target", "5")],
    &[("max-replicas", "4"), ("query", "sum(up{pod=~\"${pods}\",a=\"${name}.${namespace}\"})"), ("query-capacity", "1n")],
];

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (format!("ballast.dev/{key}"), (*value).to_owned())).collect()
}

/// What the controller finds wrong.
fn parser(pairs: &[(&str, &str)]) -> Vec<String> {
    let target = TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "web".into() };
    parse(&annotations(pairs), &target).err().into_iter().flatten().map(|error| error.to_string()).collect()
}

fn manifest(name: &str, annotations: &BTreeMap<String, String>) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": SHOP, "annotations": annotations },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": name } }, "template": {
            "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "app", "image": "ballast.test/app:test" }] } } } })
}

/// What the API server has against these annotations.
async fn server(plane: &Plane, pairs: &[(&str, &str)]) -> Option<String> {
    let api: Api<Deployment> = Api::namespaced(plane.client.clone(), SHOP);
    let object = serde_json::from_value(manifest("probe", &annotations(pairs))).unwrap();
    match api.create(&PostParams { dry_run: true, field_manager: None }, &object).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.message.contains("ValidatingAdmissionPolicy 'shop-ballast-annotations'") => {
            Some(status.message.clone())
        }
        Err(error) => panic!("{pairs:?}: {error}"),
    }
}

/// The policy in force, in a namespace that had a workload with wrong annotations before.
async fn begin() -> &'static Plane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let plane = plane(Options::default()).await;
    INSTALLED
        .get_or_init(async || {
            ensure_namespace(&plane.client, SHOP).await;
            apply(plane, &manifest("old", &annotations(&[("max-replicas", "many"), ("target-cpu", "70%")]))).await;
            let set = "fullnameOverride=shop-ballast,watchNamespaces={checked},annotatedKinds={ReplicaSet}";
            let release = Release::new(None, &["--set", set]);
            apply(plane, release.one("ValidatingAdmissionPolicy")).await;
            apply(plane, release.one("ValidatingAdmissionPolicyBinding")).await;
            // The API server takes a moment to learn its new rule.
            eventually("the policy holds", SOON, async || {
                server(plane, &[("max-replicas", "many")]).await.map(|_| ()).ok_or_else(|| "admitted".to_owned())
            })
            .await;
        })
        .await;
    plane
}

/// Examples with a character left out, and with another in its place.
fn mutants() -> Vec<Vec<(&'static str, String)>> {
    let mut out = Vec::new();
    for pairs in examples() {
        let (key, value) = pairs[1];
        let letters: Vec<char> = value.chars().collect();
        for at in 0..letters.len() {
            let put = [' ', '0', '-', '%', 'm', '=', 'Z'][at % 7];
            for middle in [String::new(), put.to_string()] {
                let text = letters[..at].iter().collect::<String>() + &middle + &letters[at + 1..].iter().collect::<String>();
                let mut mutant: Vec<_> = pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
                mutant.retain(|(other, _)| *other != key);
                mutant.push((key, text));
                out.push(mutant);
            }
        }
    }
    out
}

#[test]
fn what_is_refused_would_not_have_worked() {
    run(async {
        let plane = begin().await;
        let mut cases: Vec<Vec<(&str, String)>> = mutants();
        let owned = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect::<Vec<_>>();
        cases.extend(examples().iter().map(|pairs| owned(pairs)));
        cases.extend(ODD.iter().map(|pairs| owned(pairs)));
        let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        cases.push(known.iter().map(|key| (*key, "x".to_owned())).collect());
        let seen: Vec<_> = stream::iter(&cases)
            .map(async |case| {
                let pairs: Vec<(&str, &str)> = case.iter().map(|(key, value)| (*key, value.as_str())).collect();
                (format!("{pairs:?}"), server(plane, &pairs).await, parser(&pairs))
            })
            .buffer_unordered(8)
            .collect()
            .await;
        let stricter: Vec<_> = seen.iter().filter(|(_, server, parser)| server.is_some() && parser.is_empty()).collect();
        assert!(stricter.is_empty(), "{} of {}: {stricter:#?}", stricter.len(), seen.len());
        let (refused, wrong) = (seen.iter().filter(|seen| seen.1.is_some()).count(), seen.iter().filter(|seen| !seen.2.is_empty()).count());
        println!("of {} annotations the controller refuses {wrong}, the API server {refused}", seen.len());
        assert!(refused * 10 >= wrong * 8, "{:#?}", seen.iter().filter(|seen| seen.1.is_none() && !seen.2.is_empty()).collect::<Vec<_>>());
        for pairs in ODD {
            assert_eq!(parser(pairs), Vec::<String>::new(), "{pairs:?}");
        }
    });
}

#[test]
fn what_does_not_work_is_refused_in_the_words_of_the_controller() {
    run(async {
        let plane = begin().await;
        for &(key, value) in WRONG_VALUES.iter().chain(PLANE_VALUES) {
            let pairs: Vec<_> = [("max-replicas", "10"), (key, value)].into_iter().skip(usize::from(key == "max-replicas")).collect();
            let Some(told) = server(plane, &pairs).await else { panic!("{pairs:?} is admitted") };
            let form = KEYS.iter().find(|known| known.name == key).unwrap().form;
            let shown = if value.is_empty() { "\"\"" } else { value };
            assert!(told.contains(&format!("metadata.annotations[ballast.dev/{key}]: {shown}: must be {form}")), "{pairs:?}: {told}");
        }
        let beside = PLANE_RULES.iter().map(|(pairs, said)| ([&[("max-replicas", "10")], *pairs].concat(), *said));
        for (pairs, said) in CONTRADICTIONS.iter().map(|(pairs, said)| (pairs.to_vec(), *said)).chain(beside) {
            let refused = server(plane, &pairs).await;
            assert!(!parser(&pairs).is_empty());
            assert_eq!(refused.is_none(), LEFT_TO_THE_CONTROLLER.iter().any(|left| *left == pairs), "{pairs:?}: {refused:?}");
            if said.contains("unknown key") || said.contains("is missing") || said.contains("may not be given together") {
                assert!(refused.as_ref().is_some_and(|told| told.contains(said)), "{pairs:?}: {refused:?}");
            }
        }
        for pairs in LEFT_TO_THE_CONTROLLER {
            assert!(!parser(pairs).is_empty(), "{pairs:?}");
            assert_eq!(server(plane, pairs).await, None, "{pairs:?}");
        }
    });
}

/// A cost beyond the API server's bounds would let everything pass.
#[test]
fn long_and_many_annotations_are_still_judged() {
    run(async {
        let plane = begin().await;
        let query = format!("{}${{pod}}", "sum(up) + ".repeat(400));
        let names: Vec<_> = (0..60).map(|number| format!("max-replicas-of-{number}-which-is-no-key-of-ours")).collect();
        let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        assert!(server(plane, &pairs).await.is_some());
        let presets = ballast::source::preset::PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(",");
        let reason = format!("up reason={}", "long ".repeat(200));
        pairs = vec![
            ("max-replicas", "3"),
            ("query", &query),
            ("query-target", "1"),
            ("preset", &presets),
            ("preset-target", "1"),
            ("pause", &reason),
        ];
        let told = server(plane, &pairs).await.unwrap();
        assert!(told.contains("unknown placeholder") && told.contains("ballast.dev/preset]"), "{told}");
    });
}

/// Rollouts, sizes and other people's annotations go on; who touches Ballast's annotations must leave them right.
#[test]
fn what_was_wrong_before_holds_nothing_up() {
    run(async {
        let plane = begin().await;
        for args in [
            &["set", "env", "deployment/old", "A=1"][..],
            &["scale", "deployment/old", "--replicas=2"],
            &["annotate", "deployment/old", "example.com/a=b"],
        ] {
            plane.kubectl_ok(&[args, &["--namespace", SHOP]].concat()).await;
        }
        // The Deployment's annotations are copied to its ReplicaSets, wrong as they are.
        eventually("the rollout has two ReplicaSets", SOON, async || {
            let names = plane.kubectl_ok(&["get", "replicasets", "--namespace", SHOP, "--selector=app=old", "--output=name"]).await;
            if names.lines().count() == 2 { Ok(()) } else { Err(names) }
        })
        .await;
        let annotate = async |pairs: &[&str]| {
            plane.kubectl(&[&["annotate", "--overwrite", "deployment/old", "--namespace", SHOP], pairs].concat(), "").await
        };
        for pairs in [&["ballast.dev/min-replicas=2"][..], &["ballast.dev/target-cpu-"]] {
            let (ok, told) = annotate(pairs).await;
            assert!(!ok && told.contains("ballast.dev/max-replicas]: many: must be a whole number from 1"), "{told}");
        }
        let (ok, told) = annotate(&["ballast.dev/max-replicas=5"]).await;
        assert!(ok, "{told}");
        let (ok, told) = annotate(&["ballast.dev/max-replica=6"]).await;
        assert!(!ok && told.contains("did you mean ballast.dev/max-replicas?"), "{told}");
        let (ok, told) = annotate(&["ballast.dev/max-replicas-", "ballast.dev/target-cpu-"]).await;
        assert!(ok, "{told}");
    });
}
