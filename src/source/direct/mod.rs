//! The short metric path: the pods of a target are asked themselves.
//!
//! On its way through a Prometheus server a sample is on average half a scrape interval and half a rate window old. Here it is as old as
//! the request. What a preset measures is read of each pod (at most [`sample::size`] of them), counters are compared with the scrape before,
//! and the pods' values put together to the reading that the preset's query would give. Where fewer than half of the pods have a value, that
//! query is asked instead.
//!
//! Only pods of the target itself are asked, at addresses that they say themselves ([`address`]).

mod address;
mod answer;
mod known;
mod protobuf;
mod rate;
mod sample;
mod scrape;
mod take;
mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;

pub use address::{Endpoint, Refused, Says, endpoint};
pub use scrape::{Admits, of_a_pod};
pub use take::{Kind, Want};

use answer::{Answer, Count, Heard};
use known::{Known, Targets};
use rate::Value;
use scrape::Scraper;

use super::health::Health;
use super::preset::{Filled, Shape};
use super::{Ask, SourceHealth};
use crate::clock::Clock;
use crate::core::{Failure, Poll, Reading, Time};

/// Pods of one target that are asked at once.
const AT_ONCE: usize = 8;
/// Targets whose pods are asked at once. Who waits for a turn still has all of its time before it; and as many targets would have to hang
/// to hold up all others.
const TURNS: usize = 16;
/// Longest time for all pods of a target: the query that may have to be asked instead needs some as well. Whoever is not heard by then did
/// not answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a preset measures, as pods have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The family that is measured, summed over its series.
    pub over: (&'static str, Kind),
    /// The gauge it is divided by.
    pub under: Option<&'static str>,
    /// A label, and the parameter with the only value that counts.
    pub only: Option<(&'static str, &'static str)>,
}

/// A pod that can be asked, or why it cannot.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Where.
    pub endpoint: Result<Endpoint, Refused>,
    /// It runs.
    pub running: bool,
    /// It serves, so it should answer.
    pub serving: bool,
}

/// The pods of a target.
#[derive(Clone, Debug)]
pub struct Pods {
    /// In the order of the ask's names.
    pub pods: Arc<[Pod]>,
    /// The query is asked where too few answer.
    pub fall_back: bool,
}

/// Asks pods.
pub(super) struct Direct {
    scraper: Scraper,
    clock: Clock,
    health: Health,
    targets: Targets,
    turns: Semaphore,
}

/// See [`Heards::pods`].
type Asked = (usize, bool, Option<Vec<Value>>, Option<Vec<Value>>);

/// What the pods of a target said.
pub(super) struct Heards {
    wanted: Arc<[Want]>,
    /// By pod that was asked: its place, whether it serves, its values of the scrape before and of this one.
    pods: Vec<Asked>,
    /// How many could have been asked.
    able: usize,
    /// How many serve and could not.
    mute: usize,
    time: Time,
    window: Duration,
    /// What the first of them met that did not answer, and why others cannot even be asked.
    trouble: Option<String>,
}

// === impl Recipe ===

impl Recipe {
    /// The families to be taken, with the values of parameters.
    pub fn wants<'a>(&self, parameter: impl Fn(&str) -> Option<&'a str>) -> Arc<[Want]> {
        let (name, kind) = self.over;
        let only = self.only.and_then(|(label, name)| Some((label, Arc::from(parameter(name)?))));
        let over = Want { name, kind, only };
        let under = self.under.map(|name| Want { name, kind: Kind::Gauge, only: None });
        std::iter::once(over).chain(under).collect()
    }
}

// === impl Direct ===

impl Direct {
    pub fn new(admits: Admits, clock: Clock) -> Result<Self, String> {
        Ok(Self {
            scraper: Scraper::new(admits)?,
            health: Health::new(clock.clone()),
            clock,
            targets: Targets::default(),
            turns: Semaphore::new(TURNS),
        })
    }

    /// Its counters; what is counted is targets, not pods.
    pub fn health(&self) -> SourceHealth {
        self.health.snapshot()
    }

    /// Asks the pods of the target of `asks`, once for all of them.
    pub async fn ask(&self, asks: &[Ask], now: Time) -> Result<Heards, Failure> {
        let Some((ask, pods)) = asks.iter().find_map(|ask| Some((ask, ask.direct.as_ref()?))) else {
            return Err(Failure::refused("no pods to ask"));
        };
        self.health.asked(asks.len());
        let mut wanted: Vec<Want> = Vec::new();
        for wants in asks.iter().filter_map(wants) {
            let new: Vec<Want> = wants.iter().filter(|want| !wanted.contains(want)).cloned().collect();
            wanted.extend(new);
        }
        let target = target(ask);
        let (known, variation) = self.targets.of(&target, self.clock.instant());
        let mut known = known.lock().await;
        let Ok(_turn) = self.turns.acquire().await else { return Err(Failure::unreachable("stopping")) };
        let wanted = known.widen(wanted);
        let heard = self.health.count(async {
            let heard = self.hear(&mut known, wanted, (ask, pods), variation, now).await;
            if heard.is_silent() { Err(heard.failure("no pod answered")) } else { Ok(heard) }
        });
        let heard = heard.await;
        self.targets.keep(&target, known.series(), self.clock.instant());
        heard
    }

