//! The HTTP client of one server.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity, Response, StatusCode, Url, redirect};

use super::address::{AddressRefused, Guarded, Reach, Unresolved};
use super::decode::{Answer, DecodeError, Run, decode, decode_by_pod, decode_runs};
use super::targets::ByPod;
use super::turns::{Budget, Turn, Turns};
use crate::clock::Clock;
use crate::core::{Failure, Time};
use crate::source::failure::{chain, quote};
use crate::source::health::Health;
use crate::source::{Cause, Fault, SourceHealth};

/// Largest body that is read.
const BODY_LIMIT: usize = 8 << 20;
/// Most series a query may give; servers that know the parameter stop there.
const SERIES_LIMIT: usize = 20_000;
/// Most pods of one query about many targets, before the server says that it is too large: with names of 40 bytes in two selectors, 160 KiB.
/// Proxies take 1 MiB by default, and the answer, of 150 bytes per pod, is far below both limits above.
const MOST_PODS: usize = 2000;
/// It never goes below this.
const LEAST_PODS: usize = 64;
/// Most warnings that are remembered as logged.
const WARNINGS_KEPT: usize = 1000;

/// Everything a connection is made of, with the secrets' values. Two equal ones share a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// Base address.
    pub url: String,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Label set to the policy's namespace in every selector.
    pub enforce_label: Option<String>,
    /// Headers of every request.
    pub headers: Vec<(String, String)>,
    /// How to log in.
    pub login: Login,
    /// Certificates.
    pub trust: Trust,
    /// Where the address may lead.
    pub reach: Reach,
    /// How much it is asked.
    pub budget: Budget,
}

/// How to log in.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer`.
    Bearer(String),
    /// User name and password.
    Basic(String, String),
}

/// Certificates in PEM form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Certificate authorities instead of the public ones.
    pub ca: Option<Vec<u8>>,
    /// Client certificate and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Name the server's certificate must have, if not the host's.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

/// A server that can be asked.
pub struct Server {
    /// How messages call it.
    name: String,
    material: Material,
    http: Client,
    endpoint: Url,
    headers: HeaderMap,
    turns: Turns,
    /// Most pods of one query about many targets: fewer once such a query was too large.
    most_pods: AtomicUsize,
    health: Health,
    /// Warnings that were logged.
    warned: Mutex<HashSet<String>>,
}

// === impl Login ===

impl Login {
    /// For messages; without what is secret.
    fn words(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Bearer(_) => "bearerToken".to_owned(),
            Self::Basic(user, _) => format!("basic.username {user}"),
        }
    }
}

// === impl Server ===

