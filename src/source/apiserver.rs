//! Reads of the aggregated metrics APIs through the API server.

use std::time::Duration;

use kube::{Client, Error};
use reqwest::Url;
use serde::de::DeserializeOwned;

use super::failure::{chain, quote};
use crate::core::Failure;

/// Longest wait for one answer of the API server.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

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
    let request = http::Request::get(&path.0).body(Vec::new()).map_err(|error| Failure::refused(format!("{api}: {error}")))?;
    let text = tokio::time::timeout(TIMEOUT, client.request_text(request))
        .await
        .map_err(|_| Failure::unreachable(format!("{api}: no answer within {} s", TIMEOUT.as_secs())))?
        .map_err(|error| from_api(&error, api, hint))?;
    serde_json::from_str(&text).map_err(|error| Failure::invalid(format!("{api}: the answer cannot be read: {error}")))
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