    async fn hear(&self, known: &mut Known, wanted: Arc<[Want]>, (ask, pods): (&Ask, &Pods), variation: Option<f64>, now: Time) -> Heards {
        let able: Vec<(usize, &Endpoint)> = pods
            .pods
            .iter()
            .enumerate()
            .filter(|(_, pod)| pod.running)
            .filter_map(|(at, pod)| Some((at, pod.endpoint.as_ref().ok()?)))
            .collect();
        let names: Vec<Arc<str>> = able.iter().map(|(at, _)| Arc::clone(&ask.pods[*at])).collect();
        let chosen = sample::choose(&names, sample::size(able.len(), variation), now);
        let scrapes = chosen.iter().map(|&which| {
            let (scraper, wanted, endpoint) = (&self.scraper, &wanted, able[which].1);
            let recent = known.pods.get(&names[which]).is_some_and(|pod| pod.is_recent(endpoint, self.clock.instant()));
            async move {
                let families = if recent { None } else { Some(scraper.scrape(endpoint, wanted).await) };
                (which, families, self.clock.instant())
            }
        });
        let scrapes: Vec<_> = scrapes.collect();
        let heard = stream::iter(scrapes).buffer_unordered(AT_ONCE).take_until(tokio::time::sleep(PATIENCE)).collect::<Vec<_>>().await;
        let mute = pods.pods.iter().filter(|pod| pod.serving && pod.endpoint.is_err()).count();
        let refused = pods.pods.iter().filter(|pod| pod.running).find_map(|pod| pod.endpoint.as_ref().err());
        let mut trouble = refused.map(ToString::to_string);
        let mut values: HashMap<usize, Vec<Value>> = HashMap::new();
        let before: Vec<Option<Vec<Value>>> =
            chosen.iter().map(|which| known.pods.get(&names[*which]).map(|pod| pod.values.clone())).collect();
        let mut window = Duration::ZERO;
        for (which, families, at) in heard {
            let (name, socket) = (&names[which], able[which].1.socket);
            match families {
                None => {}
                Some(Ok(families)) => known.take(name, socket, at, families),
                Some(Err(failed)) => {
                    trouble.get_or_insert_with(|| format!("{name}: {failed}"));
                    continue;
                }
            }
            if let Some(pod) = known.pods.get(name) {
                window = window.max(pod.window);
                values.insert(which, pod.values.clone());
            }
        }
        let asked = chosen.iter().zip(before);
        let pods = asked.map(|(which, before)| (able[*which].0, pods.pods[able[*which].0].serving, before, values.remove(which))).collect();
        let present: std::collections::HashSet<&Arc<str>> = names.iter().collect();
        known.pods.retain(|name, _| present.contains(name));
        Heards { wanted, pods, able: able.len(), mute, time: self.clock.now().max(now), window, trouble }
    }

    /// The reading of one of the asks that were answered together, and whom it was made of.
    pub fn reading(&self, heard: &Heards, ask: &Ask) -> Result<(Reading, Poll), Failure> {
        let (Some(wants), Some(filled)) = (wants(ask), filled(ask)) else { return Err(Failure::refused("no such answer")) };
        let target = target(ask);
        let last = self.targets.last(&target, &wants, heard.time);
        let Answer { reading, poll, variation } = heard.answer(&wants, filled.shape, ask.pods.len(), last)?;
        let total = if let Reading::Total(sample) = &reading { Some((heard.time, sample.value / 1000.0)) } else { None };
        self.targets.learn(&target, variation, wants, total);
        Ok((reading, poll))
    }
}

fn target(ask: &Ask) -> known::Target {
    (Arc::clone(&ask.namespace), Arc::clone(&ask.target))
}

fn filled(ask: &Ask) -> Option<&Filled> {
    match &ask.query {
        super::Query::Prometheus(query) => query.preset.as_deref(),
        _ => None,
    }
}

/// Whether the pods of an ask's target are to be asked first.
pub(super) fn is_direct(ask: &Ask) -> bool {
    wants(ask).is_some()
}

/// What is wanted of each pod for an ask.
pub(super) fn wants(ask: &Ask) -> Option<Arc<[Want]>> {
    ask.direct.as_ref()?;
    filled(ask)?.direct.clone()
}

// === impl Heards ===

impl Heards {
    /// There are pods, and none of those that were asked answered.
    fn is_silent(&self) -> bool {
        !self.pods.is_empty() && self.pods.iter().all(|(.., now)| now.is_none())
    }

    fn failure(&self, why: &str) -> Failure {
        match &self.trouble {
            Some(trouble) => Failure::unreachable(format!("the pods themselves: {why}; {trouble}")),
            None => Failure::empty(format!("the pods themselves: {why}")),
        }
    }

    fn answer(&self, wants: &[Want], shape: Shape, slots: usize, last: Option<f64>) -> Result<Answer, Failure> {
        let places: Vec<usize> = wants.iter().filter_map(|want| self.wanted.iter().position(|wanted| wanted == want)).collect();
        let value = |values: &Vec<Value>| answer::value(&places.iter().filter_map(|place| values.get(*place).copied()).collect::<Vec<_>>());
        let heard = self.pods.iter().map(|(place, expected, before, now)| Heard {
            place: *place,
            expected: *expected,
            known_before: before.as_ref().is_some_and(|before| matches!(value(before), Value::Known(_))),
            value: now.as_ref().map(value),
        });
        let heard: Vec<Heard> = heard.collect();
        let count = Count { slots, able: self.able, mute: self.mute };
        answer::answer(shape, &heard, count, last, (self.time, self.window)).map_err(|why| self.failure(&why))
    }
}
