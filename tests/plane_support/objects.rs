//! Any object, as an administrator makes it, and the rights of a `ServiceAccount`.

use std::path::PathBuf;

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::Plane;

/// The API of an object's kind, in the object's namespace if it has one.
fn api_of(plane: &Plane, object: &Value) -> Api<DynamicObject> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").rsplit_once('/').unwrap_or(("", text("/apiVersion")));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
    match text("/metadata/namespace") {
        "" => Api::all_with(plane.client.clone(), &resource),
        namespace => Api::namespaced_with(plane.client.clone(), namespace, &resource),
    }
}

/// Creates or changes any object.
pub async fn apply(plane: &Plane, object: &Value) {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let params = PatchParams::apply("plane-test").force();
    api_of(plane, object).patch(name, &params, &Patch::Apply(object)).await.unwrap_or_else(|error| panic!("{object}: {error}"));
}

/// Creates or changes an object of a namespace; `fields` are all but its type and name.
pub async fn apply_in(plane: &Plane, namespace: &str, (api_version, kind, name): (&str, &str, &str), fields: &Value) {
    let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "namespace": namespace } });
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    apply(plane, &object).await;
}

/// The API of a kind in a namespace.
pub fn objects(plane: &Plane, namespace: &str, api_version: &str, kind: &str) -> Api<DynamicObject> {
    api_of(plane, &json!({ "apiVersion": api_version, "kind": kind, "metadata": { "namespace": namespace } }))
}

/// A kubeconfig that has the token of a `ServiceAccount` and nothing of the administrator's.
pub async fn kubeconfig_of(plane: &Plane, namespace: &str, account: &str) -> PathBuf {
    let request = TokenRequest::default();
    let accounts: Api<ServiceAccount> = Api::namespaced(plane.client.clone(), namespace);
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
    let token = answer.status.unwrap().token;
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(&plane.kubeconfig).unwrap()).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = json!({ "token": token });
    }
    let path = plane.dir.join(format!("kubeconfig-{namespace}"));
    std::fs::write(&path, config.to_string()).unwrap();
    path
}
