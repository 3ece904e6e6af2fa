//! The controller's own `sources:`: servers every namespace may ask, set up by the operator of the controller.

use std::path::PathBuf;

use serde::Deserialize;

use super::error::{FieldError, Problems};
use super::metric_source::{MetricSourceSpec, default_concurrency, default_queries_per_second, default_timeout};

/// A Prometheus-compatible server in the controller's configuration. Secrets are mounted files, which only the operator can name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceConfig {
    /// Name that policies use as `source`; a `MetricSource` of the same name in the policy's namespace wins.
    pub name: String,
    /// Base address as in a `MetricSource`.
    pub url: String,
    /// File with a bearer token, read again whenever it changes.
    pub bearer_token_file: Option<PathBuf>,
    /// User name and password.
    pub basic: Option<BasicFile>,
    /// Certificates.
    #[serde(default)]
    pub tls: TlsFiles,
    /// Headers sent with every query.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// Longest wait for an answer in seconds, 1 to 60, default 5.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: i32,
    /// Queries under way at once, 1 to 64, default 8.
    #[serde(default = "default_concurrency")]
    pub concurrency: i32,
    /// Queries per second on average, 1 to 10000, default 500.
    #[serde(default = "default_queries_per_second")]
    pub queries_per_second: i32,
    /// Label set to the policy's namespace in every selector, e.g. `namespace`. Default none.
    pub enforce_label: Option<String>,
}

/// User name, and the file with the password.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicFile {
    /// User name.
    pub username: String,
    /// File with the password.
    pub password_file: PathBuf,
}

/// Certificates as PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsFiles {
    /// Certificate authorities that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Client certificate.
    pub certificate_file: Option<PathBuf>,
    /// Its private key.
    pub key_file: Option<PathBuf>,
    /// Name the server's certificate must have; default the host of the address.
    pub server_name: Option<String>,
    /// Accept any certificate. Default false.
    pub insecure_skip_verify: bool,
}

/// Headers the client sets itself.
const RESERVED: [&str; 6] = ["authorization", "connection", "content-length", "content-type", "host", "transfer-encoding"];

impl SourceConfig {
    /// Checks an entry of the configuration; `path` is where it stands, e.g. `sources[0]`.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn validate(&self, path: &str) -> Result<(), Vec<FieldError>> {
        let mut out = Problems::default();
        if self.name.is_empty() {
            out.add(format!("{path}.name"), "", "must not be empty");
        }
        if self.bearer_token_file.is_some() && self.basic.is_some() {
            out.add(format!("{path}.basic"), "", "must not be given together with bearerTokenFile");
        }
        if self.tls.certificate_file.is_some() != self.tls.key_file.is_some() {
            out.add(format!("{path}.tls.keyFile"), "", "must be given together with certificateFile");
        }
        if self.tls.insecure_skip_verify && self.tls.ca_file.is_some() {
            out.add(format!("{path}.tls.caFile"), "", "must not be given with insecureSkipVerify, which would ignore it");
        }
        let headers = self.headers.iter().map(|(name, value)| (format!("{path}.headers[{name}]"), name, Some(value)));
        let limits = Limits { timeout: self.timeout_seconds, concurrency: self.concurrency, per_second: self.queries_per_second };
        common(path, &self.url, &limits, self.enforce_label.as_deref(), headers, &mut out);
        if out.errors.is_empty() { Ok(()) } else { Err(out.errors) }
    }
}

impl MetricSourceSpec {
    /// Checks everything again that the API server checks, for objects older than its rules.
    ///
    /// # Errors
    /// Every fault of the spec.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut out = Problems::default();
        if self.auth.as_ref().is_some_and(|auth| auth.bearer_token.is_some() == auth.basic.is_some()) {
            out.add("spec.auth", "", "must have either bearerToken or basic");
        }
        if let Some(tls) = &self.tls {
            if tls.certificate.is_some() != tls.key.is_some() {
                out.add("spec.tls.key", "", "must be given together with certificate");
            }
            if tls.insecure_skip_verify && tls.ca.is_some() {
                out.add("spec.tls.ca", "", "must not be given with insecureSkipVerify, which would ignore it");
            }
            if tls.ca.as_ref().is_some_and(|ca| ca.secret_key_ref.is_some() == ca.config_map_key_ref.is_some()) {
                out.add("spec.tls.ca", "", "must have either secretKeyRef or configMapKeyRef");
            }
        }
        for (index, header) in self.headers.iter().enumerate() {
            if header.value.is_some() == header.secret_key_ref.is_some() {
                out.add(format!("spec.headers[{index}]"), &header.name, "must have either value or secretKeyRef");
            }
        }
        let headers = self.headers.iter().enumerate();
        let headers = headers.map(|(index, header)| (format!("spec.headers[{index}]"), &header.name, header.value.as_ref()));
        let limits = Limits { timeout: self.timeout_seconds, concurrency: self.concurrency, per_second: self.queries_per_second };
        common("spec", &self.url, &limits, self.enforce_label.as_deref(), headers, &mut out);
        if out.errors.is_empty() { Ok(()) } else { Err(out.errors) }
    }
}

/// What the url of a server must be.
pub(crate) const ADDRESS: &str = "an http or https address without user name, query and fragment, e.g. http://prometheus.monitoring:9090";

/// Whether a url is an [`ADDRESS`].
pub(crate) fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['@', '?', '#']))
        && url.parse::<http::Uri>().is_ok()
}

/// The numbers of both forms of a source.
struct Limits {
    timeout: i32,
    concurrency: i32,
    per_second: i32,
}

fn common<'a>(
    path: &str,
    url: &str,
    limits: &Limits,
    label: Option<&str>,
    headers: impl Iterator<Item = (String, &'a String, Option<&'a String>)>,
    out: &mut Problems,
) {
    if !is_address(url) {
        // A password may stand in it, so it is not repeated.
        out.add(format!("{path}.url"), "", format!("must be {ADDRESS}"));
    }
    if !(1..=60).contains(&limits.timeout) {
        out.add(format!("{path}.timeoutSeconds"), limits.timeout, "must be 1 to 60 seconds");
    }
    if !(1..=64).contains(&limits.concurrency) {
        out.add(format!("{path}.concurrency"), limits.concurrency, "must be 1 to 64");
    }
    if !(1..=10_000).contains(&limits.per_second) {
        out.add(format!("{path}.queriesPerSecond"), limits.per_second, "must be 1 to 10000");
    }
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if let Some(label) = label
        && (!label.starts_with(letter) || !label.chars().all(|c| letter(c) || c.is_ascii_digit()))
    {
        out.add(format!("{path}.enforceLabel"), label, "must be a label name such as namespace");
    }
    for (path, name, value) in headers {
        if http::HeaderName::try_from(name.as_str()).is_err() {
            out.add(&path, name, "must be a header name");
        } else if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            out.add(&path, name, "is set by the client itself; log in with its own fields");
        }
        if value.is_some_and(|value| http::HeaderValue::try_from(value.as_str()).is_err()) {
            out.add(&path, name, "must have a value of visible ASCII characters");
        }
    }
}
