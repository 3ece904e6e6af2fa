//! Prometheus triggers, and the server they ask.

use serde_json::{Value, json};

use super::Faults;
use super::size::Sizes;
use super::triggers::At;
use crate::api::FieldError;
use crate::convert::{Options, Remarks};

/// Metadata that is read.
const KNOWN: [&str; 14] = [
    "serverAddress",
    "query",
    "threshold",
    "activationThreshold",
    "namespace",
    "cortexOrgID",
    "customHeaders",
    "ignoreNullValues",
    "queryParameters",
    "unsafeSsl",
    "authModes",
    "timeout",
    "metricName",
    "awsRegion",
];

/// A metric, and the `MetricSource` that it asks unless one was chosen.
pub fn convert(
    at: &At<'_>,
    index: usize,
    sizes: &Sizes,
    options: &Options,
    namespace: Option<&str>,
    out: &mut Remarks,
) -> Result<(Value, Option<Value>), Faults> {
    at.unknown(&KNOWN, out);
    let kind = at.metric_type("AverageValue", &["AverageValue", "Value"])?;
    let threshold = at.need("threshold")?;
    let number = at.number("threshold", false)?.unwrap_or_default();
    let query = asked(at, sizes, (kind, number), out)?;
    let name = at.trigger.name.as_deref().or_else(|| at.get("metricName")).map_or_else(|| format!("trigger-{index}"), str::to_owned);
    let field = if kind == "Value" { "value" } else { "averageValue" };
    let made = match &options.source {
        Some(_) => None,
        None => Some(source(at, namespace, out)?),
    };
    let name_of = |source: &Value| source["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let asks = options.source.clone().or_else(|| made.as_ref().map(name_of)).unwrap_or_default();
    let mut metric = json!({ "name": name, "query": query, "source": asks, "target": { "type": kind, field: threshold } });
    if at.get("ignoreNullValues").unwrap_or("true") == "true" {
        metric["whenEmpty"] = json!("Zero");
        let message = "as with KEDA an empty answer is no load; whenEmpty: Absent is safer, unless a workload without load has no series";
        out.note(at.of("ignoreNullValues"), "true", message);
    }
    Ok((json!({ "type": "Prometheus", "prometheus": metric }), made))
}

/// The query, with what makes it 0 while KEDA's trigger is not active.
fn asked(at: &At<'_>, sizes: &Sizes, (kind, threshold): (&str, f64), out: &mut Remarks) -> Result<String, Faults> {
    let query = at.need("query")?;
    let activation = at.number("activationThreshold", true)?.unwrap_or_default();
    if sizes.min > 0 {
        if activation > 0.0 {
            out.note(at.of("activationThreshold"), activation, "not needed: it is about going to zero only, and the policy has a minimum");
        }
        return Ok(query.to_owned());
    }
    let floor = if sizes.active > 1 { Some(threshold * sizes.active as f64) } else { None };
    if floor.is_none() && activation == 0.0 {
        return Ok(query.to_owned());
    }
    let mut load = format!("({query})");
    if let Some(floor) = floor {
        if kind == "Value" {
            out.lost("spec.minReplicaCount", sizes.active, "needs a metricType of AverageValue: of a Value no floor can be asked for");
        } else {
            load = format!("clamp_min({query}, {floor})");
            let message = format!("0 while idle and else at least {}: the query asks for that", sizes.active);
            out.note("spec.minReplicaCount", sizes.active, message);
        }
    }
    if activation > 0.0 {
        out.note(at.of("activationThreshold"), activation, "up to this the query counts as 0");
    }
    Ok(format!("{load} * (({query}) > bool {activation})"))
}

/// The server as a `MetricSource`.
fn source(at: &At<'_>, namespace: Option<&str>, out: &mut Remarks) -> Result<Value, Faults> {
    let address = at.need("serverAddress")?;
    let Some(host) = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://")) else {
        return Err(vec![FieldError::new(at.of("serverAddress"), address, "must begin with http:// or https://")]);
    };
    let name = host.split([':', '/']).next().unwrap_or_default().to_ascii_lowercase().replace('.', "-");
    let mut spec = json!({ "url": address.trim_end_matches('/') });
    let mut headers: Vec<Value> = Vec::new();
    for pair in at.get("customHeaders").into_iter().flat_map(|list| list.split(',')) {
        let Some((header, value)) = pair.split_once('=') else {
            return Err(vec![FieldError::new(at.of("customHeaders"), pair, "must be NAME=VALUE, several with commas between them")]);
        };
        headers.push(json!({ "name": header.trim(), "value": value.trim() }));
    }
    if let Some(tenant) = at.get("cortexOrgID") {
        headers.push(json!({ "name": "X-Scope-OrgID", "value": tenant }));
    }
    if !headers.is_empty() {
        spec["headers"] = Value::Array(headers);
    }
    if at.get("unsafeSsl") == Some("true") {
        spec["tls"] = json!({ "insecureSkipVerify": true });
        out.note(at.of("unsafeSsl"), "true", "kept: any certificate is accepted; give spec.tls.ca of the MetricSource instead");
    }
    for key in ["namespace", "queryParameters"] {
        if let Some(value) = at.get(key) {
            out.lost(at.of(key), value, "a MetricSource sends no further parameters; write the condition into the query");
        }
    }
    if let Some(timeout) = at.get("timeout") {
        out.note(at.of("timeout"), timeout, "not carried over: see spec.timeoutSeconds of the MetricSource");
    }
    if at.trigger.authentication_ref.is_some() || at.get("authModes").is_some() {
        let path = format!("{}.authenticationRef", at.path);
        let modes = at.get("authModes").unwrap_or_default();
        out.lost(path, modes, "credentials are not copied: name the Secret in spec.auth or spec.tls of the MetricSource");
    }
    let mut metadata = json!({ "name": name });
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    let message = format!("becomes the MetricSource {name}; --source NAME takes one that is there already");
    out.note(at.of("serverAddress"), address, message);
    Ok(json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "MetricSource", "metadata": metadata, "spec": spec }))
}
