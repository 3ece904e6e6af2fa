//! What a trace says of a request.

use futures::future::Aborted;
use opentelemetry::KeyValue;

use super::Query;
use super::plan::Work;
use super::prometheus::Server;
use super::request::Outcome;
use super::usage::Scope;
use crate::core::{Failure, FailureKind};
use crate::telemetry::{Step, clipped};

// === impl Work ===

impl Work {
    /// The step of this work for so many asks, which follows from a tick.
    pub(super) fn step(&self, tick: &Step, asks: usize) -> Step {
        tick.request("source request", || {
            let mut all = self.about();
            all.push(KeyValue::new("ballast.asks", i64::try_from(asks).unwrap_or(i64::MAX)));
            all
        })
    }

    fn about(&self) -> Vec<KeyValue> {
        match self {
            Self::Find { namespace, source } => {
                let mut all = request("lookup", source);
                all.push(KeyValue::new("k8s.namespace.name", namespace.to_string()));
                all
            }
            Self::Usage { scope, .. } => {
                let mut all = request("resource", "metrics.k8s.io");
                if let Scope::Namespace(namespace) = scope {
                    all.push(KeyValue::new("k8s.namespace.name", namespace.to_string()));
                }
                all
            }
            Self::Pods { namespace, metric, .. } => of_api("pods", "custom.metrics.k8s.io", namespace, metric),
            Self::Total { namespace, query } => match query {
                Query::Object { metric, .. } => of_api("object", "custom.metrics.k8s.io", namespace, metric),
                Query::External { metric, .. } => of_api("external", "external.metrics.k8s.io", namespace, metric),
                _ => Vec::new(),
            },
            Self::Direct { asks } => {
                let mut all = request("direct", "pods");
                if let Some(first) = asks.first() {
                    all.push(KeyValue::new("k8s.namespace.name", first.namespace.to_string()));
                    all.push(KeyValue::new("ballast.target.name", first.target.to_string()));
                    all.push(KeyValue::new("ballast.pods", i64::try_from(first.pods.len()).unwrap_or(i64::MAX)));
                }
                all
            }
            Self::Prometheus { turn, query } => {
                let mut all = of_server("prometheus", &turn.server);
                all.push(KeyValue::new("db.query.text", clipped(query)));
                all
            }
            // Its text is a list of pods.
            Self::Preset { turn, preset, pods, .. } => {
                let mut all = of_server("preset", &turn.server);
                all.push(KeyValue::new("ballast.preset", preset.name));
                all.push(KeyValue::new("ballast.pods", i64::try_from(*pods).unwrap_or(i64::MAX)));
                all
            }
        }
    }
}

fn request(kind: &'static str, source: &str) -> Vec<KeyValue> {
    vec![KeyValue::new("ballast.source.kind", kind), KeyValue::new("ballast.source", source.to_owned())]
}

fn of_api(kind: &'static str, api: &'static str, namespace: &str, metric: &str) -> Vec<KeyValue> {
    let mut all = request(kind, api);
    all.push(KeyValue::new("k8s.namespace.name", namespace.to_owned()));
    all.push(KeyValue::new("ballast.metric", clipped(metric)));
    all
}

fn of_server(kind: &'static str, server: &Server) -> Vec<KeyValue> {
    let mut all = request(kind, server.name());
    all.push(KeyValue::new("http.request.method", "POST"));
    if let Ok(url) = server.material().url.parse::<http::Uri>() {
        all.extend(url.host().map(|host| KeyValue::new("server.address", host.to_owned())));
        all.extend(url.port_u16().map(|port| KeyValue::new("server.port", i64::from(port))));
    }
    all
}

/// Ends a request's step.
pub(super) fn ended(step: &Step, how: &Result<Result<Outcome, Failure>, Aborted>) {
    let outcome = match how {
        Ok(Ok(Outcome::Answered(_) | Outcome::Heard(_))) => "answered",
        Ok(Ok(Outcome::NotDirect(_))) => "not_direct",
        Ok(Ok(Outcome::Found(_))) => "found",
        Ok(Ok(Outcome::Unknown)) => "unknown_source",
        Ok(Ok(Outcome::NotEverywhere)) => "by_namespace",
        Ok(Ok(Outcome::TooLarge { .. })) => "too_large",
        Ok(Err(failure)) => {
            step.failed(kind(failure.kind), &failure.message);
            "failed"
        }
        // Nobody waited any longer.
        Err(Aborted) => "late",
    };
    step.tell(|| vec![KeyValue::new("ballast.outcome", outcome)]);
    step.end();
}

const fn kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable => "unreachable",
        FailureKind::Refused => "refused",
        FailureKind::Empty => "empty",
        FailureKind::Invalid => "invalid",
    }
}
