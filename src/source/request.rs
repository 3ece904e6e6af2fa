//! One request: how it is made, and how an ask reads its own part of the answer.

use std::sync::Arc;

use super::custom::{self, ByPod as Values, ObjectAsk};
use super::direct::Heards;
use super::plan::Work;
use super::preset::Filled;
use super::prometheus::{self, Answer, ByName, Server};
use super::sources::{Slots, Sources, slot};
use super::usage::Listed;
use super::{Ask, Cause, PrometheusQuery, Query, external};
use crate::core::{Failure, Reading, Time};

/// How a job ended.
pub(super) enum Outcome {
    /// There is such a server.
    Found(Arc<Server>),
    /// No source has that name.
    Unknown,
    /// The cluster may not be listed as a whole.
    NotEverywhere,
    /// A preset's query was refused, which may be for its size.
    TooLarge { server: Arc<Server>, preset: Arc<Filled>, cuts: u8, failure: Failure },
    /// What the pods of a target said; whoever cannot do with that asks a query.
    Heard(Heards),
    /// The pods cannot be asked, so a query is.
    NotDirect(Failure),
    /// An answer.
    Answered(Answered),
}

/// What a request gave.
pub(super) enum Answered {
    Usage(Arc<Listed>),
    Pods(Values),
    Total(Reading),
    Prometheus(Answer),
    Preset(ByName),
}

// === impl Sources ===

impl Sources {
    /// Does a job for so many asks.
    pub(super) async fn perform(&self, work: Work, asks: usize, now: Time) -> Result<Outcome, Failure> {
        match work {
            Work::Find { namespace, source } => {
                let _slot = slot(&self.slots.lookups).await?;
                Ok(Box::pin(self.registry.find(&namespace, &source)).await?.map_or(Outcome::Unknown, Outcome::Found))
            }
            Work::Usage { scope, wanted } => match self.usage.get(scope, wanted, asks).await {
                Some(usage) => usage.map(Answered::Usage).map(Outcome::Answered),
                None => Ok(Outcome::NotEverywhere),
            },
            Work::Pods { namespace, pods, metric, selector } => {
                let request = || self.custom.pods(&namespace, &pods, &metric, &selector);
                counted(&self.slots.custom, asks, request).await.map(Answered::Pods).map(Outcome::Answered)
            }
            Work::Total { namespace, query: Query::Object { metric, selector, api_version, kind, name } } => {
                let (selector, api_version) = (&*selector, &*api_version);
                let object = ObjectAsk { namespace: &namespace, metric: &metric, selector, api_version, kind: &kind, name: &name };
                counted(&self.slots.custom, asks, || self.custom.object(&object)).await.map(Answered::Total).map(Outcome::Answered)
            }
            Work::Total { namespace, query: Query::External { metric, selector } } => {
                let request = || external::total(&self.client, &namespace, &metric, &selector);
                counted(&self.slots.external, asks, request).await.map(Answered::Total).map(Outcome::Answered)
            }
            Work::Total { .. } => Err(Failure::refused("no such request")),
            Work::Direct { asks } => Ok(match &self.direct {
                Some(direct) => direct.ask(&asks, now).await.map_or_else(Outcome::NotDirect, Outcome::Heard),
                None => Outcome::NotDirect(Failure::refused("the controller may not ask pods themselves (--direct-scrape)")),
            }),
            Work::Prometheus { turn, query } => {
                turn.server.asked(asks);
                turn.server.query(&query, now, &turn).await.map(Answered::Prometheus).map(Outcome::Answered)
            }
            Work::Preset { turn, preset, query, pods, cuts } => {
                // The halves are for the same asks.
                if cuts == 0 {
                    turn.server.asked(asks);
                }
                match turn.server.query_by_name(&query, preset.shape, now, &turn).await {
                    Ok(answer) => Ok(Outcome::Answered(Answered::Preset(answer))),
                    Err(fault) if matches!(fault.cause, Cause::TooManySeries | Cause::QueryRefused) => {
                        turn.server.too_many_pods(pods);
                        Ok(Outcome::TooLarge { server: Arc::clone(&turn.server), preset, cuts, failure: fault.failure })
                    }
                    Err(fault) => Err(fault.failure),
                }
            }
        }
    }
}

/// A request to a metrics API, in its turn.
async fn counted<T, R>((slots, health): &Slots, asks: usize, request: impl FnOnce() -> R) -> Result<T, Failure>
where
    R: Future<Output = Result<T, Failure>>,
{
    health.asked(asks);
    let _slot = health.waiting(slot(slots)).await?;
    health.count(Box::pin(request())).await
}

// === impl Answered ===

impl Answered {
    /// An ask's own part.
    pub fn reading(&self, ask: &Ask, now: Time) -> Result<Reading, Failure> {
        match (self, &ask.query) {
            (Self::Usage(usage), Query::Resource { resource, container }) => usage.reading(ask, resource, container.as_deref()),
            (Self::Pods(values), _) => Ok(custom::per_pod(values, ask)),
            (Self::Total(reading), _) => Ok(reading.clone()),
            (Self::Prometheus(answer), Query::Prometheus(query)) => of_query(answer, query, ask, now),
            (Self::Preset(answer), Query::Prometheus(query @ PrometheusQuery { preset: Some(preset), .. })) => {
                of_query(&answer.of(ask, preset), query, ask, now)
            }
            _ => Err(Failure::refused("no such answer")),
        }
    }
}

fn of_query(answer: &Answer, query: &PrometheusQuery, ask: &Ask, now: Time) -> Result<Reading, Failure> {
    prometheus::reading(answer, query, &ask.pods, now).map_err(|failure| failure.of(&format!("source {}", query.source)))
}
