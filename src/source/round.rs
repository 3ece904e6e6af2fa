//! One tick's questions from planning to the last answer: who waits for what, and who is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{AbortHandle, Abortable, Aborted, BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};

use super::failure::quote;
use super::plan::{self, Job, Place, Work};
use super::presets;
use super::prometheus::Turn;
use super::request::Outcome;
use super::sources::Sources;
use super::traced;
use super::{Answers, Ask, Batch, Query};
use crate::core::{Failure, Origin, Poll, Reading, Time};
use crate::telemetry::Step;

/// A tick's batches until all of them are answered.
pub(super) struct Round {
    sources: Arc<Sources>,
    now: Time,
    /// Whose requests these are, in a trace.
    tick: Step,
    start: Instant,
    /// Batches that are not answered yet.
    open: Vec<Option<Open>>,
    /// How many those are.
    left: usize,
    /// Their deadlines, latest first.
    deadlines: Vec<(Duration, usize)>,
    units: Vec<Unit>,
    work: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// Batches answered since somebody looked.
    out: Vec<(usize, Answers)>,
}

/// A batch that waits.
struct Open {
    asks: Vec<Waiting>,
    /// How many of them have no reading.
    left: usize,
}

struct Waiting {
    ask: Ask,
    /// What it waits for.
    unit: usize,
    reading: Option<Reading>,
    /// Who gives it, if the pods are to be asked.
    origin: Option<Arc<Origin>>,
}

/// A job under way.
struct Unit {
    /// Who waits for it, the expired included.
    places: Vec<Place>,
    /// How many of those are not expired.
    waiting: usize,
    abort: AbortHandle,
    /// Its turn at a server, if it needs one.
    turn: Option<Arc<Turn>>,
}

/// Which job ended, and how; `Err` inside of `Ok` are failures of sources.
type Ended = (usize, Result<Result<Outcome, Failure>, Aborted>);

// === impl Round ===

impl Round {
    /// Plans; nothing is sent before [`Round::next`].
    pub fn new(sources: Arc<Sources>, batches: Vec<Batch>, now: Time) -> Self {
        let jobs = plan::plan(
            &batches,
            |namespaces, pods| sources.usage.cluster_pays(namespaces, pods),
            |namespace, source| sources.registry.is_own(namespace, source),
        );
        let mut round = Self {
            start: sources.clock.instant(),
            sources,
            now,
            tick: Step::current(),
            open: Vec::with_capacity(batches.len()),
            left: 0,
            deadlines: Vec::new(),
            units: Vec::with_capacity(jobs.len()),
            work: FuturesUnordered::new(),
            out: Vec::new(),
        };
        for (place, Batch { asks, deadline }) in batches.into_iter().enumerate() {
            if asks.is_empty() {
                round.out.push((place, Answers::default()));
                round.open.push(None);
                continue;
            }
            let asks: Vec<_> = asks.into_iter().map(|ask| Waiting { ask, unit: 0, reading: None, origin: None }).collect();
            round.left += 1;
            round.open.push(Some(Open { left: asks.len(), asks }));
            round.deadlines.push((deadline, place));
        }
        round.deadlines.sort_unstable_by(|a, b| b.cmp(a));
        round.begin_all(jobs);
        round
    }

    /// The next batches that are answered, or `None` after the last.
    pub async fn next(&mut self) -> Option<Vec<(usize, Answers)>> {
        loop {
            // What ended at the same time comes out together.
            while let Some(Some(ended)) = self.work.next().now_or_never() {
                self.end(ended);
            }
            if !self.out.is_empty() {
                return Some(std::mem::take(&mut self.out));
            }
            if self.left == 0 {
                return None;
            }
            let wait = self.until_deadline();
            tokio::select! {
                Some(ended) = self.work.next() => self.end(ended),
                () = tokio::time::sleep(wait) => self.expire(),
            }
        }
    }

    /// Time to the first deadline of an open batch.
    fn until_deadline(&mut self) -> Duration {
        while self.deadlines.last().is_some_and(|(_, batch)| self.open[*batch].is_none()) {
            self.deadlines.pop();
        }
        self.deadlines.last().map_or(Duration::MAX, |(deadline, _)| deadline.saturating_sub(self.elapsed()))
    }

    /// The shortest deadline of a batch.
    fn shortest(&self) -> Duration {
        self.deadlines.last().map_or(Duration::MAX, |(deadline, _)| *deadline)
    }

    fn elapsed(&self) -> Duration {
        self.sources.clock.instant().saturating_duration_since(self.start)
    }

