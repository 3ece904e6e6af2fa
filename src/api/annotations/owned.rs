//! The `ScalePolicy` that stands for a workload's annotations.

use std::collections::BTreeMap;
use std::hash::Hasher;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;

use super::super::compile::TargetRef;
use super::super::error::FieldError;
use super::super::scale_policy::ScalePolicy;
use super::parse;

/// Label of policies that were made from annotations, with the value `annotations`. Only the controller sets it.
pub const MANAGED_BY: &str = "ballast.dev/managed-by";

/// Longest name of an object.
const MAX_NAME: usize = 253;

/// An annotated workload.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its kind and name.
    pub target: &'a TargetRef,
    /// Its UID, so that the policy goes with it and not with a later namesake.
    pub uid: &'a str,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

/// The policy that should exist for a workload: `None` where its annotations ask for nothing, and then one that exists is to be deleted.
///
/// # Errors
/// Every fault of the annotations; the last good policy then stays in force.
pub fn desired(workload: &Workload<'_>) -> Result<Option<ScalePolicy>, Vec<FieldError>> {
    let Some(spec) = parse(workload.annotations, workload.target)? else { return Ok(None) };
    let mut policy = ScalePolicy::new(&policy_name(workload.target), spec);
    policy.metadata.namespace = Some(workload.namespace.to_owned());
    policy.metadata.labels = Some(BTreeMap::from([(MANAGED_BY.to_owned(), "annotations".to_owned())]));
    policy.metadata.owner_references = Some(vec![OwnerReference {
        api_version: workload.target.api_version.clone(),
        kind: workload.target.kind.clone(),
        name: workload.target.name.clone(),
        uid: workload.uid.to_owned(),
        controller: Some(true),
        // Blocking would need the right to update finalizers of the workload.
        block_owner_deletion: Some(false),
    }]);
    Ok(Some(policy))
}

/// Name of a workload's policy: its own name and kind, so that a Deployment and a `StatefulSet` of one name do not clash. A dot joins
/// them: `web-deployment` is what somebody may have called a policy of their own.
pub fn policy_name(target: &TargetRef) -> String {
    let kind = target.kind.to_lowercase();
    let plain = format!("{}.{kind}", target.name);
    if plain.len() <= MAX_NAME {
        return plain;
    }
    // Fixed keys: the name must be the same in every process.
    #[allow(deprecated)]
    let mut hasher = std::hash::SipHasher::new_with_keys(0, 0);
    hasher.write(target.name.as_bytes());
    let tail = format!("-{:016x}.{kind}", hasher.finish());
    let cut = target.name.floor_char_boundary(MAX_NAME.saturating_sub(tail.len()));
    format!("{}{tail}", &target.name[..cut])
}

/// Whether the policy was made from annotations: it has the label, and is controlled by what it scales.
pub fn is_annotation_owned(policy: &ScalePolicy) -> bool {
    let target = &policy.spec.scale_target_ref;
    policy.labels().get(MANAGED_BY).is_some_and(|value| value == "annotations")
        && policy
            .owner_references()
            .iter()
            .any(|owner| owner.controller == Some(true) && owner.kind == target.kind && owner.name == target.name)
}
