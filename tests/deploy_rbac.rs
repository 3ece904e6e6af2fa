//! What the chart lets the controller do, and no more.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;

use std::collections::BTreeSet;

use deploy_support::{NAMESPACE, Release, id};
use serde_json::{Value, json};

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap()).collect()
}

/// Every rule of a role as (role, group, resource, verb, whether it names objects).
fn grants(role: &Value) -> Vec<(String, String, String, String, bool)> {
    let rules = role["rules"].as_array().unwrap();
    let mut out = Vec::new();
    for rule in rules {
        assert!(rule.get("nonResourceURLs").is_none(), "{}", id(role));
        let named = !words(&rule["resourceNames"]).is_empty();
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    out.push((id(role), group.to_owned(), resource.to_owned(), verb.to_owned(), named));
                }
            }
        }
    }
    assert!(!out.is_empty(), "{}", id(role));
    out
}

fn roles(release: &Release) -> Vec<&Value> {
    [release.of("Role"), release.of("ClusterRole")].concat()
}

/// The roles of people have a label that adds them to the cluster's own; all others are the controller's.
fn controller_roles(release: &Release) -> Vec<&Value> {
    let people = |role: &Value| {
        let labels = role["metadata"]["labels"].as_object().unwrap();
        labels.keys().any(|label| label.starts_with("rbac.authorization.k8s.io/aggregate-to-"))
    };
    roles(release).into_iter().filter(|role| !people(role)).collect()
}

#[test]
fn secrets_and_config_maps_are_read_by_name_in_a_namespace_only() {
    for release in Release::all() {
        for role in roles(&release) {
            for (role_id, group, resource, verb, named) in grants(role) {
                let sensitive = group.is_empty() && ["secrets", "configmaps", "*"].iter().any(|name| resource.starts_with(name));
                // Its own memory, by name; a right to create cannot be limited so.
                let own = role_id == format!("Role {NAMESPACE}/ballast-memory") && resource == "configmaps";
                if own {
                    assert!(
                        verb == "create" || named && ["get", "update"].contains(&verb.as_str()),
                        "{}: {role_id}: {verb}",
                        release.values
                    );
                } else if sensitive {
                    assert!(role["kind"] == "Role" && named && verb == "get", "{}: {role_id}: {verb} {resource}", release.values);
                }
            }
        }
    }
}

#[test]
fn nothing_is_a_wildcard_but_the_metrics_of_adapters() {
    for release in Release::all() {
        for (role, group, resource, verb, _) in roles(&release).into_iter().flat_map(grants) {
            assert!(group != "*" && verb != "*", "{}: {role}", release.values);
            if resource.contains('*') {
                let adapters = ["custom.metrics.k8s.io", "external.metrics.k8s.io"].contains(&group.as_str());
                assert!(adapters && ["get", "list"].contains(&verb.as_str()), "{}: {role}: {verb} {group}/{resource}", release.values);
            }
        }
    }
}

#[test]
fn the_controller_writes_sizes_policies_status_events_and_its_lease() {
    for release in Release::all() {
        for (role, group, resource, verb, named) in controller_roles(&release).into_iter().flat_map(grants) {
            let allowed = match (group.as_str(), resource.as_str()) {
                (_, _) if ["get", "list", "watch"].contains(&verb.as_str()) => true,
                ("ballast.dev", "scalepolicies") => ["create", "patch", "delete"].contains(&verb.as_str()),
                ("ballast.dev", "scalepolicies/status" | "metricsources/status") => verb == "patch",
                (_, resource) if resource.ends_with("/scale") => verb == "patch",
                ("", "events") => ["create", "patch"].contains(&verb.as_str()),
                ("coordination.k8s.io", "leases") => role == format!("Role {NAMESPACE}/ballast-lease") && (verb == "create" || named),
                ("", "configmaps") => role == format!("Role {NAMESPACE}/ballast-memory") && (verb == "create" || verb == "update" && named),
                _ => false,
            };
            assert!(allowed, "{}: {role}: {verb} {group}/{resource}", release.values);
        }
    }
}

#[test]
fn every_built_in_kind_can_be_scaled_and_others_by_value() {
    let scales = |release: &Release| -> BTreeSet<String> {
        let grants = controller_roles(release).into_iter().flat_map(grants);
        grants.filter(|g| g.2.ends_with("/scale") && g.3 == "patch").map(|g| format!("{}/{}", g.1, g.2)).collect()
    };
    let built_in = ["/replicationcontrollers/scale", "apps/deployments/scale", "apps/replicasets/scale", "apps/statefulsets/scale"];
    assert_eq!(scales(&Release::new(None, &[])), BTreeSet::from(built_in.map(str::to_owned)));
    let more = scales(&Release::new(Some("ci/sources-values.yaml"), &[]));
    assert!(more.is_superset(&BTreeSet::from(["argoproj.io/rollouts/scale", "stable.example.com/crontabs/scale"].map(str::to_owned))));
    assert_eq!(more.len(), 6);
}

