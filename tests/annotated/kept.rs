//! The policy of annotations follows them and nothing else; a policy that was held back by another goes on.

use std::time::Duration;

use serde_json::{Value, json};

use super::{begin, policy_of, workload};
use crate::plane_support::{eventually, run};

#[test]
fn edits_by_hand_are_undone_and_the_policy_goes_with_its_workload() {
    run(async {
        let (scene, _) = begin().await;
        let workload = workload(&scene, 0, "web", 0);
        let policy = policy_of(&workload);
        scene.create(&workload, &[("max-replicas", "10"), ("target-cpu", "70%")]).await;
        scene.shows(&policy, "/spec/maxReplicas", "10").await;
        let made = scene.get("ScalePolicy", &policy).await.unwrap();

        scene.patch("ScalePolicy", &policy, json!({ "spec": { "maxReplicas": 99, "minReplicas": 9 } })).await;
        scene
            .until(
                "as before",
                "ScalePolicy",
                &policy,
                |found| {
                    if found["spec"] == made["spec"] { Ok(()) } else { Err(found["spec"].to_string()) }
                },
            )
            .await;
        // Somebody takes it over.
        scene.patch("ScalePolicy", &policy, json!({ "metadata": { "ownerReferences": null } })).await;
        let note = format!("a ScalePolicy named {policy} exists and was not made from them");
        scene.event(workload.kind, &workload.name, "AnnotationsOverridden", &[&note]).await;
        scene.annotate(workload.kind, &workload.name, &[("max-replicas", json!("11"))]).await;
        scene.delete("ScalePolicy", &policy).await;
        scene
            .until("made again", "ScalePolicy", &policy, |found| {
                let new = found["metadata"]["uid"] != made["metadata"]["uid"];
                if new && found["spec"]["maxReplicas"] == 11 { Ok(()) } else { Err(found["spec"].to_string()) }
            })
            .await;

        scene.delete(workload.kind, &workload.name).await;
        eventually("its policy is gone", Duration::from_mins(1), async || match scene.get("ScalePolicy", &policy).await {
            Err(error) if error.contains("not found") => Ok(()),
            found => Err(format!("{found:?}")),
        })
        .await;
    });
}

#[test]
fn a_policy_that_the_api_server_refuses_is_told_on_the_workload() {
    run(async {
        let (scene, _) = begin().await;
        let (allowed, refused) = (workload(&scene, 1, "allowed", 0), workload(&scene, 0, "refused", 0));
        let name = format!("no-policies-{}", scene.namespace);
        // What a company's own rules may do.
        let rule = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
            "spec": { "failurePolicy": "Fail",
                "matchConstraints": { "resourceRules": [{ "apiGroups": ["ballast.dev"], "apiVersions": ["*"], "resources": ["scalepolicies"],
                    "operations": ["CREATE", "UPDATE"] }] },
                "validations": [{ "expression": "object.spec.maxReplicas <= 5", "message": "at most 5 replicas in this namespace" }] } });
        let binding = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": { "name": name },
            "spec": { "policyName": name, "validationActions": ["Deny"], "matchResources":
                { "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } } } } });
        let manifests = json!({ "apiVersion": "v1", "kind": "List", "items": [rule, binding] }).to_string();
        let (ok, said) = scene.plane.kubectl(&["apply", "-f", "-"], &manifests).await;
        assert!(ok, "{said}");
        scene.create(&allowed, &[("max-replicas", "5")]).await;
        scene.shows(&policy_of(&allowed), "/spec/maxReplicas", "5").await;
        // The API server takes a moment to learn its new rule.
        eventually("the rule holds", Duration::from_secs(30), async || {
            let policy = json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": "probe" },
                "spec": { "maxReplicas": 6, "scaleTargetRef": { "kind": "Deployment", "name": "probe" } } });
            let args = ["create", "--dry-run=server", "--namespace", &scene.namespace, "-f", "-"];
            let (ok, said) = scene.plane.kubectl(&args, &policy.to_string()).await;
            if ok { Err(said) } else { Ok(()) }
        })
        .await;

        scene.create(&refused, &[("max-replicas", "9")]).await;
        scene.event(refused.kind, &refused.name, "FailedApplyPolicy", &["at most 5 replicas in this namespace"]).await;
        scene.annotate(refused.kind, &refused.name, &[("max-replicas", json!("4"))]).await;
        scene.shows(&policy_of(&refused), "/spec/maxReplicas", "4").await;
        scene.annotate(allowed.kind, &allowed.name, &[("max-replicas", json!("8"))]).await;
        scene.event(allowed.kind, &allowed.name, "FailedApplyPolicy", &["at most 5 replicas in this namespace"]).await;
        // The last good policy stands.
        let kept: Value = scene.get("ScalePolicy", &policy_of(&allowed)).await.unwrap();
        assert_eq!(kept["spec"]["maxReplicas"], 5);
        assert_eq!(scene.notes(refused.kind, &refused.name, "FailedApplyPolicy").await.unwrap().len(), 1, "said once");
    });
}

#[test]
fn a_policy_goes_on_at_once_when_its_rival_is_gone() {
    run(async {
        let (scene, _) = begin().await;
        let web = scene.deployment("contested", 2).await;
        let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": web });
        // Much longer than this test waits for anything.
        scene.policy("rival", json!({ "scaleTargetRef": target, "intervalSeconds": 300 })).await;
        scene.shows("rival", "/status/decision/verdict", "").await;
        scene.policy(&web, json!({ "minReplicas": 3, "intervalSeconds": 300 })).await;
        scene.condition(&web, "ScalingActive", "False", "AmbiguousSelector", &["ScalePolicy/rival"]).await;
        scene.size("Deployment", &web, 2).await;
        scene.delete("ScalePolicy", "rival").await;
        scene.moved(&web, &[(2, 3)]).await;
    });
}
