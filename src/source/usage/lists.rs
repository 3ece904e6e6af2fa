//! When lists are made, and who shares them.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt, Shared, WeakShared};
use kube::Client;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::decode::decode;
use super::wanted::{Listed, Wanted};
use super::{API, nothing_in};
use crate::clock::Clock;
use crate::core::{Failure, FailureKind};
use crate::source::SourceHealth;
use crate::source::apiserver::{self, Path};
use crate::source::health::Health;
use crate::source::sources::{CONCURRENCY, slot};

const HINT: &str = "install metrics-server or another provider of the resource metrics API";

/// Time between the beginnings of two lists of the same pods: half the shortest interval, so that a policy of 1 s sees each second's samples, and
/// a burst of looks does not list at every one of them. Within it, an answer serves whoever asks about the same pods.
const KEEP: Duration = Duration::from_millis(500);
/// Namespaces from which on one list of the cluster is made instead of one each.
const CLUSTER_FROM: usize = 8;
/// How long lists per namespace are made after a list of the cluster was refused, and how long its length is remembered.
const CLUSTER_PAUSE: Duration = Duration::from_mins(10);
/// Pods a list of the cluster may hold for each that is asked about; beyond, it costs more than it saves.
const UNWANTED: usize = 4;
/// What is under way between the connection and the reader.
const PIPE: usize = 64 << 10;

/// Which pods a list is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of the cluster.
    Cluster,
    /// Those of a namespace.
    Namespace(Arc<str>),
}

/// Makes lists: one at a time of each scope, for everybody who asks meanwhile.
pub struct Lists {
    client: Client,
    clock: Clock,
    slots: Semaphore,
    health: Health,
    turns: Mutex<HashMap<Scope, Turn>>,
    cluster: Mutex<Cluster>,
}

/// What is known of lists of the cluster.
#[derive(Default)]
struct Cluster {
    refused: Option<Instant>,
    /// Entries of the last one.
    entries: Option<(usize, Instant)>,
}

/// What is known of one scope.
#[derive(Default)]
struct Turn {
    last: Option<Last>,
    /// The list after that, for which wishes are collected until it begins.
    next: Option<(Arc<Mutex<Wanted>>, WeakShared<Flight>)>,
}

/// The list that was begun last.
struct Last {
    begun: Instant,
    wanted: Arc<Wanted>,
    answer: Answer,
}

enum Answer {
    UnderWay(WeakShared<Flight>),
    There(Result<Arc<Listed>, Failure>),
}

/// A pipe's end for a thread that may wait.
struct Blocking {
    pipe: DuplexStream,
    runtime: Handle,
}

type Flight = BoxFuture<'static, Result<Arc<Listed>, Failure>>;

// === impl Lists ===