#[test]
fn watching_some_namespaces_needs_no_cluster_role() {
    let release = Release::new(Some("ci/namespaced-values.yaml"), &[]);
    assert!(release.of("ClusterRole").is_empty() && release.of("ClusterRoleBinding").is_empty());
    let found: BTreeSet<_> = release.of("RoleBinding").into_iter().map(id).collect();
    let expected =
        ["shop/ballast", "billing/ballast", "ballast-system/ballast-lease", "ballast-system/ballast-memory", "shop/ballast-secrets"];
    assert_eq!(found, expected.iter().map(|name| format!("RoleBinding {name}")).collect());
    // The same rights as in the whole cluster, each where it is needed.
    let everywhere = Release::new(None, &[]);
    let everywhere = controller_roles(&everywhere).into_iter().find(|role| role["kind"] == "ClusterRole").unwrap();
    let here = release.of("Role").into_iter().find(|role| id(role) == "Role shop/ballast").unwrap();
    assert_eq!(here["rules"], everywhere["rules"]);
}

#[test]
fn every_binding_names_a_role_of_the_release_and_its_account() {
    for release in Release::all() {
        let account = release.pod()["serviceAccountName"].as_str().unwrap();
        for binding in [release.of("RoleBinding"), release.of("ClusterRoleBinding")].concat() {
            let role = json!({ "kind": binding["roleRef"]["kind"], "metadata": {
                "name": binding["roleRef"]["name"], "namespace": binding["metadata"]["namespace"] } });
            assert!(roles(&release).into_iter().any(|existing| id(existing) == id(&role)), "{}: {}", release.values, id(binding));
            let subject = json!([{ "kind": "ServiceAccount", "name": account, "namespace": NAMESPACE }]);
            assert_eq!(binding["subjects"], subject, "{}: {}", release.values, id(binding));
        }
    }
}

#[test]
fn entries_for_one_namespace_become_one_role() {
    let release = Release::new(Some("ci/sources-values.yaml"), &[]);
    let names = |wanted: &str| {
        let roles = release.of("Role");
        let [role] = roles.iter().filter(|role| id(role) == wanted).collect::<Vec<_>>()[..] else { panic!("not one {wanted}") };
        words(&role["rules"][0]["resourceNames"]).join(" ")
    };
    assert_eq!(names("Role shop/ballast-secrets"), "client-certificate headers prometheus-token");
    assert_eq!(names("Role billing/ballast-secrets"), "prometheus-token");
    assert_eq!(names("Role shop/ballast-configmaps"), "private-ca");
}

#[test]
fn without_rbac_or_leader_election_their_roles_are_missing() {
    assert!(roles(&Release::new(None, &["--set", "rbac.create=false"])).is_empty());
    let single = Release::new(None, &["--set", "leaderElection.enabled=false"]);
    assert!(!roles(&single).into_iter().flat_map(grants).any(|grant| grant.2 == "leases"));
    assert!(single.flags().contains(&"--leader-elect=false"));
    let renamed = Release::new(None, &["--set", "leaderElection.leaseName=mine"]);
    let lease = renamed.of("Role").into_iter().find(|role| id(role).ends_with("-lease")).unwrap();
    assert_eq!(lease["rules"][1]["resourceNames"], json!(["mine"]));
    assert!(renamed.flags().contains(&"--lease-name=mine"));
}

/// Leases of shards and members are named, and only several shards need to list leases, where the controller runs.
#[test]
fn several_shards_name_their_leases() {
    let lease = |release: &Release| release.of("Role").into_iter().find(|role| id(role).ends_with("-lease")).unwrap().clone();
    let one = lease(&Release::new(None, &[]));
    assert_eq!(words(&one["rules"][1]["resourceNames"]), ["ballast"]);
    assert!(grants(&one).iter().all(|grant| grant.3 != "list"));
    let release = Release::new(Some("ci/shards-values.yaml"), &[]);
    let several = lease(&release);
    let named = words(&several["rules"][1]["resourceNames"]);
    let of = |kind: &str, count: usize| (0..count).map(|n| format!("ballast-{kind}-{n}")).collect::<Vec<_>>();
    let expected = [vec!["ballast".to_owned()], of("shard", 8), of("member", ballast::cluster::MEMBERS)].concat();
    assert_eq!(named, expected);
    let lists = |role: &&Value| grants(role).iter().any(|grant| grant.2 == "leases" && grant.3 == "list");
    assert_eq!(roles(&release).into_iter().filter(lists).map(id).collect::<Vec<_>>(), [format!("Role {NAMESPACE}/ballast-lease")]);
}
