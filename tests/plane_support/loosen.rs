//! Objects that the API server should have refused.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{SOON, Story, eventually};

/// Makes a CRD take any spec, as one that is older than the rules would.
pub async fn loosen(story: &Story, mut crd: CustomResourceDefinition) {
    let any = JSONSchemaProps { type_: Some("object".into()), x_kubernetes_preserve_unknown_fields: Some(true), ..Default::default() };
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
        schema.required = None;
        schema.x_kubernetes_validations = None;
        schema.properties.as_mut().unwrap().insert("spec".into(), any.clone());
    }
    let api: Api<CustomResourceDefinition> = Api::all(story.plane.client.clone());
    let name = crd.metadata.name.clone().unwrap();
    api.patch(&name, &PatchParams::apply("plane-test").force(), &Patch::Apply(&crd)).await.unwrap();
    // The old schema may answer for a moment.
    eventually("the loose schema is in force", SOON, async || {
        let bad = json!({ "apiVersion": crd.spec.group.clone() + "/v1alpha1", "kind": crd.spec.names.kind, "metadata": { "name": "probe" }, "spec": { "maxReplicas": "x", "url": 7 } });
        let (ok, out) = story.plane.kubectl(&["create", "--dry-run=server", "-f", "-"], &bad.to_string()).await;
        if ok { Ok(()) } else { Err(out) }
    })
    .await;
}
