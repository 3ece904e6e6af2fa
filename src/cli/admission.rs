//! The chart's `ValidatingAdmissionPolicy` for annotations: what of it is generated.

use crate::api::annotations::admission;

/// Text of `deploy/chart/ballast/files/annotations-policy.yaml`: the spec of the policy but for what it matches, which the chart's values say.
pub fn yaml() -> anyhow::Result<String> {
    let note = "# Generated from the table of annotations: UPDATE=1 cargo test --test api_generated\n";
    Ok([note, serde_saphyr::to_string(&admission::spec())?.trim_end(), "\n"].concat())
}
