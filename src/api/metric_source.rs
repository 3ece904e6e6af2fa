//! `MetricSource`: a Prometheus-compatible server that policies of its namespace may ask.

// The lint takes one column's type for a repetition of another's.
#![allow(clippy::duplicated_attributes)]
// kubectl explain shows these texts without markup.
#![allow(clippy::doc_markdown, rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::status::observed;

/// How a Prometheus-compatible server is reached.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "ballast.dev",
    version = "v1alpha1",
    kind = "MetricSource",
    plural = "metricsources",
    namespaced,
    status = "MetricSourceStatus",
    shortname = "ms",
    category = "ballast",
    derive = "PartialEq",
    doc = "A MetricSource is a Prometheus-compatible server that the ScalePolicies of its namespace may ask by its name. Secrets are read from the same namespace only.",
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url", description = "Base address of the server"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the server answers"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "What is wrong, or QueryAnswered"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What it said last",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct MetricSourceSpec {
    /// Base address of the HTTP API without /api/v1, e.g. http://prometheus.monitoring:9090. The path may have a prefix; a user name, query or
    /// fragment is refused.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/@?#]+(/[^@?#]*)?$')")
        .message("must be an http or https address without user name, query and fragment, e.g. http://prometheus.monitoring:9090"))]
    pub url: String,
    /// How to log in. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How to check the server's certificate, and which one to show. Default: the public certificate authorities, and none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Headers sent with every query, e.g. X-Scope-OrgID of a multi-tenant server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub headers: Vec<Header>,
    /// Longest wait for an answer in seconds, 1 to 60. Default 5: a third of the default interval, so that a slow server delays no decision.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: i32,
    /// Queries under way at once, 1 to 64. Default 8: below the 20 that a Prometheus runs at once by itself, so that others get their turn.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: i32,
    /// Queries per second on average, 1 to 10000; as many may come at once. Default 500: at a millisecond each, half a core of the server at
    /// most. Policies with the same query share one, and so do those with the same preset.
    #[serde(default = "default_queries_per_second")]
    #[schemars(range(min = 1, max = 10_000))]
    pub queries_per_second: i32,
    /// Name of a label, e.g. namespace, that is set to the policy's own namespace in every selector of a query, so that a policy sees only
    /// its own namespace's series. A query with any other condition on that label is refused. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub enforce_label: Option<String>,
}

pub(crate) const fn default_timeout() -> i32 {
    5
}

pub(crate) const fn default_concurrency() -> i32 {
    8
}

pub(crate) const fn default_queries_per_second() -> i32 {
    500
}

/// A way to log in; exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.bearerToken) != has(self.basic)").message("must have either bearerToken or basic"))]
pub struct Auth {
    /// A token sent as Authorization: Bearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<SecretValue>,
    /// User name and password (HTTP basic authentication).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
}

/// User name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// User name.
    #[schemars(length(min = 1, max = 256))]
    pub username: String,
    /// Password.
    pub password: SecretValue,
}

/// A value kept in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretValue {
    /// The key of a Secret in the same namespace.
    pub secret_key_ref: KeyRef,
}

/// One key of a Secret or `ConfigMap` in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key of its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Certificates of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.certificate) == has(self.key)").message("must be given together with certificate").field_path(".key"),
    validation = Rule::new("!self.insecureSkipVerify || !has(self.ca)")
        .message("must not be given with insecureSkipVerify, which would ignore it").field_path(".ca"),
)]
pub struct Tls {
    /// Certificate authorities that are trusted instead of the public ones, in PEM form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaBundle>,
    /// Client certificate in PEM form; needs key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<SecretValue>,
    /// Private key of the client certificate in PEM form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretValue>,
    /// Name the server's certificate must have. Default: the host of the url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
    /// Accept any certificate of the server. Default false; true gives away queries and credentials to whoever answers.
    #[serde(default)]
    pub insecure_skip_verify: bool,
}

/// Certificate authorities; exactly one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)")
    .message("must have either secretKeyRef or configMapKeyRef"))]
pub struct CaBundle {
    /// The key of a Secret in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// The key of a ConfigMap in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
}

/// A header of every query: its value, or where that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.value) != has(self.secretKeyRef)").message("must have either value or secretKeyRef"),
    validation = Rule::new("!(self.name.lowerAscii() in ['authorization', 'connection', 'content-length', 'content-type', 'host', \
        'transfer-encoding'])").message("is set by the client itself; log in with spec.auth").field_path(".name"),
)]
pub struct Header {
    /// Name of the header.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), regex(pattern = "^[ -~]*$"))]
    pub value: Option<String>,
    /// The key of a Secret in the same namespace that holds its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
}

/// What is known about the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricSourceStatus {
    /// Generation of the spec that this is about; -1 before the source was asked for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "observed")]
    pub observed_generation: Option<i64>,
    /// Ready: the server is reached and trusted, lets the controller in and answers queries. Otherwise the reason says what is wrong, e.g.
    /// InvalidSpec, SecretNotFound, SecretKeyNotFound, SecretForbidden, InvalidCertificate, AddressRefused, ConnectionRefused, TLSFailed,
    /// Timeout or Unauthorized, and the message where, with path and value. Asked when the source changes, every minute, and every 11 seconds
    /// while it does not work; to have a Secret read again at once, change an annotation of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// When a query last failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_time: Option<Time>,
    /// What the last failed query met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl MetricSourceSpec {
    /// Every key this source reads from Secrets of its namespace.
    pub fn secret_keys(&self) -> impl Iterator<Item = &KeyRef> {
        let (auth, tls) = (self.auth.as_ref(), self.tls.as_ref());
        let values = [
            auth.and_then(|auth| auth.bearer_token.as_ref()),
            auth.and_then(|auth| auth.basic.as_ref()).map(|basic| &basic.password),
            tls.and_then(|tls| tls.certificate.as_ref()),
            tls.and_then(|tls| tls.key.as_ref()),
        ];
        let ca = tls.and_then(|tls| tls.ca.as_ref()?.secret_key_ref.as_ref());
        let headers = self.headers.iter().filter_map(|header| header.secret_key_ref.as_ref());
        values.into_iter().flatten().map(|value| &value.secret_key_ref).chain(ca).chain(headers)
    }
}
