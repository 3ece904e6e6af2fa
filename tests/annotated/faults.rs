//! Wrong annotations.

use std::collections::BTreeSet;

use ballast::api::annotations::KEYS;
use futures::future::join_all;
use serde_json::{Value, json};

use super::{Annotations, begin, policy_of, workload};
use crate::plane_support::run;

#[test]
fn a_wrong_annotation_is_named_with_what_is_allowed_and_changes_nothing() {
    run(async {
        let (scene, _) = begin().await;
        #[rustfmt::skip]
        let forms = [
            ("max-replicas", "0"), ("max-replicas", "ten"), ("max-replicas", "2147483648"), ("max-replicas", ""),
            ("min-replicas", "-1"), ("min-replicas", "1.5"),
            ("target-cpu", "70"), ("target-cpu", "0%"), ("target-cpu", "many%"), ("target-memory", "512"), ("target-memory", "-1Gi"),
            ("target-rps", "0"), ("target-rps", "100/s"), ("capacity-rps", "-3"), ("query-target", "x"), ("query-capacity", "0"),
            ("preset-target", "none"), ("source", ""), ("interval", "0"), ("interval", "301s"), ("interval", "6m"),
            ("mode", "off"), ("forecast", "maybe"), ("pause", "maybe"), ("pause", "down until=tomorrow"), ("schedule", "weekdays"), ("schedule", "0 8 * * * min=5"),
        ];
        #[rustfmt::skip]
        let rules: [(Annotations, &str); 12] = [
            (&[("min-replicas", "11")], "ballast.dev/max-replicas]: 10: must be at least ballast.dev/min-replicas (11)"),
            (&[("min-replicas", "0")], "ballast.dev/min-replicas]: 0: 0 needs target-rps, capacity-rps, query, or a preset of a mesh or ingress"),
            (&[("target-rps", "1"), ("capacity-rps", "2")], "ballast.dev/capacity-rps]: 2: may not be given together with ballast.dev/target-rps"),
            (&[("query", "up")], "ballast.dev/query]: up: needs ballast.dev/query-target or ballast.dev/query-capacity"),
            (&[("query", "up{a=\"${b}\"}"), ("query-target", "1")], "ballast.dev/query]: ${b}: unknown placeholder; there are ${namespace}"),
            (&[("query-target", "3")], "ballast.dev/query-target]: 3: needs ballast.dev/query"),
            (&[("preset", "java-heap")], "ballast.dev/preset]: java-heap: is not a preset; there are http-requests, http-in-flight"),
            (&[("preset", "http-requests")], "ballast.dev/preset]: http-requests: needs ballast.dev/preset-target"),
            (&[("preset-target", "2")], "ballast.dev/preset-target]: 2: needs ballast.dev/preset"),
            (&[("source", "tenant")], "ballast.dev/source]: tenant: is used by target-rps, capacity-rps, query and preset only"),
            (&[("schedule", "0 8 * * * for 1h min=11")],
                "ballast.dev/schedule]: 0 8 * * * for 1h min=11: schedule.minReplicas: 11: must be spec.minReplicas (1) to spec.maxReplicas (10)"),
            (&[("max-replica", "3")], "ballast.dev/max-replica]: 3: unknown key; did you mean ballast.dev/max-replicas?"),
        ];
        let wrong = |key: &'static str, value: &'static str| {
            let form = KEYS.iter().find(|known| known.name == key).unwrap().form;
            let shown = if value.is_empty() { "\"\"" } else { value };
            (vec![(key, value)], format!("metadata.annotations[ballast.dev/{key}]: {shown}: must be {form}"))
        };
        let rows: Vec<(Vec<_>, String)> = forms
            .into_iter()
            .map(|(key, value)| wrong(key, value))
            .chain(rules.into_iter().map(|(annotations, said)| (annotations.to_vec(), format!("metadata.annotations[{said}"))))
            .collect();
        let told: BTreeSet<_> = rows.iter().flat_map(|(annotations, _)| annotations.iter().map(|(key, _)| *key)).collect();
        assert!(KEYS.iter().all(|key| told.contains(key.name)), "every key has a wrong value: {told:?}");

        // Wrong from the start: no policy.
        let fresh = async |index: usize, annotations: &[(&'static str, &'static str)], said: &str| {
            let workload = workload(&scene, index, &format!("fresh{index}"), 0);
            let all: Vec<_> = [("max-replicas", "10")].into_iter().chain(annotations.iter().copied()).collect();
            scene.create(&workload, &all).await;
            scene.event(workload.kind, &workload.name, "InvalidAnnotation", &[said]).await;
            let error = scene.get("ScalePolicy", &policy_of(&workload)).await.unwrap_err();
            assert!(error.contains("not found"), "{annotations:?}: {error}");
        };
        // Wrong by an edit: the last good policy stands until it is right again.
        let edited = async |index: usize, annotations: &[(&'static str, &'static str)], said: &str| {
            let workload = workload(&scene, index + 1, &format!("edited{index}"), 0);
            let policy = policy_of(&workload);
            scene.create(&workload, &[("max-replicas", "7"), ("target-cpu", "33%")]).await;
            scene.shows(&policy, "/spec/maxReplicas", "7").await;
            let before = scene.get("ScalePolicy", &policy).await.unwrap();
            let edit = |value: &dyn Fn(&str) -> Value, max: &str| {
                let own = annotations.iter().map(|(key, text)| (*key, value(text)));
                [("max-replicas", json!(max))].into_iter().chain(own).collect::<Vec<_>>()
            };
            scene.annotate(workload.kind, &workload.name, &edit(&|text| json!(text), "10")).await;
            scene.event(workload.kind, &workload.name, "InvalidAnnotation", &[said]).await;
            let after = scene.get("ScalePolicy", &policy).await.unwrap();
            let kept =
                |policy: &Value| (policy["metadata"]["uid"].clone(), policy["metadata"]["generation"].clone(), policy["spec"].clone());
            assert_eq!(kept(&after), kept(&before), "{annotations:?}");
            let mut right = edit(&|_| Value::Null, "8");
            right.dedup_by_key(|(key, _)| *key);
            scene.annotate(workload.kind, &workload.name, &right).await;
            scene.shows(&policy, "/spec/maxReplicas", "8").await;
            let notes = scene.notes(workload.kind, &workload.name, "InvalidAnnotation").await.unwrap();
            assert_eq!(notes.len(), 1, "said once: {notes:?}");
        };
        let both = async |index: usize, annotations: &[(&'static str, &'static str)], said: &str| {
            tokio::join!(fresh(index, annotations, said), edited(index, annotations, said));
        };
        join_all(rows.iter().enumerate().map(|(index, (annotations, said))| both(index, annotations, said))).await;
    });
}
