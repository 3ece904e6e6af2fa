//! A server's history in bounded pieces: asked side by side, again where the server is only busy, and kept on disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use thiserror::Error;

use super::Cache;
use crate::clock::Clock;
use crate::core::Time;
use crate::source::prometheus::{Run, Server};
use crate::source::{Cause, Fault};

/// Points of a series in one answer: servers refuse more than 11,000, and at 15 s this is six hours.
const POINTS: u32 = 1440;
/// Stored samples are asked for this much at a time: each look of a controller is dozens of series.
const SAMPLES: Duration = Duration::from_mins(5);
/// Questions under way at once.
const SIDE_BY_SIDE: usize = 4;
/// A question is asked this often.
const TRIES: u32 = 6;
/// Pause before the second try; doubled for each one more.
const PAUSE: Duration = Duration::from_millis(250);
/// History younger than this may still grow, where it takes a way through queues; it is not kept.
const SETTLED: Duration = Duration::from_mins(5);

/// Asks one server about its past.
pub struct Asker {
    server: Arc<Server>,
    cache: Option<Cache>,
    clock: Clock,
    /// One step per piece.
    bar: ProgressBar,
}

/// What was asked, in one piece.
#[derive(Clone, Debug)]
struct Piece {
    start: Time,
    end: Time,
}

/// How it is asked.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Evaluated every so often.
    Every(Duration),
    /// Samples as they were stored.
    Stored,
}

/// Series over all of a span.
pub type History = Vec<Run>;

/// No history.
#[derive(Debug, Error)]
#[error("{server}: {query}: from {from} to {to}: {}{}", .fault.failure.message, .kept.as_ref().map(|dir| format!("; what was answered is kept in {dir}, so that the same command goes on from there")).unwrap_or_default())]
pub struct NoHistory {
    server: String,
    query: String,
    from: jiff::Timestamp,
    to: jiff::Timestamp,
    /// What the server said last.
    pub fault: Box<Fault>,
    kept: Option<String>,
}

// === impl Asker ===

impl Asker {
    /// Asks `server`; the bar is moved as answers come.
    pub fn new(server: Arc<Server>, cache: Option<Cache>, clock: Clock, bar: ProgressBar) -> Self {
        Self { server, cache, clock, bar }
    }

    /// No more questions come.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Values of `query` at the multiples of `step` from `from` to `to`. Where there is no point, there was no number.
    ///
    /// # Errors
    /// Where the server does not answer, or refuses.
    pub async fn range(&self, query: &str, from: Time, to: Time, step: Duration) -> Result<History, NoHistory> {
        let step = step.max(Duration::from_secs(1));
        let mut pieces = pieces(from, to, step * POINTS, step);
        // Whole steps, so that the next run meets the same points.
        pieces.retain_mut(|piece| {
            piece.start = up(piece.start, step);
            piece.start <= piece.end
        });
        self.ask(query, pieces, Form::Every(step)).await
    }

    /// The samples that `selector` matches, as they were stored after `from` and until `to`.
    ///
    /// # Errors
    /// Where the server does not answer, or refuses.
    pub async fn samples(&self, selector: &str, from: Time, to: Time) -> Result<History, NoHistory> {
        self.ask(selector, pieces(from, to, SAMPLES, Duration::ZERO), Form::Stored).await
    }

    async fn ask(&self, query: &str, pieces: Vec<Piece>, form: Form) -> Result<History, NoHistory> {
        self.bar.inc_length(pieces.len() as u64);
        let answers = stream::iter(pieces).map(|piece| self.piece(query, piece, form)).buffered(SIDE_BY_SIDE);
        let answers: Vec<Vec<Run>> = answers.try_collect().await?;
        Ok(join(answers))
    }

    async fn piece(&self, query: &str, piece: Piece, form: Form) -> Result<Vec<Run>, NoHistory> {
        let settled = piece.end + SETTLED < self.clock.now();
        let key = self.cache.as_ref().filter(|_| settled).map(|cache| (cache, self.key(query, &piece, form)));
        if let Some(runs) = key.as_ref().and_then(|(cache, key)| cache.get(key)) {
            self.bar.inc(1);
            return Ok(runs);
        }
        let runs = self.fetch(query, piece.clone(), form).await.map_err(|fault| self.no_history(query, &piece, fault))?;
        if let Some((cache, key)) = key
            && let Err(error) = cache.put(&key, &runs)
        {
            tracing::warn!(%error, dir = %cache.dir().display(), "cannot keep an answer");
        }
        self.bar.inc(1);
        Ok(runs)
    }

    /// Asks until there is an answer, or no use in asking. What is too much for one answer is asked in two.
    fn fetch<'a>(&'a self, query: &'a str, piece: Piece, form: Form) -> BoxFuture<'a, Result<Vec<Run>, Fault>> {
        async move {
            let mut tries = 1;
            loop {
                let fault = match self.once(query, &piece, form).await {
                    Ok(runs) => return Ok(runs),
                    Err(fault) => fault,
                };
                if is_too_much(&fault)
                    && let Some((first, second)) = piece.halves(form)
                {
                    let first = self.fetch(query, first, form).await?;
                    return Ok(join(vec![first, self.fetch(query, second, form).await?]));
                }
                if !fault.cause.is_passing() || tries == TRIES {
                    return Err(fault);
                }
                tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
                tries += 1;
            }
        }
        .boxed()
    }

