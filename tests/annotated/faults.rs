//! Wrong annotations.

use std::collections::BTreeSet;

use ballast::api::annotations::KEYS;
use futures::future::join_all;
use serde_json::{Value, json};

use super::{begin, policy_of, workload};
use crate::annotation_cases::{PLANE_RULES, PLANE_VALUES};
use crate::plane_support::run;

#[test]
fn a_wrong_annotation_is_named_with_what_is_allowed_and_changes_nothing() {
    run(async {
        let (scene, _) = begin().await;
        let wrong = |key: &'static str, value: &'static str| {
            let form = KEYS.iter().find(|known| known.name == key).unwrap().form;
            let shown = if value.is_empty() { "\"\"" } else { value };
            (vec![(key, value)], format!("metadata.annotations[ballast.dev/{key}]: {shown}: must be {form}"))
        };
        let rows: Vec<(Vec<_>, String)> = PLANE_VALUES
            .iter()
            .map(|(key, value)| wrong(key, value))
            .chain(PLANE_RULES.iter().map(|(annotations, said)| (annotations.to_vec(), format!("metadata.annotations[{said}"))))
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