impl Server {
    /// Makes a client; nothing is sent yet. A fault begins with the path of a setting.
    pub fn new(name: &str, material: Material, clock: Clock) -> Result<Arc<Self>, Fault> {
        let refuse = |cause: Cause| move |why: String| Failure::refused(why).because(cause);
        let (endpoint, host) = endpoint(&material)?;
        let headers = headers(&material, host.as_deref()).map_err(refuse(Cause::InvalidCredentials))?;
        let http = client(&material, &endpoint, host.as_deref()).map_err(refuse(Cause::InvalidCertificate))?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            turns: Turns::new(&material, clock.clone()),
            most_pods: AtomicUsize::new(MOST_PODS),
            material,
            http,
            endpoint,
            headers,
            health: Health::new(clock),
            warned: Mutex::default(),
        }))
    }

    /// What the client was made of.
    pub const fn material(&self) -> &Material {
        &self.material
    }

    /// How messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its counters since the client was made; a changed configuration makes another one.
    pub fn health(&self) -> SourceHealth {
        self.health.snapshot()
    }

    /// Counts the asks of a tick.
    pub(in crate::source) fn asked(&self, asks: usize) {
        self.health.asked(asks);
    }

    /// Asks for the value of `query` at `now`.
    pub async fn query(&self, query: &str, now: Time, turn: &Turn) -> Result<Answer, Failure> {
        turn.comes().await;
        self.counted(Some(turn), || self.ask(query, now)).await.map_err(|fault| fault.failure.of(&self.label()))
    }

    /// Asks for the values of `query` by namespace and pod.
    pub async fn query_by_pod(&self, query: &str, now: Time, turn: &Turn) -> Result<ByPod, Fault> {
        turn.comes().await;
        self.counted(Some(turn), || self.ask_by_pod(query, now)).await.map_err(|fault| fault.of(&self.label()))
    }

    fn label(&self) -> String {
        format!("source {}", self.name)
    }

    /// Why a query has not been sent in all of its time.
    pub(super) fn no_room(&self, waited: Duration) -> Failure {
        self.turns.no_room(waited).of(&self.label())
    }

    /// The time over which so many queries are spread, of which somebody waits for no longer than `deadline`.
    pub fn spread(&self, queries: usize, deadline: Duration) -> Duration {
        self.turns.spread(queries, deadline)
    }

    /// Most pods of one query about many targets.
    pub fn most_pods(&self) -> usize {
        self.most_pods.load(Ordering::Relaxed)
    }

    /// A query about so many pods was too large; those after it are about half as many.
    pub fn too_many_pods(&self, pods: usize) {
        self.most_pods.fetch_min((pods / 2).max(LEAST_PODS), Ordering::Relaxed);
    }

    /// Asks for a constant, which costs the server nothing: whether it is reached, trusted, and lets us in.
    pub async fn probe(&self, now: Time) -> Result<(), Fault> {
        let told = |fault: Fault| match fault.cause {
            Cause::Unauthorized | Cause::Forbidden => fault.of(&format!("spec.auth: {}", self.material.login.words())),
            _ => fault.of(&format!("spec.url: {}", self.material.url)),
        };
        self.counted(None, || self.ask("vector(1)", now)).await.map(drop).map_err(told)
    }

    /// Asks for the values of `query` from `start` to `end`, both included, every `step`.
    pub async fn query_range(&self, query: &str, start: Time, end: Time, step: Duration) -> Result<Vec<Run>, Fault> {
        let step = step.as_secs_f64().to_string();
        let about = [("start", &*seconds(start)), ("end", &*seconds(end)), ("step", &*step)];
        self.counted(None, || self.ask_runs("query_range", query, &about)).await
    }

    /// Asks for the samples behind a range selector at `at`, as they were stored, e.g. `up[5m]` for those of five minutes.
    pub async fn query_samples(&self, query: &str, at: Time) -> Result<Vec<Run>, Fault> {
        let about = [("time", &*seconds(at))];
        self.counted(None, || self.ask_runs("query", query, &about)).await
    }

    /// Makes a request when it is its turn, and counts it. Thousands may wait, so a request takes room only then.
    async fn counted<T, R>(&self, turn: Option<&Turn>, request: impl FnOnce() -> R) -> Result<T, Fault>
    where
        R: Future<Output = Result<T, Fault>>,
    {
        let _slot = self.health.waiting(self.turns.take()).await?;
        turn.inspect(|turn| turn.begin());
        self.health.count(Box::pin(request())).await
    }

    async fn ask(&self, query: &str, now: Time) -> Result<Answer, Fault> {
        let body = self.post("query", query, &[("time", &seconds(now))]).await?;
        let (answer, warnings) = decode(&body).map_err(unusable)?;
        self.warn(query, &warnings);
        match &answer {
            Answer::Vector { series, histograms } if series.len() + histograms >= SERIES_LIMIT => Err(too_many()),
            _ => Ok(answer),
        }
    }

    async fn ask_by_pod(&self, query: &str, now: Time) -> Result<ByPod, Fault> {
        let body = self.post("query", query, &[("time", &seconds(now))]).await?;
        let (answer, warnings) = decode_by_pod(&body).map_err(unusable)?;
        self.warn(query, &warnings);
        if answer.elements >= SERIES_LIMIT { Err(too_many()) } else { Ok(answer) }
    }

    async fn ask_runs(&self, endpoint: &str, query: &str, about: &[(&str, &str)]) -> Result<Vec<Run>, Fault> {
        let body = self.post(endpoint, query, about).await?;
        let (runs, warnings) = decode_runs(&body).map_err(unusable)?;
        self.warn(query, &warnings);
        if runs.len() >= SERIES_LIMIT { Err(too_many()) } else { Ok(runs) }
    }

    /// The body of a successful answer.
    async fn post(&self, endpoint: &str, query: &str, about: &[(&str, &str)]) -> Result<Vec<u8>, Fault> {
        let timeout = format!("{}ms", self.material.timeout.as_millis());
        let limit = SERIES_LIMIT.to_string();
        // Thanos answers with what it could get unless told otherwise; others ignore the parameter.
        let form = [&[("query", query), ("timeout", &timeout), ("limit", &limit), ("partial_response", "false")], about].concat();
        let mut url = self.endpoint.clone();
        // Always a base: it has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(endpoint);
        }
        let request = self.http.post(url).headers(self.headers.clone()).form(&form);
        let response = request.send().await.map_err(|error| self.transport(error))?;
        let status = response.status();
        let body = self.body(response).await;
        if !status.is_success() {
            return Err(rejected(status, &body.unwrap_or_default(), &self.material.reach));
        }
        body
    }

    /// Logs the server's warnings, each once: they come with every answer.
    fn warn(&self, query: &str, warnings: &[String]) {
        for warning in warnings {
            let mut warned = self.warned.lock();
            if warned.len() >= WARNINGS_KEPT {
                warned.clear();
            }
            if warned.insert(format!("{query} {warning}")) {
                tracing::warn!(source = %self.name, query, warning = %quote(warning), "the server answered with a warning");
            }
        }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(error))? {
            if body.len() + chunk.len() > BODY_LIMIT {
                let many = format!("the answer is larger than {} MiB", BODY_LIMIT >> 20);
                return Err(Failure::invalid(many).because(Cause::TooManySeries));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn transport(&self, error: reqwest::Error) -> Fault {
        if error.is_timeout() {
            let late = format!("no answer within {} s", self.material.timeout.as_secs_f64());
            return Failure::unreachable(late).because(Cause::Timeout);
        }
        broken(&error.without_url())
    }
}

/// A time as the API takes it.
fn seconds(time: Time) -> String {
    let millis = time.as_millis();
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

/// What a body that cannot be used means.
fn unusable(error: DecodeError) -> Fault {
    match error {
        DecodeError::Server(said) => Failure::refused(quote(&said)).because(Cause::QueryRefused),
        DecodeError::Invalid(why) => Failure::invalid(quote(&why)).because(Cause::InvalidAnswer),
    }
}

fn too_many() -> Fault {
    let many = format!("returned {SERIES_LIMIT} series or more; aggregate them, e.g. with sum(…)");
    Failure::invalid(many).because(Cause::TooManySeries)
}

/// What ended a connection, or kept it from being made.
fn broken(error: &reqwest::Error) -> Fault {
    let mut found = Cause::Unreachable;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<AddressRefused>() {
            return Failure::refused(refused.to_string()).because(Cause::AddressRefused);
        }
        let io = inner.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            found = Cause::ConnectionRefused;
        } else if inner.is::<rustls::Error>() {
            found = Cause::TlsFailed;
        } else if inner.is::<Unresolved>() {
            found = Cause::NameNotResolved;
        }
        // An I/O error passes over what it wraps when it is asked for its source.
        cause = match io.and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    Failure::unreachable(quote(&chain(error))).because(found)
}

/// What an answer with an error status means.
fn rejected(status: StatusCode, body: &[u8], reach: &Reach) -> Fault {
    let said = match decode(body) {
        Err(DecodeError::Server(said)) => said,
        // A tenant chose the address: what is not a Prometheus's own error may be anybody's, and must not be read out to the tenant.
        _ if *reach != Reach::Everywhere => String::new(),
        // A page of a proxy in between says nothing that helps.
        _ => match std::str::from_utf8(body) {
            Ok(text) if !text.trim_start().starts_with(['<', '{']) => text.to_owned(),
            _ => String::new(),
        },
    };
    let said = quote(&said);
    let message = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
    if status.is_server_error() {
        Failure::unreachable(message).because(Cause::ServerError)
    } else if status.is_redirection() {
        Failure::refused(format!("{message}: redirects are not followed; give the final address")).because(Cause::Redirected)
    } else {
        Failure::refused(message).because(match status {
            StatusCode::UNAUTHORIZED => Cause::Unauthorized,
            StatusCode::FORBIDDEN => Cause::Forbidden,
            // Nothing of a Prometheus is there.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Cause::InvalidAnswer,
            StatusCode::TOO_MANY_REQUESTS => Cause::TooManyRequests,
            StatusCode::PAYLOAD_TOO_LARGE => Cause::TooManySeries,
            _ => Cause::QueryRefused,
        })
    }
}

/// The address of the API. Where the certificate bears another name, that name stands in it, and the real host is returned to be resolved.
fn endpoint(material: &Material) -> Result<(Url, Option<String>), Fault> {
    let invalid = |why: String| Failure::refused(why).because(Cause::InvalidSpec);
    let mut url = Url::parse(&material.url).map_err(|error| invalid(format!("url: cannot be read: {error}")))?;
    let host = url.host_str().ok_or_else(|| invalid("url: has no host".to_owned()))?.to_owned();
    let refuse = |refused: AddressRefused| Failure::refused(format!("url: {}: {refused}", material.url)).because(Cause::AddressRefused);
    let port = url.port_or_known_default().unwrap_or_default();
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => material.reach.check(&host, port, address).map_err(refuse)?,
        Err(_) => material.reach.admit(&host, port).map_err(refuse)?,
    }
    url.path_segments_mut().map_err(|()| invalid("url: has no path".to_owned()))?.pop_if_empty().extend(["api", "v1"]);
    let Some(name) = &material.trust.server_name else { return Ok((url, None)) };
    if name.parse::<IpAddr>().is_ok() {
        return Err(invalid(format!("tls.serverName: {name}: must be a DNS name")));
    }
    url.set_host(Some(name)).map_err(|error| invalid(format!("tls.serverName: {name}: {error}")))?;
    Ok((url, Some(host)))
}

