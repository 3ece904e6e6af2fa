//! Reads of the aggregated metrics APIs through the API server.

use std::io::ErrorKind;
use std::time::Duration;

use kube::{Client, Error};
use reqwest::Url;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::failure::{chain, quote};
use crate::core::Failure;

/// Longest wait for one answer of the API server.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer that is kept as a whole; a value of a custom metric has about 300 bytes.
const OBJECT_LIMIT: u64 = 16 << 20;
/// Largest list that is read entry by entry: usage of half a million pods.
const LIST_LIMIT: u64 = 256 << 20;

/// A path of the API server, encoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path(String);

impl Path {
    /// Joins path segments and query pairs; pairs without a value are left out.
    pub fn new(segments: &[&str], query: &[(&str, &str)]) -> Result<Self, Failure> {
        if let Some(bad) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            return Err(Failure::refused(format!("{bad:?} cannot be a name in the metrics API")));
        }
        let broken = |()| Failure::refused("the address of the metrics API cannot be built");
        let mut url = Url::parse("https://kubernetes.invalid").map_err(|_| broken(()))?;
        url.path_segments_mut().map_err(broken)?.extend(segments);
        let pairs: Vec<_> = query.iter().filter(|(_, value)| !value.is_empty()).collect();
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(Self(url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))))
    }
}

/// Reads one object. `api` names the API in messages, and `hint` says what to do when the API server does not serve it.
pub(super) async fn get<T: DeserializeOwned>(client: &Client, path: &Path, api: &str, hint: &str) -> Result<T, Failure> {
    let read = async {
        let mut bytes = Vec::new();
        open(client, path, api, hint).await?.limited(OBJECT_LIMIT).copy_to(&mut bytes).await.map_err(|failure| failure.of(api))?;
        Ok(bytes)
    };
    let bytes = in_time(api, read).await?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::invalid(format!("{api}: the answer cannot be read: {error}")))
}

/// What comes within [`TIMEOUT`].
pub(super) async fn in_time<T>(api: &str, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| Failure::unreachable(format!("{api}: no answer within {} s", TIMEOUT.as_secs()));
    tokio::time::timeout(TIMEOUT, answer).await.map_err(late)?
}

/// Begins to read an answer.
pub(super) async fn open(client: &Client, path: &Path, api: &str, hint: &str) -> Result<Body<impl AsyncRead + Unpin + use<>>, Failure> {
    let request = http::Request::get(&path.0).body(Vec::new()).map_err(|error| Failure::refused(format!("{api}: {error}")))?;
    let stream = client.request_stream(request).await.map_err(|error| from_api(&error, api, hint))?;
    Ok(Body { stream: Box::pin(stream).compat(), limit: LIST_LIMIT })
}

/// An answer that is being read.
pub(super) struct Body<R> {
    stream: R,
    limit: u64,
}

impl<R: AsyncRead + Unpin> Body<R> {
    /// The same with another limit in bytes.
    pub fn limited(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Passes all of it on, until the receiver wants no more.
    pub async fn copy_to(&mut self, receiver: &mut (impl AsyncWrite + Unpin)) -> Result<(), Failure> {
        let mut all = (&mut self.stream).take(self.limit + 1);
        match tokio::io::copy(&mut all, receiver).await {
            Ok(count) if count > self.limit => Err(Failure::invalid(format!("the answer is larger than {} MiB", self.limit >> 20))),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::unreachable(format!("the answer broke off: {}", quote(&chain(&error))))),
        }
    }
}

/// What an error of the API server means for a signal.
pub(super) fn from_api(error: &Error, api: &str, hint: &str) -> Failure {
    let Error::Api(status) = error else {
        return Failure::unreachable(format!("{api}: {}", chain(error)));
    };
    let said = quote(&status.message);
    // A path below an API that is not served is answered without the details of a Status.
    if status.code == 404
        && (said.is_empty() || said.starts_with("404 page not found") || said.contains("could not find the requested resource"))
    {
        return Failure::unreachable(format!("{api} is not served by the API server: {hint}"));
    }
    let message = format!("{api}: {} {said}", status.code);
    if status.code >= 500 { Failure::unreachable(message) } else { Failure::refused(message) }
}
