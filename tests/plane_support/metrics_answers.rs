//! The routes of the fake metrics APIs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use kube::core::{Selector, SelectorExt};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Fleet;
use super::fleet::FleetPod;
use super::load::{Fault, Source, Table};

#[derive(Clone)]
struct Answers {
    fleet: Fleet,
    table: Arc<Mutex<Table>>,
}

type Parameters = Query<HashMap<String, String>>;

/// All routes.
pub fn router(fleet: Fleet, table: Arc<Mutex<Table>>) -> Router {
    Router::new()
        .route("/apis/metrics.k8s.io/v1beta1/pods", get(async |s, q| usage(s, None, &q)))
        .route("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", get(async |s, p: Path<String>, q| usage(s, Some(&p.0), &q)))
        .route("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/{resource}/{name}/{metric}", get(custom))
        .route("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}", get(external))
        .with_state(Answers { fleet, table })
}

/// The time of a sample under this fault.
fn time(fault: Option<Fault>) -> String {
    let age = if let Some(Fault::Old(seconds)) = fault { seconds } else { 0 };
    (super::now() - jiff::SignedDuration::from_secs(age)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A fault's answer; `Empty` and `Old` are left to the caller.
fn fail(fault: Fault) -> Option<Response> {
    match fault {
        Fault::Empty | Fault::Old(_) => None,
        Fault::Garbage => Some(([(header::CONTENT_TYPE, "application/json")], "{\"items\": [{,").into_response()),
        Fault::Status(code) => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "injected fault", "code": code});
            Some((StatusCode::from_u16(code).unwrap(), Json(status)).into_response())
        }
    }
}

fn selector(parameters: &Parameters, name: &str) -> Selector {
    super::selector::parse(parameters.get(name).map_or("", String::as_str))
}

fn usage(State(s): State<Answers>, namespace: Option<&str>, parameters: &Parameters) -> Response {
    let wanted = selector(parameters, "labelSelector");
    let (table, pods) = (s.table.lock(), s.fleet.pods());
    let alive = pods.all_alive();
    let count = |namespace: &str, pod: &FleetPod| alive.get(&(namespace, pod.app())).copied().unwrap_or_default();
    let mut items = Vec::new();
    for ((ns, name), pod) in pods.select(namespace, &wanted) {
        let fault = table.faulty(pod.app(), "resource");
        match fault {
            Some(Fault::Empty) => continue,
            Some(Fault::Old(_)) | None => {}
            Some(fault) => return fail(fault).unwrap_or_default(),
        }
        let (mut containers, mut known) = (Vec::new(), false);
        for container in &pod.containers {
            let cpu = table.of_pod(count(ns, pod), pod, |source| matches!(source, Source::Cpu { container: c } if c == container));
            let memory = table.of_pod(count(ns, pod), pod, |source| matches!(source, Source::Memory { container: c } if c == container));
            let mut usage = serde_json::Map::new();
            cpu.inspect(|v| drop(usage.insert("cpu".into(), json!(format!("{v}m")))));
            memory.inspect(|v| drop(usage.insert("memory".into(), json!(format!("{v}Mi")))));
            known |= !usage.is_empty();
            containers.push(json!({"name": container, "usage": usage}));
        }
        if known {
            let metadata = json!({"name": name, "namespace": ns, "labels": pod.labels});
            items.push(json!({"metadata": metadata, "timestamp": time(fault), "window": "10s", "containers": containers}));
        }
    }
    Json(json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items})).into_response()
}

async fn custom(
    State(s): State<Answers>,
    Path((namespace, resource, name, metric)): Path<(String, String, String, String)>,
    parameters: Parameters,
) -> Response {
    let (table, pods) = (s.table.lock(), s.fleet.pods());
    let mut items = Vec::new();
    let mut add = |kind: &str, name: &str, value: i64, fault: Option<Fault>| {
        let described = json!({"kind": kind, "namespace": namespace, "name": name, "apiVersion": "v1"});
        let value = format!("{value}m");
        items.push(
            json!({"describedObject": described, "metric": {"name": metric}, "timestamp": time(fault), "windowSeconds": 10, "value": value}),
        );
    };
    if name == "*" {
        let wanted = selector(&parameters, "labelSelector");
        let alive = pods.all_alive();
        let count = |namespace: &str, pod: &FleetPod| alive.get(&(namespace, pod.app())).copied().unwrap_or_default();
        for ((ns, pod_name), pod) in pods.select(Some(&namespace), &wanted) {
            let fault = table.faulty(pod.app(), &metric);
            match fault {
                Some(Fault::Empty) => continue,
                Some(Fault::Old(_)) | None => {}
                Some(fault) => return fail(fault).unwrap_or_default(),
            }
            let value = table.of_pod(count(ns, pod), pod, |source| matches!(source, Source::Pods { metric: m } if *m == metric));
            value.inspect(|v| add("Pod", pod_name, *v, fault));
        }
    } else {
        let fault = table.faulty(&name, &metric);
        match fault {
            Some(Fault::Empty) => {}
            Some(fault) if !matches!(fault, Fault::Old(_)) => return fail(fault).unwrap_or_default(),
            _ => match table.of_object(&pods, &namespace, &name, &metric) {
                Some(value) => add(&resource, &name, value, fault),
                None => return fail(Fault::Status(404)).unwrap_or_default(),
            },
        }
    }
    Json(json!({"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {}, "items": items})).into_response()
}

async fn external(State(s): State<Answers>, Path((namespace, name)): Path<(String, String)>, parameters: Parameters) -> Response {
    let (table, pods) = (s.table.lock(), s.fleet.pods());
    let (metric, app) = name.split_once('.').unwrap_or((&name, ""));
    let fault = table.faulty(app, metric);
    if let Some(response) = fault.and_then(fail) {
        return response;
    }
    let wanted = selector(&parameters, "labelSelector");
    let mut items = Vec::new();
    for (labels, value) in table.series(&pods, &namespace, app, metric) {
        let labels: BTreeMap<String, String> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        if fault != Some(Fault::Empty) && wanted.matches(&labels) {
            items.push(
                json!({"metricName": name, "metricLabels": labels, "timestamp": time(fault), "window": 10, "value": format!("{value}m")}),
            );
        }
    }
    Json(json!({"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {}, "items": items}))
        .into_response()
}