    async fn once(&self, query: &str, piece: &Piece, form: Form) -> Result<Vec<Run>, Fault> {
        match form {
            Form::Every(step) => self.server.query_range(query, piece.start, piece.end, step).await,
            Form::Stored => {
                let length = piece.end.since(piece.start).as_millis();
                self.server.query_samples(&format!("{query}[{length}ms]"), piece.end).await
            }
        }
    }

    /// Everything that an answer depends on, but for secrets.
    fn key(&self, query: &str, piece: &Piece, form: Form) -> String {
        let material = self.server.material();
        let open = |(name, value): &(String, String)| (!name.eq_ignore_ascii_case("authorization")).then(|| format!("{name}: {value}"));
        let headers: Vec<String> = material.headers.iter().filter_map(open).collect();
        let (start, end) = (piece.start.as_millis(), piece.end.as_millis());
        format!("1 {} {headers:?} {form:?} {start} {end} {query}", material.url)
    }

    fn no_history(&self, query: &str, piece: &Piece, fault: Fault) -> NoHistory {
        let time = crate::report::timestamp;
        let kept = self.cache.as_ref().map(|cache| cache.dir().display().to_string());
        NoHistory {
            server: self.server.name().to_owned(),
            query: query.to_owned(),
            from: time(piece.start),
            to: time(piece.end),
            fault: Box::new(fault),
            kept,
        }
    }
}

impl Piece {
    /// Two of half the length, if that makes sense.
    fn halves(&self, form: Form) -> Option<(Self, Self)> {
        let length = self.end.since(self.start);
        let (middle, next) = match form {
            Form::Every(step) => {
                let middle = up(self.start + length / 2, step);
                (middle, middle + step)
            }
            Form::Stored => {
                let middle = self.start + length / 2;
                (middle, middle)
            }
        };
        let makes_sense = self.start < middle && middle < self.end && length > Duration::from_secs(2);
        makes_sense.then_some((Self { start: self.start, end: middle }, Self { start: next, end: self.end }))
    }
}

/// Whether a smaller question may have an answer.
fn is_too_much(fault: &Fault) -> bool {
    let said = &fault.failure.message;
    fault.cause == Cause::TooManySeries
        || fault.cause == Cause::QueryRefused
            && ["too many samples", "maximum resolution", "too many points"].iter().any(|w| said.contains(w))
}

/// A span cut at the multiples of `length`, so that other spans have pieces in common; each ends `gap` before the next one begins.
fn pieces(from: Time, to: Time, length: Duration, gap: Duration) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = from;
    while start < to {
        let next = up(start + Duration::from_millis(1), length);
        pieces.push(Piece { start, end: to.min(next - gap) });
        start = next;
    }
    pieces
}

/// The next multiple of `step`.
pub(super) fn up(time: Time, step: Duration) -> Time {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let millis = time.as_millis();
    let rest = millis.rem_euclid(step);
    if rest == 0 { time } else { Time::from_millis(millis.saturating_add(step - rest)) }
}

/// Pieces as one, in order of time.
fn join(pieces: Vec<Vec<Run>>) -> History {
    let mut all: BTreeMap<BTreeMap<String, String>, Vec<_>> = BTreeMap::new();
    for Run { labels, points } in pieces.into_iter().flatten() {
        all.entry(labels).or_default().extend(points);
    }
    all.into_iter().map(|(labels, points)| Run { labels, points }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pieces: &[Piece]) -> Vec<(i64, i64)> {
        pieces.iter().map(|piece| (piece.start.as_millis() / 1000, piece.end.as_millis() / 1000)).collect()
    }

    #[test]
    fn spans_that_overlap_have_pieces_in_common() {
        let (s, time) = (Duration::from_secs, Time::from_secs);
        assert_eq!(spans(&pieces(time(7), time(35), s(10), s(0))), [(7, 10), (10, 20), (20, 30), (30, 35)]);
        assert_eq!(spans(&pieces(time(10), time(30), s(10), s(5))), [(10, 15), (20, 25)]);
        assert!(pieces(time(5), time(5), s(10), s(0)).is_empty());
    }

    #[test]
    fn halves_cover_the_whole() {
        let piece = Piece { start: Time::from_secs(0), end: Time::from_secs(100) };
        let (first, second) = piece.halves(Form::Every(Duration::from_secs(15))).unwrap();
        assert_eq!((spans(&[first]), spans(&[second])), (vec![(0, 60)], vec![(75, 100)]));
        let piece = Piece { start: Time::from_secs(0), end: Time::from_secs(1) };
        assert!(piece.halves(Form::Stored).is_none());
    }
}
