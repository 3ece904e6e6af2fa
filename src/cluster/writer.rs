//! Who set a size: asked of the API server when somebody else did, since the lists of managed fields are too large to be watched and kept.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, Error};

use super::{CALL_TIMEOUT, Key, MANAGER, in_words};
use crate::core::{Way, Writer};

/// Longest text of an error that is kept.
const LONGEST_WHY: usize = 160;

/// Who set `spec.replicas` of an object last; `None`: this controller did.
pub async fn writer(client: &Client, resource: &ApiResource, target: &Key) -> Option<Writer> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &target.namespace, resource);
    match tokio::time::timeout(CALL_TIMEOUT, api.get_metadata(&target.name)).await {
        Ok(Ok(object)) => match owner(&object.metadata.managed_fields.unwrap_or_default()) {
            // The size of a custom resource may be another field.
            Some(Writer::Nobody) if !["", "apps"].contains(&resource.group.as_str()) => unknown("no field manager owns spec.replicas"),
            owner => owner,
        },
        Ok(Err(Error::Api(status))) if status.is_forbidden() => unknown(&format!("not permitted: {}", status.message)),
        Ok(Err(error)) => unknown(&in_words(&error)),
        Err(_) => unknown(&format!("no answer within {} s", CALL_TIMEOUT.as_secs())),
    }
}

#[allow(clippy::unnecessary_wraps)] // What `writer` answers.
fn unknown(why: &str) -> Option<Writer> {
    Some(Writer::Unknown { why: why.get(..why.floor_char_boundary(LONGEST_WHY)).unwrap_or_default().into() })
}

/// The owner of the field; of several, who set the same value one after the other, the last one. Times are to the second, and others
/// come first: the question is only asked when a size was found that is not our own.
fn owner(entries: &[ManagedFieldsEntry]) -> Option<Writer> {
    let owns = |entry: &&ManagedFieldsEntry| {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:spec").is_some_and(|spec| spec.get("f:replicas").is_some()))
    };
    let own = |entry: &ManagedFieldsEntry| entry.manager.as_deref() == Some(MANAGER);
    let Some(last) = entries.iter().filter(owns).max_by_key(|entry| (entry.time.as_ref().map(|time| time.0), !own(entry))) else {
        return Some(Writer::Nobody);
    };
    if own(last) {
        return None;
    }
    let way = match (last.subresource.as_deref(), last.operation.as_deref()) {
        (Some("scale"), _) => Way::Scale,
        (_, Some("Apply")) => Way::Apply,
        _ => Way::Update,
    };
    Some(Writer::Manager { name: last.manager.as_deref().unwrap_or_default().into(), way })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn entry(manager: &str, operation: &str, subresource: &str, second: u32, fields: &Value) -> Value {
        json!({ "manager": manager, "operation": operation, "subresource": subresource, "apiVersion": "apps/v1",
            "time": format!("2026-11-21T09:00:{second:02}Z"), "fieldsType": "FieldsV1", "fieldsV1": fields })
    }

    fn size() -> Value {
        json!({ "f:spec": { "f:replicas": {} } })
    }

    fn named(name: &str, way: Way) -> Writer {
        Writer::Manager { name: name.into(), way }
    }

    #[rstest]
    #[case::scaled(vec![entry("kubectl", "Update", "scale", 9, &size())], Some(named("kubectl", Way::Scale)))]
    #[case::applied(vec![entry("argocd-controller", "Apply", "", 9, &size())], Some(named("argocd-controller", Way::Apply)))]
    #[case::patched(vec![entry("kubectl-edit", "Update", "", 9, &size())], Some(named("kubectl-edit", Way::Update)))]
    #[case::other_fields_count_for_nothing(
        vec![entry("ci", "Update", "", 1, &size()), entry("kube-controller-manager", "Update", "status", 9, &json!({ "f:status": {} })),
             entry("kubectl-rollout", "Update", "", 9, &json!({ "f:spec": { "f:template": {} } }))],
        Some(named("ci", Way::Update)))]
    #[case::the_last_of_several(
        vec![entry("helm", "Apply", "", 5, &size()), entry("kubectl", "Update", "scale", 9, &size()), entry("flux", "Apply", "", 2, &size())],
        Some(named("kubectl", Way::Scale)))]
    #[case::ourselves(vec![entry("helm", "Apply", "", 5, &size()), entry("ballast", "Update", "scale", 9, &size())], None)]
    #[case::in_the_same_second(
        vec![entry("helm", "Apply", "", 9, &size()), entry("ballast", "Update", "scale", 9, &size())], Some(named("helm", Way::Apply)))]
    fn the_owner_of_the_size(#[case] entries: Vec<Value>, #[case] expected: Option<Writer>) {
        let entries: Vec<ManagedFieldsEntry> = entries.into_iter().map(|entry| serde_json::from_value(entry).unwrap()).collect();
        assert_eq!(owner(&entries), expected);
    }

    #[test]
    fn a_field_that_nobody_owns_was_set_by_nobody() {
        assert_eq!(
            owner(&[serde_json::from_value(entry("helm", "Apply", "", 5, &json!({ "f:spec": { "f:template": {} } }))).unwrap()]),
            Some(Writer::Nobody)
        );
    }
}