impl Lists {
    pub fn new(client: Client, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            client,
            slots: Semaphore::new(CONCURRENCY),
            health: Health::new(clock.clone()),
            clock,
            turns: Mutex::default(),
            cluster: Mutex::default(),
        })
    }

    pub fn health(&self) -> SourceHealth {
        self.health.snapshot()
    }

    /// Whether one list of the cluster is likely cheaper than one for each of `namespaces`, in which so many pods are asked about.
    pub fn cluster_pays(&self, namespaces: usize, pods: usize) -> bool {
        let now = self.clock.instant();
        let holds = |since: Instant| now.saturating_duration_since(since) < CLUSTER_PAUSE;
        let cluster = self.cluster.lock();
        let refused = cluster.refused.is_some_and(holds);
        let unwanted = cluster.entries.is_some_and(|(entries, since)| holds(since) && entries > UNWANTED * pods.max(100));
        namespaces >= CLUSTER_FROM && !refused && !unwanted
    }

    /// What so many asks want, from a list that has just been made, is under way, or is made for it. `None`: the rights are per namespace.
    pub async fn get(self: &Arc<Self>, scope: Scope, wanted: Wanted, asks: usize) -> Option<Result<Arc<Listed>, Failure>> {
        self.health.asked(asks);
        let is_cluster = scope == Scope::Cluster;
        match self.flight(scope, wanted).await {
            Err(failure) if is_cluster && failure.kind == FailureKind::Refused => None,
            answer => Some(answer),
        }
    }

    fn flight(self: &Arc<Self>, scope: Scope, wanted: Wanted) -> Shared<Flight> {
        let now = self.clock.instant();
        let mut turns = self.turns.lock();
        let turn = turns.entry(scope.clone()).or_default();
        if let Some(answer) = turn.last.as_ref().and_then(|last| last.serves(&wanted, now)) {
            return answer;
        }
        if let Some((gathered, flight)) = &turn.next
            && let Some(flight) = flight.upgrade()
        {
            gathered.lock().merge(&wanted);
            return flight;
        }
        let begun = turn.last.as_ref().map(|last| last.begun);
        let wait = begun.map_or(Duration::ZERO, |begun| KEEP.saturating_sub(now.saturating_duration_since(begun)));
        let gathered = Arc::new(Mutex::new(wanted));
        let flight = Arc::clone(self).fly(scope, Arc::clone(&gathered), wait).boxed().shared();
        turn.next = flight.downgrade().map(|flight| (gathered, flight));
        flight
    }

    /// Makes a list when its time has come.
    async fn fly(self: Arc<Self>, scope: Scope, gathered: Arc<Mutex<Wanted>>, wait: Duration) -> Result<Arc<Listed>, Failure> {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let _slot = self.health.waiting(slot(&self.slots)).await?;
        let begun = self.clock.instant();
        let wanted = {
            let mut turns = self.turns.lock();
            let turn = turns.entry(scope.clone()).or_default();
            let wanted = Arc::new(std::mem::take(&mut *gathered.lock()));
            if let Some((_, flight)) = turn.next.take() {
                turn.last = Some(Last { begun, wanted: Arc::clone(&wanted), answer: Answer::UnderWay(flight) });
            }
            wanted
        };
        let answer = self.health.count(self.list(&scope, wanted)).await.map(Arc::new);
        let mut turns = self.turns.lock();
        if let Some(last) = turns.get_mut(&scope).and_then(|turn| turn.last.as_mut()).filter(|last| last.begun == begun) {
            last.answer = Answer::There(answer.clone());
            drop(turns);
            self.forget_later(scope, begun);
        }
        answer
    }

    /// An answer that serves nobody any more needs no memory.
    fn forget_later(self: &Arc<Self>, scope: Scope, begun: Instant) {
        let lists = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(KEEP).await;
            let Some(lists) = lists.upgrade() else { return };
            let mut turns = lists.turns.lock();
            if let Some(turn) = turns.get_mut(&scope)
                && turn.last.as_ref().is_some_and(|last| last.begun == begun)
            {
                turn.last = None;
                if turn.next.is_none() {
                    turns.remove(&scope);
                }
            }
        });
    }

    async fn list(&self, scope: &Scope, wanted: Arc<Wanted>) -> Result<Listed, Failure> {
        let path = match scope {
            Scope::Cluster => Path::new(&["apis", API, "v1beta1", "pods"], &[]),
            Scope::Namespace(namespace) => Path::new(&["apis", API, "v1beta1", "namespaces", namespace, "pods"], &[]),
        };
        let listed = apiserver::in_time(API, self.read(&path?, wanted, scope)).await;
        match (scope, &listed) {
            (Scope::Cluster, Err(failure)) if failure.kind == FailureKind::Refused => {
                tracing::debug!("usage is listed by namespace: {}", failure.message);
                self.cluster.lock().refused = Some(self.clock.instant());
            }
            (Scope::Cluster, Ok(listed)) => self.cluster.lock().entries = Some((listed.entries(), self.clock.instant())),
            (Scope::Namespace(namespace), Ok(listed)) if listed.entries() == 0 => return Err(nothing_in(namespace)),
            _ => {}
        }
        listed
    }

    /// Reads an answer on a thread for work that takes its time. Whoever drops this closes the pipe, which ends that as well.
    async fn read(&self, path: &Path, wanted: Arc<Wanted>, scope: &Scope) -> Result<Listed, Failure> {
        let mut body = apiserver::open(&self.client, path, API, HINT).await?;
        let (mut sink, pipe) = tokio::io::duplex(PIPE);
        let runtime = Handle::current();
        let namespace = match scope {
            Scope::Cluster => None,
            Scope::Namespace(namespace) => Some(Arc::clone(namespace)),
        };
        let mut decoding = tokio::task::spawn_blocking(move || decode(Blocking { pipe, runtime }, namespace, wanted));
        let (passed, decoded) = tokio::select! {
            passed = body.copy_to(&mut sink) => {
                drop(sink);
                (passed, decoding.await)
            }
            // Without waiting for the rest of what cannot be read.
            decoded = &mut decoding => (Ok(()), decoded),
        };
        passed.map_err(|failure| failure.of(API))?;
        let decoded = decoded.map_err(|error| Failure::unreachable(format!("{API}: {error}")))?;
        decoded.map_err(|error| Failure::invalid(format!("{API}: the answer cannot be read: {error}")))
    }
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.pipe.read(buffer))
    }
}

// === impl Last ===

impl Last {
    /// The answer, if it is young enough or still to come, and about all that is wanted.
    fn serves(&self, wanted: &Wanted, now: Instant) -> Option<Shared<Flight>> {
        if !self.wanted.covers(wanted) {
            return None;
        }
        match &self.answer {
            Answer::UnderWay(flight) => flight.upgrade(),
            Answer::There(answer) if now.saturating_duration_since(self.begun) < KEEP => {
                Some(std::future::ready(answer.clone()).boxed().shared())
            }
            Answer::There(_) => None,
        }
    }
}
