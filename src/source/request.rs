//! One request: how it is made, and how an ask reads its own part of the answer.

use std::sync::Arc;

use super::custom::{self, ByPod, ObjectAsk};
use super::plan::{Request, Work};
use super::prometheus::{self, Answer, Server};
use super::resource::{self, Everywhere, Usage};
use super::sources::{Sources, slot};
use super::{Ask, Query, external};
use crate::core::{Failure, Reading, Time};

/// How a job ended.
pub(super) enum Outcome {
    /// There is such a server.
    Found(Arc<Server>),
    /// No source has that name.
    Unknown,
    /// The cluster may not be listed as a whole.
    NotEverywhere,
    /// An answer.
    Answered(Answered),
}

/// What a request gave.
pub(super) enum Answered {
    Everywhere(Everywhere),
    Usage(Usage),
    Pods(ByPod),
    Total(Reading),
    Prometheus(Answer),
}

// === impl Sources ===

impl Sources {
    /// Does a job.
    pub(super) async fn perform(&self, work: Work, now: Time) -> Result<Outcome, Failure> {
        match work {
            Work::Find { namespace, source } => {
                let _slot = slot(&self.slots.lookups).await?;
                Ok(self.registry.find(&namespace, &source).await?.map_or(Outcome::Unknown, Outcome::Found))
            }
            Work::Ask(Request::Everywhere { pods }) => {
                let (slots, health) = &self.slots.resource;
                let _slot = slot(slots).await?;
                match self.cluster_lists.list(&self.client, pods, health).await {
                    Some(usage) => usage.map(Answered::Everywhere).map(Outcome::Answered),
                    None => Ok(Outcome::NotEverywhere),
                }
            }
            Work::Ask(Request::Prometheus { server, query }) => {
                server.query(&query, now).await.map(Answered::Prometheus).map(Outcome::Answered)
            }
            Work::Ask(request) => {
                let (slots, health) = match &request {
                    Request::Pods { .. } | Request::Total { query: Query::Object { .. }, .. } => &self.slots.custom,
                    Request::Total { .. } => &self.slots.external,
                    _ => &self.slots.resource,
                };
                let _slot = slot(slots).await?;
                health.count(Box::pin(self.ask_api(&request))).await.map(Outcome::Answered)
            }
        }
    }

    async fn ask_api(&self, request: &Request) -> Result<Answered, Failure> {
        match request {
            Request::Usage { namespace } => resource::list(&self.client, namespace).await.map(Answered::Usage),
            Request::Pods { namespace, pods, metric, selector } => {
                self.custom.pods(namespace, pods, metric, selector).await.map(Answered::Pods)
            }
            Request::Total { namespace, query: Query::Object { metric, selector, api_version, kind, name } } => {
                self.custom.object(&ObjectAsk { namespace, metric, selector, api_version, kind, name }).await.map(Answered::Total)
            }
            Request::Total { namespace, query: Query::External { metric, selector } } => {
                external::total(&self.client, namespace, metric, selector).await.map(Answered::Total)
            }
            _ => Err(Failure::refused("no such request")),
        }
    }
}

// === impl Answered ===

impl Answered {
    /// An ask's own part.
    pub fn reading(&self, ask: &Ask, now: Time) -> Result<Reading, Failure> {
        match (self, &ask.query) {
            (Self::Everywhere(usage), Query::Resource { resource, container }) => {
                let usage = usage.get(&*ask.namespace).ok_or_else(|| resource::nothing_in(&ask.namespace))?;
                Ok(usage.reading(ask, resource, container.as_deref()))
            }
            (Self::Usage(usage), Query::Resource { resource, container }) => Ok(usage.reading(ask, resource, container.as_deref())),
            (Self::Pods(values), _) => Ok(custom::per_pod(values, ask)),
            (Self::Total(reading), _) => Ok(reading.clone()),
            (Self::Prometheus(answer), Query::Prometheus(query)) => {
                prometheus::reading(answer, query, &ask.pods, now).map_err(|failure| failure.of(&format!("source {}", query.source)))
            }
            _ => Err(Failure::refused("no such answer")),
        }
    }
}
