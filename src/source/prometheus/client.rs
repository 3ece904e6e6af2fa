//! The HTTP client of one server.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use parking_lot::Mutex;
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, Url};

use super::broken::{broken, rejected};
use super::decode::{Answer, DecodeError, Run, decode, decode_by_name, decode_runs};
use super::material::{Material, client, endpoint, headers};
use super::targets::ByName;
use super::turns::{Turn, Turns};
use crate::clock::Clock;
use crate::core::{Failure, Time};
use crate::source::failure::quote;
use crate::source::health::Health;
use crate::source::preset::Shape;
use crate::source::{Cause, Fault, SourceHealth};
use crate::telemetry::Step;

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

    /// Asks for the values of `query` by namespace and pod, or whatever its shape finds targets by.
    pub async fn query_by_name(&self, query: &str, shape: Shape, now: Time, turn: &Turn) -> Result<ByName, Fault> {
        turn.comes().await;
        self.counted(Some(turn), || self.ask_by_name(query, shape, now)).await.map_err(|fault| fault.of(&self.label()))
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

    async fn ask_by_name(&self, query: &str, shape: Shape, now: Time) -> Result<ByName, Fault> {
        let body = self.post("query", query, &[("time", &seconds(now))]).await?;
        let (answer, warnings) = decode_by_name(&body, shape).map_err(unusable)?;
        self.warn(query, &warnings);
        if answer.count >= SERIES_LIMIT { Err(too_many()) } else { Ok(answer) }
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
        Step::current().tell(|| vec![KeyValue::new("http.response.status_code", i64::from(status.as_u16()))]);
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