fn headers(material: &Material, host: Option<&str>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let value =
        |text: &str, what: &str| HeaderValue::try_from(text).map_err(|_| format!("{what} has characters that a header cannot have"));
    for (name, text) in &material.headers {
        let key = HeaderName::try_from(name.as_str()).map_err(|_| format!("headers: {name:?} is not a header name"))?;
        let mut value = value(text, &format!("headers[{name}]: the value"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    let credentials = match &material.login {
        Login::None => None,
        Login::Bearer(token) => Some(format!("Bearer {token}")),
        Login::Basic(user, password) => {
            use base64::Engine as _;
            Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))))
        }
    };
    if let Some(text) = credentials {
        let mut value = value(&text, "auth: the token")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some(host) = host {
        headers.insert(HOST, value(host, "url: the host")?);
    }
    Ok(headers)
}

fn client(material: &Material, endpoint: &Url, host: Option<&str>) -> Result<Client, String> {
    let trust = &material.trust;
    let mut builder = Client::builder()
        .user_agent(concat!("ballast/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        // A proxy would resolve names behind the back of the check.
        .no_proxy()
        .timeout(material.timeout)
        .connect_timeout(material.timeout)
        .pool_max_idle_per_host(material.budget.concurrency)
        .dns_resolver(Guarded::new(material.reach.clone(), host.map(str::to_owned), endpoint.port_or_known_default().unwrap_or_default()));
    if host.is_some() {
        // HTTP/2 has no Host header that could differ from the certificate's name.
        builder = builder.http1_only();
    }
    if endpoint.scheme() != "https" {
        // Saves reading the machine's certificate authorities, which a small image may not even have.
        builder = builder.tls_certs_only([]);
    } else if trust.insecure_skip_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else if let Some(ca) = &trust.ca {
        let bundle = Certificate::from_pem_bundle(ca).map_err(|error| format!("tls.ca: is not in PEM form: {}", chain(&error)))?;
        if bundle.is_empty() {
            return Err("tls.ca: has no certificate in PEM form".to_owned());
        }
        builder = builder.tls_certs_only(bundle);
    }
    if let Some((certificate, key)) = &trust.identity {
        let pem = [certificate.as_slice(), b"\n", key.as_slice()].concat();
        let identity =
            Identity::from_pem(&pem).map_err(|error| format!("tls.certificate: it or its key is not in PEM form: {}", chain(&error)))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| format!("tls: cannot be used: {}", chain(&error)))
}