    fn begin_all(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            self.begin(job);
        }
    }

    fn begin(&mut self, Job { work, places }: Job) {
        let unit = self.units.len();
        let mut waiting = 0;
        for &(batch, n) in &places {
            if let Some(open) = &mut self.open[batch] {
                open.asks[n].unit = unit;
                waiting += 1;
            }
        }
        let (abort, registration) = AbortHandle::new_pair();
        let turn = match &work {
            Work::Prometheus { turn, .. } | Work::Preset { turn, .. } => Some(Arc::clone(turn)),
            _ => None,
        };
        self.units.push(Unit { places, waiting, abort, turn });
        if waiting > 0 {
            let (sources, now) = (Arc::clone(&self.sources), self.now);
            let step = work.step(&self.tick, waiting);
            let work = Abortable::new(async move { sources.perform(work, waiting, now).await }, registration);
            self.work.push(if step.is_on() {
                let work = step.clone().during(work);
                work.map(move |ended| (unit, ended)).inspect(move |(_, how)| traced::ended(&step, how)).boxed()
            } else {
                work.map(move |ended| (unit, ended)).boxed()
            });
        }
    }

    /// Hands out what a job gave, or begins what follows from it.
    fn end(&mut self, (unit, ended): Ended) {
        let places = std::mem::take(&mut self.units[unit].places);
        match ended {
            Err(Aborted) => {}
            Ok(Err(failure)) => self.fail(places, &failure),
            Ok(Ok(Outcome::Answered(answer))) => {
                let now = self.now;
                for place in places {
                    self.answer(place, |ask| answer.reading(ask, now));
                }
            }
            Ok(Ok(Outcome::Heard(heards))) => {
                let sources = Arc::clone(&self.sources);
                let reading = |ask: &Ask| match &sources.direct {
                    Some(direct) => direct.reading(&heards, ask),
                    None => Err(Failure::refused("no such answer")),
                };
                self.direct(places, reading);
            }
            Ok(Ok(Outcome::NotDirect(failure))) => self.direct(places, |_| Err(failure.clone())),
            Ok(Ok(Outcome::Unknown)) => {
                let sources = Arc::clone(&self.sources);
                for place in places {
                    self.answer(place, |ask| Err(sources.registry.unknown(ask)));
                }
            }
            Ok(Ok(Outcome::Found(server))) => {
                let (jobs, refused) = plan::queries(&server, self.asks(&places), self.shortest());
                for (place, failure) in refused {
                    self.answer(place, |_| Err(failure));
                }
                self.begin_all(jobs);
            }
            Ok(Ok(Outcome::TooLarge { server, preset, cuts, failure })) => {
                let part: Vec<_> = self.asks(&places).collect();
                match presets::halves(&server, &preset, &part, cuts) {
                    Some(Ok(jobs)) => self.begin_all(jobs),
                    Some(Err(failure)) => self.fail(places, &failure),
                    None => self.fail(places, &failure),
                }
            }
            Ok(Ok(Outcome::NotEverywhere)) => {
                let jobs = plan::by_namespace(self.asks(&places));
                self.begin_all(jobs);
            }
        }
    }

    /// Hands out what the pods of a target said. Whose ask cannot be answered by that asks a query, if it may.
    fn direct(&mut self, places: Vec<Place>, reading: impl Fn(&Ask) -> Result<(Reading, Poll), Failure>) {
        let mut others = Vec::new();
        for (batch, n) in places {
            let Some(Waiting { ask, origin, .. }) = self.open[batch].as_mut().and_then(|open| open.asks.get_mut(n)) else { continue };
            let answer = match reading(ask) {
                Ok((reading, poll)) => {
                    *origin = Some(Arc::new(Origin::Pods(poll)));
                    Ok(reading)
                }
                Err(Failure { message, .. }) if ask.direct.as_ref().is_some_and(|pods| pods.fall_back) => {
                    tracing::debug!(namespace = %ask.namespace, target = %ask.target, %message, "asking a query instead of the pods");
                    *origin = Some(Arc::new(Origin::Source { why: message.into() }));
                    others.push((batch, n));
                    continue;
                }
                Err(failure) => Err(failure),
            };
            self.answer((batch, n), |_| answer);
        }
        let sources = Arc::clone(&self.sources);
        let jobs = plan::by_source(self.asks(&others).collect(), |namespace, source| sources.registry.is_own(namespace, source));
        self.begin_all(jobs);
    }

    /// The asks at these places that still wait.
    fn asks<'a>(&'a self, places: &'a [Place]) -> impl Iterator<Item = (Place, &'a Ask)> {
        places.iter().filter_map(|&(batch, n)| Some(((batch, n), &self.open[batch].as_ref()?.asks[n].ask)))
    }

    fn fail(&mut self, places: Vec<Place>, failure: &Failure) {
        for place in places {
            self.answer(place, |_| Err(failure.clone()));
        }
    }

    fn answer(&mut self, (batch, n): Place, reading: impl FnOnce(&Ask) -> Result<Reading, Failure>) {
        let Some(open) = &mut self.open[batch] else { return };
        let Waiting { ask, reading: slot, .. } = &mut open.asks[n];
        *slot = Some(reading(ask).unwrap_or_else(|failure| named(ask, &failure).into()));
        open.left -= 1;
        if open.left == 0 {
            self.close(batch);
        }
    }

    fn close(&mut self, batch: usize) {
        let Some(open) = self.open[batch].take() else { return };
        self.left -= 1;
        let answers = open.asks.into_iter().filter_map(|waiting| Some((waiting.reading?, waiting.origin)));
        let (readings, mut origins): (_, Vec<_>) = answers.unzip();
        if origins.iter().all(Option::is_none) {
            origins = Vec::new();
        }
        self.out.push((batch, Answers { readings, origins }));
    }

    /// Closes the batches whose deadline has passed.
    fn expire(&mut self) {
        let elapsed = self.elapsed();
        while let Some((deadline, batch)) = self.deadlines.pop_if(|(deadline, _)| *deadline <= elapsed) {
            let Some(open) = &mut self.open[batch] else { continue };
            for Waiting { ask, unit, reading, .. } in &mut open.asks {
                if reading.is_some() {
                    continue;
                }
                let unit = &mut self.units[*unit];
                let unsent = unit.turn.as_ref().and_then(|turn| turn.late(deadline));
                let late = unsent.unwrap_or_else(|| Failure::unreachable(format!("no answer within {} s", deadline.as_secs_f64())));
                *reading = Some(named(ask, &late).into());
                unit.waiting -= 1;
                if unit.waiting == 0 {
                    unit.abort.abort();
                }
            }
            self.close(batch);
        }
    }
}

/// Puts the query in front of what a Prometheus server said: people know it by that, and can ask it themselves.
fn named(ask: &Ask, failure: &Failure) -> Failure {
    match &ask.query {
        Query::Prometheus(query) => failure.of(&format!("query {}", quote(&query.query))),
        _ => failure.clone(),
    }
}
